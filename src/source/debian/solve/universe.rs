//! Every package that can be chosen, by name and by what it provides, and which of them satisfy a relation.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use indexmap::IndexSet;

use crate::source::debian::index::Record;
use crate::source::debian::relation::{self, Operator, Qualifier, Relation, RelationError};
use crate::source::debian::solve::mention::{Mention, Mentions};
use crate::source::debian::solve::{HELD, Repository, Request, SolveError};
use crate::source::debian::version::Version;

/// One version of a package, by its place in [`Universe::packages`].
pub(super) type PackageId = u32;
/// A name, real or virtual, by its place in [`Universe::names`].
pub(super) type NameId = u32;
/// A group of alternatives, by its place in [`Universe::groups`].
pub(super) type GroupId = u32;

pub(super) struct Universe<'a> {
    pub(super) architecture: &'a str,
    /// Further architectures that packages are asked for of.
    pub(super) foreign: Vec<&'a str>,
    pub(super) packages: Vec<Package<'a>>,
    pub(super) names: Vec<Name<'a>>,
    pub(super) groups: Vec<Group<'a>>,
    pub(super) repositories: &'a [Repository<'a>],
    /// Names that are left out, and what packages that are left out provide, with these packages.
    left_out: BTreeMap<&'a str, Vec<&'a str>>,
    /// The text and architecture of each of the names, in their order.
    names_by_text: IndexSet<(&'a str, &'a str)>,
    /// What repositories say of packages that an earlier one has: the same file again.
    copies: BTreeMap<PackageId, Vec<(usize, Record<'a>)>>,
    groups_by_text: BTreeMap<(&'a str, &'a str), GroupId>,
    wishes: Vec<Option<Rc<Wishes>>>,
    mentions: Mentions,
}

pub(super) struct Package<'a> {
    pub(super) record: Record<'a>,
    pub(super) name: NameId,
    /// The place of the first repository that has it.
    pub(super) repository: usize,
    /// The highest of the priorities of all repositories that have it.
    pub(super) priority: i16,
}

pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    /// The packages of each architecture have names of their own; those of `all` count as the system's.
    pub(super) architecture: &'a str,
    /// The packages of this name, the one that apt would choose first.
    pub(super) versions: Vec<PackageId>,
    /// The packages that provide it, and as which version.
    pub(super) providers: Vec<(PackageId, Option<Version<'a>>)>,
}

/// A relation with its alternatives: what a comma ends.
pub(super) struct Group<'a> {
    /// As the index writes it.
    pub(super) text: &'a str,
    pub(super) alternatives: Vec<Alternative>,
}

/// What would satisfy one alternative.
pub(super) struct Alternative {
    /// The name in the relation, where anything has it.
    pub(super) target: Option<NameId>,
    /// All packages of this name or providing it, of versions that do.
    pub(super) packages: Vec<PackageId>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    PreDepends,
    Depends,
    Recommends,
}

/// What a package wants of others.
pub(super) struct Wishes {
    pub(super) groups: Vec<(Kind, GroupId)>,
    /// Packages that cannot be there at the same time, other versions of itself not named.
    pub(super) enemies: Vec<PackageId>,
}

