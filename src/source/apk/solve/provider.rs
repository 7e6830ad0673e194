//! The packages in the words of resolvo, the solver.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, DenseIndex, Dependencies, DependencyProvider, HintDependenciesAvailable,
    Interner, KnownDependencies, Requirement, SolvableId, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use super::universe::{NameId, PackageId, Universe};
use crate::source::apk::relation::Relation;

/// The packages in resolvo's words. Its solvables and names are ours by number.
pub(super) struct Provider<'u, 'a> {
    pub(super) universe: &'u Universe<'a>,
    sets: RefCell<Vec<Set>>,
    unions: RefCell<Vec<Vec<VersionSetId>>>,
}

/// Some versions of one name.
struct Set {
    name: resolvo::NameId,
    packages: Vec<PackageId>,
    of: Of,
}

/// What a set of versions stands for, for people.
#[derive(Clone)]
pub(super) enum Of {
    /// An entry of the world.
    World(String),
    /// A dependency.
    Need(String),
    /// What may be there beside a package that conflicts with the others.
    Peace,
}

impl<'u, 'a> Provider<'u, 'a> {
    /// The packages of `universe`.
    pub(super) fn new(universe: &'u Universe<'a>) -> Self {
        Self { universe, sets: RefCell::default(), unions: RefCell::default() }
    }

    /// What a requirement stands for.
    pub(super) fn of(&self, requirement: Requirement) -> Of {
        let set = match requirement {
            Requirement::Single(set) => set,
            Requirement::Union(union) => self.unions.borrow()[union.to_index()][0],
        };
        self.sets.borrow()[set.to_index()].of.clone()
    }

    /// The packages that meet a relation, as a requirement.
    pub(super) fn requirement(&self, relation: &Relation<'a>, in_world: bool) -> Requirement {
        let text = relation.to_string();
        let of = if in_world { Of::World(text) } else { Of::Need(text) };
        let mut by_name: Vec<(NameId, Vec<PackageId>)> = Vec::new();
        for id in self.universe.fitting(relation) {
            let name = self.universe.name_of(id);
            match by_name.iter_mut().find(|(known, _)| *known == name) {
                None => by_name.push((name, vec![id])),
                Some((_, ids)) => ids.push(id),
            }
        }
        let mut sets: Vec<_> = by_name.into_iter().map(|(name, ids)| self.add_set(name, ids, of.clone())).collect();
        match sets.len() {
            // A name that nothing has: the number after the last.
            0 => self.add_set(self.universe.names.len(), Vec::new(), of).into(),
            1 => sets.remove(0).into(),
            _ => {
                let mut unions = self.unions.borrow_mut();
                unions.push(sets);
                VersionSetUnionId::from_index(unions.len() - 1).into()
            }
        }
    }

    fn add_set(&self, name: NameId, packages: Vec<PackageId>, of: Of) -> VersionSetId {
        let mut sets = self.sets.borrow_mut();
        sets.push(Set { name: resolvo::NameId::from_index(name), packages, of });
        VersionSetId::from_index(sets.len() - 1)
    }

    /// The packages that cannot be there beside `id`: those that it conflicts with, and those that have one of its names,
    /// unless both have it without a version.
    fn enemies(&self, id: PackageId, relations: &[Relation<'a>]) -> BTreeMap<NameId, Vec<PackageId>> {
        let mut enemies: BTreeMap<NameId, Vec<PackageId>> = BTreeMap::new();
        let mut add = |enemy: PackageId| {
            let name = self.universe.name_of(enemy);
            if name != self.universe.name_of(id) {
                enemies.entry(name).or_default().push(enemy);
            }
        };
        for relation in relations.iter().filter(|relation| relation.conflict) {
            let having = self.universe.having(relation.name).iter();
            having.filter(|(_, version)| relation.fits(*version)).for_each(|(enemy, _)| add(*enemy));
        }
        for name in self.universe.names_of(id) {
            let having = self.universe.having(name.name).iter();
            having
                .filter(|(_, version)| version.is_some() || name.version.is_some())
                .for_each(|(enemy, _)| add(*enemy));
        }
        enemies
    }
}

impl Interner for Provider<'_, '_> {
    type NameId = resolvo::NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.universe.described(solvable.to_index())
    }

    fn display_name(&self, name: resolvo::NameId) -> impl Display + '_ {
        self.universe.names.get(name.to_index()).map_or("", |name| name.text)
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        format!("{} versions", self.sets.borrow()[set.to_index()].packages.len())
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        "its relations cannot be read"
    }

    fn version_set_name(&self, set: VersionSetId) -> resolvo::NameId {
        self.sets.borrow()[set.to_index()].name
    }

    fn solvable_name(&self, solvable: SolvableId) -> resolvo::NameId {
        resolvo::NameId::from_index(self.universe.name_of(solvable.to_index()))
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.unions.borrow()[union.to_index()].clone().into_iter()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl DependencyProvider for Provider<'_, '_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let sets = self.sets.borrow();
        let packages = &sets[set.to_index()].packages;
        candidates.iter().copied().filter(|id| packages.contains(&id.to_index()) != inverse).collect()
    }

    async fn get_candidates(&self, name: resolvo::NameId) -> Option<Candidates> {
        let name = self.universe.names.get(name.to_index())?;
        let allowed = name.versions.iter().filter(|id| self.universe.refused(**id).is_none());
        let candidates = allowed.map(|id| SolvableId::from_index(*id)).collect();
        let hint_dependencies_available = HintDependenciesAvailable::None;
        Some(Candidates { candidates, hint_dependencies_available, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        let Some(first) = solvables.first() else { return };
        let versions = &self.universe.names[self.universe.name_of(first.to_index())].versions;
        solvables.sort_by_key(|id| versions.iter().position(|version| *version == id.to_index()));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let id = solvable.to_index();
        let Some(relations) = self.universe.relations(id) else {
            return Dependencies::Unknown(StringId::from_index(0));
        };
        let needs = relations.iter().filter(|relation| !relation.conflict && !self.universe.meets(id, relation));
        let requirements = needs.map(|relation| self.requirement(relation, false).into()).collect();
        let constrains = self.enemies(id, &relations).into_iter().map(|(name, enemies)| {
            let versions = self.universe.names[name].versions.iter().copied();
            let friends = versions.filter(|id| !enemies.contains(id)).collect();
            self.add_set(name, friends, Of::Peace)
        });
        Dependencies::Known(KnownDependencies { requirements, constrains: constrains.collect() })
    }
}
