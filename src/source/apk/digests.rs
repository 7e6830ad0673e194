//! The digests of chosen packages. An index has only the sum of a piece of each, so that whoever wants to know the others
//! has to fetch them.

use std::sync::Mutex;
use std::thread;

use super::error::ApkError;
use super::index::Record;
use super::package_file::PackageFile;
use super::repositories::Mirrors;
use super::solve::Chosen;
use crate::context::Context;
use crate::digest::Digest;
use crate::http::{address_in, without_secrets};
use crate::lock::LockedApk;
use crate::report::{Phase, Unit, counted};

/// How many packages are fetched at once.
const PARALLEL: usize = 4;

/// Where packages are found, and kept.
pub(super) struct Digests<'a> {
    /// apk's name of the architecture, which is a folder of each repository.
    pub(super) architecture: &'a str,
    /// The ids of the repositories that [`Chosen::repository`] counts.
    pub(super) repositories: &'a [&'a str],
    /// Where they are reached.
    pub(super) mirrors: &'a Mirrors,
    /// Has the store that fetched packages are in afterwards.
    pub(super) context: &'a Context,
}

impl Digests<'_> {
    /// The packages as a lock has them; those of `old` as they are, the others fetched, several at once.
    pub(super) fn of(&self, chosen: &[Chosen<'_>], old: Vec<LockedApk>) -> Result<Vec<LockedApk>, ApkError> {
        let is_new = |chosen: &&Chosen<'_>| !old.iter().any(|kept| kept.name == chosen.record.name());
        let mut waiting: Vec<&Chosen<'_>> = chosen.iter().filter(is_new).collect();
        // The largest first, as they take longest: they are taken from the end.
        waiting.sort_by_key(|chosen| chosen.record.size());
        let total = waiting.iter().map(|chosen| chosen.record.size()).sum();
        let reporter = &*self.context.reporter;
        reporter.begin(Phase::Download, Some(total), Unit::Bytes);
        let (queue, locked, failure) = (Mutex::new(waiting), Mutex::new(old), Mutex::new(None::<ApkError>));
        let work = || loop {
            let next = queue.lock().expect(LOCK).pop();
            let Some(chosen) = next else { return };
            match self.lock(chosen) {
                Ok(package) => locked.lock().expect(LOCK).push(package),
                Err(error) => {
                    failure.lock().expect(LOCK).get_or_insert(error);
                    queue.lock().expect(LOCK).clear();
                }
            }
        };
        thread::scope(|scope| (0..PARALLEL).for_each(|_| drop(scope.spawn(work))));
        if let Some(error) = failure.into_inner().expect(LOCK) {
            return Err(error);
        }
        let packages = locked.into_inner().expect(LOCK);
        reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(packages.len(), "package"), total as f64 / 1e6));
        Ok(packages)
    }

    /// A package with its digest. Its file is then in the store, and its control section is the one that the index names.
    fn lock(&self, chosen: &Chosen<'_>) -> Result<LockedApk, ApkError> {
        let (record, repository) = (chosen.record, self.repositories[chosen.repository]);
        let path = format!("{}/{}", self.architecture, record.file_name());
        let sha256 = match self.remembered(&record)? {
            Some(digest) => digest,
            None => self.fetch(&record, repository, &path)?,
        };
        Ok(LockedApk {
            name: record.name().to_owned(),
            version: record.version().to_owned(),
            architecture: record.architecture().to_owned(),
            repository: repository.to_owned(),
            path,
            size: record.size(),
            checksum: record.checksum().to_owned(),
            sha256,
        })
    }

    /// The digest of a package that was fetched before and is still in the store.
    fn remembered(&self, record: &Record<'_>) -> Result<Option<Digest>, ApkError> {
        let store = &self.context.store;
        let text = store.recall(&key(record))?.and_then(|value| String::from_utf8(value).ok());
        let Some(digest) = text.and_then(|text| text.parse::<Digest>().ok()) else { return Ok(None) };
        let is_there = store.verified(&digest)?.is_some_and(|blob| blob.size == record.size());
        self.context.reporter.advance(Phase::Download, if is_there { record.size() } else { 0 });
        Ok(Some(digest).filter(|_| is_there))
    }

    /// Fetches a package from the first address that has the one that the index speaks of.
    fn fetch(&self, record: &Record<'_>, repository: &str, path: &str) -> Result<Digest, ApkError> {
        let mut failure = None;
        for mirror in self.mirrors.get(repository).into_iter().flatten() {
            match self.fetch_from(&address_in(mirror, path), record) {
                Ok(digest) => {
                    self.context.store.remember(&key(record), digest.to_string().as_bytes())?;
                    return Ok(digest);
                }
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        Err(failure.expect("every repository has an address"))
    }

    fn fetch_from(&self, address: &str, record: &Record<'_>) -> Result<Digest, ApkError> {
        let Context { http, store, reporter, .. } = self.context;
        let what = without_secrets(address);
        let on_bytes = |bytes| reporter.advance(Phase::Download, bytes);
        let blob = http.download_unknown(address, record.size(), store, &on_bytes)?;
        if blob.size != record.size() {
            let (expected, found) = (format!("{} bytes", record.size()), format!("{} bytes", blob.size));
            return Err(ApkError::Mismatch { package: what, what: "a file of", expected, found });
        }
        let package = PackageFile::read(&blob.path, &what)?;
        package.check(&what, record.checksum())?;
        package.check_name(&what, record.name(), record.version())?;
        Ok(blob.digest)
    }
}

const LOCK: &str = "no thread panics while it holds a lock";

/// What the store remembers a package's digest by: all that the index says of its bytes.
fn key(record: &Record<'_>) -> Digest {
    let (checksum, size) = (record.checksum(), record.size());
    Digest::of(format!("package with checksum {checksum} of {size} bytes, {}", record.file_name()).as_bytes())
}
