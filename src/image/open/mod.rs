//! Opening images that somebody else made: OCI layouts and archives, Docker's archives, and tars of root filesystems.
//!
//! Nothing is unpacked onto the host: layers become a tree. Every digest and size on the way is checked.

mod choose;
mod collection;
mod error;
mod folder;
mod growth;
mod members;
mod no_tar;
mod stored;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest};
use tempfile::NamedTempFile;

use crate::archive::{Duplicates, Format, Item, LayerApplier, Limits, decompress, read_layer_file};
use crate::digest::{DiffId, Digest, Digesting};
use crate::oci::{self, Raw};
use crate::platform::AnyPlatform;
use crate::shared_path::SharedPath;
use crate::tree::{Content, Origin, Tree};
pub use choose::{Document, NoImage, ReadDocument, by_platform, in_indexes, platform_text, with_platforms};
pub use collection::Collection;
pub use error::OpenError;
use error::{failed, mismatch};
pub use folder::open_folder;
use growth::Growth;
use members::Members;
pub use stored::{Stored, StoredLayer, locate};

/// Which image is meant where there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The tag or full name.
    pub tag: Option<String>,
    /// The platform; the host's where it is not said and there are several.
    pub platform: Option<AnyPlatform>,
}

/// A file or folder to open.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What errors call it.
    pub name: &'a str,
    /// How many leading components the names of a root filesystem lose, and with them entries that have no more, as by
    /// `tar --strip-components`. An image has none to lose: where this is not 0, a tar is always a root filesystem.
    pub strip: u32,
}

/// An image or root filesystem, open for reading.
pub struct Opened {
    /// The files of all layers together.
    pub tree: Tree,
    /// The image's documents; nothing for a tar of a root filesystem.
    pub image: Option<OpenedImage>,
    /// The uncompressed layers, which hold the contents of the tree; removed when this is dropped.
    files: Vec<NamedTempFile>,
}

/// The documents of an open image.
pub struct OpenedImage {
    /// The digest of its manifest; nothing in an archive that only Docker reads, which has none.
    pub digest: Option<Digest>,
    /// The digest of what its name leads to: of its manifest, or of an index that it is in; nothing where the manifest
    /// has none.
    pub entry: Option<Digest>,
    /// What that index names; nothing where the name leads to the manifest.
    pub named: Vec<Descriptor>,
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
///
/// The limits are for all layers together.
pub fn open(path: &Path, choice: &Choice, limits: &Limits, temporary: &Path) -> Result<Opened, OpenError> {
    open_input(&Input { path, name: &file_name(path), strip: 0 }, choice, limits, temporary)
}

/// What errors call the file or folder at `path`.
fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// As [`open`], for a file with a name of its own, or one whose names have components too many.
pub fn open_input(input: &Input<'_>, choice: &Choice, limits: &Limits, temporary: &Path) -> Result<Opened, OpenError> {
    let mut files = Vec::new();
    let members = Members::open(input, limits, temporary, &mut files)?;
    let plan = match members {
        Members::Rootfs(tree) => return Ok(Opened { tree, image: None, files }),
        _ => choose::plan(&members, choice)?,
    };
    let config = plan.config;
    let diff_ids = config.document().rootfs().diff_ids();
    if diff_ids.len() != plan.layers.len() {
        return Err(OpenError::LayerCount { layers: plan.layers.len(), diff_ids: diff_ids.len() });
    }
    let mut tree = Tree::new();
    let mut layers: Vec<OpenedLayer> = Vec::new();
    let mut left = limits.clone();
    for (layer, diff_id) in plan.layers.into_iter().zip(diff_ids) {
        let diff_id: DiffId = diff_id.parse().map_err(|source| OpenError::Digest { source })?;
        let (layer, file) = unpack(&layer, diff_id, &mut tree, &left, temporary)?;
        left.bytes = left.bytes.saturating_sub(layer.uncompressed_size);
        layers.push(layer);
        files.push(file);
    }
    let (digest, entry, named) = (plan.digest, plan.entry, plan.named);
    Ok(Opened { tree, image: Some(OpenedImage { digest, entry, named, config, layers }), files })
}

impl Opened {
    /// The tree and the documents. The files that hold the contents stay where they are: whoever owns the temporary
    /// folder removes them with it.
    pub fn keep(self) -> Result<(Tree, Option<OpenedImage>), OpenError> {
        for file in self.files {
            let path = file.path().to_owned();
            file.into_temp_path().keep().map_err(|error| OpenError::Temporary { path, source: error.error })?;
        }
        Ok((self.tree, self.image))
    }

