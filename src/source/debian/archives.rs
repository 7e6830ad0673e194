//! Which archives a request reads, and where they are reached.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Mirrors;
use super::signing::Signing;
use super::suite;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::http;
use crate::lock::DebianPin;
use crate::platform::{Architecture, Platform};
use crate::recipe::{DebianRequest, Distribution, Repository, Snapshot, Trust};

/// An archive of packages that a request reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// What the lock and mirrors call it: `debian`, `debian-security`, `ubuntu`; of a vendor, a name made of its URL.
    pub id: String,
    /// The suites that are read.
    pub suites: Vec<String>,
    /// The components that are read.
    pub components: Vec<String>,
    /// What the image's own apt is told. `None` where it is told nothing: nobody outside can reach it, or the recipe
    /// does not want it to be.
    pub public_url: Option<String>,
    /// The address, where it is in no list of official archives.
    pub vendor_url: Option<String>,
    /// Where a package of the distribution puts its keys in the image.
    pub image_keyring: Option<&'static str>,
    /// How its index is signed at any address but those of `mirrors`.
    pub signing: Signing,
    /// How it is signed at mirrors that the recipe names, by their addresses.
    pub mirrors: Vec<(String, Signing)>,
    /// Whether it is the distribution's own main archive, of which the recipe may name mirrors.
    pub is_main: bool,
    /// Suites of it that are read for single packages of theirs, and for nothing else.
    pub pinned: Vec<String>,
    distribution: String,
}

/// The official archives: id, address, address of the dated archive (above the time stamp).
const OFFICIAL: [(&str, &str, &str); 4] = [
    ("debian", "http://ftp.debian.org/debian", "http://snapshot.debian.org/archive/debian"),
    ("debian-security", "http://ftp.debian.org/debian-security", "http://snapshot.debian.org/archive/debian-security"),
    ("ubuntu", "http://archive.ubuntu.com/ubuntu", "http://snapshot.ubuntu.com/ubuntu"),
    (UBUNTU_PORTS, "http://ports.ubuntu.com/ubuntu-ports", "http://snapshot.ubuntu.com/ubuntu"),
];

/// The least time between two requests to a dated archive: everybody shares it, and it turns away who asks too fast.
const DATED_GAP: Duration = Duration::from_millis(200);

/// The hosts of the dated archives, each with the least time between two requests to it.
pub fn dated_gaps() -> Vec<(String, Duration)> {
    let hosts: BTreeSet<&str> = OFFICIAL.iter().filter_map(|(_, _, dated)| dated.split('/').nth(2)).collect();
    hosts.into_iter().map(|host| (host.to_owned(), DATED_GAP)).collect()
}

/// Ubuntu's archive of the architectures that are not in its main one.
const UBUNTU_PORTS: &str = "ubuntu-ports";

/// Suites that move and have neither updates nor security suites beside them.
const ROLLING: [&str; 4] = ["sid", "unstable", "experimental", "rc-buggy"];

/// What may follow the name of a release, for suites of the same archive that are read only where a package is asked of
/// them.
const POCKETS: [&str; 4] = ["-backports", "-backports-sloppy", "-proposed-updates", "-proposed"];

/// The archives of `request` for `platform`: the distribution's, with updates and security suites where they are asked
/// for, then the recipe's further ones. A suite that a package is asked of (`golang/trixie-backports`) is read too, where
/// it is one of the distribution.
pub fn of(request: &DebianRequest, platform: Platform) -> Vec<Archive> {
    let suite = request.suite.as_str();
    let updates = request.updates && !ROLLING.contains(&suite);
    let with = |suffixes: &[&str]| {
        let further = suffixes.iter().filter(|_| updates).map(|suffix| format!("{suite}{suffix}"));
        std::iter::once(suite.to_owned()).chain(further).collect::<Vec<_>>()
    };
    let mut archives = match &request.distribution {
        Distribution::Debian => vec![official(request, "debian", with(&["-updates"]))],
        Distribution::Ubuntu => vec![official(request, ubuntu_id(platform), with(&["-updates", "-security"]))],
        Distribution::Other(name) => vec![official(request, name, vec![suite.to_owned()])],
    };
    archives[0].is_main = true;
    archives[0].add_mirrors(request);
    if let Some(mirror) = request.repositories.iter().find(|repository| is_public_mirror(request, repository)) {
        let url = mirror.url.as_str();
        let has_keyring = archives[0].signing_at(url).keyring.is_some();
        archives[0].public_url = Some(url.to_owned());
        archives[0].image_keyring = archives[0].image_keyring.filter(|_| !has_keyring);
    }
    if updates && request.distribution == Distribution::Debian {
        archives.push(official(request, "debian-security", vec![format!("{suite}-security")]));
    }
    let vendors = request.repositories.iter().filter(|repository| !repository.is_mirror());
    archives.extend(vendors.map(|repository| vendor(request, repository)));
    let mut asked: Vec<&String> = request.packages.iter().filter_map(|package| package.suite.as_ref()).collect();
    asked.sort();
    asked.dedup();
    for suite in asked {
        let is_read = archives.iter().any(|archive| archive.suites.contains(suite));
        if !is_read && is_of_distribution(request, suite) {
            archives[0].suites.push(suite.clone());
            archives[0].pinned.push(suite.clone());
        }
    }
    archives
}

