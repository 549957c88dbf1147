//! Requests to the hub: bounded in time, redirects and size. The token goes to the hub's own host
//! and to no other, whatever a redirect says.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Uri};

use super::checksum::Checksum;
use super::listing::shown;

/// Bounds of what the hub is waited for and taken from.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until a connection stands, and until an answer begins.
    pub connect: Duration,
    /// Without a single byte.
    pub silence: Duration,
    /// The time over which a download has to come as fast as `slowest`.
    pub patience: Duration,
    /// Bytes a second.
    pub slowest: u64,
    /// Redirects of one request.
    pub redirects: usize,
    /// Bytes of a listing.
    pub listing: u64,
    /// Bytes of a file.
    pub file: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            slowest: 1024,
            redirects: 5,
            listing: 64 << 20,
            file: 500 << 30,
        }
    }
}

/// Reasons why a request has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server's own refusal.
    Status(u16),
    /// A network that fails, or takes too long: another try may succeed.
    Broken(String),
    /// An answer that no hub gives.
    Hostile(String),
}

/// A successful answer, its body still to be read.
pub(super) struct Answer {
    /// The checksum that the hub itself gives in its headers.
    pub checksum: Option<Checksum>,
    /// The place in the file where the body begins, and the file's size where the server says it.
    pub from: u64,
    pub size: Option<u64>,
    pub body: Box<dyn Read>,
}

/// Asks one hub.
pub(super) struct Client<'a> {
    agent: ureq::Agent,
    endpoint: Uri,
    token: Option<&'a str>,
    limits: &'a Limits,
}

