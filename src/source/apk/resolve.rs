//! From a request to a pin: which indexes are read, which packages are chosen, and what is in them.

use std::sync::Mutex;
use std::thread;

use super::architecture_name;
use super::error::ApkError;
use super::index::Index;
use super::keep;
use super::keys::Keyring;
use super::package_file::{PackageFile, open_index};
use super::relation::Relation;
use super::repositories::{self, Mirrors, Repository};
use super::solve::{self, Chosen};
use crate::context::Context;
use crate::digest::Digest;
use crate::http::{address_in, without_secrets};
use crate::lock::{ApkPin, LockedApk, LockedApkRepository, LockedKey, LockedScripts};
use crate::platform::Platform;
use crate::recipe::{ApkRequest, ApkScripts, Trust};
use crate::report::{Phase, Unit};

/// Indexes are at most this large, compressed (that of Alpine edge's community has 2 MB).
const INDEX_LIMIT: u64 = 256 << 20;

/// Packages above this size are fetched one at a time, because they are held in memory until their digest is known.
const LARGE: u64 = 8 << 20;

/// How many packages are fetched at once.
const PARALLEL: usize = 4;

/// What to resolve, and how.
#[derive(Clone, Copy, Debug)]
pub struct Resolve<'a> {
    /// What the recipe asks for.
    pub request: &'a ApkRequest,
    /// Packages that other tables of the recipe need.
    pub extra: &'a [&'a str],
    /// What the packages are for.
    pub platform: Platform,
    /// Where the repositories are reached: [`repositories::mirrors`].
    pub mirrors: &'a Mirrors,
    /// An earlier pin, of which only the packages of these names, and what they need, are to change.
    pub keeping: Option<(&'a ApkPin, &'a [String])>,
}

/// An index that was read.
struct Read {
    repository: Repository,
    index: Index,
    digest: Digest,
    signed_by: Option<String>,
}

impl Read {
    fn for_solver(&self) -> solve::Repository<'_> {
        let Repository { id, tag, .. } = &self.repository;
        solve::Repository { id, tag: tag.as_deref(), index: &self.index }
    }
}

/// Resolves a request: reads its indexes, chooses packages, and fetches those whose digest is not known yet: the index has
/// only the sum of a piece of each.
pub fn resolve(what: &Resolve<'_>, context: &Context) -> Result<ApkPin, ApkError> {
    let Resolve { request, extra, platform, mirrors, keeping } = *what;
    let architecture = architecture_name(platform.architecture);
    let mut keyring = Keyring::of_distribution(&request.distribution);
    request.keys.iter().try_for_each(|path| keyring.add_file(path))?;
    let indexes = read_all(request, &keyring, architecture, mirrors, context)?;
    context.reporter.begin(Phase::Resolve, None, Unit::Items);
    let mut world: Vec<String> = request.packages.iter().map(ToString::to_string).collect();
    world.extend(
        extra
            .iter()
            .filter(|name| !world.iter().any(|entry| entry == *name))
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    );
    let unreadable = |source| ApkError::Relation { package: "world".to_owned(), source };
    let relations: Vec<Relation<'_>> =
        world.iter().map(|entry| Relation::parse(entry)).collect::<Result<_, _>>().map_err(unreadable)?;
    let for_solver: Vec<_> = indexes.iter().map(Read::for_solver).collect();
    let chosen = solve::solve(&relations, &for_solver)?;
    context.reporter.end(Phase::Resolve, &format!("{} packages", chosen.len()));
    let old = match keeping {
        Some((old, names)) => keep::kept(old, &chosen, names)?,
        None => Vec::new(),
    };
    let packages = lock_all(&chosen, &old, &indexes, architecture, mirrors, context)?;
    let mut world: Vec<String> = relations.iter().map(ToString::to_string).collect();
    world.sort();
    world.dedup();
    Ok(ApkPin {
        platform,
        distribution: request.distribution.clone(),
        branch: request.branch.clone(),
        scripts: match request.scripts {
            ApkScripts::None => LockedScripts::None,
            ApkScripts::Sandbox => LockedScripts::Sandbox,
        },
        world,
        keys: keys(&indexes, &keyring),
        repositories: indexes.into_iter().map(locked).collect(),
        packages,
    })
}

