//! From a recipe's source to a lock, and from the lock to a root filesystem: which family does what.

mod apk;
mod archive;
mod debian;
mod dnf;
mod host;
pub(super) mod mirrors;
mod oci;
mod scratch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

pub(super) use scratch::skeleton;

use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::http::ChannelLogins;
use crate::lock::{Lock, Pin};
use crate::platform::Platform;
use crate::recipe::{Recipe, SourceRequest};
use crate::source::debian::archives::MirrorSettings;
use crate::source::oci::Inherited;
use crate::source::{Foresee, Rootfs, remembered};

/// How a lock is treated.
#[derive(Clone, Debug)]
pub struct LockOptions {
    /// The lock must be there and fit the recipe; it is not changed.
    pub locked: bool,
    /// The lock's file, where it is not beside the recipe.
    pub file: Option<PathBuf>,
    /// Where archives are reached.
    pub mirrors: MirrorSettings,
    /// Where logins for conda channels are.
    pub channels: ChannelLogins,
    /// The socket of the Docker engine, for recipes that start from its images.
    pub docker_socket: PathBuf,
    /// Secrets by id: for `[[run]]`, and logins of archives.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Folders of this machine's programs.
    pub programs: Vec<PathBuf>,
    /// The time of day: what has expired is judged by it, and nothing else.
    pub now: Epoch,
}

/// All that decides which inputs of the root filesystem are chosen. Where they are fetched from does not.
pub(super) fn asked(recipe: &Recipe) -> Value {
    let platforms: Vec<String> = recipe.platforms.iter().map(ToString::to_string).collect();
    let mut what = match &recipe.source {
        SourceRequest::Debian(request) => debian::asked(request, recipe),
        SourceRequest::Oci(request) => oci::asked(request, recipe),
        SourceRequest::Archive(request) => archive::asked(request, recipe),
        SourceRequest::Scratch(request) => scratch::asked(request, recipe),
        SourceRequest::Host(request) => host::asked(request),
        SourceRequest::Dnf(request) => dnf::asked(request, recipe),
        SourceRequest::Apk(request) => apk::asked(request, recipe),
    };
    what["platforms"] = platforms.into();
    what
}

/// Whether a recipe's root filesystem has anything to lock. What is built into this program is not in the lock.
pub(super) fn has_inputs(recipe: &Recipe) -> bool {
    match &recipe.source {
        SourceRequest::Scratch(request) => request.tini.is_some(),
        // What is captured is what is built.
        SourceRequest::Host(_) => false,
        _ => true,
    }
}

/// Whether a lock holds what the recipe asks for as far as `asked` does not say: that its signers are among the keys which
/// the recipe names. Those are read even where there is no lock: a keyring without keys is an error.
pub(super) fn is_signed_as_asked(recipe: &Recipe, lock: Option<&Lock>) -> Result<bool, Error> {
    match &recipe.source {
        SourceRequest::Debian(request) => debian::is_signed_as_asked(request, recipe, lock),
        SourceRequest::Scratch(request) => {
            request.tini.as_ref().map_or(Ok(true), |archive| debian::is_signed_as_asked(archive, recipe, lock))
        }
        SourceRequest::Dnf(request) => dnf::is_signed_as_asked(request, recipe, lock),
        SourceRequest::Apk(request) => apk::is_signed_as_asked(request, recipe, lock),
        SourceRequest::Oci(_) | SourceRequest::Archive(_) | SourceRequest::Host(_) => Ok(true),
    }
}

