//! All packages, by every name that they have.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::error::SolveError;
use super::{Chosen, Repository};
use crate::source::apk::index::Record;
use crate::source::apk::relation::{Provided, Relation, provided, relations};
use crate::source::apk::version::Version;

pub(super) type PackageId = usize;
pub(super) type NameId = usize;

/// What can be chosen from.
pub(super) struct Universe<'a> {
    pub(super) world: Vec<Relation<'a>>,
    pub(super) repositories: Vec<Repository<'a>>,
    packages: Vec<Package<'a>>,
    pub(super) names: Vec<Name<'a>>,
    by_text: BTreeMap<&'a str, NameId>,
}

struct Package<'a> {
    record: Record<'a>,
    repository: usize,
    name: NameId,
    /// Why it may not be taken, where it may not.
    refused: Option<Refused>,
}

/// Why a package may not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The world has a `!` against it.
    World,
    /// It is in a repository with a tag, and nobody asked with it.
    Tag,
}

/// A name, and who has it.
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    /// The packages called so, the first choice first.
    pub(super) versions: Vec<PackageId>,
    /// The packages that have the name, as their own or among those they provide, with its version.
    providers: Vec<(PackageId, Option<&'a str>)>,
}

impl<'a> Universe<'a> {
    pub(super) fn new(world: &[Relation<'a>], repositories: &[Repository<'a>]) -> Result<Self, SolveError> {
        let mut universe = Self {
            world: world.to_vec(),
            repositories: repositories.to_vec(),
            packages: Vec::new(),
            names: Vec::new(),
            by_text: BTreeMap::new(),
        };
        for (number, repository) in repositories.iter().enumerate() {
            for record in repository.index.records() {
                universe.add(record, number);
            }
        }
        universe.refuse();
        universe.sort();
        for relation in world.iter().filter(|relation| !relation.conflict) {
            universe.check_known(relation)?;
        }
        Ok(universe)
    }

