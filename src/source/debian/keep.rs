//! `lock --update NAME`: which packages move with the named ones, and which stay as they are locked.

use std::collections::BTreeSet;

use super::ResolveError;
use super::index::Record;
use super::relation::{self, Operator, Relation};
use super::solve::Solution;
use crate::lock::{DebianPin, LockedPackage};

/// The packages that have to move when those of `names` do: what they depend on, and what is tied to the exact version
/// of one that moves.
pub(super) fn moving<'a>(solution: &Solution<'a>, names: &[String]) -> Result<BTreeSet<&'a str>, ResolveError> {
    let mut moving = BTreeSet::new();
    for name in names {
        let chosen = solution.packages.iter().find(|chosen| chosen.record.name() == name);
        let chosen = chosen.ok_or_else(|| ResolveError::NotChosen { name: name.clone() })?;
        moving.insert(chosen.record.name());
    }
    loop {
        let before = moving.len();
        for record in solution.packages.iter().map(|chosen| chosen.record) {
            let relations = relations(record);
            if moving.contains(record.name()) {
                let needed =
                    |relation: &Relation<'_>| solution.packages.iter().find(|other| meets(other.record, relation));
                moving.extend(relations.iter().filter_map(needed).map(|chosen| chosen.record.name()));
            } else if relations.iter().any(|relation| is_tied(relation) && moving.contains(relation.name)) {
                moving.insert(record.name());
            }
        }
        if moving.len() == before {
            return Ok(moving);
        }
    }
}

/// What packages of a solution depend on and the solution does not have, as the index writes it. Sorted.
pub(super) fn unmet(solution: &Solution<'_>) -> Vec<String> {
    let has = |relation: &Relation<'_>| solution.packages.iter().any(|chosen| meets(chosen.record, relation));
    let mut unmet = BTreeSet::new();
    for record in solution.packages.iter().map(|chosen| chosen.record) {
        for group in [record.pre_depends(), record.depends()].into_iter().flat_map(relation::groups).flatten() {
            if !group.iter().any(has) {
                unmet.extend(group.first().map(|relation| relation.name.to_owned()));
            }
        }
    }
    unmet.into_iter().collect()
}

/// The entry of the same package in an earlier pin.
pub(super) fn locked<'p>(pin: &'p DebianPin, record: Record<'_>) -> Option<&'p LockedPackage> {
    let same =
        |package: &&LockedPackage| package.name == record.name() && package.architecture == record.architecture();
    pin.packages.iter().find(same)
}

fn relations(record: Record<'_>) -> Vec<Relation<'_>> {
    let fields = [record.pre_depends(), record.depends()];
    fields.into_iter().flat_map(|field| relation::groups(field).flatten().flatten()).collect()
}

fn meets(record: Record<'_>, relation: &Relation<'_>) -> bool {
    record.name() == relation.name
        || relation::singles(record.provides()).flatten().any(|name| name.name == relation.name)
}

fn is_tied(relation: &Relation<'_>) -> bool {
    matches!(relation.constraint, Some((Operator::Equal, _)))
}
