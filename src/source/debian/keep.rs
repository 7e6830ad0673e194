//! `lock --update NAME`: which packages move with the named ones, and which stay as they are locked.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{Packages, Record};
use super::package_file::DebFile;
use super::relation::{self, Operator, Relation};
use super::solve::{Chosen, HELD, Repository, Solution};
use super::{Mirrors, ResolveError, archives, unpacking};
use crate::context::Context;
use crate::lock::{DebianPin, LockedPackage};
use crate::report::{Phase, Unit, counted};

/// What the packages of an earlier pin are called where suites are named.
const SUITE: &str = "the lock";

/// The packages of an earlier pin, as an archive's index has or had them.
pub(super) struct Held {
    /// Those that the suites still have.
    offered: Packages,
    /// Those that they do not have any more, by the id of the repository that had them.
    gone: BTreeMap<String, Packages>,
}

/// By name and architecture.
type Key<'a> = (&'a str, &'a str);

impl Held {
    /// Those packages of `old` that are not to move, and that the new `fresh` choice or others of them need; nothing where
    /// the new choice has all as they are. What the suites do not have any more is looked up in the packages themselves.
    pub(super) fn of(
        (old, mirrors): (&DebianPin, &Mirrors),
        moving: &BTreeSet<&str>,
        fresh: &Solution<'_>,
        repositories: &[Repository<'_>],
        context: &Context,
    ) -> Result<Option<Self>, ResolveError> {
        let key = |record: Record<'_>| (record.name().to_owned(), record.architecture().to_owned());
        let fresh_files: BTreeMap<_, _> =
            fresh.packages.iter().map(|chosen| (key(chosen.record), chosen.record.digest())).collect();
        let locked: BTreeMap<Key<'_>, &LockedPackage> = old
            .packages
            .iter()
            .filter(|package| !moving.contains(package.name.as_str()))
            .map(|package| ((package.name.as_str(), package.architecture.as_str()), package))
            .collect();
        let is_fresh = |package: &&LockedPackage| {
            fresh_files.get(&(package.name.clone(), package.architecture.clone())) == Some(&package.sha256)
        };
        if locked.values().all(is_fresh) {
            return Ok(None);
        }
        let mut offered: BTreeMap<Key<'_>, String> = BTreeMap::new();
        let mut names: BTreeSet<String> = fresh_files.into_keys().map(|(name, _)| name).collect();
        for record in repositories.iter().flat_map(|repository| repository.packages.records()) {
            if let Some((key, package)) = locked.get_key_value(&(record.name(), record.architecture()))
                && package.sha256 == record.digest()
                && !offered.contains_key(key)
            {
                names.extend(needed(record));
                offered.insert(*key, record.paragraph());
            }
        }
        let mut others: Vec<&LockedPackage> =
            locked.iter().filter(|(key, _)| !offered.contains_key(*key)).map(|(_, package)| *package).collect();
        let mut mirrors = mirrors.clone();
        archives::add_dated(old, &mut mirrors);
        let mut gone: BTreeMap<String, Packages> = BTreeMap::new();
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        loop {
            let (asked, rest): (Vec<_>, _) = others.into_iter().partition(|package| names.contains(&package.name));
            others = rest;
            if asked.is_empty() {
                break;
            }
            for (package, text) in paragraphs(&asked, &mirrors, context)? {
                let index = Packages::parse(text.clone().into_bytes())?;
                names.extend(index.records().flat_map(needed));
                texts.entry(package.repository.clone()).or_default().push_str(&text);
            }
        }
        for (id, text) in texts {
            gone.insert(id, Packages::parse(text.into_bytes())?);
        }
        let offered: String = offered.into_values().map(|paragraph| paragraph + "\n").collect();
        Ok(Some(Self { offered: Packages::parse(offered.into_bytes())?, gone }))
    }

    /// The same as repositories that offer nothing. What a suite does not have any more was once in one of the suites of its
    /// repository, whose names are in `suites` by its id.
    pub(super) fn repositories<'h>(&'h self, suites: &'h BTreeMap<&str, Vec<&'h str>>) -> Vec<Repository<'h>> {
        let of = |packages, aliases| Repository { suite: SUITE, aliases, priority: HELD, packages };
        let gone = self.gone.iter().map(|(id, packages)| {
            let names = suites.get(id.as_str()).map_or(&[][..], Vec::as_slice);
            of(packages, names)
        });
        std::iter::once(of(&self.offered, &[])).chain(gone).collect()
    }

    /// All its packages.
    pub(super) fn records(&self) -> Vec<Record<'_>> {
        std::iter::once(&self.offered).chain(self.gone.values()).flat_map(Packages::records).collect()
    }
}

