//! `[from.debian]`.

use serde_json::{Value, json};

use super::LockOptions;
use crate::context::Context;
use crate::error::Error;
use crate::lock::{DebianPin, Lock};
use crate::platform::Platform;
use crate::recipe::{DebianRequest, Init, PathRules, Recipe};
use crate::source::Rootfs;
use crate::source::debian::{self, Resolve, archives};

/// All that decides which packages are chosen.
pub(super) fn asked(source: &DebianRequest, recipe: &Recipe) -> Value {
    let DebianRequest { suite, distribution, variant, packages, components, updates, recommends, snapshot, .. } =
        source;
    let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
    let repositories = source.repositories.iter().filter(|repository| !repository.suites.is_empty());
    let vendors: Vec<String> = repositories
        .map(|vendor| format!("{} {:?} {:?} {:?}", vendor.url.as_str(), vendor.suites, vendor.components, vendor.trust))
        .collect();
    json!({
        "debian": {
            "suite": suite,
            "distribution": distribution.to_string(),
            "variant": format!("{variant:?}"),
            "packages": packages,
            "components": components,
            "updates": updates,
            "recommends": recommends,
            "snapshot": snapshot.as_ref().map(|snapshot| snapshot.as_str()),
            "repositories": vendors,
        },
        "extra": extra(recipe),
    })
}

/// Chooses packages for `platform`.
pub(super) fn resolve(
    request: &DebianRequest,
    recipe: &Recipe,
    platform: Platform,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<DebianPin, Error> {
    let mirrors = archives::mirrors(request, &options.mirrors);
    let keeping = keeping.and_then(|(old, names)| Some((old.debian(platform)?, names)));
    let extra = extra(recipe);
    let what = Resolve { request, extra: &extra, platform, mirrors: &mirrors, now: options.now, keeping };
    Ok(debian::resolve(&what, context)?)
}

/// Installs the locked packages.
pub(super) fn fetch(
    request: &DebianRequest,
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Rootfs, Error> {
    let pin = lock.debian(platform).ok_or(Error::EmptyLock)?;
    let mut mirrors = archives::mirrors(request, &options.mirrors);
    archives::add_dated(pin, &mut mirrors);
    let rules = PathRules::new(&recipe.prune);
    Ok(debian::fetch(pin, &mirrors, &|path| rules.drops(path.as_bytes()), context)?)
}

/// Packages that other tables of the recipe need.
fn extra(recipe: &Recipe) -> Vec<&'static str> {
    match recipe.harden.init {
        Init::Tini if recipe.harden.local_init.is_none() => vec!["tini"],
        Init::Tini | Init::None => Vec::new(),
    }
}
