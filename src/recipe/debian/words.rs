//! The texts of `[from.debian]` that have a form of their own.

use std::fmt;
use std::str::FromStr;

use super::super::shape::Text;
use super::super::words::Misfit;
use crate::epoch::Epoch;

/// A package that the recipe asks for: `name`, `name:architecture`, `name=version`, `name=1.2*` or `name/suite`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRequest {
    /// The package.
    pub name: String,
    /// dpkg's architecture name, where it is not the image's own.
    pub architecture: Option<String>,
    /// The version: exactly this one, or where it has `*` or `?` the best of those that fit.
    pub version: Option<String>,
    /// The suite it should come from.
    pub suite: Option<String>,
}

/// A moment of a dated archive, as those of Debian and Ubuntu write it: `20261101T000000Z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(String);

/// The URL of an archive: `http`, `https` or `file`, without credentials, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryUrl(String);

/// A package of the archive, or the path of a .deb.
pub(super) const PACKAGE: Text = Text { what: "a package", check: check_package };
/// A priority, section or task of packages.
pub(super) const LIST: Text = Text { what: "a name", check: check_list };
/// The name of a suite.
pub(super) const SUITE: Text = Text { what: "a suite", check: check_suite };
/// The name of a suite, or the folder of a flat repository, which ends with a slash.
pub(super) const SUITE_OR_FOLDER: Text = Text { what: "a suite", check: check_suite_or_folder };
/// The name of a component.
pub(super) const COMPONENT: Text = Text { what: "a component", check: check_component };
/// The name of a distribution.
pub(super) const DISTRIBUTION: Text = Text { what: "a distribution", check: check_distribution };

impl PackageRequest {
    /// A package by its name alone.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), architecture: None, version: None, suite: None }
    }
}

impl Snapshot {
    /// The moment as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as a time.
    pub fn epoch(&self) -> Epoch {
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &self.0)
            .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
        Epoch::from_seconds(time.map_or(0, |time| time.timestamp().as_second()))
    }
}

