//! Files that are decompressed at once, as their sizes are known: xz on several processors, where its blocks do not depend
//! on each other, and gzip in one step.

use std::io::{BufRead, Read};
use std::num::NonZeroUsize;

use liblzma::bufread::XzDecoder;
use liblzma::stream::MtStreamBuilder;

/// Most memory that blocks which are being decompressed may take together; with less, fewer are at a time. A block of
/// `xz --threads` has 24 MiB, and is held until those before it are given out.
const MEMORY: u64 = 96 << 20;

/// The bytes of an xz file that has one stream and, uncompressed, `size` bytes. Nothing where it is anything else:
/// [`decompress`](super::decompress()) tells then what it is.
pub fn decompress_blocks(file: impl BufRead, size: u64, threads: NonZeroUsize) -> Option<Vec<u8>> {
    let mut settings = MtStreamBuilder::new();
    settings.threads(threads.get().try_into().ok()?).memlimit_threading(MEMORY).memlimit_stop(MEMORY);
    let mut decoder = XzDecoder::new_stream(file, settings.decoder().ok()?).take(size.saturating_add(1));
    let mut bytes = Vec::with_capacity(size.min(1 << 28) as usize);
    decoder.read_to_end(&mut bytes).ok()?;
    let is_all = decoder.into_inner().into_inner().fill_buf().ok()?.is_empty();
    (is_all && bytes.len() as u64 == size).then_some(bytes)
}

/// Texts of gzip files are at most this large here: they are in memory as a whole.
const MEMBER: u64 = 1 << 28;

/// The bytes of a gzip file that has one member and, uncompressed, `size` bytes. Nothing where it is anything else, or
/// damaged: [`decompress`](super::decompress()) tells then what it is.
pub fn decompress_member(file: &[u8], size: u64) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok().filter(|_| size <= MEMBER)?;
    // The last four bytes say how many there are, modulo 2^32 (RFC 1952, 2.3.1). Of a file with several members that
    // is the last one's.
    let said = u32::from_le_bytes(*file.last_chunk()?);
    if said as usize != size {
        return None;
    }
    let mut bytes = vec![0; size];
    let written = libdeflater::Decompressor::new().gzip_decompress(file, &mut bytes).ok()?;
    (written == size).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const THREADS: NonZeroUsize = NonZeroUsize::new(3).unwrap();

    /// An xz file of several blocks, and its text.
    fn file() -> (Vec<u8>, Vec<u8>) {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let encoder = MtStreamBuilder::new().threads(2).preset(1).block_size(64 << 10).encoder().unwrap();
        let mut writer = liblzma::write::XzEncoder::new_stream(Vec::new(), encoder);
        writer.write_all(&text).unwrap();
        (writer.finish().unwrap(), text)
    }

    #[test]
    fn blocks_are_given_in_their_order() {
        let (file, text) = file();
        assert_eq!(decompress_blocks(&file[..], text.len() as u64, THREADS).as_ref(), Some(&text));
    }

    #[test]
    fn anything_else_is_nothing() {
        let (file, text) = file();
        let size = text.len() as u64;
        let decompress = |file: &[u8], size| decompress_blocks(file, size, THREADS);
        assert_eq!(decompress(&file, size - 1), None, "longer than it should be");
        assert_eq!(decompress(&file, size + 1), None, "shorter than it should be");
        assert_eq!(decompress(&file[..file.len() - 9], size), None, "cut off");
        assert_eq!(decompress(&file.repeat(2), size), None, "two streams");
        assert_eq!(decompress(&text, size), None, "no xz");
        for place in (0..file.len()).step_by(file.len() / 50) {
            let mut damaged = file.clone();
            damaged[place] ^= 1;
            assert!(decompress(&damaged, size).is_none_or(|bytes| bytes == text), "byte {place}");
        }
    }
    #[test]
    fn one_member_of_gzip_is_given_as_it_is() {
        let (_, text) = file();
        let member = |bytes: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        };
        let file = member(&text);
        let size = text.len() as u64;
        assert_eq!(decompress_member(&file, size).as_ref(), Some(&text));
        assert_eq!(decompress_member(&file, size - 1), None, "longer than it should be");
        assert_eq!(decompress_member(&file, size + 1), None, "shorter than it should be");
        assert_eq!(decompress_member(&file[..file.len() - 9], size), None, "cut off");
        assert_eq!(decompress_member(&text, size), None, "no gzip");
        assert_eq!(decompress_member(&[member(b"a"), file.clone()].concat(), size), None, "two members");
        for place in (0..file.len()).step_by(file.len() / 50) {
            let mut damaged = file.clone();
            damaged[place] ^= 1;
            assert!(decompress_member(&damaged, size).is_none_or(|bytes| bytes == text), "byte {place}");
        }
    }
}
