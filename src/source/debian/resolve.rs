//! From a request to a pin: which suites are read, which packages are chosen, and what the image's own apt is told.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use super::archives::{self, Archive};
use super::exclude::Excluded;
use super::index::Packages;
use super::keep::{self, Held};
use super::solve::{self, PREFERRED, Pin, Repository, Request, Solution, Variant};
use super::suite::{self, Suite};
use super::version::Version;
use super::{Mirrors, ResolveError, Unresolved, local, unread};
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::lock::{AptKeyring, AptSource, DebianPin, Installer, LockedPackage, LockedRepository, LockedSlice};
use crate::package::did_you_mean;
use crate::platform::Platform;
use crate::recipe::{DebianEngine, DebianRequest, DebianVariant, PackageList, PackageRequest, SliceRequest};
use crate::report::{Phase, Unit, counted};

/// The priority of suites that are read only for packages that are asked of them by name: that of backports in apt, which
/// is below that of everything else.
const PINNED: i16 = 100;

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
pub fn resolve(what: &Resolve<'_>, context: &Context) -> Result<DebianPin, Unresolved> {
    let Resolve { request, platform, mirrors, now, .. } = *what;
    let architecture = platform.architecture.debian_name();
    let archives = archives::of(request, platform);
    let foreign = foreign(request, architecture);
    let architectures: Vec<&str> = std::iter::once(architecture).chain(foreign.iter().copied()).collect();
    let local = local::index(&request.local, &architectures)?;
    let suites = read(&archives, request, (architecture, &foreign), mirrors, now, context)?;
    check_asked(request, &suites)?;
    context.reporter.begin(Phase::Resolve, None, Unit::Items);
    let chosen = choose(what, &archives, &suites, &local, context);
    let (pin, unmet) = chosen.map_err(|mut error| {
        if let ResolveError::Solve(error) = &mut error {
            unread::hint(error.missing_mut(), &suites, architecture, context);
        }
        error
    })?;
    if !unmet.is_empty() {
        context.reporter.note(&format!("left out, although packages depend on it: {}", unmet.join(", ")));
    }
    context.reporter.end(Phase::Resolve, &counted(pin.packages.len(), "package"));
    Ok(pin)
}

/// The suites that packages are asked of are among those that were read.
fn check_asked(request: &DebianRequest, suites: &[Suite]) -> Result<(), ResolveError> {
    let is_read = |name: &String| {
        suites.iter().any(|suite| suite.wanted.suite == *name || aliases(suite).contains(&name.as_str()))
    };
    for package in &request.packages {
        let Some(suite) = package.suite.as_ref().filter(|suite| !is_read(suite)) else { continue };
        let read = suites.iter().map(|suite| suite.wanted.suite.as_str());
        let known = archives::suites_to_ask(request);
        let help = did_you_mean(suite, read.clone().chain(known.iter().map(String::as_str))).unwrap_or_else(|| {
            let read = read.collect::<Vec<_>>().join(", ");
            format!(
                "read are {read}; a suite of another archive needs a [[from.debian.repository]] with it in `suites`"
            )
        });
        return Err(ResolveError::UnknownSuite { wanted: package.to_string(), suite: suite.clone(), help });
    }
    Ok(())
}

/// Reads all suites, at the same time.
fn read(
    archives: &[Archive],
    request: &DebianRequest,
    (architecture, foreign): (&str, &[&str]),
    mirrors: &Mirrors,
    now: Epoch,
    context: &Context,
) -> Result<Vec<Suite>, Unresolved> {
    let dated = request.snapshot.as_ref();
    let wanted: Vec<_> = archives.iter().flat_map(|archive| archive.suites(mirrors, dated, now)).collect();
    context.reporter.begin(Phase::Index, None, Unit::Bytes);
    let suites = thread::scope(|scope| {
        let readers: Vec<_> = wanted
            .into_iter()
            .map(|suite| scope.spawn(move || read_one(suite, architecture, foreign, context)))
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<Suite>, Unresolved>>()
    })?;
    let packages: usize = suites.iter().flat_map(|suite| &suite.packages).map(|packages| packages.len()).sum();
    context
        .reporter
        .end(Phase::Index, &format!("{}, {}", counted(suites.len(), "suite"), counted(packages, "package")));
    Ok(suites)
}

