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
use rustix::fs::XattrFlags;

use super::DestError;
use super::beside::{FolderBeside, folder_of, sync_folder};
use super::error::failed;
use crate::archive::{SpecialFiles, is_kept_attribute};
use crate::tree::{Entry, InodeId, Meta, Node, Tree};

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

/// Writes `tree` to `folder`, which must not be there yet or be empty.
///
/// It is written beside, in a folder that only the caller may enter, and renamed when complete: no link in it is ever
/// followed, because every parent is a directory made here. As root, owners are set and devices can be made; others own
/// all files themselves, and setuid bits of files of other owners are left out with the owners.
pub fn write_rootfs_directory(tree: &Tree, folder: &Path, special: SpecialFiles) -> Result<Materialized, DestError> {
    check_rootfs_directory(folder)?;
    let parent = folder_of(folder);
    fs::create_dir_all(parent).map_err(failed("make the folder", parent))?;
    let beside = FolderBeside::new_in(parent)?;
    let mut writer =
        Writer { root: &beside.path().join("rootfs"), is_root: geteuid().is_root(), done: Materialized::default() };
    writer.done.owners_left_out = !writer.is_root;
    writer.tree(tree, special, folder)?;
    let whole = fs::File::open(writer.root).map_err(failed("write to", folder))?;
    rustix::fs::syncfs(&whole).map_err(|error| failed("write to", folder)(error.into()))?;
    fs::rename(writer.root, folder).map_err(failed("write to", folder))?;
    sync_folder(parent)?;
    Ok(writer.done)
}

/// Fails where [`write_rootfs_directory`] would, because of what is in `folder`.
pub fn check_rootfs_directory(folder: &Path) -> Result<(), DestError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(DestError::Occupied { path: folder.to_owned(), instead: "not empty" }),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("write to", folder)(error)),
    }
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