/// An archive of the distribution itself.
fn official(request: &DebianRequest, id: &str, suites: Vec<String>) -> Archive {
    Archive {
        id: id.to_owned(),
        suites,
        components: request.components.clone(),
        public_url: OFFICIAL.iter().find(|official| official.0 == id).map(|official| official.1.to_owned()),
        vendor_url: None,
        image_keyring: image_keyring(request),
        signing: Signing { trust: Trust::Signed, keyring: request.keyring.clone() },
        mirrors: Vec::new(),
        is_main: false,
        pinned: Vec::new(),
        distribution: request.distribution.to_string(),
    }
}

/// A further archive of the recipe.
fn vendor(request: &DebianRequest, repository: &Repository) -> Archive {
    let url = repository.url.as_str().to_owned();
    let own = &repository.components;
    Archive {
        id: vendor_id(&url),
        suites: repository.suites.clone(),
        components: if own.is_empty() && !repository.is_flat() { request.components.clone() } else { own.clone() },
        public_url: (repository.in_image.unwrap_or(true) && !url.starts_with("file:")).then(|| url.clone()),
        vendor_url: Some(url),
        image_keyring: repository.keyring.is_none().then(|| image_keyring(request)).flatten(),
        signing: Signing {
            trust: repository.trust,
            keyring: repository.keyring.clone().or_else(|| request.keyring.clone()),
        },
        mirrors: Vec::new(),
        is_main: false,
        pinned: Vec::new(),
        distribution: request.distribution.to_string(),
    }
}

/// Ubuntu has two architectures in its main archive, and all others in another one.
fn ubuntu_id(platform: Platform) -> &'static str {
    match platform.architecture {
        Architecture::Amd64 | Architecture::I386 => "ubuntu",
        _ => UBUNTU_PORTS,
    }
}

/// A mirror that the image's own apt is told of: one that the recipe wants there. Of a distribution without an official
/// archive, that is the first that others can reach.
fn is_public_mirror(request: &DebianRequest, repository: &Repository) -> bool {
    let is_other = matches!(request.distribution, Distribution::Other(_));
    repository.is_mirror() && repository.in_image.unwrap_or(is_other) && !repository.url.as_str().starts_with("file:")
}

/// Whether the distribution's main archive can be expected to have a suite that a package is asked of.
fn is_of_distribution(request: &DebianRequest, suite: &str) -> bool {
    let release = POCKETS.iter().find_map(|pocket| suite.strip_suffix(pocket)).unwrap_or(suite);
    match request.distribution {
        Distribution::Debian => DEBIAN_SUITES.contains(&release) || ROLLING.contains(&release),
        Distribution::Ubuntu => UBUNTU_SUITES.contains(&release),
        Distribution::Other(_) => release == request.suite,
    }
}

/// The suites of the distribution that packages may be asked of beside those that are read anyway.
pub(super) fn suites_to_ask(request: &DebianRequest) -> Vec<String> {
    let releases: &[&str] = match request.distribution {
        Distribution::Debian => &DEBIAN_SUITES,
        Distribution::Ubuntu => &UBUNTU_SUITES,
        Distribution::Other(_) => &[],
    };
    let own = POCKETS.iter().map(|pocket| format!("{}{pocket}", request.suite));
    releases.iter().map(|release| (*release).to_owned()).chain(own).collect()
}

/// What else says where archives are, besides the recipe.
#[derive(Clone, Debug, Default)]
pub struct MirrorSettings {
    /// Addresses from the command line: for an archive by its id, or with an empty id for the main archive.
    pub chosen: Vec<(String, String)>,
    /// Addresses in the host's own apt sources, by id.
    pub host: Vec<(String, String)>,
    /// Ids of archives that other recipes of the same run read: what is chosen may be for them.
    pub elsewhere: BTreeSet<String>,
}

