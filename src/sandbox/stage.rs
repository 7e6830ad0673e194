//! The worker's side of the stage: entries in, entries out. The worker's root directory is the stage by now, so plain
//! paths are safe whatever links the entries make.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, futimens, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use walkdir::WalkDir;
use xattr::FileExt as _;

use super::wire::Frame;
use crate::tree::{Meta, Xattrs};

/// How many milliseconds a tick of the timer can last, generously.
const MOST_TICKS: u32 = 20;

/// Files longer than this are not read as a whole.
const LARGEST_READ: u64 = 64 << 20;

/// The bytes of a regular file of the stage, at most 64 MiB; nothing where there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
        Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST_READ => {
            fs::read(path).map(Some).map_err(at(path))
        }
        Ok(_) => Err(at(path)(io::Error::other("it is no regular file, or larger than 64 MiB"))),
    }
}

/// What the worker knows of its stage.
pub(super) struct Stage {
    /// The host's time when the stage was made: what is not older was written by programs in it.
    began: i64,
    /// How files looked when they were put, by their inode numbers.
    stamps: BTreeMap<u64, Stamp>,
    /// The latest change time of files put since the last [`Stage::seal`].
    latest: Option<Time>,
}

/// Nanoseconds since 1970: one word, because every file has one. Those before 1677 and after 2262 are taken for others.
type Time = i64;

/// How a file looks that nothing has touched. No program can set a change time; a new name leaves another one.
struct Stamp {
    changed: Time,
    /// A hash of its first name, for file systems that do not call a new name a change.
    name: u64,
}

impl Stage {
    /// The stage of a worker whose root directory is new and empty.
    pub(super) fn new() -> io::Result<Self> {
        let began = fs::metadata("/")?.mtime();
        Ok(Self { began, stamps: BTreeMap::new(), latest: None })
    }

    /// Receives entries up to the end mark and puts them into the stage.
    pub(super) fn put(&mut self, input: &mut impl BufRead) -> io::Result<()> {
        loop {
            match Frame::read(input)? {
                Frame::End => return Ok(()),
                Frame::Directory(path, meta) => put_directory(&place(&path), &meta)?,
                Frame::File(path, meta, size) => {
                    let path = place(&path);
                    let put = put_file(&path, &meta, input, size)?;
                    self.note(&put, &path);
                }
                Frame::Symlink(path, meta, target) => {
                    let path = place(&path);
                    clear(&path)?;
                    std::os::unix::fs::symlink(OsStr::from_bytes(&target), &path).map_err(at(&path))?;
                    dress(&path, &meta)?;
                }
                Frame::Special(path, meta, kind, ..) => {
                    let path = place(&path);
                    clear(&path)?;
                    // Devices need privileges that not every door has; no script of a package opens its own.
                    if kind == b'p' {
                        mknod(&path, SFlag::S_IFIFO, Mode::empty(), 0).map_err(|errno| at(&path)(errno.into()))?;
                        dress(&path, &meta)?;
                    }
                }
                Frame::Link(path, target) => {
                    let path = place(&path);
                    clear(&path)?;
                    let target = place(&target);
                    fs::hard_link(&target, &path).map_err(at(&path))?;
                    self.note(&fs::symlink_metadata(&path).map_err(at(&path))?, &target);
                }
                Frame::Unchanged(_) => return Err(io::Error::from(io::ErrorKind::InvalidData)),
            }
        }
    }

    /// Notes how a file looks that has just been put.
    fn note(&mut self, put: &Metadata, path: &Path) {
        let changed = changed(put);
        self.stamps.insert(put.ino(), Stamp { changed, name: hash(path) });
        self.latest = self.latest.max(Some(changed));
    }

    /// Whether a file is as it was put.
    fn is_untouched(&self, found: &Metadata, path: &Path) -> bool {
        let same = |stamp: &&Stamp| stamp.changed == changed(found) && (found.nlink() > 1 || stamp.name == hash(path));
        self.stamps.get(&found.ino()).filter(same).is_some()
    }

