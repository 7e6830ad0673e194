//! Keeping most of a lock while some of its packages move on.

use std::collections::BTreeSet;

use super::error::ApkError;
use super::relation::{Relation, provided, relations};
use super::solve::Chosen;
use crate::lock::{ApkPin, LockedApk};

/// The packages of `old` that stay as they are: all but those of `names`, what these need, and what is tied to a version
/// of those.
pub(super) fn kept(old: &ApkPin, chosen: &[Chosen<'_>], names: &[String]) -> Result<Vec<LockedApk>, ApkError> {
    let mut moving: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        let found = chosen.iter().find(|chosen| chosen.record.name() == name);
        moving.insert(found.ok_or_else(|| ApkError::NotChosen { name: name.clone() })?.record.name());
    }
    loop {
        let before = moving.len();
        for package in chosen {
            let record = package.record;
            for relation in relations(record.depends()).flatten().filter(|relation| !relation.conflict) {
                let needed = chosen.iter().find(|other| meets(other, &relation)).map(|other| other.record.name());
                if moving.contains(record.name()) {
                    moving.extend(needed);
                } else if relation.versions.is_some() && needed.is_some_and(|name| moving.contains(name)) {
                    moving.insert(record.name());
                }
            }
        }
        if moving.len() == before {
            break;
        }
    }
    let stays = |package: &&LockedApk| {
        !moving.contains(package.name.as_str()) && chosen.iter().any(|chosen| chosen.record.name() == package.name)
    };
    Ok(old.packages.iter().filter(stays).cloned().collect())
}

fn meets(package: &Chosen<'_>, relation: &Relation<'_>) -> bool {
    let record = package.record;
    let own = record.name() == relation.name && relation.fits(Some(record.version()));
    own || provided(record.provides()).any(|name| name.name == relation.name && relation.fits(name.version))
}
