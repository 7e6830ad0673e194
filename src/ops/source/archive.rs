//! `[from.archive]`.

use std::path::Path;

use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Error;
use crate::lock::{Lock, Pin};
use crate::platform::Platform;
use crate::recipe::{ArchivePlace, ArchiveRequest, Recipe};
use crate::source::Rootfs;
use crate::source::archive::{self, Resolve};

/// All that decides which bytes are taken, and how they are read.
pub(super) fn asked(request: &ArchiveRequest, recipe: &Recipe) -> Value {
    let input = |platform: &Platform| {
        let input = request.input(*platform)?;
        let sha256 = input.sha256.map(|digest| digest.hex());
        Some((platform.to_string(), json!([input.place.name(&recipe.folder), sha256])))
    };
    let inputs: serde_json::Map<String, Value> = recipe.platforms.iter().filter_map(input).collect();
    json!({
        "archive": { "inputs": inputs, "strip-components": request.strip_components, "tag": request.tag },
    })
}

/// Finds out the digest of the archive for `platform`.
pub(super) fn resolve(
    request: &ArchiveRequest,
    recipe: &Recipe,
    platform: Platform,
    context: &Context,
) -> Result<Pin, Error> {
    if local(request, platform).is_some_and(|path| !path.is_file()) {
        recipe.check_absent()?;
    }
    let what = Resolve { request, platform, folder: &recipe.folder };
    Ok(Pin::Archive(archive::resolve(&what, context)?))
}

/// Reads the locked archive.
pub(super) fn fetch(
    request: &ArchiveRequest,
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    context: &Context,
) -> Result<Rootfs, Error> {
    let pin = lock.archive(platform).ok_or(Error::EmptyLock)?;
    archive::fetch(pin, local(request, platform), context).map_err(|error| match recipe.check_absent() {
        Err(absent) if error.is_absent() => absent.into(),
        _ => error.into(),
    })
}

/// Whether the local archives that are still there are the locked ones.
pub(super) fn are_as_locked(request: &ArchiveRequest, recipe: &Recipe, lock: &Lock) -> bool {
    let is_as_locked = |platform: &Platform| match (lock.archive(*platform), local(request, *platform)) {
        (Some(pin), Some(path)) => archive::changed(pin, path).is_ok_and(|found| found.is_none()),
        _ => true,
    };
    recipe.platforms.iter().all(is_as_locked)
}

fn local(request: &ArchiveRequest, platform: Platform) -> Option<&Path> {
    request.input(platform).and_then(|input| match &input.place {
        ArchivePlace::Path(path) => Some(path.as_path()),
        ArchivePlace::Url(_) => None,
    })
}