/// Resolves a recipe for each of its platforms; of an earlier lock, all but what is named, and what that needs, is kept.
pub(super) fn resolve(
    recipe: &Recipe,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<Vec<Pin>, Error> {
    let mut pins = Vec::new();
    for platform in recipe.platforms.iter().copied() {
        check_packages(recipe, platform)?;
        match &recipe.source {
            SourceRequest::Debian(request) => {
                pins.push(Pin::Debian(debian::resolve(request, recipe, platform, options, keeping, context)?));
            }
            SourceRequest::Scratch(request) => {
                pins.extend(scratch::resolve(request, recipe, platform, options, keeping, context)?);
            }
            SourceRequest::Oci(request) => {
                pins.push(oci::resolve(request, recipe, platform, options, context)?);
            }
            SourceRequest::Archive(request) => pins.push(archive::resolve(request, recipe, platform, context)?),
            // What is captured is what is built.
            SourceRequest::Host(_) => {}
            SourceRequest::Dnf(request) => {
                pins.push(dnf::resolve(request, recipe, platform, options, keeping, context)?);
            }
            SourceRequest::Apk(request) => {
                pins.push(apk::resolve(request, recipe, platform, options, keeping, context)?);
            }
        }
    }
    Ok(pins)
}

/// Refuses a platform that nothing is built for of what the recipe takes packages from.
fn check_packages(recipe: &Recipe, platform: Platform) -> Result<(), Error> {
    let from = match &recipe.source {
        SourceRequest::Debian(_) => "[from.debian]",
        SourceRequest::Dnf(_) => "[from.dnf]",
        SourceRequest::Apk(_) => "[from.apk]",
        SourceRequest::Scratch(request) if request.tini.is_some() => "tini of [from.scratch]",
        _ if !recipe.conda.is_empty() => "[[conda]]",
        _ => return Ok(()),
    };
    if platform.architecture.has_packages() {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("there are no packages for {platform}, and {from} needs some"),
        help: "images for it are made of static programs, archives and other images: [from.scratch], [from.archive], [from.oci]"
            .to_owned(),
    })
}

/// Makes the root filesystem of what the lock holds for `platform`; one that takes long to make is remembered. What is
/// captured from this machine never has `outputs` in it. `foresee` is told early what it will be like, where that is known.
pub(super) fn fetch(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    outputs: &[PathBuf],
    foresee: Foresee<'_>,
    context: &Context,
) -> Result<Rootfs, Error> {
    if !is_remembered(&recipe.source) {
        return fetch_anew(recipe, lock, platform, options, outputs, foresee, context);
    }
    let asked = Digest::of(&crate::oci::canonical_json(&asked(recipe)));
    let mut what = serde_json::json!({
        "rootfs": lock.without_conda(asked).to_text(),
        "platform": platform.to_string(),
        "prune": format!("{:?}", recipe.prune),
        "epoch": context.epoch.map(Epoch::seconds),
        "engine": remembered::engine(),
    });
    if let SourceRequest::Debian(request) = &recipe.source {
        what["unlocked"] = debian::unlocked(request);
    }
    let key = Digest::of(&crate::oci::canonical_json(&what));
    if let Some(rootfs) = remembered::recall(&key, &context.store) {
        context.reporter.note(&format!("{}, as made before", rootfs.summary));
        return Ok(rootfs);
    }
    let rootfs = fetch_anew(recipe, lock, platform, options, outputs, foresee, context)?;
    remembered::remember(&key, &rootfs, &context.store);
    Ok(rootfs)
}

/// Whether the lock and the recipe's local files say all that a root filesystem depends on.
pub(super) fn is_locked_whole(recipe: &Recipe, lock: &Lock) -> bool {
    match &recipe.source {
        // One that has changed is for the source to refuse.
        SourceRequest::Archive(request) => archive::are_as_locked(request, recipe, lock),
        source => source.name() != "host",
    }
}

/// Whether making a root filesystem takes so long that it is worth remembering, and depends on the lock alone.
fn is_remembered(source: &SourceRequest) -> bool {
    ["debian", "dnf", "apk"].contains(&source.name())
}

fn fetch_anew(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    outputs: &[PathBuf],
    foresee: Foresee<'_>,
    context: &Context,
) -> Result<Rootfs, Error> {
    match &recipe.source {
        SourceRequest::Debian(request) => debian::fetch(request, recipe, lock, platform, options, foresee, context),
        SourceRequest::Apk(request) => apk::fetch(request, lock, platform, options, context),
        SourceRequest::Dnf(request) => dnf::fetch(request, lock, platform, options, context),
        SourceRequest::Oci(request) => oci::fetch(request, lock, platform, options, context),
        SourceRequest::Archive(request) => archive::fetch(request, recipe, lock, platform, context),
        SourceRequest::Scratch(request) => scratch::fetch(request, recipe, lock, platform, options, context),
        SourceRequest::Host(request) => host::fetch(request, outputs, options.now, context),
    }
}

/// What the image takes over from one that it starts from; nothing where it does not. What is locked was fetched before.
pub(super) fn inherited(
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    context: &Context,
) -> Result<Inherited, Error> {
    match &recipe.source {
        SourceRequest::Oci(request) => oci::inherited(request, lock, platform, context),
        _ => Ok(Inherited::default()),
    }
}
