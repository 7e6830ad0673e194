//! From a pin to a root filesystem: downloading, unpacking and installing its packages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

use super::apt_state;
use super::install;
use super::local;
use super::surroundings::Surroundings;
use super::unpack::{self, Candidate, Unpacked};
use super::{FetchError, InstallError, debconf, engine, files, part};
use crate::archive::What;
use crate::context::Context;
use crate::digest::Digest;
use crate::http::{Job, address_in};
use crate::lock::{DebianPin, Installer, LockedPackage};
use crate::recipe::DebconfAnswer;
use crate::report::{Phase, Unit};
use crate::sandbox::Emulator;
use crate::source::{Foresee, Rootfs};
use crate::store::Blob;
use crate::tree::TreePath;

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
    let mut candidates = download(pin, mirrors, drops, context)?;
    candidates.append(&mut local::candidates(unlocked.packages, &candidates, &context.store, drops)?);
    candidates.sort_by(|a, b| a.unpacked.key().cmp(&b.unpacked.key()));
    let newest = candidates.iter().map(|candidate| candidate.unpacked.date).max();
    let epoch = context.epoch.or(newest).unwrap_or_default();
    let count = candidates.len();
    let architecture = pin.platform.architecture.debian_name();
    if pin.installer == Installer::Files {
        let tree = files::install(candidates, pin, epoch, &*context.reporter)?;
        let summary = format!("files of {count} packages of {} {}", pin.distribution, pin.suite);
        return Ok(Rootfs::new(tree, epoch, summary));
    }
    let around = Surroundings {
        sandbox: &context.sandbox,
        store: &context.store,
        reporter: &*context.reporter,
        epoch,
        emulator,
        architecture,
        foreign: foreign(&candidates, architecture),
        merged_usr: merges_usr(&candidates),
        answers: unlocked.answers,
    };
    context.reporter.begin(Phase::Configure, Some(count as u64), Unit::Items);
    let mut tree = match pin.installer {
        Installer::Mmdebstrap | Installer::Debootstrap => engine::install(&candidates, pin, &around, context)?,
        _ => {
            if let Some(tree) = install::foreseen(&candidates, &around) {
                foresee(tree, epoch);
            }
            install::install(candidates, &around)?
        }
    };
    context.reporter.end(Phase::Configure, &format!("{count} packages"));
    debconf::own(unlocked.answers, &mut tree);
    part::cut_installed(&mut tree, pin, &*context.reporter)?;
    apt_state::write(pin, keyrings, &mut tree, epoch)?;
    Ok(Rootfs::new(tree, epoch, format!("{count} packages of {} {}", pin.distribution, pin.suite)))
}

/// Downloads the packages that the store lacks, and unpacks each as soon as it is there.
pub(super) fn download(
    pin: &DebianPin,
    mirrors: &Mirrors,
    drops: Drops<'_>,
    context: &Context,
) -> Result<Vec<Candidate>, FetchError> {
    let (store, reporter) = (&context.store, &*context.reporter);
    // The largest first: they take longest to decompress.
    let mut packages: Vec<&LockedPackage> = pin.packages.iter().collect();
    packages.sort_by_key(|package| std::cmp::Reverse(package.size));
    let jobs: Vec<Job> = packages.iter().map(|package| job(package, mirrors)).collect();
    let bytes = jobs.iter().map(|job| job.size).sum();
    reporter.begin(Phase::Download, Some(bytes), Unit::Bytes);
    let unpacked: Mutex<Vec<Option<Candidate>>> = Mutex::new(packages.iter().map(|_| None).collect());
    let each = |index: usize, file: Blob| {
        let package = packages[index];
        let contents = unpack::unpack(&file, store, drops).map_err(|error| named(package, error))?;
        check(package, &contents)?;
        let priority = package.priority.clone().unwrap_or_else(|| "optional".to_owned());
        let candidate = Candidate { unpacked: contents, file, essential: package.essential, priority };
        unpacked.lock().expect("no thread panics while it holds the packages")[index] = Some(candidate);
        Ok::<_, FetchError>(())
    };
    context.http.download_all(&jobs, store, &|bytes| reporter.advance(Phase::Download, bytes), each)?;
    reporter.end(Phase::Download, &format!("{} packages, {:.1} MB", jobs.len(), bytes as f64 / 1e6));
    let unpacked = unpacked.into_inner().expect("no thread panics while it holds the packages");
    Ok(unpacked.into_iter().flatten().collect())
}

/// The architectures of the packages, but for the image's own.
fn foreign(candidates: &[Candidate], architecture: &str) -> Vec<String> {
    let all = candidates.iter().map(|candidate| candidate.unpacked.architecture.as_str());
    let foreign: BTreeSet<&str> = all.filter(|name| ![architecture, "all"].contains(name)).collect();
    foreign.into_iter().map(str::to_owned).collect()
}

fn job(package: &LockedPackage, mirrors: &Mirrors) -> Job {
    let addresses = mirrors.get(&package.repository).into_iter().flatten();
    Job {
        what: format!("{} {} ({})", package.name, package.version, package.architecture),
        candidates: addresses.map(|mirror| address_in(mirror, &package.path)).collect(),
        digest: package.sha256,
        size: package.size,
    }
}

/// The error of a package, which knows no more than its place in the store, with the package's name.
fn named(package: &LockedPackage, error: InstallError) -> FetchError {
    match error {
        InstallError::File(source) => FetchError::Package {
            package: format!("{} {} ({})", package.name, package.version, package.architecture),
            path: package.path.clone(),
            source,
        },
        other => other.into(),
    }
}

/// What is in a .deb is what the lock calls it.
fn check(locked: &LockedPackage, found: &Unpacked) -> Result<(), FetchError> {
    let names = (&found.name, &found.version, &found.architecture);
    if names == (&locked.name, &locked.version, &locked.architecture) {
        return Ok(());
    }
    Err(FetchError::OtherPackage {
        expected: format!("{} {} ({})", locked.name, locked.version, locked.architecture),
        found: format!("{} {} ({})", found.name, found.version, found.architecture),
        path: locked.path.clone(),
    })
}

/// Whether `/bin` and the like are links into /usr. Since bookworm a package that every system has sees to it; since
/// trixie base-files ships the links.
fn merges_usr(candidates: &[Candidate]) -> bool {
    let ships_links = |package: &Unpacked| {
        package.items.iter().any(|item| {
            item.path.as_bytes() == b"bin"
                && matches!(&item.what, What::Inode(inode) if inode.symlink_target().is_some())
        })
    };
    candidates.iter().map(|candidate| &candidate.unpacked).any(|package| match package.name.as_str() {
        "usr-is-merged" | "usrmerge" => true,
        "base-files" => ships_links(package),
        _ => false,
    })
}
