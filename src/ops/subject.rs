//! What can be looked into and compared: an image wherever it lies, a root filesystem, or what a recipe gives.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::archive::Limits;
use crate::context::Context;
use crate::dest::Target;
use crate::digest::{DiffId, Digest};
use crate::error::Error;
use crate::image::{self, Choice, Collection, Image, OpenError, Opened};
use crate::lock::Lock;
use crate::ops::build::{self, BuildOptions};
use crate::ops::inspect::{self, Config};
use crate::ops::lock;
use crate::ops::transfer::{self, Goal, Source, TransferOptions};
use crate::ops::watch::Changed;
use crate::platform::{AnyPlatform, Architecture, Platform};
use crate::recipe::{self, PathRules, Recipe};
use crate::tree::{Node, Tree, TreePath};

/// Where it is, or what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What a recipe gives with its lock.
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// Its variant, where one is wanted.
        variant: Option<String>,
    },
    /// An OCI layout, an image archive, or a tar of a root filesystem.
    Stored {
        /// The file or folder.
        path: PathBuf,
        /// Which image is meant, where there are several.
        tag: Option<String>,
    },
    /// A root filesystem in a folder.
    Folder(PathBuf),
    /// An image of a registry or of the Docker engine.
    Elsewhere {
        /// What it is called.
        name: String,
        /// Where it is.
        source: Source,
    },
}

/// A subject, open for reading.
pub struct Held {
    /// What it is called in messages.
    pub name: String,
    /// Its files.
    pub tree: Tree,
    /// Its image; nothing for a root filesystem alone.
    pub image: Option<HeldImage>,
    /// What passes did to the path that the build watched.
    pub changes: Vec<Changed>,
    /// Keeps the contents of the tree.
    _opened: Option<Opened>,
    /// Keeps the image itself, where it was brought from elsewhere.
    _folder: Option<TempDir>,
}

/// What is known of an image beside its files.
#[derive(Clone, Debug)]
pub struct HeldImage {
    /// The digest of its manifest; nothing in an archive that only Docker reads.
    pub digest: Option<Digest>,
    /// The digest of its configuration.
    pub config_digest: Digest,
    /// What it says about running it.
    pub config: Config,
    /// Its layers, base first: each as stored, its uncompressed tar, and what the history says of it.
    pub layers: Vec<HeldLayer>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLayer {
    /// The digest of the layer as it is stored.
    pub digest: Digest,
    /// The digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// What the image's history says of how it was made.
    pub created_by: Option<String>,
}

impl Subject {
    /// The file and variant, where it is a recipe.
    pub(super) fn recipe(&self) -> Option<(&Path, Option<&str>)> {
        match self {
            Self::Recipe { path, variant } => Some((path, variant.as_deref())),
            _ => None,
        }
    }

    /// What it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Recipe { path, variant: Some(variant) } => format!("{} ({variant})", path.display()),
            Self::Recipe { path, .. } | Self::Folder(path) => path.display().to_string(),
            Self::Elsewhere { name, .. } => name.clone(),
            Self::Stored { path, tag: Some(tag) } => format!("{}:{tag}", path.display()),
            Self::Stored { path, tag: None } => path.display().to_string(),
        }
    }
}

/// Opens a subject. A recipe is built as `how` says, for `platform` or the first of its own that is this machine's, and is
/// written nowhere.
pub fn open(
    subject: &Subject,
    platform: Option<&AnyPlatform>,
    how: &BuildOptions,
    context: &Context,
) -> Result<Held, Error> {
    let host = Architecture::host().map(|architecture| AnyPlatform::from(Platform { architecture }));
    let ready = Ready::new(subject, platform.or(host.as_ref()), how, context)?;
    let held = ready.open(platform, how, context)?;
    Ok(Held { _folder: ready._folder, ..held })
}

/// A subject that lies here, with its lock where it is a recipe: ready to be opened for one platform after the other.
pub(super) struct Ready {
    /// What it is called in messages.
    pub(super) name: String,
    near: Near,
    /// Keeps the image itself, where it was brought from elsewhere.
    _folder: Option<TempDir>,
}

