//! What people take for an archive of an image or a root filesystem.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::OpenError;
use crate::archive::ArchiveError;

/// Says what the file is instead, where reading it as a tar failed at its first header, and that is known. Its bytes are those
/// of `plain`; `path` is what it is called.
pub(super) fn no_tar(plain: &Path, path: &Path, error: &ArchiveError) -> Option<OpenError> {
    let (ArchiveError::Checksum { offset: 0, .. } | ArchiveError::Truncated { offset: 0, .. }) = error else {
        return None;
    };
    let mut start = Vec::new();
    File::open(plain).ok()?.take(8).read_to_end(&mut start).ok()?;
    let known = KNOWN.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| *what);
    let what = known.or(start.is_empty().then_some("empty"))?;
    Some(OpenError::NoTar { path: path.to_owned(), what })
}

/// First bytes of other files.
const KNOWN: [(&[u8], &str); 12] = [
    (b"PK\x03\x04", "a zip archive"),
    (b"hsqs", "a squashfs file system"),
    (b"07070", "a cpio archive"),
    (b"!<arch>", "an ar archive, such as a .deb"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "compressed by lz4, which is not known here"),
    (b"\x1f\x9d", "compressed by compress, which is not known here"),
    (b"LZIP", "compressed by lzip, which is not known here"),
    (b"\x5d\0\0", "compressed by lzma, which is not known here"),
    (b"\xed\xab\xee\xdb", "an rpm package"),
    (b"\x7fELF", "a program"),
];