/// Whether an official archive of Debian or Ubuntu has this id.
pub fn is_official(id: &str) -> bool {
    OFFICIAL.iter().any(|official| official.0 == id)
}

/// Where each archive of `request` is reached: at the recipe's mirrors, else those of the command line, else those of
/// the host, and at last at the official address. A dated archive is where it is kept; mirrors that were chosen are asked before
/// it, and passed over where they have a later state.
pub fn mirrors(request: &DebianRequest, platform: Platform, settings: &MirrorSettings) -> Mirrors {
    let mut mirrors = Mirrors::new();
    for archive in of(request, platform) {
        let mut addresses: Vec<String> = Vec::new();
        if archive.is_main {
            let recipe = request.repositories.iter().filter(|repository| repository.is_mirror());
            addresses.extend(recipe.map(|repository| repository.url.as_str().to_owned()));
        }
        let is_meant = |id: &str| id == archive.id || id.is_empty() && archive.is_main;
        addresses.extend(settings.chosen.iter().filter(|(id, _)| is_meant(id)).map(|(_, url)| url.clone()));
        addresses.extend(archive.vendor_url.clone());
        let official = OFFICIAL.iter().find(|official| official.0 == archive.id);
        match (&request.snapshot, official) {
            (Some(snapshot), Some((_, _, dated))) => addresses.push(format!("{dated}/{}", snapshot.as_str())),
            _ if addresses.is_empty() => {
                addresses.extend(settings.host.iter().filter(|(id, _)| *id == archive.id).map(|(_, url)| url.clone()));
                addresses.extend(official.map(|official| official.1.to_owned()));
            }
            _ => {}
        }
        mirrors.insert(archive.id, addresses);
    }
    mirrors
}

/// Suites of Debian that a machine's apt may name, and of Ubuntu.
const DEBIAN_SUITES: [&str; 12] = [
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];
const UBUNTU_SUITES: [&str; 6] = ["focal", "jammy", "noble", "plucky", "questing", "resolute"];

/// The official archives among the apt sources of a machine, given as addresses and suites: ids and addresses.
pub fn on_host<'a>(sources: impl Iterator<Item = (&'a str, &'a [String])>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (url, suites) in sources {
        for suite in suites {
            let (name, kind) = suite.split_once(['-', '/']).unwrap_or((suite, ""));
            let id = match kind {
                "security" if DEBIAN_SUITES.contains(&name) => "debian-security",
                "" | "updates" | "backports" if DEBIAN_SUITES.contains(&name) => "debian",
                _ if UBUNTU_SUITES.contains(&name) && url.contains(UBUNTU_PORTS) => UBUNTU_PORTS,
                _ if UBUNTU_SUITES.contains(&name) => "ubuntu",
                _ => continue,
            };
            let entry = (id.to_owned(), url.to_owned());
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
    }
    found
}

/// Adds the dated archives to the mirrors of a pin: they still have what all mirrors have dropped.
pub fn add_dated(pin: &DebianPin, mirrors: &mut Mirrors) {
    for repository in &pin.repositories {
        let Some((_, _, dated)) = OFFICIAL.iter().find(|official| official.0 == repository.id) else { continue };
        if repository.snapshot.is_none()
            && let Ok(time) = repository.date.format("%Y%m%dT%H%M%SZ")
        {
            mirrors.entry(repository.id.clone()).or_default().push(format!("{dated}/{time}"));
        }
    }
}

impl Archive {
    /// Takes the recipe's mirrors of it, each of which may be signed in its own way, or not at all. An archive that only the
    /// recipe knows is what they are, at other addresses too.
    fn add_mirrors(&mut self, request: &DebianRequest) {
        let mirrors = || request.repositories.iter().filter(|repository| repository.is_mirror());
        if matches!(request.distribution, Distribution::Other(_)) && !is_official(&self.id) {
            let keyring = self.signing.keyring.take();
            self.signing.keyring = keyring.or_else(|| mirrors().find_map(|mirror| mirror.keyring.clone()));
            if self.signing.keyring.is_none() && mirrors().all(|mirror| mirror.trust == Trust::Unsigned) {
                self.signing.trust = Trust::Unsigned;
            }
        }
        let keyring = &self.signing.keyring;
        let signing = |mirror: &Repository| Signing {
            trust: mirror.trust,
            keyring: mirror.keyring.clone().or_else(|| keyring.clone()),
        };
        let mut mirrors: Vec<_> = mirrors().map(|mirror| (mirror.url.as_str().to_owned(), signing(mirror))).collect();
        // One address may be declared twice: it is verified then.
        mirrors.sort_by_key(|(_, signing)| signing.trust == Trust::Unsigned);
        self.mirrors = mirrors;
    }

