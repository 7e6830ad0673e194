//! What differs between two locks, for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::digest::Digest;
use crate::lock::{Lock, LockedApk, LockedPackage};
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
}

/// The packages that `old` and `new` have differently, by name; on several platforms the same change counts once.
pub fn changes(old: &Lock, new: &Lock) -> Vec<Change> {
    let (old, new) = (packages(old), packages(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut changes = BTreeSet::new();
    for key in keys {
        let (before, after) = (old.get(&key), new.get(&key));
        if before.map(|package| package.1) == after.map(|package| package.1) {
            continue;
        }
        changes.insert(Change {
            name: key.1.to_owned(),
            architecture: key.2.to_owned(),
            before: before.map(|package| package.0.to_owned()),
            after: after.map(|package| package.0.to_owned()),
        });
    }
    changes.into_iter().collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, architecture, before, after } = self;
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

/// The version and digest of every package, by platform, name and architecture.
fn packages(lock: &Lock) -> BTreeMap<(Platform, &str, &str), (&str, Digest)> {
    let mut all = BTreeMap::new();
    for pin in &lock.debian {
        for LockedPackage { name, version, architecture, sha256, .. } in &pin.packages {
            all.insert((pin.platform, name.as_str(), architecture.as_str()), (version.as_str(), *sha256));
        }
    }
    for pin in &lock.apk {
        for LockedApk { name, version, architecture, sha256, .. } in &pin.packages {
            all.insert((pin.platform, name.as_str(), architecture.as_str()), (version.as_str(), *sha256));
        }
    }
    all
}
