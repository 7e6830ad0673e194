//! Where images go: OCI layouts, archives, engines and plain root filesystems.
//!
//! A [`Destination`] takes blobs and documents; [`publish`] alone knows their order. Outputs appear whole or not at all:
//! what is written is written beside, brought to the disk, and renamed.

mod archive;
mod beside;
mod containers_storage;
mod cpio;
mod docker_daemon;
mod error;
mod layout;
mod rootfs_directory;
mod rootfs_tar;
mod squashfs;
mod target;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use archive::ArchiveFile;
pub use beside::{Beside, STANDARD_OUTPUT};
pub use containers_storage::{ContainersStorage, RunProgram};
pub use cpio::write_rootfs_cpio;
pub use docker_daemon::DockerDaemon;
pub use error::DestError;
pub use layout::Layout;
pub use rootfs_directory::{Materialized, check_rootfs_directory, write_rootfs_directory};
pub use rootfs_tar::write_rootfs_tar;
pub use squashfs::{RunOnFile, Squashfs};
pub use target::{ArchiveKind, ParseTargetError, Target};

use oci_spec::image::Descriptor;

use crate::digest::Digest;
use crate::image::{Artifact, Image};
use crate::oci::Raw;
use crate::shared_path::SharedPath;

/// A place that takes images. [`publish`] calls the methods in this order: for each image the layers and the
/// configuration, then its manifest; then the index, where there is one; then [`Destination::finish`].
pub trait Destination {
    /// Whether the blob is there already, so that it need not be put.
    fn has(&mut self, digest: &Digest, size: u64) -> Result<bool, DestError>;

    /// Takes a layer or a configuration. Bytes on their way are told to `advance`.
    fn put_blob(&mut self, blob: &Blob, advance: &dyn Fn(u64)) -> Result<(), DestError>;

    /// Takes a manifest or an index, once all it names is there.
    fn put_manifest(&mut self, manifest: &Blob) -> Result<(), DestError>;

    /// Gives the image its names and makes it visible. Those who write layers only now tell `advance` their bytes.
    fn finish(self: Box<Self>, contents: &Contents, advance: &dyn Fn(u64)) -> Result<(), DestError>;
}

/// Bytes with a digest: a layer, a configuration, a manifest or an index.
#[derive(Clone, Debug)]
pub struct Blob {
    /// The digest of the bytes.
    pub digest: Digest,
    /// How many bytes there are.
    pub size: u64,
    /// What they are.
    pub media_type: String,
    /// Where they are.
    pub content: BlobContent,
}

/// Where the bytes of a [`Blob`] are.
#[derive(Clone, Debug)]
pub enum BlobContent {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// A whole file of the host: a blob in the store.
    File(SharedPath),
}

/// A manifest or index, and the blobs of it that a destination does not have yet.
#[derive(Clone, Debug)]
pub struct Part {
    /// Layers and configuration.
    pub blobs: Vec<Blob>,
    /// The document that names them.
    pub manifest: Blob,
}

/// All that is published together, as those need to know it who give it names.
#[derive(Clone, Debug)]
pub struct Contents {
    /// What the names lead to: a manifest or an index.
    pub root: Descriptor,
    /// The images in it.
    pub images: Vec<ImageFiles>,
    /// Manifests that have one of the others as their subject: signatures, SBOMs.
    pub referrers: Vec<Descriptor>,
}

/// The files of an image, as Docker's archives name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFiles {
    /// The configuration.
    pub config: Digest,
    /// The layers, base first.
    pub layers: Vec<Digest>,
}

impl Contents {
    /// What a finished image or index consists of.
    pub fn of(artifact: &Artifact) -> Self {
        let files = |image: &Image| ImageFiles {
            config: image.config.digest(),
            layers: image.layers.iter().map(|layer| layer.digest).collect(),
        };
        let images = artifact.images().iter().map(files).collect();
        Self { root: artifact.descriptor(), images, referrers: Vec::new() }
    }
}

/// Puts `artifact` where `destination` says. `advance` is told the bytes of layers as they are written.
pub fn publish(
    artifact: &Artifact,
    mut destination: Box<dyn Destination + '_>,
    advance: &dyn Fn(u64),
) -> Result<(), DestError> {
    let mut done = BTreeSet::new();
    let mut parts = Vec::new();
    for image in artifact.images() {
        let layers = image.layers.iter().map(|layer| Blob {
            digest: layer.digest,
            size: layer.size,
            media_type: layer.compression.media_type().to_owned(),
            content: BlobContent::File(layer.path.clone()),
        });
        let config = Blob::document(&image.config, "application/vnd.oci.image.config.v1+json");
        let mut blobs = Vec::new();
        for blob in layers.chain([config]) {
            if done.insert(blob.digest) && !destination.has(&blob.digest, blob.size)? {
                blobs.push(blob);
            }
        }
        let manifest = Blob::document(&image.manifest, "application/vnd.oci.image.manifest.v1+json");
        parts.push(Part { blobs, manifest });
    }
    if let Artifact::Index(index) = artifact {
        let manifest = Blob::document(&index.index, "application/vnd.oci.image.index.v1+json");
        parts.push(Part { blobs: Vec::new(), manifest });
    }
    publish_parts(&parts, &Contents::of(artifact), destination, advance)
}

/// Puts `parts`, each after those that it names, where `destination` says, and gives them their names.
pub fn publish_parts(
    parts: &[Part],
    contents: &Contents,
    mut destination: Box<dyn Destination + '_>,
    advance: &dyn Fn(u64),
) -> Result<(), DestError> {
    for part in parts {
        for blob in &part.blobs {
            destination.put_blob(blob, advance)?;
        }
        destination.put_manifest(&part.manifest)?;
    }
    destination.finish(contents, advance)
}

impl Blob {
    /// A document, by its exact bytes.
    pub fn document<T>(document: &Raw<T>, media_type: &str) -> Self {
        Self {
            digest: document.digest(),
            size: document.size(),
            media_type: media_type.to_owned(),
            content: BlobContent::Bytes(Arc::clone(document.bytes())),
        }
    }
}

#[cfg(test)]
mod tests;
