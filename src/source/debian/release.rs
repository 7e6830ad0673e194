//! What a `Release` file says about a suite: its names, dates, and the size and digest of every index.
//!
//! The format: <https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files>. Parse only text that
//! [`crate::openpgp`] has verified, or that the recipe trusts unsigned.

use std::collections::BTreeMap;

use miette::Diagnostic;
use thiserror::Error;

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::source::debian::deb822::{Deb822Error, Paragraph, Value};

/// A suite at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Who made it: `Debian`, `Ubuntu`.
    pub origin: Option<String>,
    /// What the archive is called: `Debian-Security`.
    pub label: Option<String>,
    /// The suite: `stable`, `noble-updates`.
    pub suite: Option<String>,
    /// The codename: `trixie`.
    pub codename: Option<String>,
    /// The version of the distribution: `13.1`.
    pub version: Option<String>,
    /// When it was made.
    pub date: Option<Epoch>,
    /// After when it must not be used any more.
    pub valid_until: Option<Epoch>,
    /// Whether every index has a second name, made of its digest, that never changes.
    pub by_hash: bool,
    /// apt's pin priority of its packages: 500, or less where it is not meant for everybody (apt_preferences(5)).
    pub priority: i16,
    /// The components, without the prefix that security archives put before them: `main`.
    pub components: Vec<String>,
    /// The architectures, in dpkg's names; `all` may be one of them.
    pub architectures: Vec<String>,
    /// Whether packages of architecture `all` are in each architecture's index already.
    pub all_in_each: bool,
    /// The size and digest of each index, by its path from the folder of the `Release`.
    pub files: BTreeMap<String, ReleaseFile>,
}

/// What a `Release` says about one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

/// Why a `Release` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum ReleaseError {
    /// It is no control file.
    #[error("cannot read the Release file")]
    #[diagnostic(help("the mirror may answer with a page of its own: try another one with --mirror"))]
    NotControlFile(#[source] Deb822Error),
    /// A date is none.
    #[error("the Release file has `{field}: {text}`, which is no date")]
    #[diagnostic(help("dates look like `Sat, 12 Sep 2026 07:55:41 UTC`; tell the archive's keepers"))]
    BadDate {
        /// The field.
        field: &'static str,
        /// Its value.
        text: String,
    },
    /// A line of the list of digests is none.
    #[error("the Release file has `{line}` in SHA256, which is no digest, size and path")]
    #[diagnostic(help("the file is damaged: try another mirror with --mirror"))]
    BadFileLine {
        /// The line.
        line: String,
    },
    /// There are no SHA-256 digests.
    #[error("the Release file has no SHA256 list")]
    #[diagnostic(help("MD5 and SHA-1 are not safe any more; the archive must be published with SHA-256 digests"))]
    NoDigests,
    /// It is too old.
    #[error("the Release file of {name} was valid until {valid_until}, and it is {now}")]
    #[diagnostic(help(
        "use a mirror that is up to date, or say `snapshot = \"{date}\"` in the recipe if an old state is what you want",
        date = snapshot_name(*valid_until)
    ))]
    Expired {
        /// The suite.
        name: String,
        /// The last moment of its use.
        valid_until: Epoch,
        /// The moment it was checked against.
        now: Epoch,
    },
}

impl Release {
    /// Reads the text of a `Release`.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let paragraph = Paragraph::parse(text).map_err(ReleaseError::NotControlFile)?;
        let word = |name| paragraph.field(name).map(|value| value.raw().to_owned()).filter(|word| !word.is_empty());
        let words = |name| paragraph.field(name).into_iter().flat_map(Value::words);
        let list = paragraph.field("SHA256").ok_or(ReleaseError::NoDigests)?;
        Ok(Self {
            origin: word("Origin"),
            label: word("Label"),
            suite: word("Suite"),
            codename: word("Codename"),
            version: word("Version"),
            date: date(&paragraph, "Date")?,
            valid_until: date(&paragraph, "Valid-Until")?,
            by_hash: paragraph.field("Acquire-By-Hash").is_some_and(|value| value.raw().eq_ignore_ascii_case("yes")),
            priority: priority(&paragraph),
            components: words("Components").map(last_part).map(str::to_owned).collect(),
            architectures: words("Architectures").map(str::to_owned).collect(),
            all_in_each: words("No-Support-for-Architecture-all").any(|kind| kind == "Packages"),
            files: list.lines().map(file_line).collect::<Result<_, _>>()?,
        })
    }

    /// The name a person knows it by: the codename, else the suite.
    pub fn name(&self) -> &str {
        self.codename.as_deref().or(self.suite.as_deref()).unwrap_or("this archive")
    }

    /// Refuses a `Release` whose `Valid-Until` has passed. Not for snapshots, which are old by nature.
    pub fn check_validity(&self, now: Epoch) -> Result<(), ReleaseError> {
        match self.valid_until {
            Some(valid_until) if valid_until < now => {
                Err(ReleaseError::Expired { name: self.name().to_owned(), valid_until, now })
            }
            _ => Ok(()),
        }
    }
}

