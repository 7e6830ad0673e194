//! Walking a folder that others go on working in.
//!
//! Every step goes from an open folder to a name in it, and never through a link, so that what is renamed or replaced
//! meanwhile cannot lead out of the captured folder. Nothing is opened that the verdict on its path leaves out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Statx, StatxAttributes, StatxFlags};
use rustix::fs::{fstat, openat, readlinkat, statx};
use rustix::io::Errno;
use xattr::FileExt as _;

use super::accounts::Accounts;
use super::error::CaptureError;
use super::policy::{Cause, Kind, Policy, Shade, Verdict};
use super::probe::{device, file_type, has_holes, is_core, is_forbidden, is_gone, is_pseudo, is_swap, names, stamp};
use super::report::{Report, Suspicion};
use super::scan::{Hit, Scanner};
use super::spool::{Spool, SpoolError};
use crate::archive::is_kept_attribute;
use crate::recipe::{CapturePreset, Mounts};
use crate::tree::{Content, Inode, Meta, Node, Origin, Tree, TreePath, Xattrs};

/// The device and number of an inode.
pub(super) type Identity = (u32, u32, u64);

/// A walk, and what it has brought so far.
pub(super) struct Walk<'a> {
    pub(super) policy: &'a Policy,
    pub(super) accounts: &'a Accounts,
    pub(super) scanner: &'a Scanner,
    pub(super) mounts: &'a Mounts,
    /// Presets that work on contents: passwords, people, core dumps.
    pub(super) has_preset: &'a dyn Fn(CapturePreset) -> bool,
    /// Folders and files of this program, which are never captured.
    pub(super) own: &'a BTreeSet<Identity>,
    /// Whether to go on to the end although something may not be read.
    pub(super) skip_unreadable: bool,
    /// Files later than this do not make the image younger.
    pub(super) now: i64,
    pub(super) advance: &'a dyn Fn(u64),
    pub(super) spool: Spool,
    pub(super) tree: Tree,
    pub(super) report: Report,
    pub(super) secrets: Vec<(TreePath, Hit)>,
    /// The newest time of a captured file or link.
    pub(super) newest: i64,
    /// Files that were replaced: their time is the image's.
    pub(super) replaced: Vec<TreePath>,
    pub(super) links: BTreeMap<Identity, TreePath>,
}

/// Folders of the root whose contents live only while a machine runs.
const RUNTIME: [&[u8]; 5] = [b"dev", b"proc", b"run", b"sys", b"tmp"];

/// Folders in folders. Each is held open while what is in it is captured.
const DEEPEST: usize = 500;

/// How often a file that changes is read before it is taken as it is.
const ATTEMPTS: u32 = 3;

/// Account files are read as a whole up to this size.
const LARGEST_ACCOUNT_FILE: u64 = 64 << 20;

/// A file of this size that is mostly holes is worth a word: unpacked, it takes all of it.
const LARGE_SPARSE: u64 = 1 << 30;

/// What is at a name of a folder.
struct Found<'a> {
    folder: &'a OwnedFd,
    name: &'a CStr,
    path: TreePath,
    stat: Statx,
    is_mount: bool,
    kept: bool,
}

/// A file that was copied.
struct Copied {
    content: Content,
    /// What was found in its bytes.
    hits: Vec<Hit>,
    stat: Stat,
}

/// A folder whose names are gone through.
struct Level {
    folder: OwnedFd,
    path: TreePath,
    shade: Shade,
    names: std::vec::IntoIter<CString>,
    /// Whether it stays only where something in it does.
    is_fleeting: bool,
}

