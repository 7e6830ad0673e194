//! What differs between two locks, for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::lock::{ArchivePin, Lock};
use crate::platform::Platform;

/// A package that one of two locks has otherwise than the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// The version that was locked, if it was.
    pub before: Option<String>,
    /// The version that is locked, if it is. The same as before where only the file differs.
    pub after: Option<String>,
    /// Whether a suite of security updates has the version that is locked.
    pub security: bool,
}

/// The packages, archives and images that two locks have differently, by name; on several platforms the same change counts
/// once.
pub fn changes(old_lock: &Lock, new_lock: &Lock) -> Vec<Change> {
    let (old, new) = (packages(old_lock), packages(new_lock));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let security = security(new_lock);
    let mut changes = BTreeSet::new();
    for key in keys {
        let (before, after) = (old.get(&key), new.get(&key));
        if before.map(|(_, sha256)| sha256) == after.map(|(_, sha256)| sha256) {
            continue;
        }
        changes.insert(Change {
            name: key.1.to_owned(),
            architecture: key.2.to_owned(),
            before: before.map(|(version, _)| (*version).to_owned()),
            after: after.map(|(version, _)| (*version).to_owned()),
            security: security.contains(&(key.1, key.2)),
        });
    }
    changes.extend(super::oci::changes(&old_lock.oci, &new_lock.oci));
    changes.extend(archives(old_lock, new_lock));
    changes.into_iter().collect()
}

/// The suites of `new` that are older than in `old`, with both dates: a mirror that lags behind, or one that is held back.
/// Dated archives are as old as the recipe wants them.
pub fn set_back(old: &Lock, new: &Lock) -> Vec<(String, Epoch, Epoch)> {
    let suites = |lock: &Lock| {
        let repositories = lock.debian.iter().flat_map(|pin| &pin.repositories);
        let moving = repositories.filter(|repository| repository.snapshot.is_none());
        moving.map(|repository| ((repository.id.clone(), repository.suite.clone()), repository.date)).collect()
    };
    let (old, new): (BTreeMap<_, Epoch>, BTreeMap<_, Epoch>) = (suites(old), suites(new));
    let both = new.into_iter().filter_map(|(key, now)| old.get(&key).map(|before| (key.1, *before, now)));
    both.filter(|(_, before, now)| now < before).collect()
}

/// Names and architectures of packages of which a suite of security updates has this version.
fn security(lock: &Lock) -> BTreeSet<(&str, &str)> {
    let packages = lock.debian.iter().flat_map(|pin| &pin.packages).filter(|package| package.security);
    packages.map(|package| (package.name.as_str(), package.architecture.as_str())).collect()
}

/// The archives that are others: in place of a version, the first digits of the digest.
fn archives(old: &Lock, new: &Lock) -> Vec<Change> {
    let platforms: BTreeSet<Platform> = old.archive.iter().chain(&new.archive).map(|pin| pin.platform).collect();
    let version = |pin: &ArchivePin| format!("sha256:{}", &pin.sha256.hex()[..12]);
    let change = |platform: Platform| {
        let (before, after) = (old.archive(platform), new.archive(platform));
        let name = after.or(before)?.name().to_owned();
        let same = before.map(|pin| pin.sha256) == after.map(|pin| pin.sha256);
        (!same).then(|| Change {
            name,
            architecture: platform.architecture.oci_name().to_owned(),
            before: before.map(version),
            after: after.map(version),
            security: false,
        })
    };
    platforms.into_iter().filter_map(change).collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, architecture, before, after, .. } = self;
        match (before, after) {
            (Some(before), Some(after)) if before == after => {
                write!(f, "~ {name}:{architecture} {after} (other bytes of the same version)")
            }
            (Some(before), Some(after)) => write!(f, "~ {name}:{architecture} {before} -> {after}"),
            (None, Some(after)) => write!(f, "+ {name}:{architecture} {after}"),
            (Some(before), None) => write!(f, "- {name}:{architecture} {before}"),
            (None, None) => Ok(()),
        }
    }
}

/// Every package by platform, name and architecture: its version and digest.
fn packages(lock: &Lock) -> BTreeMap<(Platform, &str, &str), (&str, &Digest)> {
    let mut all = BTreeMap::new();
    for (platform, package) in lock.debian.iter().flat_map(|pin| pin.packages.iter().map(|one| (pin.platform, one))) {
        all.insert((platform, &*package.name, &*package.architecture), (&*package.version, &package.sha256));
    }
    for (platform, package) in lock.dnf.iter().flat_map(|pin| pin.packages.iter().map(|one| (pin.platform, one))) {
        all.insert((platform, &*package.name, &*package.architecture), (&*package.version, &package.sha256));
    }
    for (platform, package) in lock.apk.iter().flat_map(|pin| pin.packages.iter().map(|one| (pin.platform, one))) {
        all.insert((platform, &*package.name, &*package.architecture), (&*package.version, &package.sha256));
    }
    all
}
