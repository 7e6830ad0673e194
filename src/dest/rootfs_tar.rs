//! `rootfs-tar:FILE`: the root filesystem as one tar, without image documents.

use std::num::NonZeroUsize;
use std::path::Path;

use super::DestError;
use super::beside::Beside;
use super::error::failed;
use crate::archive::{ArchiveError, Compression, Compressor, Effort, SpecialFiles, write_tar_by_entry};
use crate::digest::Digest;
use crate::tree::Tree;

/// Writes `tree` to the tar `path`, compressed as its name says (`.tar.gz`, `.tar.zst`), and gives the digest of the
/// uncompressed tar: the bytes are those of a layer of the same tree.
pub fn write_rootfs_tar(
    tree: &Tree,
    path: &Path,
    special: SpecialFiles,
    threads: NonZeroUsize,
) -> Result<Digest, DestError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = Beside::new(path)?;
    let compressor = Compressor::new(beside, Compression::of_file_name(&name), Effort::Normal, threads, None);
    let compressor = compressor.map_err(failed("write", path))?;
    let compressor = write_tar_by_entry(tree, special, compressor, Compressor::entry).map_err(|error| match error {
        ArchiveError::Write { source } => failed("write", path)(source),
        source => DestError::Tar { path: path.to_owned(), source },
    })?;
    let done = compressor.finish().map_err(failed("write", path))?;
    done.output.keep()?;
    Ok(done.digest)
}
