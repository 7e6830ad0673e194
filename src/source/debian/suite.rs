//! Reading one suite of an archive: its signed Release, and the package indexes that this vouches for.

use std::io::Read;
use std::path::PathBuf;

use super::ResolveError;
use super::index::{self, Packages};
use super::openpgp::{self, Keyring};
use super::release::Release;
use crate::archive::{self, Limits};
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::http::Job;
use crate::recipe::Trust;
use crate::report::Phase;

/// Release files are at most this large (Debian's are 150 KB).
const RELEASE_LIMIT: u64 = 16 << 20;

/// A suite to read.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The repository's id in the lock.
    pub(super) id: String,
    /// The repository's addresses, in order of preference.
    pub(super) addresses: Vec<String>,
    /// The suite below `dists/`.
    pub(super) suite: String,
    /// The components that are read.
    pub(super) components: Vec<String>,
    /// The keys that may sign it; the built-in ones of the distribution where no file is given.
    pub(super) keyring: Option<PathBuf>,
    /// The distribution, for its built-in keys.
    pub(super) distribution: String,
    /// Whether it has to be signed.
    pub(super) trust: Trust,
    /// The time by which validity and keys are judged; `None` for a dated archive, which is judged by its own date.
    pub(super) now: Option<Epoch>,
}

/// A suite that was read.
pub(super) struct Suite {
    /// What was wanted.
    pub(super) wanted: Wanted,
    /// Its Release.
    pub(super) release: Release,
    /// The digest of the Release's text.
    pub(super) digest: Digest,
    /// The fingerprint of the key that signed it; `None` where it need not be signed.
    pub(super) signed_by: Option<String>,
    /// Its package indexes.
    pub(super) packages: Vec<Packages>,
}

impl Wanted {
    /// Fetches and checks the suite's Release and its indexes for `architecture` (dpkg's name).
    pub(super) fn read(self, architecture: &str, context: &Context) -> Result<Suite, ResolveError> {
        let (release, digest, signed_by) = self.release(context)?;
        let mut packages = Vec::new();
        for component in &self.components {
            for file in index::choose(&release, Some(component), architecture)? {
                packages.push(self.index(&file, context)?);
            }
        }
        Ok(Suite { wanted: self, release, digest, signed_by, packages })
    }

    /// The Release of the first address that has the suite.
    fn release(&self, context: &Context) -> Result<(Release, Digest, Option<String>), ResolveError> {
        let mut last = None;
        for address in &self.addresses {
            match self.release_at(address, context) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!("{}: {error}", crate::http::without_secrets(address));
                    last.get_or_insert(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| ResolveError::NoSuite {
            suite: self.suite.clone(),
            addresses: self.addresses.iter().map(|address| crate::http::without_secrets(address)).collect(),
        }))
    }

    fn release_at(
        &self,
        address: &str,
        context: &Context,
    ) -> Result<Option<(Release, Digest, Option<String>)>, ResolveError> {
        let at = |name: &str| format!("{}/dists/{}/{name}", address.trim_end_matches('/'), self.suite);
        let fetch = |name: &str| context.http.fetch_optional(&at(name), RELEASE_LIMIT);
        let untrusted = |source| ResolveError::Untrusted { suite: self.suite.clone(), source };
        let (text, signed_by) = if let Some(signed) = fetch("InRelease")? {
            if self.trust == Trust::Unsigned {
                (openpgp::cleartext(&signed).map_err(untrusted)?, None)
            } else {
                let verified = self.keyring()?.verify_clearsigned(&signed, self.now).map_err(untrusted)?;
                (verified.text, Some(verified.fingerprint))
            }
        } else {
            let Some(text) = fetch("Release")? else { return Ok(None) };
            let signed_by = match self.trust {
                Trust::Unsigned => None,
                Trust::Signed => {
                    let signature = fetch("Release.gpg")?
                        .ok_or_else(|| ResolveError::Unsigned { suite: self.suite.clone(), address: at("Release") })?;
                    Some(self.keyring()?.verify_detached(&text, &signature, self.now).map_err(untrusted)?)
                }
            };
            (text, signed_by)
        };
        let digest = Digest::of(&text);
        let text = String::from_utf8(text).map_err(|_| ResolveError::NotText { suite: self.suite.clone() })?;
        let release = Release::parse(&text)?;
        self.check(&release)?;
        Ok(Some((release, digest, signed_by)))
    }

    /// The Release is the one that was asked for, and not too old. A mirror could send another suite's, signed as well.
    fn check(&self, release: &Release) -> Result<(), ResolveError> {
        let plain = |name: &str| name.trim_end_matches("/updates").to_owned();
        let names: Vec<String> = [&release.suite, &release.codename].into_iter().flatten().map(|name| plain(name)).collect();
        let asked = plain(&self.suite);
        // stable-security calls itself so, whatever the folder is called.
        let same = names.iter().any(|name| *name == asked || asked.starts_with(&format!("{name}-")) || name.starts_with(&format!("{asked}-")));
        if !same && !names.is_empty() {
            return Err(ResolveError::OtherSuite { asked, found: names.join(", ") });
        }
        match self.now {
            Some(now) => Ok(release.check_validity(now)?),
            None => Ok(()),
        }
    }

    fn keyring(&self) -> Result<Keyring, ResolveError> {
        let untrusted = |source| ResolveError::Untrusted { suite: self.suite.clone(), source };
        match &self.keyring {
            Some(path) => {
                let unread = |source| ResolveError::Keyring { path: path.clone(), source };
                Keyring::parse(&std::fs::read(path).map_err(unread)?, &path.display().to_string()).map_err(untrusted)
            }
            None => Keyring::built_in(&self.distribution).ok_or_else(|| ResolveError::NoKeys {
                distribution: self.distribution.clone(),
                suite: self.suite.clone(),
            }),
        }
    }

    /// One package index, from the store or the archive.
    fn index(&self, file: &index::IndexFile, context: &Context) -> Result<Packages, ResolveError> {
        let paths = file.by_hash.iter().chain([&file.path]);
        let job = Job {
            what: format!("the package index {}/{}", self.suite, file.path),
            candidates: paths
                .flat_map(|path| {
                    let at = |address: &String| format!("{}/dists/{}/{path}", address.trim_end_matches('/'), self.suite);
                    self.addresses.iter().map(at).collect::<Vec<_>>()
                })
                .collect(),
            digest: file.digest,
            size: file.size,
        };
        let advance = |bytes| context.reporter.advance(Phase::Index, bytes);
        let blob = context.http.download(&job, &context.store, &advance)?;
        let unread = |source| ResolveError::Index { what: job.what.clone(), source };
        let compressed = std::fs::File::open(&blob.path).map_err(unread)?;
        let mut text = Vec::with_capacity(file.text_size.unwrap_or(0).min(1 << 28) as usize);
        let limits = Limits::default();
        archive::decompress(compressed, &limits).map_err(unread)?.read_to_end(&mut text).map_err(unread)?;
        Ok(Packages::parse(text)?)
    }
}
