//! Debian and Ubuntu: their suites, and the keys that sign them.

use crate::openpgp::Keyring;

/// A distribution whose keys are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distribution {
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
}

/// Debian's releases from the oldest whose keys are built in, and the names that move.
const DEBIAN: [&str; 11] = [
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
/// Ubuntu's releases from the oldest that is still kept.
const UBUNTU: [&str; 9] = ["bionic", "focal", "jammy", "noble", "oracular", "plucky", "questing", "resolute", "devel"];
/// What may follow the name of a release.
const POCKETS: [&str; 6] =
    ["-updates", "-security", "-backports", "-backports-sloppy", "-proposed-updates", "-proposed"];

impl Distribution {
    /// Whose suite this is, if it is one of theirs: `trixie`, `noble-updates`.
    pub fn of_suite(suite: &str) -> Option<Self> {
        let release = release_of(suite);
        if DEBIAN.contains(&release) || release == "experimental" {
            Some(Self::Debian)
        } else if UBUNTU.contains(&release) {
            Some(Self::Ubuntu)
        } else {
            None
        }
    }

    /// The one of this name in recipes and locks.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "debian" => Some(Self::Debian),
            "ubuntu" => Some(Self::Ubuntu),
            _ => None,
        }
    }

    /// The name that `Origin` in a `Release` has.
    pub fn origin(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Ubuntu => "Ubuntu",
        }
    }

    /// The suites that updates to a release come from, the security one last. The moving tops of Debian have none.
    pub fn update_suites(self, release: &str) -> Vec<String> {
        if ["sid", "unstable", "experimental"].contains(&release) {
            return Vec::new();
        }
        ["updates", "security"].map(|pocket| format!("{release}-{pocket}")).to_vec()
    }

    /// The keys that sign its archive.
    pub fn keyring(self) -> Keyring {
        let bytes: &[u8] = match self {
            Self::Debian => include_bytes!("keys/debian-archive-keyring.pgp"),
            Self::Ubuntu => include_bytes!("keys/ubuntu-archive-keyring.pgp"),
        };
        Keyring::parse(bytes).expect("the built-in keys are read in a test")
    }
}

/// The release a suite belongs to: `trixie` for `trixie-security`, as for itself.
pub fn release_of(suite: &str) -> &str {
    POCKETS.iter().find_map(|pocket| suite.strip_suffix(pocket)).unwrap_or(suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_of_each() {
        for suite in ["trixie", "bookworm-security", "sid", "stable-backports", "experimental"] {
            assert_eq!(Distribution::of_suite(suite), Some(Distribution::Debian), "{suite}");
        }
        for suite in ["noble", "jammy-updates", "resolute-security", "devel"] {
            assert_eq!(Distribution::of_suite(suite), Some(Distribution::Ubuntu), "{suite}");
        }
        for suite in ["", "-updates", "trixie-evil", "kali-rolling", "nodistro"] {
            assert_eq!(Distribution::of_suite(suite), None, "{suite}");
        }
        assert_eq!(Distribution::Debian.update_suites("trixie"), ["trixie-updates", "trixie-security"]);
        assert!(Distribution::Debian.update_suites("sid").is_empty());
    }

    #[test]
    fn built_in_keys_are_the_ones_known() {
        let debian = Distribution::Debian.keyring().fingerprints();
        // Debian's automatic key of trixie, and its stable key of bookworm (https://ftp-master.debian.org/keys.html).
        assert!(debian.contains(&"04B54C3CDCA79751B16BC6B5225629DF75B188BD".to_owned()));
        assert!(debian.contains(&"4D64FEC119C2029067D6E791F8D2585B8783D481".to_owned()));
        let ubuntu = Distribution::Ubuntu.keyring().fingerprints();
        assert!(ubuntu.contains(&"F6ECB3762474EDA9D21B7022871920D1991BC93C".to_owned()));
    }
}
