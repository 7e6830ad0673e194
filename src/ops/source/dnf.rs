//! `[from.dnf]`.

use serde_json::{Value, json};

use super::LockOptions;
use crate::context::Context;
use crate::error::Error;
use crate::lock::{Lock, Pin};
use crate::platform::Platform;
use crate::recipe::{DnfRequest, Recipe, Trust};
use crate::source::Rootfs;
use crate::source::dnf::{self, Resolve, keys, repositories};

/// All that decides which packages are chosen, and how they are installed.
pub(super) fn asked(source: &DnfRequest, recipe: &Recipe) -> Value {
    let repositories = source.repositories.iter();
    let repositories =
        repositories.map(|one| format!("{} {:?} {:?} {}", one.id, one.place, one.trust, one.signed_metadata));
    json!({
        "dnf": {
            "distribution": source.distribution.to_string(),
            "release": source.release,
            "shape": source.shape.to_string(),
            "packages": source.packages,
            "groups": source.groups,
            "modules": source.modules.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "exclude": source.exclude,
            "weak-deps": source.weak_dependencies,
            "docs": source.docs,
            "langs": source.languages,
            "database": source.database,
            "database-format": source.database_format.name(),
            "repositories": repositories.collect::<Vec<_>>(),
        },
        "extra": recipe.harden.packages(),
    })
}

/// Whether the keys that signed what is locked are among those of its repositories, as far as these are in local files.
pub(super) fn is_signed_as_asked(request: &DnfRequest, recipe: &Recipe, lock: Option<&Lock>) -> Result<bool, Error> {
    for platform in recipe.platforms.iter().copied() {
        let packages = lock.and_then(|lock| lock.dnf(platform)).map_or(&[][..], |pin| &pin.packages);
        let repositories = repositories::of(request, platform, &[]).into_iter();
        for repository in repositories.filter(|repository| repository.trust == Trust::Signed) {
            let Some(keyring) = keys::local(&repository)? else { continue };
            let mut own = packages.iter().filter(|package| package.repository == repository.id);
            if !own.all(|package| package.signed_by.as_deref().is_some_and(|signer| keyring.has(signer))) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Chooses packages for `platform`.
pub(super) fn resolve(
    request: &DnfRequest,
    recipe: &Recipe,
    platform: Platform,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<Pin, Error> {
    let repositories = repositories::of(request, platform, &options.mirrors.chosen);
    let what = Resolve {
        request,
        extra: &recipe.harden.packages(),
        platform,
        repositories: &repositories,
        programs: &options.programs,
        now: options.now,
        keeping: keeping.and_then(|(old, names)| Some((old.dnf(platform)?, names))),
    };
    Ok(Pin::Dnf(dnf::resolve(&what, context)?))
}

/// Installs the locked packages.
pub(super) fn fetch(
    request: &DnfRequest,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Rootfs, Error> {
    let pin = lock.dnf(platform).ok_or(Error::EmptyLock)?;
    let repositories = repositories::of(request, platform, &options.mirrors.chosen);
    Ok(dnf::fetch(pin, &repositories, &options.programs, context)?)
}
