//! A server that answers as the hub does, for tests: listings, redirects to where large files are
//! stored, ranges, etags, tokens.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha1::{Digest, Sha1};
use sha2::Sha256;

pub const FIRST: &str = "1111111111111111111111111111111111111111";
pub const SECOND: &str = "2222222222222222222222222222222222222222";

/// What the server has and does.
#[derive(Default)]
pub struct Behaviour {
    /// `lab/model`, or `datasets/lab/set`.
    pub repository: String,
    /// Files by commit and name.
    pub files: BTreeMap<(String, String), Vec<u8>>,
    /// The commit that main is at.
    pub main: String,
    pub token: Option<String>,
    /// Bytes after which the next download of more than one breaks off.
    pub cut: Option<usize>,
    pub corrupt: bool,
    /// Requests: path, and range if there was one.
    pub seen: Vec<String>,
}

pub struct Server {
    pub address: String,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Server {
    /// A server of two commits of a small repository of weights.
    pub fn of_weights() -> Self {
        let large = (0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        let files = [
            (FIRST, "unet/config.json", b"{\"first\": 1}".to_vec()),
            (FIRST, "unet/weights.safetensors", large.clone()),
            (FIRST, "README.md", b"read me".to_vec()),
            (SECOND, "unet/config.json", b"{\"second\": 2}".to_vec()),
            (SECOND, "unet/weights.safetensors", large),
        ];
        Self::of("lab/model", files)
    }

    /// A server of one repository.
    pub fn of(
        repository: &str,
        files: impl IntoIterator<Item = (&'static str, &'static str, Vec<u8>)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let files = files
            .into_iter()
            .map(|(commit, name, bytes)| ((commit.to_owned(), name.to_owned()), bytes))
            .collect();
        let (repository, main) = (repository.to_owned(), FIRST.to_owned());
        let behaviour =
            Arc::new(Mutex::new(Behaviour { repository, files, main, ..Behaviour::default() }));
        let (shared, own) = (Arc::clone(&behaviour), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(stream.unwrap(), &own, &shared);
            }
        });
        Self { address, behaviour }
    }

    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    pub fn file(&self, commit: &str, name: &str) -> Vec<u8> {
        self.behaviour.lock().unwrap().files[&(commit.to_owned(), name.to_owned())].clone()
    }

    /// What was asked since the last time.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.behaviour.lock().unwrap().seen)
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn blob_sha1(bytes: &[u8]) -> String {
    let blob = [format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat();
    Sha1::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file's entry in a listing.
fn listed(name: &str, bytes: &[u8]) -> String {
    let size = bytes.len();
    let checksums = match is_large(name) {
        true => format!("\"lfs\":{{\"sha256\":\"{}\",\"size\":{size}}}", sha256(bytes)),
        false => format!("\"blobId\":\"{}\"", blob_sha1(bytes)),
    };
    format!("{{\"rfilename\":\"{name}\",\"size\":{size},{checksums}}}")
}

fn is_large(name: &str) -> bool {
    name.ends_with("safetensors") || name.ends_with("tar")
}

fn answer(mut stream: TcpStream, own: &str, shared: &Mutex<Behaviour>) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty());
    let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = lines
        .filter_map(|line| {
            line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        })
        .collect::<BTreeMap<_, _>>();
    let mut behaviour = shared.lock().unwrap();
    let range = headers.get("range").map(|range| range.trim_start_matches("bytes=").to_owned());
    behaviour.seen.push(format!("{path} {}", range.clone().unwrap_or_default()).trim().to_owned());
    if behaviour
        .token
        .as_ref()
        .is_some_and(|token| headers.get("authorization") != Some(&format!("Bearer {token}")))
    {
        return respond(&mut stream, "401 Unauthorized", &[], b"");
    }
    let kind = if behaviour.repository.starts_with("datasets/") { "" } else { "models/" };
    if let Some(rest) = path.strip_prefix(&format!("/api/{kind}{}/revision/", behaviour.repository))
    {
        let rest = rest.trim_end_matches("?blobs=true");
        let commit = if rest == "main" { behaviour.main.as_str() } else { rest };
        let names = behaviour.files.iter().filter(|((of, _), _)| of == commit);
        let names = names.map(|((_, name), bytes)| listed(name, bytes)).collect::<Vec<_>>();
        let status = if names.is_empty() { "404 Not Found" } else { "200 OK" };
        let body = format!("{{\"sha\":\"{commit}\",\"siblings\":[{}]}}", names.join(","));
        return respond(&mut stream, status, &[], body.as_bytes());
    }
    let resolve = format!("/{}/resolve/", behaviour.repository);
    let rest = path.trim_start_matches("/stored/").trim_start_matches(&resolve);
    let found = rest.split_once('/').and_then(|(commit, name)| {
        let bytes = behaviour.files.get(&(commit.to_owned(), name.to_owned()))?;
        Some((commit.to_owned(), name.to_owned(), bytes.clone()))
    });
    let Some((commit, name, mut bytes)) = found else {
        return respond(&mut stream, "404 Not Found", &[], b"");
    };
    let large = is_large(&name);
    let etag = if large { sha256(&bytes) } else { blob_sha1(&bytes) };
    let mut said = vec![format!("x-repo-commit: {commit}")];
    if large && !path.starts_with("/stored/") {
        said.extend([
            format!("x-linked-etag: \"{etag}\""),
            "etag: \"of no use\"".into(),
            format!("location: {own}/stored/{rest}"),
        ]);
        return respond(&mut stream, "302 Found", &said, b"");
    }
    if behaviour.corrupt {
        bytes[0] ^= 1;
    }
    let (from, to) = range.as_deref().and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let (from, to) =
        (from.parse().unwrap_or(0), to.parse().map_or(bytes.len(), |to: usize| to + 1));
    if from >= bytes.len() {
        return respond(&mut stream, "416 Range Not Satisfiable", &[], b"");
    }
    said.extend([
        format!("etag: \"{etag}\""),
        format!("content-range: bytes {from}-{}/{}", to - 1, bytes.len()),
    ]);
    let part = &bytes[from..to];
    match behaviour.cut.filter(|_| part.len() > 1) {
        None => respond(&mut stream, "206 Partial Content", &said, part),
        Some(cut) => {
            behaviour.cut = None;
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\n{}\r\ncontent-length: {}\r\n\r\n",
                said.join("\r\n"),
                part.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(&part[..cut])
        }
    }
}

fn respond(
    stream: &mut TcpStream,
    status: &str,
    headers: &[String],
    body: &[u8],
) -> io::Result<()> {
    let lines = headers.iter().map(|line| format!("{line}\r\n")).collect::<String>();
    let head = format!(
        "HTTP/1.1 {status}\r\n{lines}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
