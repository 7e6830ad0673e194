//! `cpio:FILE`: the root filesystem as a cpio, which the kernel takes as an initial one.

use std::num::NonZeroUsize;
use std::path::Path;

use super::DestError;
use super::beside::Beside;
use super::error::failed;
use crate::archive::{Compression, Compressor, CpioError, CpioOmissions, Effort, write_cpio};
use crate::tree::Tree;

/// Writes `tree` to the cpio `path`, compressed as its name says (`.gz`, `.zst`), with devices and named pipes; says what
/// a cpio has no place for.
pub fn write_rootfs_cpio(tree: &Tree, path: &Path, threads: NonZeroUsize) -> Result<CpioOmissions, DestError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = Beside::new(path)?;
    let compressor = Compressor::new(beside, Compression::of_file_name(&name), Effort::Normal, threads, None);
    let (compressor, omissions) =
        write_cpio(tree, compressor.map_err(failed("write", path))?).map_err(|error| match error {
            CpioError::Write { source } => failed("write", path)(source),
            source => DestError::Cpio { path: path.to_owned(), source },
        })?;
    compressor.finish().map_err(failed("write", path))?.output.keep()?;
    Ok(omissions)
}
