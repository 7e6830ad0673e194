//! What becomes of a path: the recipe's exclusions, what is kept, and the table of rules, as one question.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::accounts::Accounts;
use super::rules::{Action, RULES, Rule};
use crate::recipe::{CapturePreset, HostRequest, path_set};
use crate::tree::TreePath;

/// The answers for one capture.
pub(super) struct Policy {
    exclude: GlobSet,
    keep: GlobSet,
    keeps_paths: bool,
    /// Patterns from the root, and below homes; each with the number of its rule.
    anywhere: Patterns,
    homes: Patterns,
    /// Whether the preset of each rule is on.
    on: Vec<bool>,
    users: bool,
    special_files: bool,
}

/// What is done to a path.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    /// It is captured.
    Capture {
        /// Whether a rule would have changed it, had it not been asked to stay.
        kept: bool,
    },
    /// The recipe leaves it out.
    Exclude,
    /// A preset leaves it out.
    Remove(Cause),
    /// A preset puts this text into its place.
    Replace(Cause, &'static str),
}

/// The preset that changes something, and what there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cause {
    pub(super) preset: CapturePreset,
    pub(super) what: &'static str,
}

/// What holds for all below a directory.
#[derive(Clone, Copy, Default)]
pub(super) struct Shade {
    /// All of it goes, but for what is kept.
    pub(super) removed: Option<Cause>,
    /// All of it was asked to stay.
    pub(super) kept: bool,
}

/// What is at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Other,
}

struct Patterns {
    globs: GlobSet,
    rules: Vec<usize>,
}

const USERS: Cause = Cause { preset: CapturePreset::Users, what: "homes of people" };

impl Policy {
    /// The answers for a request.
    pub(super) fn new(request: &HostRequest) -> Self {
        let patterns = |in_homes: bool| {
            let (mut set, mut rules) = (GlobSetBuilder::new(), Vec::new());
            for (number, rule) in RULES.iter().enumerate() {
                for path in rule.paths.iter().filter(|path| path.starts_with("~/") == in_homes) {
                    let path = path.strip_prefix("~/").unwrap_or(path);
                    let glob = GlobBuilder::new(path).literal_separator(true).empty_alternates(true).build();
                    set.add(glob.expect("the patterns of the table are tested"));
                    rules.push(number);
                }
            }
            Patterns { globs: set.build().expect("a set of patterns that compile compiles"), rules }
        };
        Self {
            exclude: path_set(&request.exclude),
            keep: path_set(request.kept_paths()),
            keeps_paths: request.kept_paths().next().is_some(),
            anywhere: patterns(false),
            homes: patterns(true),
            on: RULES.iter().map(|rule| request.has_preset(rule.preset)).collect(),
            users: request.has_preset(CapturePreset::Users),
            special_files: request.has_preset(CapturePreset::SpecialFiles),
        }
    }

    /// Whether device nodes and named pipes go.
    pub(super) fn removes_special_files(&self) -> bool {
        self.special_files
    }

    /// Whether something below a removed directory may have to stay.
    pub(super) fn keeps_paths(&self) -> bool {
        self.keeps_paths
    }

    /// Whether a path was asked to stay.
    pub(super) fn keeps(&self, path: &[u8]) -> bool {
        self.keep.is_match(TreePath::new(path).map(|path| path.as_relative().to_owned()).unwrap_or_default())
    }

    /// What is done to `path`, which is in a directory of this shade.
    pub(super) fn verdict(&self, path: &TreePath, kind: Kind, shade: Shade, accounts: &Accounts) -> Verdict {
        let relative = path.as_relative();
        if self.exclude.is_match(relative) {
            return Verdict::Exclude;
        }
        if shade.kept || self.keep.is_match(relative) {
            return Verdict::Capture { kept: true };
        }
        if let Some(cause) = shade.removed {
            return Verdict::Remove(cause);
        }
        if self.users && accounts.is_home_of_nobody(path) {
            return Verdict::Remove(USERS);
        }
        let mut matched = self.anywhere.rules(path.as_bytes());
        for end in std::iter::once(0).chain(memchr::memchr_iter(b'/', path.as_bytes()).map(|slash| slash + 1)) {
            let home = &path.as_bytes()[..end.saturating_sub(1)];
            if accounts.homes.contains(home) {
                matched.extend(self.homes.rules(&path.as_bytes()[end..]));
            }
        }
        matched.sort_unstable();
        let fits = |number: &usize| RULES[*number].action.fits(kind == Kind::Directory, kind == Kind::File);
        matched.retain(fits);
        match matched.iter().find(|number| self.on[**number]) {
            Some(number) => RULES[*number].verdict(),
            None => Verdict::Capture { kept: !matched.is_empty() },
        }
    }
}

