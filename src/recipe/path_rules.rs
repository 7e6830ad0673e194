//! The paths that a recipe leaves out, as a question to ask of each path.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobSet, GlobSetBuilder};

use super::dpkg_patterns;
use super::prune::{PRESETS, PresetRules, Prune, glob};

/// Which paths `[prune]` leaves out.
///
/// An unpacker asks [`PathRules::drops`] for everything but folders, before it keeps anything; the prune pass asks again
/// of the whole tree, and takes away the folders that became empty.
#[derive(Clone, Debug)]
pub struct PathRules {
    remove: GlobSet,
    keep: GlobSet,
    /// What may go as an empty folder.
    folders: GlobSet,
    dpkg: Vec<String>,
    /// The patterns of the recipe itself, as messages name them, and two globs for each.
    own: Vec<String>,
    own_globs: GlobSet,
}

impl PathRules {
    /// The rules of `[prune]`. `keep` is stronger than presets and `remove`.
    pub fn new(prune: &Prune) -> Self {
        let (mut remove, mut keep, mut folders) = (Vec::new(), Vec::new(), Vec::new());
        let mut dpkg = Vec::new();
        let presets = || PRESETS.iter().filter(|rules| prune.presets.contains(&rules.preset));
        for PresetRules { remove: globs, packaged, .. } in presets() {
            remove.extend(globs.iter().map(|glob| (*glob).to_owned()));
            if *packaged {
                folders.extend(globs.iter().map(|glob| (*glob).to_owned()));
                dpkg.extend(globs.iter().map(|glob| format!("path-exclude {}", across(glob))));
            }
        }
        for pattern in &prune.remove {
            let with_content = [pattern.as_str().to_owned(), format!("{}/**", pattern.as_str())];
            folders.extend(with_content.clone());
            remove.extend(with_content);
            dpkg.extend(exclude(pattern.as_str()));
        }
        for PresetRules { keep: globs, packaged, .. } in presets() {
            keep.extend(globs.iter().map(|glob| (*glob).to_owned()));
            if *packaged {
                dpkg.extend(globs.iter().map(|glob| format!("path-include {}", across(glob))));
            }
        }
        for pattern in &prune.keep {
            keep.extend([pattern.as_str().to_owned(), format!("{}/**", pattern.as_str())]);
            match dpkg_patterns::with_content(pattern.as_str()) {
                Some(patterns) => dpkg.extend(patterns.iter().map(|pattern| format!("path-include {pattern}"))),
                None => dpkg.retain(|line| {
                    let exclude = line.strip_prefix("path-exclude ");
                    exclude.is_none_or(|exclude| !dpkg_patterns::may_meet(exclude, pattern.as_str()))
                }),
            }
        }
        if !dpkg.iter().any(|line| line.starts_with("path-exclude")) {
            dpkg.clear();
        }
        let (mut own, mut own_globs) = (Vec::new(), Vec::new());
        for (key, patterns) in [("remove", &prune.remove), ("keep", &prune.keep)] {
            for pattern in patterns {
                own.push(format!("`{}` of `{key}`", pattern.as_str()));
                own_globs.extend([pattern.as_str().to_owned(), format!("{}/**", pattern.as_str())]);
            }
        }
        let (remove, keep, folders) = (compile(&remove), compile(&keep), compile(&folders));
        Self { remove, keep, folders, dpkg, own, own_globs: compile(&own_globs) }
    }

    /// Those of the recipe's own patterns, of `remove` and `keep`, that name what is at `path`: a file, or a folder.
    pub fn naming(&self, path: &[u8]) -> impl Iterator<Item = &str> {
        let path = Path::new(OsStr::from_bytes(path));
        let matched = if self.own.is_empty() { Vec::new() } else { self.own_globs.matches(path) };
        matched.into_iter().map(|at| self.own[at / 2].as_str())
    }

    /// The recipe's own patterns that are not among `seen`, which [`PathRules::naming`] gave.
    pub fn unseen<'a>(&'a self, seen: &'a BTreeSet<String>) -> impl Iterator<Item = &'a str> {
        self.own.iter().map(String::as_str).filter(|pattern| !seen.contains(*pattern))
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty()
    }

    /// Whether what is at `path` is left out. The path is relative to the root of the image, as
    /// `TreePath::as_bytes` gives it. Not for folders: those stay as long as something
    /// is in them.
    pub fn drops(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        self.remove.is_match(path) && !self.keep.is_match(path)
    }

    /// Whether the folder at `path` is left out once nothing is in it.
    pub fn drops_empty_folder(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        self.folders.is_match(path) && !self.keep.is_match(path)
    }

    /// The same rules for dpkg in the image (dpkg(1), `--path-exclude`), so that packages installed later bring no more
    /// than those of the image: the text of a file in `/etc/dpkg/dpkg.cfg.d`. Nothing where there are no such rules.
    ///
    /// dpkg's `*` crosses slashes. A `remove` pattern whose `*` must not is left out, so dpkg never leaves out more than
    /// the image does; so are rules that a `keep` pattern limits which dpkg cannot be told, and caches and logs, which no package
    /// brings.
    pub fn dpkg_configuration(&self) -> Option<String> {
        if self.dpkg.is_empty() {
            return None;
        }
        let mut text = String::from(
            "# Written by rootsmith: what this image leaves out of every package.\n\
             # To have such files again, remove this file and reinstall their packages.\n",
        );
        for line in &self.dpkg {
            text.push_str(line);
            text.push('\n');
        }
        Some(text)
    }
}

fn compile(patterns: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(glob(pattern).expect("patterns were compiled when they were read"));
    }
    set.build().expect("a set of patterns that compile compiles")
}

