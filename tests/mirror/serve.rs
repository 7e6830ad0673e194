//! HTTP/1.1, as much as clients of an archive use: GET and HEAD, ranges, connections that stay open.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::cache::{Cache, Found};

/// What was asked.
struct Request {
    method: String,
    path: String,
    range: Option<String>,
    close: bool,
}

/// What is answered.
enum Answer {
    /// A whole file.
    Whole(PathBuf),
    /// The bytes from the first number up to, not including, the second.
    Part(PathBuf, u64, u64),
    /// No file: a status and a line for people.
    Status(&'static str, String),
}

/// Serves a connection until its end.
pub fn connection(stream: &TcpStream, cache: &Cache, note: &dyn Fn(&str)) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    let mut output = stream;
    while let Some(request) = read(&mut input)? {
        note(&format!("{} {}", request.method, request.path));
        let answer = answer(&request, cache)?;
        send(&request, answer, &mut output)?;
        if request.close {
            break;
        }
    }
    Ok(())
}

fn read(input: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
    // A client that takes us for a proxy sends a whole address.
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => target.trim_start_matches('/'),
    };
    let path = decode(path.split('?').next().unwrap_or_default());
    let (mut range, mut close) = (None, words.next() == Some("HTTP/1.0"));
    loop {
        let mut header = String::new();
        if input.read_line(&mut header)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "range" => range = Some(value.to_owned()),
            "connection" => close |= value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    Ok(Some(Request { method, path, range, close }))
}

fn answer(request: &Request, cache: &Cache) -> io::Result<Answer> {
    if !["GET", "HEAD"].contains(&request.method.as_str()) {
        return Ok(Answer::Status("405 Method Not Allowed", "only GET and HEAD".to_owned()));
    }
    let file = match cache.find(&request.path) {
        Found::File(file) => file,
        Found::Nothing => return Ok(Answer::Status("404 Not Found", "there is no such file".to_owned())),
        Found::Trouble(reason) => return Ok(Answer::Status("502 Bad Gateway", reason)),
    };
    let size = file.metadata()?.len();
    match request.range.as_deref().map(|range| part(range, size)) {
        None | Some(Part::NotUnderstood) => Ok(Answer::Whole(file)),
        Some(Part::Of(from, to)) => Ok(Answer::Part(file, from, to)),
        Some(Part::Outside) => Ok(Answer::Status("416 Range Not Satisfiable", format!("it has {size} bytes"))),
    }
}

fn send(request: &Request, answer: Answer, output: &mut impl Write) -> io::Result<()> {
    let connection = if request.close { "close" } else { "keep-alive" };
    let (status, headers, file, from, length) = match answer {
        Answer::Whole(path) => {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            ("200 OK", String::new(), Some(file), 0, size)
        }
        Answer::Part(path, from, to) => {
            let file = File::open(path)?;
            let range = format!("Content-Range: bytes {from}-{}/{}\r\n", to - 1, file.metadata()?.len());
            ("206 Partial Content", range, Some(file), from, to - from)
        }
        Answer::Status(status, text) => {
            let text = format!("{text}\n");
            write!(
                output,
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
                text.len()
            )?;
            return if request.method == "HEAD" { Ok(()) } else { output.write_all(text.as_bytes()) };
        }
    };
    write!(
        output,
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n\
         Content-Length: {length}\r\n{headers}Connection: {connection}\r\n\r\n"
    )?;
    if let Some(mut file) = file.filter(|_| request.method == "GET") {
        file.seek(SeekFrom::Start(from))?;
        io::copy(&mut file.take(length), output)?;
    }
    output.flush()
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// From the first number up to, not including, the second.
    Of(u64, u64),
    /// Nothing that the file has.
    Outside,
    /// Several ranges, other units: answered with the whole file, as RFC 9110 section 14.2 allows.
    NotUnderstood,
}

fn part(range: &str, size: u64) -> Part {
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::NotUnderstood;
    };
    let (from, to) = match (from.trim().parse::<u64>(), to.trim()) {
        (Ok(from), "") => (from, size),
        (Ok(from), to) => match to.parse::<u64>() {
            Ok(to) if to >= from => (from, size.min(to.saturating_add(1))),
            _ => return Part::NotUnderstood,
        },
        (Err(_), last) if from.trim().is_empty() => match last.parse::<u64>() {
            Ok(last) => (size.saturating_sub(last), size),
            Err(_) => return Part::NotUnderstood,
        },
        _ => return Part::NotUnderstood,
    };
    if from < to { Part::Of(from, to) } else { Part::Outside }
}

/// Undoes percent-encoding; names with `+` or `~` come encoded from some clients.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| after.get(..2)).flatten();
        match code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(part("bytes=0-0", 10), Part::Of(0, 1));
        assert_eq!(part("bytes=4-", 10), Part::Of(4, 10));
        assert_eq!(part("bytes=-3", 10), Part::Of(7, 10));
        assert_eq!(part("bytes=4-99", 10), Part::Of(4, 10));
        assert_eq!(part("bytes=10-", 10), Part::Outside);
        assert_eq!(part("bytes=3-2", 10), Part::NotUnderstood);
        assert_eq!(part("bytes=0-1,4-5", 10), Part::NotUnderstood);
        assert_eq!(part("lines=1-2", 10), Part::NotUnderstood);
    }

    #[test]
    fn encoded_names() {
        assert_eq!(decode("g%2b%2B_1%7e1.deb"), "g++_1~1.deb");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("a%zz"), "a%zz");
    }
}
