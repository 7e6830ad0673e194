//! Packages that one side has and the other has not, or in another version.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::package::{Manager, Package};

/// A package that is different.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its architecture, in its manager's name.
    pub architecture: String,
    /// Its manager.
    pub manager: Manager,
    /// The version that was there; nothing where it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The version that is there; nothing where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The changes, by name. Where a side has several versions at once (kernels of rpm), each counts by itself.
pub fn changes(before: Vec<Package>, after: Vec<Package>) -> Vec<PackageChange> {
    let (before, after) = (versions(before), versions(after));
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let none = Vec::new();
    let mut changes = Vec::new();
    for key in keys {
        let (old, new) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
        let gone: Vec<&String> = old.iter().filter(|version| !new.contains(version)).collect();
        let come: Vec<&String> = new.iter().filter(|version| !old.contains(version)).collect();
        let change = |before: Option<&String>, after: Option<&String>| PackageChange {
            name: key.0.clone(),
            architecture: key.1.clone(),
            manager: key.2,
            before: before.cloned(),
            after: after.cloned(),
        };
        match (gone.as_slice(), come.as_slice()) {
            ([gone], [come]) => changes.push(change(Some(gone), Some(come))),
            _ => {
                changes.extend(gone.into_iter().map(|version| change(Some(version), None)));
                changes.extend(come.into_iter().map(|version| change(None, Some(version))));
            }
        }
    }
    changes.sort();
    changes
}

/// Name, architecture, manager.
type Key = (String, String, Manager);

fn versions(packages: Vec<Package>) -> BTreeMap<Key, Vec<String>> {
    let mut versions: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for package in packages {
        versions.entry((package.name, package.architecture, package.manager)).or_default().push(package.version);
    }
    versions
}