    /// How it is signed at `address`.
    pub fn signing_at(&self, address: &str) -> &Signing {
        let mirror = self.mirrors.iter().find(|(mirror, _)| http::is_same_place(mirror, address));
        mirror.map_or(&self.signing, |(_, signing)| signing)
    }

    /// Whether the recipe takes it without a signature, at one of its addresses at least.
    pub fn may_be_unsigned(&self) -> bool {
        self.signings().any(|signing| signing.trust == Trust::Unsigned)
    }

    /// Whether one of the keys that the recipe has for it signed it, where `has` knows the keys of a file. Where it has none, the
    /// built-in ones did, or those of an earlier version.
    pub fn is_signed_by(&self, fingerprint: &str, has: impl Fn(&Path) -> bool) -> bool {
        let mut keyrings = self.signings().map(|signing| signing.keyring.as_deref());
        if keyrings.clone().all(|keyring| keyring.is_none()) {
            return true;
        }
        let built_in = || Some(super::distribution::Distribution::named(&self.distribution)?.keyring());
        keyrings.any(|keyring| match keyring {
            Some(file) => has(file),
            None => built_in().is_some_and(|keys| keys.has(fingerprint)),
        })
    }

    fn signings(&self) -> impl Iterator<Item = &Signing> + Clone {
        std::iter::once(&self.signing).chain(self.mirrors.iter().map(|(_, signing)| signing))
    }

    /// The recipe's file of the keys that the image's own apt needs for it.
    pub fn told_keyring(&self) -> Option<&PathBuf> {
        let told = self.public_url.as_deref().filter(|_| self.image_keyring.is_none())?;
        self.signing_at(told).keyring.as_ref()
    }

    /// Whether the image's own apt uses it without a signature. The official address is never used so, whatever the mirror
    /// that was read.
    pub fn is_trusted_unsigned(&self) -> bool {
        let told = self.public_url.as_deref().filter(|url| OFFICIAL.iter().all(|official| official.1 != *url));
        told.is_some_and(|url| self.signing_at(url).trust == Trust::Unsigned)
    }

    /// Its suites, to be read at the addresses of `mirrors` and judged by the time `now`, or that of the dated archive.
    pub(super) fn suites(&self, mirrors: &Mirrors, dated: Option<&Snapshot>, now: Epoch) -> Vec<suite::Wanted> {
        // Only official archives are dated; a vendor's is what it is now.
        let dated = dated.filter(|_| self.vendor_url.is_none());
        let addresses = mirrors.get(&self.id).into_iter().flatten();
        let addresses: Vec<suite::Address> =
            addresses.map(|url| suite::Address { url: url.clone(), signing: self.signing_at(url).clone() }).collect();
        let wanted = |suite: &String| suite::Wanted {
            id: self.id.clone(),
            addresses: addresses.clone(),
            suite: suite.clone(),
            components: self.components.clone(),
            distribution: self.distribution.clone(),
            now: dated.map_or(now, Snapshot::epoch),
            is_dated: dated.is_some(),
            is_pinned: self.pinned.contains(suite),
            declared: self.vendor_url.clone(),
        };
        self.suites.iter().map(wanted).collect()
    }
}

/// A vendor's archive in the lock: its host, and a part of the digest of its URL.
fn vendor_id(url: &str) -> String {
    let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    let host: String =
        host.chars().filter(|character| character.is_ascii_alphanumeric() || "-.".contains(*character)).collect();
    format!("{}-{}", if host.is_empty() { "local" } else { &host }, &Digest::of(url.as_bytes()).hex()[..8])
}

/// Where the distribution's package of keys has them.
fn image_keyring(request: &DebianRequest) -> Option<&'static str> {
    match (&request.distribution, request.suite.as_str()) {
        (Distribution::Debian, "bookworm" | "bullseye") => Some("/usr/share/keyrings/debian-archive-keyring.gpg"),
        (Distribution::Debian, _) => Some("/usr/share/keyrings/debian-archive-keyring.pgp"),
        (Distribution::Ubuntu, _) => Some("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
        (Distribution::Other(_), _) => None,
    }
}

#[cfg(test)]
mod tests;
