//! From a request to a pin: which suites are read, which packages are chosen, and what the image's own apt is told.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use super::archives::{self, Archive};
use super::index::Packages;
use super::solve::{self, PREFERRED, Pin as WantedPin, Repository, Request, Variant};
use super::suite::Suite;
use super::version::Version;
use super::{Mirrors, ResolveError, keep, local};
use crate::context::Context;
use crate::epoch::Epoch;
use crate::lock::{AptSource, DebianPin, LockedPackage, LockedRepository};
use crate::platform::Platform;
use crate::recipe::{DebianRequest, DebianVariant, PackageList, PackageRequest};
use crate::report::{Phase, Unit};

/// What to resolve, and how.
#[derive(Clone, Copy, Debug)]
pub struct Resolve<'a> {
    /// What the recipe asks for.
    pub request: &'a DebianRequest,
    /// Packages that other tables of the recipe need.
    pub extra: &'a [&'a str],
    /// What the packages are for.
    pub platform: Platform,
    /// Where the archives are reached: [`archives::mirrors`].
    pub mirrors: &'a Mirrors,
    /// What has expired is judged by this time.
    pub now: Epoch,
    /// An earlier pin, of which only the packages of these names, and what they need, are to change.
    pub keeping: Option<(&'a DebianPin, &'a [String])>,
}

/// Resolves a request: reads its suites and chooses packages.
pub fn resolve(what: &Resolve<'_>, context: &Context) -> Result<DebianPin, ResolveError> {
    let Resolve { request, extra, platform, mirrors, now, keeping } = *what;
    let architecture = platform.architecture.debian_name();
    let archives = archives::of(request);
    let local = local::index(&request.local)?;
    let foreign = foreign(request, &local, architecture);
    let suites = read(&archives, request, (architecture, &foreign), mirrors, now, context)?;
    context.reporter.begin(Phase::Resolve, None, Unit::Items);
    let pin = choose(request, extra, platform, keeping, &archives, &suites, &local)?;
    context.reporter.end(Phase::Resolve, &format!("{} packages", pin.packages.len()));
    Ok(pin)
}

/// Reads all suites, at the same time.
fn read(
    archives: &[Archive],
    request: &DebianRequest,
    (architecture, foreign): (&str, &[&str]),
    mirrors: &Mirrors,
    now: Epoch,
    context: &Context,
) -> Result<Vec<Suite>, ResolveError> {
    let dated = request.snapshot.as_ref();
    let wanted: Vec<_> = archives.iter().flat_map(|archive| archive.suites(mirrors, dated, now)).collect();
    context.reporter.begin(Phase::Index, None, Unit::Bytes);
    let suites = thread::scope(|scope| {
        let readers: Vec<_> =
            wanted.into_iter().map(|suite| scope.spawn(move || suite.read(architecture, foreign, context))).collect();
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<Suite>, ResolveError>>()
    })?;
    let packages: usize = suites.iter().flat_map(|suite| &suite.packages).map(|packages| packages.len()).sum();
    context.reporter.end(Phase::Index, &format!("{} suites, {packages} packages", suites.len()));
    Ok(suites)
}

