//! What the fuzz targets share: limits, and a folder in memory for the one input that is being looked at.
//!
//! Each target takes any bytes and must neither panic, hang nor take memory out of proportion; beyond that it holds what
//! it reads against a law: what is written is read back as the same, orders are orders, shown values parse again.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rootsmith::archive::Limits;

/// What an input of some kilobytes may become.
pub const LIMITS: Limits = Limits {
    entries: 10_000,
    bytes: 4 << 20,
    header: 1 << 16,
    xattr: 1 << 12,
    sparse: 1 << 20,
    ratio: 200,
    ratio_from: 1 << 20,
};

/// A file of this process, in a folder of its own in memory where the machine has one.
pub fn file(name: &str) -> PathBuf {
    folder().join(name)
}

/// The same folder each time.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let memory = Path::new("/dev/shm");
    let make = || {
        let builder = || tempfile::Builder::new().prefix("rootsmith-fuzz-").to_owned();
        builder().tempdir_in(memory).or_else(|_| builder().tempdir()).expect("there is room for a folder")
    };
    FOLDER.get_or_init(make).path()
}

/// Puts `bytes` into the file `name`.
pub fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = file(name);
    std::fs::write(&path, bytes).expect("there is room for an input");
    path
}

/// An error as a person sees it, with the place in the text.
pub fn report(error: impl miette::Diagnostic + Send + Sync + 'static) -> miette::Report {
    miette::Report::new(error)
}
