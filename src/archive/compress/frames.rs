//! zstd by many threads (RFC 8878), the same bytes for any number of them.
//!
//! The input comes in blocks, and each becomes a frame of its own, with its size and a checksum: a reader takes one after the other
//! as one stream, and one that has several processors may take several at once.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, Strategy, compress_bound};

use super::Effort;
use super::ordered::Ordered;

/// How many bytes go into a frame: as many as a window holds. All readers take windows up to 8 MiB (RFC 8878, section 3.1.1.1.2).
pub fn frame_size(effort: Effort) -> usize {
    match effort {
        Effort::Normal => 4 << 20,
        Effort::Best => 8 << 20,
    }
}

/// zstd's level and parameters of an effort.
///
/// Programs hold much that is alike some MiB apart, so a large window is worth more than a thorough search: with 4 MiB and zstd's
/// fastest strategy, layers of root filesystems are 5% larger than those of its level 3 (which other image builders use), in half
/// of the time. The table of hashes, 256 KiB, leaves room for the bytes in a processor's own cache, also where the rest of the
/// machine is busy.
fn parameters(effort: Effort) -> (i32, &'static [CParameter]) {
    match effort {
        Effort::Normal => (
            1,
            &[
                CParameter::Strategy(Strategy::ZSTD_fast),
                CParameter::WindowLog(22),
                CParameter::HashLog(16),
                CParameter::MinMatch(6),
                CParameter::TargetLength(0),
            ],
        ),
        Effort::Best => (15, &[CParameter::WindowLog(23)]),
    }
}

/// Compresses blocks into frames of zstd.
pub struct ParallelZstd<W> {
    output: W,
    work: Ordered<Arc<Vec<u8>>, io::Result<Vec<u8>>>,
    is_begun: bool,
}

impl<W: Write> ParallelZstd<W> {
    /// Starts the threads.
    pub fn new(output: W, effort: Effort, threads: NonZeroUsize) -> io::Result<Self> {
        let worker = move || {
            let mut compressor = compressor(effort);
            let mut buffer = Vec::new();
            move |block: Arc<Vec<u8>>| match &mut compressor {
                Ok(compressor) => {
                    buffer.clear();
                    buffer.reserve(compress_bound(block.len()));
                    compressor.compress_to_buffer(&block, &mut buffer)?;
                    Ok(buffer.clone())
                }
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            }
        };
        Ok(Self { output, work: Ordered::start("zstd", threads, worker)?, is_begun: false })
    }

    /// Compresses a block, of [`frame_size`] bytes.
    pub fn block(&mut self, block: Arc<Vec<u8>>) -> io::Result<()> {
        self.is_begun = true;
        self.work.begin(block)?;
        while let Some(frame) = self.work.first_of_many()? {
            self.output.write_all(&frame?)?;
        }
        Ok(())
    }

    /// Compresses the last block, which may be empty: then it has no frame, unless there is no other.
    pub fn finish(mut self, last: Arc<Vec<u8>>) -> io::Result<W> {
        if !self.is_begun || !last.is_empty() {
            self.block(last)?;
        }
        while let Some(frame) = self.work.first()? {
            self.output.write_all(&frame?)?;
        }
        self.work.end()?;
        Ok(self.output)
    }
}

fn compressor(effort: Effort) -> io::Result<Compressor<'static>> {
    let (level, parameters) = parameters(effort);
    let mut compressor = Compressor::new(level)?;
    parameters.iter().try_for_each(|parameter| compressor.set_parameter(*parameter))?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}
