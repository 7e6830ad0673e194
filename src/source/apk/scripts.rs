//! Running the scripts of packages in the sandbox, in apk's order and with its arguments (apk-tools' `src/package.c`,
//! `apk_ipkg_run_script`).

use globset::{GlobBuilder, GlobMatcher};

use super::database::ORIGIN;
use super::error::ApkError;
use super::lay::{Accounts, Layout};
use super::unpack::Unpacked;
use crate::epoch::Epoch;
use crate::sandbox::{Session, Step};
use crate::tree::{Content, Inode, Tree, TreePath};

/// The environment of scripts. Nothing of the host is in it.
const ENVIRONMENT: [(&str, &str); 4] =
    [("HOME", "/root"), ("LC_ALL", "C.UTF-8"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("TERM", "dumb")];

/// Where apk puts a script for a moment.
const FOLDER: &str = "lib/apk/exec";

/// A session in which scripts run, and what of the tree is not in it yet.
pub(super) struct Scripts {
    session: Session,
    waiting: std::collections::BTreeSet<TreePath>,
    epoch: Epoch,
}

impl Scripts {
    /// Puts the whole of `tree` into a session.
    pub(super) fn begin(mut session: Session, tree: &Tree, epoch: Epoch) -> Result<Self, ApkError> {
        session.put(tree.entries())?;
        Ok(Self { session, waiting: Default::default(), epoch })
    }

    /// Notes paths that are new in the tree.
    pub(super) fn add(&mut self, paths: std::collections::BTreeSet<TreePath>) {
        self.waiting.extend(paths);
    }

    /// The users and groups that the image has by now.
    pub(super) fn accounts(&mut self, layout: &Layout) -> Result<Accounts, ApkError> {
        self.flush(layout)?;
        let mut read = |path| self.session.read(&TreePath::literal(path));
        let (passwd, group) = (read("etc/passwd")?.unwrap_or_default(), read("etc/group")?.unwrap_or_default());
        Ok(Accounts::parse(&String::from_utf8_lossy(&passwd), &String::from_utf8_lossy(&group)))
    }

    /// Runs a script of a package, where it has one of that kind.
    pub(super) fn run(
        &mut self,
        package: &Unpacked,
        kind: &str,
        arguments: &[String],
        layout: &Layout,
    ) -> Result<(), ApkError> {
        let Some(script) = package.package.script(kind) else { return Ok(()) };
        self.flush(layout)?;
        let path = format!("{FOLDER}/{}-{}.{kind}", package.name(), package.version());
        let mut tree = Tree::new();
        let inode = Inode::file(0o755, Content::bytes(script.bytes.as_slice()), ORIGIN);
        let place = TreePath::new(&path).expect("names of packages are no paths");
        let misplaced = |source| ApkError::Misplaced { package: package.name().to_owned(), source };
        tree.insert_with_parents(place, inode).map_err(misplaced)?;
        self.session.put(tree.entries())?;
        let mut command = vec![format!("/{path}")];
        command.extend_from_slice(arguments);
        self.session.run(&self.step(command, kind, package.name()))?;
        self.session.run(&self.step(vec!["rm".to_owned(), format!("/{path}")], kind, package.name()))?;
        Ok(())
    }

    /// Runs the triggers of packages, each with the directories that it watches.
    pub(super) fn run_triggers(&mut self, packages: &[&Unpacked], layout: &Layout) -> Result<(), ApkError> {
        for package in packages {
            let watched: Vec<_> =
                package.package.info.values("triggers").flat_map(str::split_ascii_whitespace).collect();
            let globs: Vec<_> =
                watched.iter().filter_map(|path| glob(path.trim_start_matches('+').trim_start_matches('/'))).collect();
            let paths = layout.directories().into_iter().map(|path| String::from_utf8_lossy(path).into_owned());
            let matching = paths.filter(|path| globs.iter().any(|glob| glob.is_match(path)));
            let arguments: Vec<String> = matching.map(|path| format!("/{path}")).collect();
            if !arguments.is_empty() {
                self.run(package, "trigger", &arguments, layout)?;
            }
        }
        Ok(())
    }

    /// The session, with all of the tree in it.
    pub(super) fn finish(mut self, layout: &Layout) -> Result<Session, ApkError> {
        self.flush(layout)?;
        Ok(self.session)
    }

    fn flush(&mut self, layout: &Layout) -> Result<(), ApkError> {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.session.put(layout.tree.entries().filter(|entry| waiting.contains(entry.path)))?;
        }
        Ok(())
    }

    fn step(&self, command: Vec<String>, kind: &str, package: &str) -> Step {
        let mut environment: Vec<(String, String)> =
            ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let time = self.epoch.seconds();
        environment.push(("APK_PACKAGE".to_owned(), package.to_owned()));
        environment.push(("APK_SCRIPT".to_owned(), kind.to_owned()));
        environment.push(("SOURCE_DATE_EPOCH".to_owned(), time.to_string()));
        Step { command, environment, folder: "/".to_owned(), time, network: false, secrets: Vec::new() }
    }
}

/// A pattern whose `*` stays within a folder.
fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}
