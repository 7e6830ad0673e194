//! `exclude` of `[from.debian]`: packages that are never chosen.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use super::PackageRequest;
use crate::recipe::words::Misfit;

/// A package by its name, or packages by a name with wildcards: `*`, and `?` for one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagePattern(String);

impl PackagePattern {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What tells which names are meant.
    pub fn matcher(&self) -> GlobMatcher {
        let glob = GlobBuilder::new(&self.0).build().expect("names have no character of a glob but `*` and `?`");
        glob.compile_matcher()
    }
}

impl FromStr for PackagePattern {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        // What stands for the wildcards makes a name of what is one else.
        let named = found.replace(['*', '?'], "00").parse::<PackageRequest>();
        match named {
            Ok(package) if package == PackageRequest::named(&package.name) => Ok(Self(found.to_owned())),
            _ => Err(Misfit::new(
                found,
                "the name of a package to leave out",
                "a name alone, such as `dbus` or `systemd*`: all its versions are left out",
            )),
        }
    }
}

impl fmt::Display for PackagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_wildcards() {
        let pattern = |text: &str| text.parse::<PackagePattern>();
        assert!(pattern("systemd*").unwrap().matcher().is_match("systemd-sysv"));
        assert!(pattern("g++").unwrap().matcher().is_match("g++"));
        assert!(!pattern("dbus").unwrap().matcher().is_match("dbus-bin"));
        assert!(pattern("python3.1?").unwrap().matcher().is_match("python3.13"));
        for wrong in ["", "dbus-", "dbus=1", "dbus/sid", "dbus:i386", "Dbus", "[a]", "{a,b}", "./x.deb"] {
            assert!(pattern(wrong).is_err(), "{wrong}");
        }
    }
}