/// What apt_preferences(5) gives to packages of a suite that says `NotAutomatic`, and perhaps `ButAutomaticUpgrades`.
fn priority(paragraph: &Paragraph<'_>) -> i16 {
    let says = |name| paragraph.field(name).is_some_and(|value| value.raw().eq_ignore_ascii_case("yes"));
    match (says("NotAutomatic"), says("ButAutomaticUpgrades")) {
        (true, true) => 100,
        (true, false) => 1,
        (false, _) => 500,
    }
}

/// The seconds of a date as `Release` files write it, which is RFC 5322's form but with `UTC` for the zone.
pub fn parse_date(text: &str) -> Option<Epoch> {
    let text = text.trim_ascii();
    let zoned = text.strip_suffix("UTC").or(text.strip_suffix('Z')).map(|time| format!("{}+0000", time));
    let timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(zoned.as_deref().unwrap_or(text)).ok()?;
    Some(Epoch::from_seconds(timestamp.as_second()))
}

fn date(paragraph: &Paragraph<'_>, field: &'static str) -> Result<Option<Epoch>, ReleaseError> {
    let Some(value) = paragraph.field(field) else { return Ok(None) };
    let text = value.raw();
    parse_date(text).map(Some).ok_or_else(|| ReleaseError::BadDate { field, text: text.to_owned() })
}

fn file_line(line: &str) -> Result<(String, ReleaseFile), ReleaseError> {
    let mut words = line.split_ascii_whitespace();
    let file = (|| {
        let digest = Digest::from_hex(words.next()?).ok()?;
        let size = words.next()?.parse().ok()?;
        let path = words.next()?.to_owned();
        words.next().is_none().then_some((path, ReleaseFile { size, digest }))
    })();
    file.ok_or_else(|| ReleaseError::BadFileLine { line: line.to_owned() })
}

fn last_part(component: &str) -> &str {
    component.rsplit_once('/').map_or(component, |(_, name)| name)
}

fn snapshot_name(epoch: Epoch) -> String {
    epoch.format("%Y%m%dT%H%M%SZ").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn release(extra: &str) -> String {
        format!(
            "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nCodename: trixie-security\n\
             Date: Wed, 18 Nov 2026 22:17:43 UTC\nValid-Until: Wed, 25 Nov 2026 22:17:43 UTC\nAcquire-By-Hash: yes\n\
             Architectures: all amd64\nComponents: updates/main updates/contrib\n{extra}\
             MD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/x\nSHA256:\n {HEX}    0 main/binary-amd64/Packages\n"
        )
    }

    #[test]
    fn fields_are_read() {
        let release = Release::parse(&release("No-Support-for-Architecture-all: Packages\n")).unwrap();
        assert_eq!(release.name(), "trixie-security");
        assert_eq!(release.date.map(Epoch::rfc3339).as_deref(), Some("2026-11-18T22:17:43Z"));
        assert_eq!(release.components, ["main", "contrib"]);
        assert_eq!(release.architectures, ["all", "amd64"]);
        assert!(release.by_hash && release.all_in_each);
        let file = ReleaseFile { size: 0, digest: Digest::of(b"") };
        assert_eq!(release.files.into_iter().collect::<Vec<_>>(), [("main/binary-amd64/Packages".to_owned(), file)]);
    }

    #[test]
    fn validity_ends() {
        let release = Release::parse(&release("")).unwrap();
        let end = release.valid_until.unwrap();
        assert_eq!(release.check_validity(end), Ok(()));
        let error = release.check_validity(Epoch::from_seconds(end.seconds() + 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Release file of trixie-security was valid until 2026-11-25T22:17:43Z, and it is 2026-11-25T22:17:44Z"
        );
        assert!(error.help().unwrap().to_string().contains("snapshot = \"20261125T221743Z\""));
    }

    #[test]
    fn dates_of_every_archive() {
        for text in
            ["Sat, 07 Jun 2025 10:00:00 UTC", "Sat, 7 Jun 2025 10:00:00 +0000", "Sat, 07 Jun 2025 12:00:00 +0200"]
        {
            assert_eq!(parse_date(text), Some(Epoch::from_seconds(1_749_290_400)), "{text}");
        }
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn mistakes() {
        assert!(matches!(Release::parse("<html>"), Err(ReleaseError::NotControlFile(_))));
        assert_eq!(Release::parse("Suite: x\nMD5Sum:\n a 0 b\n"), Err(ReleaseError::NoDigests));
        let wrong = Release::parse(&release("SHA256: zz 0 x\n").replace("SHA256:\n", "X:\n")).unwrap_err();
        assert_eq!(wrong, ReleaseError::BadFileLine { line: "zz 0 x".to_owned() });
        let wrong = Release::parse(&release("").replace("Date: Wed, 18", "Date: Wed, 88")).unwrap_err();
        assert!(matches!(wrong, ReleaseError::BadDate { field: "Date", .. }));
    }

    #[test]
    fn priorities_of_backports_and_experimental() {
        let priority = |extra| Release::parse(&release(extra)).unwrap().priority;
        assert_eq!(priority(""), 500);
        assert_eq!(priority("NotAutomatic: yes\nButAutomaticUpgrades: yes\n"), 100);
        assert_eq!(priority("NotAutomatic: yes\n"), 1);
    }
}
