//! Laying the files of packages into a tree, as apk puts them on a disk (apk-tools' `src/database.c`,
//! `apk_db_install_file`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::ApkError;
use super::relation::relations;
use super::unpack::{Entry, Sum, Unpacked};
use crate::archive::What;
use crate::tree::{Inode, Origin, Tree, TreePath};

/// A tree that packages are laid into, and what each of them has there.
pub(super) struct Layout {
    /// What has been laid so far.
    pub(super) tree: Tree,
    /// What each package has, in the order in which they were laid.
    pub(super) owned: Vec<Owned>,
    /// Whose the files are.
    owners: BTreeMap<TreePath, Owner>,
    /// Directories whose owners and modes somebody has said: packages, or whoever made the tree.
    settled: BTreeSet<TreePath>,
}

/// What a package has on the system, as apk's database has it.
pub(super) struct Owned {
    name: String,
    version: String,
    origin: String,
    replaces: String,
    priority: u64,
    /// Its directories by path, without a slash before or after.
    directories: BTreeMap<Vec<u8>, Directory>,
}

/// A directory of a package.
#[derive(Default)]
pub(super) struct Directory {
    /// Its place among the directories of the package.
    place: usize,
    /// Owner, group and mode, where the package has it as a directory of its own.
    pub(super) meta: Option<(u32, u32, u32)>,
    /// Its files by name.
    files: BTreeMap<Vec<u8>, OwnedFile>,
}

/// A file or link of a package.
pub(super) struct OwnedFile {
    /// Its place among the files of the directory.
    place: usize,
    /// Owner, group and mode.
    pub(super) meta: (u32, u32, u32),
    /// The sum of its content or target.
    pub(super) sum: Sum,
}

/// Whose a file is.
#[derive(Clone)]
struct Owner {
    package: usize,
    sum: Sum,
    /// The file's path in the package, which links among its parents may make another than that in the tree.
    listed: TreePath,
}

/// The users and groups of the image by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Reads the texts of /etc/passwd and /etc/group.
    pub(super) fn parse(passwd: &str, group: &str) -> Self {
        let read = |text: &str| {
            let account = |line: &str| {
                let mut fields = line.split(':');
                Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
            };
            text.lines().filter_map(account).collect()
        };
        Self { users: read(passwd), groups: read(group) }
    }
}

impl Layout {
    /// Starts with `tree`, which belongs to no package.
    pub(super) fn new(tree: Tree) -> Self {
        let directories = tree.entries().filter(|entry| entry.inode.is_directory());
        let settled = directories.map(|entry| entry.path.clone()).collect();
        Self { tree, owned: Vec::new(), owners: BTreeMap::new(), settled }
    }

    /// Lays the files of `package`; gives the paths at which something new is. Owners that the image knows by name get its
    /// numbers, the others those of the package.
    pub(super) fn lay(&mut self, package: &mut Unpacked, accounts: &Accounts) -> Result<BTreeSet<TreePath>, ApkError> {
        let info = &package.package.info;
        self.owned.push(Owned {
            name: package.name().to_owned(),
            version: package.version().to_owned(),
            origin: info.value("origin").to_owned(),
            replaces: info.list("replaces"),
            priority: info.value("replaces_priority").parse().unwrap_or(0),
            directories: BTreeMap::new(),
        });
        let mut paths = BTreeSet::new();
        let mut in_data = false;
        for entry in std::mem::take(&mut package.entries) {
            // Hidden files of the root before all others belong to the control section.
            in_data |= !entry.item.path.as_bytes().starts_with(b".");
            if in_data && !entry.item.path.is_root() {
                // Packages need not list the folders that their files are in.
                let missing = self.missing_above(&self.place(&entry.item.path)?);
                if let Some(place) = self.put(entry, accounts)? {
                    paths.extend(missing);
                    paths.insert(place);
                }
            }
        }
        Ok(paths)
    }

    /// The directories of all packages.
    pub(super) fn directories(&self) -> BTreeSet<&[u8]> {
        self.owned.iter().flat_map(|owned| owned.directories.keys()).map(Vec::as_slice).collect()
    }

    /// The directories above a path that are not there yet.
    fn missing_above(&self, place: &TreePath) -> Vec<TreePath> {
        let above = std::iter::successors(place.parent(), TreePath::parent);
        above.take_while(|path| !self.tree.contains(path)).collect()
    }

