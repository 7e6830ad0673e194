//! The packages in the words of resolvo, the solver.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, DenseIndex, Dependencies, DependencyProvider, HintDependenciesAvailable,
    Interner, KnownDependencies, Requirement, SolvableId, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use crate::source::debian::solve::universe::{GroupId, Kind, NameId, PackageId, Universe};
use crate::source::debian::solve::wanted::Root;
use crate::source::debian::solve::{SolveError, walk};

/// The packages in resolvo's words. Its solvables and names are ours by number.
pub(super) struct Provider<'u, 'a> {
    universe: RefCell<&'u mut Universe<'a>>,
    favoured: Vec<bool>,
    preferred: &'u [&'u str],
    sets: RefCell<Vec<Set>>,
    unions: RefCell<Vec<Vec<VersionSetId>>>,
    requirements: RefCell<BTreeMap<GroupId, Requirement>>,
    /// What was wrong with the index, found while the solver was at work.
    failure: RefCell<Option<SolveError>>,
}

/// Some versions of one name, the first choice first.
struct Set {
    name: resolvo::NameId,
    packages: Vec<PackageId>,
    of: Of,
}

/// What a set of versions stands for, for people.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// What the request leads to.
    Root(NameId),
    /// A group of alternatives.
    Group(GroupId),
    /// What may be there beside a package that has conflicts.
    Peace,
}

