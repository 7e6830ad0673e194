use std::io::Read;

use super::super::{Limits, decompress};
use super::*;

const FRAME: usize = 4 * BLOCK;

/// Text-like, incompressible and zero parts, longer than a few blocks.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 12_345_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match (bytes.len() >> 18) % 4 {
            0 => bytes.extend_from_slice(&state.to_le_bytes()),
            1 => bytes.extend_from_slice(&[0; 64]),
            _ => bytes.extend_from_slice(format!("/usr/lib/file-{}.so\n", state >> 54).as_bytes()),
        }
    }
    bytes.truncate(length);
    bytes
}

fn compressed(bytes: &[u8], compression: Compression, threads: usize, step: usize) -> (Vec<u8>, Digest, u64) {
    let mut compressor =
        Compressor::new(Vec::new(), compression, Effort::Normal, NonZeroUsize::new(threads).unwrap(), None).unwrap();
    bytes.chunks(step).for_each(|chunk| compressor.write_all(chunk).unwrap());
    let done = compressor.finish().unwrap();
    (done.output, done.digest, done.size)
}

#[test]
fn threads_and_write_sizes_change_nothing() {
    for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, FRAME - 1, FRAME, FRAME + 1, 9 * BLOCK + 12_345] {
        let bytes = sample(length);
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let (once, digest, size) = compressed(&bytes, compression, 1, usize::MAX);
            assert_eq!((digest, size), (Digest::of(&bytes), length as u64));
            for (threads, step) in [(1, 512), (2, 777), (3, 1 << 16), (8, 3 << 20)] {
                let (other, _, _) = compressed(&bytes, compression, threads, step);
                assert!(other == once, "{compression} of {length} bytes by {threads} threads");
            }
            let mut back = Vec::new();
            decompress(&once[..], &Limits::default()).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{compression} of {length} bytes");
        }
    }
}

#[test]
fn golden_digests() {
    let bytes = sample(5 * BLOCK + 4321);
    let digest = |compression, length| Digest::of(&compressed(&bytes[..length], compression, 2, 4096).0).to_string();
    let gzip = digest(Compression::Gzip, 3 * BLOCK + 4321);
    assert_eq!(gzip, "sha256:1c2081e0e48121dbd19be602a8ce43ce1da14287a810a6a7338d230211c4426c");
    assert_eq!(
        digest(Compression::Zstd, bytes.len()),
        "sha256:b8738d53c94737d50eba2c707debeb4bc8124d435216f10e391753d6a92ccc7f"
    );
}

/// A tar-like stream of files, cut at its entries.
fn cut(files: &[(String, Vec<u8>)], store: Option<&Store>) -> Vec<u8> {
    let threads = NonZeroUsize::new(2).unwrap();
    let mut compressor = Compressor::new(Vec::new(), Compression::Gzip, Effort::Normal, threads, store).unwrap();
    for (path, content) in files {
        compressor.entry(path.as_bytes(), content.len() as u64).unwrap();
        compressor.write_all(content).unwrap();
    }
    compressor.finish().unwrap().output
}

#[test]
fn what_was_compressed_before_is_recalled_and_an_added_file_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let memos = || std::fs::read_dir(folder.path().join("memo")).unwrap().count();
    let all = sample(12 * BLOCK);
    let size = |number: usize| if number % 50 == 7 { 2 * BLOCK } else { 20_000 + 512 * (number % 9) };
    let mut start = 0;
    let mut files = Vec::new();
    for number in 0..200 {
        files.push((format!("usr/lib/file-{number}"), all[start..start + size(number)].to_vec()));
        start = (start + size(number)) % (9 * BLOCK);
    }
    let plain = cut(&files, None);
    assert_eq!(cut(&files, Some(&store)), plain);
    let first = memos();
    assert!(first > 15, "{first} blocks");
    assert_eq!(cut(&files, Some(&store)), plain, "the same from remembered blocks");
    assert_eq!(memos(), first);
    files.insert(3, ("etc/motd".to_owned(), b"one more".repeat(100)));
    let changed = cut(&files, Some(&store));
    assert_eq!(changed, cut(&files, None));
    assert!(memos() - first <= 3, "{} new blocks of {first}", memos() - first);
    let mut back = Vec::new();
    decompress(&changed[..], &Limits::default()).unwrap().read_to_end(&mut back).unwrap();
    assert!(back == files.iter().flat_map(|(_, content)| content.clone()).collect::<Vec<_>>());
    // Damaged memos are not used.
    for memo in std::fs::read_dir(folder.path().join("memo")).unwrap() {
        let path = memo.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(cut(&files, Some(&store)), changed);
}

#[test]
fn the_gzip_is_one_member_that_other_readers_take() {
    let bytes = sample(2 * BLOCK + 5);
    let (gzip, _, _) = compressed(&bytes, Compression::Gzip, 2, 4096);
    assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    let mut back = Vec::new();
    flate2::bufread::GzDecoder::new(&gzip[..]).read_to_end(&mut back).unwrap();
    assert!(back == bytes);
}

#[test]
fn a_full_disk_is_an_error_not_a_hang() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() < 100 { Ok(bytes.len()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let mut compressor =
            Compressor::new(Full, compression, Effort::Normal, NonZeroUsize::new(3).unwrap(), None).unwrap();
        let written = compressor.write_all(&sample(20 * BLOCK)).and_then(|()| compressor.finish().map(drop));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull, "{compression}");
    }
}

#[test]
fn names() {
    assert_eq!("zstd".parse(), Ok(Compression::Zstd));
    assert!("lzma".parse::<Compression>().is_err());
    assert_eq!(Compression::of_file_name("rootfs.tar.gz"), Compression::Gzip);
    assert_eq!(Compression::of_file_name("rootfs.tar.zst"), Compression::Zstd);
    assert_eq!(Compression::of_file_name("rootfs.tar"), Compression::None);
}
