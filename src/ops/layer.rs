//! `layer`: a conda environment on top of a finished image, whose own layers stay byte for byte.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::archive::Limits;
use crate::context::Context;
use crate::dest::Target;
use crate::error::Error;
use crate::image::{self, Artifact, Choice};
use crate::lock::Lock;
use crate::oci::Reference;
use crate::ops::conda;
use crate::ops::lock::{self, LockOptions};
use crate::ops::publish::{self, Finished};
use crate::platform::Platform;
use crate::recipe::CondaRequest;

/// What goes on top of what.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// The image: an OCI layout, an OCI or Docker archive.
    pub image: PathBuf,
    /// Which one, where there are several.
    pub choice: Choice,
    /// The environment.
    pub request: CondaRequest,
    /// How its lock is treated, which is beside its file.
    pub lock: LockOptions,
    /// What the result is called.
    pub names: Vec<Reference>,
    /// Where it goes.
    pub targets: Vec<Target>,
    /// Threads that compress.
    pub threads: NonZeroUsize,
    /// The socket of the Docker engine, for `docker-daemon:`.
    pub docker_socket: PathBuf,
}

/// Puts an environment on an image, and writes the result to all targets.
pub fn layer(options: &LayerOptions, context: &Context) -> Result<Artifact, Error> {
    let path = options.image.display().to_string();
    let unopened = |source| Error::Open { path: path.clone(), source };
    let opened = image::open(&options.image, &options.choice, &Limits::default(), &context.store.temporary());
    let opened = opened.map_err(unopened)?;
    let Some(documents) = &opened.image else {
        return Err(Error::Usage {
            message: format!("`{path}` is a root filesystem, and no image"),
            help: "build an image of it first: `[from.archive]` in a recipe".to_owned(),
        });
    };
    let platform = platform_of(documents.config.document(), &path)?;
    let request = &options.request;
    let lock = current(options, platform, &opened.tree, context)?;
    let below = image::base_layers(&opened, &context.store).map_err(unopened)?;
    let mut settings = image::settings_of(documents.config.document());
    let added = conda::on_top(request, &lock, platform, &opened.tree, &mut settings, options, context)?;
    let made = documents.config.document().created().as_ref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let made = made.map(|time| crate::epoch::Epoch::from_seconds(time.as_second())).unwrap_or_default();
    let epoch = context.epoch.unwrap_or_else(|| made.max(added.epoch));
    let image = image::extend(platform, &documents.config, below, added.layers, &settings, epoch, documents.digest);
    let artifact = Artifact::Image(Box::new(image.map_err(unopened)?));
    let finished = Finished {
        artifact: &artifact,
        trees: &[],
        names: &options.names,
        docker_socket: options.docker_socket.clone(),
        threads: options.threads,
    };
    publish::publish(&finished, &options.targets, context)?;
    Ok(artifact)
}

/// The lock beside the environment's file where it fits, else a new one, which is written there.
fn current(
    options: &LayerOptions,
    platform: Platform,
    base: &crate::tree::Tree,
    context: &Context,
) -> Result<Lock, Error> {
    let file = &options.request.environment;
    // A pixi.lock is a lock of another tool: it keeps its name.
    let path = match file.extension() {
        Some(extension) if extension == "lock" => file.with_extension("rootsmith.lock"),
        _ => Lock::path_for(file),
    };
    let old = Lock::read(&path)?;
    let asked = conda::asked_of_layer(&options.request, platform);
    if let Some(lock) = old.as_ref().filter(|lock| lock.request == asked) {
        return Ok(lock.clone());
    }
    if options.lock.locked {
        return Err(lock::stale(file, old.is_some()));
    }
    let pin = conda::pin(&options.request, platform, base, &options.lock, context)?;
    let lock = Lock::new(asked, vec![pin]);
    lock.write(&path)?;
    Ok(lock)
}

fn platform_of(config: &oci_spec::image::ImageConfiguration, path: &str) -> Result<Platform, Error> {
    let text = format!("{}/{}", config.os(), config.architecture());
    text.parse().map_err(|error: crate::platform::ParsePlatformError| Error::Usage {
        message: format!("cannot put an environment on `{path}`: {error}"),
        help: "name another image, or another platform of it: `--platform`".to_owned(),
    })
}
