//! From `[[conda]]` to pins, and from pins to layers.

use rayon::prelude::*;

use super::{Added, give};
use crate::conda::layers::{PlannedLayer, Spread, plan};
use crate::conda::{Access, CondaError, Environment, Resolve, activation, check, fetch, glibc_version, scripts};
use crate::context::Context;
use crate::error::Error;
use crate::image::{self, Layer, Packing};
use crate::lock::{CondaPin, Lock, Pin};
use crate::ops::source::{self, LockOptions};
use crate::pass;
use crate::platform::Platform;
use crate::recipe::{CondaRequest, Recipe};
use crate::report::{Phase, Unit, counted};
use crate::tree::{Tree, TreePath};

/// Pins the environments of a recipe for `platform`; `lock` has the pins of its source.
pub(in crate::ops) fn resolve(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<Vec<Pin>, Error> {
    if recipe.conda.is_empty() {
        return Ok(Vec::new());
    }
    let declared =
        |request: &CondaRequest| request.virtual_packages.keys().any(|name| name.trim_start_matches('_') == "glibc");
    let glibc =
        if recipe.conda.iter().all(declared) { None } else { base_glibc(recipe, lock, platform, options, context)? };
    let access = Access::new(options.channels.clone());
    let mut pins = Vec::new();
    for request in &recipe.conda {
        let old = keeping.and_then(|(lock, names)| Some((lock.conda(platform, request.prefix.as_str())?, names)));
        let what = Resolve { request, platform, glibc: glibc.as_deref(), access: &access, keeping: old };
        pins.push(Pin::Conda(crate::conda::resolve(&what, context)?));
    }
    Ok(pins)
}

/// The glibc of the base: what the lock says of it where that is enough, else what is in its tree.
fn base_glibc(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Option<String>, Error> {
    if let Some(pin) = lock.debian(platform) {
        let library = pin.packages.iter().find(|package| package.name == "libc6");
        return Ok(library.and_then(|package| package.version.split('-').next()).map(upstream));
    }
    let rootfs = source::fetch(recipe, lock, platform, options, &[], &|_, _| {}, context)?;
    Ok(glibc_version(&rootfs.tree))
}

/// `2.41` of `1:2.41+dfsg`.
fn upstream(version: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    version
        .split(|character: char| !character.is_ascii_digit() && character != '.')
        .next()
        .unwrap_or(version)
        .to_owned()
}

/// Pins one environment for a base of which only the tree is known.
pub(in crate::ops) fn pin(
    request: &CondaRequest,
    platform: Platform,
    base: &Tree,
    options: &LockOptions,
    context: &Context,
) -> Result<Pin, Error> {
    let (glibc, access) = (glibc_version(base), Access::new(options.channels.clone()));
    let what = Resolve { request, platform, glibc: glibc.as_deref(), access: &access, keeping: None };
    Ok(Pin::Conda(crate::conda::resolve(&what, context)?))
}

/// Installs the locked environments of a recipe and packs their layers.
pub(in crate::ops) fn layers(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    base: &Tree,
    options: &LockOptions,
    packing: Packing,
    context: &Context,
) -> Result<Added, Error> {
    let mut all = Added::default();
    for request in &recipe.conda {
        let pin = lock.conda(platform, request.prefix.as_str()).ok_or(Error::EmptyLock)?;
        all.append(add(request, pin, base, options, packing, context)?);
    }
    Ok(all)
}

/// Installs one environment for `base` and packs its layers.
pub(in crate::ops) fn add(
    request: &CondaRequest,
    pin: &CondaPin,
    base: &Tree,
    options: &LockOptions,
    packing: Packing,
    context: &Context,
) -> Result<Added, Error> {
    let access = Access::new(options.channels.clone());
    let glibc = glibc_version(base);
    check_base(pin, request, base, glibc.as_deref())?;
    let mut environment = fetch(pin, request, &access, context)?;
    let frozen = scripts::run(&mut environment, base, pin.platform, request, context)?;
    let activation = activation(&mut environment, base, request.activate)?;
    let mut warnings = std::mem::take(&mut environment.warnings);
    warnings.extend(activation.warnings);
    warnings.extend(check::check(&environment, base, glibc.as_deref())?);
    for warning in warnings {
        context.reporter.warn(&warning);
    }
    let prefix = environment.prefix.clone();
    // The base has the accounts of the recipe by now.
    let owner = request.owner.as_ref().map(|owner| pass::owner_ids(owner, base, None, &prefix)).transpose()?;
    let layers = pack(&environment, request, owner, packing, context)?;
    let files = environment.files().cloned().collect();
    let owned = owner.map(|ids| (prefix, ids)).into_iter().collect();
    let mut added = Added { layers, files, owned, epoch: environment.epoch, ..Added::default() };
    for (name, value) in frozen {
        match name.as_str() {
            "PATH" => (added.path, added.behind) = around(&value, &activation.path),
            _ => added.variables.push((name, value)),
        }
    }
    let own = activation.variables.into_iter().filter(|(name, _)| added.variables.iter().all(|(set, _)| set != name));
    added.variables.splice(0..0, own.collect::<Vec<_>>());
    added.path.push(activation.path);
    added.entrypoint.extend(activation.entrypoint);
    Ok(added)
}

/// The folders that scripts put into a `PATH` before the environment's `own` and behind it; the usual ones of a system, which
/// were there, are the image's to say.
fn around(path: &str, own: &str) -> (Vec<String>, Vec<String>) {
    let parts: Vec<String> = path.split(':').map(str::to_owned).collect();
    let Some(place) = parts.iter().position(|part| part == own) else { return (parts, Vec::new()) };
    let usual: Vec<&str> = scripts::PATH.split(':').collect();
    let behind = parts[place + 1..].iter().filter(|part| !usual.contains(&part.as_str()));
    (parts[..place].to_vec(), behind.cloned().collect())
}

/// The base is one that the environment was locked for, and has room for it.
fn check_base(pin: &CondaPin, request: &CondaRequest, base: &Tree, glibc: Option<&str>) -> Result<(), CondaError> {
    let locked = pin.virtual_packages.iter().find_map(|text| text.strip_prefix("__glibc=")?.split('=').next());
    let declared = request.virtual_packages.keys().any(|name| name.trim_start_matches('_') == "glibc");
    let numbers = |text: &str| text.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    if let Some(locked) = locked.filter(|_| !declared)
        && glibc.is_none_or(|found| numbers(found) < numbers(locked))
    {
        return Err(CondaError::Glibc { locked: locked.to_owned(), found: glibc.map(str::to_owned) });
    }
    let mut path = TreePath::new(&pin.prefix)?;
    loop {
        let what = match base.get(&path) {
            Some(inode) if inode.is_directory() => None,
            Some(inode) if inode.symlink_target().is_some() => Some("a symbolic link"),
            Some(_) => Some("a file"),
            None => None,
        };
        if let Some(what) = what {
            return Err(CondaError::Place { prefix: pin.prefix.clone(), what, path });
        }
        match path.parent() {
            Some(parent) => path = parent,
            None => return Ok(()),
        }
    }
}

fn pack(
    environment: &Environment,
    request: &CondaRequest,
    owner: Option<(u32, u32)>,
    packing: Packing,
    context: &Context,
) -> Result<Vec<Layer>, Error> {
    let spread = Spread { strategy: request.layers, max_layers: request.max_layers, max_size: request.max_layer_size };
    let mut planned = plan(environment, &spread)?;
    for layer in &mut planned {
        if let Some(ids) = owner {
            give(&mut layer.tree, &environment.prefix, ids);
        }
    }
    let reporter = &*context.reporter;
    reporter.begin(Phase::Pack, Some(environment.packages.iter().map(|package| package.size).sum()), Unit::Bytes);
    let one = |layer: &PlannedLayer| {
        let created_by = format!("rootsmith: {}", layer.title);
        let advance = |bytes| reporter.advance(Phase::Pack, bytes);
        image::pack(&layer.tree, packing, &context.store, &created_by, advance)
    };
    // Small layers leave processors idle one by one.
    let layers = planned.par_iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let sizes = |size: fn(&Layer) -> u64| layers.iter().map(size).sum::<u64>() as f64 / 1e6;
    let (before, after) = (sizes(|layer| layer.uncompressed_size), sizes(|layer| layer.size));
    reporter.end(Phase::Pack, &format!("{}, {before:.1} MB to {after:.1} MB", counted(layers.len(), "conda layer")));
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_put_around_the_own_folder_is_kept() {
        let path = format!("/env/more:/env/bin:{}:/b", scripts::PATH);
        assert_eq!(around(&path, "/env/bin"), (vec!["/env/more".to_owned()], vec!["/b".to_owned()]));
        assert_eq!(around("/x:/bin", "/env/bin"), (vec!["/x".to_owned(), "/bin".to_owned()], Vec::new()));
    }

    #[test]
    fn versions_of_a_package_are_versions_of_the_library() {
        for (version, library) in [("2.41", "2.41"), ("2.35", "2.35"), ("1:2.31+dfsg1", "2.31"), ("2.41.9", "2.41.9")] {
            assert_eq!(upstream(version), library);
        }
    }
}