/// A preset's pattern in dpkg's language, where `*` crosses slashes.
fn across(pattern: &str) -> String {
    pattern.replace("**", "*")
}

/// The line for a `remove` pattern, and for what is below it, where dpkg's language can say exactly that.
fn exclude(pattern: &str) -> Vec<String> {
    let plain = pattern.strip_suffix("/**").unwrap_or(pattern);
    if plain.contains(['*', '?', '[', '{', '\\']) || !dpkg_patterns::fits_in_a_line(plain) {
        return Vec::new();
    }
    let below = format!("path-exclude {plain}/*");
    if plain == pattern { vec![format!("path-exclude {plain}"), below] } else { vec![below] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::prune::{PathPattern, Preset};

    fn patterns(texts: &[&str]) -> Vec<PathPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn presets_leave_out_what_slim_images_do() {
        let presets = vec![Preset::Docs, Preset::Man, Preset::Locales];
        let rules = PathRules::new(&Prune { presets, ..Prune::default() });
        for gone in [
            "usr/share/doc/apt/NEWS.gz",
            "usr/share/doc/apt/examples/copyright",
            "usr/share/man/man1/ls.1.gz",
            "usr/share/locale/de/LC_MESSAGES/apt.mo",
        ] {
            assert!(rules.drops(gone.as_bytes()), "{gone}");
        }
        for kept in
            ["usr/share/doc/apt/copyright", "usr/share/locale/locale.alias", "usr/share/info/dir", "usr/bin/man"]
        {
            assert!(!rules.drops(kept.as_bytes()), "{kept}");
        }
        assert!(!rules.drops_empty_folder(b"usr/share/man/man1"));
        assert!(rules.drops_empty_folder(b"usr/share/man/de"));
    }

    #[test]
    fn a_pattern_takes_a_folder_with_all_in_it_and_keep_is_stronger() {
        let remove = patterns(&["/opt/tool", "/usr/lib/*.a"]);
        let rules = PathRules::new(&Prune { remove, keep: patterns(&["/opt/tool/bin"]), ..Prune::default() });
        assert!(rules.drops(b"opt/tool") && rules.drops(b"opt/tool/share/x"));
        assert!(!rules.drops(b"opt/tool/bin/x") && !rules.drops(b"opt/toolbox"));
        assert!(rules.drops(b"usr/lib/libc.a") && !rules.drops(b"usr/lib/gcc/libgcc.a"));
    }

    #[test]
    fn what_names_nothing_is_known() {
        let (remove, keep) = (patterns(&["/opt/tool", "/usr/lib/*.a", "/opt/tol"]), patterns(&["/opt/tool/bin"]));
        let rules = PathRules::new(&Prune { presets: vec![Preset::Docs], remove, keep });
        let mut seen = BTreeSet::new();
        for path in ["opt/tool/bin/x", "usr/lib/gcc/libgcc.a", "usr/share/doc/x"] {
            seen.extend(rules.naming(path.as_bytes()).map(str::to_owned));
        }
        let unseen: Vec<&str> = rules.unseen(&seen).collect();
        assert_eq!(unseen, ["`/usr/lib/*.a` of `remove`", "`/opt/tol` of `remove`"]);
    }

    #[test]
    fn dpkg_is_told_the_same() {
        let remove = patterns(&["/usr/share/zoneinfo/right/**", "/usr/lib/*.a", "/opt/tool"]);
        let prune =
            Prune { presets: vec![Preset::Info, Preset::Logs], remove, keep: patterns(&["/usr/share/info/dir"]) };
        let text = PathRules::new(&prune).dpkg_configuration().unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "path-exclude /usr/share/info/*",
                "path-exclude /usr/share/zoneinfo/right/*",
                "path-exclude /opt/tool",
                "path-exclude /opt/tool/*",
                "path-include /usr/share/info/dir",
                "path-include /usr/share/info/dir/*",
            ]
        );
        let logs = Prune { presets: vec![Preset::Logs], keep: patterns(&["/var/log/apt"]), ..Prune::default() };
        assert_eq!(PathRules::new(&logs).dpkg_configuration(), None);
    }

    #[test]
    fn dpkg_is_told_what_is_below_a_kept_folder() {
        let presets = vec![Preset::Docs, Preset::Man];
        let told = |remove: &[&str], keep: &[&str]| {
            let prune = Prune { presets: presets.clone(), remove: patterns(remove), keep: patterns(keep) };
            PathRules::new(&prune).dpkg_configuration().unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let with = told(&[], &["/usr/share/doc/{bash,dash*}", "/usr/share/man/man8/**"]);
        let kept = ["doc/bash", "doc/bash/*", "doc/dash*", "doc/dash*/*", "man/man8/*"]
            .map(|path| format!("path-include /usr/share/{path}"));
        assert_eq!(with[with.len() - kept.len()..], kept);
        assert!(with.contains(&"path-exclude /usr/share/doc/*".to_owned()));
        // What cannot be said of the first limits the rule for documentation alone.
        let without = told(&["/opt/tool", "/opt/a\nb"], &["/usr/share/doc/[[:alpha:]]*"]);
        let excluded: Vec<_> = without.iter().filter(|line| line.starts_with("path-exclude")).collect();
        assert!(!excluded.iter().any(|line| line.ends_with("/doc/*")), "{without:?}");
        assert!(excluded.iter().any(|line| line.ends_with("/man/*")), "{without:?}");
        assert!(excluded.iter().any(|line| line.ends_with(" /opt/tool")), "{without:?}");
        assert!(!without.iter().any(|line| line.contains("[[") || line.contains("/opt/a")), "{without:?}");
    }
}
