//! Laying the files of packages into a tree, as dpkg would put them on a disk.

use std::collections::{BTreeMap, BTreeSet};

use super::InstallError;
use super::relation;
use super::unpack::Unpacked;
use super::version::Version;
use crate::archive::{Item, What};
use crate::tree::{Inode, Origin, Tree, TreeError, TreePath};

/// A tree that packages are laid into, and which package each file is from.
pub(super) struct Layout {
    /// What has been laid so far.
    pub(super) tree: Tree,
    /// The packages laid so far: their versions, and what they say that they replace.
    packages: BTreeMap<String, Laid>,
    /// Files that belong to another package than the last that shipped them: package and listed path.
    pub(super) taken: Vec<(String, Vec<u8>)>,
    /// Where the files of packages go instead (dpkg-divert(1)): the diverting package sees the plain path.
    diversions: BTreeMap<TreePath, (TreePath, String)>,
}

struct Laid {
    version: String,
    replaces: String,
}

impl Layout {
    /// Starts with `tree`, which belongs to no package.
    pub(super) fn new(tree: Tree) -> Self {
        Self { tree, packages: BTreeMap::new(), taken: Vec::new(), diversions: BTreeMap::new() }
    }

    /// Takes note of dpkg's diversions: three lines each, from, to and package (`lib/dpkg/db-ctrl-format`).
    pub(super) fn divert(&mut self, diversions: &str) {
        let lines: Vec<&str> = diversions.lines().collect();
        for entry in lines.chunks_exact(3) {
            if let (Ok(from), Ok(to)) = (TreePath::new(entry[0]), TreePath::new(entry[1])) {
                self.diversions.insert(from, (to, entry[2].to_owned()));
            }
        }
    }

    /// Lays the files of `package`; gives the paths at which something new is. Directories that are there stay as they
    /// are. A file of another package gives way, or stays, as `Replaces` says; without that it is an error.
    pub(super) fn lay(&mut self, package: &mut Unpacked) -> Result<BTreeSet<TreePath>, InstallError> {
        let control = package.paragraph()?;
        let replaces = control.field("Replaces").map(|value| value.raw().to_owned()).unwrap_or_default();
        let laid = Laid { version: package.version.clone(), replaces };
        self.packages.insert(package.name.clone(), laid);
        let mut paths = BTreeSet::new();
        for item in std::mem::take(&mut package.items) {
            if let Some(path) = self.put(&package.name, item)? {
                paths.insert(path);
            }
        }
        Ok(paths)
    }

    fn put(&mut self, package: &str, item: Item) -> Result<Option<TreePath>, InstallError> {
        let path = self.place(package, &item.path)?;
        let directory = matches!(&item.what, What::Inode(inode) if inode.is_directory());
        if directory && self.leads_to_directory(&path)? {
            return Ok(None);
        }
        if let Some(owner) = self.owner(&path).filter(|owner| **owner != *package).map(str::to_owned) {
            if self.replaces(&owner, package)? {
                return Ok(None);
            }
            if !self.replaces(package, &owner)? {
                return Err(InstallError::FileConflict { path, first: owner, second: package.to_owned() });
            }
            let listed = [b"/", path.as_bytes()].concat();
            self.taken.push((owner, listed));
        }
        let misplaced = |source: TreeError| InstallError::Misplaced { package: package.to_owned(), source };
        match item.what {
            What::Inode(inode) => drop(self.tree.insert_with_parents(path.clone(), inode).map_err(misplaced)?),
            What::HardLink(target) => {
                let target = self.place(package, &target)?;
                self.tree.link(path.clone(), &target).map_err(misplaced)?;
            }
        }
        Ok(Some(path))
    }

    /// Where a file of `package` goes: links among its parents are followed, as they are when the root is on a disk
    /// (`/lib` may lead to `/usr/lib`), and diversions of other packages are.
    fn place(&self, package: &str, path: &TreePath) -> Result<TreePath, InstallError> {
        let path = match self.diversions.get(path) {
            Some((to, by)) if by != package => to,
            _ => path,
        };
        if path.parent().is_none_or(|parent| self.tree.is_directory(&parent)) {
            return Ok(path.clone());
        }
        self.tree
            .resolve_parents(path)
            .map_err(|source| InstallError::Unresolved { package: package.to_owned(), source })
    }

    fn leads_to_directory(&self, path: &TreePath) -> Result<bool, InstallError> {
        match self.tree.get(path) {
            None => Ok(false),
            Some(inode) if inode.symlink_target().is_some() => {
                let target = self.tree.resolve(path);
                let target =
                    target.map_err(|source| InstallError::Unresolved { package: inode.origin.to_string(), source })?;
                Ok(self.tree.is_directory(&target))
            }
            Some(inode) => Ok(inode.is_directory()),
        }
    }

    /// The package whose file (not directory) is at `path`.
    fn owner(&self, path: &TreePath) -> Option<&str> {
        let owned = |inode: &&Inode| !inode.is_directory();
        match &self.tree.get(path).filter(owned)?.origin {
            Origin::Package(name) => Some(name),
            _ => None,
        }
    }

    /// Whether `package` says that it replaces files of the version of `other` that is laid.
    fn replaces(&self, package: &str, other: &str) -> Result<bool, InstallError> {
        let (Some(by), Some(of)) = (self.packages.get(package), self.packages.get(other)) else { return Ok(false) };
        for relation in relation::singles(&by.replaces) {
            let relation = relation.map_err(|source| InstallError::Relation { package: package.to_owned(), source })?;
            if relation.name == other && relation.takes(Version::new(&of.version)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
