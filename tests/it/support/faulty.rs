//! A mirror that serves a folder over HTTP, rightly or wrongly as a test wants it.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An answer with this status.
    Status(u16),
    /// The connection breaks after half of the file.
    Breaks,
    /// Half of the file, as if that were all.
    Short,
    /// The right number of bytes, one of which is another.
    WrongByte,
    /// A body that never ends.
    Endless,
    /// One byte a second.
    Trickle,
    /// No answer at all.
    Silent,
    /// Redirects that lead back to where they began.
    RedirectLoop,
    /// Another file in its place.
    Instead(Vec<u8>),
}

type Choose = dyn Fn(&str, usize) -> Option<Fault> + Send + Sync;

/// The mirror; it serves until the test's process ends.
pub struct Mirror {
    /// `http://127.0.0.1:12345`
    pub address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    /// Serves `folder`. `fault` is given each request's path, without a slash before it, and how often it was asked for
    /// before.
    pub fn start(folder: &Path, fault: impl Fn(&str, usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (folder, log, fault): (PathBuf, _, Arc<Choose>) = (folder.to_owned(), Arc::clone(&asked), Arc::new(fault));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, log, fault) = (folder.clone(), Arc::clone(&log), Arc::clone(&fault));
                // A client may hang up whenever it likes.
                thread::spawn(move || drop(serve(stream, &folder, &log, &*fault)));
            }
        });
        Self { address, asked }
    }

    /// Serves `folder` as it is.
    pub fn good(folder: &Path) -> Self {
        Self::start(folder, |_, _| None)
    }

    /// How often a path that ends in `end` was asked for.
    pub fn asked(&self, end: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|path| path.ends_with(end)).count()
    }
}

/// One request; the connection is closed after it.
fn serve(mut stream: TcpStream, folder: &Path, log: &Mutex<Vec<String>>, fault: &Choose) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let line = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let mut start = 0;
    for header in lines.by_ref() {
        let header = header?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(range) = header.strip_prefix("range: bytes=").and_then(|range| range.strip_suffix('-')) {
            start = range.parse().unwrap_or(0);
        }
    }
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|asked| **asked == path).count();
        log.push(path.clone());
        before
    };
    let Ok(file) = fs::read(folder.join(path.trim_end_matches("%loop"))) else { return status(&mut stream, 404) };
    let half = &file[..file.len() / 2];
    match fault(path.trim_end_matches("%loop"), before) {
        None => part(&mut stream, &file, start),
        Some(Fault::Instead(other)) => part(&mut stream, &other, start),
        Some(Fault::Short) => part(&mut stream, half, start),
        Some(Fault::Status(code)) => status(&mut stream, code),
        Some(Fault::Breaks) => {
            head(&mut stream, file.len())?;
            stream.write_all(half)
        }
        Some(Fault::WrongByte) => {
            let mut wrong = file.clone();
            wrong[half.len()] ^= 1;
            part(&mut stream, &wrong, start)
        }
        Some(Fault::Endless) => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 65536])?;
            }
        }
        Some(Fault::Trickle) => {
            head(&mut stream, file.len())?;
            for byte in &file {
                stream.write_all(&[*byte])?;
                thread::sleep(Duration::from_secs(1));
            }
            Ok(())
        }
        Some(Fault::Silent) => {
            thread::sleep(Duration::from_secs(3600));
            Ok(())
        }
        Some(Fault::RedirectLoop) => {
            let target =
                if path.ends_with("%loop") { path.trim_end_matches("%loop").to_owned() } else { path + "%loop" };
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /{target}\r\n\r\n"
            )
        }
    }
}

fn part(stream: &mut TcpStream, file: &[u8], start: usize) -> io::Result<()> {
    match file.get(start..) {
        Some(rest) if start > 0 && !rest.is_empty() => {
            let (last, length) = (file.len() - 1, file.len());
            write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Length: {}\r\n\
                 Content-Range: bytes {start}-{last}/{length}\r\n\r\n",
                rest.len()
            )?;
            stream.write_all(rest)
        }
        Some(_) if start == 0 => {
            head(stream, file.len())?;
            stream.write_all(file)
        }
        _ => status(stream, 416),
    }
}

fn head(stream: &mut TcpStream, length: usize) -> io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
}

fn status(stream: &mut TcpStream, code: u16) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {code} Told\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}
