//! Opening images that somebody else made: OCI layouts and archives, Docker's archives, and tars of root filesystems.
//!
//! Nothing is unpacked onto the host: layers become a tree. Every digest and size on the way is checked.

mod choose;
mod error;
mod members;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest};
use tempfile::NamedTempFile;

use crate::archive::{Duplicates, LayerApplier, Limits, decompress, read_tar_file};
use crate::digest::{DiffId, Digest, Digesting};
use crate::oci::{self, Raw};
use crate::platform::Platform;
use crate::tree::{Content, Origin, Tree};
pub use error::OpenError;
use error::{failed, mismatch};
use members::Members;

/// Which image is meant where there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The tag or full name.
    pub tag: Option<String>,
    /// The platform; the host's where it is not said and there are several.
    pub platform: Option<Platform>,
}

/// An image or root filesystem, open for reading.
pub struct Opened {
    /// The files of all layers together.
    pub tree: Tree,
    /// The image's documents; nothing for a tar of a root filesystem.
    pub image: Option<OpenedImage>,
    /// The layers as they are stored, base first; they read the file or folder that was opened.
    pub(super) stored: Vec<Content>,
    /// The uncompressed layers, which hold the contents of the tree; removed when this is dropped.
    files: Vec<NamedTempFile>,
}

/// The documents of an open image.
pub struct OpenedImage {
    /// The digest of its manifest; nothing in an archive that only Docker reads, which has none.
    pub digest: Option<Digest>,
    /// The image configuration.
    pub config: Raw<ImageConfiguration>,
    /// The layers, base first.
    pub layers: Vec<OpenedLayer>,
}

/// A layer of an open image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedLayer {
    /// The digest of the layer as it is stored.
    pub digest: Digest,
    /// The digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// Bytes as it is stored.
    pub size: u64,
    /// Bytes of its uncompressed tar.
    pub uncompressed_size: u64,
    /// What its manifest calls it; nothing without a manifest.
    pub media_type: Option<String>,
}

/// Opens the OCI layout, OCI or Docker archive, or tar of a root filesystem at `path`. Uncompressed layers are kept in
/// files in `temporary` for as long as the result lives.
pub fn open(path: &Path, choice: &Choice, limits: &Limits, temporary: &Path) -> Result<Opened, OpenError> {
    let mut files = Vec::new();
    let members = Members::open(path, limits, temporary, &mut files)?;
    let plan = match members {
        Members::Rootfs(tree) => return Ok(Opened { tree, image: None, stored: Vec::new(), files }),
        _ => choose::plan(&members, choice)?,
    };
    let config = plan.config;
    let diff_ids = config.document().rootfs().diff_ids();
    if diff_ids.len() != plan.layers.len() {
        return Err(OpenError::LayerCount { layers: plan.layers.len(), diff_ids: diff_ids.len() });
    }
    let mut tree = Tree::new();
    let mut layers = Vec::new();
    let stored = plan.layers.iter().map(|layer| layer.content.clone()).collect();
    for (layer, diff_id) in plan.layers.into_iter().zip(diff_ids) {
        let diff_id: DiffId = diff_id.parse().map_err(|source| OpenError::Digest { source })?;
        let (layer, file) = unpack(&layer, diff_id, &mut tree, limits, temporary)?;
        layers.push(layer);
        files.push(file);
    }
    Ok(Opened { tree, image: Some(OpenedImage { digest: plan.digest, config, layers }), stored, files })
}

impl Opened {
    /// Bytes of temporary files that it keeps.
    pub fn temporary_size(&self) -> u64 {
        self.files.iter().filter_map(|file| file.as_file().metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}

/// What is to be unpacked.
struct Plan {
    digest: Option<Digest>,
    config: Raw<ImageConfiguration>,
    layers: Vec<PlannedLayer>,
}

struct PlannedLayer {
    content: Content,
    /// What the manifest says about it.
    descriptor: Option<Descriptor>,
}

impl Plan {
    fn of_manifest(members: &Members, manifest: &Raw<ImageManifest>) -> Result<Self, OpenError> {
        let config = members.blob(manifest.document().config(), "image configuration")?;
        let config = Raw::parse(&config, "image configuration").map_err(|source| OpenError::Document { source })?;
        let layer = |descriptor: &Descriptor| {
            let content = members.blob_content(descriptor)?;
            Ok(PlannedLayer { content, descriptor: Some(descriptor.clone()) })
        };
        let layers = manifest.document().layers().iter().map(layer).collect::<Result<_, OpenError>>()?;
        Ok(Self { digest: Some(manifest.digest()), config, layers })
    }
}

/// Uncompresses a layer into a file, checks it, and applies it to the tree.
fn unpack(
    layer: &PlannedLayer,
    diff_id: DiffId,
    tree: &mut Tree,
    limits: &Limits,
    temporary: &Path,
) -> Result<(OpenedLayer, NamedTempFile), OpenError> {
    let unreadable = |source| OpenError::Layer { diff_id, source };
    let file = NamedTempFile::new_in(temporary).map_err(failed("write to", temporary))?;
    let mut stored = Digesting::new(layer.content.reader().map_err(unreadable)?);
    let mut uncompressed = Digesting::new(file.as_file());
    let mut decoder = decompress(&mut stored, limits).map_err(unreadable)?;
    io::copy(&mut decoder, &mut uncompressed).map_err(unreadable)?;
    drop(decoder);
    let (_, found, uncompressed_size) = uncompressed.finish();
    io::copy(&mut stored, &mut io::sink()).map_err(unreadable)?;
    let (_, digest, size) = stored.finish();
    if let Some(descriptor) = &layer.descriptor {
        let expected = oci::descriptor_digest(descriptor).map_err(|source| OpenError::Document { source })?;
        mismatch("layer", expected, digest)?;
    }
    mismatch("uncompressed layer", diff_id.digest(), found)?;

    let archive = Origin::Import(Arc::from(format!("layer {diff_id}")));
    let blob: Arc<Path> = Arc::from(file.path());
    let mut applier = LayerApplier::new(tree, Duplicates::LastWins, archive.clone());
    read_tar_file(&blob, &archive, limits, |item| applier.put(item)).map_err(|source| OpenError::Archive { source })?;
    let media_type = layer.descriptor.as_ref().map(|descriptor| descriptor.media_type().to_string());
    Ok((OpenedLayer { digest, diff_id, size, uncompressed_size, media_type }, file))
}

/// The uncompressed form of the file `path`, and the temporary file that holds it where it was compressed.
fn uncompressed(
    path: &Path,
    limits: &Limits,
    temporary: &Path,
) -> Result<(Arc<Path>, Option<NamedTempFile>), OpenError> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let mut start = Vec::new();
    file.by_ref().take(6).read_to_end(&mut start).map_err(failed("read", path))?;
    if !crate::archive::is_compressed(&start) {
        return Ok((Arc::from(path), None));
    }
    let mut plain = NamedTempFile::new_in(temporary).map_err(failed("write to", temporary))?;
    let whole = io::Cursor::new(start).chain(file);
    let mut decoder = decompress(whole, limits).map_err(failed("decompress", path))?;
    io::copy(&mut decoder, &mut plain).map_err(failed("decompress", path))?;
    Ok((Arc::from(plain.path()), Some(plain)))
}

#[cfg(test)]
mod tests;
