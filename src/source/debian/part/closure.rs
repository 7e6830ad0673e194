//! What programs need of a tree: interpreters, libraries, and the files that [`RULES`] knows of.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::followed;
use super::rules::{ALWAYS, RULES};
use crate::elf;
use crate::report::Reporter;
use crate::source::debian::InstallError;
use crate::tree::{Tree, TreePath};

/// Folders in which `/usr/bin/env` looks for a program.
const PATH: [&str; 3] = ["usr/local/bin", "usr/bin", "usr/sbin"];
/// The first line of a script is no longer than this.
const LINE: usize = 256;

/// The paths that have to stay: the programs, all they need, and the links to these.
pub(super) fn of(
    tree: &Tree,
    programs: &[String],
    reporter: &dyn Reporter,
) -> Result<BTreeSet<TreePath>, InstallError> {
    let mut closure = Closure { tree, kept: BTreeSet::new(), todo: Vec::new(), lacking: BTreeSet::new() };
    for program in programs {
        let path = TreePath::new(program).expect("paths were checked when the lock was read");
        match followed(tree, &path)?.filter(|(_, inode)| inode.is_file()) {
            Some((place, _)) => closure.take(place),
            None => return Err(InstallError::NoProgram { path: program.clone() }),
        }
    }
    closure.take_matching(&globs(ALWAYS));
    let rules: Vec<(GlobSet, GlobSet)> = RULES.iter().map(|(of, with)| (globs(of), globs(with))).collect();
    let mut open: Vec<&(GlobSet, GlobSet)> = rules.iter().collect();
    while let Some(path) = closure.todo.pop() {
        closure.look_into(&path)?;
        let (meant, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|(of, _)| of.is_match(path.as_relative()));
        meant.into_iter().for_each(|(_, with)| closure.take_matching(with));
        open = others;
    }
    for (path, name) in &closure.lacking {
        reporter.warn(&format!("`{path}` needs `{name}`, which no package has"));
    }
    closure.links()
}

struct Closure<'a> {
    tree: &'a Tree,
    kept: BTreeSet<TreePath>,
    todo: Vec<TreePath>,
    /// Files and what they need in vain.
    lacking: BTreeSet<(TreePath, String)>,
}

impl Closure<'_> {
    fn take(&mut self, path: TreePath) {
        if self.kept.insert(path.clone()) {
            self.todo.push(path);
        }
    }

    fn take_matching(&mut self, globs: &GlobSet) {
        let files = self.tree.entries().filter(|entry| !entry.inode.is_directory());
        let matching: Vec<_> = files.filter(|entry| globs.is_match(entry.path.as_relative())).collect();
        matching.into_iter().for_each(|entry| self.take(entry.path.clone()));
    }

    /// Takes what the file at `path` needs by itself.
    fn look_into(&mut self, path: &TreePath) -> Result<(), InstallError> {
        let Some(inode) = self.tree.get(path) else { return Ok(()) };
        if inode.symlink_target().is_some() {
            if let Some((place, _)) = followed(self.tree, path)?.filter(|(_, inode)| inode.is_file()) {
                self.take(place);
            }
            return Ok(());
        }
        let Some(content) = inode.content() else { return Ok(()) };
        let unread = |source| InstallError::Program { path: path.clone(), source };
        if let Some(object) = elf::read_content(content).map_err(unread)? {
            let unresolved = |source| InstallError::Unresolved { package: path.to_string(), source };
            let needs = elf::needs(self.tree, path, &object, &[]).map_err(unresolved)?;
            needs.found.into_iter().for_each(|found| self.take(found));
            self.lacking.extend(needs.missing.into_iter().map(|name| (path.clone(), name)));
        } else if inode.meta.mode & 0o111 != 0 {
            let mut line = vec![0; LINE];
            let reader = content.reader().and_then(|mut reader| std::io::Read::read(&mut reader, &mut line));
            line.truncate(reader.map_err(|source| unread(source.into()))?);
            self.take_interpreter(path, &line)?;
        }
        Ok(())
    }

    fn take_interpreter(&mut self, script: &TreePath, start: &[u8]) -> Result<(), InstallError> {
        let Some(line) = start.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next()) else {
            return Ok(());
        };
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace();
        let Some(interpreter) = words.next() else { return Ok(()) };
        let mut wanted = vec![vec![interpreter.to_owned()]];
        if interpreter.ends_with("/env") {
            let program = words.find(|word| !word.starts_with('-') && !word.contains('='));
            wanted.extend(program.map(|program| PATH.map(|folder| format!("{folder}/{program}")).to_vec()));
        }
        for places in wanted {
            let mut found = None;
            for place in &places {
                let Ok(path) = TreePath::new(place) else { continue };
                found = found.or(followed(self.tree, &path)?.filter(|(_, inode)| inode.is_file()));
            }
            match found {
                Some((place, _)) => self.take(place),
                None => drop(self.lacking.insert((script.clone(), places.last().cloned().unwrap_or_default()))),
            }
        }
        Ok(())
    }

    /// What is kept, with the links that lead there: `libz.so.1` is one, and `/lib64`, through which the loader is found.
    /// Those of the root stay in any case.
    fn links(mut self) -> Result<BTreeSet<TreePath>, InstallError> {
        let tree = self.tree;
        let mut to_folders = Vec::new();
        for entry in tree.entries().filter(|entry| entry.inode.symlink_target().is_some()) {
            let Some((place, inode)) = followed(tree, entry.path)? else { continue };
            if inode.is_directory() {
                to_folders.push((entry.path, place));
            } else if self.kept.contains(&place) {
                self.kept.insert(entry.path.clone());
            }
        }
        for (path, place) in to_folders {
            if path.components().count() == 1 || self.kept.iter().any(|kept| kept.starts_with(&place)) {
                self.kept.insert(path.clone());
            }
        }
        Ok(self.kept)
    }
}

fn globs(patterns: &[&str]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.expect("the patterns of the tables are tested"));
    }
    set.build().expect("a set of patterns that compile compiles")
}
