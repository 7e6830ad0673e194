//! `[from.apk]`.

use serde_json::{Value, json};

use super::LockOptions;
use crate::context::Context;
use crate::error::Error;
use crate::lock::{Lock, LockedKey, Pin};
use crate::platform::Platform;
use crate::recipe::{ApkRequest, Recipe};
use crate::source::Rootfs;
use crate::source::apk::keys::Keyring;
use crate::source::apk::{self, Resolve, repositories};

/// All that decides which packages are chosen, and how they are installed.
pub(super) fn asked(source: &ApkRequest, recipe: &Recipe) -> Value {
    let ApkRequest { distribution, branch, packages, scripts, trust, .. } = source;
    let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
    let repositories: Vec<String> = repositories::of(source)
        .into_iter()
        .map(|repository| format!("{} {}", repository.tag.unwrap_or_default(), repository.url))
        .collect();
    json!({
        "apk": {
            "distribution": distribution,
            "branch": branch,
            "repositories": repositories,
            "packages": packages,
            "scripts": format!("{scripts:?}"),
            "trust": format!("{trust:?}"),
        },
        "extra": recipe.harden.packages(),
    })
}

/// Whether the keys that signed what is locked are, by their names and themselves, among those that may.
pub(super) fn is_signed_as_asked(request: &ApkRequest, recipe: &Recipe, lock: Option<&Lock>) -> Result<bool, Error> {
    let keyring = Keyring::of_request(request)?;
    let is_known = |locked: &LockedKey| keyring.key(&locked.name).is_some_and(|key| key.base64() == locked.public);
    let mut pins = recipe.platforms.iter().filter_map(|platform| lock?.apk(*platform));
    Ok(pins.all(|pin| pin.keys.iter().all(is_known)))
}

/// Chooses packages for `platform`.
pub(super) fn resolve(
    request: &ApkRequest,
    recipe: &Recipe,
    platform: Platform,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<Pin, Error> {
    let mirrors = repositories::mirrors(request, &options.mirrors.chosen);
    let keeping = keeping.and_then(|(old, names)| Some((old.apk(platform)?, names)));
    let extra = recipe.harden.packages();
    let what = Resolve { request, extra: &extra, platform, mirrors: &mirrors, keeping };
    Ok(Pin::Apk(apk::resolve(&what, context)?))
}

/// Installs the locked packages.
pub(super) fn fetch(
    request: &ApkRequest,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Rootfs, Error> {
    let pin = lock.apk(platform).ok_or(Error::EmptyLock)?;
    let mirrors = repositories::mirrors(request, &options.mirrors.chosen);
    Ok(apk::fetch(pin, &mirrors, context)?)
}
