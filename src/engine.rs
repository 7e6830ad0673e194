//! The Docker engine of this machine, by its socket (Docker Engine API, `/images/load` and `/images/get`).

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::oci::{ParseReferenceError, Reference};

/// A Docker engine that listens on a socket.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

/// Why the engine does not do what it was asked for.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EngineError {
    /// It cannot be talked to.
    #[error("cannot talk to the Docker daemon at `{}`", socket.display())]
    #[diagnostic(help("is it running, and may you use it? `docker info` tells; DOCKER_HOST=unix://... names another"))]
    Talk {
        /// Its socket.
        socket: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It says no.
    #[error("the Docker daemon says: {message}")]
    Refused {
        /// The status of its answer (RFC 9110, section 15); 200 where it said no later on.
        status: u16,
        /// Its words.
        message: String,
    },
}

/// Longest response header, and longest answer in words, in bytes.
const LONGEST: u64 = 1 << 20;

impl Engine {
    /// Where the engine listens unless `DOCKER_HOST` says otherwise.
    pub const SOCKET: &'static str = "/var/run/docker.sock";

    /// The engine at `socket`, which is not asked anything yet.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Loads the archive that `body` writes, as `docker load` does.
    pub fn load(&self, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), EngineError> {
        let stream = UnixStream::connect(&self.socket).map_err(self.talk())?;
        let sent = send(&stream, body);
        // An engine that refuses answers before it has read everything: its words say more than our broken pipe.
        let mut words = Vec::new();
        let answer = Answer::read(&stream).and_then(|mut answer| {
            answer.copy(&mut words, LONGEST)?;
            Ok(answer.status)
        });
        match (sent, answer) {
            (_, Ok(status)) if status >= 400 => Err(refused(status, &words)),
            (Err(error), _) | (Ok(()), Err(error)) => Err(self.talk()(error)),
            (Ok(()), Ok(status)) => match error_in_stream(&words) {
                Some(message) => Err(EngineError::Refused { status, message }),
                None => Ok(()),
            },
        }
    }

    /// Writes the archive of the image `name` to `output`, as `docker save` does.
    pub fn save(&self, name: &str, output: &mut impl Write) -> Result<(), EngineError> {
        let stream = UnixStream::connect(&self.socket).map_err(self.talk())?;
        let name = percent_encoded(name);
        let request = format!("GET /images/get?names={name} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
        (&stream).write_all(request.as_bytes()).map_err(self.talk())?;
        let mut answer = Answer::read(&stream).map_err(self.talk())?;
        if answer.status >= 400 {
            let mut words = Vec::new();
            answer.copy(&mut words, LONGEST).map_err(self.talk())?;
            return Err(refused(answer.status, &words));
        }
        answer.copy(output, u64::MAX).map_err(self.talk())
    }

    fn talk(&self) -> impl Fn(io::Error) -> EngineError {
        let socket = self.socket.clone();
        move |source| EngineError::Talk { socket: socket.clone(), source }
    }
}

/// The name by which the engine knows an image: its id as it is, names with their tag, as a name alone means all tags.
pub fn image_name(text: &str) -> Result<String, ParseReferenceError> {
    // A digest says exactly one image already.
    if is_id(text) || text.contains('@') {
        return Ok(text.to_owned());
    }
    text.parse::<Reference>().map(|name| name.familiar())
}

/// Whether a text is an image's id: all of it, or its first 12 digits or more, as `docker images` shows it.
pub fn is_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && is_hex(hex))
        || ((12..=64).contains(&text.len()) && is_hex(text))
}

/// A text as a query holds it (RFC 3986, section 2.1).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn send(stream: &UnixStream, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stream = stream;
    stream.write_all(
        b"POST /images/load?quiet=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\
          Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    let mut chunks = BufWriter::with_capacity(1 << 17, Chunks(stream));
    body(&mut chunks)?;
    chunks.flush()?;
    stream.write_all(b"0\r\n\r\n")
}

