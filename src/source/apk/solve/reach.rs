//! Which of the chosen packages are needed, and whether a person would have had to choose one of them.

use std::collections::{BTreeSet, VecDeque};

use super::error::SolveError;
use super::follow;
use super::universe::{PackageId, Universe};
use crate::source::apk::relation::Relation;

/// The packages of a solution, and which of them belong into the world because apk would not take them by themselves.
pub(super) struct Needed {
    pub(super) packages: BTreeSet<PackageId>,
    pub(super) unasked: BTreeSet<PackageId>,
}

/// Those of `chosen` that the world needs. Where several of them are what a relation asks for, one that is needed anyway
/// serves it, else the first choice. Fails where one was chosen only for a virtual name that several packages have and none
/// is preferred for.
pub(super) fn needed(universe: &Universe<'_>, chosen: &[PackageId]) -> Result<Needed, SolveError> {
    let mut needed: BTreeSet<PackageId> = BTreeSet::new();
    let mut unasked: BTreeSet<PackageId> = BTreeSet::new();
    let mut open: VecDeque<Relation<'_>> = universe.world.iter().copied().collect();
    let mut doubtful: VecDeque<(Relation<'_>, Vec<PackageId>)> = VecDeque::new();
    loop {
        let mut more: Vec<PackageId> = Vec::new();
        if let Some(relation) = open.pop_front() {
            let choices = choices(universe, chosen, &relation);
            match choices[..] {
                [only] if is_choice_of_apk(universe, only, &relation) => more.push(only),
                _ => doubtful.push_back((relation, choices)),
            }
        } else {
            let so_far: Vec<PackageId> = needed.iter().copied().collect();
            more.extend(chosen.iter().filter(|id| !needed.contains(id) && follow::is_met(universe, **id, &so_far)));
            if more.is_empty() {
                let Some((relation, choices)) = doubtful.pop_front() else { break };
                let is_served = choices.iter().any(|id| needed.contains(id));
                let first = choices.iter().find(|id| is_choice_of_apk(universe, **id, &relation));
                let only = choices.first().filter(|id| has_no_rival(universe, **id, &relation));
                let choice = first.or(only).copied().filter(|_| !is_served);
                unasked.extend(choice.filter(|_| first.is_none()));
                more.extend(choice);
            }
        }
        for id in more {
            if needed.insert(id) {
                open.extend(universe.relations(id).unwrap_or_default());
            }
        }
    }
    let world = universe.world.iter().map(|relation| (None, *relation));
    let relations = needed.iter().flat_map(|id| {
        universe.relations(*id).unwrap_or_default().into_iter().map(move |relation| (Some(*id), relation))
    });
    for (by, relation) in world.chain(relations).filter(|(_, relation)| !relation.conflict) {
        if !needed.iter().any(|id| universe.meets(*id, &relation)) {
            let fitting = universe.fitting(&relation).into_iter();
            let providers: BTreeSet<_> = fitting.map(|id| universe.record(id).name()).collect();
            return Err(SolveError::Virtual {
                name: relation.to_string(),
                by: by.map(|id| format!(", which {} needs", universe.described(id))).unwrap_or_default(),
                providers: providers.into_iter().collect::<Vec<_>>().join(", "),
            });
        }
    }
    Ok(Needed { packages: needed, unasked })
}

/// Those of `chosen` that a relation asks for, the first choice first.
fn choices(universe: &Universe<'_>, chosen: &[PackageId], relation: &Relation<'_>) -> Vec<PackageId> {
    if relation.conflict {
        return Vec::new();
    }
    let mut choices = universe.fitting(relation);
    choices.retain(|id| chosen.contains(id));
    choices
}

/// Whether apk takes a package for a relation by itself: by its own name, by a name with a version, or where it has a
/// priority.
fn is_choice_of_apk(universe: &Universe<'_>, id: PackageId, relation: &Relation<'_>) -> bool {
    let names_it =
        |name: &str, version: Option<&str>| name == relation.name && relation.fits(version) && version.is_some();
    universe.names_of(id).any(|name| names_it(name.name, name.version)) || universe.record(id).provider_priority() > 0
}

/// Whether nothing else could serve a relation, so that nobody has to choose.
fn has_no_rival(universe: &Universe<'_>, id: PackageId, relation: &Relation<'_>) -> bool {
    universe.fitting(relation).iter().all(|other| universe.name_of(*other) == universe.name_of(id))
}