    fn put(&mut self, mut entry: Entry, accounts: &Accounts) -> Result<Option<TreePath>, ApkError> {
        if let What::Inode(inode) = &mut entry.item.what {
            let meta = &mut Arc::make_mut(inode).meta;
            meta.uid = accounts.users.get(&entry.owner.0).copied().unwrap_or(meta.uid);
            meta.gid = accounts.groups.get(&entry.owner.1).copied().unwrap_or(meta.gid);
        }
        let listed = entry.item.path.clone();
        let place = self.place(&listed)?;
        match entry.item.what {
            What::Inode(inode) if inode.is_directory() => self.put_directory(&listed, place, inode),
            What::Inode(inode) => {
                let sum = entry.sum.expect("files and links have sums");
                self.put_file(&listed, place, sum, |layout, place| {
                    let meta = inode.meta.clone();
                    layout.tree.insert_with_parents(place, inode).map(|_| (meta.uid, meta.gid, meta.mode))
                })
            }
            What::HardLink(target) => {
                let target = self.place(&target)?;
                let sum = self.owners.get(&target).map_or([0; 20], |owner| owner.sum);
                self.put_file(&listed, place, sum, |layout, place| {
                    layout.tree.link_with_parents(place.clone(), &target)?;
                    let meta = layout.tree.get(&place).map(|inode| &inode.meta);
                    Ok(meta.map_or((0, 0, 0o644), |meta| (meta.uid, meta.gid, meta.mode)))
                })
            }
        }
    }

    fn put_directory(
        &mut self,
        listed: &TreePath,
        place: TreePath,
        inode: Arc<Inode>,
    ) -> Result<Option<TreePath>, ApkError> {
        let meta = (inode.meta.uid, inode.meta.gid, inode.meta.mode);
        let is_link = self.tree.get(&place).is_some_and(|there| there.symlink_target().is_some());
        if is_link && self.leads_to_directory(&place)? {
            return Ok(None);
        }
        if self.tree.get(&place).is_some_and(|there| !there.is_directory()) {
            self.check_kind(&place)?;
        }
        self.directory(listed).meta = Some(meta);
        let is_settled = !self.settled.insert(place.clone());
        if let Some(there) = self.tree.get_mut(&place).filter(|there| is_settled && there.is_directory()) {
            let before = (there.meta.uid, there.meta.gid, there.meta.mode);
            let (uid, gid, mode) = joined(before, meta);
            (there.meta.uid, there.meta.gid, there.meta.mode) = (uid, gid, mode);
            return Ok(Some(place).filter(|_| (uid, gid, mode) != before));
        }
        self.insert(|layout| layout.tree.insert_with_parents(place.clone(), inode).map(drop))?;
        Ok(Some(place))
    }

    /// Puts a file or link where no other package has one, or where it may.
    fn put_file(
        &mut self,
        listed: &TreePath,
        place: TreePath,
        sum: Sum,
        put: impl FnOnce(&mut Self, TreePath) -> Result<(u32, u32, u32), crate::tree::TreeError>,
    ) -> Result<Option<TreePath>, ApkError> {
        let this = self.owned.len() - 1;
        if self.tree.is_directory(&place) {
            self.check_kind(&place)?;
        }
        if let Some(other) = self.owners.get(&place).filter(|owner| owner.package != this).cloned() {
            if !self.takes_over(this, other.package, &place, other.sum == sum)? {
                return Ok(None);
            }
            self.disown(&other);
        }
        let mut meta = (0, 0, 0);
        self.insert(|layout| put(layout, place.clone()).map(|found| meta = found))?;
        self.owners.insert(place.clone(), Owner { package: this, sum, listed: listed.clone() });
        let folder = self.directory(&listed.parent().unwrap_or_else(TreePath::root));
        let file = OwnedFile { place: folder.files.len(), meta, sum };
        folder.files.insert(listed.name().to_vec(), file);
        Ok(Some(place))
    }

    /// Refuses to put something of the package that is being laid in place of what is a directory where this is none, or the other
    /// way round, and belongs to another package: apk cannot do it either.
    fn check_kind(&self, place: &TreePath) -> Result<(), ApkError> {
        let second = self.owned.last().map(|owned| owned.name.clone()).unwrap_or_default();
        let other = |inode: &Inode| match &inode.origin {
            Origin::Package(name) if *name != *second => Some(name.to_string()),
            _ => None,
        };
        let first = self.tree.get(place).and_then(other);
        match first.or_else(|| self.tree.below(place).find_map(|entry| other(entry.inode))) {
            Some(first) => Err(ApkError::KindConflict { path: place.clone(), first, second }),
            None => Ok(()),
        }
    }

