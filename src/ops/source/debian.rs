//! `[from.debian]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::LockOptions;
use crate::context::Context;
use crate::digest::Digest;
use crate::error::{Error, Placed};
use crate::http;
use crate::lock::{DebianPin, Lock};
use crate::openpgp::Keyring;
use crate::platform::Platform;
use crate::recipe::{DebconfAnswer, DebianEngine, DebianRequest, PathRules, Recipe, Repository};
use crate::source::debian::{self, Keyrings, Mirrors, Resolve, Unlocked, Unresolved, archives, local, signing};
use crate::source::{Foresee, Rootfs};
use crate::tree::TreePath;

/// All that decides which packages are chosen, and what the image's own apt is told.
pub(super) fn asked(source: &DebianRequest, recipe: &Recipe) -> Value {
    let DebianRequest { suite, distribution, variant, packages, components, updates, recommends, snapshot, .. } =
        source;
    let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
    let vendors = source.repositories.iter().filter(|repository| !repository.is_mirror());
    let vendors: Vec<String> = vendors
        .map(|vendor| format!("{} {:?} {:?} {:?}", vendor.url.as_str(), vendor.suites, vendor.components, vendor.trust))
        .collect();
    let mut asked = json!({
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
        "extra": recipe.harden.packages(),
    });
    // Only what is asked for is there, so that locks of earlier versions stay good.
    let mut ask = |key: &str, value: Value| asked["debian"][key] = value;
    if !source.local.is_empty() {
        ask("local", json!(local::controls(&source.local)));
    }
    if !source.lists.is_empty() {
        ask("lists", json!(source.lists.iter().map(ToString::to_string).collect::<Vec<_>>()));
    }
    if source.engine != DebianEngine::Native {
        ask("engine", format!("{:?}", source.engine).into());
    }
    for (key, asked) in [("scripts", source.scripts), ("dependencies", source.dependencies)] {
        if !asked {
            ask(key, false.into());
        }
    }
    if !source.slices.is_empty() {
        ask("slices", format!("{:?}", source.slices).into());
    }
    if !source.binaries.is_empty() {
        ask("binaries", format!("{:?}", source.binaries).into());
    }
    if !source.exclude.is_empty() {
        ask("exclude", json!(source.exclude.iter().map(ToString::to_string).collect::<Vec<_>>()));
    }
    let told = told(source, recipe);
    if !told.is_empty() {
        asked["debian"]["in-image"] = told.into();
    }
    asked
}

/// What a root filesystem is made of that is not in the lock.
pub(super) fn unlocked(source: &DebianRequest) -> Value {
    let answers: Vec<&str> = source.debconf.iter().map(DebconfAnswer::as_str).collect();
    json!({ "files": local::digests(&source.local), "debconf": answers })
}

/// What the image's own apt is told beyond the distribution's own: addresses, and the keys that are in the image for them.
fn told(source: &DebianRequest, recipe: &Recipe) -> Vec<String> {
    let Some(platform) = recipe.platforms.first() else { return Vec::new() };
    let told = |archive: &archives::Archive| {
        let is_own = archive.vendor_url.is_some() || archive.image_keyring.is_none();
        let url = archive.public_url.as_ref().filter(|_| is_own)?;
        // A file that cannot be read is for resolving to complain about.
        let keys = archive.told_keyring().and_then(|file| Digest::of_file(file).ok()).map(|digest| digest.hex());
        Some(format!("{url} {}", keys.unwrap_or_default()))
    };
    let archives = archives::of(source, *platform);
    let unsigned = archives.iter().find(|archive| archive.vendor_url.is_none() && archive.is_trusted_unsigned());
    let mirrors = source.repositories.iter().filter(|mirror| mirror.is_mirror() && mirror.in_image == Some(true));
    let mut all: Vec<String> = archives.iter().filter_map(told).collect();
    all.extend(mirrors.map(|mirror| mirror.url.as_str().to_owned()));
    all.extend(unsigned.map(|_| "unsigned".to_owned()));
    all
}

