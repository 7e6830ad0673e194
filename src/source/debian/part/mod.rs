//! Keeping parts of packages: slices by path, and programs with what they need.

mod closure;
mod rules;

use super::InstallError;
use super::database;
use super::unpack::Unpacked;
use crate::archive::What;
use crate::lock::DebianPin;
use crate::recipe::{PathPattern, PathSet};
use crate::report::Reporter;
use crate::tree::{Content, Inode, Node, Origin, Tree, TreePath};

/// The field of a control file that says how much of a package is there, where that is not all.
pub(super) const PARTIAL: &str = "Partial";

/// A package, and what it brought.
pub(super) struct Held {
    /// Its name.
    pub(super) package: String,
    /// Its files and links, by the paths in the package; what `[prune]` left out is not among them.
    pub(super) files: Vec<TreePath>,
    /// Its folders.
    pub(super) folders: Vec<TreePath>,
    /// All its paths.
    pub(super) listed: Vec<TreePath>,
}

/// How many files of a package are there.
pub(super) struct Count {
    pub(super) kept: usize,
    pub(super) all: usize,
}

impl Held {
    /// What `package`, which is not laid yet, brings.
    pub(super) fn of(package: &Unpacked) -> Self {
        let is_folder = |what: &What| matches!(what, What::Inode(inode) if inode.is_directory());
        let paths = |folders: bool| {
            let items = package.items.iter().filter(move |item| is_folder(&item.what) == folders);
            items.map(|item| item.path.clone()).filter(|path| !path.is_root()).collect()
        };
        Self { package: package.name.clone(), files: paths(false), folders: paths(true), listed: package.list.clone() }
    }

    /// What dpkg's database says of a package that is installed in `tree`, for the architecture or without one.
    fn installed(package: &str, architecture: &str, tree: &Tree) -> Result<Option<Self>, InstallError> {
        for stem in [package.to_owned(), format!("{package}:{architecture}")] {
            let path = TreePath::new(format!("var/lib/dpkg/info/{stem}.list")).expect("names of packages are plain");
            let Some(content) = tree.get(&path).and_then(|inode| inode.content()) else { continue };
            let unread = |source| InstallError::Content { package: package.to_owned(), source };
            let text = content.read().map_err(unread)?;
            let listed: Vec<TreePath> =
                text.split(|byte| *byte == b'\n').filter_map(|line| TreePath::new(line).ok()).collect();
            let mut held =
                Self { package: package.to_owned(), files: Vec::new(), folders: Vec::new(), listed: listed.clone() };
            for path in listed.into_iter().filter(|path| !path.is_root()) {
                let place = held.place(tree, &path)?;
                match tree.get(&place) {
                    Some(inode) if inode.is_directory() => held.folders.push(path),
                    Some(_) => held.files.push(path),
                    None => {}
                }
            }
            return Ok(Some(held));
        }
        Ok(None)
    }

    /// Where a path of the package is in the tree.
    fn place(&self, tree: &Tree, path: &TreePath) -> Result<TreePath, InstallError> {
        let unresolved = |source| InstallError::Unresolved { package: self.package.clone(), source };
        tree.resolve_parents(path).map_err(unresolved)
    }

    /// How many of its files are in the tree, the licence not counted.
    pub(super) fn count(&self, tree: &Tree) -> Result<Count, InstallError> {
        let mut count = Count { kept: 0, all: 0 };
        for path in self.files.iter().filter(|path| !self.is_licence(path)) {
            count.all += 1;
            count.kept += usize::from(tree.contains(&self.place(tree, path)?));
        }
        Ok(count)
    }

    /// The lines of a `md5sums` file whose files are in the tree.
    pub(super) fn sums_of_kept(&self, sums: &[u8], tree: &Tree) -> Result<Vec<u8>, InstallError> {
        let mut kept = Vec::new();
        for line in sums.split_inclusive(|byte| *byte == b'\n') {
            // A sum of 32 digits, two spaces, the path.
            let path = line.get(34..).map(|path| path.strip_suffix(b"\n").unwrap_or(path));
            let Some(path) = path.and_then(|path| TreePath::new(path).ok()) else { continue };
            if tree.contains(&self.place(tree, &path)?) {
                kept.extend_from_slice(line);
            }
        }
        Ok(kept)
    }

    /// The licence goes with whatever is kept of a package.
    fn is_licence(&self, path: &TreePath) -> bool {
        path.as_bytes() == format!("usr/share/doc/{}/copyright", self.package).as_bytes()
    }