/// Reads all indexes, at the same time.
fn read_all(
    request: &ApkRequest,
    keyring: &Keyring,
    architecture: &'static str,
    mirrors: &Mirrors,
    context: &Context,
) -> Result<Vec<Read>, ApkError> {
    context.reporter.begin(Phase::Index, None, Unit::Bytes);
    let keyring = (request.trust == Trust::Signed).then_some(keyring);
    let wanted = repositories::of(request);
    let indexes = thread::scope(|scope| {
        let read = |repository| scope.spawn(move || read_one(repository, keyring, architecture, mirrors, context));
        let readers: Vec<_> = wanted.into_iter().map(read).collect();
        let joined = readers.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<Result<Vec<Read>, ApkError>>()
    })?;
    let packages: usize = indexes.iter().map(|read| read.index.records().len()).sum();
    context.reporter.end(Phase::Index, &format!("{} repositories, {packages} packages", indexes.len()));
    Ok(indexes)
}

/// The index of the first address that has it, and that is right.
fn read_one(
    repository: Repository,
    keyring: Option<&Keyring>,
    architecture: &'static str,
    mirrors: &Mirrors,
    context: &Context,
) -> Result<Read, ApkError> {
    let addresses = mirrors.get(&repository.id).map(Vec::as_slice).unwrap_or_default();
    let mut failure = None;
    for address in addresses {
        let address = address_in(address, &format!("{architecture}/APKINDEX.tar.gz"));
        let what = without_secrets(&address);
        let read = |bytes: Vec<u8>| {
            let (text, signed_by) = open_index(&bytes, keyring, &what)?;
            Ok((Index::parse(text, &what)?, Digest::of(&bytes), signed_by))
        };
        match context.http.fetch_optional(&address, INDEX_LIMIT).map_err(ApkError::from) {
            Ok(None) => {}
            Ok(Some(bytes)) => match read(bytes) {
                Ok((index, digest, signed_by)) => return Ok(Read { repository, index, digest, signed_by }),
                Err(error) => drop(failure.get_or_insert(error)),
            },
            Err(error) => drop(failure.get_or_insert(error)),
        }
    }
    Err(failure.unwrap_or_else(|| ApkError::NoRepository {
        repository: repository.id,
        architecture,
        addresses: addresses.iter().map(|address| without_secrets(address)).collect(),
    }))
}