impl Walk<'_> {
    /// Captures what is in the open folder `folder`, which is at `path` of the tree, and in the folders in it.
    pub(super) fn below(&mut self, folder: OwnedFd, path: TreePath, shade: Shade) -> Result<(), CaptureError> {
        let mut levels: Vec<Level> = self.level(folder, path, shade)?.into_iter().collect();
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.next() else {
                let done = levels.pop().expect("it was there a moment ago");
                self.leave(&done.path, done.is_fleeting)?;
                continue;
            };
            let Ok(path) = level.path.join(name.to_bytes()) else {
                let path = format!("{}/{}", level.path, crate::tree::escape(name.to_bytes()));
                self.report.leave_out(path, "name");
                continue;
            };
            let deeper = self.entry(&level.folder, &name, path, level.shade)?;
            levels.extend(deeper);
        }
        Ok(())
    }

    /// The names of an open folder, to be gone through.
    fn level(&mut self, folder: OwnedFd, path: TreePath, shade: Shade) -> Result<Option<Level>, CaptureError> {
        match names(&folder) {
            Ok(names) => Ok(Some(Level { folder, path, shade, names: names.into_iter(), is_fleeting: false })),
            Err(error) => self.absent(&path, error).map(|()| None),
        }
    }

    /// Takes out a folder that stays only where something in it does.
    fn leave(&mut self, path: &TreePath, is_fleeting: bool) -> Result<(), CaptureError> {
        if is_fleeting && self.tree.is_directory(path) && self.tree.children(path).next().is_none() {
            self.tree.remove(path)?;
        }
        Ok(())
    }

    /// Captures what is at a name. What is in a folder comes later.
    fn entry(
        &mut self,
        folder: &OwnedFd,
        name: &CStr,
        path: TreePath,
        shade: Shade,
    ) -> Result<Option<Level>, CaptureError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = match statx(folder, name, flags, StatxFlags::BASIC_STATS) {
            Ok(stat) => stat,
            Err(error) => return self.unknown(&path, error, shade).map(|()| None),
        };
        if self.own.contains(&identity(&stat)) {
            return self.leave_out(&path, "own").map(|()| None);
        }
        let kind = match file_type(&stat) {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File,
            _ => Kind::Other,
        };
        match self.policy.verdict(&path, kind, shade, self.accounts) {
            Verdict::Exclude => self.leave_out(&path, "excluded").map(|()| None),
            Verdict::Remove(cause) => {
                if shade.removed.is_none() {
                    self.report.remove(cause, path.to_string(), false);
                }
                if kind == Kind::Directory && self.policy.keeps_paths() {
                    let found = self.found(folder, name, path.clone(), stat, false);
                    let level = self.directory(found, Shade { removed: Some(cause), kept: false })?;
                    if level.is_none() {
                        self.leave(&path, true)?;
                    }
                    return Ok(level.map(|level| Level { is_fleeting: true, ..level }));
                }
                Ok(None)
            }
            Verdict::Replace(_, "") if stat.stx_size == 0 => {
                let found = self.found(folder, name, path, stat, false);
                self.capture(found, kind, shade)
            }
            Verdict::Replace(cause, text) => {
                self.report.remove(cause, path.to_string(), true);
                self.replace(path, meta(&stat), Content::bytes(text.as_bytes())).map(|()| None)
            }
            Verdict::Capture { kept } => {
                let found = self.found(folder, name, path, stat, kept);
                self.capture(found, kind, Shade { removed: None, kept: shade.kept || kept })
            }
        }
    }

    /// What is at a path where not even that may be asked: nothing, if it is not wanted.
    fn unknown(&mut self, path: &TreePath, error: Errno, shade: Shade) -> Result<(), CaptureError> {
        match self.policy.verdict(path, Kind::Other, shade, self.accounts) {
            Verdict::Exclude => self.leave_out(path, "excluded"),
            Verdict::Remove(_) => Ok(()),
            // A file system whose server has gone.
            _ if error == Errno::NOTCONN => self.leave_out(path, "mount"),
            _ => self.absent(path, error),
        }
    }

    fn found<'a>(&self, folder: &'a OwnedFd, name: &'a CStr, path: TreePath, stat: Statx, kept: bool) -> Found<'a> {
        let told = stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
        let is_mount = if told {
            stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        } else {
            // Kernels before 5.8: another device, which says nothing of files on some overlays.
            let above = statx(folder, c".", AtFlags::empty(), StatxFlags::BASIC_STATS);
            file_type(&stat) == FileType::Directory && above.is_ok_and(|above| device(&above) != device(&stat))
        };
        Found { folder, name, path, stat, is_mount, kept }
    }

    fn capture(&mut self, found: Found<'_>, kind: Kind, shade: Shade) -> Result<Option<Level>, CaptureError> {
        match kind {
            Kind::Directory => return self.directory(found, shade),
            Kind::File => self.file(&found),
            Kind::Other => self.other(&found),
        }
        .map(|()| None)
    }

    /// A link, socket, pipe or device.
    fn other(&mut self, found: &Found<'_>) -> Result<(), CaptureError> {
        match file_type(&found.stat) {
            FileType::Symlink => match readlinkat(found.folder, found.name, Vec::new()) {
                Ok(target) => {
                    let node = Node::Symlink(target.to_bytes().into());
                    self.put(&found.path, meta(&found.stat), node, found.kept, true)
                }
                Err(error) => self.absent(&found.path, error),
            },
            FileType::Socket => self.leave_out(&found.path, "socket"),
            special => {
                let is_fifo = special == FileType::Fifo;
                if self.policy.removes_special_files() && !found.kept {
                    return self.leave_out(&found.path, if is_fifo { "fifo" } else { "device" });
                }
                let (major, minor) = (found.stat.stx_rdev_major, found.stat.stx_rdev_minor);
                let node = match special {
                    FileType::Fifo => Node::Fifo,
                    FileType::CharacterDevice => Node::CharacterDevice { major, minor },
                    _ => Node::BlockDevice { major, minor },
                };
                self.put(&found.path, meta(&found.stat), node, found.kept, false)
            }
        }
    }

    fn directory(&mut self, found: Found<'_>, shade: Shade) -> Result<Option<Level>, CaptureError> {
        let Found { folder, name, path, stat, is_mount, kept } = found;
        if path.components().count() > DEEPEST {
            return Err(CaptureError::TooDeep(path));
        }
        let mut meta = meta(&stat);
        let bare = |walk: &mut Self, meta, why| {
            walk.report.leave_out(path.to_string(), why);
            walk.put(&path, meta, Node::Directory, kept, false).map(|()| None)
        };
        if RUNTIME.contains(&path.as_bytes()) {
            return bare(self, meta, "runtime");
        }
        let asked = self.is_asked_for(&path);
        if is_mount && !asked && !self.mounts.all {
            return bare(self, meta, "mount");
        }
        let opened = match open(folder, name, OFlags::DIRECTORY) {
            Ok(opened) => opened,
            Err(error) => {
                if is_forbidden(error) {
                    self.put(&path, meta, Node::Directory, kept, false)?;
                }
                return self.absent(&path, error).map(|()| None);
            }
        };
        if is_mount && !asked && is_pseudo(&opened) {
            return bare(self, meta, "mount");
        }
        let opened = File::from(opened);
        meta.xattrs = self.attributes(&opened, &path)?;
        self.put(&path, meta, Node::Directory, kept, false)?;
        self.level(opened.into(), path, shade)
    }

    /// Whether what is mounted at `path` is asked for.
    fn is_asked_for(&self, path: &TreePath) -> bool {
        self.mounts.at.iter().any(|at| at.as_str().as_bytes() == path.to_string().as_bytes())
    }

    fn file(&mut self, found: &Found<'_>) -> Result<(), CaptureError> {
        let Found { path, stat, kept, .. } = found;
        if found.is_mount && !self.mounts.all && !self.is_asked_for(path) {
            // Engines mount name servers and hosts over files of a container.
            self.report.leave_out(path.to_string(), "mount");
            return self.put(path, meta(stat), Node::File(Content::empty()), *kept, false);
        }
        let is_account_file = Accounts::is_account_file(path) && !kept;
        let linked = (stat.stx_nlink > 1 && !is_account_file).then(|| identity(stat));
        if let Some(first) =
            linked.and_then(|identity| self.links.get(&identity)).filter(|first| self.tree.contains(first))
        {
            let first = first.clone();
            return Ok(self.tree.link(path.clone(), &first)?);
        }
        if !self.skip_unreadable && !self.report.unreadable.is_empty() {
            // Nothing will come of it: what else may not be read is worth finding out, contents are not.
            return Ok(());
        }
        let file = match open(found.folder, found.name, OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(opened) => File::from(opened),
            Err(error) => return self.absent(path, error),
        };
        if is_account_file {
            return self.account_file(path, &file);
        }
        if is_swap(&file, stat.stx_size) {
            return self.leave_out(path, "swap");
        }
        if !kept && (self.has_preset)(CapturePreset::Crashes) && is_core(path, &file) {
            let cause = Cause { preset: CapturePreset::Crashes, what: "core dumps" };
            self.report.remove(cause, path.to_string(), false);
            return Ok(());
        }
        let Some(Copied { content, hits, stat }) = self.copy(path, &file)? else { return Ok(()) };
        let mut meta = Meta::new(stat.st_mode & 0o7777);
        (meta.uid, meta.gid, meta.mtime) = (stat.st_uid, stat.st_gid, stat.st_mtime);
        meta.xattrs = self.attributes(&file, path)?;
        if stat.st_size.unsigned_abs() >= LARGE_SPARSE && has_holes(&stat) {
            let what = format!("{} MB, mostly holes: unpacked, it takes all of it", stat.st_size / 1_000_000);
            self.report.suspicious.push(Suspicion { kind: "sparse", path: path.to_string(), what });
        }
        self.report.bytes += content.size();
        self.secrets.extend(hits.into_iter().map(|hit| (path.clone(), hit)));
        if let Some(identity) = linked {
            self.links.insert(identity, path.clone());
        }
        self.put(path, meta, Node::File(content), *kept, true)
    }

    /// Copies a file as it is at one time, or as it is at the last attempt. What cannot be copied is noted.
    fn copy(&mut self, path: &TreePath, file: &File) -> Result<Option<Copied>, CaptureError> {
        let unreadable = |source: io::Error| CaptureError::Read { path: path.clone(), source };
        for attempt in 1.. {
            let before = fstat(file).map_err(|error| unreadable(error.into()))?;
            if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
                self.report.vanished.push(path.to_string());
                return Ok(None);
            }
            let mut scan = self.scanner.start(path);
            let size = before.st_size.unsigned_abs();
            let content = match self.spool.copy(file, size, has_holes(&before), &mut scan) {
                Ok(content) => content,
                Err(SpoolError::Write(source)) => return Err(self.spool_error(source)),
                Err(SpoolError::Read(error)) if is_gone(&error) => {
                    self.report.vanished.push(path.to_string());
                    return Ok(None);
                }
                Err(SpoolError::Read(error)) => return Err(unreadable(error)),
            };
            let after = fstat(file).map_err(|error| unreadable(error.into()))?;
            if content.size() == size && stamp(&before) == stamp(&after) {
                (self.advance)(size);
                return Ok(Some(Copied { content, hits: scan.finish(), stat: before }));
            }
            if attempt == ATTEMPTS {
                self.report.changed.push(path.to_string());
                (self.advance)(content.size());
                return Ok(Some(Copied { content, hits: scan.finish(), stat: before }));
            }
            self.spool.take_back(&content).map_err(|error| match error {
                SpoolError::Read(source) | SpoolError::Write(source) => self.spool_error(source),
            })?;
        }
        unreachable!("the last attempt is taken")
    }

    /// An account file, without what the presets take out of it.
    fn account_file(&mut self, path: &TreePath, file: &File) -> Result<(), CaptureError> {
        let Some(Copied { content, hits, stat }) = self.copy(path, file)? else { return Ok(()) };
        let unreadable = |source| CaptureError::Read { path: path.clone(), source };
        let mut meta = Meta::new(stat.st_mode & 0o7777);
        (meta.uid, meta.gid, meta.mtime) = (stat.st_uid, stat.st_gid, stat.st_mtime);
        let lock = (self.has_preset)(CapturePreset::Passwords);
        let bytes =
            if content.size() <= LARGEST_ACCOUNT_FILE { content.read().map_err(unreadable)? } else { Vec::new() };
        let edit = self.accounts.edit(path, &bytes, lock);
        if content.size() > LARGEST_ACCOUNT_FILE || (edit.people, edit.hashes) == (0, 0) && edit.bytes == bytes {
            self.report.bytes += content.size();
            self.secrets.extend(hits.into_iter().map(|hit| (path.clone(), hit)));
            return self.put(path, meta, Node::File(content), false, true);
        }
        for (preset, what, count) in [
            (CapturePreset::Users, "accounts and groups of people", edit.people),
            (CapturePreset::Passwords, "password hashes", edit.hashes),
        ] {
            if count > 0 {
                self.report.remove(Cause { preset, what }, path.to_string(), true);
            }
        }
        // What is left is looked at again: a hash in a place that is none is found there.
        let mut scan = self.scanner.start(path);
        scan.feed(&edit.bytes);
        self.secrets.extend(scan.finish().into_iter().map(|hit| (path.clone(), hit)));
        self.replace(path.clone(), meta, Content::bytes(edit.bytes))
    }

    fn replace(&mut self, path: TreePath, meta: Meta, content: Content) -> Result<(), CaptureError> {
        self.report.bytes += content.size();
        self.replaced.push(path.clone());
        self.put(&path, meta, Node::File(content), false, false)
    }

    fn put(&mut self, path: &TreePath, meta: Meta, node: Node, kept: bool, dates: bool) -> Result<(), CaptureError> {
        if dates && meta.mtime <= self.now {
            self.newest = self.newest.max(meta.mtime);
        }
        // Later passes leave alone what was asked for.
        let origin =
            if kept { Origin::Recipe("kept by [from.host]".into()) } else { Origin::Import("this machine".into()) };
        self.tree.insert(path.clone(), Inode { meta, node, origin })?;
        Ok(())
    }

    fn leave_out(&mut self, path: &TreePath, why: &'static str) -> Result<(), CaptureError> {
        self.report.leave_out(path.to_string(), why);
        Ok(())
    }

    /// What cannot be opened: it is gone, it may not be read, or the disk is broken.
    fn absent(&mut self, path: &TreePath, error: Errno) -> Result<(), CaptureError> {
        match error {
            // Another kind of file by now is as good as gone.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::NXIO | Errno::NODEV => {
                self.report.vanished.push(path.to_string());
            }
            error if is_forbidden(error) => self.report.unreadable.push(path.to_string()),
            error => return Err(CaptureError::Read { path: path.clone(), source: error.into() }),
        }
        Ok(())
    }

    fn attributes(&self, file: &File, path: &TreePath) -> Result<Xattrs, CaptureError> {
        let unreadable = |source| CaptureError::Read { path: path.clone(), source };
        let mut xattrs = Xattrs::default();
        let names = match file.list_xattr() {
            Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => return Ok(xattrs),
            names => names.map_err(unreadable)?,
        };
        for name in names.filter(|name| is_kept_attribute(name.as_bytes())) {
            if let Some(value) = file.get_xattr(&name).map_err(unreadable)? {
                xattrs.set(name.as_bytes(), value);
            }
        }
        Ok(xattrs)
    }

    fn spool_error(&self, source: io::Error) -> CaptureError {
        CaptureError::Spool { path: self.spool.path().to_owned(), source }
    }
}

/// Opens a name of a folder for reading, never through a link, and without a trace in its access time where that may be.
pub(super) fn open(folder: impl AsFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&folder, name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only owners may do without.
        Err(Errno::PERM) => openat(&folder, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// The bytes of a small file below an open folder; nothing where there is none.
pub(super) fn read_small(root: &OwnedFd, folder: &CStr, name: &CStr) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        let folder = open(root, folder, OFlags::DIRECTORY)?;
        let file = File::from(open(&folder, name, OFlags::NONBLOCK)?);
        let mut bytes = Vec::new();
        file.take(LARGEST_ACCOUNT_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().unwrap_or_default()
}

/// The device and number of an inode.
pub(super) fn identity(stat: &Statx) -> Identity {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

/// The metadata that an image holds.
pub(super) fn meta(stat: &Statx) -> Meta {
    let mut meta = Meta::new(u32::from(stat.stx_mode) & 0o7777);
    (meta.uid, meta.gid, meta.mtime) = (stat.stx_uid, stat.stx_gid, stat.stx_mtime.tv_sec);
    meta
}
