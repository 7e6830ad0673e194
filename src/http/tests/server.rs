//! A server on the loopback interface that misbehaves as told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(super) struct Request {
    pub(super) path: String,
    pub(super) range: Option<usize>,
    pub(super) login: Option<String>,
    /// How many requests for this path came before.
    pub(super) before: usize,
}

pub(super) struct Server {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request, one a connection, by what `answer` writes.
    pub(super) fn start(
        answer: impl Fn(&Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, log, answer) = (stream.unwrap(), Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let Some(mut request) = read_request(&stream) else { return };
                    {
                        let mut log = log.lock().unwrap();
                        request.before = log.iter().filter(|path| **path == request.path).count();
                        log.push(request.path.clone());
                    }
                    // The client may hang up before the end.
                    let _ = answer(&request, &mut stream);
                });
            }
        });
        Self { address, asked }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut request = Request { path, range: None, login: None, before: 0 };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
            "authorization" => request.login = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(request)
}

pub(super) fn reply(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n")?;
    stream.write_all(body)
}

/// As a good server: the whole, or from where it was asked.
pub(super) fn serve(request: &Request, stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    match request.range {
        Some(start) if start < body.len() => {
            let range = format!("Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len());
            reply(stream, "206 Partial Content", &range, &body[start..])
        }
        Some(_) => reply(stream, "416 Range Not Satisfiable", "", b""),
        None => reply(stream, "200 OK", "", body),
    }
}
