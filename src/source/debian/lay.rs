//! Laying the files of packages into a tree, as dpkg would put them on a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::InstallError;
use super::database;
use super::relation;
use super::unpack::Unpacked;
use super::version::Version;
use crate::archive::{Item, What};
use crate::tree::{Inode, Origin, Tree, TreeError, TreePath};

/// A tree that packages are laid into, and which package each file is from.
#[derive(Clone)]
pub(super) struct Layout {
    /// What has been laid so far.
    pub(super) tree: Tree,
    /// The packages laid so far: their versions, and what they say that they replace.
    packages: BTreeMap<String, Laid>,
    /// Files that a package has lost to another since this was last looked at: the package, as the database calls it,
    /// and the path as it is listed.
    pub(super) taken: Vec<(String, TreePath)>,
    /// Whether configuration files wait for dpkg to configure their package.
    pub(super) defers: bool,
    /// Where the files of packages go instead (dpkg-divert(1)): the diverting package sees the plain path.
    diversions: BTreeMap<TreePath, (TreePath, String)>,
}

/// What became of a file.
enum Put {
    /// It is there now, at this path.
    New(TreePath),
    /// It was there before.
    There,
    /// It belongs to another package, which says that it replaces it.
    Lost,
}

#[derive(Clone)]
struct Laid {
    version: String,
    replaces: String,
    /// What dpkg's database calls it.
    database_name: String,
}

impl Layout {
    /// Starts with `tree`, which belongs to no package.
    pub(super) fn new(tree: Tree) -> Self {
        Self { tree, packages: BTreeMap::new(), taken: Vec::new(), defers: false, diversions: BTreeMap::new() }
    }

    /// Takes note of dpkg's diversions, in place of those noted before: three lines each, from, to and package (`lib/dpkg/db-ctrl-format`).
    /// The files of other packages that the new ones are about are then where they lead.
    pub(super) fn divert(&mut self, diversions: &str) -> Result<(), InstallError> {
        let before = std::mem::take(&mut self.diversions);
        let lines: Vec<&str> = diversions.lines().collect();
        for entry in lines.chunks_exact(3) {
            let (Ok(from), Ok(to)) = (TreePath::new(entry[0]), TreePath::new(entry[1])) else { continue };
            let by = entry[2];
            if before.get(&from).is_none_or(|(known, _)| *known != to) {
                self.set_aside(by, &from, &to)?;
            }
            self.diversions.insert(from, (to, by.to_owned()));
        }
        Ok(())
    }

    /// Moves the file of another package than `by` out of its way.
    fn set_aside(&mut self, by: &str, from: &TreePath, to: &TreePath) -> Result<(), InstallError> {
        let unresolved = |source| InstallError::Unresolved { package: by.to_owned(), source };
        let from = self.tree.resolve_parents(from).map_err(unresolved)?;
        let to = self.tree.resolve_parents(to).map_err(unresolved)?;
        if self.owner(&from).is_some_and(|owner| owner != by) {
            let misplaced = |source| InstallError::Misplaced { package: by.to_owned(), source };
            self.tree.link_with_parents(to, &from).map_err(misplaced)?;
            self.tree.remove(&from).map_err(misplaced)?;
        }
        Ok(())
    }

    /// Lays the files of `package`; gives the paths at which something new is. Directories that are there stay as they
    /// are. A file of another package gives way, or stays, as `Replaces` says; without that it is an error. Where
    /// configuration files wait, those that nobody had before are noted in the package.
    pub(super) fn lay(&mut self, package: &mut Unpacked) -> Result<Vec<TreePath>, InstallError> {
        let control = package.paragraph()?;
        let replaces = control.field("Replaces").map(|value| value.raw().to_owned()).unwrap_or_default();
        let laid = Laid { version: package.version.clone(), replaces, database_name: package.database_name() };
        // The same package of another architecture may be there, and share files with this one.
        let before = self.packages.insert(package.name.clone(), laid);
        let sibling = before.filter(|before| before.database_name != package.database_name());
        let conffiles: BTreeSet<TreePath> = if self.defers {
            package.conffiles().lines().filter_map(|line| TreePath::new(line.trim()).ok()).collect()
        } else {
            BTreeSet::new()
        };
        let mut paths = Vec::new();
        let mut lost = BTreeSet::new();
        for item in std::mem::take(&mut package.items) {
            let name = item.path.clone();
            let taken = self.taken.len();
            let waits = conffiles.contains(&name).then(|| name.clone());
            match self.put(package, item, sibling.is_some())? {
                Put::New(path) => {
                    if let Some(shipped) = waits.filter(|_| self.taken.len() == taken) {
                        package.deferred.insert(shipped, path.clone());
                    }
                    paths.push(path);
                }
                Put::Lost => drop(lost.insert(name)),
                Put::There => {}
            }
        }
        package.list.retain(|path| !lost.contains(path));
        Ok(paths)
    }