impl RepositoryUrl {
    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (mark, part) in [(":", &self.architecture), ("/", &self.suite), ("=", &self.version)] {
            if let Some(part) = part {
                write!(f, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for PackageRequest {
    type Err = Misfit;

    /// Names and versions are as Debian policy 5.6.1 and 5.6.12 have them.
    fn from_str(found: &str) -> Result<Self, Misfit> {
        let wrong = |expected: &str| Misfit::new(found, "a package", expected).with_help(instead_of_apts(found));
        if found.len() > 2 && found.ends_with('-') {
            return Err(wrong("a package to install, with no `-` at its end"));
        }
        let (rest, version) = match found.split_once('=') {
            Some((rest, version)) => (rest, Some(version)),
            None => (found, None),
        };
        let (rest, suite) = match rest.split_once('/') {
            Some((rest, suite)) => (rest, Some(suite)),
            None => (rest, None),
        };
        let (name, architecture) = match rest.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (rest, None),
        };
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let of_name = |byte: u8| alphanumeric(byte) || matches!(byte, b'+' | b'-' | b'.');
        if !(2..=255).contains(&name.len()) || !name.bytes().all(of_name) || !alphanumeric(name.as_bytes()[0]) {
            return Err(wrong(
                "a name of at least two small letters, digits, `+`, `-` and `.`, with `=version`, `/suite` or `:architecture` after it",
            ));
        }
        if architecture
            .is_some_and(|text| text.is_empty() || !text.bytes().all(|byte| alphanumeric(byte) || byte == b'-'))
        {
            return Err(wrong("an architecture of dpkg after the `:`, such as `i386`"));
        }
        let of_version = |byte: u8| byte.is_ascii_alphanumeric() || b".+-:~*?".contains(&byte);
        if version.is_some_and(|text| !text.bytes().all(of_version) || !text.bytes().any(|byte| byte.is_ascii_digit()))
        {
            return Err(wrong("a version after the `=`, such as `1.2-3`, or the start of one: `1.2*`"));
        }
        if suite.is_some_and(|text| check_suite(text).is_err()) {
            return Err(wrong("a suite after the `/`, such as `trixie-backports`"));
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        let (architecture, version, suite) = (owned(architecture), owned(version), owned(suite));
        Ok(Self { name: name.to_owned(), architecture, version, suite })
    }
}

/// What to write for what apt and its friends take on their command lines.
fn instead_of_apts(found: &str) -> Option<String> {
    let name = found.split([':', '=', '/']).next().unwrap_or(found);
    Some(if let Some(task) = found.strip_suffix('^') {
        format!("tasks are named in `tasks`: `tasks = [\"{task}\"]`")
    } else if found.starts_with(['?', '~']) {
        "groups of packages are named in `priorities`, `sections` and `tasks`".to_owned()
    } else if found.contains([',', ' ', '\t', '\n']) {
        let words = found.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
        format!("each package is a string of its own: {}", words.join(", "))
    } else if found.len() > 2 && found.ends_with('-') {
        let name = name.trim_end_matches('-');
        format!("packages that are not to be installed are named in `exclude`: `exclude = [\"{name}\"]`")
    } else if name.contains(['*', '?', '[']) {
        "only versions and what `exclude` names may have wildcards: name each package".to_owned()
    } else {
        return None;
    })
}

impl FromStr for Snapshot {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let shape = found.len() == 16
            && found.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        let time =
            shape && jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", found).and_then(|time| time.to_datetime()).is_ok();
        if time {
            Ok(Self(found.to_owned()))
        } else {
            Err(Misfit::new(found, "a moment", "a time in UTC such as `20261101T000000Z`"))
        }
    }
}

impl FromStr for RepositoryUrl {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let wrong = |found: &str, expected: &str| Misfit::new(found, "the URL of an archive", expected);
        let expected = "`http://`, `https://` or `file:///`, and where the archive is";
        let Some((scheme, rest)) = found.split_once("://") else { return Err(wrong(found, expected)) };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            // The text itself would show the password.
            return Err(wrong(
                &format!("{scheme}://..."),
                "a URL without a user and a password: secrets are never in a recipe",
            ));
        }
        let fits = match scheme {
            "http" | "https" => !authority.is_empty(),
            "file" => rest.starts_with('/'),
            _ => false,
        };
        let clean = rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if fits && clean { Ok(Self(found.trim_end_matches('/').to_owned())) } else { Err(wrong(found, expected)) }
    }
}

fn check_suite(found: &str) -> Result<(), Misfit> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+' | b'/');
    let fits = found.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && found.bytes().all(of_name);
    if fits && !found.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Ok(());
    }
    Err(Misfit::new(found, "a suite", "a name such as `trixie` or `trixie-backports`"))
}

/// Whether an item of `packages` is the path of a .deb and not a name: it has a slash before all else, or a point and one.
pub(super) fn is_file(found: &str) -> bool {
    found.ends_with(".deb") && ["/", "./", "../"].iter().any(|start| found.starts_with(start))
}

fn check_package(found: &str) -> Result<(), Misfit> {
    match found {
        path if is_file(path) => Ok(()),
        name if name.ends_with(".deb") || ["/", "./", "../"].iter().any(|start| name.starts_with(start)) => {
            Err(Misfit::new(
                name,
                "a package",
                "the path of a .deb, which begins with `./`, `../` or `/` and ends with `.deb`",
            ))
        }
        name => name.parse::<PackageRequest>().map(drop),
    }
}

fn check_list(found: &str) -> Result<(), Misfit> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+' | b'/');
    if !found.is_empty() && found.bytes().all(of_name) {
        return Ok(());
    }
    Err(Misfit::new(found, "a name", "a word such as `important`, `net` or `ssh-server`"))
}

/// apt's form (sources.list(5)): a suite that ends with a slash is a folder below the URL, which has the indexes itself.
fn check_suite_or_folder(found: &str) -> Result<(), Misfit> {
    let Some(folder) = found.strip_suffix('/') else { return check_suite(found) };
    let folder = folder.strip_prefix("./").unwrap_or(folder);
    if matches!(folder, "" | ".") || check_suite(folder).is_ok() {
        return Ok(());
    }
    Err(Misfit::new(found, "a suite", "a name such as `trixie`, or a folder with a slash at its end: `/`, `x86_64/`"))
}

fn check_component(found: &str) -> Result<(), Misfit> {
    check_suite(found).map_err(|_| Misfit::new(found, "a component", "a name such as `main` or `non-free-firmware`"))
}

