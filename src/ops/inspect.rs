//! `inspect`: what is in an image, without running or unpacking it.

mod remote;
mod sizes;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use oci_spec::image::ImageConfiguration;
use serde::Serialize;

use crate::archive::Limits;
use crate::digest::{DiffId, Digest};
use crate::error::Error;
use crate::image::{self, Choice, OpenedImage};
use crate::inventory::{self, InventoryError, OsRelease};
use crate::package::Package;
use crate::pass;
use crate::store::Store;
use crate::tree::Tree;
pub use remote::{Named, RemoteInspection, inspect_remote};
pub use sizes::Usage;

/// How to inspect.
#[derive(Clone, Debug, Default)]
pub struct InspectOptions {
    /// Which image, where there are several.
    pub choice: Choice,
    /// How much it may hold.
    pub limits: Limits,
}

/// What is in an image or root filesystem.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The version of this structure: `rootsmith.inspect/1`.
    pub schema: &'static str,
    /// The digest that its name leads to: of an index, or of the manifest; nothing where there is no manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What an index names: images for platforms, and other manifests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Named>,
    /// The manifest that the rest is about; nothing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// What the image says about itself; nothing for a root filesystem alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,
    /// Layers, base first.
    pub layers: Vec<LayerFacts>,
    /// The distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_release: Option<OsRelease>,
    /// Installed packages, sorted.
    pub packages: Vec<Package>,
    /// What its programs want to have and it has not, since it is made by chance: `ssh host keys; ...`, and how it is made.
    pub made_at_start: Vec<&'static str>,
    /// How many files of each kind there are.
    pub files: FileCounts,
    /// Where the bytes are: the root, and below it what has a fiftieth of all bytes or more.
    pub usage: Usage,
}

/// The configuration of an image.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// `linux/arm64/v8`.
    pub platform: String,
    /// When it was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who it runs as; empty means root.
    pub user: String,
    /// Environment variables in their order, `NAME=value`.
    pub env: Vec<String>,
    /// The command that always runs.
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    pub cmd: Vec<String>,
    /// Working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Ports that it serves.
    pub exposed_ports: Vec<String>,
    /// Directories with a volume of their own.
    pub volumes: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerFacts {
    /// The digest of the layer as it is stored.
    pub digest: Digest,
    /// The digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// Bytes as it is stored.
    pub size: u64,
    /// Bytes of its uncompressed tar.
    pub uncompressed_size: u64,
    /// What the manifest calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// How many files of each kind there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    /// Regular files, hard links to the same one counted once.
    pub regular: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Devices and named pipes.
    pub special: u64,
    /// Regular files that run as their owner or group whoever starts them.
    pub setuid_or_setgid: u64,
}

/// Looks into the OCI layout, image archive or root filesystem tar at `path`. Uncompressed layers are kept in the store's
/// temporary folder meanwhile.
pub fn inspect(path: &Path, options: &InspectOptions, store: &Store) -> Result<Inspection, Error> {
    let name = || path.display().to_string();
    let opened = image::open(path, &options.choice, &options.limits, &store.temporary())
        .map_err(|source| Error::Open { path: name(), source })?;
    // Out of an index the right one was chosen before.
    let alone = opened.image.as_ref().filter(|image| image.named.is_empty());
    alone
        .map_or(Ok(()), |image| options.choice.check(image.config.document()))
        .map_err(|source| Error::Open { path: name(), source })?;
    let named = opened.image.iter().flat_map(|image| &image.named).map(remote::named).collect::<Result<_, _>>()?;
    inspection(&opened.tree, opened.image.as_ref(), named).map_err(|source| Error::Inventory { path: name(), source })
}

/// Looks into the folder `path`, which holds a root filesystem.
pub fn inspect_folder(path: &Path) -> Result<Inspection, Error> {
    let name = || path.display().to_string();
    let tree = image::open_folder(path).map_err(|source| Error::Open { path: name(), source })?;
    inspection(&tree, None, Vec::new()).map_err(|source| Error::Inventory { path: name(), source })
}

fn inspection(tree: &Tree, image: Option<&OpenedImage>, manifests: Vec<Named>) -> Result<Inspection, InventoryError> {
    let layer = |layer: &image::OpenedLayer| LayerFacts {
        digest: layer.digest,
        diff_id: layer.diff_id,
        size: layer.size,
        uncompressed_size: layer.uncompressed_size,
        media_type: layer.media_type.clone(),
    };
    Ok(Inspection {
        schema: "rootsmith.inspect/1",
        digest: image.and_then(|image| image.entry),
        manifests,
        manifest: image.and_then(|image| image.digest),
        config: image.map(|image| config(image.config.document())),
        layers: image.map(|image| image.layers.iter().map(layer).collect()).unwrap_or_default(),
        os_release: inventory::os_release(tree)?,
        packages: inventory::packages(tree)?,
        made_at_start: pass::state_of_first_start(tree),
        files: sizes::counts(tree),
        usage: sizes::usage(tree),
    })
}

/// What an image's configuration says, for a person.
pub(super) fn config(document: &ImageConfiguration) -> Config {
    let config = document.config().clone().unwrap_or_default();
    let variant = document.variant().as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    Config {
        platform: format!("{}/{}{variant}", document.os(), document.architecture()),
        created: document.created().clone(),
        user: config.user().clone().unwrap_or_default(),
        env: config.env().clone().unwrap_or_default(),
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        working_dir: config.working_dir().clone().filter(|directory| !directory.is_empty()),
        stop_signal: config.stop_signal().clone(),
        exposed_ports: sorted(config.exposed_ports()),
        volumes: sorted(config.volumes()),
        labels: config.labels().clone().unwrap_or_default().into_iter().collect(),
    }
}

fn sorted(list: &Option<Vec<String>>) -> Vec<String> {
    let mut list = list.clone().unwrap_or_default();
    list.sort();
    list
}

#[cfg(test)]
mod tests;
