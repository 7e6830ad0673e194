//! Compressed members, streams or frames in a row, and the zeros that may follow them.

use std::io::{self, BufRead, Read};

/// A decoder of one member, stream or frame, which takes no byte behind it.
pub trait Piece<I>: Read + Sized {
    /// Starts on what comes next in `input`.
    fn start(input: I) -> io::Result<Self>;
    /// What it read from, behind its own last byte.
    fn into_input(self) -> I;
    /// Whether such a piece may begin with this byte.
    fn begins_with(byte: u8) -> bool;
}

/// The contents of all pieces of `input`, one after the other.
///
/// Zeros behind the last piece are passed over, as gzip does: tapes and `dd` fill their blocks up with them. Anything else
/// there is an error, where gzip warns: what is behind an archive is in nobody's image, so it is a mistake or a trick.
pub struct Row<P, I> {
    /// Between two reads one of them is there, until the end of all.
    piece: Option<P>,
    input: Option<I>,
}

impl<I: BufRead, P: Piece<I>> Row<P, I> {
    /// Starts on the first piece.
    pub fn new(input: I) -> Self {
        Self { piece: None, input: Some(input) }
    }

    /// Goes on behind a piece: with the next one, or to the end.
    fn next(&mut self, mut input: I, is_first: bool) -> io::Result<()> {
        match input.fill_buf()?.first() {
            None if !is_first => return Ok(()),
            Some(0) if !is_first => return only_zeros(&mut input),
            Some(byte) if !is_first && !P::begins_with(*byte) => return Err(something_else()),
            _ => {}
        }
        self.piece = Some(P::start(input)?);
        Ok(())
    }
}

impl<I: BufRead, P: Piece<I>> Read for Row<P, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(input) = self.input.take() {
            self.next(input, true)?;
        }
        while let Some(piece) = &mut self.piece {
            let count = piece.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if let Some(piece) = self.piece.take() {
                self.next(piece.into_input(), false)?;
            }
        }
        Ok(0)
    }
}

/// Reads to the end.
fn only_zeros(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = input.fill_buf()?;
        match bytes.len() {
            0 => return Ok(()),
            _ if bytes.iter().any(|byte| *byte != 0) => return Err(something_else()),
            length => input.consume(length),
        }
    }
}

fn something_else() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "there are other bytes behind its end than zeros")
}

impl<I: BufRead> Piece<I> for flate2::bufread::GzDecoder<I> {
    fn start(input: I) -> io::Result<Self> {
        Ok(Self::new(input))
    }

    fn into_input(self) -> I {
        self.into_inner()
    }

    fn begins_with(byte: u8) -> bool {
        byte == 0x1f
    }
}

impl<I: BufRead> Piece<I> for bzip2::bufread::BzDecoder<I> {
    fn start(input: I) -> io::Result<Self> {
        Ok(Self::new(input))
    }

    fn into_input(self) -> I {
        self.into_inner()
    }

    fn begins_with(byte: u8) -> bool {
        byte == b'B'
    }
}

/// Largest zstd window in bytes, as a power of two: 128 MiB, which `zstd --long` uses.
const ZSTD_WINDOW: u32 = 27;

impl<I: BufRead> Piece<I> for zstd::stream::read::Decoder<'static, I> {
    fn start(input: I) -> io::Result<Self> {
        let mut decoder = Self::with_buffer(input)?.single_frame();
        decoder.window_log_max(ZSTD_WINDOW)?;
        Ok(decoder)
    }

    fn into_input(self) -> I {
        self.finish()
    }

    fn begins_with(byte: u8) -> bool {
        // A frame, or a frame to be skipped.
        matches!(byte, 0x28 | 0x50..=0x5f)
    }
}
