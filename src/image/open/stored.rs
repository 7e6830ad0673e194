//! Finding an image without unpacking it.

use std::path::Path;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest};
use tempfile::NamedTempFile;

use super::members::Members;
use super::{Choice, OpenError, choose};
use super::{Input, file_name};
use crate::archive::Limits;
use crate::digest::{DiffId, Digest};
use crate::oci::Raw;
use crate::tree::Content;

/// An image as it lies somewhere.
pub struct Stored {
    /// The digest of what the image's name leads to: of its manifest, or of an index that it is in; nothing in an
    /// archive that only Docker reads.
    pub entry: Option<Digest>,
    /// The full name under which it lies there, where it has one.
    pub name: Option<String>,
    /// The manifest; nothing in an archive that only Docker reads.
    pub manifest: Option<Raw<ImageManifest>>,
    /// The image configuration.
    pub config: Raw<ImageConfiguration>,
    /// The layers, base first.
    pub layers: Vec<StoredLayer>,
    /// What an archive was uncompressed into; removed when this is dropped.
    _files: Vec<NamedTempFile>,
}

/// A layer as it lies somewhere. Nothing about its bytes was checked but their number.
pub struct StoredLayer {
    /// The bytes.
    pub content: Content,
    /// What the manifest says of them.
    pub descriptor: Option<Descriptor>,
    /// The digest that their uncompressed form must have.
    pub diff_id: DiffId,
}

/// Finds the image that `choice` means in the OCI layout, OCI or Docker archive at `path`. An archive that is compressed
/// as a whole is uncompressed into `temporary`.
pub fn locate(path: &Path, choice: &Choice, limits: &Limits, temporary: &Path) -> Result<Stored, OpenError> {
    let mut files = Vec::new();
    let members = Members::open(&Input { path, name: &file_name(path), strip: 0 }, limits, temporary, &mut files)?;
    if matches!(members, Members::Rootfs(_)) {
        return Err(OpenError::NotImage(path.to_owned()));
    }
    let plan = choose::plan(&members, choice)?;
    let diff_ids = plan.config.document().rootfs().diff_ids();
    if diff_ids.len() != plan.layers.len() {
        return Err(OpenError::LayerCount { layers: plan.layers.len(), diff_ids: diff_ids.len() });
    }
    let layers = plan.layers.into_iter().zip(diff_ids).map(|(layer, diff_id)| {
        let diff_id = diff_id.parse().map_err(|source| OpenError::Digest { source })?;
        Ok(StoredLayer { content: layer.content, descriptor: layer.descriptor, diff_id })
    });
    let layers = layers.collect::<Result<_, OpenError>>()?;
    let config = plan.config;
    Ok(Stored { entry: plan.entry, name: plan.name, manifest: plan.manifest, config, layers, _files: files })
}