fn read_one(
    suite: suite::Wanted,
    architecture: &str,
    foreign: &[&str],
    context: &Context,
) -> Result<Suite, Unresolved> {
    let declared = suite.declared.clone();
    suite
        .read(architecture, foreign, context)
        .map_err(|error| Unresolved { error: Box::new(error), archive: Some(declared) })
}

fn choose(
    what: &Resolve<'_>,
    archives: &[Archive],
    suites: &[Suite],
    local: &Packages,
    context: &Context,
) -> Result<(DebianPin, Vec<String>), ResolveError> {
    let Resolve { request, extra, platform, mirrors, keeping, .. } = *what;
    let aliases: Vec<Vec<&str>> = suites.iter().map(|suite| aliases(suite)).collect();
    // Messages name the repositories: without local files there is none of them.
    let own = local.records().next().is_some().then_some(Repository {
        suite: local::SUITE,
        aliases: &[],
        priority: LOCAL_PRIORITY,
        packages: local,
    });
    let of_suites = suites.iter().enumerate().flat_map(|(number, suite)| {
        let repository = |packages| Repository {
            suite: &suite.wanted.suite,
            aliases: &aliases[number],
            // What is read for single packages comes along with nothing else.
            priority: if suite.wanted.is_pinned { suite.release.priority.min(PINNED) } else { suite.release.priority },
            packages,
        };
        suite.packages.iter().map(repository).map(move |repository| (Some(number), repository)).collect::<Vec<_>>()
    });
    // Of what several have, the one of the first repository is taken, unless another one is asked for it.
    let indexes: Vec<(Option<usize>, Repository<'_>)> =
        own.map(|own| (None, own)).into_iter().chain(of_suites).collect();
    let repositories: Vec<Repository<'_>> = indexes.iter().map(|(_, repository)| *repository).collect();
    let architecture = platform.architecture.debian_name();
    let mut wanted: Vec<solve::Wanted> = request.packages.iter().map(wanted).collect();
    wanted.extend(local.records().map(|record| solve::Wanted {
        name: record.name().to_owned(),
        architecture: Some(record.architecture().to_owned()),
        suite: Some(local::SUITE.to_owned()),
        pin: None,
    }));
    let excluded = Excluded::of(request, architecture, &repositories);
    excluded.report(&*context.reporter);
    for list in &request.lists {
        let names = listed(list, architecture, &repositories)?;
        let names = names.into_iter().filter(|name| excluded.names.binary_search(&name.as_str()).is_err());
        wanted.extend(names.map(by_name));
    }
    for name in extra {
        if !wanted.iter().any(|package| package.name == *name) {
            wanted.push(by_name((*name).to_owned()));
        }
    }
    let asked = Request {
        architecture,
        variant: variant(request.variant),
        wanted: &wanted,
        excluded: &excluded.names,
        recommends: request.recommends,
        preferred: &PREFERRED,
    };
    let fresh =
        if request.dependencies { solve::solve(&asked, &repositories)? } else { solve::choose(&asked, &repositories)? };
    let moving = match keeping {
        Some((_, names)) => Some(keep::moving(&fresh, names)?),
        None => None,
    };
    let held = match (keeping, &moving) {
        (Some((old, _)), Some(moving)) if request.dependencies => {
            Held::of((old, mirrors), moving, &fresh, &repositories, context)?
        }
        _ => None,
    };
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (suite, aliases) in suites.iter().zip(&aliases) {
        let known = names.entry(&suite.wanted.id).or_default();
        known.extend(std::iter::once(suite.wanted.suite.as_str()).chain(aliases.iter().copied()));
    }
    let held_too = held.iter().flat_map(|held| held.repositories(&names));
    let all: Vec<Repository<'_>> = repositories.iter().copied().chain(held_too).collect();
    let excluded = Excluded::of(request, architecture, &all);
    let solution = match (&held, &moving) {
        (Some(held), Some(moving)) => {
            let asked = Request { excluded: &excluded.names, ..asked.clone() };
            solve::settle(&asked, &all, &fresh, &held.records(), moving)?
        }
        _ => fresh,
    };
    check_slices(request, &solution)?;
    let security = security(suites);
    let packages = solution.packages.iter().filter_map(|chosen| {
        let record = chosen.record;
        let place = indexes.get(chosen.repository).map(|(suite, _)| *suite);
        if place == Some(None) {
            return None;
        }
        if let (Some((old, _)), Some(moving)) = (keeping, &moving)
            && !moving.contains(record.name())
            && let Some(old) = keep::locked(old, record)
            && (old.sha256 == record.digest() || !request.dependencies)
        {
            return Some(keep::again(old, chosen, request.dependencies));
        }
        let suite = &suites[place??];
        Some(LockedPackage {
            name: record.name().to_owned(),
            version: record.version().as_str().to_owned(),
            architecture: record.architecture().to_owned(),
            repository: suite.wanted.id.clone(),
            path: record.filename().to_owned(),
            size: record.size(),
            sha256: record.digest(),
            essential: chosen.essential_stage,
            priority: keep::priority(chosen),
            automatic: chosen.automatic,
            security: security.contains(&(record.name(), record.version().as_str())),
        })
    });
    let unmet = if request.dependencies { Vec::new() } else { keep::unmet(&solution) };
    let (sources, keyrings) = sources(archives, suites)?;
    let pin = DebianPin {
        platform,
        distribution: request.distribution.to_string(),
        suite: request.suite.clone(),
        installer: installer(request),
        binaries: request.binaries.iter().map(|path| path.as_str().to_owned()).collect(),
        slices: request.slices.iter().map(slice).collect(),
        repositories: suites.iter().map(|suite| locked(suite, request, archives)).collect(),
        packages: packages.collect(),
        sources,
        keyrings,
    };
    Ok((pin, unmet))
}

/// A slice of a package that is not chosen would keep nothing.
fn check_slices(request: &DebianRequest, solution: &Solution<'_>) -> Result<(), ResolveError> {
    let chosen = |slice: &&SliceRequest| solution.packages.iter().any(|chosen| chosen.record.name() == slice.package);
    match request.slices.iter().find(|slice| !chosen(slice)) {
        Some(slice) => Err(ResolveError::SliceOfNothing { package: slice.package.clone() }),
        None => Ok(()),
    }
}

fn installer(request: &DebianRequest) -> Installer {
    match request.engine {
        _ if !request.scripts => Installer::Files,
        DebianEngine::Native => Installer::Native,
        DebianEngine::Mmdebstrap => Installer::Mmdebstrap,
        DebianEngine::Debootstrap => Installer::Debootstrap,
    }
}

fn slice(slice: &SliceRequest) -> LockedSlice {
    let keep = slice.keep.iter().map(|pattern| pattern.as_str().to_owned());
    LockedSlice { package: slice.package.clone(), keep: keep.collect() }
}

/// What is a file of the recipe's folder is meant, whatever version an archive has.
const LOCAL_PRIORITY: i16 = i16::MAX;

/// The architectures of packages that are asked for by them, but for the image's own.
fn foreign<'r>(request: &'r DebianRequest, architecture: &str) -> Vec<&'r str> {
    let named = request.packages.iter().filter_map(|package| package.architecture.as_deref());
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
        return Err(ResolveError::EmptyList { list: list.to_string(), name: list.name().to_owned() });
    }
    Ok(names)
}

