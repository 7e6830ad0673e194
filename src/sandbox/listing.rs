//! The order in which programs read directories.
//!
//! Each file system has its own: that of their making, or that of hashes with a seed which every ext4 has for itself. What
//! scripts write follows from it where they go through files by `find`. So getdents64(2) stops for the
//! [tracer](super::tracer), which reads the directory itself and gives its entries in the order of a hash of their names.
//!
//! The position of an open directory is that of the last entry given, so that nothing has to be remembered from one call to
//! the next, entries that come and go meanwhile do not move others, and programs can go back to where they were. The call
//! becomes the lseek(2) that sets it.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::Pid;

use super::tracee::{Call, Changed, Outcome, put_at_once};

/// The world's `/proc`, or the stage's: descriptors of programs are found there. Nothing where there is none.
pub(super) fn proc() -> Option<OwnedFd> {
    let folder = open("/proc", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    fstatfs(&folder).is_ok_and(|found| found.filesystem_type() == PROC_SUPER_MAGIC).then_some(folder)
}

/// Deals with getdents64, at which `pid` has stopped. It runs as it is where the directory cannot be looked at, and where
/// it is of `/proc` itself.
pub(super) fn read(proc: impl AsFd, pid: Pid, call: &mut Call) -> nix::Result<Outcome> {
    let [descriptor, at, room, ..] = call.arguments();
    let (proc, number) = (proc.as_fd(), descriptor as u32);
    let Some(position) = standing(proc, pid, number) else { return Ok(Outcome::Untouched) };
    if position == END {
        return Ok(Outcome::Answer(0));
    }
    let Some(mut folder) = again(proc, pid, number) else { return Ok(Outcome::Untouched) };
    let Ok(entries) = folder.iter().map(|entry| entry.map(|entry| Entry::of(&entry))).collect() else {
        return Ok(Outcome::Untouched);
    };
    let (bytes, last) = match chunk(entries, position, room) {
        Chunk::End => return Ok(Outcome::Answer(0)),
        Chunk::NoRoom => return Ok(Outcome::Answer(-(Errno::EINVAL as i64))),
        Chunk::Entries(bytes, last) => (bytes, last),
    };
    if let Err(error) = put_at_once(pid, at, &bytes) {
        return Ok(Outcome::Answer(-(error as i64)));
    }
    let changed = Changed { arguments: call.arguments(), result: Some(bytes.len() as i64) };
    call.turn_into(pid, libc::SYS_lseek, [descriptor, last, libc::SEEK_SET as u64, 0, 0])?;
    Ok(Outcome::Changed(changed))
}

/// Where an open file of a program stands; nothing where it is no open file, but only a place (`O_PATH`).
fn standing(proc: BorrowedFd<'_>, pid: Pid, descriptor: u32) -> Option<u64> {
    let info = openat(proc, format!("{pid}/fdinfo/{descriptor}").as_str(), OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::new();
    std::fs::File::from(info).read_to_string(&mut text).ok()?;
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = i32::from_str_radix(field("flags:")?, 8).ok()?;
    field("pos:")?.parse().ok().filter(|_| flags & libc::O_PATH == 0)
}

/// An open directory of a program, opened once more. Those of `/proc` itself are not.
fn again(proc: BorrowedFd<'_>, pid: Pid, descriptor: u32) -> Option<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let folder = openat(proc, format!("{pid}/fd/{descriptor}").as_str(), flags, Mode::empty()).ok()?;
    let is_proc = fstatfs(&folder).ok()?.filesystem_type() == PROC_SUPER_MAGIC;
    if is_proc { None } else { Dir::from_fd(folder).ok() }
}

/// Where a directory stands when all of it has been given.
const END: u64 = (1 << 31) - 1;

/// An entry of a directory; entries are ordered as they are given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    position: u64,
    name: Vec<u8>,
    inode: u64,
    kind: u8,
}

impl Entry {
    fn of(entry: &nix::dir::Entry) -> Self {
        let name = entry.file_name().to_bytes().to_vec();
        let kind = match entry.file_type() {
            None => libc::DT_UNKNOWN,
            Some(Type::Fifo) => libc::DT_FIFO,
            Some(Type::CharacterDevice) => libc::DT_CHR,
            Some(Type::Directory) => libc::DT_DIR,
            Some(Type::BlockDevice) => libc::DT_BLK,
            Some(Type::File) => libc::DT_REG,
            Some(Type::Symlink) => libc::DT_LNK,
            Some(Type::Socket) => libc::DT_SOCK,
        };
        Self { position: position(&name), name, inode: entry.ino(), kind }
    }

    /// Bytes of a `struct linux_dirent64` (getdents64(2)), which ends at a multiple of eight.
    fn size(&self) -> usize {
        (19 + self.name.len() + 1).next_multiple_of(8)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len() + self.size();
        bytes.extend_from_slice(&self.inode.to_ne_bytes());
        bytes.extend_from_slice(&self.position.to_ne_bytes());
        bytes.extend_from_slice(&u16::try_from(self.size()).expect("names are short").to_ne_bytes());
        bytes.push(self.kind);
        bytes.extend_from_slice(&self.name);
        bytes.resize(end, 0);
    }
}

/// The position of an entry: above 0, where a directory that was just opened stands, and below [`END`], which every file
/// system takes. The hash is FNV-1a of 64 bits (draft-eastlake-fnv).
fn position(name: &[u8]) -> u64 {
    match name {
        b"." => 1,
        b".." => 2,
        _ => {
            let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            3 + (name.iter().fold(0xcbf2_9ce4_8422_2325, mix) >> 34)
        }
    }
}

/// What one call gives.
#[derive(Debug, PartialEq, Eq)]
enum Chunk {
    /// The bytes of entries, and where the directory stands then.
    Entries(Vec<u8>, u64),
    /// There are no more.
    End,
    /// The next does not fit.
    NoRoom,
}

/// The entries behind a position, as many as there is room for. Those of one position stay together.
fn chunk(mut entries: Vec<Entry>, position: u64, room: u64) -> Chunk {
    entries.retain(|entry| entry.position > position);
    entries.sort_unstable();
    let (mut bytes, mut last) = (Vec::new(), None);
    for group in entries.chunk_by(|one, other| one.position == other.position) {
        let size: usize = group.iter().map(Entry::size).sum();
        if (bytes.len() + size) as u64 > room {
            return last.map_or(Chunk::NoRoom, |last| Chunk::Entries(bytes, last));
        }
        group.iter().for_each(|entry| entry.write(&mut bytes));
        last = Some(group[0].position);
    }
    if bytes.is_empty() { Chunk::End } else { Chunk::Entries(bytes, END) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry { position: position(name.as_bytes()), name: name.into(), inode: 7, kind: libc::DT_REG }
    }

    /// The names in the bytes of a chunk.
    fn names(mut bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        while !bytes.is_empty() {
            let size = usize::from(u16::from_ne_bytes([bytes[16], bytes[17]]));
            let name = bytes[19..size].split(|byte| *byte == 0).next().unwrap();
            names.push(String::from_utf8(name.to_vec()).unwrap());
            bytes = &bytes[size..];
        }
        names
    }

    /// What a program reads, with so much room for each call.
    fn all(entries: &[Entry], room: u64) -> Vec<String> {
        let (mut position, mut found) = (0, Vec::new());
        while let Chunk::Entries(bytes, last) = chunk(entries.to_vec(), position, room) {
            assert!(last > position && bytes.len() as u64 <= room && bytes.len().is_multiple_of(8));
            found.extend(names(&bytes));
            position = last;
        }
        assert_eq!(chunk(entries.to_vec(), position, room), Chunk::End);
        found
    }

    #[test]
    fn entries_have_one_order_however_they_are_read() {
        let mut entries: Vec<Entry> = (0..2000).map(|number| entry(&format!("file {number}"))).collect();
        entries.extend([entry("."), entry("..")]);
        let order = all(&entries, 1 << 20);
        assert_eq!(order[..2], [".", ".."]);
        assert_eq!(order.len(), entries.len());
        entries.reverse();
        for room in [64, 1000, 32768] {
            assert_eq!(all(&entries, room), order, "{room}");
        }
    }

    #[test]
    fn entries_of_one_position_stay_together() {
        let same = |name: &str| Entry { position: 9, ..entry(name) };
        let entries = [same("b"), same("a"), Entry { position: 5, ..entry("c") }];
        // Each takes 24 bytes.
        assert_eq!(all(&entries, 48), ["c", "a", "b"]);
        assert_eq!(chunk(entries.to_vec(), 5, 47), Chunk::NoRoom);
        let Chunk::Entries(bytes, last) = chunk(entries.to_vec(), 0, 47) else { panic!("there is room for one") };
        assert_eq!((names(&bytes), last), (vec!["c".to_owned()], 5));
    }
}
