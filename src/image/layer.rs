//! Packing a tree into a layer.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use oci_spec::image::Descriptor;

use super::ImageError;
use crate::archive::{ArchiveError, Compressed, Compression, Compressor, Effort, SpecialFiles, write_layer};
use crate::digest::{DiffId, Digest};
use crate::oci;
use crate::shared_path::SharedPath;
use crate::store::{BlobWriter, Store};
use crate::tree::{Difference, Tree, TreePath};

/// How a layer is written.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// How its tar is compressed.
    pub compression: Compression,
    /// How much time goes into making it small.
    pub effort: Effort,
    /// Threads that compress; the layer does not depend on them.
    pub threads: NonZeroUsize,
    /// Whether the layer and its compressed blocks are kept in the store, and blocks taken from there: it pays off for what is
    /// packed again and again.
    pub remembers: bool,
}

impl Default for Packing {
    /// gzip as most images have it, on one thread.
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            effort: Effort::default(),
            threads: NonZeroUsize::MIN,
            remembers: true,
        }
    }
}

/// A layer, complete in the store or among the unfinished work of this run there.
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
    pub path: SharedPath,
    /// What the image's history says about it: a few neutral words, as scanners read meanings into more.
    pub created_by: String,
}

/// Packs `tree` into a layer in the store, reading each file once: tar, diff ID, compression and digest in one go.
///
/// Devices and named pipes are left out. `advance` is told the
/// uncompressed bytes as they are written.
pub fn pack(
    tree: &Tree,
    packing: Packing,
    store: &Store,
    created_by: &str,
    advance: impl Fn(u64),
) -> Result<Layer, ImageError> {
    pack_layer((tree, &BTreeSet::new()), packing, store, created_by, advance)
}

/// As [`pack`] for a layer on top of those whose tree the difference is to: what is gone becomes whiteouts.
pub fn pack_difference(
    difference: &Difference,
    packing: Packing,
    store: &Store,
    created_by: &str,
    advance: impl Fn(u64),
) -> Result<Layer, ImageError> {
    let Difference { tree, removed } = difference;
    pack_layer((tree, removed), packing, store, created_by, advance)
}

/// Compresses `tree` as [`pack`] does, for what is remembered of it in the store; the bytes go to `output`.
pub fn rehearse(tree: &Tree, packing: Packing, store: &Store, output: impl Write) -> Result<(), ImageError> {
    write_compressed((tree, &BTreeSet::new()), packing, store, output, |_| {}).map(drop)
}

fn pack_layer(
    (tree, removed): (&Tree, &BTreeSet<TreePath>),
    packing: Packing,
    store: &Store,
    created_by: &str,
    advance: impl Fn(u64),
) -> Result<Layer, ImageError> {
    let blob = store.begin().map_err(|source| ImageError::Store { source })?;
    // What is not kept goes to its place as it is; in the store, bytes need not be on the disk.
    let blob = if packing.remembers { blob } else { blob.going_to_disk() };
    let done = write_compressed((tree, removed), packing, store, blob, advance).map_err(|error| match error {
        ImageError::Write { source } => ImageError::Store { source: store.cannot("write a layer", source) },
        other => other,
    })?;
    let commit = if packing.remembers { BlobWriter::commit } else { BlobWriter::commit_for_this_run };
    let blob = commit(done.output).map_err(|source| ImageError::Store { source })?;
    Ok(Layer {
        digest: blob.digest,
        diff_id: DiffId::new(done.digest),
        size: blob.size,
        uncompressed_size: done.size,
        compression: packing.compression,
        path: blob.path,
        created_by: created_by.to_owned(),
    })
}

fn write_compressed<W: Write>(
    (tree, removed): (&Tree, &BTreeSet<TreePath>),
    packing: Packing,
    store: &Store,
    output: W,
    advance: impl Fn(u64),
) -> Result<Compressed<W>, ImageError> {
    let compressor = Compressor::new(
        output,
        packing.compression,
        packing.effort,
        packing.threads,
        packing.remembers.then_some(store),
    )
    .map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => ImageError::Threads { source },
        _ => ImageError::Write { source },
    })?;
    let watched = Watched { inner: compressor, advance };
    let begins = |watched: &mut Watched<Compressor<_>, _>, path: &[u8], size| watched.inner.entry(path, size);
    let watched = write_layer(tree, removed, SpecialFiles::Omit, watched, begins).map_err(|error| match error {
        ArchiveError::Write { source } => ImageError::Write { source },
        source => ImageError::Archive { source },
    })?;
    watched.inner.finish().map_err(|source| ImageError::Write { source })
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
