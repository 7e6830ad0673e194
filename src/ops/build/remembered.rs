//! Builds that were done before: where nothing has changed, the image is the one in the store.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

use super::options::{BuildOptions, Built};
use crate::archive::Compression;
use crate::context::Context;
use crate::digest::{DiffId, Digest};
use crate::epoch::Epoch;
use crate::image::{Artifact, Image, Index, Layer};
use crate::lock::Lock;
use crate::oci::Raw;
use crate::ops::forge::Applied;
use crate::ops::source;
use crate::recipe::Recipe;
use crate::source::remembered;
use crate::store::{Store, Sum};

/// The digest of all that the image of a recipe depends on; nothing where it depends on more: on the network, or on what
/// only the source itself can look at.
///
/// The recipe counts as it was understood, local files by their bytes and modes, secrets by their bytes.
pub(super) fn key(recipe: &Recipe, lock: &Lock, options: &BuildOptions, context: &Context) -> Option<Digest> {
    if recipe.runs.iter().any(|run| run.network) || !source::is_locked_whole(recipe, lock) {
        return None;
    }
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(remembered::engine().as_bytes());
    part(format!("{recipe:?}").as_bytes());
    part(lock.to_text().as_bytes());
    part(format!("{:?} {:?} {:?}", context.epoch, options.tags, options.platforms).as_bytes());
    // Logins of archives do not show in what is fetched with them.
    let secrets = options.lock.secrets.iter().filter(|(id, _)| recipe.runs.iter().any(|run| run.secrets.contains(id)));
    for (id, secret) in secrets {
        part(id.as_bytes());
        part(secret);
    }
    for path in recipe.local_files() {
        // What cannot be read is for the build to complain about.
        local(&path, &mut part).ok()?;
    }
    Some(Digest::from_raw(hash.finalize().into()))
}

/// All of a local file or folder that can enter an image.
fn local(path: &Path, part: &mut impl FnMut(&[u8])) -> io::Result<()> {
    for entry in WalkDir::new(path).follow_root_links(true).sort_by_file_name() {
        let entry = entry?;
        part(entry.path().as_os_str().as_bytes());
        let metadata = entry.metadata()?;
        part(&metadata.permissions().mode().to_le_bytes());
        if entry.file_type().is_symlink() {
            part(fs::read_link(entry.path())?.as_os_str().as_bytes());
        } else if metadata.is_file() {
            part(&Digest::of_file(entry.path())?.raw());
        }
    }
    Ok(())
}

/// What was built under `key`, where all its layers are still in the store.
pub(super) fn recall(key: &Digest, store: &Store) -> Option<Built> {
    let value = store.recall(key).ok().flatten()?;
    let kept: Kept = serde_json::from_slice(&value).ok()?;
    let images: Vec<Image> = kept.images.into_iter().map(|image| image.image(store)).collect::<Option<_>>()?;
    let artifact = match (kept.index, images) {
        (Some(index), images) => {
            Artifact::Index(Box::new(Index { images, index: Raw::parse(index.as_bytes(), "index").ok()? }))
        }
        (None, mut images) => Artifact::Image(Box::new(images.pop()?)),
    };
    let names = kept.names.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?;
    Some(Built { artifact, names, epoch: kept.epoch, source: kept.source, passes: kept.passes })
}

/// Remembers what was built. Where the store cannot be written nothing is lost but time.
pub(super) fn remember(key: &Digest, built: &Built, store: &Store) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kept = |image: &Image| {
        Some(KeptImage {
            platform: image.platform.to_string(),
            config: text(image.config.bytes()),
            manifest: text(image.manifest.bytes()),
            layers: image.layers.iter().map(KeptLayer::of).collect::<Option<_>>()?,
        })
    };
    let Some(images) = built.artifact.images().iter().map(kept).collect() else { return };
    let index = match &built.artifact {
        Artifact::Index(index) => Some(text(index.index.bytes())),
        Artifact::Image(_) => None,
    };
    let kept = Kept {
        images,
        index,
        names: built.names.iter().map(ToString::to_string).collect(),
        epoch: built.epoch,
        source: built.source.clone(),
        passes: built.passes.clone(),
    };
    let value = serde_json::to_vec(&kept).expect("keys are texts");
    if let Err(error) = store.remember(key, &value) {
        tracing::debug!("the build is not remembered: {error}");
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    images: Vec<KeptImage>,
    index: Option<String>,
    names: Vec<String>,
    epoch: Epoch,
    source: String,
    passes: Vec<Applied>,
}

#[derive(Serialize, Deserialize)]
struct KeptImage {
    platform: String,
    /// The exact text of the configuration.
    config: String,
    /// The exact text of the manifest.
    manifest: String,
    layers: Vec<KeptLayer>,
}

#[derive(Serialize, Deserialize)]
struct KeptLayer {
    digest: [u8; 32],
    diff_id: [u8; 32],
    uncompressed_size: u64,
    compression: Compression,
    created_by: String,
    sum: Sum,
}

impl KeptImage {
    fn image(self, store: &Store) -> Option<Image> {
        Some(Image {
            platform: self.platform.parse().ok()?,
            layers: self.layers.into_iter().map(|layer| layer.layer(store)).collect::<Option<_>>()?,
            config: Raw::parse(self.config.as_bytes(), "image configuration").ok()?,
            manifest: Raw::parse(self.manifest.as_bytes(), "image manifest").ok()?,
        })
    }
}

impl KeptLayer {
    /// Nothing where the layer cannot be read.
    fn of(layer: &Layer) -> Option<Self> {
        Some(Self {
            digest: layer.digest.raw(),
            diff_id: layer.diff_id.digest().raw(),
            uncompressed_size: layer.uncompressed_size,
            compression: layer.compression,
            created_by: layer.created_by.clone(),
            sum: Sum::of_file(&layer.path).ok()?,
        })
    }

    fn layer(self, store: &Store) -> Option<Layer> {
        let blob = store.unchanged(&Digest::from_raw(self.digest), self.sum).ok().flatten()?;
        Some(Layer {
            digest: blob.digest,
            diff_id: DiffId::new(Digest::from_raw(self.diff_id)),
            size: blob.size,
            uncompressed_size: self.uncompressed_size,
            compression: self.compression,
            path: blob.path,
            created_by: self.created_by,
        })
    }
}
