//! Which archives a request reads, and where they are reached.

use std::path::PathBuf;

use super::Mirrors;
use super::suite;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::lock::DebianPin;
use crate::recipe::{DebianRequest, Distribution, Snapshot, Trust};

/// An archive of packages that a request reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// What the lock and mirrors call it: `debian`, `debian-security`, `ubuntu`; of a vendor, a name made of its URL.
    pub id: String,
    /// The suites that are read.
    pub suites: Vec<String>,
    /// The components that are read.
    pub components: Vec<String>,
    /// What the image's own apt is told: the official address. `None` where nobody outside can reach it.
    pub public_url: Option<String>,
    /// The address, where it is in no list of official archives.
    pub vendor_url: Option<String>,
    /// Where the image has its keys.
    pub image_keyring: Option<&'static str>,
    keyring: Option<PathBuf>,
    distribution: String,
    trust: Trust,
}

/// The official archives: id, address, address of the dated archive (above the time stamp).
const OFFICIAL: [(&str, &str, &str); 3] = [
    ("debian", "http://ftp.debian.org/debian", "http://snapshot.debian.org/archive/debian"),
    ("debian-security", "http://ftp.debian.org/debian-security", "http://snapshot.debian.org/archive/debian-security"),
    ("ubuntu", "http://archive.ubuntu.com/ubuntu", "http://snapshot.ubuntu.com/ubuntu"),
];

/// Ubuntu's archive of the architectures that are not in its main one.
const UBUNTU_PORTS: &str = "http://ports.ubuntu.com/ubuntu-ports";

/// Suites that move and have neither updates nor security suites beside them.
const ROLLING: [&str; 4] = ["sid", "unstable", "experimental", "rc-buggy"];

/// The archives of `request`: the distribution's, with updates and security suites where they are asked for, then the
/// recipe's further ones.
pub fn of(request: &DebianRequest) -> Vec<Archive> {
    let suite = request.suite.as_str();
    let distribution = request.distribution.to_string();
    let updates = request.updates && !ROLLING.contains(&suite);
    let archive = |id: &str, suites: Vec<String>| Archive {
        id: id.to_owned(),
        suites,
        components: request.components.clone(),
        public_url: OFFICIAL.iter().find(|official| official.0 == id).map(|official| official.1.to_owned()),
        vendor_url: None,
        image_keyring: image_keyring(request),
        keyring: request.keyring.clone(),
        distribution: distribution.clone(),
        trust: mirror_trust(request),
    };
    let with = |suffixes: &[&str]| {
        let further = suffixes.iter().filter(|_| updates).map(|suffix| format!("{suite}{suffix}"));
        std::iter::once(suite.to_owned()).chain(further).collect::<Vec<_>>()
    };
    let mut archives = match &request.distribution {
        Distribution::Debian => vec![archive("debian", with(&["-updates"]))],
        Distribution::Ubuntu => vec![archive("ubuntu", with(&["-updates", "-security"]))],
        Distribution::Other(name) => vec![archive(name, vec![suite.to_owned()])],
    };
    if updates && request.distribution == Distribution::Debian {
        archives.push(archive("debian-security", vec![format!("{suite}-security")]));
    }
    for vendor in request.repositories.iter().filter(|repository| !repository.suites.is_empty()) {
        let url = vendor.url.as_str().to_owned();
        archives.push(Archive {
            id: vendor_id(&url),
            suites: vendor.suites.clone(),
            components: vendor.components.clone(),
            public_url: (!url.starts_with("file:")).then(|| url.clone()),
            vendor_url: Some(url),
            image_keyring: None,
            keyring: vendor.keyring.clone().or_else(|| request.keyring.clone()),
            distribution: distribution.clone(),
            trust: vendor.trust,
        });
    }
    archives
}

/// What else says where archives are, besides the recipe.
#[derive(Clone, Debug, Default)]
pub struct MirrorSettings {
    /// Addresses from the command line: for an archive by its id, or with an empty id for the main archive.
    pub chosen: Vec<(String, String)>,
    /// Addresses in the host's own apt sources, by id.
    pub host: Vec<(String, String)>,
}

/// Where each archive of `request` is reached: at the recipe's mirrors, else those of the command line, else those of
/// the host, and at last at the official address. A dated archive is only where it is kept, unless a mirror was chosen.
pub fn mirrors(request: &DebianRequest, settings: &MirrorSettings) -> Mirrors {
    let main = request.distribution.to_string();
    let mut mirrors = Mirrors::new();
    for archive in of(request) {
        let mut addresses: Vec<String> = Vec::new();
        if archive.id == main {
            let recipe = request.repositories.iter().filter(|repository| repository.suites.is_empty());
            addresses.extend(recipe.map(|repository| repository.url.as_str().to_owned()));
        }
        let is_meant = |id: &str| id == archive.id || id.is_empty() && archive.id == main;
        addresses.extend(settings.chosen.iter().filter(|(id, _)| is_meant(id)).map(|(_, url)| url.clone()));
        addresses.extend(archive.vendor_url.clone());
        let official = OFFICIAL.iter().find(|official| official.0 == archive.id);
        match (&request.snapshot, official) {
            (Some(snapshot), Some((_, _, dated))) => addresses.push(format!("{dated}/{}", snapshot.as_str())),
            _ if addresses.is_empty() => {
                addresses.extend(settings.host.iter().filter(|(id, _)| *id == archive.id).map(|(_, url)| url.clone()));
                addresses.extend(archive.public_url.clone());
            }
            _ => {}
        }
        if archive.id == "ubuntu" {
            addresses.push(UBUNTU_PORTS.to_owned());
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
    /// Its suites, to be read at the addresses of `mirrors` and judged by the time `now`, or that of the dated archive.
    pub(super) fn suites(&self, mirrors: &Mirrors, dated: Option<&Snapshot>, now: Epoch) -> Vec<suite::Wanted> {
        let wanted = |suite: &String| suite::Wanted {
            id: self.id.clone(),
            addresses: mirrors.get(&self.id).cloned().unwrap_or_default(),
            suite: suite.clone(),
            components: self.components.clone(),
            keyring: self.keyring.clone(),
            distribution: self.distribution.clone(),
            trust: self.trust,
            now: dated.map_or(now, Snapshot::epoch),
            is_dated: dated.is_some(),
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

/// A mirror of the recipe may say that its index is not signed.
fn mirror_trust(request: &DebianRequest) -> Trust {
    let mirror = request.repositories.iter().find(|repository| repository.suites.is_empty());
    mirror.map_or(Trust::Signed, |mirror| mirror.trust)
}
