//! From a pin to a root filesystem: downloading, unpacking and installing its packages.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::{self, Scope};

use super::apt_state;
use super::debconf::{self, Answers};
use super::install;
use super::local;
use super::surroundings::Surroundings;
use super::unpack::{Candidate, Unpacked};
use super::unpacking::{Unpacking, Which};
use super::{FetchError, InstallError, engine, files, part};
use crate::archive::What;
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::lock::{DebianPin, Installer};
use crate::recipe::DebconfAnswer;
use crate::report::{Phase, Unit, counted};
use crate::sandbox::Emulator;
use crate::source::{Foresee, Rootfs};
use crate::tree::{Tree, TreePath};

/// Where repositories are reached: addresses above `dists/` and `pool/`, in order of preference, by the repository's id.
pub type Mirrors = BTreeMap<String, Vec<String>>;

/// Files of keys that the recipe names, by their digests: the image's own apt gets those of the lock.
pub type Keyrings = BTreeMap<Digest, Vec<u8>>;

/// What a root filesystem is made of that is in no pin: the recipe's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlocked<'a> {
    /// Files of packages.
    pub packages: &'a [PathBuf],
    /// Answers for debconf.
    pub answers: &'a [DebconfAnswer],
}

/// Says yes for paths that are not even unpacked. Folders are not asked about.
pub type Drops<'a> = &'a (dyn Fn(&TreePath) -> bool + Sync);

/// Makes the root filesystem of `pin` and what is in no pin. With a full store it needs no network.
pub fn fetch(
    pin: &DebianPin,
    unlocked: Unlocked<'_>,
    mirrors: &Mirrors,
    keyrings: &Keyrings,
    drops: Drops<'_>,
    foresee: Foresee<'_>,
    context: &Context,
) -> Result<Rootfs, FetchError> {
    // What cannot be done on this machine is found out before anything is downloaded.
    let emulator = match pin.installer {
        Installer::Files => None,
        _ => Emulator::for_platform(pin.platform).map_err(InstallError::from)?,
    };
    let count = pin.packages.len() + unlocked.packages.len();
    let configuring = || context.reporter.begin(Phase::Configure, Some(count as u64), Unit::Items);
    let (mut tree, epoch) = match pin.installer {
        Installer::Files => {
            let (candidates, epoch) = whole(pin, unlocked, mirrors, drops, context)?;
            let tree = files::install(candidates, pin, epoch, &*context.reporter)?;
            let summary = format!("files of {count} packages of {} {}", pin.distribution, pin.suite);
            return Ok(Rootfs::new(tree, epoch, summary));
        }
        Installer::Mmdebstrap | Installer::Debootstrap => {
            let (candidates, epoch) = whole(pin, unlocked, mirrors, drops, context)?;
            configuring();
            (engine::install(&candidates, pin, unlocked.answers, epoch, context)?, epoch)
        }
        Installer::Native => {
            let unpacking = Unpacking::new(pin, drops, &context.store);
            let until = if begins_early(pin, unlocked) { Which::First } else { Which::All };
            thread::scope(|scope| {
                let _ending = unpacking.start(scope);
                unpacking.download(until, mirrors, context)?;
                configuring();
                install_native(scope, &unpacking, until, unlocked, emulator, foresee, context)
            })?
        }
    };
    context.reporter.end(Phase::Configure, &counted(count, "package"));
    debconf::own(unlocked.answers, &mut tree);
    part::cut_installed(&mut tree, pin, &*context.reporter)?;
    apt_state::write(pin, keyrings, &mut tree, epoch)?;
    Ok(Rootfs::new(tree, epoch, format!("{count} packages of {} {}", pin.distribution, pin.suite)))
}

/// Whether installing can begin when the first stage is unpacked. Answers for debconf go to whichever package takes them, and
/// base-files says how the root is laid out.
fn begins_early(pin: &DebianPin, unlocked: Unlocked<'_>) -> bool {
    let mut packages = pin.packages.iter();
    unlocked.answers.is_empty() && packages.any(|package| package.essential && package.name == "base-files")
}

