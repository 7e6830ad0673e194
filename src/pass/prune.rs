//! `prune`: what never is in an image, and what the recipe leaves out.

use std::collections::BTreeSet;

use crate::epoch::Epoch;
use crate::recipe::{PathRules, Prune};
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

use super::{Outcome, Pass, PassError};

/// Leaves out what `[prune]` says, and the contents of `/proc`, `/sys`, `/dev`, `/run` and `/tmp`.
pub struct PrunePass {
    rules: PathRules,
    epoch: Epoch,
    keeps_runtime_folders: bool,
    /// Patterns of the recipe that named something before the tree was made.
    seen: BTreeSet<String>,
}

const NAME: &str = "prune";

/// Folders whose contents a running system makes, with the mode that each has then; `/proc` and `/sys` keep theirs, since
/// distributions differ and a mount covers them.
const EMPTIED: [(&str, Option<u32>); 5] =
    [("proc", None), ("sys", None), ("dev", Some(0o755)), ("run", Some(0o755)), ("tmp", Some(0o1777))];

/// The one folder in `/run` that stays: `/var/lock` leads to it, and packages expect it.
const RUN_LOCK: &str = "run/lock";

/// Where dpkg reads rules from: files with names of letters, digits, `_` and `-` (dpkg.cfg(5)).
const DPKG_FOLDER: &str = "etc/dpkg/dpkg.cfg.d";
const DPKG_FILE: &str = "etc/dpkg/dpkg.cfg.d/rootsmith";

#[derive(Default)]
struct Gone {
    files: u64,
    folders: u64,
    bytes: u64,
}

impl PrunePass {
    /// The pass for `[prune]`.
    pub fn new(prune: &Prune, epoch: Epoch) -> Self {
        Self { rules: PathRules::new(prune), epoch, keeps_runtime_folders: false, seen: BTreeSet::new() }
    }

    /// The same, where the patterns `seen` ([`PathRules::naming`]) have named what is not in the tree any more.
    pub fn after(self, seen: BTreeSet<String>) -> Self {
        Self { seen, ..self }
    }

    /// The pass for a tree whose layers are kept: only what the recipe says is left out.
    pub fn above(prune: &Prune, epoch: Epoch) -> Self {
        Self { keeps_runtime_folders: true, ..Self::new(prune, epoch) }
    }
}

impl Pass for PrunePass {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        let notes = self.name_nothing(tree);
        if !self.keeps_runtime_folders {
            empty_runtime_folders(tree)?;
        }
        if self.rules.is_empty() {
            return Ok(Outcome { notes, ..Outcome::default() });
        }
        let mut gone = Gone::default();
        let dropped = paths(tree, |tree, path| !tree.is_directory(path) && self.rules.drops(path.as_bytes()));
        remove(tree, &dropped, &mut gone)?;
        let dangling = paths(tree, |tree, path| leads_to_dropped(tree, path, &self.rules));
        remove(tree, &dangling, &mut gone)?;
        self.remove_empty_folders(tree, &mut gone)?;
        self.tell_dpkg(tree)?;
        let summary = format!("{} files and {} folders left out, {}", gone.files, gone.folders, megabytes(gone.bytes));
        let counts = vec![("files", gone.files), ("folders", gone.folders), ("bytes", gone.bytes)];
        let summary = if gone.files + gone.folders == 0 { String::new() } else { summary };
        Ok(Outcome { summary, counts, notes })
    }
}

impl PrunePass {
    /// Says which patterns of the recipe name nothing: most often they are mistyped.
    fn name_nothing(&self, tree: &Tree) -> Vec<String> {
        let mut seen = self.seen.clone();
        for entry in tree.entries() {
            seen.extend(self.rules.naming(entry.path.as_bytes()).map(str::to_owned));
        }
        self.rules.unseen(&seen).map(|pattern| format!("prune: nothing was there that matches {pattern}")).collect()
    }

    fn remove_empty_folders(&self, tree: &mut Tree, gone: &mut Gone) -> Result<(), PassError> {
        // Children come after their parents, so the reverse empties folders from the leaves on.
        let folders =
            paths(tree, |tree, path| tree.is_directory(path) && self.rules.drops_empty_folder(path.as_bytes()));
        // The root stays, whatever a pattern says.
        for path in folders.iter().rev().filter(|path| !path.is_root()) {
            if tree.below(path).next().is_none() {
                tree.remove(path)?;
                gone.folders += 1;
            }
        }
        Ok(())
    }

    fn tell_dpkg(&self, tree: &mut Tree) -> Result<(), PassError> {
        let folder = TreePath::literal(DPKG_FOLDER);
        if let Some(text) = self.rules.dpkg_configuration()
            && tree.is_directory(&folder)
        {
            let content = Content::bytes(text.into_bytes());
            tree.insert(
                TreePath::literal(DPKG_FILE),
                Inode::file(0o644, content, Origin::Pass(NAME.into())).at(self.epoch),
            )?;
        }
        Ok(())
    }
}

/// The folders whose contents a running system makes.
pub(super) fn runtime_folders() -> impl Iterator<Item = TreePath> {
    EMPTIED.into_iter().map(|(name, _)| TreePath::literal(name))
}

/// Whether something is below one of them.
pub(super) fn is_in_runtime_folder(path: &TreePath) -> bool {
    runtime_folders().any(|folder| path.starts_with(&folder) && *path != folder)
}

fn empty_runtime_folders(tree: &mut Tree) -> Result<(), PassError> {
    for (name, mode) in EMPTIED {
        let folder = TreePath::literal(name);
        if !tree.is_directory(&folder) {
            continue;
        }
        let lock = TreePath::literal(RUN_LOCK);
        let kept = tree.get(&lock).filter(|lock| name == "run" && lock.is_directory()).cloned();
        tree.clear(&folder);
        if let Some(kept) = kept {
            tree.insert(lock, kept)?;
        }
        if let (Some(mode), Some(inode)) = (mode, tree.get_mut(&folder)) {
            (inode.meta.mode, inode.meta.uid, inode.meta.gid) = (mode, 0, 0);
        }
    }
    Ok(())
}

/// Whether `path` is a symbolic link to something that the rules leave out, such as the link of an alternative to a
/// manual page.
fn leads_to_dropped(tree: &Tree, path: &TreePath, rules: &PathRules) -> bool {
    if tree.get(path).is_none_or(|inode| inode.symlink_target().is_none()) {
        return false;
    }
    let Ok(target) = tree.resolve(path) else { return false };
    !tree.contains(&target) && (rules.drops(target.as_bytes()) || rules.drops_empty_folder(target.as_bytes()))
}

fn paths(tree: &Tree, wanted: impl Fn(&Tree, &TreePath) -> bool) -> Vec<TreePath> {
    tree.entries().filter(|entry| wanted(tree, entry.path)).map(|entry| entry.path.clone()).collect()
}

fn remove(tree: &mut Tree, paths: &[TreePath], gone: &mut Gone) -> Result<(), PassError> {
    for path in paths {
        if let Some(id) = tree.id(path) {
            // Bytes go with the last of an inode's names.
            let size = tree.inode(id).content().map_or(0, Content::size);
            gone.bytes += if tree.link_count(id) == 1 { size } else { 0 };
        }
        tree.remove(path)?;
        gone.files += 1;
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
