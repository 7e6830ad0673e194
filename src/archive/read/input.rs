//! What a tar is read from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes that can be passed over.
pub(super) trait Input {
    /// What is read from.
    type Inner: Read;

    /// Reads what comes next.
    fn buffered(&mut self) -> &mut BufReader<Self::Inner>;

    /// Passes over as many bytes.
    fn skip(&mut self, size: u64) -> io::Result<()>;
}

/// What can only be read to be passed over.
pub(super) struct Stream<R>(pub(super) BufReader<R>);

/// A file, in which nothing that is passed over is read.
pub(super) struct Seekable(pub(super) BufReader<File>);

impl<R: Read> Input for Stream<R> {
    type Inner = R;

    fn buffered(&mut self) -> &mut BufReader<R> {
        &mut self.0
    }

    fn skip(&mut self, mut size: u64) -> io::Result<()> {
        while size > 0 {
            let there = self.0.fill_buf()?.len();
            if there == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let step = usize::try_from(size).unwrap_or(usize::MAX).min(there);
            self.0.consume(step);
            size -= step as u64;
        }
        Ok(())
    }
}

impl Input for Seekable {
    type Inner = File;

    fn buffered(&mut self) -> &mut BufReader<File> {
        &mut self.0
    }

    fn skip(&mut self, size: u64) -> io::Result<()> {
        let size = i64::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        self.0.seek_relative(size)
    }
}
