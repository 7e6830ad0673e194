//! From a recipe's source to a lock, and from the lock to a root filesystem: which family does what.

mod debian;

use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::http::ChannelLogins;
use crate::lock::Lock;
use crate::ops::conda;
use crate::platform::Platform;
use crate::recipe::{Recipe, SourceRequest};
use crate::source::Rootfs;
use crate::source::debian::archives::MirrorSettings;

/// How a lock is treated.
#[derive(Clone, Debug)]
pub struct LockOptions {
    /// The lock must be there and fit the recipe; it is not changed.
    pub locked: bool,
    /// Where archives are reached.
    pub mirrors: MirrorSettings,
    /// Where logins for conda channels are.
    pub channels: ChannelLogins,
    /// The time of day: what has expired is judged by it, and nothing else.
    pub now: Epoch,
}

/// The digest of all that decides which inputs are chosen. Where they are fetched from does not.
pub(super) fn asked(recipe: &Recipe) -> Digest {
    let platforms: Vec<String> = recipe.platforms.iter().map(ToString::to_string).collect();
    let mut what = match &recipe.source {
        SourceRequest::Debian(request) => debian::asked(request, recipe),
    };
    what["platforms"] = platforms.into();
    if !recipe.conda.is_empty() {
        what["conda"] = recipe.conda.iter().map(conda::asked).collect::<Vec<_>>().into();
    }
    Digest::of(&crate::oci::canonical_json(&what))
}

/// Resolves a recipe for each of its platforms; of an earlier lock, all but what is named, and what that needs, is kept.
pub(super) fn resolve(
    recipe: &Recipe,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<Lock, Error> {
    let mut pins = Vec::new();
    for platform in recipe.platforms.iter().copied() {
        match &recipe.source {
            SourceRequest::Debian(request) => {
                pins.push(debian::resolve(request, recipe, platform, options, keeping, context)?);
            }
        }
    }
    let lock = Lock::new(asked(recipe), pins.clone());
    for platform in recipe.platforms.iter().copied() {
        pins.extend(conda::resolve(recipe, &lock, platform, options, context)?);
    }
    Ok(Lock::new(asked(recipe), pins))
}

/// Fetches what the lock holds for `platform`.
pub(super) fn fetch(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Rootfs, Error> {
    match &recipe.source {
        SourceRequest::Debian(request) => debian::fetch(request, recipe, lock, platform, options, context),
    }
}
