//! Paths of an image that a list of patterns names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobSet, GlobSetBuilder};

use super::prune::{PathPattern, glob};

/// A question to ask of each path: whether one of some patterns names it, or a folder that it is in.
#[derive(Clone, Debug)]
pub struct PathSet(GlobSet);

impl PathSet {
    /// The paths that `patterns` name.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a PathPattern>) -> Self {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            for pattern in [pattern.as_str().to_owned(), format!("{}/**", pattern.as_str())] {
                set.add(glob(&pattern).expect("patterns were compiled when they were read"));
            }
        }
        Self(set.build().expect("a set of patterns that compile compiles"))
    }

    /// Whether `path`, relative to the root of the image, is named.
    pub fn holds(&self, path: &[u8]) -> bool {
        self.0.is_match(Path::new(OsStr::from_bytes(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_for_all_in_them() {
        let patterns = ["/usr/lib/*.so.?", "/etc/ssl", "/usr/share/**/copyright"].map(|text| text.parse().unwrap());
        let set = PathSet::new(&patterns);
        for path in ["usr/lib/liba.so.1", "etc/ssl", "etc/ssl/certs/a.pem", "usr/share/doc/a/copyright"] {
            assert!(set.holds(path.as_bytes()), "{path}");
        }
        for path in ["usr/lib", "usr/lib/a/liba.so.1", "etc/ssl2", "usr/share/doc/a/changelog"] {
            assert!(!set.holds(path.as_bytes()), "{path}");
        }
    }
}
