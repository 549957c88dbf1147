//! A hub that lies, on this machine: whatever it answers, nothing is written outside the cache,
//! nobody else gets the token, nothing waits past its time and nothing unchecked is in use.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::super::{Hub, Limits, Location};

const COMMIT: &str = "1111111111111111111111111111111111111111";
const TOKEN: &str = "hf_secret";
/// The only file of the repository.
const CONTENT: &[u8] = b"weights that are what they are";

/// An answer, and what follows it.
enum Reply {
    Whole(Vec<u8>),
    /// The same byte again and again, without an end.
    Endless(Vec<u8>),
    /// Then nothing, with the connection open.
    Silence(Vec<u8>),
    /// The second part a byte at a time.
    Dripping(Vec<u8>, Vec<u8>),
}

/// A server in one mode, and another host that it may send clients to.
struct Hostile {
    address: String,
    /// Addresses of those who got a token.
    told: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    fn new(mode: &'static str) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let [own, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [address, foreign] =
            [&own, &other].map(|host| format!("http://{}", host.local_addr().unwrap()));
        for (listener, at) in [(own, address.clone()), (other, foreign.clone())] {
            let (told, foreign) = (Arc::clone(&told), foreign.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let (told, foreign, at) = (Arc::clone(&told), foreign.clone(), at.clone());
                    std::thread::spawn(move || serve(stream, mode, &at, &foreign, &told));
                }
            });
        }
        Self { address, told }
    }
}

