//! What leads to each package of a solution.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::source::debian::solve::universe::{Kind, PackageId, Universe};
use crate::source::debian::solve::wanted::Root;
use crate::source::debian::solve::{Reason, SolveError, walk};

/// The packages of `chosen` to which any way leads, each with the shortest reason.
pub(super) fn all<'a>(
    universe: &mut Universe<'a>,
    roots: &[Root<'a>],
    chosen: &[PackageId],
    recommends: bool,
) -> Result<BTreeMap<PackageId, Reason<'a>>, SolveError> {
    let chosen: BTreeSet<_> = chosen.iter().copied().collect();
    let mut reached = BTreeMap::new();
    let mut queue = VecDeque::new();
    for root in roots {
        for id in root.versions.iter().filter(|id| chosen.contains(id)) {
            reached.insert(*id, root.reason);
            queue.push_back(*id);
        }
    }
    while let Some(id) = queue.pop_front() {
        let wishes = universe.wishes(id)?;
        for (kind, group) in &wishes.groups {
            if *kind == Kind::Recommends && !recommends {
                continue;
            }
            let group = universe.group(*group);
            let package = universe.record(id).name();
            let reason = Reason::NeededBy { package, relation: group.text, recommended: *kind == Kind::Recommends };
            for found in group.alternatives.iter().flat_map(|alternative| &alternative.packages) {
                if chosen.contains(found) && !reached.contains_key(found) {
                    reached.insert(*found, reason);
                    queue.push_back(*found);
                }
            }
        }
    }
    Ok(reached)
}

/// The packages of `chosen` that are enough for `roots`: where several would satisfy a relation, the first choice only.
pub(super) fn needed(
    universe: &mut Universe<'_>,
    roots: &[PackageId],
    chosen: &[PackageId],
) -> Result<BTreeSet<PackageId>, SolveError> {
    let chosen: BTreeSet<_> = chosen.iter().copied().collect();
    let mut needed: BTreeSet<_> = roots.iter().copied().filter(|id| chosen.contains(id)).collect();
    let mut queue: VecDeque<_> = needed.iter().copied().collect();
    while let Some(id) = queue.pop_front() {
        let wishes = universe.wishes(id)?;
        for (_, group) in wishes.groups.iter().filter(|(kind, _)| *kind != Kind::Recommends) {
            let alternatives = &universe.group(*group).alternatives;
            if alternatives.iter().any(|alternative| alternative.packages.iter().any(|id| needed.contains(id))) {
                continue;
            }
            let first = alternatives.iter().find_map(|alternative| {
                let there = alternative.packages.iter().copied().filter(|id| chosen.contains(id));
                there.min_by(|left, right| walk::compare(universe, alternative.target, *left, *right))
            });
            if let Some(first) = first {
                needed.insert(first);
                queue.push_back(first);
            }
        }
    }
    Ok(needed)
}
