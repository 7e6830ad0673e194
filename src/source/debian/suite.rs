//! Reading one suite of an archive: its signed Release, and the package indexes that this vouches for.

use std::io::Read;
use std::path::PathBuf;

use super::ResolveError;
use super::distribution::Distribution;
use super::index::{self, Packages};
use super::release::Release;
use crate::archive::{self, Limits};
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::http::{Job, address_in};
use crate::openpgp::{self, Keyring, Verified};
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
    /// The time by which keys have expired or not: now, or for a dated archive its date.
    pub(super) now: Epoch,
    /// Whether it is a dated archive, whose `Valid-Until` has passed by nature.
    pub(super) is_dated: bool,
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
        let (mut failure, mut is_absent) = (None, false);
        for address in &self.addresses {
            match self.release_at(address, context) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => is_absent = true,
                Err(error) => {
                    tracing::debug!("{}: {error}", crate::http::without_secrets(address));
                    failure.get_or_insert(error);
                }
            }
        }
        // One mirror that answers knows better than others that cannot be reached.
        Err(failure.filter(|_| !is_absent).unwrap_or_else(|| ResolveError::NoSuite {
            suite: self.suite.clone(),
            addresses: self.addresses.iter().map(|address| crate::http::without_secrets(address)).collect(),
        }))
    }

    fn release_at(
        &self,
        address: &str,
        context: &Context,
    ) -> Result<Option<(Release, Digest, Option<String>)>, ResolveError> {
        let at = |name: &str| address_in(address, &format!("dists/{}/{name}", self.suite));
        let fetch = |name: &str| context.http.fetch_optional(&at(name), RELEASE_LIMIT);
        let what = |name: &str| crate::http::without_secrets(&at(name));
        let verified = if let Some(signed) = fetch("InRelease")? {
            let text = openpgp::cleartext(&what("InRelease"), &signed)?;
            match self.trust {
                Trust::Unsigned => Verified { text, signers: Vec::new() },
                Trust::Signed => openpgp::verify_clearsigned(&what("InRelease"), &signed, &self.keyring()?, self.now)?,
            }
        } else {
            let Some(bytes) = fetch("Release")? else { return Ok(None) };
            let not_text = |_| ResolveError::NotText { suite: self.suite.clone() };
            let text = String::from_utf8(bytes).map_err(not_text)?;
            match self.trust {
                Trust::Unsigned => Verified { text, signers: Vec::new() },
                Trust::Signed => {
                    let unsigned = || ResolveError::Unsigned { suite: self.suite.clone(), address: what("Release") };
                    let signature = fetch("Release.gpg")?.ok_or_else(unsigned)?;
                    let keyring = self.keyring()?;
                    openpgp::verify_detached(&what("Release"), text.as_bytes(), &signature, &keyring, self.now)?
                }
            }
        };
        let release = Release::parse(&verified.text)?;
        self.check(&release)?;
        let digest = Digest::of(verified.text.as_bytes());
        Ok(Some((release, digest, verified.signers.into_iter().next())))
    }

    /// The Release is the one that was asked for, and not too old. A mirror could send another suite's, signed as well.
    fn check(&self, release: &Release) -> Result<(), ResolveError> {
        let plain = |name: &str| name.trim_end_matches("/updates").to_owned();
        let mut names: Vec<String> =
            [&release.suite, &release.codename].into_iter().flatten().map(|name| plain(name)).collect();
        names.dedup();
        let asked = plain(&self.suite);
        // stable-security calls itself so, whatever the folder is called.
        let same = names.iter().any(|name| {
            *name == asked || asked.starts_with(&format!("{name}-")) || name.starts_with(&format!("{asked}-"))
        });
        if !same && !names.is_empty() {
            return Err(ResolveError::OtherSuite { asked, found: names.join(", ") });
        }
        if self.is_dated { Ok(()) } else { Ok(release.check_validity(self.now)?) }
    }

    fn keyring(&self) -> Result<Keyring, ResolveError> {
        if let Some(path) = &self.keyring {
            let bytes = std::fs::read(path).map_err(|source| ResolveError::Keyring { path: path.clone(), source })?;
            return Keyring::parse(&bytes).map_err(|source| ResolveError::BadKeyring { path: path.clone(), source });
        }
        match self.distribution.as_str() {
            "debian" => Ok(Distribution::Debian.keyring()),
            "ubuntu" => Ok(Distribution::Ubuntu.keyring()),
            other => Err(ResolveError::NoKeys { distribution: other.to_owned(), suite: self.suite.clone() }),
        }
    }

    /// One package index, from the store or the archive.
    fn index(&self, file: &index::IndexFile, context: &Context) -> Result<Packages, ResolveError> {
        let paths = file.by_hash.iter().chain([&file.path]);
        let job = Job {
            what: format!("the package index {}/{}", self.suite, file.path),
            candidates: paths
                .flat_map(|path| {
                    let at = |address: &String| address_in(address, &format!("dists/{}/{path}", self.suite));
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
