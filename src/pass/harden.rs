//! `harden`: special bits, capabilities and permissions.

use std::collections::BTreeSet;

use crate::recipe::{Harden, Init, Setuid, TINI_PLACES};
use crate::tree::{InodeId, Origin, Tree, TreePath};

use super::account_file::AccountFile;
use super::{Outcome, Pass, PassError};

/// Does what `[harden]` says about modes and capabilities, and looks whether the init is there. Accounts have a pass of
/// their own, and what tools the image has is not changed here.
pub struct HardenPass {
    harden: Harden,
}

/// The paths whose modes are mended, all owned by root; the group is root's or `shadow`'s. Sources: Debian's base-files
/// and passwd, CIS Debian benchmark 7.1.
const MODES: &[(&str, u32, &str)] = &[
    ("", 0o755, "root"),
    ("root", 0o700, "root"),
    ("tmp", 0o1777, "root"),
    ("var/tmp", 0o1777, "root"),
    ("etc/passwd", 0o644, "root"),
    ("etc/group", 0o644, "root"),
    ("etc/shadow", 0o640, "shadow"),
    ("etc/gshadow", 0o640, "shadow"),
];

/// Where programs and their configuration are: there nobody but root has to write, and a folder that anyone may write to
/// is a mistake. Data of programs is elsewhere, and the sticky bit has to be enough there.
const SYSTEM: [&str; 10] = ["bin", "boot", "etc", "lib", "lib32", "lib64", "libx32", "libexec", "sbin", "usr"];

const SPECIAL: u32 = 0o6000;
const STICKY: u32 = 0o1000;
const WORLD_WRITABLE: u32 = 0o002;
const CAPABILITY: &str = "security.capability";

/// Where the image has tini, as an absolute path.
pub fn init(tree: &Tree) -> Option<&'static str> {
    let is_file = |place: TreePath| tree.get(&place).is_some_and(|inode| inode.is_file());
    TINI_PLACES.into_iter().find(|path| tree.resolve(&TreePath::literal(path)).is_ok_and(is_file))
}

impl HardenPass {
    /// The pass for `[harden]`.
    pub fn new(harden: Harden) -> Self {
        Self { harden }
    }
}

impl Pass for HardenPass {
    fn name(&self) -> &'static str {
        "harden"
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        let mut notes = Vec::new();
        if self.harden.init == Init::Tini && init(tree).is_none() {
            return Err(PassError::NoInit(TreePath::literal(TINI_PLACES[0])));
        }
        let special = self.strip_special_bits(tree, &mut notes)?;
        let capabilities = if self.harden.strip_capabilities { strip_capabilities(tree) } else { 0 };
        let (world_writable, modes) =
            if self.harden.mend_permissions { (mend_world_writable(tree), mend_modes(tree)?) } else { (0, 0) };
        let counts = [
            ("setuid and setgid bits stripped", special),
            ("capabilities stripped", capabilities),
            ("world-writable paths closed", world_writable),
            ("modes mended", modes),
        ];
        Ok(Outcome::of(&counts, notes))
    }
}

impl HardenPass {
    /// Takes setuid and setgid from files. Folders keep setgid: there it gives new files the folder's group.
    fn strip_special_bits(&self, tree: &mut Tree, notes: &mut Vec<String>) -> Result<u64, PassError> {
        let kept = match &self.harden.setuid {
            Setuid::Keep => return Ok(0),
            Setuid::Strip => BTreeSet::new(),
            Setuid::StripBut(paths) => {
                let mut kept = BTreeSet::new();
                for path in paths {
                    match tree.id(&tree.resolve(&TreePath::new(path.as_str())?)?) {
                        Some(id) => kept.extend([id]),
                        None => notes.push(format!("{path} should keep its setuid bit, but is not in the image")),
                    }
                }
                kept
            }
        };
        let special = |tree: &Tree, id: InodeId| {
            let inode = tree.inode(id);
            inode.is_file() && inode.meta.mode & SPECIAL != 0
        };
        let mut stripped = BTreeSet::new();
        for entry in tree.entries().filter(|entry| special(tree, entry.id)) {
            if kept.contains(&entry.id) {
                notes.push(format!("{} keeps mode {:04o}", entry.path, entry.inode.meta.mode));
            } else {
                stripped.insert(entry.id);
            }
        }
        for id in &stripped {
            tree.inode_mut(*id).meta.mode &= !SPECIAL;
        }
        Ok(stripped.len() as u64)
    }
}

fn strip_capabilities(tree: &mut Tree) -> u64 {
    let with = tree.inodes_where(|inode| inode.meta.xattrs.value(CAPABILITY).is_some());
    with.map(|inode| inode.meta.xattrs.retain(|name| name != CAPABILITY.as_bytes())).count() as u64
}

/// Closes files that anyone may write to, and folders of the system. Other such folders get the sticky bit, as `/tmp` has
/// it: users can go on using them, but not remove each other's files. So do those of the recipe itself.
fn mend_world_writable(tree: &mut Tree) -> u64 {
    let mut mended = 0;
    let is_open = |mode: u32| mode & (WORLD_WRITABLE | STICKY) == WORLD_WRITABLE;
    let of_system = |path: &TreePath| SYSTEM.iter().any(|folder| path.starts_with(&TreePath::literal(folder)));
    let closed = tree.entries().filter(|entry| {
        let inode = entry.inode;
        let own = matches!(inode.origin, Origin::Recipe(_));
        inode.is_directory() && is_open(inode.meta.mode) && !own && of_system(entry.path)
    });
    for id in closed.map(|entry| entry.id).collect::<Vec<_>>() {
        tree.inode_mut(id).meta.mode &= !WORLD_WRITABLE;
        mended += 1;
    }
    for inode in tree.inodes_where(|inode| inode.meta.mode & WORLD_WRITABLE != 0 && inode.symlink_target().is_none()) {
        if inode.is_file() {
            inode.meta.mode &= !WORLD_WRITABLE;
        } else if inode.is_directory() && inode.meta.mode & STICKY == 0 {
            inode.meta.mode |= STICKY;
        } else {
            continue;
        }
        mended += 1;
    }
    mended
}

fn mend_modes(tree: &mut Tree) -> Result<u64, PassError> {
    let shadow = AccountFile::read(tree, "etc/group")?.line("shadow").and_then(|line| line.number(2)).unwrap_or(0);
    let mut mended = 0;
    for (path, mode, group) in MODES {
        let Some(inode) = tree.get_mut(&TreePath::literal(path)) else { continue };
        if inode.symlink_target().is_some() {
            continue;
        }
        let gid = if *group == "shadow" { shadow } else { 0 };
        let meta = &mut inode.meta;
        if (meta.mode, meta.uid, meta.gid) != (*mode, 0, gid) {
            (meta.mode, meta.uid, meta.gid) = (*mode, 0, gid);
            mended += 1;
        }
    }
    Ok(mended)
}
