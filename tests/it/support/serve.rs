//! A folder over HTTP on the loopback, with or without a login; also asked as a proxy.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A server, for as long as the test's process lives.
pub struct Served {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Serves `folder`. With a `login` (`USER:PASSWORD`), only to those who have it.
pub fn serve(folder: &Path, login: Option<&str>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, folder) = (Arc::clone(&asked), folder.to_owned());
    let login = login.map(|login| format!("Basic {}", BASE64_STANDARD.encode(login)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (log, folder, login) = (Arc::clone(&log), folder.clone(), login.clone());
            // A client may hang up before the end.
            std::thread::spawn(move || answer(stream, &folder, login.as_deref(), &log).ok());
        }
    });
    Served { url, asked }
}

impl Served {
    /// What was asked for, as the first lines of requests have it: a path, or of a proxy an address.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, folder: &Path, login: Option<&str>, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(target.clone());
    let mut given = None;
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        if name.eq_ignore_ascii_case("authorization") {
            given = Some(value.to_owned());
        }
    }
    let path =
        target.split_once("://").map_or(target.as_str(), |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let (status, body) = if login.is_some() && given.as_deref() != login {
        ("401 Unauthorized", Vec::new())
    } else {
        match fs::read(folder.join(path.trim_start_matches('/'))) {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        }
    };
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
