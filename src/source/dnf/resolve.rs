//! From a request to a pin: which packages one transaction installs, each by its digest and with who signed it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

use super::package_file::{PackageFile, Refusal};
use super::repodata::{Index, Record};
use super::repositories::Repository;
use super::solver::{Choice, Problem, Solver};
use super::{DnfError, distribution, fetch, keys};
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::http::Job;
use crate::lock::{DnfPin, LockedRpm, LockedRpmRepository};
use crate::openpgp::Keyring;
use crate::platform::Platform;
use crate::recipe::{DnfRequest, Trust};
use crate::report::{Phase, Unit, counted};
use crate::store::Blob;

/// Names this much alike are suggested for one that is not there, at most so many.
const ALIKE: f64 = 0.85;
const SUGGESTIONS: usize = 3;

/// What to resolve, and how.
#[derive(Clone, Copy, Debug)]
pub struct Resolve<'a> {
    /// What the recipe asks for.
    pub request: &'a DnfRequest,
    /// Packages that other tables of the recipe need.
    pub extra: &'a [&'a str],
    /// What the packages are for.
    pub platform: Platform,
    /// Where they come from: [`super::repositories::of`].
    pub repositories: &'a [Repository],
    /// Folders of this machine's programs.
    pub programs: &'a [PathBuf],
    /// What has expired is judged by this time.
    pub now: Epoch,
    /// An earlier pin, of which only the packages of these names are to change.
    pub keeping: Option<(&'a DnfPin, &'a [String])>,
}

/// Resolves a request: reads indexes, lets the host's dnf choose, fetches what it chose and checks who signed it.
pub fn resolve(what: &Resolve<'_>, context: &Context) -> Result<DnfPin, DnfError> {
    let Resolve { request, platform, repositories, now, .. } = *what;
    let (database, database_format) = distribution::database(request)?;
    let solver = Solver::find(what.programs)?;
    // A repository without keys is a mistake to hear of before anything is fetched.
    let mut keyrings = BTreeMap::new();
    for repository in repositories.iter().filter(|repository| repository.trust == Trust::Signed) {
        keyrings.insert(repository.id.clone(), keys::keyring(repository, context)?);
    }
    context.reporter.begin(Phase::Index, None, Unit::Bytes);
    let mut indexes = Vec::new();
    for repository in repositories {
        indexes.push(Index::fetch(repository, now, context)?);
    }
    context.reporter.end(Phase::Index, &counted(indexes.len(), "repository"));
    context.reporter.begin(Phase::Resolve, None, Unit::Items);
    check_modules(request, &indexes)?;
    let chosen = choose(what, &solver, &indexes, context)?;
    context
        .reporter
        .end(Phase::Resolve, &format!("{}, by {}", counted(chosen.len(), "package"), solver.program().display()));
    let mut packages = chosen.iter().map(locked).collect::<Result<Vec<_>, _>>()?;
    sign(&mut packages, &indexes, &keyrings, now, context)?;
    let used: BTreeSet<&str> = packages.iter().map(|package| &*package.repository).collect();
    let used = indexes.iter().filter(|index| used.contains(&*index.id));
    Ok(DnfPin {
        platform,
        distribution: request.distribution.to_string(),
        release: request.release.clone(),
        database,
        database_format: database_format.name().to_owned(),
        docs: request.docs,
        langs: request.languages.clone(),
        modules: request.modules.iter().map(ToString::to_string).collect(),
        repositories: used.map(|index| LockedRpmRepository { id: index.id.clone(), repomd: index.digest }).collect(),
        packages,
    })
}

