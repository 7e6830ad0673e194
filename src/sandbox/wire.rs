//! How the two sides of the sandbox talk: frames over a pair of pipes, both ends this same program.
//!
//! A frame is a tag byte and its fields; numbers are little-endian, byte strings carry their length first. A file's
//! bytes follow its frame, so that no content is ever held whole.

use std::io::{self, Read, Write};

use crate::tree::{Meta, Xattrs};

/// What is asked of the worker.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) enum Request {
    /// Entries follow, as [`Frame`]s up to [`Frame::End`]; they are put into the stage.
    Put,
    /// A program is to be run.
    Run(Step),
    /// The bytes of one file, by its path, are to be sent.
    Read(String),
    /// All of the stage is to be sent back, but for what is in the folders that are the sandbox's own.
    Look,
    /// All of the stage is to be sent back. The stage is not used again.
    Collect,
}

/// What the worker answers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) enum Answer {
    /// The worker is in a new user namespace and waits for its identity maps.
    MapMe,
    /// The stage is ready.
    Ready(super::Door),
    /// The entries were put.
    Done,
    /// A program ended: its exit code, or 128 and the signal's number.
    Ended(i32),
    /// How many bytes a file has, which follow, or that there is none.
    Bytes(Option<u64>),
    /// The stage follows, as [`Frame`]s up to [`Frame::End`].
    Stage,
    /// It could not be done; the worker ends.
    Failed {
        /// What could not be done.
        what: String,
        /// Why not.
        reason: String,
        /// The system's error number, 0 where there is none.
        errno: i32,
    },
}

/// One run of a program in the stage.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// The program's path or name, and its arguments.
    pub command: Vec<String>,
    /// The whole environment of the program.
    pub environment: Vec<(String, String)>,
    /// The working folder inside the stage.
    pub folder: String,
    /// What the program sees as the time of day, in seconds since 1970. It does not pass.
    pub time: i64,
    /// Whether internet sockets can be made.
    pub network: bool,
    /// Files for `/run/secrets`, there while the program runs: name and bytes.
    pub secrets: Vec<(String, Vec<u8>)>,
}

/// One entry on its way into or out of the stage.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// No more entries.
    End,
    /// A directory.
    Directory(Vec<u8>, Meta),
    /// A regular file, whose `u64` bytes follow.
    File(Vec<u8>, Meta, u64),
    /// A symbolic link and its target.
    Symlink(Vec<u8>, Meta, Vec<u8>),
    /// A device or FIFO: `c`, `b` or `p`, major and minor number.
    Special(Vec<u8>, Meta, u8, u32, u32),
    /// A further name of an entry sent before.
    Link(Vec<u8>, Vec<u8>),
    /// A regular file that is as it was put (only out of the stage).
    Unchanged(Vec<u8>),
}

/// Byte strings longer than this are refused: no path, link target or attribute is.
const LONGEST: usize = 1 << 20;

/// Sends a message as JSON behind its length.
pub(super) fn send<T: serde::Serialize>(out: &mut impl Write, message: &T) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    put_bytes(out, &json)?;
    out.flush()
}

/// Receives a message; nothing where the other side has closed the pipe.
pub(super) fn receive<T: serde::de::DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut json = vec![0; u32::from_le_bytes(length) as usize];
    input.read_exact(&mut json)?;
    Ok(Some(serde_json::from_slice(&json)?))
}

impl Frame {
    /// Sends the frame without the bytes of a file.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::End => out.write_all(&[0]),
            Self::Directory(path, meta) => put_head(out, 1, path, meta),
            Self::File(path, meta, size) => {
                put_head(out, 2, path, meta)?;
                out.write_all(&size.to_le_bytes())
            }
            Self::Symlink(path, meta, target) => {
                put_head(out, 3, path, meta)?;
                put_bytes(out, target)
            }
            Self::Special(path, meta, kind, major, minor) => {
                put_head(out, 4, path, meta)?;
                out.write_all(&[*kind])?;
                out.write_all(&major.to_le_bytes())?;
                out.write_all(&minor.to_le_bytes())
            }
            Self::Link(path, target) => {
                out.write_all(&[5])?;
                put_bytes(out, path)?;
                put_bytes(out, target)
            }
            Self::Unchanged(path) => {
                out.write_all(&[6])?;
                put_bytes(out, path)
            }
        }
    }

    /// Receives one frame; the bytes of a file are then next in `input`.
    pub(super) fn read(input: &mut impl Read) -> io::Result<Self> {
        let tag = take::<1>(input)?[0];
        Ok(match tag {
            0 => Self::End,
            1 => Self::Directory(take_bytes(input)?, take_meta(input)?),
            2 => Self::File(take_bytes(input)?, take_meta(input)?, u64::from_le_bytes(take(input)?)),
            3 => Self::Symlink(take_bytes(input)?, take_meta(input)?, take_bytes(input)?),
            4 => {
                let (path, meta, kind) = (take_bytes(input)?, take_meta(input)?, take::<1>(input)?[0]);
                Self::Special(path, meta, kind, take_u32(input)?, take_u32(input)?)
            }
            5 => Self::Link(take_bytes(input)?, take_bytes(input)?),
            6 => Self::Unchanged(take_bytes(input)?),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown frame")),
        })
    }
}

fn put_head(out: &mut impl Write, tag: u8, path: &[u8], meta: &Meta) -> io::Result<()> {
    out.write_all(&[tag])?;
    put_bytes(out, path)?;
    for number in [meta.mode, meta.uid, meta.gid] {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&meta.mtime.to_le_bytes())?;
    let attributes: Vec<_> = meta.xattrs.iter().collect();
    out.write_all(&u32::try_from(attributes.len()).unwrap_or(u32::MAX).to_le_bytes())?;
    for (name, value) in attributes {
        put_bytes(out, name)?;
        put_bytes(out, value)?;
    }
    Ok(())
}

fn take_meta(input: &mut impl Read) -> io::Result<Meta> {
    let mut meta = Meta::new(take_u32(input)?);
    meta.uid = take_u32(input)?;
    meta.gid = take_u32(input)?;
    meta.mtime = i64::from_le_bytes(take(input)?);
    let mut xattrs = Xattrs::default();
    for _ in 0..take_u32(input)? {
        xattrs.set(take_bytes(input)?, take_bytes(input)?);
    }
    meta.xattrs = xattrs;
    Ok(meta)
}

fn put_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| too_long())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

fn take_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = take_u32(input)? as usize;
    if length > LONGEST {
        return Err(too_long());
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_u32(input: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_le_bytes(take(input)?))
}

fn take<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a text longer than 1 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip() {
        let mut meta = Meta::new(0o4755);
        meta.mtime = -5;
        meta.xattrs.set("user.a", "b");
        let frames = [
            Frame::Directory(b"a".to_vec(), meta.clone()),
            Frame::File(b"a/\xff".to_vec(), meta.clone(), 3),
            Frame::Symlink(b"l".to_vec(), meta.clone(), b"../x".to_vec()),
            Frame::Special(b"n".to_vec(), meta, b'c', 1, 3),
            Frame::Link(b"h".to_vec(), b"a".to_vec()),
            Frame::Unchanged(b"u".to_vec()),
            Frame::End,
        ];
        let mut wire = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut wire).unwrap());
        let mut input = wire.as_slice();
        for frame in &frames {
            assert_eq!(Frame::read(&mut input).unwrap(), *frame);
        }
        assert!(Frame::read(&mut input).is_err());
        assert!(Frame::read(&mut [9u8].as_slice()).is_err());
    }
}
