//! What differs between two locks, for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::lock::{Lock, LockedPackage};
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

/// The packages and images that two locks have differently, by name; on several platforms the same change counts once.
pub fn changes(old_lock: &Lock, new_lock: &Lock) -> Vec<Change> {
    let (old, new) = (packages(old_lock), packages(new_lock));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut changes = BTreeSet::new();
    for key in keys {
        let (before, after) = (old.get(&key), new.get(&key));
        if before.map(|package| &package.sha256) == after.map(|package| &package.sha256) {
            continue;
        }
        changes.insert(Change {
            name: key.1.to_owned(),
            architecture: key.2.to_owned(),
            before: before.map(|package| package.version.clone()),
            after: after.map(|package| package.version.clone()),
        });
    }
    changes.extend(super::oci::changes(&old_lock.oci, &new_lock.oci));
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

/// Every package by platform, name and architecture.
fn packages(lock: &Lock) -> BTreeMap<(Platform, &str, &str), &LockedPackage> {
    let pins = lock.debian.iter();
    let each = pins.flat_map(|pin| pin.packages.iter().map(move |package| (pin.platform, package)));
    each.map(|(platform, package)| ((platform, package.name.as_str(), package.architecture.as_str()), package))
        .collect()
}
