//! What comes by itself: packages whose `install_if` is met.

use std::collections::BTreeSet;

use super::universe::{NameId, PackageId, Universe};
use crate::source::apk::relation::relations;

/// Further packages that `chosen` brings by itself, in the order of their names; of a name, the first choice. What has been
/// tried is not given again.
pub(super) fn more(universe: &Universe<'_>, chosen: &[PackageId], tried: &[PackageId]) -> Vec<PackageId> {
    let there: BTreeSet<NameId> = chosen.iter().chain(tried).map(|id| universe.name_of(*id)).collect();
    let names = universe.names.iter().enumerate().filter(|(number, _)| !there.contains(number));
    let first = |versions: &Vec<PackageId>| {
        let allowed = versions.iter().find(|id| universe.refused(**id).is_none() && is_met(universe, **id, chosen));
        allowed.copied()
    };
    let mut more: Vec<_> = names.filter_map(|(_, name)| Some((name.text, first(&name.versions)?))).collect();
    more.sort_unstable();
    more.into_iter().map(|(_, id)| id).collect()
}

/// Whether a package has an `install_if`, and all of it is there.
pub(super) fn is_met(universe: &Universe<'_>, id: PackageId, chosen: &[PackageId]) -> bool {
    let list = universe.record(id).install_if();
    !list.trim().is_empty()
        && relations(list).all(|relation| {
            relation
                .is_ok_and(|relation| chosen.iter().any(|there| universe.meets(*there, &relation)) != relation.conflict)
        })
}
