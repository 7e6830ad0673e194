//! Reading one suite of an archive: its signed Release, and the package indexes that this vouches for.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::ResolveError;
use super::distribution::Distribution;
use super::index::{self, Compression, Form, IndexFile, Packages};
use super::release::Release;
use super::signing::{self, Signing};
use crate::archive::{self, Limits};
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::http::{HttpError, Job, address_in};
use crate::openpgp::{self, Keyring, Verified};
use crate::recipe::Trust;
use crate::report::Phase;

/// The file with both the Release and its signature.
const IN_RELEASE: &str = "InRelease";

/// Release files are at most this large (Debian's are 150 KB).
const RELEASE_LIMIT: u64 = 16 << 20;

/// Package indexes whose size no Release says are at most this large (Debian's main one is 54 MB).
const INDEX_LIMIT: u64 = 256 << 20;

/// Indexes are at most this large once they are unpacked, and no larger than the Release says.
const TEXT_LIMIT: u64 = 4 << 30;

/// An address of an archive.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The address, perhaps with a login in it.
    pub(super) url: String,
    /// How suites are signed there.
    pub(super) signing: Signing,
}

/// A suite to read.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The repository's id in the lock.
    pub(super) id: String,
    /// The repository's addresses, in order of preference.
    pub(super) addresses: Vec<Address>,
    /// The suite below `dists/`.
    pub(super) suite: String,
    /// The components that are read.
    pub(super) components: Vec<String>,
    /// The distribution, for its built-in keys.
    pub(super) distribution: String,
    /// The time by which keys have expired or not: now, or for a dated archive its date.
    pub(super) now: Epoch,
    /// Whether the archive is wanted as it was at `now`: its `Valid-Until` has passed by nature, and what is later is not it.
    pub(super) is_dated: bool,
    /// Whether it is read only for packages that are asked of it by name.
    pub(super) is_pinned: bool,
    /// The address by which the recipe declares its archive; nothing for the distribution's own.
    pub(super) declared: Option<String>,
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

/// A Release as an address has it.
struct Signed {
    release: Release,
    digest: Digest,
    signed_by: Option<String>,
    /// The `InRelease`, where it came as one.
    bytes: Option<Vec<u8>>,
    /// How many bytes of it arrived in a second.
    speed: u64,
}

impl Address {
    /// The address as it may be shown.
    fn shown(&self) -> String {
        crate::http::without_secrets(&self.url)
    }
}

impl Wanted {
    /// Fetches and checks the suite's Release and its indexes for `architecture` and, where it has them, those for the
    /// `foreign` ones (dpkg's names), from the first address that has all. Each address is asked once; then those whose
    /// trouble may pass are asked again. Of a dated archive, what is later is passed over.
    pub(super) fn read(self, architecture: &str, foreign: &[&str], context: &Context) -> Result<Suite, ResolveError> {
        let (mut failure, mut later, mut is_absent) = (None, None, false);
        let mut addresses: Vec<&Address> = self.addresses.iter().collect();
        let in_haste = Context { http: context.http.without_retries(), ..context.clone() };
        let rounds = if addresses.len() > 1 { vec![&in_haste, context] } else { vec![context] };
        for context in rounds {
            for address in std::mem::take(&mut addresses) {
                match self.read_at(address, architecture, foreign, context) {
                    Ok(Some((signed, packages))) => {
                        let Signed { release, digest, signed_by, .. } = signed;
                        return Ok(Suite { wanted: self, release, digest, signed_by, packages });
                    }
                    Ok(None) => is_absent = true,
                    Err(error @ ResolveError::Later { .. }) => {
                        if self.addresses.last().is_some_and(|last| last.url != address.url) {
                            context.reporter.warn(&format!("{error}; the next address is asked"));
                        }
                        later.get_or_insert(error);
                    }
                    Err(error) => {
                        tracing::debug!("{}: {error}", address.shown());
                        if may_pass(&error) {
                            addresses.push(address);
                        }
                        failure.get_or_insert(error);
                    }
                }
            }
        }
        // One mirror that answers knows better than others that cannot be reached.
        let failure = failure.filter(|failure| !is_absent || !is_unreached(failure)).or(later);
        Err(failure.unwrap_or_else(|| ResolveError::NoSuite {
            suite: self.suite.clone(),
            addresses: self.addresses.iter().map(Address::shown).collect(),
        }))
    }

