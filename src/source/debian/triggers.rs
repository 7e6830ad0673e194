//! dpkg's triggers: which packages watch what (deb-triggers(5)), and what laying files sets off, written as dpkg keeps it in
//! `/var/lib/dpkg/triggers` (dpkg's `lib/dpkg/triglib.c`, `lib/dpkg/trigdeferred.c`).

use std::collections::{BTreeMap, BTreeSet};

use super::unpack::Unpacked;
use crate::tree::TreePath;

/// Who watches which paths, below dpkg's database: lines of path and watcher.
pub(super) const FILE: &str = "triggers/File";

/// What was set off since dpkg last ran: lines of trigger and the packages that wait for it, or `-` where none does. The
/// next dpkg takes them into the state of the packages.
pub(super) const UNINCORPORATED: &str = "triggers/Unincorp";

/// One line of a package's `triggers` control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interest {
    /// What is watched: a path with a leading slash, or a name.
    pub(super) trigger: String,
    /// The watching package, with `/noawait` where others need not wait for it.
    pub(super) watcher: String,
}

impl Interest {
    /// The file that it is noted in, below dpkg's database.
    pub(super) fn file(&self) -> String {
        if self.trigger.starts_with('/') { FILE.into() } else { format!("triggers/{}", self.trigger) }
    }

    /// Its line in that file.
    pub(super) fn line(&self) -> String {
        if self.trigger.starts_with('/') {
            format!("{} {}\n", self.trigger, self.watcher)
        } else {
            format!("{}\n", self.watcher)
        }
    }
}

/// The interests that a package declares, but for those in names that dpkg refuses, as it will when it configures the package.
pub(super) fn interests(package: &Unpacked) -> Vec<Interest> {
    let text = package.member("triggers").map(String::from_utf8_lossy).unwrap_or_default();
    let directives = text.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let interest = directives.filter_map(|mut words| {
        let suffix = match words.next()? {
            "interest" | "interest-await" => "",
            "interest-noawait" => "/noawait",
            _ => return None,
        };
        let trigger = words.next().filter(|name| is_known_kind(name))?.to_owned();
        Some(Interest { trigger, watcher: format!("{}{suffix}", package.database_name()) })
    });
    interest.collect()
}

/// Whether a trigger is one of files, or has a name as packages have them (`trigkinds` in dpkg's `lib/dpkg/triglib.c`,
/// `pkg_name_is_illegal` in its `lib/dpkg/parsehelp.c`).
fn is_known_kind(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte);
    name.starts_with('/') || name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(plain)
}

/// Lines of [`UNINCORPORATED`] for the files of `packages`, where `watched` is what [`FILE`] says: dpkg sets a trigger off
/// by each file at its path or below. Watchers that are not configured yet are passed over when dpkg reads the lines.
pub(super) fn set_off(packages: &[Unpacked], watched: &[u8]) -> String {
    let watched = String::from_utf8_lossy(watched);
    let mut waiting: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (path, watcher) in watched.lines().filter_map(|line| line.rsplit_once(' ')) {
        let Some(place) = path.strip_prefix('/').filter(|place| !place.is_empty()) else { continue };
        let below = |listed: &TreePath| {
            let rest = listed.as_bytes().strip_prefix(place.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        for package in packages.iter().filter(|package| package.list.iter().any(below)) {
            let waits = !watcher.ends_with("/noawait");
            let who = if waits { package.database_name() } else { "-".to_owned() };
            waiting.entry(path).or_default().insert(who);
        }
    }
    let line =
        |(path, who): (&str, BTreeSet<String>)| format!("{path} {}\n", who.into_iter().collect::<Vec<_>>().join(" "));
    waiting.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;
    use crate::source::debian::unpack::Member;
    use crate::tree::Content;

    fn package(name: &str, multi_arch: &str, list: &[&str]) -> Unpacked {
        Unpacked {
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: "amd64".to_owned(),
            multi_arch: multi_arch.to_owned(),
            control: String::new(),
            members: Vec::new(),
            items: Vec::new(),
            list: list.iter().map(|path| TreePath::new(path).unwrap()).collect(),
            deferred: BTreeMap::new(),
            date: Epoch::default(),
            is_local: false,
        }
    }

    #[test]
    fn files_set_off_what_watches_them() {
        let watched = "/usr/share/man man-db/noawait\n/usr/share/icons icons\n/usr/lib/a b c\n/none d\n";
        let packages = [
            package("zsh", "", &["/.", "/usr", "/usr/share/man/man1", "/usr/share/icons-more/x"]),
            package("lib", "same", &["/usr/share/icons/y", "/usr/lib/a b", "/usr/share/man"]),
        ];
        let lines = set_off(&packages, watched.as_bytes());
        assert_eq!(lines, "/usr/lib/a b lib:amd64\n/usr/share/icons lib:amd64\n/usr/share/man -\n");
        assert_eq!(set_off(&packages, b""), "");
    }

    #[test]
    fn names_of_no_trigger_are_left_to_dpkg() {
        let mut package = package("app", "", &[]);
        let text =
            "interest ../../etc/x\ninterest a/b\ninterest-noawait ldconfig # all\ninterest /usr/share/x\ninterest\n";
        let content = Content::bytes(text.as_bytes());
        package.members.push(Member { name: "triggers".to_owned(), mode: 0o644, content });
        let found: Vec<_> = interests(&package).into_iter().map(|interest| interest.trigger).collect();
        assert_eq!(found, ["ldconfig", "/usr/share/x"]);
    }
}