fn serve(
    mut stream: TcpStream,
    mode: &str,
    at: &str,
    foreign: &str,
    told: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    let lines = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
    let lines = lines.collect::<Vec<_>>();
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    if lines.iter().any(|line| line.contains(TOKEN)) {
        told.lock().unwrap().push(at.to_owned());
    }
    let is_listing = path.starts_with("/api/");
    match if is_listing { listed(mode, at, foreign) } else { sent(mode, path, at, foreign) } {
        Reply::Whole(bytes) => stream.write_all(&bytes),
        Reply::Endless(head) => {
            stream.write_all(&head)?;
            while stream.write_all(&[b'7'; 4096]).is_ok() {}
            Ok(())
        }
        Reply::Silence(head) => {
            stream.write_all(&head)?;
            io::copy(&mut stream, &mut io::sink()).map(|_| ())
        }
        Reply::Dripping(head, bytes) => {
            stream.write_all(&head)?;
            for byte in bytes {
                stream.write_all(&[byte])?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn listing(commit: &str, name: &str, of: &str) -> Reply {
    let text = format!(
        r#"{{"sha":"{commit}","siblings":[{{"rfilename":"w.bin",{0}}},{{"rfilename":"{name}",{of}}}]}}"#,
        good()
    );
    Reply::Whole(answer("200 OK", "", text.as_bytes()))
}

/// What an honest hub says of the file.
fn good() -> String {
    large(&sha256(CONTENT), CONTENT.len() as u64)
}

fn large(sha256: &str, size: u64) -> String {
    format!(r#""size":{size},"lfs":{{"sha256":"{sha256}","size":{size}}}"#)
}

/// The hub's listing.
fn listed(mode: &str, at: &str, foreign: &str) -> Reply {
    let named = |name: &str| listing(COMMIT, name, &good());
    let of = |of: &str| listing(COMMIT, "w.bin", of);
    let odd = |of: &str| {
        let text = format!(r#"{{"sha":"{COMMIT}","siblings":[{{"rfilename":"w.bin",{of}}}]}}"#);
        Reply::Whole(answer("200 OK", "", text.as_bytes()))
    };
    match mode {
        "name: climbs" => named("../../../outside"),
        "name: climbs within" => named("a/../../../../outside"),
        "name: absolute" => named("/tmp/titrate-outside"),
        "name: NUL" => named("a\\u0000b"),
        "name: backslash" => named("..\\\\..\\\\outside"),
        "name: control letters" => named("a\\u001b[2Jb"),
        "name: empty" => named(""),
        "name: long" => named(&"x".repeat(300)),
        "name: deep" => named(&"d/".repeat(2000)),
        "commit: climbs" => listing("../../outside", "b", &good()),
        "commit: absolute" => listing("/tmp/titrate-outside", "b", &good()),
        "commit: no hexadecimal" => listing(&"z".repeat(40), "b", &good()),
        "commit: short" => listing("11", "b", &good()),
        "checksum: climbs" => of(&large("../../../outside", 30)),
        "checksum: short" => of(&large("ab", 30)),
        "checksum: two for one name" => of(&large(&sha256(b"other"), 30)),
        "checksum: wrong" => odd(&large(&sha256(b"other"), CONTENT.len() as u64)),
        "checksum: none, wrong ETag" | "checksum: none, climbing ETag" | "checksum: none" => {
            odd(r#""size":30"#)
        }
        "size: short" => odd(&large(&sha256(CONTENT), 29)),
        "size: long" => odd(&large(&sha256(CONTENT), 31)),
        "size: beyond all" => odd(&large(&sha256(CONTENT), u64::MAX)),
        "size: unknown, endless" => odd(&format!(r#""lfs":{{"sha256":"{}"}}"#, sha256(CONTENT))),
        "listing: no JSON" => Reply::Whole(answer("200 OK", "", b"<html>")),
        "listing: deep JSON" => Reply::Whole(answer("200 OK", "", &[b'['; 100_000])),
        "listing: endless" => Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        "listing: silent" => Reply::Silence(Vec::new()),
        "listing: packed" => {
            Reply::Whole(answer("200 OK", "content-encoding: gzip\r\n", &[0x1f, 0x8b]))
        }
        "listing: to another host" if at != foreign => {
            let to = format!("location: {foreign}/api/models/lab/model\r\n");
            Reply::Whole(answer("302 Found", &to, b""))
        }
        _ => odd(&good()),
    }
}

/// The file.
fn sent(mode: &str, path: &str, at: &str, foreign: &str) -> Reply {
    let whole = |headers: &str, body: &[u8]| Reply::Whole(answer("200 OK", headers, body));
    let to =
        |place: &str| Reply::Whole(answer("302 Found", &format!("location: {place}\r\n"), b""));
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\nconnection: close\r\n\r\n";
    if at == foreign {
        return whole("", CONTENT);
    }
    let name = foreign.trim_start_matches("http://");
    match mode {
        "file: to another host" => to(&format!("{foreign}/stored")),
        "file: to another host without a scheme" => to(&format!("//{name}/stored")),
        "file: to another host by login" => {
            to(&format!("http://{}@{name}/", at.trim_start_matches("http://")))
        }
        "file: in circles" => to(path),
        "file: to a file" => to("file:///etc/passwd"),
        "file: to nowhere" => to(""),
        "file: to a line" => to("http://\u{7f}/"),
        "file: silent" => Reply::Silence(head.to_vec()),
        "file: silent in its head" => Reply::Silence(head[..20].to_vec()),
        "file: dripping" => Reply::Dripping(head.to_vec(), CONTENT.to_vec()),
        "file: dripping in its head" => {
            Reply::Dripping(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'y'; 2000])
        }
        "file: endless" => Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        "size: unknown, endless" => Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        "file: endless head" => Reply::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
        "file: short" => whole("", &CONTENT[..20]),
        "file: cut off" => Reply::Whole([&head[..], &CONTENT[..20]].concat()),
        "file: long" => whole("", &[CONTENT, b"more"].concat()),
        "file: other bytes" => whole("", &CONTENT.iter().rev().copied().collect::<Vec<_>>()),
        "file: a part of another place" => {
            let range = "content-range: bytes 5-29/30\r\n";
            Reply::Whole(answer("206 Partial Content", range, &CONTENT[5..]))
        }
        "file: a part that has no place" => {
            Reply::Whole(answer("206 Partial Content", "", CONTENT))
        }
        "file: no HTTP" => Reply::Whole(vec![0xff; 4000]),
        "file: closed" => Reply::Whole(Vec::new()),
        "file: not satisfiable" => Reply::Whole(answer("416 No", "", b"")),
        "checksum: none, wrong ETag" => {
            whole(&format!("etag: \"{}\"\r\n", sha256(b"other")), CONTENT)
        }
        "checksum: none, climbing ETag" => whole("etag: \"../../../../outside\"\r\n", CONTENT),
        _ => whole("", CONTENT),
    }
}

/// Modes, and what the client makes of them: a part of its error, or none where it gets the file.
const MODES: &[(&str, &str)] = &[
    ("honest", ""),
    ("name: climbs", "can be no file of a repository"),
    ("name: climbs within", "can be no file of a repository"),
    ("name: absolute", "can be no file of a repository"),
    ("name: NUL", r#"it lists "a\0b", which can be no file"#),
    ("name: backslash", "can be no file of a repository"),
    ("name: control letters", r#"it lists "a\u{1b}[2Jb", which"#),
    ("name: empty", r#"it lists "", which can be no file"#),
    ("name: long", "can be no file of a repository"),
    ("name: deep", "can be no file of a repository"),
    ("commit: climbs", r#"its commit is "../../outside", which is no commit"#),
    ("commit: absolute", "which is no commit"),
    ("commit: no hexadecimal", "which is no commit"),
    ("commit: short", "which is no commit"),
    ("checksum: climbs", r#"it says "../../../outside" for the checksum of "w.bin""#),
    ("checksum: short", r#"it says "ab" for the checksum of"#),
    ("checksum: two for one name", r#"it lists "w.bin" twice, with other bytes"#),
    ("checksum: wrong", "where the hub says"),
    ("checksum: none, wrong ETag", "where the hub says"),
    ("checksum: none, climbing ETag", ""),
    ("checksum: none", ""),
    ("size: short", "the hub lists 29 bytes of it and sends 30"),
    ("size: long", "the hub lists 31 bytes of it and sends 30"),
    ("size: beyond all", "it is said to have 18446744073709551615 bytes"),
    ("size: unknown, endless", "more comes than the 10000 bytes"),
    ("listing: no JSON", "the answer is no listing"),
    ("listing: deep JSON", "the answer is no listing"),
    ("listing: endless", "it is larger than 1000000 bytes"),
    ("listing: silent", "timeout"),
    ("listing: packed", "it sends packed bytes"),
    ("listing: to another host", ""),
    ("file: to another host", ""),
    ("file: to another host without a scheme", ""),
    ("file: to another host by login", "which is no place of the web"),
    ("file: in circles", "it redirects more than 5 times"),
    ("file: to a file", r#"it redirects to "file:///etc/passwd", which is no place"#),
    ("file: to nowhere", "which is no place of the web"),
    ("file: to a line", "invalid header value"),
    ("file: silent", "timeout"),
    ("file: silent in its head", "timeout"),
    ("file: dripping", "it came too slowly"),
    ("file: dripping in its head", "timeout"),
    ("file: endless", "more comes than the 30 bytes"),
    ("file: endless head", ""),
    ("file: short", "the hub lists 30 bytes of it and sends 20"),
    ("file: cut off", "the same command goes on from there"),
    ("file: long", "the hub lists 30 bytes of it and sends 34"),
    ("file: other bytes", "where the hub says"),
    ("file: a part of another place", "it sends what follows 5"),
    ("file: a part that has no place", "it sends a part and does not say which"),
    ("file: no HTTP", ""),
    ("file: closed", ""),
    ("file: not satisfiable", "the hub answers 416"),
];

fn hub(server: &str, folder: &Path) -> Hub {
    let short = Duration::from_millis(250);
    Hub {
        cache: folder.join("home/hub"),
        endpoint: server.to_owned(),
        token: Some(TOKEN.to_owned()),
        offline: false,
        limits: Limits {
            connect: short,
            silence: short,
            patience: short,
            slowest: 10_000,
            listing: 1_000_000,
            file: 10_000,
            ..Limits::default()
        },
    }
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap_or_default());
        }
    }
    found
}

/// What a client of a hub in this mode does wrong.
fn faults(mode: &'static str, expected: &str) -> Vec<String> {
    let server = Hostile::new(mode);
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(&server.address, folder.path());
    let place: Location = "hf://lab/model".parse().unwrap();
    let clock = Instant::now();
    let fetched = hub.fetch(&place, <[String]>::to_vec, &mut |_| ());
    let mut faults = Vec::new();
    let mut require = |holds: bool, what: String| {
        if !holds {
            faults.push(format!("{mode}: {what}"));
        }
    };
    require(clock.elapsed() < Duration::from_secs(10), format!("it took {:?}", clock.elapsed()));
    let is_to_succeed = HARMLESS.contains(&mode);
    match &fetched {
        Ok(found) => {
            require(is_to_succeed, "it was believed".to_owned());
            require(fs::read(found.join("w.bin")).unwrap() == CONTENT, "other bytes".to_owned());
        }
        Err(error) => {
            let said = error.to_string();
            let clean = !said.contains(TOKEN) && !said.contains('\u{1b}');
            require(clean && !is_to_succeed && said.contains(expected), said);
        }
    }
    let cache = hub.cache.display().to_string();
    for (path, bytes) in files(folder.path()) {
        require(path.starts_with(&cache), format!("{path} is outside the cache"));
        let unchecked = path.contains("/snapshots/") && bytes != CONTENT;
        require(!unchecked, format!("{path} is in use"));
    }
    require(!Path::new("/tmp/titrate-outside").exists(), "outside the cache".to_owned());
    let told = server.told.lock().unwrap();
    require(told.iter().all(|host| *host == server.address), format!("a token for {told:?}"));
    require(!told.is_empty(), "the hub itself has no token".to_owned());
    let cached = hub.cached(&place, <[String]>::to_vec).is_some();
    require(cached == fetched.is_ok(), "in the cache and not".to_owned());
    faults
}

/// Modes in which the file comes: nothing that was announced is untrue.
const HARMLESS: [&str; 6] = [
    "honest",
    "checksum: none",
    "checksum: none, climbing ETag",
    "listing: to another host",
    "file: to another host",
    "file: to another host without a scheme",
];

#[test]
fn a_hostile_hub_gets_nowhere() {
    let faults = MODES.iter().flat_map(|(mode, expected)| faults(mode, expected));
    let faults = faults.collect::<Vec<_>>();
    assert!(faults.is_empty(), "of {} modes:\n{}", MODES.len(), faults.join("\n"));
}
