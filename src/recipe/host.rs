//! `[from.host]`: a machine or a folder as it is now.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use globset::{GlobSet, GlobSetBuilder};

use super::fields::Fields;
use super::prune::{PathPattern, glob};
use super::shape::{Key, Keys, Shape, Words, itself, text};
use super::words::{ImagePath, Misfit};

/// What is captured, and what of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostRequest {
    /// The folder that becomes the image's root: `/`, or a folder of this machine.
    pub path: PathBuf,
    /// Paths of the image to leave out, whatever else is asked for.
    pub exclude: Vec<PathPattern>,
    /// What the presets would remove and is wanted all the same.
    pub keep: Vec<Kept>,
    /// Secrets that may be in the image.
    pub allow: Vec<Allowance>,
    /// Which other file systems belong to it.
    pub mounts: Mounts,
    /// Leave out what may not be read, in place of ending with an error.
    pub skip_unreadable: bool,
}

/// Which file systems, beside that of the captured folder, are captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// All that keep files on a disk or a server; those of the kernel and those in memory never.
    pub all: bool,
    /// Those mounted at these paths of the image.
    pub at: Vec<ImagePath>,
}

/// A group of things of one machine or person that does not belong into an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CapturePreset {
    /// The machine's identity.
    MachineId,
    /// Its name.
    Hostname,
    /// Its network.
    Network,
    /// Its disks and clock.
    Hardware,
    /// ssh host keys and the `.ssh` of every home.
    Ssh,
    /// Hashes of passwords.
    Passwords,
    /// Private keys where services keep them.
    Keys,
    /// Logins and tokens where programs keep them.
    Credentials,
    /// What was typed.
    Histories,
    /// Accounts of people, with their homes.
    Users,
    /// First-boot tools and agents of clouds.
    Cloud,
    /// Kernels, boot loaders and firmware.
    Kernel,
    /// Storage of containers and virtual machines.
    Containers,
    /// Databases' files.
    Databases,
    /// Mail, cron and print jobs that wait.
    Mail,
    /// Logs.
    Logs,
    /// What programs make again by themselves.
    Caches,
    /// Temporary files and what is mounted by hand.
    Temporary,
    /// Core dumps and crash reports.
    Crashes,
    /// Copies of before the last change.
    Backups,
    /// Device nodes and named pipes.
    SpecialFiles,
}

/// Every preset: its name, and what it removes, in a line.
pub const CAPTURE_PRESETS: [(CapturePreset, &str, &str); 21] = [
    (
        CapturePreset::MachineId,
        "machine-id",
        "machine-id, D-Bus's copy of it, systemd's random seed, credential key and timers",
    ),
    (CapturePreset::Hostname, "hostname", "hostname, mailname, own lines of /etc/hosts, machine-info, hostid"),
    (
        CapturePreset::Network,
        "network",
        "resolv.conf, interfaces, netplan, NetworkManager, wpa_supplicant, leases, iSCSI and NVMe names",
    ),
    (CapturePreset::Hardware, "hardware", "fstab, crypttab, LVM, RAID and multipath state, adjtime, blkid's table"),
    (CapturePreset::Ssh, "ssh", "ssh host keys, .ssh of every home"),
    (
        CapturePreset::Passwords,
        "passwords",
        "hashes in passwd, group, shadow and gshadow, their backups, opasswd, debconf's passwords",
    ),
    (
        CapturePreset::Keys,
        "keys",
        "/etc/ssl/private, letsencrypt, keytabs, VPN, Puppet, Salt, Kubernetes and etcd keys, secret keyrings",
    ),
    (
        CapturePreset::Credentials,
        "credentials",
        "logins and tokens of clouds, registries, git, package managers and desktops",
    ),
    (CapturePreset::Histories, "histories", "histories of shells, databases, editors and pagers"),
    (
        CapturePreset::Users,
        "users",
        "accounts with uids from 1000 to 59999, their homes, groups and subordinate ids; other folders in /home",
    ),
    (CapturePreset::Cloud, "cloud", "cloud-init's state, agents of clouds, subscriptions, installer logs"),
    (CapturePreset::Kernel, "kernel", "/boot, kernel modules, firmware, links to kernels"),
    (
        CapturePreset::Containers,
        "containers",
        "storage of docker, containerd, podman, kubelet, lxc, libvirt, snapd, flatpak",
    ),
    (
        CapturePreset::Databases,
        "databases",
        "files of MySQL, PostgreSQL, Redis, MongoDB, LDAP, Elasticsearch, InfluxDB",
    ),
    (CapturePreset::Mail, "mail", "mail, and jobs of cron, at and cups that wait"),
    (CapturePreset::Logs, "logs", "everything in /var/log, audit and accounting; its folders stay"),
    (CapturePreset::Caches, "caches", "caches of package managers, programs and homes"),
    (CapturePreset::Temporary, "temporary", "/var/tmp, /mnt, /media, lost+found, trash, snapshots of btrfs"),
    (CapturePreset::Crashes, "crashes", "core dumps and crash reports"),
    (CapturePreset::Backups, "backups", "*~, *.bak, *.dpkg-old, *.rpmsave and the like in /etc, /root, /srv and /var"),
    (CapturePreset::SpecialFiles, "special-files", "device nodes and named pipes outside /dev"),
];