/// Finds out the digest of each package; several at once, in no order that shows.
fn lock_all(
    chosen: &[Chosen<'_>],
    old: &[LockedApk],
    indexes: &[Read],
    architecture: &str,
    mirrors: &Mirrors,
    context: &Context,
) -> Result<Vec<LockedApk>, ApkError> {
    let is_kept = |chosen: &&Chosen<'_>| !old.iter().any(|kept| kept.name == chosen.record.name());
    let mut waiting: Vec<&Chosen<'_>> = chosen.iter().filter(is_kept).collect();
    waiting.sort_by_key(|chosen| chosen.record.size());
    let total = waiting.iter().map(|chosen| chosen.record.size()).sum();
    context.reporter.begin(Phase::Download, Some(total), Unit::Bytes);
    let (queue, one_at_a_time) = (Mutex::new(waiting), Mutex::new(()));
    let locked = Mutex::new((old.to_vec(), None::<ApkError>));
    let work = || loop {
        let next = queue.lock().expect("no thread panics while it holds the queue").pop();
        let Some(chosen) = next else { return };
        let alone = (chosen.record.size() > LARGE).then(|| one_at_a_time.lock());
        let repository = &indexes[chosen.repository].repository.id;
        let outcome = lock_one(chosen, repository, architecture, mirrors, context);
        drop(alone);
        let mut locked = locked.lock().expect("no thread panics while it holds the packages");
        match outcome {
            Ok(package) => locked.0.push(package),
            Err(error) => {
                locked.1.get_or_insert(error);
                queue.lock().expect("no thread panics while it holds the queue").clear();
            }
        }
    };
    thread::scope(|scope| (0..PARALLEL).for_each(|_| drop(scope.spawn(work))));
    let (packages, failure) = locked.into_inner().expect("no thread panicked, or the scope would have");
    if let Some(error) = failure {
        return Err(error);
    }
    context.reporter.end(Phase::Download, &format!("{} packages, {:.1} MB", packages.len(), total as f64 / 1e6));
    Ok(packages)
}

/// A package with its digest. Its file is then in the store, and its control section is the one that the index names.
fn lock_one(
    chosen: &Chosen<'_>,
    repository: &str,
    architecture: &str,
    mirrors: &Mirrors,
    context: &Context,
) -> Result<LockedApk, ApkError> {
    let record = chosen.record;
    let path = format!("{architecture}/{}", record.file_name());
    let locked = |sha256| LockedApk {
        name: record.name().to_owned(),
        version: record.version().to_owned(),
        architecture: record.architecture().to_owned(),
        repository: repository.to_owned(),
        path: path.clone(),
        size: record.size(),
        checksum: record.checksum().to_owned(),
        sha256,
    };
    let store = &context.store;
    let known =
        format!("package with checksum {} of {} bytes, {}", record.checksum(), record.size(), record.file_name());
    let known = Digest::of(known.as_bytes());
    let remembered = store.recall(&known)?.and_then(|value| String::from_utf8(value).ok()?.parse::<Digest>().ok());
    if let Some(digest) = remembered
        && store.verified(&digest)?.is_some_and(|blob| blob.size == record.size())
    {
        context.reporter.advance(Phase::Download, record.size());
        return Ok(locked(digest));
    }
    let mut failure = None;
    for address in mirrors.get(repository).into_iter().flatten() {
        let address = address_in(address, &path);
        match fetch_one(&address, &record, context) {
            Ok(digest) => {
                store.remember(&known, digest.to_string().as_bytes())?;
                context.reporter.advance(Phase::Download, record.size());
                return Ok(locked(digest));
            }
            Err(error) => drop(failure.get_or_insert(error)),
        }
    }
    Err(failure.expect("every repository has an address"))
}

fn fetch_one(address: &str, record: &super::index::Record<'_>, context: &Context) -> Result<Digest, ApkError> {
    let what = without_secrets(address);
    let bytes = context.http.fetch_bytes(address, record.size().saturating_add(1))?;
    if bytes.len() as u64 != record.size() {
        let (expected, found) = (format!("{} bytes", record.size()), format!("{} bytes", bytes.len()));
        return Err(ApkError::Mismatch { package: what, what: "a file of", expected, found });
    }
    let blob = context.store.put(&bytes)?;
    drop(bytes);
    let package = PackageFile::read(&blob.path, &what)?;
    package.check(&what, record.checksum())?;
    package.check_name(&what, record.name(), record.version())?;
    Ok(blob.digest)
}

/// The keys that the image's own apk needs for the same repositories.
fn keys(indexes: &[Read], keyring: &Keyring) -> Vec<LockedKey> {
    let mut keys: Vec<LockedKey> = Vec::new();
    for name in indexes.iter().filter_map(|read| read.signed_by.as_deref()) {
        if let Some(key) = keyring.key(name).filter(|_| !keys.iter().any(|known| known.name == name)) {
            keys.push(LockedKey { name: name.to_owned(), public: key.base64() });
        }
    }
    keys
}

fn locked(read: Read) -> LockedApkRepository {
    LockedApkRepository {
        line: read.repository.line(),
        id: read.repository.id,
        tag: read.repository.tag,
        index: read.digest,
        signed_by: read.signed_by.unwrap_or_else(|| "unsigned".to_owned()),
    }
}