fn aliases(suite: &Suite) -> Vec<&str> {
    [&suite.release.suite, &suite.release.codename].into_iter().flatten().map(String::as_str).collect()
}

fn wanted(request: &PackageRequest) -> solve::Wanted {
    solve::Wanted {
        name: request.name.clone(),
        architecture: request.architecture.clone(),
        suite: request.suite.clone(),
        pin: request.version.as_deref().map(Pin::of),
    }
}

fn by_name(name: String) -> solve::Wanted {
    solve::Wanted { name, architecture: None, suite: None, pin: None }
}

fn variant(variant: DebianVariant) -> Variant {
    match variant {
        DebianVariant::Essential => Variant::Essential,
        DebianVariant::Apt => Variant::Apt,
        DebianVariant::Minbase => Variant::Minbase,
        DebianVariant::Buildd => Variant::Buildd,
        DebianVariant::Important => Variant::Important,
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
        components: if suite.wanted.suite.ends_with('/') { Vec::new() } else { suite.wanted.components.clone() },
        date: suite.release.date.unwrap_or_default(),
        release: suite.digest,
        signed_by: suite.signed_by.clone(),
        snapshot: request
            .snapshot
            .as_ref()
            .filter(|_| suite.wanted.is_dated)
            .map(|snapshot| snapshot.as_str().to_owned()),
    }
}

