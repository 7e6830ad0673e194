//! Building an image from a recipe.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::dest::Target;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::{self, Artifact, Image, Index, Layer};
use crate::lock::Lock;
use crate::oci::Reference;
use crate::ops::config;
use crate::ops::lock::{self, LockOptions};
use crate::ops::publish::{self, Finished};
use crate::ops::{above, remembered, run, source};
use crate::pass::{self, Outcome};
use crate::platform::Platform;
use crate::recipe::{self, Recipe};
use crate::report::{Phase, Unit};
use crate::source::Rootfs;
use crate::tree::Tree;

/// What to build, and where it goes.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The recipe.
    pub recipe: PathBuf,
    /// Its variant, where one is wanted.
    pub variant: Option<String>,
    /// How the lock is treated.
    pub lock: LockOptions,
    /// Names and tags that replace those of the recipe.
    pub tags: Vec<String>,
    /// Where the image goes; nowhere is allowed, and then only its digest is found out.
    pub targets: Vec<Target>,
    /// Threads that compress.
    pub threads: NonZeroUsize,
    /// The socket of the Docker engine, for `docker-daemon:`.
    pub docker_socket: PathBuf,
    /// Secrets by id, for `[[run]]`.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The image.
    pub artifact: Artifact,
    /// Its names.
    pub names: Vec<Reference>,
    /// The one timestamp in it.
    pub epoch: Epoch,
    /// What the source made: `81 packages of debian trixie`.
    pub source: String,
    /// What each pass did, in order.
    pub passes: Vec<Applied>,
}

/// A pass that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The pass.
    pub name: String,
    /// What it did, in a few words; empty where that was nothing.
    pub summary: String,
    /// The same as numbers by name.
    pub counts: BTreeMap<String, u64>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Built {
    /// The image's digest.
    pub fn digest(&self) -> Digest {
        self.artifact.digest()
    }
}

/// Builds the image of a recipe and writes it to all targets.
pub fn build(options: &BuildOptions, context: &Context) -> Result<Built, Error> {
    let recipe = recipe::load(&options.recipe, options.variant.as_deref())?;
    for warning in &recipe.warnings {
        context.reporter.warn(&warning.to_string());
    }
    let lock = lock::current(&recipe, &options.recipe, &options.lock, context)?;
    let key = remembered::key(&recipe, &lock, options, context);
    if let Some(built) = recall(key.as_ref(), &recipe, options, context)? {
        return Ok(built);
    }
    let mut forged = Vec::new();
    for platform in recipe.platforms.iter().copied() {
        forged.push(forge(&recipe, &lock, platform, options, context)?);
    }
    let epoch = forged.iter().map(|forged| forged.rootfs.epoch).max().ok_or(Error::EmptyLock)?;
    let names = config::names(&recipe, &options.tags, epoch)?;
    let artifact = match forged.as_slice() {
        [one] => Artifact::Image(Box::new(one.image.clone())),
        several => {
            let images = several.iter().map(|forged| forged.image.clone()).collect();
            Artifact::Index(Box::new(Index::assemble(images, BTreeMap::new())?))
        }
    };
    let trees: Vec<_> = forged.iter().map(|forged| &forged.rootfs.tree).collect();
    let finished = Finished {
        artifact: &artifact,
        trees: &trees,
        names: &names,
        docker_socket: options.docker_socket.clone(),
        epoch,
        compression: config::compression(&recipe),
        threads: options.threads,
    };
    publish::publish(&finished, &options.targets, context)?;
    // All platforms have gone through the same passes; the first speaks for them.
    let Forged { rootfs, passes, .. } = forged.swap_remove(0);
    let built = Built { artifact, names, epoch, source: rootfs.summary, passes };
    if let Some(key) = key {
        remembered::remember(&key, &built, &context.store);
    }
    Ok(built)
}

