//! `layer`: a conda environment on top of a finished image, whose own layers stay byte for byte.

use std::path::PathBuf;

use crate::context::Context;
use crate::dest::Target;
use crate::error::Error;
use crate::image::Packing;
use crate::image::{Artifact, Image, ImageConfig};
use crate::lock::Lock;
use crate::oci::Reference;
use crate::ops::conda;
use crate::ops::lock::{self, LockOptions};
use crate::ops::places;
use crate::ops::publish::{self, Finished};
use crate::platform::Platform;
use crate::recipe::{CondaRequest, ImageLocation, OciRequest};
use crate::source::oci::{self, Place};
use crate::tree::{Tree, TreePath};

/// What goes on top of what.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// Where the image is.
    pub image: ImageLocation,
    /// For which platform, where it has several.
    pub platform: Option<Platform>,
    /// The environment.
    pub request: CondaRequest,
    /// How its lock is treated, which is beside its file.
    pub lock: LockOptions,
    /// What the result is called.
    pub names: Vec<Reference>,
    /// Where it goes.
    pub targets: Vec<Target>,
    /// How layers are written.
    pub packing: Packing,
    /// The socket of the Docker engine.
    pub docker_socket: PathBuf,
}

/// Puts an environment on an image, and writes the result to all targets.
pub fn layer(options: &LayerOptions, context: &Context) -> Result<Artifact, Error> {
    places::check(&options.targets)?;
    let base = OciRequest { image: options.image.clone(), digest: None, name: None, keep_layers: true };
    let place = Place { location: options.image.clone(), socket: options.docker_socket.clone() };
    let pin = oci::resolve(&base, &options.image.to_string(), options.platform, &place, context)?;
    let mut rootfs = oci::fetch(&pin, &place, context)?;
    let inherited = oci::inherit(&pin, base.keep_layers, &context.store)?;
    let mut settings = ImageConfig {
        author: inherited.author,
        inherited: inherited.config,
        annotations: inherited.annotations,
        ..ImageConfig::default()
    };
    check_prefix(&options.request, &rootfs.tree)?;
    let lock = current(options, pin.platform, &rootfs.tree, context)?;
    let request = &options.request;
    let locked = lock.conda(pin.platform, request.prefix.as_str()).ok_or(Error::EmptyLock)?;
    let added = conda::add(request, locked, &rootfs.tree, &options.lock, options.packing, context)?;
    added.announce(&mut settings);
    added.put(&mut rootfs.tree)?;
    let epoch = context.epoch.unwrap_or_else(|| rootfs.epoch.max(added.epoch));
    let image = Image::assemble_on(&inherited.base, pin.platform, epoch, &settings, added.layers)?;
    let artifact = Artifact::Image(Box::new(image));
    let finished = Finished {
        artifact: &artifact,
        trees: &[&rootfs.tree],
        names: &options.names,
        docker_socket: options.docker_socket.clone(),
        epoch,
        compression: options.packing.compression,
        threads: options.packing.threads,
    };
    publish::publish(&finished, &options.targets, context)?;
    Ok(artifact)
}

/// Fails where the image has an environment at the prefix: the files of both would be one environment that nobody solved.
fn check_prefix(request: &CondaRequest, tree: &Tree) -> Result<(), Error> {
    let prefix = request.prefix.as_str();
    let meta = TreePath::new(format!("{prefix}/conda-meta")).ok().and_then(|path| tree.resolve(&path).ok());
    if !meta.is_some_and(|meta| tree.is_directory(&meta)) {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("cannot put an environment at {prefix}: the image has one there already"),
        help: "name another folder: `--prefix /opt/other`".to_owned(),
    })
}

/// The lock beside the environment's file where it fits, else a new one, which is written there.
fn current(options: &LayerOptions, platform: Platform, base: &Tree, context: &Context) -> Result<Lock, Error> {
    let file = &options.request.environment;
    // `X.lock` may be another tool's, as pixi.lock, or that of a recipe `X.toml`.
    let path = file.with_extension("rootsmith.lock");
    let old = Lock::read(&path)?;
    if old.as_ref().is_some_and(|lock| !lock.is_only_of_conda()) {
        return Err(Error::Usage {
            message: format!("cannot write the environment's lock: `{}` is the lock of a recipe", path.display()),
            help: "give the environment's file another name".to_owned(),
        });
    }
    let asked = conda::asked_of_layer(&options.request, platform);
    if let Some(lock) = old.as_ref().filter(|lock| lock.request == asked) {
        return Ok(lock.clone());
    }
    if options.lock.locked {
        return Err(lock::stale(file, old.is_some(), None));
    }
    let pin = conda::pin(&options.request, platform, base, &options.lock, context)?;
    let lock = Lock::new(asked, vec![pin]);
    lock.write(&path)?;
    Ok(lock)
}
