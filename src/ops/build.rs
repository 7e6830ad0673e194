//! Building an image from a recipe.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::context::Context;
use crate::dest::Target;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::{self, Artifact, Image, Index, Layer};
use crate::lock::Lock;
use crate::oci::Reference;
use crate::ops::conda;
use crate::ops::config;
use crate::ops::lock::{self, LockOptions};
use crate::ops::publish::{self, Finished};
use crate::ops::{run, source};
use crate::pass::{self, Outcome};
use crate::platform::Platform;
use crate::recipe::{self, Recipe};
use crate::report::{Phase, Unit};
use crate::source::Rootfs;

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
    /// What each pass did, by its name.
    pub passes: Vec<(&'static str, Outcome)>,
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
        threads: options.threads,
    };
    publish::publish(&finished, &options.targets, context)?;
    // All platforms have gone through the same passes; the first speaks for them.
    let Forged { rootfs, passes, .. } = forged.swap_remove(0);
    Ok(Built { artifact, names, epoch, source: rootfs.summary, passes })
}

/// The image of one platform, and what it was packed from.
struct Forged {
    image: Image,
    rootfs: Rootfs,
    passes: Vec<(&'static str, Outcome)>,
}

fn forge(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &BuildOptions,
    context: &Context,
) -> Result<Forged, Error> {
    let mut rootfs = source::fetch(recipe, lock, platform, &options.lock, context)?;
    run::steps(recipe, &mut rootfs, &options.secrets, context)?;
    let passes = apply_passes(recipe, &mut rootfs, context)?;
    let layer = pack(recipe, &rootfs, options.threads, context)?;
    let mut settings = config::image(recipe, &rootfs.tree)?;
    let (base, threads) = (&rootfs.tree, options.threads);
    let conda = conda::layers(recipe, lock, platform, base, &mut settings, &options.lock, threads, context)?;
    rootfs.epoch = context.epoch.unwrap_or_else(|| rootfs.epoch.max(conda.epoch));
    let layers = [vec![layer], conda.layers].concat();
    let image = Image::assemble(platform, rootfs.epoch, &settings, layers)?;
    Ok(Forged { image, rootfs, passes })
}

fn apply_passes(
    recipe: &Recipe,
    rootfs: &mut Rootfs,
    context: &Context,
) -> Result<Vec<(&'static str, Outcome)>, Error> {
    let passes = pass::list(recipe, rootfs.epoch)?;
    context.reporter.begin(Phase::Passes, Some(passes.len() as u64), Unit::Items);
    let mut outcomes = Vec::new();
    for pass in passes {
        let outcome = pass.apply(&mut rootfs.tree)?;
        for note in &outcome.notes {
            context.reporter.note(note);
        }
        outcomes.push((pass.name(), outcome));
        context.reporter.advance(Phase::Passes, 1);
    }
    context.reporter.end(Phase::Passes, &format!("{} entries left", rootfs.tree.len()));
    Ok(outcomes)
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