enum Near {
    Recipe { recipe: Box<Recipe>, lock: Lock },
    Stored { path: PathBuf, tag: Option<String> },
    Folder(PathBuf),
}

impl Ready {
    /// Brings an image near as [`bring_near`] does, and reads a recipe and its lock.
    pub(super) fn new(
        subject: &Subject,
        platform: Option<&AnyPlatform>,
        how: &BuildOptions,
        context: &Context,
    ) -> Result<Self, Error> {
        let (subject_near, _folder) = bring_near(subject, platform, how, context)?;
        let near = match subject_near {
            Subject::Recipe { path, variant } => {
                let recipe = recipe::load(&path, variant.as_deref())?;
                recipe.warnings.iter().for_each(|warning| context.reporter.warn(&warning.to_string()));
                let lock = lock::current(&recipe, &path, &how.lock, context)?;
                Near::Recipe { recipe: Box::new(recipe), lock }
            }
            Subject::Stored { path, tag } => Near::Stored { path, tag },
            Subject::Folder(path) => Near::Folder(path),
            Subject::Elsewhere { .. } => unreachable!("it was brought near"),
        };
        Ok(Self { name: subject.name(), near, _folder })
    }

    /// The platforms that it has, in its own order; none for a root filesystem, which does not say.
    pub(super) fn platforms(&self, context: &Context) -> Result<Vec<AnyPlatform>, Error> {
        match &self.near {
            Near::Recipe { recipe, .. } => Ok(recipe.platforms.iter().copied().map(AnyPlatform::from).collect()),
            Near::Folder(_) => Ok(Vec::new()),
            Near::Stored { path, tag } => match platforms_of_stored(path, tag.as_deref(), context) {
                Err(OpenError::NotImage(_)) => Ok(Vec::new()),
                other => other.map_err(|source| Error::Open { path: self.name.clone(), source }),
            },
        }
    }

    /// Opens it for `platform`, or the first of its own that is this machine's.
    pub(super) fn open(
        &self,
        platform: Option<&AnyPlatform>,
        how: &BuildOptions,
        context: &Context,
    ) -> Result<Held, Error> {
        let name = self.name.clone();
        match &self.near {
            Near::Folder(path) => {
                let tree = image::open_folder(path).map_err(|source| Error::Open { path: name.clone(), source })?;
                Ok(Held::new(name, tree, None))
            }
            Near::Stored { path, tag } => {
                let choice = Choice { tag: tag.clone(), platform: platform.cloned() };
                let opened = image::open(path, &choice, &Limits::images(), &context.store.temporary());
                Ok(of_opened(name.clone(), opened.map_err(|source| Error::Open { path: name, source })?))
            }
            Near::Recipe { recipe, lock } => {
                let forged = build::for_platform(recipe, lock, chosen(recipe, platform)?, how, context)?;
                let image = of_image(&forged.image);
                let mut held = Held::new(name, forged.rootfs.tree, Some(image));
                held.changes = forged.changes;
                if let Some(path) = &how.watched
                    && held.changes.is_empty()
                    && !held.tree.contains(path)
                    && PathRules::new(&recipe.prune).drops(path.as_bytes())
                {
                    // It was not even unpacked.
                    held.changes.push(Changed { pass: "prune".to_owned(), what: "leaves it out".to_owned() });
                }
                Ok(held)
            }
        }
    }
}

/// The platforms of the index that is meant; of an image alone, its own.
fn platforms_of_stored(path: &Path, tag: Option<&str>, context: &Context) -> Result<Vec<AnyPlatform>, OpenError> {
    let (limits, temporary) = (Limits::images(), context.store.temporary());
    let collection = Collection::open(path, &limits, &temporary)?;
    let mut platforms = if collection.has_manifests()? { collection.platforms(tag)? } else { Vec::new() };
    if platforms.is_empty() {
        let choice = Choice { tag: tag.map(str::to_owned), platform: None };
        let stored = image::locate(path, &choice, &limits, &temporary)?;
        platforms.push(AnyPlatform::of_config(stored.config.document()));
    }
    Ok(platforms)
}

