//! A web server that fails: what passes is tried again, what does not is named, and nothing half
//! ends up in the store.

use std::time::Duration;

use super::server::{Fault, Server};
use super::*;
use crate::remote::transport::Limits;

pub const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(1),
    request: Duration::from_secs(20),
    retries: 2,
    redirects: 0,
};

fn web(server: &Server) -> Remote {
    let location = server.address.parse().unwrap();
    Remote::open_within(&location, LIMITS, std::iter::empty()).unwrap()
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_named() {
    let key = signing(1);
    let place = Place::new();
    let a = place.store("a");
    let one = finish(&a, "one", &"weights ".repeat(10_000));
    place.remote().push(&a, &one, &key, &trust(&key)).unwrap();
    let server = Server::of_folder(&place.shared());
    let remote = web(&server);
    let attempt = |name: &str| take(&remote, &place.store(name), &trust(&key), &one);
    attempt("honest").unwrap();
    assert!(server.seen().iter().all(|asked| asked.starts_with("GET /")));
    for (at, (fault, on)) in [
        (Fault::Status(500), "/ac/"),
        (Fault::Status(503), "/cas/"),
        (Fault::Cut, "/ac/"),
        (Fault::Cut, "/cas/"),
        (Fault::Slow, "/cas/"),
        (Fault::Silent, "/ac/"),
    ]
    .into_iter()
    .enumerate()
    {
        server.fail(fault, 1, on);
        if let Err(error) = attempt(&format!("passes-{at}")) {
            panic!("{fault:?} of {on}, once: {error}");
        }
    }
    for (at, (fault, on)) in [
        (Fault::Status(500), "/ac/"),
        (Fault::Status(500), "/cas/"),
        (Fault::Status(403), "/cas/"),
        (Fault::Cut, "/ac/"),
        (Fault::Cut, "/cas/"),
        (Fault::Silent, "/cas/"),
    ]
    .into_iter()
    .enumerate()
    {
        server.fail(fault, usize::MAX, on);
        let name = format!("stays-{at}");
        let error = attempt(&name).unwrap_err();
        let said = error.to_string();
        let part = format!("{}: read {}", server.address, &on[1..]);
        assert!(said.starts_with(&part), "{fault:?} of {on}: {said}");
        assert!(matches!(error, ExchangeError::Remote(RemoteError::Transfer { .. })), "{said}");
        let weights = one.output.entry("weights").unwrap();
        assert_eq!(place.store(&name).objects().stat(&weights.digest).unwrap(), None, "{said}");
    }
}

#[test]
fn a_web_server_is_read_and_never_written() {
    let place = Place::new();
    let (a, key) = (place.store("a"), signing(1));
    let one = finish(&a, "one", "w");
    let server = Server::of_folder(&place.shared());
    let error = web(&server).push(&a, &one, &key, &trust(&key)).unwrap_err().to_string();
    assert!(error.contains("can only be read"), "{error}");
    assert!(
        server.seen().iter().all(|asked| asked.starts_with("GET") || asked.starts_with("HEAD"))
    );
    let missing = "http://127.0.0.1:1".parse().unwrap();
    let remote = Remote::open_within(&missing, LIMITS, std::iter::empty()).unwrap();
    let error = remote.receipt(&one.key).unwrap_err().to_string();
    assert!(error.starts_with("http://127.0.0.1:1: read ac/"), "{error}");
}

#[test]
fn an_encrypted_connection_is_not_left_for_a_plain_one() {
    let server = Server::of_folder(&Place::new().shared());
    let variables = [("AWS_ENDPOINT_URL", server.address.as_str()), ("AWS_ACCESS_KEY_ID", "a")];
    let variables = variables.into_iter().chain([("AWS_SECRET_ACCESS_KEY", "b")]);
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bucket = "s3://bucket".parse().unwrap();
    let remote = Remote::open_within(&bucket, LIMITS, variables).unwrap();
    let error = remote.receipt(&Key::of(b"one")).unwrap_err().to_string();
    assert!(error.contains("https"), "{error}");
    assert_eq!(server.seen(), [] as [String; 0]);
}