impl<'a> Universe<'a> {
    /// Takes in the packages of all repositories that suit the architectures of the request. What several repositories have
    /// is one package, unless it is another file under the same version.
    pub(super) fn new(request: &Request<'a>, repositories: &'a [Repository<'a>]) -> Result<Self, SolveError> {
        let architecture = request.architecture;
        let mut universe = Self {
            architecture,
            foreign: request.foreign(),
            packages: Vec::new(),
            names: Vec::new(),
            groups: Vec::new(),
            repositories,
            left_out: BTreeMap::new(),
            names_by_text: IndexSet::new(),
            copies: BTreeMap::new(),
            groups_by_text: BTreeMap::new(),
            wishes: Vec::new(),
            mentions: Mentions::default(),
        };
        let excluded: BTreeSet<&str> = request.excluded.iter().copied().collect();
        for (place, repository) in repositories.iter().enumerate() {
            if repository.priority < 0 && repository.priority != HELD {
                continue;
            }
            for record in repository.packages.records() {
                let own = [architecture, "all"].contains(&record.architecture());
                if !own && !universe.foreign.contains(&record.architecture()) {
                    continue;
                }
                match excluded.contains(record.name()) {
                    true => universe.leave_out(record),
                    false => universe.add(record, place)?,
                }
            }
        }
        for name in &mut universe.names {
            sort_versions(&mut name.versions, &universe.packages);
        }
        universe.wishes.resize_with(universe.packages.len(), || None);
        Ok(universe)
    }

    fn add(&mut self, record: Record<'a>, repository: usize) -> Result<(), SolveError> {
        let architecture = if record.architecture() == "all" { self.architecture } else { record.architecture() };
        let name = self.intern(record.name(), architecture);
        let priority = self.repositories[repository].priority;
        let same = |id: &PackageId| {
            let known = self.packages[*id as usize].record;
            known.version() == record.version() && known.digest() == record.digest()
        };
        if let Some(id) = self.names[name as usize].versions.iter().copied().find(same) {
            let known = &mut self.packages[id as usize];
            known.priority = known.priority.max(priority);
            self.copies.entry(id).or_default().push((repository, record));
            return Ok(());
        }
        let id = self.packages.len() as PackageId;
        self.packages.push(Package { record, name, repository, priority });
        self.names[name as usize].versions.push(id);
        for provided in relation::singles(record.provides()) {
            let provided = provided.map_err(|source| bad_relation(record, "Provides", source))?;
            let version = match provided.constraint {
                None => None,
                Some((Operator::Equal, version)) => Some(version),
                // apt too passes over a provided range, which policy does not know.
                Some(_) => continue,
            };
            let virtual_name = self.intern(provided.name, architecture);
            self.names[virtual_name as usize].providers.push((id, version));
        }
        Ok(())
    }

    fn leave_out(&mut self, record: Record<'a>) {
        let provided = relation::singles(record.provides()).flatten().map(|provided| provided.name);
        for name in std::iter::once(record.name()).chain(provided) {
            let packages = self.left_out.entry(name).or_default();
            if !packages.contains(&record.name()) {
                packages.push(record.name());
            }
        }
    }

    /// The packages that have or provide a name, and that the request leaves out.
    pub(super) fn left_out(&self, name: &str) -> &[&'a str] {
        self.left_out.get(name).map_or(&[], Vec::as_slice)
    }

    fn intern(&mut self, text: &'a str, architecture: &'a str) -> NameId {
        let (id, is_new) = self.names_by_text.insert_full((text, architecture));
        if is_new {
            self.names.push(Name { text, architecture, versions: Vec::new(), providers: Vec::new() });
        }
        id as NameId
    }

    /// The architectures, the system's own first.
    fn architectures(&self) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        std::iter::once(self.architecture).chain(self.foreign.iter().copied())
    }

