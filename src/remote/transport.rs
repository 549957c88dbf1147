//! HTTP for the shared store: the client of the hub's downloads in place of a second one, with its
//! own bounds.
//!
//! Calls block, which is all right on the runtimes of this room: each serves one thread.

use std::error::Error;
use std::io::{self, Read};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};
use ureq::http::{Method, Response};

/// Bytes of an answer, at most. What is larger is asked for in parts.
pub const LARGEST_ANSWER: u64 = 64 << 20;

/// Bounds of what a server is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until an answer begins, and without a single byte of it.
    pub silence: Duration,
    /// For one request with its answer, which has [`LARGEST_ANSWER`] at most.
    pub request: Duration,
    /// Further tries of a request that failed.
    pub retries: usize,
    /// Redirects of one request.
    pub redirects: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(60),
            request: Duration::from_secs(600),
            retries: 4,
            redirects: 0,
        }
    }
}

/// Makes clients with these limits.
#[derive(Debug)]
pub struct Connector(pub Limits);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let limits = &self.0;
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain = matches!(plain.as_deref(), Some("true" | "1" | "yes" | "on" | "y"));
        let config = ureq::Agent::config_builder()
            .https_only(!plain)
            .max_redirects(limits.redirects)
            .http_status_as_error(false)
            .timeout_global(Some(limits.request))
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_recv_response(Some(limits.silence))
            .timeout_per_read(Some(limits.silence))
            .max_idle_connections_per_host(16)
            .user_agent(concat!("titrate/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(HttpClient::new(Service(config.into())))
    }
}

#[derive(Debug)]
struct Service(ureq::Agent);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let sends = matches!(parts.method, Method::PUT | Method::POST);
        let body = body.collect().await?.to_bytes();
        let request = ureq::http::Request::from_parts(parts, ());
        let answer =
            if sends { self.0.run(request.map(|()| &body[..])) } else { self.0.run(request) };
        let (parts, body) = answer.map_err(failure)?.into_parts();
        let mut bytes = Vec::new();
        let most = LARGEST_ANSWER + (1 << 20);
        body.into_reader().take(most + 1).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 > most {
            let error = io::Error::other(format!("the answer is larger than {most} bytes"));
            return Err(HttpError::new(HttpErrorKind::Decode, error));
        }
        Ok(Response::from_parts(parts, bytes.into()))
    }
}

/// A request without an answer.
fn failure(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(source) => kind_of(source),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

/// An answer that broke off.
fn broken(error: io::Error) -> HttpError {
    let timed_out = error.kind() == io::ErrorKind::TimedOut
        || error.source().is_some_and(|source| source.to_string().contains("timeout"));
    let kind = if timed_out { HttpErrorKind::Timeout } else { HttpErrorKind::Interrupted };
    HttpError::new(kind, error)
}

fn kind_of(error: &io::Error) -> HttpErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
        _ => HttpErrorKind::Interrupted,
    }
}