/// What stays although a preset would remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All that a preset removes.
    Preset(CapturePreset),
    /// What is at some paths, and below.
    Path(PathPattern),
}

/// A secret that may be in the image: `/etc/app/**`, or `private-key:/etc/app/key.pem` for one rule alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The rule that would refuse it; all rules without one.
    pub rule: Option<String>,
    /// Where it is.
    pub path: PathPattern,
}

/// The rules that refuse an image, with what each finds.
pub const SECRET_RULES: [(&str, &str); 4] = [
    ("private-key", "private keys: PEM, OpenSSH, PGP, PuTTY and age"),
    ("password-hash", "hashes of passwords, as crypt(3), GRUB and Apache write them"),
    (
        "token",
        "tokens and access keys by their form: AWS, GitHub, GitLab, Slack, Stripe, npm, PyPI, Docker, Vault and others",
    ),
    (
        "credential",
        "logins in files that hold such: .netrc, auth.conf, .git-credentials, docker and kubectl configurations",
    ),
];

const PATTERN: Shape = Shape::Text(text::<PathPattern>("a path of the image, with wildcards"));
const KEPT: Shape = Shape::Text(text::<Kept>("a preset, or a path of the image"));
const ALLOWED: Shape = Shape::Text(text::<Allowance>("a path of the image, or `RULE:` and one"));
const MOUNTS: Shape = Shape::Either(
    &Shape::List(&Shape::Text(text::<ImagePath>("a path of the image"))),
    &Shape::Word(Words { known: &["none", "all"], later: &[] }),
);

pub(super) static KEYS: Keys = Keys {
    name: "[from.host]",
    groups: &[&[
        Key {
            name: "path",
            shape: Shape::Text(text::<HostPath>("an absolute path of this machine")),
            about: "what is captured: `/`, or a folder of this machine",
        },
        Key { name: "exclude", shape: Shape::Set(&PATTERN, itself), about: "paths of the image to leave out" },
        Key {
            name: "keep",
            shape: Shape::Set(&KEPT, itself),
            about: "presets to switch off, and paths that presets leave alone",
        },
        Key { name: "allow", shape: Shape::Set(&ALLOWED, itself), about: "secrets that may be in the image" },
        Key { name: "mounts", shape: MOUNTS, about: "mounted file systems to capture too: `all`, or their paths" },
        Key {
            name: "skip-unreadable",
            shape: Shape::Flag { only: None },
            about: "leave out what may not be read, in place of ending with an error",
        },
    ]],
    later: &[],
};

/// Reads `[from.host]`.
pub(super) fn read(mut fields: Fields<'_>) -> Option<HostRequest> {
    let path = fields.required::<HostPath>("path");
    let exclude = fields.list("exclude").unwrap_or_default();
    let keep = fields.list("keep").unwrap_or_default();
    let allow = fields.list("allow").unwrap_or_default();
    let mounts = match fields.string_or_list::<ImagePath>("mounts") {
        Some(Ok(word)) => Mounts { all: word == "all", at: Vec::new() },
        Some(Err(at)) => Mounts { all: false, at },
        None => Mounts::default(),
    };
    let skip_unreadable = fields.flag("skip-unreadable").unwrap_or(false);
    fields.finish();
    Some(HostRequest { path: path?.0, exclude, keep, allow, mounts, skip_unreadable })
}

impl HostRequest {
    /// Whether a preset removes what it names.
    pub fn has_preset(&self, preset: CapturePreset) -> bool {
        !self.keep.contains(&Kept::Preset(preset))
    }