    pub(super) fn record(&self, id: PackageId) -> Record<'a> {
        self.packages[id].record
    }

    pub(super) fn name_of(&self, id: PackageId) -> NameId {
        self.packages[id].name
    }

    pub(super) fn chosen(&self, id: PackageId, unasked: bool) -> Chosen<'a> {
        Chosen { record: self.packages[id].record, repository: self.packages[id].repository, unasked }
    }

    pub(super) fn refused(&self, id: PackageId) -> Option<Refused> {
        self.packages[id].refused
    }

    pub(super) fn find(&self, name: &str) -> Option<&Name<'a>> {
        self.by_text.get(name).map(|id| &self.names[*id])
    }

    /// All packages that have a name, with the version of it, refused ones too.
    pub(super) fn having(&self, name: &str) -> &[(PackageId, Option<&'a str>)] {
        self.find(name).map_or(&[], |name| &name.providers)
    }

    /// The packages that a relation is about and that may be taken, the first choice first: apk's order
    /// (`compare_providers` in its `src/solver.c`).
    pub(super) fn fitting(&self, relation: &Relation<'_>) -> Vec<PackageId> {
        let fits = |(id, version): &&(PackageId, Option<&'a str>)| {
            relation.fits(*version) && self.packages[*id].refused.is_none()
        };
        let mut fitting: Vec<_> = self.having(relation.name).iter().filter(fits).copied().collect();
        fitting.sort_by(|left, right| self.compare(relation.tag, *left, *right));
        let mut ids: Vec<PackageId> = fitting.into_iter().map(|(id, _)| id).collect();
        let mut seen = BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        ids
    }

    /// What a package needs and what it conflicts with; nothing where that cannot be read.
    pub(super) fn relations(&self, id: PackageId) -> Option<Vec<Relation<'a>>> {
        relations(self.record(id).depends()).collect::<Result<_, _>>().ok()
    }

    /// Every name that a package has, its own first.
    pub(super) fn names_of(&self, id: PackageId) -> impl Iterator<Item = Provided<'a>> {
        names_of(self.record(id))
    }

    /// Whether a package by itself is what a relation is about.
    pub(super) fn meets(&self, id: PackageId, relation: &Relation<'_>) -> bool {
        self.names_of(id).any(|name| name.name == relation.name && relation.fits(name.version))
    }

    fn add(&mut self, record: Record<'a>, repository: usize) {
        let id = self.packages.len();
        let name = self.name_id(record.name());
        self.packages.push(Package { record, repository, name, refused: None });
        self.names[name].versions.push(id);
        for provided in names_of(record) {
            let name = self.name_id(provided.name);
            self.names[name].providers.push((id, provided.version));
        }
    }

    fn name_id(&mut self, text: &'a str) -> NameId {
        *self.by_text.entry(text).or_insert_with(|| {
            self.names.push(Name { text, versions: Vec::new(), providers: Vec::new() });
            self.names.len() - 1
        })
    }

    fn refuse(&mut self) {
        let tagged = self.reached_by_tags();
        for id in 0..self.packages.len() {
            let is_tagged = self.repositories[self.packages[id].repository].tag.is_some();
            let excluded = |relation: &&Relation<'a>| relation.conflict && self.meets(id, relation);
            let refused = match () {
                () if self.world.iter().any(|relation| excluded(&relation)) => Some(Refused::World),
                () if is_tagged && !tagged.contains(&id) => Some(Refused::Tag),
                () => None,
            };
            self.packages[id].refused = refused;
        }
    }

    /// The packages of tagged repositories that may be taken: those asked for with the tag, and what they need.
    fn reached_by_tags(&self) -> BTreeSet<PackageId> {
        let mut reached = BTreeSet::new();
        for relation in self.world.iter().filter(|relation| relation.tag.is_some()) {
            let in_reach = |id: PackageId| {
                let tag = self.repositories[self.packages[id].repository].tag;
                tag.is_none() || tag == relation.tag
            };
            let mut seen = BTreeSet::new();
            let mut open = vec![*relation];
            while let Some(relation) = open.pop() {
                for (id, version) in self.having(relation.name) {
                    if relation.fits(*version) && in_reach(*id) && seen.insert(*id) {
                        open.extend(self.relations(*id).unwrap_or_default().into_iter().filter(|next| !next.conflict));
                    }
                }
            }
            reached.extend(seen);
        }
        reached
    }

    fn sort(&mut self) {
        for name in 0..self.names.len() {
            let text = self.names[name].text;
            let tag = self.world.iter().find(|relation| relation.name == text).and_then(|relation| relation.tag);
            let mut versions = std::mem::take(&mut self.names[name].versions);
            let with_version = |id: PackageId| (id, Some(self.packages[id].record.version()));
            versions.sort_by(|left, right| self.compare(tag, with_version(*left), with_version(*right)));
            self.names[name].versions = versions;
        }
    }

    /// Which of two packages that have a name is the first choice.
    fn compare(
        &self,
        tag: Option<&str>,
        (left, left_version): (PackageId, Option<&str>),
        (right, right_version): (PackageId, Option<&str>),
    ) -> Ordering {
        let (one, other) = (&self.packages[left], &self.packages[right]);
        let rank = |package: &Package<'_>| match self.repositories[package.repository].tag {
            found if found == tag => 0,
            None => 1,
            Some(_) => 2,
        };
        let newer =
            |left: &str, right: &str| Version::new(right).partial_cmp(&Version::new(left)).unwrap_or(Ordering::Equal);
        let provided = match (left_version, right_version) {
            (Some(left), Some(right)) => newer(left, right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        };
        let same_name = one.name == other.name;
        rank(one)
            .cmp(&rank(other))
            .then(provided)
            .then_with(|| if same_name { newer(one.record.version(), other.record.version()) } else { Ordering::Equal })
            .then_with(|| other.record.provider_priority().cmp(&one.record.provider_priority()))
            .then(one.repository.cmp(&other.repository))
            .then_with(|| one.record.name().cmp(other.record.name()))
            .then(left.cmp(&right))
    }

    /// Says what is wrong with an entry of the world that nothing can meet.
    fn check_known(&self, relation: &Relation<'a>) -> Result<(), SolveError> {
        let providers = self.having(relation.name);
        if providers.is_empty() {
            let repositories = self.repositories.iter().map(|repository| repository.name);
            let real = self.names.iter().filter(|known| !known.versions.is_empty()).map(|known| known.text);
            return Err(SolveError::unknown(relation.name, repositories, real));
        }
        if let Some(tag) = relation.tag
            && !self.repositories.iter().any(|repository| repository.tag == Some(tag))
        {
            return Err(SolveError::NoTag { wanted: relation.to_string(), tag: tag.to_owned() });
        }
        if !self.fitting(relation).is_empty() {
            return Ok(());
        }
        if providers.iter().all(|(id, _)| self.refused(*id) == Some(Refused::World)) {
            return Err(SolveError::Excluded { wanted: relation.to_string() });
        }
        let known = providers.iter().map(|(id, _)| self.described(*id)).collect::<BTreeSet<_>>();
        let known: Vec<_> = known.into_iter().collect();
        Err(SolveError::NoSuchVersion { wanted: relation.to_string(), known: known.join(", ") })
    }

    /// A package with where it is: `nginx-1.24.0-r6`, `nginx-1.26.0-r0 (@edge)`.
    pub(super) fn described(&self, id: PackageId) -> String {
        let record = self.record(id);
        let tag = self.repositories[self.packages[id].repository].tag;
        let tag = tag.map(|tag| format!(" (@{tag})")).unwrap_or_default();
        format!("{}-{}{tag}", record.name(), record.version())
    }
}

fn names_of(record: Record<'_>) -> impl Iterator<Item = Provided<'_>> {
    let own = Provided { name: record.name(), version: Some(record.version()) };
    // A package may name itself among what it provides.
    std::iter::once(own).chain(provided(record.provides()))
}
