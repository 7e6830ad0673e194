//! `rootfs-dir:DIR`: the root filesystem as a folder of the host.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, geteuid};
use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, XattrFlags, statx};

use super::DestError;
use super::beside::{FolderBeside, folder_of, is_unfinished, sweep, sync_folder};
use super::error::failed;
use crate::archive::{SpecialFiles, is_kept_attribute};
use crate::tree::{Entry, InodeId, Meta, Node, Tree, TreePath};

/// What a folder does not hold of its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Materialized {
    /// Owners and groups were not set, because only root may: everything is the caller's.
    pub owners_left_out: bool,
    /// How many devices and named pipes were left out.
    pub special_left_out: usize,
    /// How many extended attributes were left out, because only root may set them or the file system has none.
    pub attributes_left_out: usize,
}

/// The folder that mkfs makes for what fsck(8) finds.
const LOST_AND_FOUND: &str = "lost+found";

/// Writes `tree` to `folder`, which must not be there yet or be empty, but for `lost+found`. A link is followed.
///
/// It is written beside, in a folder that only the caller may enter, and renamed when complete: no link in it is ever
/// followed, because every parent is a directory made here. A folder that cannot be replaced, because something is mounted
/// there, it is where the caller is, or its parent is somebody else's, is filled when all is complete. As root, owners are
/// set and devices can be made; others own all files themselves, and setuid bits of files of other owners are left out with
/// the owners.
pub fn write_rootfs_directory(tree: &Tree, folder: &Path, special: SpecialFiles) -> Result<Materialized, DestError> {
    check_rootfs_directory(folder)?;
    let folder = &fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let parent = folder_of(folder);
    fs::create_dir_all(parent).map_err(failed("make the folder", parent))?;
    sweep(folder);
    let (beside, is_within) = beside(folder, parent)?;
    let mut writer =
        Writer { root: &beside.path().join("rootfs"), is_root: geteuid().is_root(), done: Materialized::default() };
    writer.done.owners_left_out = !writer.is_root;
    writer.tree(tree, special, folder)?;
    let whole = fs::File::open(writer.root).map_err(failed("write to", folder))?;
    rustix::fs::syncfs(&whole).map_err(|error| failed("write to", folder)(error.into()))?;
    if is_within {
        writer.fill(tree, folder).map_err(failed("write to", folder))?;
        sync_folder(folder)?;
    } else {
        writer.moved(writer.root, folder).map_err(failed("write to", folder))?;
        sync_folder(parent)?;
    }
    Ok(writer.done)
}

/// Where to write what will be `folder`, and whether that is within it, as it cannot be replaced.
fn beside(folder: &Path, parent: &Path) -> Result<(FolderBeside, bool), DestError> {
    if stays(folder, parent) {
        return Ok((FolderBeside::new_in(folder)?, true));
    }
    match FolderBeside::new_in(parent) {
        Ok(beside) => Ok((beside, false)),
        Err(error) => match FolderBeside::new_in(folder) {
            Ok(within) => Ok((within, true)),
            Err(_) => Err(error),
        },
    }
}

/// Whether a folder cannot be replaced by another, or whoever is in it would not see that.
fn stays(folder: &Path, parent: &Path) -> bool {
    let stat = |path: &Path| statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).ok();
    let Some(there) = stat(folder) else { return false };
    let is = |other: &Path| {
        stat(other).is_some_and(|other| {
            (other.stx_dev_major, other.stx_dev_minor, other.stx_ino)
                == (there.stx_dev_major, there.stx_dev_minor, there.stx_ino)
        })
    };
    let is_mounted = stat(parent)
        .is_some_and(|above| (above.stx_dev_major, above.stx_dev_minor) != (there.stx_dev_major, there.stx_dev_minor));
    is_mounted
        || folder.join(LOST_AND_FOUND).exists()
        || there.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        || is(Path::new("."))
}

/// Fails where [`write_rootfs_directory`] would, because of what is in `folder`.
pub fn check_rootfs_directory(folder: &Path) -> Result<(), DestError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.find(|entry| !entry.as_ref().is_ok_and(is_nothing)) {
            Some(_) => Err(DestError::Occupied { path: folder.to_owned(), instead: "not empty" }),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("write to", folder)(error)),
    }
}

/// Whether an entry makes its folder no less empty: what a killed run had not finished, and what a new file system has.
fn is_nothing(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    is_unfinished(&name) || name == LOST_AND_FOUND
}

struct Writer<'a> {
    root: &'a Path,
    is_root: bool,
    done: Materialized,
}