impl<'u, 'a> Provider<'u, 'a> {
    pub(super) fn new(universe: &'u mut Universe<'a>, favoured: &[PackageId], preferred: &'u [&'u str]) -> Self {
        let mut flags = vec![false; universe.packages.len()];
        favoured.iter().for_each(|id| flags[*id as usize] = true);
        Self {
            universe: RefCell::new(universe),
            favoured: flags,
            preferred,
            sets: RefCell::default(),
            unions: RefCell::default(),
            requirements: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    /// Reads the universe.
    pub(super) fn universe<T>(&self, read: impl FnOnce(&Universe<'a>) -> T) -> T {
        read(&self.universe.borrow())
    }

    /// What a requirement stands for.
    pub(super) fn of(&self, requirement: Requirement) -> Of {
        let set = match requirement {
            Requirement::Single(set) => set,
            Requirement::Union(union) => self.unions.borrow()[union.to_index()][0],
        };
        self.sets.borrow()[set.to_index()].of
    }

    /// What stands for a root of the request.
    pub(super) fn root(&self, root: &Root<'_>) -> Requirement {
        let packages = self.favoured_first(root.versions.clone());
        self.add_set(resolvo::NameId::from_index(root.name_id as usize), packages, Of::Root(root.name_id)).into()
    }

    fn favoured_first(&self, mut packages: Vec<PackageId>) -> Vec<PackageId> {
        packages.sort_by_key(|id| !self.favoured[*id as usize]);
        packages
    }

    fn add_set(&self, name: resolvo::NameId, packages: Vec<PackageId>, of: Of) -> VersionSetId {
        let mut sets = self.sets.borrow_mut();
        sets.push(Set { name, packages, of });
        VersionSetId::from_index(sets.len() - 1)
    }

    fn requirement(&self, universe: &Universe<'_>, group: GroupId) -> Requirement {
        if let Some(known) = self.requirements.borrow().get(&group) {
            return *known;
        }
        let mut packages: Vec<PackageId> = Vec::new();
        for alternative in &universe.group(group).alternatives {
            let mut more = alternative.packages.clone();
            more.sort_by(|left, right| walk::compare(universe, alternative.target, *left, *right));
            packages.extend(more);
        }
        let first = |id: &PackageId| self.preferred.contains(&universe.record(*id).name());
        packages.sort_by_key(|id| !first(id));
        let packages = self.favoured_first(packages);
        let mut by_name: Vec<(NameId, Vec<PackageId>)> = Vec::new();
        for id in packages {
            let name = universe.package(id).name;
            match by_name.iter_mut().find(|(known, _)| *known == name) {
                None => by_name.push((name, vec![id])),
                Some((_, ids)) if !ids.contains(&id) => ids.push(id),
                Some(_) => {}
            }
        }
        for (name, ids) in &mut by_name {
            let versions = &universe.name(*name).versions;
            ids.sort_by_key(|id| (!self.favoured[*id as usize], versions.iter().position(|version| version == id)));
        }
        let sets: Vec<_> = by_name
            .into_iter()
            .map(|(name, ids)| self.add_set(resolvo::NameId::from_index(name as usize), ids, Of::Group(group)))
            .collect();
        let requirement = match sets[..] {
            [] => {
                let nothing = resolvo::NameId::from_index(universe.names.len());
                self.add_set(nothing, Vec::new(), Of::Group(group)).into()
            }
            [only] => only.into(),
            _ => {
                let mut unions = self.unions.borrow_mut();
                unions.push(sets);
                VersionSetUnionId::from_index(unions.len() - 1).into()
            }
        };
        self.requirements.borrow_mut().insert(group, requirement);
        requirement
    }

    fn known_dependencies(&self, id: PackageId) -> Result<KnownDependencies, SolveError> {
        let mut universe = self.universe.borrow_mut();
        let wishes = universe.wishes(id)?;
        let hard = wishes.groups.iter().filter(|(kind, _)| *kind != Kind::Recommends);
        let requirements = hard.map(|(_, group)| self.requirement(&universe, *group).into()).collect();
        let mut enemies: BTreeMap<NameId, Vec<PackageId>> = BTreeMap::new();
        for enemy in &wishes.enemies {
            enemies.entry(universe.package(*enemy).name).or_default().push(*enemy);
        }
        let constrains = enemies.into_iter().map(|(name, enemies)| {
            let versions = universe.name(name).versions.iter().copied();
            let friends = versions.filter(|id| !enemies.contains(id)).collect();
            self.add_set(resolvo::NameId::from_index(name as usize), friends, Of::Peace)
        });
        Ok(KnownDependencies { requirements, constrains: constrains.collect() })
    }
}

/// resolvo's id of a package.
pub(super) fn solvable(id: PackageId) -> SolvableId {
    SolvableId::from_index(id as usize)
}

/// Our id of a solvable.
pub(super) fn package(id: SolvableId) -> PackageId {
    id.to_index() as PackageId
}

impl Interner for Provider<'_, '_> {
    type NameId = resolvo::NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.universe(|universe| format!("{:?}", universe.record(package(solvable))))
    }

    fn display_name(&self, name: resolvo::NameId) -> impl Display + '_ {
        self.universe(|universe| universe.names.get(name.to_index()).map_or("", |name| name.text))
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        format!("{} versions", self.sets.borrow()[set.to_index()].packages.len())
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, set: VersionSetId) -> resolvo::NameId {
        self.sets.borrow()[set.to_index()].name
    }

    fn solvable_name(&self, solvable: SolvableId) -> resolvo::NameId {
        let name = self.universe(|universe| universe.package(package(solvable)).name);
        resolvo::NameId::from_index(name as usize)
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
        candidates.iter().copied().filter(|id| packages.contains(&package(*id)) != inverse).collect()
    }

    async fn get_candidates(&self, name: resolvo::NameId) -> Option<Candidates> {
        let candidates = self.universe(|universe| {
            let name = universe.names.get(name.to_index())?;
            Some(name.versions.iter().map(|id| solvable(*id)).collect())
        })?;
        let hint_dependencies_available = HintDependenciesAvailable::None;
        Some(Candidates { candidates, hint_dependencies_available, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        let Some(first) = solvables.first() else { return };
        let name = self.solvable_name(*first).to_index();
        self.universe(|universe| {
            let versions = &universe.names[name].versions;
            solvables.sort_by_key(|id| {
                let id = package(*id);
                (!self.favoured[id as usize], versions.iter().position(|version| *version == id))
            });
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        self.known_dependencies(package(solvable)).map_or_else(
            |error| {
                *self.failure.borrow_mut() = Some(error);
                Dependencies::Known(KnownDependencies::default())
            },
            Dependencies::Known,
        )
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn std::any::Any>> {
        self.failure.borrow_mut().take().map(|error| Box::new(error) as Box<dyn std::any::Any>)
    }
}