/// Names and versions in suites of security updates.
fn security(suites: &[Suite]) -> BTreeSet<(&str, &str)> {
    let suites = suites.iter().filter(|suite| suite.wanted.suite.contains("-security"));
    let records = suites.flat_map(|suite| &suite.packages).flat_map(|packages| packages.records());
    records.map(|record| (record.name(), record.version().as_str())).collect()
}

/// What the image's own apt uses, and the keys that it needs for that: the distribution's official addresses or the
/// mirror that the recipe wants there, whatever mirror was used here, and the vendors'.
fn sources(archives: &[Archive], suites: &[Suite]) -> Result<(Vec<AptSource>, Vec<AptKeyring>), ResolveError> {
    let (mut sources, mut keyrings) = (Vec::new(), Vec::new());
    for archive in archives {
        let Some(uri) = &archive.public_url else { continue };
        // A suite that was read for single packages stays, where apt itself takes nothing else from it.
        let is_harmless = |name: &String| {
            let read = suites.iter().find(|suite| suite.wanted.id == archive.id && suite.wanted.suite == *name);
            !archive.pinned.contains(name) || read.is_some_and(|suite| suite.release.priority <= PINNED)
        };
        let trusted = archive.is_trusted_unsigned();
        let mut signed_by = archive.image_keyring.filter(|_| !trusted).map(str::to_owned);
        if let Some(file) = archive.told_keyring().filter(|_| !trusted) {
            let bytes = std::fs::read(file).map_err(|source| ResolveError::Keyring { path: file.clone(), source })?;
            // apt tells the two forms of a keyring apart by the file's name.
            let extension = if bytes.starts_with(b"-----BEGIN PGP") { "asc" } else { "gpg" };
            let sha256 = Digest::of(&bytes);
            let mut keyring = AptKeyring { path: format!("/etc/apt/keyrings/{}.{extension}", archive.id), sha256 };
            // One address may be declared twice, with other suites and other keys.
            if keyrings.iter().any(|known: &AptKeyring| known.path == keyring.path && known.sha256 != sha256) {
                keyring.path = format!("/etc/apt/keyrings/{}-{}.{extension}", archive.id, &sha256.hex()[..8]);
            }
            signed_by = Some(keyring.path.clone());
            keyrings.push(keyring);
        }
        sources.push(AptSource {
            types: vec!["deb".to_owned()],
            uri: uri.clone(),
            suites: archive.suites.iter().filter(|suite| is_harmless(suite)).cloned().collect(),
            components: archive.components.clone(),
            signed_by,
            trusted,
        });
    }
    keyrings.sort();
    keyrings.dedup();
    Ok((sources, keyrings))
}
