//! Decompression by what the bytes say, with bounded memory.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Limits;
use super::row::Row;

/// Most memory of an xz decoder: what `xz -9` needs is 65 MiB.
const XZ_MEMORY: u64 = 160 << 20;

/// How some bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// gzip (RFC 1952).
    Gzip,
    /// xz.
    Xz,
    /// zstd (RFC 8878).
    Zstd,
    /// bzip2.
    Bzip2,
    /// In none of these ways.
    Plain,
}

/// The uncompressed bytes of `reader`, which may be gzip, xz, zstd, bzip2 or none of them, each also as several members,
/// streams or frames in a row, and with zeros behind the last.
///
/// Reading fails where the compressed data ends too early, is damaged, is followed by anything else, needs a window of
/// more than 128 MiB, or grows beyond the `ratio` or `bytes` of `limits`. The errors say so in whole phrases.
pub fn decompress<'a>(reader: impl Read + Send + 'a, limits: &Limits) -> io::Result<Box<dyn Read + Send + 'a>> {
    let taken = Arc::new(AtomicU64::new(0));
    let mut counted = Counted { inner: reader, taken: Arc::clone(&taken) };
    let mut start = Vec::with_capacity(6);
    counted.by_ref().take(6).read_to_end(&mut start)?;
    let format = Format::of(&start);
    let input = BufReader::with_capacity(1 << 17, Cursor::new(start).chain(counted));
    let output: Box<dyn Read + Send + 'a> = match format {
        Format::Plain => return Ok(Box::new(input)),
        Format::Gzip => Box::new(Row::<flate2::bufread::GzDecoder<_>, _>::new(input)),
        Format::Bzip2 => Box::new(Row::<bzip2::bufread::BzDecoder<_>, _>::new(input)),
        // Its own zeros come in fours, as in the blocks of tapes.
        Format::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Format::Zstd => Box::new(Row::<zstd::stream::read::Decoder<'static, _>, _>::new(input)),
    };
    Ok(Box::new(Bounded { inner: output, name: format.name(), taken, given: 0, limits: limits.clone() }))
}

impl Format {
    /// How bytes that start so are compressed; six are enough.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A frame, or a frame to be skipped (RFC 8878, sections 3.1.1 and 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }

    /// Its name, as its programs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Plain => "plain",
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| match error.get_ref() {
            // The decoders say "unexpected end of file" for their own input: this one is not theirs.
            None if error.kind() == io::ErrorKind::UnexpectedEof => io::Error::other(error),
            _ => error,
        })?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Bounds and explains a decoder.
struct Bounded<R> {
    inner: R,
    name: &'static str,
    taken: Arc<AtomicU64>,
    given: u64,
    limits: Limits,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| self.explained(&error))?;
        self.given += count as u64;
        let most = self.taken.load(Ordering::Relaxed).saturating_mul(self.limits.ratio).max(self.limits.ratio_from);
        if self.given > most.min(self.limits.bytes) {
            let limits = format!("{} bytes, or {} times its compressed size", self.limits.bytes, self.limits.ratio);
            let text = format!("the {} data grows beyond what is allowed: {limits}", self.name);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(count)
    }
}

impl<R> Bounded<R> {
    fn explained(&self, error: &io::Error) -> io::Error {
        let name = self.name;
        match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), format!("the {name} data ends too early")),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                let text = format!("the {name} data is damaged or followed by something else: {error}");
                io::Error::new(io::ErrorKind::InvalidData, text)
            }
            kind => io::Error::new(kind, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn plain() -> Vec<u8> {
        (0..100_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
        compressor.include_checksum(true).unwrap();
        compressor.compress(bytes).unwrap()
    }

    fn all() -> [(&'static str, Vec<u8>); 4] {
        let plain = plain();
        [("gzip", gzip(&plain)), ("xz", xz(&plain)), ("bzip2", bzip2(&plain)), ("zstd", zstd(&plain))]
    }

    fn read(bytes: &[u8], limits: &Limits) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(bytes, limits)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        let limits = Limits::default();
        for (name, bytes) in all() {
            assert!(read(&bytes, &limits).unwrap() == plain(), "{name}");
            let twice = bytes.repeat(2);
            assert!(read(&twice, &limits).unwrap() == plain().repeat(2), "{name} twice");
        }
        for text in [&b""[..], b"x", b"just some text", b"\x1f"] {
            assert_eq!(read(text, &limits).unwrap(), text);
        }
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2][..], &zstd(b"text")].concat();
        assert_eq!(read(&skippable, &limits).unwrap(), b"text");
    }

    #[test]
    fn zeros_behind_the_end_are_those_of_a_tape() {
        for (name, bytes) in all() {
            for zeros in [4, 512, 10_240, 300_000] {
                let mut padded = bytes.repeat(2);
                padded.resize(padded.len() + zeros, 0);
                assert!(read(&padded, &Limits::default()).unwrap() == plain().repeat(2), "{name} and {zeros} zeros");
            }
        }
    }

    #[test]
    fn truncation_damage_and_garbage_are_errors() {
        let limits = Limits::default();
        for (name, bytes) in all() {
            for length in [7, bytes.len() / 2, bytes.len() - 1] {
                let error = read(&bytes[..length], &limits).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{name} cut at {length}: {error}");
                assert_eq!(error.to_string(), format!("the {name} data ends too early"));
            }
            for garbage in [&b"garbage that is no stream"[..], b"\0\0\0\0garbage that is no stream"] {
                let garbage = [&bytes[..], garbage].concat();
                let error = read(&garbage, &limits).unwrap_err();
                assert!(error.to_string().starts_with(&format!("the {name} data is damaged or followed")), "{error}");
            }
            let mut damaged = bytes.clone();
            let middle = damaged.len() / 2;
            damaged[middle] ^= 0x55;
            assert!(read(&damaged, &limits).is_err(), "{name}");
        }
        let mut checksum = gzip(b"text");
        let end = checksum.len() - 8;
        checksum[end] ^= 1;
        assert!(read(&checksum, &limits).is_err());
    }

    #[test]
    fn bombs_are_stopped() {
        let few = Limits { bytes: 1000, ..Limits::default() };
        for (name, bytes) in all() {
            let error = read(&bytes, &few).unwrap_err();
            assert!(error.to_string().contains("grows beyond"), "{name}: {error}");
        }
        let size = usize::try_from(Limits::default().ratio_from).unwrap() + 1;
        let bomb = zstd(&vec![0; size]);
        assert!(read(&bomb, &Limits::default()).unwrap_err().to_string().contains("grows beyond"));
        assert_eq!(read(&bomb, &Limits::images()).unwrap().len(), size, "a layer may hold a file of zeros");
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused() {
        // Magic, a descriptor without content size, a window of 256 MiB, and an empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 0x01, 0x00, 0x00];
        assert!(read(&frame, &Limits::default()).is_err());
        let smaller = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
        assert_eq!(read(&smaller, &Limits::default()).unwrap(), b"");
    }
}