/// Every stream that is asked for is there: solvers pass over those that are not.
fn check_modules(request: &DnfRequest, indexes: &[Index]) -> Result<(), DnfError> {
    if request.modules.is_empty() {
        return Ok(());
    }
    let mut known = BTreeSet::new();
    for index in indexes {
        known.append(&mut index.streams()?);
    }
    let missing: Vec<String> =
        request.modules.iter().map(ToString::to_string).filter(|one| !known.contains(one)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is_near = |stream: &&String| missing.iter().any(|one| stream.split(':').next() == one.split(':').next());
    let nearest = known.iter().filter(is_near).cloned().collect();
    Err(DnfError::NoSuchPackage {
        names: missing.iter().map(|one| format!("the module stream `{one}`")).collect(),
        nearest,
    })
}

/// Lets dnf choose; where an earlier pin is kept, twice: what it had stays, but for what is named.
fn choose(what: &Resolve<'_>, solver: &Solver, indexes: &[Index], context: &Context) -> Result<Vec<Record>, DnfError> {
    let request = what.request;
    let own = distribution::packages(request.distribution, request.shape);
    let mut wanted: Vec<String> = own.into_iter().chain(what.extra.iter().copied()).map(str::to_owned).collect();
    wanted.extend(request.packages.iter().cloned());
    wanted.extend(request.groups.iter().map(|group| format!("@{group}")));
    let excluded = distribution::excluded(request.shape).iter().map(|name| (*name).to_owned());
    let mut problem = Problem {
        indexes,
        architecture: distribution::architecture(what.platform),
        release: &request.release,
        wanted,
        excluded: excluded.chain(request.exclude.iter().cloned()).collect(),
        weak_dependencies: request.weak_dependencies,
        best: true,
        modules: request.modules.iter().map(|module| (&*module.name, &*module.stream)).collect(),
        module_platform: distribution::module_platform(request),
    };
    let fresh = solve(solver, &problem, indexes, context)?;
    let Some((old, names)) = what.keeping else { return Ok(fresh) };
    if let Some(unknown) = names.iter().find(|name| !fresh.iter().any(|record| record.name == **name)) {
        return Err(DnfError::NotChosen { name: unknown.clone() });
    }
    let kept = old.packages.iter().filter(|package| {
        let stays = !names.contains(&package.name);
        stays
            && fresh.iter().any(|record| (&record.name, &record.architecture) == (&package.name, &package.architecture))
    });
    let kept: BTreeSet<String> = kept.map(|one| format!("{}-{}.{}", one.name, one.version, one.architecture)).collect();
    let mut there = BTreeSet::new();
    for index in indexes {
        index.packages(&mut |record| {
            there.extend(Some(record.nevra()).filter(|nevra| kept.contains(nevra)));
        })?;
    }
    problem.wanted.extend(there);
    // What is kept may be older than the best there is.
    problem.best = false;
    solve(solver, &problem, indexes, context)
}

fn solve(
    solver: &Solver,
    problem: &Problem<'_>,
    indexes: &[Index],
    context: &Context,
) -> Result<Vec<Record>, DnfError> {
    let folder = tempfile::Builder::new().prefix("dnf-").tempdir_in(context.store.temporary());
    let folder = folder.map_err(|source| context.store.cannot("make a folder for the solver", source))?;
    let choices = solver.solve(problem, folder.path()).map_err(|error| suggest(error, indexes))?;
    records(&choices, indexes)
}

/// The chosen packages as their indexes have them.
fn records(choices: &[Choice], indexes: &[Index]) -> Result<Vec<Record>, DnfError> {
    let mut found = BTreeMap::new();
    for index in indexes {
        let wanted = choices.iter().filter(|choice| choice.repository == index.id).map(|choice| &*choice.nevra);
        let wanted: BTreeSet<&str> = wanted.collect();
        index.packages(&mut |record| {
            let nevra = record.nevra();
            if wanted.contains(&*nevra) {
                found.entry((index.id.clone(), nevra)).or_insert(record);
            }
        })?;
    }
    let record = |choice: &Choice| {
        let key = (choice.repository.clone(), choice.nevra.clone());
        found.get(&key).cloned().ok_or_else(|| DnfError::Metadata {
            what: format!("the index of `{}`", choice.repository),
            reason: format!("it does not have `{}`, which was chosen from it", choice.nevra),
        })
    };
    choices.iter().map(record).collect()
}

/// Adds names that look alike to the error of those that are not there.
fn suggest(error: DnfError, indexes: &[Index]) -> DnfError {
    let DnfError::NoSuchPackage { names, .. } = error else { return error };
    let mut rated = BTreeMap::new();
    for index in indexes {
        let scanned = index.packages(&mut |record| {
            let likeness = |name: &String| strsim::jaro_winkler(name.trim_matches('`'), &record.name);
            let best = names.iter().filter(|name| !name.ends_with(')')).map(likeness).fold(0.0, f64::max);
            if best > ALIKE {
                rated.insert(record.name, (best * 1e6) as u64);
            }
        });
        drop(scanned);
    }
    let mut rated: Vec<(String, u64)> = rated.into_iter().collect();
    rated.sort_by_key(|(_, likeness)| std::cmp::Reverse(*likeness));
    DnfError::NoSuchPackage { names, nearest: rated.into_iter().take(SUGGESTIONS).map(|(name, _)| name).collect() }
}

/// A package as the lock has it, but for who signed it.
fn locked(record: &Record) -> Result<LockedRpm, DnfError> {
    let misread = |reason: String| DnfError::Metadata { what: format!("the index of `{}`", record.repository), reason };
    let (kind, digest) = &record.checksum;
    if kind != "sha256" {
        return Err(misread(format!("it names `{}` by its {kind}, and not by a SHA-256", record.path)));
    }
    if record.is_elsewhere {
        return Err(misread(format!("`{}` is outside of the repository", record.path)));
    }
    let wrong = |_| misread(format!("the digest of `{}` is not 64 lower-case hex digits", record.path));
    Ok(LockedRpm {
        name: record.name.clone(),
        version: record.version.clone(),
        architecture: record.architecture.clone(),
        repository: record.repository.clone(),
        path: record.path.clone(),
        size: record.size,
        sha256: Digest::from_hex(digest).map_err(wrong)?,
        signed_by: None,
    })
}

/// Fetches the packages that the store lacks, and notes who signed each.
fn sign(
    packages: &mut [LockedRpm],
    indexes: &[Index],
    keyrings: &BTreeMap<String, Keyring>,
    now: Epoch,
    context: &Context,
) -> Result<(), DnfError> {
    let bases = indexes.iter().map(|index| (index.id.clone(), index.bases.clone())).collect();
    let jobs: Vec<Job> = packages.iter().map(|package| fetch::job(package, &bases)).collect();
    let bytes = jobs.iter().map(|job| job.size).sum();
    context.reporter.begin(Phase::Download, Some(bytes), Unit::Bytes);
    let signers = Mutex::new(vec![None; packages.len()]);
    let each = |number: usize, blob: Blob| {
        let signer = check(&packages[number], &blob, keyrings, now)?;
        signers.lock().expect("no thread panics while it holds the signers")[number] = signer;
        Ok::<_, DnfError>(())
    };
    let advance = |bytes| context.reporter.advance(Phase::Download, bytes);
    context.http.download_all(&jobs, &context.store, &advance, each)?;
    context.reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(jobs.len(), "package"), bytes as f64 / 1e6));
    let signers = signers.into_inner().expect("no thread panics while it holds the signers");
    for (package, signer) in packages.iter_mut().zip(signers) {
        package.signed_by = signer;
    }
    Ok(())
}

/// The key that signed a package; nothing where its repository needs none.
fn check(
    package: &LockedRpm,
    blob: &Blob,
    keyrings: &BTreeMap<String, Keyring>,
    now: Epoch,
) -> Result<Option<String>, DnfError> {
    let name = format!("{}-{}.{}", package.name, package.version, package.architecture);
    let damaged = |reason| DnfError::Damaged { package: name.clone(), reason };
    let file = PackageFile::read(&blob.path).map_err(damaged)?;
    file.check(package)?;
    let Some(keyring) = keyrings.get(&package.repository) else { return Ok(None) };
    match file.signer(&name, blob, keyring, now) {
        Ok(signer) => Ok(Some(signer)),
        Err(Refusal::Damaged(reason)) => Err(damaged(reason)),
        Err(Refusal::Signature(source)) => {
            Err(DnfError::Signature { package: name, id: package.repository.clone(), source })
        }
    }
}