    /// The checksums of the files of a laid package, as dpkg makes them for one that ships none (`write_filehash_except` in
    /// dpkg's `src/main/unpack.c`): those that are there and its own, in the order of its list.
    pub(super) fn md5sums(&self, package: &Unpacked) -> io::Result<Vec<u8>> {
        let mut sums = Vec::new();
        for path in package.list.iter().filter(|path| !path.is_root()) {
            let Ok(place) = self.place(&package.name, path) else { continue };
            let own = self.owner(&place) == Some(&package.name);
            let Some(content) = self.tree.get(&place).filter(|_| own).and_then(Inode::content) else { continue };
            sums.extend_from_slice(database::md5(content)?.as_bytes());
            sums.extend([b"  ", path.as_bytes(), b"\n"].concat());
        }
        Ok(sums)
    }

    fn put(&mut self, package: &Unpacked, item: Item, has_sibling: bool) -> Result<Put, InstallError> {
        let name = package.name.as_str();
        let path = self.place(name, &item.path)?;
        let directory = matches!(&item.what, What::Inode(inode) if inode.is_directory());
        if directory && self.leads_to_directory(&path)? || self.is_link_to_what_is_there(&path, &item.what) {
            return Ok(Put::There);
        }
        if !directory {
            self.check_covered(name, &path)?;
        }
        match self.owner(&path).map(str::to_owned) {
            Some(owner) if owner != name => {
                if self.replaces(&owner, name)? {
                    return Ok(Put::Lost);
                }
                if !self.replaces(name, &owner)? {
                    return Err(InstallError::FileConflict { path, first: owner, second: name.to_owned() });
                }
                let loser = self.packages.get(&owner).map_or(owner.clone(), |laid| laid.database_name.clone());
                self.taken.push((loser, item.path.clone()));
            }
            Some(owner) if has_sibling => {
                return if self.is_the_same(&path, &item.what, package)? {
                    Ok(Put::There)
                } else {
                    Err(InstallError::FileConflict { path, first: owner, second: package.qualified_name() })
                };
            }
            _ => {}
        }
        let package = name;
        let misplaced = |source: TreeError| InstallError::Misplaced { package: package.to_owned(), source };
        match item.what {
            What::Inode(inode) => drop(self.tree.insert_with_parents(path.clone(), inode).map_err(misplaced)?),
            What::HardLink(target) => {
                let target = self.place(package, &target)?;
                self.tree.link_with_parents(path.clone(), &target).map_err(misplaced)?;
            }
        }
        Ok(Put::New(path))
    }

    /// Whether what is at `path` is what a package of another architecture puts there too (dpkg's `src/main/archives.c`:
    /// shared files are the same, byte for byte).
    fn is_the_same(&self, path: &TreePath, what: &What, package: &Unpacked) -> Result<bool, InstallError> {
        let there = self.tree.get(path);
        let new = match what {
            What::Inode(inode) => Some(&**inode),
            What::HardLink(target) => self.tree.get(&self.place(&package.name, target)?),
        };
        let (Some(there), Some(new)) = (there, new) else { return Ok(false) };
        let unread = |source| InstallError::Content { package: package.name.clone(), source };
        Ok(match (there.content(), new.content()) {
            (Some(there), Some(new)) => {
                there.size() == new.size() && there.read().map_err(unread)? == new.read().map_err(unread)?
            }
            (None, None) => there.symlink_target() == new.symlink_target(),
            _ => false,
        })
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

    /// Whether a symbolic link has its place at a directory, or at a package's link to the directory that it leads to, too: then
    /// dpkg leaves what is there (`src/main/archives.c`, `tarobject`).
    fn is_link_to_what_is_there(&self, path: &TreePath, what: &What) -> bool {
        let What::Inode(inode) = what else { return false };
        let (Some(target), Some(there)) = (inode.symlink_target(), self.tree.get(path)) else { return false };
        if there.symlink_target().is_none() {
            return there.is_directory();
        }
        if self.owner(path).is_none() {
            return false;
        }
        let parent = path.parent().unwrap_or_else(TreePath::root);
        let leads_to = |target: &[u8]| {
            let target = self.tree.resolve_from(&parent, target).ok()?;
            self.tree.is_directory(&target).then_some(target)
        };
        there.symlink_target().and_then(leads_to).is_some_and(|there| leads_to(target) == Some(there))
    }

    /// Refuses to put a file of `package` in place of a directory that another package has, or has something in.
    fn check_covered(&self, package: &str, path: &TreePath) -> Result<(), InstallError> {
        if path.is_root() || !self.tree.is_directory(path) {
            return Ok(());
        }
        let other = |inode: &Inode| match &inode.origin {
            Origin::Package(name) if **name != *package => Some(name.to_string()),
            _ => None,
        };
        let below = self.tree.below(path).find_map(|entry| other(entry.inode));
        let first = match below.or_else(|| self.tree.get(path).and_then(other)) {
            Some(owner) if self.tree.below(path).next().is_some() || !self.replaces(package, &owner)? => owner,
            _ => return Ok(()),
        };
        Err(InstallError::CoversDirectory { path: path.clone(), first, second: package.to_owned() })
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
