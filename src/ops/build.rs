//! Building an image from a recipe.

mod options;
mod remembered;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;

pub use options::{BuildOptions, Built};

use crate::context::Context;
use crate::dest::Target;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::{Artifact, Image, Index, Layer, Packing};
use crate::lock::Lock;
use crate::ops::ahead::Ahead;
use crate::ops::conda;
use crate::ops::config;
use crate::ops::forge::{self, Applied};
use crate::ops::lock;
use crate::ops::one_platform;
use crate::ops::places;
use crate::ops::publish::{self, Finished};
use crate::ops::watch::Changed;
use crate::ops::{above, programs, run, source};
use crate::pass::{self, Before};
use crate::platform::Platform;
use crate::recipe::{self, Recipe};
use crate::source::Rootfs;
use crate::source::oci::Inherited;

/// Builds the image of a recipe and writes it to all targets.
pub fn build(options: &BuildOptions, context: &Context) -> Result<Built, Error> {
    of_recipe(&recipe::load(&options.recipe, options.variant.as_deref())?, options, context)
}

/// Builds the image of a recipe that is read already. Its lock is beside where the options say that the recipe is.
pub(super) fn of_recipe(recipe: &Recipe, options: &BuildOptions, context: &Context) -> Result<Built, Error> {
    places::check(&options.targets)?;
    // What is wrong with a name is found out before the work, at whatever time.
    config::names(recipe, &options.tags, Epoch::default())?;
    for warning in recipe.warnings.iter() {
        context.reporter.warn(&warning.to_string());
    }
    let platforms = platforms(recipe, &options.platforms)?;
    one_platform::check(&options.targets, &platforms)?;
    programs::check(recipe, &platforms, context)?;
    let lock = lock::current(recipe, &options.recipe, &options.lock, context)?;
    let key = remembered::key(recipe, &lock, options, context);
    if let Some(built) = recall(key.as_ref(), recipe, options, context)? {
        return Ok(built);
    }
    let mut forged = Vec::new();
    for platform in platforms {
        forged.push(for_platform(recipe, &lock, platform, options, context)?);
    }
    let built = deliver(recipe, forged, options, context)?;
    if let Some(key) = key {
        remembered::remember(&key, &built, &context.store);
    }
    Ok(built)
}

/// Makes the image for one platform of what the lock holds.
pub(super) fn for_platform(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &BuildOptions,
    context: &Context,
) -> Result<Forged, Error> {
    let recipe = recipe.on(platform);
    let outputs: Vec<PathBuf> = options.places().collect();
    let packing = packing(&recipe, options);
    let ahead = Ahead::new(&recipe, packing, &context.store);
    let rootfs = thread::scope(|scope| {
        let foresee = |tree, epoch| ahead.start(scope, tree, epoch);
        let rootfs = source::fetch(&recipe, lock, platform, &options.lock, &outputs, &foresee, context);
        ahead.stop();
        rootfs
    })?;
    let inherited = source::inherited(&recipe, lock, platform, context)?;
    forge(&recipe, platform, rootfs, &inherited, lock, options, context)
}

/// Writes the images of all platforms to all targets.
pub(super) fn deliver(
    recipe: &Recipe,
    mut forged: Vec<Forged>,
    options: &BuildOptions,
    context: &Context,
) -> Result<Built, Error> {
    let epoch = forged.iter().map(|forged| forged.rootfs.epoch).max().ok_or(Error::EmptyLock)?;
    let names = config::names(recipe, &options.tags, epoch)?;
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
        compression: config::compression(recipe),
        threads: options.threads,
    };
    publish::publish(&finished, &options.targets, context)?;
    // All platforms have gone through the same passes; the first speaks for them.
    let Forged { rootfs, passes, .. } = forged.swap_remove(0);
    Ok(Built { artifact, names, epoch, source: rootfs.summary, passes })
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

/// The platforms to build: those of the recipe that are asked for, in the recipe's order.
fn platforms(recipe: &Recipe, asked: &[Platform]) -> Result<Vec<Platform>, Error> {
    if let Some(other) = asked.iter().find(|platform| !recipe.platforms.contains(platform)) {
        let known = recipe.platforms.iter().map(|platform| format!("\"{platform}\"")).collect::<Vec<_>>().join(", ");
        return Err(Error::Usage {
            message: format!("cannot build for {other}: the recipe is not for it"),
            help: format!("add it to the recipe's platforms: `platforms = [{known}, \"{other}\"]`"),
        });
    }
    let wanted = |platform: &Platform| asked.is_empty() || asked.contains(platform);
    Ok(recipe.platforms.iter().copied().filter(wanted).collect())
}

/// How the layers of an image are written.
fn packing(recipe: &Recipe, options: &BuildOptions) -> Packing {
    let (compression, effort) = (config::compression(recipe), config::effort(recipe));
    Packing { compression, effort, threads: options.threads, remembers: true }
}

/// The image of one platform, and what it was packed from.
pub(super) struct Forged {
    pub(super) image: Image,
    pub(super) rootfs: Rootfs,
    /// What the passes did to the path that was watched.
    pub(super) changes: Vec<Changed>,
    passes: Vec<Applied>,
}

/// Does to a root filesystem what the recipe says, and packs it.
pub(super) fn forge(
    recipe: &Recipe,
    platform: Platform,
    mut rootfs: Rootfs,
    inherited: &Inherited,
    lock: &Lock,
    options: &BuildOptions,
    context: &Context,
) -> Result<Forged, Error> {
    let kept = (!inherited.base.layers.is_empty()).then(|| rootfs.tree.clone());
    for note in &rootfs.notes {
        context.reporter.note(note);
    }
    let settled = run::steps(recipe, platform, &mut rootfs, &options.lock.secrets, context)?;
    let before = Before { settled, pruned: std::mem::take(&mut rootfs.pruned) };
    if let Some(kept) = &kept {
        above::restore_devices(kept, &mut rootfs.tree);
    }
    let passes = match &kept {
        Some(kept) => pass::list_above(kept.clone(), recipe, before, rootfs.epoch)?,
        None => pass::list(recipe, before, rootfs.epoch)?,
    };
    let (mut passes, changes) = forge::apply_passes(passes, &mut rootfs, options.watched.as_ref(), context)?;
    // So that they are said again where the image is recalled.
    passes[0].notes.splice(..0, std::mem::take(&mut rootfs.notes));
    let packing = packing(recipe, options);
    let layer = match &kept {
        Some(kept) => above::pack(kept, &rootfs.tree, packing, context)?,
        None => Some(forge::pack(&rootfs.tree, packing, config::CREATED_BY, context)?),
    };
    let mut settings = config::image(recipe, &rootfs.tree, inherited)?;
    let mut layers: Vec<Layer> = layer.into_iter().collect();
    let added = conda::layers(recipe, lock, platform, &rootfs.tree, &options.lock, packing, context)?;
    added.announce(&mut settings);
    added.put(&mut rootfs.tree)?;
    layers.extend(added.layers);
    if let Some(problem) = programs::cannot_start(&settings, &rootfs.tree, platform) {
        context.reporter.note(&problem);
        passes.last_mut().expect("there is always a pass").notes.push(problem);
    }
    rootfs.epoch = context.epoch.unwrap_or_else(|| rootfs.epoch.max(added.epoch));
    let image = Image::assemble_on(&inherited.base, platform, rootfs.epoch, &settings, layers)?;
    Ok(Forged { image, rootfs, changes, passes })
}
