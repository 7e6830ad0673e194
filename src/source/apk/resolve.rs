//! From a request to a pin: which indexes are read, which packages are chosen, and what is in them.

use std::thread;

use super::architecture_name;
use super::digests::Digests;
use super::error::ApkError;
use super::index::Index;
use super::keep;
use super::keys::Keyring;
use super::package_file::open_index;
use super::relation::Relation;
use super::repositories::{self, Mirrors, Repository};
use super::solve;
use crate::context::Context;
use crate::digest::Digest;
use crate::http::{address_in, without_secrets};
use crate::lock::{ApkPin, LockedApkRepository, LockedKey, LockedScripts};
use crate::platform::Platform;
use crate::recipe::{ApkPackage, ApkRequest, ApkScripts, Trust};
use crate::report::{Phase, Unit, counted};

/// Indexes are at most this large, compressed (that of Alpine edge's community has 2 MB).
const INDEX_LIMIT: u64 = 256 << 20;

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
    /// What messages call it.
    shown: String,
    index: Index,
    digest: Digest,
    signed_by: Option<String>,
}

impl Read {
    fn for_solver(&self) -> solve::Repository<'_> {
        solve::Repository { name: &self.shown, tag: self.repository.tag.as_deref(), index: &self.index }
    }
}

/// Resolves a request: reads its indexes, chooses packages, and fetches those whose digest is not known yet: the index has
/// only the sum of a piece of each.
pub fn resolve(what: &Resolve<'_>, context: &Context) -> Result<ApkPin, ApkError> {
    let Resolve { request, extra, platform, mirrors, keeping } = *what;
    let architecture = architecture_name(platform.architecture);
    let keyring = Keyring::of_request(request)?;
    let indexes = read_all(request, &keyring, architecture, mirrors, context)?;
    context.reporter.begin(Phase::Resolve, None, Unit::Items);
    let world: Vec<&str> = request.packages.iter().map(ApkPackage::as_str).chain(extra.iter().copied()).collect();
    let relations: Result<Vec<Relation<'_>>, _> = world.into_iter().map(Relation::parse).collect();
    let relations = relations.map_err(ApkError::World)?;
    let for_solver: Vec<_> = indexes.iter().map(Read::for_solver).collect();
    let chosen = solve::solve(&relations, &for_solver)?;
    context.reporter.end(Phase::Resolve, &counted(chosen.len(), "package"));
    let old = match keeping {
        Some((old, names)) => keep::kept(old, &chosen, names)?,
        None => Vec::new(),
    };
    let repositories: Vec<&str> = indexes.iter().map(|read| read.repository.id.as_str()).collect();
    let packages = Digests { architecture, repositories: &repositories, mirrors, context }.of(&chosen, old)?;
    let unasked = chosen.iter().filter(|chosen| chosen.unasked).map(|chosen| chosen.record.name().to_owned());
    let mut world: Vec<String> = relations.iter().map(ToString::to_string).chain(unasked).collect();
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
    context
        .reporter
        .end(Phase::Index, &format!("{}, {}", counted(indexes.len(), "repository"), counted(packages, "package")));
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
            Ok((Index::parse(text, &what)?.of_architecture(architecture), Digest::of(&bytes), signed_by))
        };
        match context.http.fetch_optional(&address, INDEX_LIMIT).map_err(ApkError::from) {
            Ok(None) => {}
            Ok(Some(bytes)) => match read(bytes) {
                Ok((index, digest, signed_by)) => {
                    let shown = repository.shown();
                    return Ok(Read { repository, shown, index, digest, signed_by });
                }
                Err(error) => drop(failure.get_or_insert(error)),
            },
            Err(error) => drop(failure.get_or_insert(error)),
        }
    }
    Err(failure.unwrap_or_else(|| ApkError::NoRepository {
        repository: repository.shown(),
        architecture,
        addresses: addresses.iter().map(|address| without_secrets(address)).collect(),
    }))
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
