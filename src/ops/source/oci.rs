//! `[from.oci]`.

use serde_json::{Value, json};

use super::LockOptions;
use crate::context::Context;
use crate::error::Error;
use crate::lock::{Lock, Pin};
use crate::platform::Platform;
use crate::recipe::{OciRequest, Recipe};
use crate::source::Rootfs;
use crate::source::oci::{self, Inherited, Place};

/// All that decides which image is meant.
pub(super) fn asked(source: &OciRequest, recipe: &Recipe) -> Value {
    json!({
        "oci": {
            "image": source.image.relative_to(&recipe.folder),
            "digest": source.digest.map(|digest| digest.to_string()),
            "name": source.name,
        },
    })
}

/// Finds the image for `platform`.
pub(super) fn resolve(
    request: &OciRequest,
    recipe: &Recipe,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Pin, Error> {
    let image = request.image.relative_to(&recipe.folder);
    Ok(Pin::Oci(oci::resolve(request, &image, Some(platform), &place(request, options), context)?))
}

/// Applies the locked layers.
pub(super) fn fetch(
    request: &OciRequest,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Rootfs, Error> {
    let pin = lock.oci(platform).ok_or(Error::EmptyLock)?;
    Ok(oci::fetch(pin, &place(request, options), context)?)
}

/// What the locked image hands down.
pub(super) fn inherited(
    request: &OciRequest,
    lock: &Lock,
    platform: Platform,
    context: &Context,
) -> Result<Inherited, Error> {
    let pin = lock.oci(platform).ok_or(Error::EmptyLock)?;
    Ok(oci::inherit(pin, request.keep_layers, &context.store)?)
}

fn place(request: &OciRequest, options: &LockOptions) -> Place {
    Place { location: request.image.clone(), socket: options.docker_socket.clone() }
}
