//! A server on loopback that answers as it is told to, and sometimes fails as it is told to.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request.
pub struct Request {
    pub method: String,
    pub path: String,
    /// The first line and the headers, as they came.
    pub head: String,
    pub body: Vec<u8>,
}

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status instead of it.
    Status(u16),
    /// It breaks off in the middle.
    Cut,
    /// It comes in small pieces.
    Slow,
    /// None comes, and the connection stays.
    Silent,
}

#[derive(Default)]
struct Plan {
    fault: Option<Fault>,
    /// How many answers are still to fail.
    left: usize,
    /// Those to paths that have this in them.
    on: String,
    seen: Vec<String>,
}

/// The server.
pub struct Server {
    pub address: String,
    plan: Arc<Mutex<Plan>>,
}

impl Server {
    pub fn new(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (plan, answer) = (Arc::new(Mutex::new(Plan::default())), Arc::new(answer));
        let shared = Arc::clone(&plan);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (plan, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &plan, &*answer));
            }
        });
        Self { address, plan }
    }

    /// The files of a folder, to be read.
    pub fn of_folder(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self::new(move |request| {
            let Ok(bytes) = fs::read(folder.join(request.path.trim_start_matches('/'))) else {
                return response("404 Not Found", b"");
            };
            response("200 OK", &bytes)
        })
    }

    /// Lets the next `times` answers fail whose path has `on` in it.
    pub fn fail(&self, fault: Fault, times: usize, on: &str) {
        let mut plan = self.plan.lock().unwrap();
        (plan.fault, plan.left, plan.on) = (Some(fault), times, on.to_owned());
    }

    /// What was asked since the last time.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.plan.lock().unwrap().seen)
    }
}

/// A whole answer, after which the connection ends.
pub fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nlast-modified: Sun, 29 Nov 2026 \
         09:00:00 GMT\r\netag: \"0\"\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn serve(mut stream: TcpStream, plan: &Mutex<Plan>, answer: &dyn Fn(&Request) -> Vec<u8>) {
    let Ok(request) = read(&mut stream) else { return };
    let fault = {
        let mut plan = plan.lock().unwrap();
        plan.seen.push(format!("{} {}", request.method, request.path));
        let fails = plan.left > 0 && request.path.contains(&plan.on);
        if fails {
            plan.left -= 1;
        }
        plan.fault.filter(|_| fails)
    };
    let mut whole = match fault {
        Some(Fault::Status(status)) => response(&format!("{status} Told so"), b""),
        _ => answer(&request),
    };
    let body = whole.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    if request.method == "HEAD" {
        whole.truncate(body);
    }
    let _ = match fault {
        Some(Fault::Silent) => {
            // Until the other side has had enough.
            stream.read(&mut [0]).map(drop)
        }
        Some(Fault::Cut) => stream.write_all(&whole[..body + (whole.len() - body) / 2]),
        Some(Fault::Slow) => whole.chunks(whole.len().div_ceil(8)).try_for_each(|part| {
            std::thread::sleep(Duration::from_millis(10));
            stream.write_all(part)
        }),
        _ => stream.write_all(&whole),
    };
}

fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    if header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Ok(Request { method: method.to_owned(), path: path.to_owned(), head: head.clone(), body })
}