    pub(super) fn package(&self, id: PackageId) -> &Package<'a> {
        &self.packages[id as usize]
    }

    pub(super) fn record(&self, id: PackageId) -> Record<'a> {
        self.packages[id as usize].record
    }

    /// The package that is this file.
    pub(super) fn find_file(&self, record: Record<'_>) -> Option<PackageId> {
        let architecture = if record.architecture() == "all" { self.architecture } else { record.architecture() };
        let versions = &self.name(self.find_of(record.name(), architecture)?).versions;
        let same = |known: Record<'_>| known.version() == record.version() && known.digest() == record.digest();
        versions.iter().copied().find(|id| same(self.record(*id)))
    }

    /// The places of all repositories that have a package, the first one first, and what each says of it.
    pub(super) fn copies(&self, id: PackageId) -> impl Iterator<Item = (usize, Record<'a>)> {
        let Package { record, repository, .. } = *self.package(id);
        std::iter::once((repository, record)).chain(self.copies.get(&id).into_iter().flatten().copied())
    }

    /// What a suite says of a package: the place of its repository, and the record there.
    pub(super) fn copy_in(&self, id: PackageId, suite: &str) -> Option<(usize, Record<'a>)> {
        self.copies(id).find(|(repository, _)| self.repositories[*repository].is_called(suite))
    }

    pub(super) fn name(&self, id: NameId) -> &Name<'a> {
        &self.names[id as usize]
    }

    pub(super) fn group(&self, id: GroupId) -> &Group<'a> {
        &self.groups[id as usize]
    }

    /// The id of a name that some package of the system's architecture has or provides.
    pub(super) fn find(&self, text: &str) -> Option<NameId> {
        self.find_of(text, self.architecture)
    }

    /// The id of a name that some package of an architecture has or provides.
    pub(super) fn find_of(&self, text: &str, architecture: &str) -> Option<NameId> {
        self.names_by_text.get_index_of(&(text, architecture)).map(|id| id as NameId)
    }

    /// Where the indexes first speak of a name.
    pub(super) fn first_mention(&self, id: NameId) -> Mention {
        self.mentions.first(self.repositories, id, self.name(id).text)
    }

    /// The version of a name that apt would install, without regard to any other package.
    pub(super) fn candidate(&self, name: NameId) -> Option<PackageId> {
        self.name(name).versions.first().copied()
    }

    /// What a package wants of others, read once.
    pub(super) fn wishes(&mut self, id: PackageId) -> Result<Rc<Wishes>, SolveError> {
        if let Some(wishes) = &self.wishes[id as usize] {
            return Ok(Rc::clone(wishes));
        }
        let record = self.record(id);
        let own = self.package(id).name;
        let architecture = self.name(own).architecture;
        let mut groups = Vec::new();
        for (kind, field, value) in [
            (Kind::PreDepends, "Pre-Depends", record.pre_depends()),
            (Kind::Depends, "Depends", record.depends()),
            (Kind::Recommends, "Recommends", record.recommends()),
        ] {
            for text in value.split(',').map(str::trim_ascii).filter(|text| !text.is_empty()) {
                let group = self.add_group(text, architecture).map_err(|source| bad_relation(record, field, source))?;
                groups.push((kind, group));
            }
        }
        let mut enemies = Vec::new();
        for (field, value) in [("Conflicts", record.conflicts()), ("Breaks", record.breaks())] {
            for relation in relation::singles(value) {
                let relation = relation.map_err(|source| bad_relation(record, field, source))?;
                enemies.extend(self.satisfying(&relation, architecture, true).packages);
            }
        }
        // A package has nothing against what it is itself, on whichever architecture.
        enemies.retain(|enemy| self.record(*enemy).name() != record.name());
        enemies.extend(self.siblings(id));
        enemies.sort_unstable();
        enemies.dedup();
        let wishes = Rc::new(Wishes { groups, enemies });
        self.wishes[id as usize] = Some(Rc::clone(&wishes));
        Ok(wishes)
    }

    /// The versions of a package of other architectures that cannot be there beside it: all but the same version where
    /// both are `Multi-Arch: same`.
    fn siblings(&self, id: PackageId) -> Vec<PackageId> {
        let own = self.package(id);
        let same = |id: PackageId| {
            let record = self.record(id);
            record.multi_arch() == "same"
                && own.record.multi_arch() == "same"
                && record.version() == own.record.version()
        };
        let names = self.architectures().filter_map(|other| self.find_of(own.record.name(), other));
        let others = names.filter(|name| *name != own.name).flat_map(|name| self.name(name).versions.iter().copied());
        others.filter(|other| !same(*other)).collect()
    }

    fn add_group(&mut self, text: &'a str, architecture: &'a str) -> Result<GroupId, RelationError> {
        if let Some(id) = self.groups_by_text.get(&(text, architecture)) {
            return Ok(*id);
        }
        let relations = text.split('|').map(Relation::parse).collect::<Result<Vec<_>, _>>()?;
        let alternatives = relations.iter().map(|relation| self.satisfying(relation, architecture, false)).collect();
        let id = self.groups.len() as GroupId;
        self.groups.push(Group { text, alternatives });
        self.groups_by_text.insert((text, architecture), id);
        Ok(id)
    }

    /// The packages that a relation of a package of some architecture speaks of. A positive one without a qualifier wants
    /// that architecture, or a package that is `Multi-Arch: foreign`; a negative one means every architecture.
    pub(super) fn satisfying(&self, relation: &Relation<'a>, architecture: &str, negative: bool) -> Alternative {
        let target = self.find_of(relation.name, architecture);
        let others = self.architectures().filter(|other| *other != architecture);
        let others = others.filter_map(|other| self.find_of(relation.name, other));
        let mut packages = Vec::new();
        for name in target.into_iter().chain(others) {
            let own = self.name(name).architecture == architecture;
            let name = self.name(name);
            let real = name.versions.iter().filter(|id| relation.takes(self.record(**id).version()));
            // Policy 7.5: an unversioned Provides satisfies no versioned relation.
            let provided = name.providers.iter().filter(|(_, version)| match (version, relation.constraint) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(version), Some(_)) => relation.takes(*version),
            });
            let found = real.copied().chain(provided.map(|(id, _)| *id));
            packages.extend(found.filter(|id| self.suits(*id, own, relation.qualifier, negative)));
        }
        // A package may provide what it is named, or the same name twice.
        packages.dedup();
        Alternative { target, packages }
    }

    fn suits(&self, id: PackageId, own: bool, qualifier: Option<Qualifier<'_>>, negative: bool) -> bool {
        let architecture = self.name(self.package(id).name).architecture;
        match qualifier {
            None => own || negative || self.record(id).multi_arch() == "foreign",
            Some(Qualifier::Native) => architecture == self.architecture,
            Some(Qualifier::Any) => negative || self.record(id).multi_arch() == "allowed",
            Some(Qualifier::Architecture(name)) => name == architecture,
        }
    }
}

/// Highest pin priority first, then highest version, then the earlier repository: what apt's policy calls candidate.
fn sort_versions(versions: &mut [PackageId], packages: &[Package<'_>]) {
    versions.sort_by(|left, right| {
        let (left, right) = (&packages[*left as usize], &packages[*right as usize]);
        let order = right.priority.cmp(&left.priority);
        order.then_with(|| right.record.version().cmp(&left.record.version()))
    });
}

fn bad_relation(record: Record<'_>, field: &'static str, source: RelationError) -> SolveError {
    SolveError::BadRelation { package: record.name().to_owned(), field, source }
}