/// What an index had of locked packages, as they say it themselves, but for those that cannot be had any more: these do not
/// stay.
fn paragraphs<'p>(
    packages: &[&'p LockedPackage],
    mirrors: &Mirrors,
    context: &Context,
) -> Result<Vec<(&'p LockedPackage, String)>, ResolveError> {
    let jobs: Vec<_> = packages.iter().map(|package| unpacking::job(package, mirrors)).collect();
    let bytes = jobs.iter().map(|job| job.size).sum();
    context.reporter.begin(Phase::Download, Some(bytes), Unit::Bytes);
    let on_bytes = |bytes| context.reporter.advance(Phase::Download, bytes);
    let at_once = context.http.download_all(&jobs, &context.store, &on_bytes, |_, _| Ok::<(), ResolveError>(()));
    let mut found = Vec::new();
    for (package, job) in packages.iter().zip(&jobs) {
        let blob = match context.http.download(job, &context.store, &|_| {}) {
            Ok(blob) => blob,
            Err(error) if error.is_local() || error.may_pass() => return Err(error.into()),
            Err(error) => {
                context.reporter.warn(&format!("{} does not stay as it is locked: {error}", job.what));
                continue;
            }
        };
        let deb = DebFile::read(&blob.path)?;
        let mut text = deb.control_text().trim_end().to_owned();
        let LockedPackage { path, size, sha256, .. } = package;
        text.push_str(&format!("\nFilename: {path}\nSize: {size}\nSHA256: {}\n", sha256.hex()));
        if !package.essential {
            // The archive's word, which may be another than the package's.
            text.push_str(&format!("Priority: {}\n", package.priority.as_deref().unwrap_or("optional")));
        }
        found.push((*package, text + "\n"));
    }
    if at_once.is_ok() {
        context.reporter.end(Phase::Download, &counted(jobs.len(), "locked package"));
    }
    Ok(found)
}

/// The names that a package needs or recommends.
fn needed(record: Record<'_>) -> Vec<String> {
    let fields = [record.pre_depends(), record.depends(), record.recommends()];
    let relations = fields.into_iter().flat_map(|field| relation::groups(field).flatten().flatten());
    relations.map(|relation| relation.name.to_owned()).collect()
}

/// The packages that have to move when those of `names` do: what they depend on, and what is tied to the exact version
/// of one that moves. A name may be of one architecture (`libc6:i386`); all of its packages move then.
pub(super) fn moving<'a>(solution: &Solution<'a>, names: &[String]) -> Result<BTreeSet<&'a str>, ResolveError> {
    let mut moving = BTreeSet::new();
    for name in names {
        let is_meant = |record: Record<'_>| {
            let (found, architecture) = (record.name(), record.architecture());
            found == name || name.split_once(':').is_some_and(|meant| meant == (found, architecture))
        };
        let chosen = solution.packages.iter().find(|chosen| is_meant(chosen.record));
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

/// A package of an earlier pin that stays. What the recipe or other packages want of it may have changed.
pub(super) fn again(old: &LockedPackage, chosen: &Chosen<'_>, with_dependencies: bool) -> LockedPackage {
    if !with_dependencies {
        return old.clone();
    }
    let priority = if old.essential == chosen.essential_stage { old.priority.clone() } else { priority(chosen) };
    LockedPackage { essential: chosen.essential_stage, automatic: chosen.automatic, priority, ..old.clone() }
}

/// The archive's priority of a package, where the lock has it.
pub(super) fn priority(chosen: &Chosen<'_>) -> Option<String> {
    let priority = Some(chosen.record.priority());
    priority.filter(|word| !chosen.essential_stage && !["", "optional"].contains(word)).map(str::to_owned)
}
