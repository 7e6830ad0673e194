//! Packing a tree into a layer.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use oci_spec::image::Descriptor;

use super::ImageError;
use crate::archive::{ArchiveError, Compression, Compressor, Effort, SpecialFiles, write_layer};
use crate::digest::{DiffId, Digest};
use crate::oci;
use crate::store::{BlobWriter, Store};
use crate::tree::{Difference, Tree, TreePath};

/// A layer, complete in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the compressed tar.
    pub digest: Digest,
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Bytes of the compressed tar.
    pub size: u64,
    /// Bytes of the uncompressed tar.
    pub uncompressed_size: u64,
    /// How it is compressed.
    pub compression: Compression,
    /// The file that holds the compressed tar.
    pub path: Arc<Path>,
    /// What the image's history says about it: a few neutral words, as scanners read meanings into more.
    pub created_by: String,
}

/// Packs `tree` into a layer in the store, reading each file once: tar, diff ID, compression and digest in one go.
///
/// The result does not depend on `threads`, which compress. Devices and named pipes are left out. `advance` is told the
/// uncompressed bytes as they are written.
pub fn pack(
    tree: &Tree,
    compression: Compression,
    effort: Effort,
    threads: NonZeroUsize,
    store: &Store,
    created_by: &str,
    advance: impl Fn(u64),
) -> Result<Layer, ImageError> {
    pack_layer((tree, &BTreeSet::new()), compression, effort, threads, store, created_by, advance)
}

/// As [`pack`] for a layer on top of those whose tree the difference is to: what is gone becomes whiteouts.
pub fn pack_difference(
    difference: &Difference,
    compression: Compression,
    effort: Effort,
    threads: NonZeroUsize,
    store: &Store,
    created_by: &str,
    advance: impl Fn(u64),
) -> Result<Layer, ImageError> {
    let Difference { tree, removed } = difference;
    pack_layer((tree, removed), compression, effort, threads, store, created_by, advance)
}

fn pack_layer(
    (tree, removed): (&Tree, &BTreeSet<TreePath>),
    compression: Compression,
    effort: Effort,
    threads: NonZeroUsize,
    store: &Store,
    created_by: &str,
    advance: impl Fn(u64),
) -> Result<Layer, ImageError> {
    let blob = store.begin().map_err(|source| ImageError::Store { source })?;
    let compressor = Compressor::new(blob, compression, effort, threads, Some(store))
        .map_err(|source| ImageError::Write { source })?;
    let watched = Watched { inner: compressor, advance };
    let begins = |watched: &mut Watched<Compressor<_>, _>, path: &[u8], size| watched.inner.entry(path, size);
    let watched = write_layer(tree, removed, SpecialFiles::Omit, watched, begins).map_err(|error| match error {
        ArchiveError::Write { source } => ImageError::Write { source },
        source => ImageError::Archive { source },
    })?;
    let done = watched.inner.finish().map_err(|source| ImageError::Write { source })?;
    let blob = BlobWriter::commit(done.output).map_err(|source| ImageError::Store { source })?;
    Ok(Layer {
        digest: blob.digest,
        diff_id: DiffId::new(done.digest),
        size: blob.size,
        uncompressed_size: done.size,
        compression,
        path: blob.path,
        created_by: created_by.to_owned(),
    })
}

impl Layer {
    /// How a manifest names it.
    pub fn descriptor(&self) -> Descriptor {
        oci::descriptor(self.compression.media_type(), self.size, &self.digest)
    }
}

/// Tells how much was written.
struct Watched<W, F> {
    inner: W,
    advance: F,
}

impl<W: Write, F: Fn(u64)> Write for Watched<W, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        (self.advance)(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