fn check_distribution(found: &str) -> Result<(), Misfit> {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !found.is_empty() && found.bytes().all(of_name) {
        return Ok(());
    }
    Err(Misfit::new(found, "a distribution", "`debian`, `ubuntu`, or a name of small letters, digits and `-`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_file_has_to_be_a_deb() {
        assert!(check_package("./app.deb").is_ok());
        for text in ["app.deb", "./folder", "../app.rpm", "/srv/app"] {
            assert!(check_package(text).unwrap_err().expected.contains("ends with `.deb`"), "{text}");
        }
    }

    #[test]
    fn packages_have_a_name_and_at_most_one_of_each_pin() {
        let package: PackageRequest = "libc6:i386/trixie-backports=2.41-12+deb13u1".parse().unwrap();
        assert_eq!((package.name.as_str(), package.architecture.as_deref()), ("libc6", Some("i386")));
        assert_eq!(package.version.as_deref(), Some("2.41-12+deb13u1"));
        assert_eq!(package.suite.as_deref(), Some("trixie-backports"));
        assert_eq!(package.to_string(), "libc6:i386/trixie-backports=2.41-12+deb13u1");
        for text in ["curl", "g++", "libstdc++6:arm64", "nginx=1:1.26.3~rc1-3", "curl=8.1*", "golang/trixie-backports"]
        {
            assert_eq!(text.parse::<PackageRequest>().unwrap().to_string(), text);
        }
        let long = "a".repeat(300);
        for wrong in [
            "", "a", "Curl", "-curl", "curl-", "curl=", "curl=*", "curl/", "curl:", "curl =1", "curl=;", "a/../b",
            "ü2", &long,
        ] {
            assert!(wrong.parse::<PackageRequest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_apt_takes_is_understood() {
        let help = |text: &str| text.parse::<PackageRequest>().unwrap_err().help.unwrap_or_default().into_string();
        assert!(help("ssh-server^").contains("`tasks = [\"ssh-server\"]`"));
        assert!(help("?essential").contains("`priorities`") && help("~nfoo").contains("`priorities`"));
        assert!(help("curl,wget git").ends_with("\"curl\", \"wget\", \"git\""));
        for text in ["nano-", "nano:i386-", "nano/sid-", "nano=1-"] {
            assert!(help(text).contains("`exclude = [\"nano\"]`"), "{text}");
        }
        assert!(help("python3.*").contains("wildcards"));
        assert!(help("Curl").is_empty());
    }

    #[test]
    fn files_are_told_from_names() {
        for path in ["./app.deb", "../out/app_1_amd64.deb", "/srv/app.deb"] {
            assert!(is_file(path) && check_package(path).is_ok(), "{path}");
        }
        for wrong in ["app.deb", "out/app.deb", "./app", "./app.rpm"] {
            assert!(check_package(wrong).is_err(), "{wrong}");
        }
        assert!(check_package("curl").is_ok());
        assert!(check_list("important").is_ok() && check_list("contrib/net").is_ok());
        assert!(check_list("").is_err() && check_list("a b").is_err());
    }

    #[test]
    fn folders_of_flat_repositories() {
        for right in ["/", "./", "x86_64/", "./x86_64/", "a/b/", "trixie", "trixie/updates"] {
            assert!(check_suite_or_folder(right).is_ok(), "{right}");
        }
        for wrong in ["", "//", "../", "a/../", "/a/", "a b/", "/a", "./x"] {
            assert!(check_suite_or_folder(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_real() {
        assert!("20261101T000000Z".parse::<Snapshot>().is_ok());
        for wrong in ["", "20261101", "20261301T000000Z", "20260230T000000Z", "2026-11-01T00:00Z", "20261101T250000Z"] {
            assert!(wrong.parse::<Snapshot>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn archives_have_urls_without_secrets() {
        let url = |text: &str| text.parse::<RepositoryUrl>().map(|url| url.0);
        assert_eq!(url("http://example.org/debian/").as_deref(), Ok("http://example.org/debian"));
        assert_eq!(url("file:///srv/archive").as_deref(), Ok("file:///srv/archive"));
        for wrong in ["", "example.org", "ftp://example.org", "file://srv", "http://", "http://a/b?c", "http://a/b c"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        let secret = url("http://user:hunter2@example.org/").unwrap_err();
        assert!(!secret.to_string().contains("hunter2"), "{secret}");
    }
}