    /// Whether the folder of the suite has the package index itself (sources.list(5)).
    pub(super) fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// Where the suite's files are, below the repository's address: nothing, or with a slash at the end.
    fn folder(&self) -> String {
        if self.is_flat() {
            let folder = self.suite.trim_start_matches("./");
            return if folder == "/" { String::new() } else { folder.to_owned() };
        }
        format!("dists/{}/", self.suite)
    }

    /// What one address has of the suite; nothing where it does not have it.
    fn read_at(
        &self,
        address: &Address,
        architecture: &str,
        foreign: &[&str],
        context: &Context,
    ) -> Result<Option<(Signed, Vec<Packages>)>, ResolveError> {
        let Some(signed) = self.release_at(address, context)? else { return Ok(None) };
        let Some((newest, set_back)) = self.newest(address, &signed, context)? else {
            let packages = self.indexes(&signed, architecture, foreign, context)?;
            return Ok(Some((signed, packages)));
        };
        match self.indexes(&newest, architecture, foreign, context) {
            Ok(packages) => {
                context.reporter.warn(&format!("{set_back}; that one is used"));
                Ok(Some((newest, packages)))
            }
            // What it lists may be gone by now.
            Err(error) => Err(if is_unreached(&error) { error } else { set_back }),
        }
    }

    /// The package indexes that a Release lists.
    fn indexes(
        &self,
        signed: &Signed,
        architecture: &str,
        foreign: &[&str],
        context: &Context,
    ) -> Result<Vec<Packages>, ResolveError> {
        let Signed { release, speed, .. } = signed;
        let mut packages = Vec::new();
        let components: Vec<Option<&str>> =
            if self.is_flat() { vec![None] } else { self.components.iter().map(|name| Some(name.as_str())).collect() };
        for component in components {
            for file in index::choose(release, component, architecture)? {
                packages.push(self.index(&file, *speed, context)?);
            }
            // A flat repository has one index for all architectures.
            let known = |name: &&&str| component.is_some() && release.architectures.iter().any(|known| known == *name);
            for foreign in foreign.iter().filter(known) {
                // The index of `all` comes after, and was read.
                for file in index::choose(release, component, foreign)?.into_iter().take(1) {
                    packages.push(self.index(&file, *speed, context)?);
                }
            }
        }
        Ok(packages)
    }

    /// The last Release from the same address, where the one that is there now is older, with the complaint about that: caches in
    /// front of a mirror may be of different age, and somebody on the way could give an old one, which is signed as well, to keep its
    /// mistakes alive. Nothing where all is well. The last one is checked as it was when it came.
    fn newest(
        &self,
        address: &Address,
        signed: &Signed,
        context: &Context,
    ) -> Result<Option<(Signed, ResolveError)>, ResolveError> {
        let Some(date) = signed.release.date.filter(|_| !self.is_dated) else { return Ok(None) };
        let key = |what: &str| Digest::of(format!("newest {what} of {} at {}", self.suite, address.url).as_bytes());
        let recall = |what: &str| context.store.recall(&key(what)).ok().flatten();
        let seen = recall("Release");
        let seen = seen.and_then(|seen| Some(Epoch::from_seconds(i64::from_le_bytes(seen.try_into().ok()?))));
        if let Some(seen) = seen.filter(|seen| *seen > date) {
            let set_back = ResolveError::SetBack { suite: self.suite.clone(), address: address.shown(), date, seen };
            let last = recall(IN_RELEASE);
            let last = last.and_then(|bytes| self.clearsigned(address, IN_RELEASE, bytes, signed.speed).ok());
            return match last.filter(|last| last.release.date == Some(seen)) {
                Some(last) => Ok(Some((last, set_back))),
                None => Err(set_back),
            };
        }
        if seen != Some(date) {
            let bytes = signed.bytes.as_deref().unwrap_or_default();
            let remembered = context.store.remember(&key(IN_RELEASE), bytes);
            let remembered =
                remembered.and_then(|()| context.store.remember(&key("Release"), &date.seconds().to_le_bytes()));
            if let Err(error) = remembered {
                tracing::debug!("the Release is not remembered: {error}");
            }
        }
        Ok(None)
    }

