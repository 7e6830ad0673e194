//! Texts of `[[conda]]` with a form of their own: prefixes, dates, channels, virtual packages.

use std::str::FromStr;

use crate::recipe::words::{ImagePath, Misfit};

/// The folder of an environment: an absolute path without spaces, short enough for the first line of a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CondaPrefix(pub(super) String);

/// The moment after which packages do not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludeNewer(jiff::Timestamp);

impl CondaPrefix {
    /// The path with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ExcludeNewer {
    /// Seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.0.as_second()
    }
}

impl FromStr for CondaPrefix {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        const WHAT: &str = "the folder of an environment";
        let path = found.parse::<ImagePath>().map_err(|misfit| Misfit { what: WHAT, ..misfit })?;
        let path = path.as_str();
        // A script's first line has at most 127 bytes, and ends at the first space: PREFIX/bin/python3.14 must fit. What
        // a shell reads otherwise than it is written would need quotes in scripts of all packages.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
        if !path.bytes().all(plain) {
            let expected = "a path of ASCII letters, digits and `._+-`, without spaces, since scripts start with it";
            return Err(Misfit::new(found, WHAT, expected));
        }
        if path.len() > 80 || path == "/" {
            return Err(Misfit::new(found, WHAT, "a path of at most 80 letters, other than `/`"));
        }
        Ok(Self(path.to_owned()))
    }
}

impl FromStr for ExcludeNewer {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        if let Ok(time) = found.parse::<jiff::Timestamp>() {
            return Ok(Self(time));
        }
        // A day is meant to its end.
        let day = found.parse::<jiff::civil::Date>().ok().and_then(|date| date.tomorrow().ok());
        let end = day.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
        let expected = "a day (`2026-11-01`), or a date with time and zone (`2026-11-01T12:00:00Z`)";
        end.map(|end| Self(end.timestamp())).ok_or_else(|| Misfit::new(found, "a date", expected))
    }
}

pub(super) fn check_channel(found: &str) -> Result<(), Misfit> {
    let misfit = |expected: &str| Err(Misfit::new(&crate_safe(found), "a channel", expected));
    if found.trim() != found || found.is_empty() || found.chars().any(char::is_control) {
        return misfit("a name (`conda-forge`), an address (`https://...`) or a path (`./channel`)");
    }
    let login =
        found.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|h| h.contains('@')));
    if login || found.contains("/t/") {
        return misfit("an address without a login or token: those belong into rattler's auth file or netrc");
    }
    Ok(())
}

/// A channel without what may be a password in it.
fn crate_safe(found: &str) -> String {
    match found.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, rest)| rest))
        }
        _ => found.split_once("/t/").map_or(found, |(before, _)| before).to_owned(),
    }
}

pub(super) fn check_virtual(found: &str) -> Result<(), Misfit> {
    let name = found.strip_prefix("__").unwrap_or(found);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.is_empty() && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Misfit::new(found, "the name of a virtual package", "a name such as `cuda`, `glibc` or `archspec`"))
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT_PREFIX;
    use super::*;

    #[test]
    fn prefixes() {
        for good in [DEFAULT_PREFIX, "/opt/env", "/usr/local"] {
            assert_eq!(good.parse::<CondaPrefix>().unwrap().as_str(), good);
        }
        for bad in [
            "/opt/my env",
            "/opt/a;b",
            "/opt/$x",
            "/opt/a'b",
            "opt/env",
            "/",
            "/opt/\u{e4}",
            &format!("/{}", "x".repeat(80)),
        ] {
            assert!(bad.parse::<CondaPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_is_meant_to_its_end() {
        assert_eq!("2026-11-01".parse::<ExcludeNewer>().unwrap().seconds() % 86_400, 0);
        let day = "1970-01-01".parse::<ExcludeNewer>().unwrap();
        assert_eq!(day.seconds(), 86_400);
        assert_eq!("1970-01-01T00:00:01Z".parse::<ExcludeNewer>().unwrap().seconds(), 1);
        assert!("yesterday".parse::<ExcludeNewer>().is_err());
    }

    #[test]
    fn no_login_is_in_a_recipe() {
        for good in ["conda-forge", "https://a.example/channel", "./channel", "file:///srv/channel"] {
            assert!(check_channel(good).is_ok(), "{good}");
        }
        for bad in ["https://me:secret@a.example/c", "https://a.example/t/secret/c", "", " x"] {
            let text = check_channel(bad).unwrap_err().to_string();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