    /// Takes out of the tree what `keeps` says no to, and folders that are empty then. Files that other packages have in
    /// their place stay.
    fn cut(&self, tree: &mut Tree, keeps: &dyn Fn(&TreePath) -> bool) -> Result<(), InstallError> {
        let misplaced = |source| InstallError::Misplaced { package: self.package.clone(), source };
        for path in self.files.iter().filter(|path| !self.is_licence(path)) {
            let place = self.place(tree, path)?;
            let Some(inode) = tree.get(&place) else { continue };
            let is_ours = match &inode.origin {
                Origin::Package(name) => **name == *self.package,
                _ => true,
            };
            // What was generated for a package may be a folder of links.
            if is_ours && !keeps(path) && !keeps(&place) {
                tree.remove(&place).map_err(misplaced)?;
            }
        }
        for folder in self.folders.iter().rev() {
            let place = self.place(tree, folder)?;
            if tree.is_directory(&place) && tree.below(&place).next().is_none() && !keeps(folder) && !is_of_root(&place)
            {
                tree.remove(&place).map_err(misplaced)?;
            }
        }
        Ok(())
    }
}

/// Whether a folder is one of the root's, or one that the root's links lead to: programs expect them even where they are
/// empty.
fn is_of_root(path: &TreePath) -> bool {
    let expected = ["usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "var/tmp"];
    path.components().count() == 1 || expected.iter().any(|known| known.as_bytes() == path.as_bytes())
}

/// Cuts down the packages of `held` to the slices and programs of `pin`; says whether it had any.
pub(super) fn cut(
    tree: &mut Tree,
    held: &[Held],
    pin: &DebianPin,
    reporter: &dyn Reporter,
) -> Result<bool, InstallError> {
    for slice in &pin.slices {
        let patterns: Vec<PathPattern> = slice.keep.iter().filter_map(|text| text.parse().ok()).collect();
        let of_package: Vec<&Held> = held.iter().filter(|held| held.package == slice.package).collect();
        for pattern in &patterns {
            let set = PathSet::new([pattern]);
            let mut paths = of_package.iter().flat_map(|held| held.listed.iter().chain(&held.files));
            if !paths.any(|path| set.holds(path.as_bytes())) {
                let (package, pattern) = (slice.package.clone(), pattern.as_str().to_owned());
                return Err(InstallError::EmptySlice { package, pattern });
            }
        }
        let set = PathSet::new(&patterns);
        for held in of_package {
            held.cut(tree, &|path| set.holds(path.as_bytes()))?;
        }
    }
    if !pin.binaries.is_empty() {
        let kept = closure::of(tree, &pin.binaries, reporter)?;
        for held in held {
            held.cut(tree, &|path| kept.contains(path))?;
        }
        for held in held {
            drop_licence_of_nothing(tree, held)?;
        }
    }
    Ok(!pin.slices.is_empty() || !pin.binaries.is_empty())
}

/// Nothing but its licence is no package.
fn drop_licence_of_nothing(tree: &mut Tree, held: &Held) -> Result<(), InstallError> {
    let count = held.count(tree)?;
    if count.kept > 0 || count.all == 0 {
        return Ok(());
    }
    let misplaced = |source| InstallError::Misplaced { package: held.package.clone(), source };
    let folder = TreePath::new(format!("usr/share/doc/{}", held.package)).expect("names of packages are plain");
    tree.remove(&folder).map(drop).map_err(misplaced)
}

/// Cuts down installed packages to the slices of `pin`, and has dpkg's database say so.
pub(super) fn cut_installed(tree: &mut Tree, pin: &DebianPin, reporter: &dyn Reporter) -> Result<(), InstallError> {
    let architecture = pin.platform.architecture.debian_name();
    let mut all = Vec::new();
    for slice in &pin.slices {
        all.extend(Held::installed(&slice.package, architecture, tree)?);
    }
    cut(tree, &all, pin, reporter)?;
    for held in &all {
        let count = held.count(tree)?;
        if count.kept < count.all {
            mark(tree, held, &count)?;
        }
    }
    Ok(())
}

/// Adds the field to the package's paragraph in dpkg's database. dpkg keeps fields that it does not know.
fn mark(tree: &mut Tree, held: &Held, count: &Count) -> Result<(), InstallError> {
    let path = TreePath::literal(database::STATUS);
    let unread = |source| InstallError::Content { package: held.package.clone(), source };
    let Some(inode) = tree.get_mut(&path) else { return Ok(()) };
    let Some(text) = inode.content().map(Content::read).transpose().map_err(unread)? else { return Ok(()) };
    let text = String::from_utf8_lossy(&text).into_owned();
    let first = format!("Package: {}", held.package);
    let field = format!("{}: {} of {} files\n", PARTIAL, count.kept, count.all);
    let paragraphs = text.split_inclusive("\n\n").map(|paragraph| {
        if paragraph.lines().next() != Some(&first) {
            return paragraph.to_owned();
        }
        format!("{}\n{field}\n", paragraph.trim_end_matches('\n'))
    });
    inode.node = Node::File(Content::bytes(paragraphs.collect::<String>().into_bytes()));
    Ok(())
}

/// An inode that a path leads to, with its place.
fn followed<'t>(tree: &'t Tree, path: &TreePath) -> Result<Option<(TreePath, &'t Inode)>, InstallError> {
    let unresolved = |source| InstallError::Unresolved { package: path.to_string(), source };
    let place = tree.resolve(path).map_err(unresolved)?;
    Ok(tree.get(&place).map(|inode| (place, inode)))
}