impl Writer<'_> {
    fn tree(&mut self, tree: &Tree, special: SpecialFiles, folder: &Path) -> Result<(), DestError> {
        let at = |entry: Entry<'_>| {
            let path = entry.path.clone();
            let folder = folder.to_owned();
            move |source| DestError::File { path, folder, source }
        };
        let mut first_paths: BTreeMap<InodeId, &Path> = BTreeMap::new();
        for entry in tree.entries() {
            let is_special =
                matches!(entry.inode.node, Node::CharacterDevice { .. } | Node::BlockDevice { .. } | Node::Fifo);
            if is_special && (special == SpecialFiles::Omit || !self.is_root) {
                self.done.special_left_out += 1;
                continue;
            }
            let first = first_paths.get(&entry.id).copied();
            self.entry(entry, first).map_err(at(entry))?;
            if entry.links > 1 {
                first_paths.entry(entry.id).or_insert(entry.path.as_relative());
            }
        }
        // Children first: a directory without write permission, or its time, would not survive what is made in it.
        for entry in tree.entries().rev().filter(|entry| entry.inode.is_directory()) {
            let path = self.root.join(entry.path.as_relative());
            self.metadata(&path, &entry.inode.meta, false).map_err(at(entry))?;
        }
        Ok(())
    }

    /// Moves all into `folder`, which is above, and makes that the root. Nothing stays there where that fails.
    fn fill(&mut self, tree: &Tree, folder: &Path) -> io::Result<()> {
        fs::set_permissions(self.root, private())?;
        let mut moved = Vec::new();
        let result = fs::read_dir(self.root)?.try_for_each(|entry| {
            let entry = entry?;
            let place = folder.join(entry.file_name());
            self.moved(&entry.path(), &place)?;
            moved.push(place);
            Ok(())
        });
        if result.is_err() {
            for place in moved {
                let is_folder = fs::symlink_metadata(&place).is_ok_and(|there| there.is_dir());
                drop(if is_folder { fs::remove_dir_all(place) } else { fs::remove_file(place) });
            }
            return result;
        }
        if let Some(beside) = self.root.parent() {
            fs::remove_dir_all(beside)?;
        }
        match tree.get(&TreePath::root()) {
            Some(root) => self.metadata(folder, &root.meta, false),
            None => Ok(()),
        }
    }

    /// Moves a file or folder. A folder that its owner may not write to, only root can move as it is.
    fn moved(&self, from: &Path, to: &Path) -> io::Result<()> {
        let there = fs::symlink_metadata(from)?;
        let mode = there.permissions().mode() & 0o7777;
        if self.is_root || !there.is_dir() || mode & 0o200 != 0 {
            return fs::rename(from, to);
        }
        fs::set_permissions(from, Permissions::from_mode(mode | 0o700))?;
        fs::rename(from, to)?;
        fs::set_permissions(to, Permissions::from_mode(mode))
    }

    fn entry(&mut self, entry: Entry<'_>, first: Option<&Path>) -> io::Result<()> {
        // Joining the root's empty path would add a slash.
        let path = if entry.path.is_root() { self.root.to_owned() } else { self.root.join(entry.path.as_relative()) };
        if let Some(first) = first {
            return fs::hard_link(self.root.join(first), path);
        }
        let meta = &entry.inode.meta;
        match &entry.inode.node {
            Node::Directory => return fs::create_dir(&path).and_then(|()| fs::set_permissions(&path, private())),
            Node::File(content) => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
                io::copy(&mut io::BufReader::with_capacity(1 << 16, content.reader()?), &mut file)?;
            }
            Node::Symlink(target) => {
                std::os::unix::fs::symlink(OsStr::from_bytes(target), &path)?;
                return self.metadata(&path, meta, true);
            }
            Node::CharacterDevice { major, minor } => device(&path, SFlag::S_IFCHR, *major, *minor)?,
            Node::BlockDevice { major, minor } => device(&path, SFlag::S_IFBLK, *major, *minor)?,
            Node::Fifo => nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?,
        }
        self.metadata(&path, meta, false)
    }

    /// Owner, then mode, then attributes, as each may drop the next; the time last.
    fn metadata(&mut self, path: &Path, meta: &Meta, symlink: bool) -> io::Result<()> {
        if self.is_root {
            std::os::unix::fs::lchown(
                path,
                Some(Uid::from_raw(meta.uid).as_raw()),
                Some(Gid::from_raw(meta.gid).as_raw()),
            )?;
        }
        if !symlink {
            let kept = if self.is_root || meta.uid == geteuid().as_raw() { 0o7777 } else { 0o1777 };
            fs::set_permissions(path, Permissions::from_mode(meta.mode & kept))?;
            for (name, value) in meta.xattrs.iter().filter(|(name, _)| is_kept_attribute(name)) {
                match rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()) {
                    Ok(()) => {}
                    Err(rustix::io::Errno::PERM | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ACCESS) => {
                        self.done.attributes_left_out += 1;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let time = TimeSpec::new(meta.mtime, 0);
        utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)?;
        Ok(())
    }
}

fn private() -> Permissions {
    Permissions::from_mode(0o700)
}

fn device(path: &Path, kind: SFlag, major: u32, minor: u32) -> io::Result<()> {
    Ok(mknod(path, kind, Mode::S_IRUSR | Mode::S_IWUSR, makedev(major.into(), minor.into()))?)
}