impl Rule {
    fn verdict(&self) -> Verdict {
        let cause = Cause { preset: self.preset, what: self.what };
        match self.action {
            Action::Remove | Action::RemoveFiles => Verdict::Remove(cause),
            Action::Empty => Verdict::Replace(cause, ""),
            Action::Write(text) => Verdict::Replace(cause, text),
        }
    }
}

impl Patterns {
    fn rules(&self, path: &[u8]) -> Vec<usize> {
        let path = std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path));
        self.globs.matches(path).into_iter().map(|pattern| self.rules[pattern]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Kept;

    fn verdict(request: &HostRequest, path: &'static str, kind: Kind) -> String {
        let passwd =
            b"root:x:0:0::/root:/bin/sh\npg:x:100:100::/var/lib/postgresql:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n";
        let policy = Policy::new(request);
        let accounts = Accounts::read(passwd, b"", true, &|home| policy.keeps(home));
        match policy.verdict(&TreePath::literal(path), kind, Shade::default(), &accounts) {
            Verdict::Capture { kept } => if kept { "kept" } else { "captured" }.to_owned(),
            Verdict::Exclude => "excluded".to_owned(),
            Verdict::Remove(cause) => format!("removed by {}", cause.preset),
            Verdict::Replace(cause, _) => format!("replaced by {}", cause.preset),
        }
    }

    #[test]
    fn presets_and_their_exceptions() {
        let plain = HostRequest::default();
        for (path, kind, expected) in [
            ("usr/bin/sh", Kind::File, "captured"),
            ("etc/machine-id", Kind::File, "replaced by machine-id"),
            ("etc/hosts", Kind::File, "replaced by hostname"),
            ("root/.ssh", Kind::Directory, "removed by ssh"),
            (".ssh", Kind::Directory, "removed by ssh"),
            ("opt/.ssh", Kind::Directory, "captured"),
            ("var/lib/postgresql/.bash_history", Kind::File, "removed by histories"),
            ("home/me", Kind::Directory, "removed by users"),
            ("home/you", Kind::Directory, "removed by users"),
            ("var/log/syslog", Kind::File, "removed by logs"),
            ("var/log/apt", Kind::Directory, "captured"),
            ("lib/modules/6.1.0", Kind::Directory, "removed by kernel"),
            ("usr/lib/modules/6.1.0", Kind::Directory, "removed by kernel"),
            ("boot/vmlinuz-6.1", Kind::File, "removed by kernel"),
            ("etc/ssl/private", Kind::Directory, "captured"),
            ("etc/ssl/private/x.key", Kind::File, "removed by keys"),
            ("etc/shadow-", Kind::File, "removed by passwords"),
            ("etc/default/grub.d", Kind::Directory, "captured"),
            ("root/notes~", Kind::File, "removed by backups"),
            ("var/lib/docker", Kind::Directory, "captured"),
            ("var/lib/docker/overlay2", Kind::Directory, "removed by containers"),
        ] {
            assert_eq!(verdict(&plain, path, kind), expected, "{path}");
        }
        let keep = |text: &str| text.parse::<Kept>().unwrap();
        let request = HostRequest {
            keep: vec![keep("ssh"), keep("/home/me"), keep("/var/log/app/**")],
            exclude: vec!["/srv/*.iso".parse().unwrap()],
            ..HostRequest::default()
        };
        for (path, expected) in [
            ("root/.ssh", "kept"),
            ("home/me", "kept"),
            ("home/you", "removed by users"),
            ("var/log/app/x", "kept"),
            ("var/log/x", "removed by logs"),
            ("srv/a.iso", "excluded"),
        ] {
            assert_eq!(verdict(&request, path, Kind::File), expected, "{path}");
        }
    }
}