    /// The paths that presets leave alone.
    pub fn kept_paths(&self) -> impl Iterator<Item = &PathPattern> {
        self.keep.iter().filter_map(|kept| match kept {
            Kept::Path(pattern) => Some(pattern),
            Kept::Preset(_) => None,
        })
    }
}

impl CapturePreset {
    /// Its name: `machine-id`.
    pub fn name(self) -> &'static str {
        let row = CAPTURE_PRESETS.iter().find(|(preset, ..)| *preset == self);
        row.map(|(_, name, _)| *name).expect("the table has every preset")
    }
}

impl fmt::Display for CapturePreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Patterns as one question to ask of paths without their leading slash. Each stands for what it names and all below.
pub fn path_set<'a>(patterns: impl IntoIterator<Item = &'a PathPattern>) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let text = pattern.as_str().trim_end_matches('/');
        for pattern in [text.to_owned(), format!("{text}/**")] {
            set.add(glob(&pattern).expect("patterns were compiled when they were read"));
        }
    }
    set.build().expect("a set of patterns that compile compiles")
}

impl FromStr for Kept {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        if found.starts_with('/') {
            return found.parse().map(Self::Path);
        }
        let preset = CAPTURE_PRESETS.iter().find(|(_, name, _)| *name == found);
        preset.map(|(preset, ..)| Self::Preset(*preset)).ok_or_else(|| {
            let names: Vec<_> = CAPTURE_PRESETS.iter().map(|(_, name, _)| format!("`{name}`")).collect();
            Misfit::new(found, "a preset", format!("one of {}, or a path that starts with `/`", names.join(", ")))
        })
    }
}

impl FromStr for Allowance {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let (rule, path) = match found.split_once(':') {
            Some((rule, path)) if !rule.contains('/') => (Some(rule), path),
            _ => (None, found),
        };
        if let Some(rule) = rule.filter(|rule| !SECRET_RULES.iter().any(|(name, _)| name == rule)) {
            let names: Vec<_> = SECRET_RULES.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(Misfit::new(rule, "a rule", format!("one of {}", names.join(", "))));
        }
        Ok(Self { rule: rule.map(str::to_owned), path: path.parse()? })
    }
}

/// An absolute path of this machine. Not relative to the recipe: a machine has one root.
struct HostPath(PathBuf);

impl FromStr for HostPath {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        if found.starts_with('/') && !found.contains('\0') {
            return Ok(Self(PathBuf::from(found)));
        }
        Err(Misfit::new(found, "an absolute path", "a path that starts with `/`, such as `/` or `/srv/chroot`"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::recipe::{SourceRequest, load_text};

    fn request(body: &str) -> Result<HostRequest, String> {
        let text = format!("name = \"x\"\n[from.host]\n{body}");
        match load_text(Path::new("x.toml"), text, None) {
            Ok(recipe) => match recipe.source {
                SourceRequest::Host(request) => Ok(request),
                _ => unreachable!("the recipe names the host"),
            },
            Err(errors) => Err(errors.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    #[test]
    fn all_keys() {
        let request = request(
            "path = \"/srv/x\"\nexclude = [\"/data\"]\nkeep = [\"logs\", \"/home/app\"]\n\
             allow = [\"token:/etc/x\", \"/etc/y/**\"]\nmounts = [\"/boot\"]\nskip-unreadable = true\n",
        )
        .unwrap();
        assert_eq!(request.path, Path::new("/srv/x"));
        assert!(!request.has_preset(CapturePreset::Logs) && request.has_preset(CapturePreset::Ssh));
        assert_eq!(request.kept_paths().count(), 1);
        assert_eq!(request.allow[0].rule.as_deref(), Some("token"));
        assert_eq!(request.allow[1].rule, None);
        assert_eq!(request.mounts.at.len(), 1);
        assert!(request.skip_unreadable);
    }

    #[test]
    fn mistakes() {
        assert!(request("").unwrap_err().contains("path"));
        assert!(request("path = \"srv\"").unwrap_err().contains("absolute"));
        assert!(request("path = \"/\"\nkeep = [\"log\"]").unwrap_err().contains("`log` is not a preset"));
        assert!(request("path = \"/\"\nallow = [\"tokens:/x\"]").unwrap_err().contains("`tokens` is not a rule"));
        assert!(request("path = \"/\"\nmounts = \"some\"").is_err());
    }

    #[test]
    fn every_preset_has_its_row_and_name() {
        for (preset, name, _) in CAPTURE_PRESETS {
            assert_eq!(name.parse(), Ok(Kept::Preset(preset)));
            assert_eq!(preset.name(), name);
        }
    }
}