    /// Bytes of temporary files that it keeps.
    pub fn temporary_size(&self) -> u64 {
        self.files.iter().filter_map(|file| file.as_file().metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}

/// What is to be unpacked.
struct Plan {
    digest: Option<Digest>,
    /// The digest of what the index at the top names: a manifest or an index.
    entry: Option<Digest>,
    /// What that index names.
    named: Vec<Descriptor>,
    /// The full name that the index or Docker's document gives the image.
    name: Option<String>,
    manifest: Option<Raw<ImageManifest>>,
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
        check_types(manifest.document())?;
        let config = members.blob(manifest.document().config(), "image configuration")?;
        let config = Raw::parse(&config, "image configuration").map_err(|source| OpenError::Document { source })?;
        let layer = |descriptor: &Descriptor| {
            let content = members.blob_content(descriptor)?;
            Ok(PlannedLayer { content, descriptor: Some(descriptor.clone()) })
        };
        let layers = manifest.document().layers().iter().map(layer).collect::<Result<_, OpenError>>()?;
        let (digest, manifest) = (Some(manifest.digest()), Some(manifest.clone()));
        Ok(Self { digest, entry: digest, named: Vec::new(), name: None, manifest, config, layers })
    }
}

/// Media types of layers that are tars, compressed or not, and of configurations of images (OCI image spec, media-types.md;
/// distribution, manifest-v2-2.md).
const LAYERS: [&str; 6] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// Refuses what is no image with layers that are all there.
pub fn check_types(manifest: &ImageManifest) -> Result<(), OpenError> {
    let config = manifest.config().media_type().to_string();
    if !CONFIGS.contains(&config.as_str()) {
        return Err(OpenError::Artifact { media_type: config });
    }
    for layer in manifest.layers() {
        let (media_type, digest) = (layer.media_type().to_string(), layer.digest().to_string());
        if media_type.contains("nondistributable") || media_type.contains("rootfs.foreign") {
            return Err(OpenError::Foreign { digest, media_type });
        }
        if media_type.ends_with("+encrypted") {
            return Err(OpenError::Encrypted { digest, media_type });
        }
        if !LAYERS.contains(&media_type.as_str()) {
            return Err(OpenError::LayerType { digest, media_type });
        }
    }
    Ok(())
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
    let file = NamedTempFile::new_in(temporary).map_err(unwritable(temporary))?;
    let mut stored = Digesting::new(layer.content.reader().map_err(unreadable)?);
    let mut uncompressed = Digesting::new(file.as_file());
    let mut decoder = decompress(&mut stored, limits).map_err(unreadable)?;
    copy(&mut decoder, &mut uncompressed, unreadable, temporary)?;
    drop(decoder);
    let (_, found, uncompressed_size) = uncompressed.finish();
    copy(&mut stored, &mut io::sink(), unreadable, temporary)?;
    let (_, digest, size) = stored.finish();
    if let Some(descriptor) = &layer.descriptor {
        let expected = oci::descriptor_digest(descriptor).map_err(|source| OpenError::Document { source })?;
        mismatch("layer", expected, digest)?;
    }
    mismatch("uncompressed layer", diff_id.digest(), found)?;

    let archive = Origin::Import(format!("layer {diff_id}").into());
    let blob = SharedPath::from(file.path());
    let mut applier = LayerApplier::new(tree, Duplicates::LastWins, archive.clone());
    let mut growth = Growth::new(applier.tree(), limits, &archive);
    let put = |item: Item| {
        let length = item.path.as_bytes().len();
        applier.put(item)?;
        growth.check(applier.tree(), length)
    };
    read_layer_file(&blob, &archive, limits, put).map_err(|source| OpenError::Archive { source })?;
    let media_type = layer.descriptor.as_ref().map(|descriptor| descriptor.media_type().to_string());
    Ok((OpenedLayer { digest, diff_id, size, uncompressed_size, media_type }, file))
}

/// The uncompressed form of the file `path`, and the temporary file that holds it where it was compressed.
fn uncompressed(
    path: &Path,
    limits: &Limits,
    temporary: &Path,
) -> Result<(SharedPath, Option<NamedTempFile>), OpenError> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(6).read_to_end(&mut start).map_err(failed("read", path))?;
    if Format::of(&start) == Format::Plain {
        return Ok((SharedPath::from(path), None));
    }
    let mut plain = NamedTempFile::new_in(temporary).map_err(unwritable(temporary))?;
    let whole = io::Cursor::new(start).chain(file);
    let mut decoder = decompress(whole, limits).map_err(failed("decompress", path))?;
    copy(&mut decoder, &mut plain, |source| failed("decompress", path)(source), temporary)?;
    Ok((SharedPath::from(plain.path()), Some(plain)))
}

/// Copies everything. Reading fails because of what is read, writing because of this machine.
fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    unreadable: impl Fn(io::Error) -> OpenError,
    temporary: &Path,
) -> Result<(), OpenError> {
    let mut buffer = vec![0; 1 << 17];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count]).map_err(unwritable(temporary))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

fn unwritable(temporary: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = temporary.to_owned();
    move |source| OpenError::Temporary { path, source }
}

#[cfg(test)]
mod tests;