fn choose(
    request: &DebianRequest,
    extra: &[&str],
    platform: Platform,
    keeping: Option<(&DebianPin, &[String])>,
    archives: &[Archive],
    suites: &[Suite],
    local: &Packages,
) -> Result<DebianPin, ResolveError> {
    let aliases: Vec<Vec<&str>> = suites.iter().map(|suite| aliases(suite)).collect();
    let own = Repository { suite: local::SUITE, aliases: &[], priority: LOCAL_PRIORITY, packages: local };
    let of_suites = suites.iter().enumerate().flat_map(|(number, suite)| {
        let repository = |packages| Repository {
            suite: &suite.wanted.suite,
            aliases: &aliases[number],
            priority: suite.release.priority,
            packages,
        };
        suite.packages.iter().map(repository).map(move |repository| (Some(number), repository)).collect::<Vec<_>>()
    });
    // Of two packages of one version, the one of the first repository is taken.
    let indexes: Vec<(Option<usize>, Repository<'_>)> = std::iter::once((None, own)).chain(of_suites).collect();
    let repositories: Vec<Repository<'_>> = indexes.iter().map(|(_, repository)| *repository).collect();
    let architecture = platform.architecture.debian_name();
    let mut wanted: Vec<solve::Wanted> = request.packages.iter().map(wanted).collect();
    wanted.extend(local.records().map(|record| solve::Wanted {
        name: record.name().to_owned(),
        architecture: Some(record.architecture().to_owned()),
        pin: Some(WantedPin::Suite(local::SUITE.to_owned())),
    }));
    for list in &request.lists {
        let names = listed(list, architecture, &repositories)?;
        wanted.extend(names.into_iter().map(|name| solve::Wanted { name, architecture: None, pin: None }));
    }
    for name in extra {
        if !wanted.iter().any(|package| package.name == *name) {
            wanted.push(solve::Wanted { name: (*name).to_owned(), architecture: None, pin: None });
        }
    }
    let asked = Request {
        architecture,
        variant: variant(request.variant),
        wanted: &wanted,
        recommends: request.recommends,
        preferred: &PREFERRED,
    };
    let solution = solve::solve(&asked, &repositories)?;
    let moving = match keeping {
        Some((_, names)) => Some(keep::moving(&solution, names)?),
        None => None,
    };
    let packages = solution.packages.iter().filter_map(|chosen| {
        let (record, suite) = (chosen.record, &suites[indexes[chosen.repository].0?]);
        if let (Some((old, _)), Some(moving)) = (keeping, &moving)
            && !moving.contains(record.name())
            && let Some(old) = keep::locked(old, record)
        {
            return Some(old.clone());
        }
        Some(LockedPackage {
            name: record.name().to_owned(),
            version: record.version().as_str().to_owned(),
            architecture: record.architecture().to_owned(),
            repository: suite.wanted.id.clone(),
            path: record.filename().to_owned(),
            size: record.size(),
            sha256: record.digest(),
            essential: chosen.essential_stage,
            automatic: chosen.automatic,
        })
    });
    Ok(DebianPin {
        platform,
        distribution: request.distribution.to_string(),
        suite: request.suite.clone(),
        repositories: suites.iter().map(|suite| locked(suite, request, archives)).collect(),
        packages: packages.collect(),
        sources: sources(archives),
    })
}

/// What is a file of the recipe's folder is meant, whatever version an archive has.
const LOCAL_PRIORITY: i16 = i16::MAX;

/// The architectures of packages that are asked for, but for the image's own.
fn foreign<'r>(request: &'r DebianRequest, local: &'r Packages, architecture: &str) -> Vec<&'r str> {
    let named = request.packages.iter().filter_map(|package| package.architecture.as_deref());
    let named = named.chain(local.records().map(|record| record.architecture()));
    let foreign: BTreeSet<_> = named.filter(|name| ![architecture, "all"].contains(name)).collect();
    foreign.into_iter().collect()
}

/// The names of all packages of a kind: of each name the version that apt would take counts. Where an archive keeps tasks
/// as packages, as Debian's does, the package is meant.
fn listed(
    list: &PackageList,
    architecture: &str,
    repositories: &[Repository<'_>],
) -> Result<Vec<String>, ResolveError> {
    let mut newest: BTreeMap<&str, (i16, Version<'_>, bool)> = BTreeMap::new();
    for repository in repositories.iter().filter(|repository| repository.priority >= 0) {
        for record in repository.packages.records() {
            if ![architecture, "all"].contains(&record.architecture()) {
                continue;
            }
            let is_of = match list {
                PackageList::Priority(name) => record.priority() == name,
                PackageList::Section(name) => record.section() == name,
                PackageList::Task(name) => {
                    record.tasks().any(|task| task == name) || record.name().strip_prefix("task-") == Some(name)
                }
            };
            let known = newest.entry(record.name()).or_insert((repository.priority, record.version(), is_of));
            if (repository.priority, record.version()) > (known.0, known.1) {
                *known = (repository.priority, record.version(), is_of);
            }
        }
    }
    let names: Vec<String> = newest.into_iter().filter(|(_, known)| known.2).map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        return Err(ResolveError::EmptyList { list: list.to_string() });
    }
    Ok(names)
}

fn aliases(suite: &Suite) -> Vec<&str> {
    [&suite.release.suite, &suite.release.codename].into_iter().flatten().map(String::as_str).collect()
}

fn wanted(request: &PackageRequest) -> solve::Wanted {
    let pin = match (&request.version, &request.suite) {
        (Some(version), _) => Some(WantedPin::Version(version.clone())),
        (None, Some(suite)) => Some(WantedPin::Suite(suite.clone())),
        (None, None) => None,
    };
    solve::Wanted { name: request.name.clone(), architecture: request.architecture.clone(), pin }
}

fn variant(variant: DebianVariant) -> Variant {
    match variant {
        DebianVariant::Essential => Variant::Essential,
        DebianVariant::Apt => Variant::Apt,
        DebianVariant::Minbase => Variant::Minbase,
        DebianVariant::Buildd => Variant::Buildd,
        DebianVariant::Standard => Variant::Standard,
        DebianVariant::Custom => Variant::Custom,
    }
}

fn locked(suite: &Suite, request: &DebianRequest, archives: &[Archive]) -> LockedRepository {
    let archive = archives.iter().find(|archive| archive.id == suite.wanted.id);
    LockedRepository {
        id: suite.wanted.id.clone(),
        url: archive.and_then(|archive| archive.vendor_url.clone()),
        suite: suite.wanted.suite.clone(),
        components: suite.wanted.components.clone(),
        date: suite.release.date.unwrap_or_default(),
        release: suite.digest,
        signed_by: suite.signed_by.clone(),
        snapshot: request.snapshot.as_ref().map(|snapshot| snapshot.as_str().to_owned()),
    }
}

/// What the image's own apt uses: the distribution's official addresses, whatever mirror was used here, and the vendors'.
fn sources(archives: &[Archive]) -> Vec<AptSource> {
    let mut sources: BTreeMap<usize, AptSource> = BTreeMap::new();
    for (number, archive) in archives.iter().enumerate() {
        if let Some(uri) = &archive.public_url {
            let source = AptSource {
                types: vec!["deb".to_owned()],
                uri: uri.clone(),
                suites: archive.suites.clone(),
                components: archive.components.clone(),
                signed_by: archive.image_keyring.map(str::to_owned),
            };
            sources.insert(number, source);
        }
    }
    sources.into_values().collect()
}