    fn release_at(&self, address: &Address, context: &Context) -> Result<Option<Signed>, ResolveError> {
        let at = |name: &str| address_in(&address.url, &format!("{}{name}", self.folder()));
        let fetch = |name: &str| context.http.fetch_optional(&at(name), RELEASE_LIMIT);
        let what = |name: &str| crate::http::without_secrets(&at(name));
        let began = Instant::now();
        if let Some(bytes) = fetch(IN_RELEASE)? {
            let speed = per_second(bytes.len(), began.elapsed());
            return self.clearsigned(address, &what(IN_RELEASE), bytes, speed).map(Some);
        }
        let Some(bytes) = fetch("Release")? else { return self.without_release(address, context) };
        let not_text = |_| ResolveError::NotText { suite: self.suite.clone() };
        let text = String::from_utf8(bytes).map_err(not_text)?;
        let verified = match address.signing.trust {
            Trust::Unsigned => Verified { text, signer: None },
            Trust::Signed => {
                let unsigned = || ResolveError::Unsigned { suite: self.suite.clone(), address: what("Release") };
                let signature = fetch("Release.gpg")?.ok_or_else(unsigned)?;
                let keyring = self.keyring(address)?;
                openpgp::verify_detached(&what("Release"), text.as_bytes(), &signature, &keyring, self.now)?
            }
        };
        self.signed(address, verified, None, 0).map(Some)
    }

    /// What an `InRelease` says, which errors call `name`.
    fn clearsigned(&self, address: &Address, name: &str, bytes: Vec<u8>, speed: u64) -> Result<Signed, ResolveError> {
        let signed = openpgp::Clearsigned::parse(name, &bytes)?;
        let verified = match address.signing.trust {
            Trust::Unsigned => Verified { text: signed.text(), signer: None },
            Trust::Signed => signed.verify(&self.keyring(address)?, self.now)?,
        };
        self.signed(address, verified, Some(bytes), speed)
    }

    fn signed(
        &self,
        address: &Address,
        verified: Verified,
        bytes: Option<Vec<u8>>,
        speed: u64,
    ) -> Result<Signed, ResolveError> {
        let release = Release::parse(&verified.text)?;
        self.check(&release, address)?;
        let digest = Digest::of(verified.text.as_bytes());
        Ok(Signed { release, digest, signed_by: verified.signer, bytes, speed })
    }

    /// Some flat repositories are no more than packages and their index. It is taken as it is, where the recipe says that
    /// no signature is needed.
    fn without_release(&self, address: &Address, context: &Context) -> Result<Option<Signed>, ResolveError> {
        if !self.is_flat() || address.signing.trust == Trust::Signed {
            return Ok(None);
        }
        for name in ["Packages.xz", "Packages.gz", "Packages"] {
            let place = address_in(&address.url, &format!("{}{name}", self.folder()));
            if let Some(bytes) = context.http.fetch_optional(&place, INDEX_LIMIT)? {
                let text = format!("SHA256:\n {} {} {name}\n", Digest::of(&bytes).hex(), bytes.len());
                let (release, digest) = (Release::parse(&text)?, Digest::of(text.as_bytes()));
                return Ok(Some(Signed { release, digest, signed_by: None, bytes: None, speed: 0 }));
            }
        }
        Ok(None)
    }

