//! Compression of layers: the same bytes for any number of threads, on every machine.
//!
//! What the bytes depend on belongs to `format = 1`: the compressors and their versions (pinned in `Cargo.toml`), the
//! levels and the block sizes here.

mod deflate;
mod frames;
mod gzip;
mod ordered;

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;

use crate::digest::{Digest, Digesting};
use crate::store::Store;
use frames::{ParallelZstd, frame_size};
use gzip::ParallelGzip;

/// How the bytes of a layer are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip, one member: what every container engine reads.
    #[default]
    Gzip,
    /// zstd, frames of 4 MiB with checksums: smaller and faster; needs Docker 23, containerd 1.5 or podman.
    Zstd,
    /// Plain tar.
    None,
}

/// How much time goes into making the bytes few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// As much as pays off for most images.
    #[default]
    Normal,
    /// All that is possible: for images that are pulled more often than built.
    Best,
}

/// A text that names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no compression known here: expected gzip, zstd or none")]
pub struct ParseCompressionError(pub String);

/// Bytes that travel between threads at once, and the most that one deflate block holds; frames of zstd have a size of their own.
const BLOCK: usize = 1 << 20;

/// What a block has at least before it is cut in front of a small file.
const SMALL_BLOCK: usize = 256 << 10;

/// Files from this size on begin a block of their own, and so does what follows them.
const LARGE_FILE: u64 = 512 << 10;

/// One of how many small files a block may be cut in front of.
const CUT_ONE_OF: u32 = 8;

impl Compression {
    /// The media type of a layer so compressed (OCI image spec, layer.md).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::None => "application/vnd.oci.image.layer.v1.tar",
        }
    }

    /// What the name of a file tells: `.gz` and `.tgz`, `.zst` and `.tzst`; anything else is plain.
    pub fn of_file_name(name: &str) -> Self {
        let ends = |endings: [&str; 2]| endings.iter().any(|ending| name.ends_with(ending));
        match () {
            () if ends([".gz", ".tgz"]) => Self::Gzip,
            () if ends([".zst", ".tzst"]) => Self::Zstd,
            () => Self::None,
        }
    }
}

/// Compresses and hashes what is written to it.
///
/// The uncompressed bytes are hashed on a thread of their own, gzip and zstd compress on `threads` threads, and the
/// compressed bytes are written to the output from the caller's thread. A few blocks for each thread are in memory at once, of
/// 1 MiB, or for zstd of 4 or 8.
///
/// Where blocks of gzip end follows from the entries of the tar ([`Compressor::entry`]) and not from how many bytes came
/// before them, so that a file that is added or grows changes a block or two, and the others stay what they were.
pub struct Compressor<W: Write> {
    encoder: Encoder<W>,
    /// What is being filled, and how large it becomes.
    block: Vec<u8>,
    full: usize,
    /// Blocks that were sent on their way; they are filled again once nobody looks at them.
    sent: Vec<Arc<Vec<u8>>>,
    after_large: bool,
    hasher: Hasher,
}

/// What became of the bytes of a [`Compressor`].
pub struct Compressed<W> {
    /// The output, not flushed.
    pub output: W,
    /// The digest of the uncompressed bytes: a layer's diff ID.
    pub digest: Digest,
    /// How many uncompressed bytes there were.
    pub size: u64,
}

enum Encoder<W: Write> {
    Gzip(ParallelGzip<W>),
    Zstd(ParallelZstd<W>),
    Plain(W),
}

impl<W: Write> Compressor<W> {
    /// Starts compressing into `output`; with a store, blocks of gzip that were compressed before are taken from there.
    /// Fails where the output does, or where threads cannot be started.
    pub fn new(
        output: W,
        compression: Compression,
        effort: Effort,
        threads: NonZeroUsize,
        memory: Option<&Store>,
    ) -> io::Result<Self> {
        // Before the others: these can be fewer.
        let hasher = Hasher::start()?;
        let encoder = match compression {
            Compression::Gzip => Encoder::Gzip(ParallelGzip::new(output, effort, threads, memory)?),
            Compression::Zstd => Encoder::Zstd(ParallelZstd::new(output, effort, threads)?),
            Compression::None => Encoder::Plain(output),
        };
        let full = if compression == Compression::Zstd { frame_size(effort) } else { BLOCK };
        let block = Vec::with_capacity(full);
        Ok(Self { encoder, block, full, sent: Vec::new(), after_large: false, hasher })
    }