/// Installs the packages by the image's own dpkg: those of the first stage while others are still being unpacked, where `until`
/// is not all. Gives the tree and its epoch.
fn install_native<'scope>(
    scope: &'scope Scope<'scope, '_>,
    unpacking: &'scope Unpacking<'_>,
    until: Which,
    unlocked: Unlocked<'_>,
    emulator: Option<Emulator>,
    foresee: Foresee<'scope>,
    context: &Context,
) -> Result<(Tree, Epoch), FetchError> {
    let store = &context.store;
    let mut outline = unpacking.outline();
    let mut first = unpacking.take(Which::First)?.expect(NO_END);
    let mut there = if until == Which::All { unpacking.take(Which::All)?.expect(NO_END) } else { Vec::new() };
    let local = local::candidates(unlocked.packages, &first, store, unpacking.drops)?;
    local.iter().for_each(|candidate| outline.add(&candidate.unpacked));
    let (mut local_first, mut local_others): (Vec<_>, _) = local.into_iter().partition(|candidate| candidate.essential);
    first.append(&mut local_first);
    there.append(&mut local_others);

    let epoch = context.epoch.or(outline.newest).unwrap_or_default();
    let architecture = unpacking.pin.platform.architecture.debian_name();
    let around = Surroundings {
        sandbox: &context.sandbox,
        store,
        reporter: &*context.reporter,
        epoch,
        installed_size: outline.installed_size,
        has_second_stage: !there.is_empty() || unpacking.pin.packages.iter().any(|package| !package.essential),
        makes_locales: outline.makes_locales,
        emulator,
        architecture,
        foreign: outline.architectures.into_iter().filter(|name| ![architecture, "all"].contains(&&**name)).collect(),
        merged_usr: merges_usr(unpacking.pin, first.iter().chain(&there)),
    };
    let answers =
        Answers::of(unlocked.answers, first.iter().chain(&there).map(|candidate| &candidate.unpacked), epoch)?;
    let others = move || {
        let others = unpacking.take(Which::All)?;
        Ok(others.map(|others| sorted(there.into_iter().chain(others).collect())))
    };
    let tree = install::install(scope, first, others, answers, foresee, &around)?;
    Ok((tree, epoch))
}

/// All packages, unpacked, and the epoch that follows from them.
fn whole(
    pin: &DebianPin,
    unlocked: Unlocked<'_>,
    mirrors: &Mirrors,
    drops: Drops<'_>,
    context: &Context,
) -> Result<(Vec<Candidate>, Epoch), FetchError> {
    let mut candidates = download(pin, mirrors, drops, context)?;
    candidates.append(&mut local::candidates(unlocked.packages, &candidates, &context.store, drops)?);
    let newest = candidates.iter().map(|candidate| candidate.unpacked.date).max();
    Ok((sorted(candidates), context.epoch.or(newest).unwrap_or_default()))
}

/// Downloads the packages that the store lacks, and unpacks each as soon as it is there; sorted by name.
pub(super) fn download(
    pin: &DebianPin,
    mirrors: &Mirrors,
    drops: Drops<'_>,
    context: &Context,
) -> Result<Vec<Candidate>, FetchError> {
    let unpacking = Unpacking::new(pin, drops, &context.store);
    thread::scope(|scope| {
        let _ending = unpacking.start(scope);
        unpacking.download(Which::All, mirrors, context)?;
        Ok(sorted(unpacking.take(Which::All)?.expect(NO_END)))
    })
}

const NO_END: &str = "unpacking ends early where a thread panics, or with this one";

/// In the order that means nothing.
fn sorted(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by(|a, b| a.unpacked.key().cmp(&b.unpacked.key()));
    candidates
}

/// Whether `/bin` and the like are links into /usr. Since bookworm a package that every system has sees to it; since
/// trixie base-files ships the links.
fn merges_usr<'p>(pin: &DebianPin, mut packages: impl Iterator<Item = &'p Candidate>) -> bool {
    let ships_links = |package: &Unpacked| {
        package.items.iter().any(|item| {
            item.path.as_bytes() == b"bin"
                && matches!(&item.what, What::Inode(inode) if inode.symlink_target().is_some())
        })
    };
    let sees_to_it = |name: &str| ["usr-is-merged", "usrmerge"].contains(&name);
    pin.packages.iter().any(|package| sees_to_it(&package.name))
        || packages.any(|candidate| {
            let package = &candidate.unpacked;
            sees_to_it(&package.name) || (package.name == "base-files" && ships_links(package))
        })
}