    /// A directory of the package that is being laid.
    fn directory(&mut self, listed: &TreePath) -> &mut Directory {
        let directories = &mut self.owned.last_mut().expect("a package is being laid").directories;
        let place = directories.len();
        directories.entry(listed.as_bytes().to_vec()).or_insert_with(|| Directory { place, ..Directory::default() })
    }

    /// Whether the package `this` puts its file in the place of one of `other`; an error where neither gives way. Of equal
    /// files that nobody replaces, which apk refuses and apko takes, the first stays.
    fn takes_over(&self, this: usize, other: usize, place: &TreePath, is_equal: bool) -> Result<bool, ApkError> {
        let (new, old) = (&self.owned[this], &self.owned[other]);
        let same_origin = !new.origin.is_empty() && new.origin == old.origin;
        match (new.replaces(old), old.replaces(new)) {
            (Some(new), Some(old)) => Ok(new >= old),
            (None, Some(_)) => Ok(false),
            (Some(_), None) => Ok(true),
            (None, None) if same_origin => Ok(true),
            (None, None) if is_equal => Ok(false),
            (None, None) => {
                Err(ApkError::FileConflict { path: place.clone(), first: old.name.clone(), second: new.name.clone() })
            }
        }
    }

    /// Takes a file from the package that has it.
    fn disown(&mut self, owner: &Owner) {
        let folder = owner.listed.parent().unwrap_or_else(TreePath::root);
        if let Some(directory) = self.owned[owner.package].directories.get_mut(folder.as_bytes()) {
            directory.files.remove(owner.listed.name());
        }
    }

    fn insert(&mut self, put: impl FnOnce(&mut Self) -> Result<(), crate::tree::TreeError>) -> Result<(), ApkError> {
        let package = self.owned.last().map(|owned| owned.name.clone()).unwrap_or_default();
        put(self).map_err(|source| ApkError::Misplaced { package, source })
    }

    /// Where a path is, once links among its parents are followed: `/lib` may lead to `/usr/lib`.
    fn place(&self, path: &TreePath) -> Result<TreePath, ApkError> {
        if path.parent().is_none_or(|parent| self.tree.is_directory(&parent)) {
            return Ok(path.clone());
        }
        self.tree.resolve_parents(path).map_err(|source| self.unresolved(source))
    }

    fn leads_to_directory(&self, path: &TreePath) -> Result<bool, ApkError> {
        let target = self.tree.resolve(path).map_err(|source| self.unresolved(source))?;
        Ok(self.tree.is_directory(&target))
    }

    fn unresolved(&self, source: crate::tree::ResolveError) -> ApkError {
        let package = self.owned.last().map(|owned| owned.name.clone()).unwrap_or_default();
        ApkError::Unresolved { package, source }
    }
}

/// Owner, group and mode of a directory that two say different things of: those of the lesser owner; of the same one, what
/// both allow (apk-tools' `apk_db_dir_apply_diri_permissions`).
fn joined(one: (u32, u32, u32), other: (u32, u32, u32)) -> (u32, u32, u32) {
    match (other.0, other.1).cmp(&(one.0, one.1)) {
        Ordering::Less => other,
        Ordering::Equal => (one.0, one.1, one.2 & other.2),
        Ordering::Greater => one,
    }
}

impl Directory {
    /// Its files in the package's order.
    pub(super) fn files_in_order(&self) -> Vec<(&[u8], &OwnedFile)> {
        let mut all: Vec<_> = self.files.iter().map(|(name, file)| (name.as_slice(), file)).collect();
        all.sort_by_key(|(_, file)| file.place);
        all
    }
}

impl Owned {
    /// Its directories in its own order.
    pub(super) fn directories_in_order(&self) -> Vec<(&[u8], &Directory)> {
        let mut all: Vec<_> = self.directories.iter().map(|(path, directory)| (path.as_slice(), directory)).collect();
        all.sort_by_key(|(_, directory)| directory.place);
        all
    }

    /// With which priority files of `other` are replaced, if they are.
    fn replaces(&self, other: &Self) -> Option<u64> {
        let mut replaced = relations(&self.replaces).flatten();
        replaced
            .any(|relation| relation.name == other.name && relation.fits(Some(&other.version)))
            .then_some(self.priority)
    }
}