/// An image from elsewhere as a layout in the store's temporary folder, for as long as the guard lives; of several
/// platforms the one that is named, else all. Any other subject as it is.
pub(super) fn bring_near(
    subject: &Subject,
    platform: Option<&AnyPlatform>,
    how: &BuildOptions,
    context: &Context,
) -> Result<(Subject, Option<TempDir>), Error> {
    let Subject::Elsewhere { source, .. } = subject else { return Ok((subject.clone(), None)) };
    let folder = tempfile::Builder::new().prefix("image-").tempdir_in(context.store.temporary());
    let folder = folder.map_err(|source| context.store.cannot("write to", source))?;
    let path = folder.path().join("layout");
    let options = TransferOptions {
        source: source.clone(),
        targets: vec![Goal::Local(Target::Oci { folder: path.clone(), tag: None })],
        platform: platform.cloned(),
        referrers: false,
        docker_socket: how.docker_socket.clone(),
    };
    transfer::transfer(&options, context)?;
    Ok((Subject::Stored { path, tag: None }, Some(folder)))
}

impl Held {
    /// What was made here: its contents lie in the store.
    pub(super) fn new(name: String, tree: Tree, image: Option<HeldImage>) -> Self {
        Self { name, tree, image, changes: Vec::new(), _opened: None, _folder: None }
    }

    /// Leaves out what images never hold: devices and named pipes. For comparisons with one that is an image.
    pub(super) fn without_special(&mut self) {
        let is_special =
            |node: &Node| matches!(node, Node::CharacterDevice { .. } | Node::BlockDevice { .. } | Node::Fifo);
        let entries = self.tree.entries().filter(|entry| is_special(&entry.inode.node));
        let special: Vec<TreePath> = entries.map(|entry| entry.path.clone()).collect();
        for path in special {
            self.tree.remove(&path).expect("the root is a directory");
        }
    }
}

/// The one of a recipe's platforms that is meant.
fn chosen(recipe: &Recipe, platform: Option<&AnyPlatform>) -> Result<Platform, Error> {
    let is_there = |platform: &Platform| recipe.platforms.contains(platform);
    let same =
        |wanted: &AnyPlatform| recipe.platforms.iter().copied().find(|known| AnyPlatform::from(*known) == *wanted);
    match platform {
        Some(platform) => same(platform).ok_or_else(|| Error::Usage {
            message: format!("the recipe `{}` is not made for {platform}", recipe.name),
            help: format!(
                "its platforms are {}",
                recipe.platforms.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ")
            ),
        }),
        None => {
            let host = Architecture::host().map(|architecture| Platform { architecture }).filter(is_there);
            host.or_else(|| recipe.platforms.first().copied()).ok_or(Error::EmptyLock)
        }
    }
}

/// What is known of an image that was made here.
pub(super) fn of_image(image: &Image) -> HeldImage {
    let layer = |layer: &image::Layer| HeldLayer {
        digest: layer.digest,
        diff_id: layer.diff_id,
        created_by: Some(layer.created_by.clone()),
    };
    HeldImage {
        digest: Some(image.digest()),
        config_digest: image.config.digest(),
        config: inspect::config(image.config.document()),
        layers: image.layers.iter().map(layer).collect(),
    }
}

fn of_opened(name: String, mut opened: Opened) -> Held {
    let tree = std::mem::take(&mut opened.tree);
    let image = opened.image.as_ref().map(|image| {
        let document = image.config.document();
        // Entries of the history that made no layer are left out.
        let history = document.history().iter().flatten().filter(|entry| !entry.empty_layer().unwrap_or(false));
        let mut history = history.map(|entry| entry.created_by().clone());
        let layer = |layer: &image::OpenedLayer| HeldLayer {
            digest: layer.digest,
            diff_id: layer.diff_id,
            created_by: history.next().flatten(),
        };
        HeldImage {
            digest: image.digest,
            config_digest: image.config.digest(),
            config: inspect::config(document),
            layers: image.layers.iter().map(layer).collect(),
        }
    });
    Held { name, tree, image, changes: Vec::new(), _opened: Some(opened), _folder: None }
}