    /// Waits until a change of the files put so far will show. Called before a program runs.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        self.latest.take().map_or(Ok(()), wait_beyond)
    }

    /// Sends what is in the stage as it is now, as [`Stage::collect`] does, but for what is in the folders where devices and
    /// the like are.
    pub(super) fn look(&self, time: i64, out: &mut impl Write) -> io::Result<()> {
        let of_sandbox = ["/dev", "/proc", "/sys"].map(Path::new);
        self.send_all(time, |path| !path.parent().is_some_and(|parent| of_sandbox.contains(&parent)), out)
    }

    /// Sends everything in the stage. What programs in it wrote gets the time `time`; directories do too, because their
    /// own time only says when the stage was filled.
    pub(super) fn collect(&self, time: i64, out: &mut impl Write) -> io::Result<()> {
        self.send_all(time, |_| true, out)
    }

    fn send_all(&self, time: i64, is_sent: impl Fn(&Path) -> bool, out: &mut impl Write) -> io::Result<()> {
        let mut links: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
        for entry in WalkDir::new("/").sort_by_file_name().into_iter().filter_entry(|entry| is_sent(entry.path())) {
            let entry = entry?;
            let path = entry.path();
            let metadata = entry.metadata()?;
            let name = path.as_os_str().as_bytes()[1..].to_vec();
            if !metadata.is_dir() && metadata.nlink() > 1 {
                let inode = (metadata.dev(), metadata.ino());
                if let Some(first) = links.get(&inode) {
                    Frame::Link(name, first.clone()).write(out)?;
                    continue;
                }
                links.insert(inode, name.clone());
            }
            self.send(path, name, &metadata, time, out)?;
        }
        Frame::End.write(out)?;
        out.flush()
    }

    fn send(&self, path: &Path, name: Vec<u8>, found: &Metadata, time: i64, out: &mut impl Write) -> io::Result<()> {
        let kind = found.file_type();
        if kind.is_file() && self.is_untouched(found, path) {
            return Frame::Unchanged(name).write(out);
        }
        let mut meta = Meta::new(found.mode() & 0o7777);
        (meta.uid, meta.gid) = (found.uid(), found.gid());
        meta.mtime = if kind.is_dir() || found.mtime() >= self.began { time } else { found.mtime() };
        meta.xattrs = attributes(path)?;
        if kind.is_dir() {
            Frame::Directory(name, meta).write(out)
        } else if kind.is_symlink() {
            Frame::Symlink(name, meta, fs::read_link(path).map_err(at(path))?.into_os_string().into_vec()).write(out)
        } else if kind.is_file() {
            let mut file = File::open(path).map_err(at(path))?;
            Frame::File(name, meta, found.len()).write(out)?;
            let sent = io::copy(&mut (&mut file).take(found.len()), out)?;
            if sent == found.len() { Ok(()) } else { Err(at(path)(io::ErrorKind::UnexpectedEof.into())) }
        } else if kind.is_fifo() {
            Frame::Special(name, meta, b'p', 0, 0).write(out)
        } else if kind.is_char_device() || kind.is_block_device() {
            let letter = if kind.is_char_device() { b'c' } else { b'b' };
            let (major, minor) = (nix::sys::stat::major(found.rdev()), nix::sys::stat::minor(found.rdev()));
            Frame::Special(name, meta, letter, major as u32, minor as u32).write(out)
        } else {
            Ok(()) // a socket, which no image can hold
        }
    }
}

fn place(path: &[u8]) -> PathBuf {
    Path::new("/").join(OsStr::from_bytes(path))
}

/// A directory that is there, or a link to one, stays as it is: dpkg does the same.
fn put_directory(path: &Path, meta: &Meta) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    clear(path)?;
    fs::create_dir(path).map_err(at(path))?;
    dress(path, meta)
}

/// Gives how the file looks afterwards.
fn put_file(path: &Path, meta: &Meta, input: &mut impl BufRead, size: u64) -> io::Result<Metadata> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            clear(path)?;
            create()
        }
        other => other,
    }
    .map_err(at(path))?;
    let mut left = size;
    while left > 0 {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Err(at(path)(io::ErrorKind::UnexpectedEof.into()));
        }
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&bytes[..count]).map_err(at(path))?;
        input.consume(count);
        left -= count as u64;
    }
    dress_file(&file, path, meta)?;
    file.metadata().map_err(at(path))
}

/// Owner first: changing it takes away setuid bits and capabilities.
fn dress_file(file: &File, path: &Path, meta: &Meta) -> io::Result<()> {
    fchown(file, Some(meta.uid), Some(meta.gid)).map_err(at(path))?;
    file.set_permissions(fs::Permissions::from_mode(meta.mode)).map_err(at(path))?;
    for (name, value) in meta.xattrs.iter() {
        file.set_xattr(OsStr::from_bytes(name), value).map_err(at(path))?;
    }
    let time = TimeSpec::new(meta.mtime, 0);
    futimens(file, &time, &time).map_err(|errno| at(path)(errno.into()))
}

/// The same for what cannot be opened, or is a link.
fn dress(path: &Path, meta: &Meta) -> io::Result<()> {
    lchown(path, Some(meta.uid), Some(meta.gid)).map_err(at(path))?;
    let link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if !link {
        fs::set_permissions(path, fs::Permissions::from_mode(meta.mode)).map_err(at(path))?;
    }
    for (name, value) in meta.xattrs.iter() {
        xattr::set(path, OsStr::from_bytes(name), value).map_err(at(path))?;
    }
    let time = TimeSpec::new(meta.mtime, 0);
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).map_err(|errno| at(path)(errno.into()))
}

/// Makes room at `path`.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(path)(error)),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).map_err(at(path)),
        Ok(_) => fs::remove_file(path).map_err(at(path)),
    }
}

fn attributes(path: &Path) -> io::Result<Xattrs> {
    let mut xattrs = Xattrs::default();
    let names = match xattr::list(path) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => return Ok(xattrs),
        other => other.map_err(at(path))?,
    };
    for name in names {
        if let Some(value) = xattr::get(path, &name).map_err(at(path))? {
            xattrs.set(name.as_bytes(), value);
        }
    }
    Ok(xattrs)
}

/// Waits until what is changed gets another change time than this. Change times are those of a clock that advances with the timer
/// tick, every 1 to 10 ms.
fn wait_beyond(latest: Time) -> io::Result<()> {
    // A clock that was set back meanwhile gives other change times too.
    for _ in 0..MOST_TICKS {
        let now = clock_gettime(ClockId::CLOCK_REALTIME_COARSE)?;
        if time(now.tv_sec(), now.tv_nsec()) > latest {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn changed(metadata: &Metadata) -> Time {
    time(metadata.ctime(), metadata.ctime_nsec())
}

fn time(seconds: i64, nanoseconds: i64) -> Time {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

fn hash(path: &Path) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(path)
}

fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = path.to_owned();
    move |source| io::Error::new(source.kind(), Fault { path: path.clone(), source })
}

/// An error and the file of the stage that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct Fault {
    path: PathBuf,
    source: io::Error,
}

/// The system's number of an error of this module; 0 where it has none.
pub(super) fn errno(error: &io::Error) -> i32 {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
    fault.map_or(error, |fault| &fault.source).raw_os_error().unwrap_or(0)
}