/// The image of an earlier build of the same, written to all targets; nothing where there was none, or where a target
/// needs the files themselves.
fn recall(
    key: Option<&Digest>,
    recipe: &Recipe,
    options: &BuildOptions,
    context: &Context,
) -> Result<Option<Built>, Error> {
    let Some(key) = key.filter(|_| options.targets.iter().all(Target::takes_images)) else { return Ok(None) };
    let Some(built) = remembered::recall(key, &context.store) else { return Ok(None) };
    built.passes.iter().flat_map(|pass| &pass.notes).for_each(|note| context.reporter.note(note));
    context.reporter.note("nothing has changed since an earlier build");
    let finished = Finished {
        artifact: &built.artifact,
        trees: &[],
        names: &built.names,
        docker_socket: options.docker_socket.clone(),
        epoch: built.epoch,
        compression: config::compression(recipe),
        threads: options.threads,
    };
    publish::publish(&finished, &options.targets, context)?;
    Ok(Some(built))
}

/// The image of one platform, and what it was packed from.
struct Forged {
    image: Image,
    rootfs: Rootfs,
    passes: Vec<Applied>,
}

fn forge(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &BuildOptions,
    context: &Context,
) -> Result<Forged, Error> {
    let mut rootfs = source::fetch(recipe, lock, platform, &options.lock, context)?;
    let inherited = source::inherited(recipe, lock, platform, context)?;
    let kept = (!inherited.base.layers.is_empty()).then(|| rootfs.tree.clone());
    run::steps(recipe, &mut rootfs, &options.secrets, context)?;
    if let Some(kept) = &kept {
        above::restore_devices(kept, &mut rootfs.tree);
    }
    let passes = apply_passes(recipe, &mut rootfs, kept.as_ref(), context)?;
    let layer = match &kept {
        Some(kept) => above::pack(recipe, kept, &rootfs.tree, options.threads, context)?,
        None => Some(pack(recipe, &rootfs, options.threads, context)?),
    };
    let settings = config::image(recipe, &rootfs.tree, &inherited)?;
    let layers = layer.into_iter().collect();
    let image = Image::assemble_on(&inherited.base, platform, rootfs.epoch, &settings, layers)?;
    Ok(Forged { image, rootfs, passes })
}

fn apply_passes(
    recipe: &Recipe,
    rootfs: &mut Rootfs,
    kept: Option<&Tree>,
    context: &Context,
) -> Result<Vec<Applied>, Error> {
    let passes = match kept {
        Some(base) => pass::list_above(base.clone(), recipe, rootfs.epoch)?,
        None => pass::list(recipe, rootfs.epoch)?,
    };
    context.reporter.begin(Phase::Passes, Some(passes.len() as u64), Unit::Items);
    let mut applied = Vec::new();
    for pass in passes {
        let Outcome { summary, counts, notes } = pass.apply(&mut rootfs.tree)?;
        for note in &notes {
            context.reporter.note(note);
        }
        let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        applied.push(Applied { name: pass.name().to_owned(), summary, counts, notes });
        context.reporter.advance(Phase::Passes, 1);
    }
    context.reporter.end(Phase::Passes, &format!("{} entries left", rootfs.tree.len()));
    Ok(applied)
}

fn pack(recipe: &Recipe, rootfs: &Rootfs, threads: NonZeroUsize, context: &Context) -> Result<Layer, Error> {
    let reporter = &*context.reporter;
    let sizes = rootfs.tree.entries().filter_map(|entry| entry.inode.content()).map(|content| content.size());
    reporter.begin(Phase::Pack, Some(sizes.sum()), Unit::Bytes);
    let (compression, effort) = (config::compression(recipe), config::effort(recipe));
    let advance = |bytes| reporter.advance(Phase::Pack, bytes);
    let layer = image::pack(&rootfs.tree, compression, effort, threads, &context.store, config::CREATED_BY, advance)?;
    let (before, after) = (layer.uncompressed_size as f64 / 1e6, layer.size as f64 / 1e6);
    reporter.end(Phase::Pack, &format!("{before:.1} MB to {after:.1} MB"));
    Ok(layer)
}