impl<'a> Client<'a> {
    /// A client of the hub at `endpoint`.
    ///
    /// # Errors
    /// If the endpoint is no address of the web.
    pub fn new(
        endpoint: &str,
        token: Option<&'a str>,
        limits: &'a Limits,
    ) -> Result<Self, Failure> {
        let parsed = endpoint.trim_end_matches('/').parse::<Uri>().ok().filter(is_web);
        let endpoint = parsed.ok_or_else(|| {
            Failure::Broken(format!("HF_ENDPOINT is {}: https://... expected", shown(endpoint)))
        })?;
        let config = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_send_request(Some(limits.connect))
            .timeout_recv_response(Some(limits.connect))
            .timeout_per_read(Some(limits.silence))
            .user_agent(concat!("titrate/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.into(), endpoint, token, limits })
    }

    /// What lies at `path` below the endpoint, from its byte `from` on.
    ///
    /// # Errors
    /// If there is no successful answer within the limits.
    pub fn get(&self, path: &str, from: u64) -> Result<Answer, Failure> {
        let base = self.endpoint.to_string();
        let first = format!("{}{path}", base.trim_end_matches('/'));
        let mut place = first
            .parse::<Uri>()
            .map_err(|error| Failure::Broken(format!("{}: {error}", shown(&first))))?;
        let mut checksum = None;
        for _ in 0..=self.limits.redirects {
            let own = self.is_own(&place);
            let response = self.ask(&place, own, from)?;
            if own && checksum.is_none() {
                checksum = announced(response.headers());
            }
            match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => {
                    place = self.redirected(&place, response.headers())?;
                }
                200 | 206 => return self.answer(response, checksum, from),
                status => return Err(Failure::Status(status)),
            }
        }
        Err(Failure::Hostile(format!("it redirects more than {} times", self.limits.redirects)))
    }

    fn ask(
        &self,
        place: &Uri,
        own: bool,
        from: u64,
    ) -> Result<ureq::http::Response<ureq::Body>, Failure> {
        let mut request = self.agent.get(place);
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        if let Some(token) = self.token.filter(|_| own) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let host = place.host().unwrap_or_default();
        request.call().map_err(|error| Failure::Broken(format!("{host}: {error}")))
    }

    /// Whether a place is the hub's own: the same scheme, host and port.
    fn is_own(&self, place: &Uri) -> bool {
        origin(place) == origin(&self.endpoint)
    }

    /// Where a redirect leads: to another place of the web, and not from an encrypted connection to
    /// a plain one.
    fn redirected(&self, place: &Uri, headers: &HeaderMap) -> Result<Uri, Failure> {
        let text = text(headers, "location").unwrap_or_default();
        let hostile =
            |why: &str| Failure::Hostile(format!("it redirects to {}, {why}", shown(text)));
        let (scheme, host) = (place.scheme_str().unwrap_or_default(), place.authority());
        let host = host.map(|host| host.as_str()).unwrap_or_default();
        let whole = match text {
            _ if text.starts_with("//") => format!("{scheme}:{text}"),
            _ if text.starts_with('/') => format!("{scheme}://{host}{text}"),
            _ => text.to_owned(),
        };
        let next = whole.parse::<Uri>().ok().filter(is_web);
        let next = next.ok_or_else(|| hostile("which is no place of the web"))?;
        if scheme == "https" && next.scheme_str() != Some("https") {
            return Err(hostile("which is not encrypted"));
        }
        Ok(next)
    }

    fn answer(
        &self,
        response: ureq::http::Response<ureq::Body>,
        checksum: Option<Checksum>,
        asked: u64,
    ) -> Result<Answer, Failure> {
        let headers = response.headers();
        if text(headers, "content-encoding").is_some_and(|coding| coding != "identity") {
            return Err(Failure::Hostile("it sends packed bytes, which nobody asked for".into()));
        }
        let (mut from, mut size) = (0, response.body().content_length());
        if response.status() == 206 {
            let range = text(headers, "content-range").and_then(content_range);
            (from, size) = range
                .ok_or_else(|| Failure::Hostile("it sends a part and does not say which".into()))?;
        }
        if from != 0 && from != asked {
            let cause =
                format!("asked for what follows byte {asked}, it sends what follows {from}");
            return Err(Failure::Hostile(cause));
        }
        let source = response.into_body().into_reader();
        let body = Box::new(Paced::new(source, self.limits));
        Ok(Answer { checksum, from, size, body })
    }
}

fn is_web(place: &Uri) -> bool {
    let login = place.authority().is_some_and(|host| host.as_str().contains('@'));
    matches!(place.scheme_str(), Some("http" | "https")) && place.host().is_some() && !login
}

fn origin(place: &Uri) -> (Option<&str>, Option<String>, u16) {
    let scheme = place.scheme_str();
    let usual = if scheme == Some("https") { 443 } else { 80 };
    (scheme, place.host().map(str::to_ascii_lowercase), place.port_u16().unwrap_or(usual))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The checksum of a file's bytes by the hub's headers. The ETag of a redirect is that of the
/// answer itself.
fn announced(headers: &HeaderMap) -> Option<Checksum> {
    let name = if headers.contains_key("location") { "x-linked-etag" } else { "etag" };
    let tag = text(headers, "x-linked-etag").or_else(|| text(headers, name))?;
    Checksum::parse(tag.trim_start_matches("W/").trim_matches('"'))
}

/// First byte and whole size of `bytes 5-9/10`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, size.parse().ok()))
}

/// A body that has to come at a least speed.
struct Paced<R> {
    source: R,
    patience: Duration,
    least: u64,
    since: Instant,
    bytes: u64,
}

impl<R> Paced<R> {
    fn new(source: R, limits: &Limits) -> Self {
        let least = (limits.patience.as_secs_f64() * limits.slowest as f64) as u64;
        Self { source, patience: limits.patience, least, since: Instant::now(), bytes: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes += count as u64;
        if count > 0 && self.since.elapsed() >= self.patience {
            if self.bytes < self.least {
                let error =
                    format!("it came too slowly: {} bytes in {:?}", self.bytes, self.patience);
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(count)
    }
}