/// Each write becomes a chunk (RFC 9112, section 7.1).
struct Chunks<'a>(&'a UnixStream);

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            write!(self.0, "{:x}\r\n", bytes.len())?;
            self.0.write_all(bytes)?;
            self.0.write_all(b"\r\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer whose head was read.
struct Answer<R> {
    reader: BufReader<R>,
    status: u16,
    chunked: bool,
    length: Option<u64>,
}

impl<R: Read> Answer<R> {
    fn read(stream: R) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 17, stream);
        let mut head = (&mut reader).take(LONGEST);
        let mut line = String::new();
        head.read_line(&mut line)?;
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| wrong("its answer is not HTTP"))?;
        let (mut chunked, mut length) = (false, None);
        loop {
            line.clear();
            head.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim();
            if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse::<u64>().map_err(|_| wrong("its answer has no readable length"))?);
            }
        }
        Ok(Self { reader, status, chunked, length })
    }

    /// Writes the body to `output`, at most about `most` bytes of it.
    fn copy(&mut self, output: &mut impl Write, most: u64) -> io::Result<()> {
        if self.chunked {
            return self.copy_chunks(output, most);
        }
        let copied = io::copy(&mut (&mut self.reader).take(self.length.unwrap_or(most).min(most)), output)?;
        match self.length {
            Some(length) if copied < length.min(most) => Err(wrong("its answer is cut off")),
            _ => Ok(()),
        }
    }

    fn copy_chunks(&mut self, output: &mut impl Write, most: u64) -> io::Result<()> {
        let mut copied = 0;
        loop {
            let mut line = String::new();
            (&mut self.reader).take(100).read_line(&mut line)?;
            let digits = line.trim_end().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(digits, 16).map_err(|_| wrong("its answer is cut off"))?;
            if size == 0 || size > most - copied {
                return Ok(());
            }
            if io::copy(&mut (&mut self.reader).take(size), output)? < size {
                return Err(wrong("its answer is cut off"));
            }
            copied += size;
            (&mut self.reader).take(2).read_to_end(&mut Vec::new())?;
        }
    }
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The engine's message of a refused request: `{"message": "..."}`.
fn refused(status: u16, body: &[u8]) -> EngineError {
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")).and_then(serde_json::Value::as_str);
    let message = message.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned);
    EngineError::Refused { status, message }
}

/// The first error among the progress messages of an accepted request: `{"error": "..."}`.
fn error_in_stream(body: &[u8]) -> Option<String> {
    let messages = serde_json::Deserializer::from_slice(body).into_iter::<serde_json::Value>();
    messages.map_while(Result::ok).find_map(|message| message.get("error")?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(bytes: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut answer = Answer::read(bytes)?;
        let mut body = Vec::new();
        answer.copy(&mut body, LONGEST)?;
        Ok((answer.status, body))
    }

    #[test]
    fn answers() {
        let plain = b"HTTP/1.1 500 Oops\r\ncontent-length: 17\r\n\r\n{\"message\":\"no\"}\n";
        let (status, body) = receive(plain).unwrap();
        assert_eq!(status, 500);
        let refused = refused(status, &body);
        assert!(matches!(refused, EngineError::Refused { status: 500, message } if message == "no"));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"stre\r\n9\r\nam\":\"x\"}\n\r\n\
                        10;x=y\r\n{\"error\":\"full\"}\r\n0\r\n\r\n";
        let (_, body) = receive(chunked).unwrap();
        assert_eq!(error_in_stream(&body), Some("full".to_owned()));
        assert_eq!(error_in_stream(b"{\"stream\":\"Loaded image: x\"}\n"), None);
        for broken in [&b""[..], b"SSH-2.0\r\n", b"HTTP/1.1 abc\r\n\r\n"] {
            assert!(receive(broken).is_err());
        }
        for cut in [
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"s",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"s",
        ] {
            assert!(receive(cut).is_err());
        }
    }

    #[test]
    fn images_by_name_and_by_id() {
        assert_eq!(image_name("debian").unwrap(), "debian:latest");
        assert_eq!(image_name("docker.io/library/debian:13").unwrap(), "debian:13");
        let whole = format!("sha256:{}", "0".repeat(64));
        let by_digest = format!("debian@{whole}");
        for kept in ["0123456789ab", whole.as_str(), by_digest.as_str()] {
            assert_eq!(image_name(kept).unwrap(), kept);
        }
        assert_eq!(image_name("cafe").unwrap(), "cafe:latest", "too short for an id");
        assert!(image_name("Debian").is_err());
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(percent_encoded("localhost:5000/a_b:1"), "localhost%3A5000%2Fa_b%3A1");
        assert_eq!(percent_encoded("x?y=z&\u{e4}"), "x%3Fy%3Dz%26%C3%A4");
    }
}