    /// Says that an entry of the tar begins, with the path and a content of `size` bytes.
    pub fn entry(&mut self, path: &[u8], size: u64) -> io::Result<()> {
        let is_large = size >= LARGE_FILE;
        let here = self.block.len() >= SMALL_BLOCK && crc32fast::hash(path).is_multiple_of(CUT_ONE_OF);
        let cut = is_large || here || self.after_large;
        self.after_large = is_large;
        if cut && !self.block.is_empty() && matches!(self.encoder, Encoder::Gzip(_)) {
            self.send_block()
        } else {
            Ok(())
        }
    }

    /// Completes the compressed form.
    pub fn finish(mut self) -> io::Result<Compressed<W>> {
        let last = Arc::new(std::mem::take(&mut self.block));
        self.hasher.update(&last)?;
        let output = match self.encoder {
            Encoder::Gzip(encoder) => encoder.finish(last)?,
            Encoder::Zstd(encoder) => encoder.finish(last)?,
            Encoder::Plain(mut output) => {
                output.write_all(&last)?;
                output
            }
        };
        let (digest, size) = self.hasher.finish()?;
        Ok(Compressed { output, digest, size })
    }

    /// Sends the block on its way, full or cut.
    fn send_block(&mut self) -> io::Result<()> {
        let empty = self.empty_block();
        let block = Arc::new(std::mem::replace(&mut self.block, empty));
        self.sent.push(Arc::clone(&block));
        self.hasher.update(&block)?;
        match &mut self.encoder {
            Encoder::Gzip(encoder) => encoder.block(block),
            Encoder::Zstd(encoder) => encoder.block(block),
            Encoder::Plain(output) => output.write_all(&block),
        }
    }

    /// One that was sent before, where nobody looks at it any more.
    fn empty_block(&mut self) -> Vec<u8> {
        let free = self.sent.iter().position(|block| Arc::strong_count(block) == 1);
        let free = free.and_then(|at| Arc::into_inner(self.sent.swap_remove(at)));
        let mut block = free.unwrap_or_else(|| Vec::with_capacity(self.full));
        block.clear();
        block
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.full - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        if self.block.len() == self.full {
            self.send_block()?;
        }
        Ok(count)
    }

    /// Does nothing: where blocks end must not depend on when somebody flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes blocks on a thread of its own.
struct Hasher {
    blocks: Sender<Arc<Vec<u8>>>,
    thread: JoinHandle<(Digest, u64)>,
}

impl Hasher {
    fn start() -> io::Result<Self> {
        let (blocks, received) = crossbeam_channel::bounded::<Arc<Vec<u8>>>(4);
        let thread = std::thread::Builder::new().name("hash".to_owned()).spawn(move || {
            let mut hash = Digesting::new(io::sink());
            for block in received {
                hash.write_all(&block).expect("a sink takes everything");
            }
            let (_, digest, size) = hash.finish();
            (digest, size)
        })?;
        Ok(Self { blocks, thread })
    }

    fn update(&self, block: &Arc<Vec<u8>>) -> io::Result<()> {
        self.blocks.send(Arc::clone(block)).map_err(|_| ended())
    }

    fn finish(self) -> io::Result<(Digest, u64)> {
        drop(self.blocks);
        self.thread.join().map_err(|_| ended())
    }
}

fn ended() -> io::Error {
    io::Error::other("a thread that packs the layer ended before its work was done")
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        })
    }
}

impl FromStr for Compression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Gzip, Self::Zstd, Self::None];
        let found = all.into_iter().find(|compression| compression.to_string() == text);
        found.ok_or_else(|| ParseCompressionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