/// Whether the recipe's keyrings, as far as it has some, have the keys that signed what is locked, and what is locked
/// without a signature is of an archive that the recipe takes so. A keyring that holds no keys is an error.
pub(super) fn is_signed_as_asked(request: &DebianRequest, recipe: &Recipe, lock: Option<&Lock>) -> Result<bool, Error> {
    let mut keyrings: BTreeMap<&Path, Keyring> = BTreeMap::new();
    for file in request.repositories.iter().filter_map(|one| one.keyring.as_ref()).chain(&request.keyring) {
        let keyring = signing::keyring(file);
        let keyring = keyring.map_err(|error| placed(Unresolved { error: Box::new(error), archive: None }, recipe))?;
        keyrings.insert(file, keyring);
    }
    let is_asked = |archive: &archives::Archive, signed_by: Option<&str>| {
        let signs = |fingerprint: &str| {
            let has = |file: &Path| keyrings.get(file).is_some_and(|keys| keys.has(fingerprint));
            archive.is_signed_by(fingerprint, has)
        };
        archive.may_be_unsigned() || signed_by.is_some_and(signs)
    };
    for pin in recipe.platforms.iter().filter_map(|platform| lock?.debian(*platform)) {
        let archives = archives::of(request, pin.platform);
        for repository in &pin.repositories {
            let archive = archives.iter().find(|archive| archive.id == repository.id);
            if archive.is_some_and(|archive| !is_asked(archive, repository.signed_by.as_deref())) {
                return Ok(false);
            }
        }
    }
    Ok(true)
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
    check_logins(request, options)?;
    let mirrors = reached(request, platform, options)?;
    let keeping = keeping.and_then(|(old, names)| Some((old.debian(platform)?, names)));
    let extra = recipe.harden.packages();
    let what = Resolve { request, extra: &extra, platform, mirrors: &mirrors, now: options.now, keeping };
    debian::resolve(&what, context).map_err(|unresolved| placed(unresolved, recipe))
}

/// The error with the place in the recipe that led to it, where there is one.
fn placed(unresolved: Unresolved, recipe: &Recipe) -> Error {
    match recipe.places.find(&unresolved.said()) {
        Some((text, spans)) => Box::new(Placed { error: *unresolved.error, text, spans }).into(),
        None => (*unresolved.error).into(),
    }
}

/// Installs the locked packages.
pub(super) fn fetch(
    request: &DebianRequest,
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    foresee: Foresee<'_>,
    context: &Context,
) -> Result<Rootfs, Error> {
    let pin = lock.debian(platform).ok_or(Error::EmptyLock)?;
    let mut mirrors = reached(request, platform, options)?;
    archives::add_dated(pin, &mut mirrors);
    let rules = PathRules::new(&recipe.prune);
    let keyrings = keyrings(request);
    let seen = Mutex::new(BTreeSet::new());
    let drops = |path: &TreePath| {
        for pattern in rules.naming(path.as_bytes()) {
            seen.lock().expect("no thread panics while it holds the patterns").insert(pattern.to_owned());
        }
        rules.drops(path.as_bytes())
    };
    let own = Unlocked { packages: &request.local, answers: &request.debconf };
    let rootfs = debian::fetch(pin, own, &mirrors, &keyrings, &drops, foresee, context)?;
    let pruned = seen.into_inner().expect("no thread panics while it holds the patterns");
    Ok(Rootfs { pruned, ..rootfs })
}

/// Where the archives are reached, with the logins of the recipe's own in their addresses: those are shown nowhere. Without
/// its secret an archive is asked without a login: what is in the store needs none.
pub(super) fn reached(request: &DebianRequest, platform: Platform, options: &LockOptions) -> Result<Mirrors, Error> {
    let mut mirrors = archives::mirrors(request, platform, &options.mirrors);
    for repository in &request.repositories {
        let Some(id) = &repository.login else { continue };
        let Some(secret) = options.secrets.get(id) else { continue };
        let url = repository.url.as_str();
        let wrong = || Error::NoLogin { id: id.clone(), url: url.to_owned() };
        let with = http::with_login(url, &String::from_utf8_lossy(secret)).ok_or_else(wrong)?;
        for address in mirrors.values_mut().flatten().filter(|address| *address == url) {
            address.clone_from(&with);
        }
    }
    Ok(mirrors)
}

/// Says no where a login is missing that is needed for certain: indexes are always asked for anew.
fn check_logins(request: &DebianRequest, options: &LockOptions) -> Result<(), Error> {
    let missing = |repository: &Repository| {
        let id = repository.login.clone().filter(|id| !options.secrets.contains_key(id))?;
        Some(Error::MissingLogin { id, url: repository.url.as_str().to_owned() })
    };
    request.repositories.iter().find_map(missing).map_or(Ok(()), Err)
}

/// The recipe's files of keys. One that cannot be read is missed where it is needed.
fn keyrings(request: &DebianRequest) -> Keyrings {
    let files = request.repositories.iter().map(|repository| &repository.keyring).chain([&request.keyring]).flatten();
    files.filter_map(|file| std::fs::read(file).ok()).map(|bytes| (Digest::of(&bytes), bytes)).collect()
}