    /// The Release is the one that was asked for, and neither too old nor, of a dated archive, too new. A mirror could send
    /// another suite's, signed as well.
    fn check(&self, release: &Release, address: &Address) -> Result<(), ResolveError> {
        let plain = |name: &str| name.trim_end_matches("/updates").to_owned();
        let mut names: Vec<String> =
            [&release.suite, &release.codename].into_iter().flatten().map(|name| plain(name)).collect();
        names.dedup();
        let asked = plain(&self.suite);
        // stable-security calls itself so, whatever the folder is called.
        let same = names.iter().any(|name| {
            *name == asked || asked.starts_with(&format!("{name}-")) || name.starts_with(&format!("{asked}-"))
        });
        // Of a flat repository the folder is all that is asked for.
        if !same && !names.is_empty() && !self.is_flat() {
            return Err(ResolveError::OtherSuite { asked, found: names.join(", ") });
        }
        if !self.is_dated {
            return Ok(release.check_validity(self.now)?);
        }
        let (suite, snapshot) = (self.suite.clone(), self.now);
        let later = release.date.filter(|date| *date > snapshot);
        later.map_or(Ok(()), |date| Err(ResolveError::Later { suite, address: address.shown(), date, snapshot }))
    }

    /// The keys that may sign it at `address`.
    fn keyring(&self, address: &Address) -> Result<Keyring, ResolveError> {
        if let Some(path) = &address.signing.keyring {
            return signing::keyring(path);
        }
        let (distribution, suite) = (&self.distribution, &self.suite);
        let built_in = Distribution::named(distribution).map(Distribution::keyring);
        built_in.ok_or_else(|| ResolveError::NoKeys { distribution: distribution.clone(), suite: suite.clone() })
    }

    /// One package index, from the store or from the archive, whose files arrive at `speed` bytes a second. Mirrors may
    /// lack some of its forms, although the Release lists all.
    pub(super) fn index(&self, index: &IndexFile, speed: u64, context: &Context) -> Result<Packages, ResolveError> {
        let mut forms = index.soonest_first(speed);
        forms.sort_by_key(|form| context.store.blob(&form.digest).is_none());
        let mut absent = None;
        for form in forms {
            let job = self.job(form);
            let advance = |bytes| context.reporter.advance(Phase::Index, bytes);
            match context.http.download(&job, &context.store, &advance) {
                Ok(blob) => {
                    let text = text(form.compression, index.text_size, &blob.path);
                    let text = text.map_err(|source| ResolveError::Index { what: job.what, source })?;
                    return Ok(Packages::parse(text)?);
                }
                Err(error) if error.is_absent() => {
                    absent.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(absent.expect("an index has a form").into())
    }

    fn job(&self, form: &Form) -> Job {
        let paths = form.by_hash.iter().chain([&form.path]);
        Job {
            what: format!("the package index {}/{}", self.suite.trim_end_matches('/'), form.path),
            candidates: paths
                .flat_map(|path| {
                    let at = |address: &Address| address_in(&address.url, &format!("{}{path}", self.folder()));
                    self.addresses.iter().map(at).collect::<Vec<_>>()
                })
                .collect(),
            digest: form.digest,
            size: form.size,
        }
    }
}

fn per_second(bytes: usize, time: Duration) -> u64 {
    let count = bytes as u128 * 1_000_000_000 / time.as_nanos().max(1);
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The text of an index in the file at `path`, whose digest is right.
fn text(compression: Compression, size: Option<u64>, path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let most = size.unwrap_or(TEXT_LIMIT).min(TEXT_LIMIT);
    let at_once = match compression {
        Compression::Xz if size.is_some() => {
            let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            archive::decompress_blocks(BufReader::new(&file), most, threads)
        }
        Compression::Gzip if size.is_some() => archive::decompress_member(&std::fs::read(path)?, most),
        _ => None,
    };
    if let Some(text) = at_once {
        return Ok(text);
    }
    file.rewind()?;
    let mut text = Vec::with_capacity(most.min(1 << 28) as usize);
    let limits = Limits { bytes: most, ..Limits::default() };
    archive::decompress(file, &limits)?.read_to_end(&mut text)?;
    Ok(text)
}

/// Whether a mirror did not answer, or not for good: it does not know whether the suite exists.
fn is_unreached(error: &ResolveError) -> bool {
    may_pass(error) || matches!(error, ResolveError::Http(HttpError::UnknownHost { .. }))
}

/// Whether asking the same mirror again may help.
fn may_pass(error: &ResolveError) -> bool {
    matches!(error, ResolveError::Http(error) if error.may_pass())
}
