//! A real S3 server, moto, and the same behind a server that fails. `TITRATE_MOTO` names its
//! `moto_server`; `.ci/run` installs it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::faults::LIMITS;
use super::server::{Fault, Request, Server, response};
use super::*;
use crate::remote::transport::Limits;

struct Moto {
    process: Child,
    address: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Moto {
    /// The server with an empty bucket; none where it is not installed.
    fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("TITRATE_MOTO").filter(|path| !path.is_empty()) else {
            let reason = "skipped: TITRATE_MOTO names no moto_server";
            let _ = writeln!(std::io::stderr(), "{reason}");
            return None;
        };
        // The port is free again when the listener goes.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moto = Self { process, address: address.to_string() };
        for _ in 0..600 {
            let head = format!("PUT /bucket HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n");
            let made = moto.pass_on(format!("{head}Connection: close\r\n\r\n").as_bytes());
            if made.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
                return Some(moto);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto did not answer within a minute");
    }

    fn pass_on(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        pass_on(&self.address, request)
    }

    fn remote(&self, endpoint: &str, limits: Limits) -> Remote {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let location = "s3://bucket/prefix".parse().unwrap();
        Remote::open_within(&location, limits, variables.into_iter()).unwrap()
    }

    /// A server in front of it that can be told to fail.
    fn front(&self) -> Server {
        let address = self.address.clone();
        Server::new(move |request: &Request| {
            let head = request.head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            let whole = [head.as_bytes(), &request.body].concat();
            pass_on(&address, &whole).unwrap_or_else(|_| response("502 Bad Gateway", b""))
        })
    }
}

fn pass_on(address: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_bucket_behaves_as_a_folder_does_also_where_its_server_fails() {
    let Some(moto) = Moto::start() else { return };
    let (key, place) = (signing(1), Place::new());
    let (a, front) = (place.store("a"), moto.front());
    let remote = moto.remote(&front.address, LIMITS);
    for (at, (fault, on)) in [
        (None, ""),
        (Some(Fault::Status(500)), "/cas/"),
        (Some(Fault::Status(503)), "/ac/"),
        (Some(Fault::Cut), "/ac/"),
        (Some(Fault::Slow), "/cas/"),
        (Some(Fault::Silent), "/cas/"),
    ]
    .into_iter()
    .enumerate()
    {
        let one = finish(&a, &format!("task-{at}"), &format!("weights {at}"));
        let fail = || fault.into_iter().for_each(|fault| front.fail(fault, 1, on));
        fail();
        let pushed = remote.push(&a, &one, &key, &trust(&key)).unwrap();
        assert!(matches!(pushed, Pushed::New { .. }), "{fault:?} of {on}: {pushed:?}");
        fail();
        take(&remote, &place.store(&format!("b-{at}")), &trust(&key), &one).unwrap();
    }
    let one = finish(&a, "never", "weights");
    front.fail(Fault::Status(500), usize::MAX, "/cas/");
    let error = remote.push(&a, &one, &key, &trust(&key)).unwrap_err().to_string();
    assert!(error.starts_with("s3://bucket/prefix: "), "{error}");
    front.fail(Fault::Status(500), 0, "");
    assert!(remote.receipt(&one.key).unwrap().is_none(), "the receipt comes last");
}

#[test]
fn a_bucket_keeps_the_first_receipt_and_large_objects_go_in_parts() {
    let Some(moto) = Moto::start() else { return };
    let (key, place) = (signing(1), Place::new());
    let (a, b) = (place.store("a"), place.store("b"));
    let remote = moto.remote(&format!("http://{}", moto.address), Limits::default());
    for (name, contents, same) in [("same", ["w", "w"], true), ("other", ["v", "w"], false)] {
        let receipts = [finish(&a, name, contents[0]), finish(&b, name, contents[1])];
        let pushed = std::thread::scope(|scope| {
            let other = scope.spawn(|| remote.push(&b, &receipts[1], &key, &trust(&key)).unwrap());
            [remote.push(&a, &receipts[0], &key, &trust(&key)).unwrap(), other.join().unwrap()]
        });
        let of = |wanted: fn(&Pushed) -> bool| pushed.iter().filter(|one| wanted(one)).count();
        assert_eq!(of(|one| matches!(one, Pushed::New { .. })), 1, "{pushed:?}");
        assert_eq!(of(|one| matches!(one, Pushed::Same)), usize::from(same), "{pushed:?}");
        assert_eq!(of(|one| matches!(one, Pushed::Diverged(_))), usize::from(!same), "{pushed:?}");
    }
    let large = finish(&a, "large", &"0123456789abcdef".repeat((80 << 20) / 16));
    remote.push(&a, &large, &key, &trust(&key)).unwrap();
    let size = large.output.entry("weights").map(|entry| (entry.digest, entry.size)).unwrap();
    assert_eq!(remote.size(&size.0).unwrap(), Some(80 << 20));
    take(&remote, &place.store("c"), &trust(&key), &large).unwrap();
}
