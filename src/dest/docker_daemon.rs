//! `docker-daemon:REF`: the Docker daemon, by its socket (Docker Engine API, `POST /images/load`).

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::archive::Members;
use super::{Blob, DestError, Destination};
use crate::image::Artifact;
use crate::oci::Reference;

/// A Docker daemon that loads the image from the same archive that [`super::ArchiveFile`] writes.
pub struct DockerDaemon {
    socket: PathBuf,
    names: Vec<Reference>,
    members: Members,
}

/// Longest response header or body that is read, in bytes.
const LONGEST: u64 = 1 << 20;

impl DockerDaemon {
    /// Where the daemon listens unless `DOCKER_HOST` says otherwise.
    pub const SOCKET: &'static str = "/var/run/docker.sock";

    /// Will load the image through `socket` and call it `names`.
    pub fn new(socket: &Path, names: &[Reference]) -> Result<Self, DestError> {
        if names.is_empty() {
            return Err(DestError::NoName { destination: "the Docker daemon" });
        }
        Ok(Self { socket: socket.to_owned(), names: names.to_vec(), members: Members::default() })
    }
}

impl Destination for DockerDaemon {
    fn has(&mut self, _: &Blob) -> Result<bool, DestError> {
        Ok(false)
    }

    fn put_blob(&mut self, blob: &Blob, _: &dyn Fn(u64)) -> Result<(), DestError> {
        self.members.put(blob);
        Ok(())
    }

    fn put_manifest(&mut self, manifest: &Blob) -> Result<(), DestError> {
        self.members.put(manifest);
        Ok(())
    }

    fn finish(self: Box<Self>, artifact: &Artifact, advance: &dyn Fn(u64)) -> Result<(), DestError> {
        let failed = |source| DestError::Daemon { socket: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).map_err(failed)?;
        let sent = send(&stream, |body| self.members.write(artifact, &self.names, body, advance));
        // A daemon that refuses answers before it has read everything: its words say more than our broken pipe.
        let answer = receive(&stream);
        match (sent, answer) {
            (_, Ok(answer)) if answer.status >= 400 => Err(refused(&answer.body)),
            (Err(error), _) | (Ok(()), Err(error)) => Err(failed(error)),
            (Ok(()), Ok(answer)) => match error_in_stream(&answer.body) {
                Some(message) => Err(DestError::DaemonRefused { message }),
                None => Ok(()),
            },
        }
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
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

fn receive(stream: impl Read) -> io::Result<Answer> {
    let mut reader = BufReader::new(stream);
    let mut head = (&mut reader).take(LONGEST);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| wrong("its answer is not HTTP"))?;
    let mut chunked = false;
    let mut length = None;
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
    let body = if chunked { read_chunks(&mut reader)? } else { read_body(&mut reader, length)? };
    Ok(Answer { status, body })
}

fn read_body(reader: &mut impl Read, length: Option<u64>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    reader.take(length.unwrap_or(LONGEST).min(LONGEST)).read_to_end(&mut body)?;
    Ok(body)
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.take(100).read_line(&mut line)?;
        let digits = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(digits, 16).map_err(|_| wrong("its answer is cut off"))?;
        if size == 0 || body.len() as u64 + size > LONGEST {
            return Ok(body);
        }
        reader.take(size).read_to_end(&mut body)?;
        reader.take(2).read_to_end(&mut Vec::new())?;
    }
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The daemon's message of a refused request: `{"message": "..."}`.
fn refused(body: &[u8]) -> DestError {
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")).and_then(serde_json::Value::as_str);
    let message = message.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned);
    DestError::DaemonRefused { message }
}

/// The first error among the progress messages of an accepted request: `{"error": "..."}`.
fn error_in_stream(body: &[u8]) -> Option<String> {
    let messages = serde_json::Deserializer::from_slice(body).into_iter::<serde_json::Value>();
    messages.map_while(Result::ok).find_map(|message| message.get("error")?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let plain = b"HTTP/1.1 500 Oops\r\ncontent-length: 17\r\n\r\n{\"message\":\"no\"}\n";
        let answer = receive(&plain[..]).unwrap();
        assert_eq!(answer.status, 500);
        assert!(matches!(refused(&answer.body), DestError::DaemonRefused { message } if message == "no"));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"stre\r\n9\r\nam\":\"x\"}\n\r\n\
                        10;x=y\r\n{\"error\":\"full\"}\r\n0\r\n\r\n";
        let answer = receive(&chunked[..]).unwrap();
        assert_eq!(error_in_stream(&answer.body), Some("full".to_owned()));
        assert_eq!(error_in_stream(b"{\"stream\":\"Loaded image: x\"}\n"), None);
        for broken in [&b""[..], b"SSH-2.0\r\n", b"HTTP/1.1 abc\r\n\r\n"] {
            assert!(receive(broken).is_err());
        }
        assert!(receive(&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"[..]).is_err());
    }
}
