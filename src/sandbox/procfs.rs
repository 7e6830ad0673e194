//! `/proc` where nothing can be mounted.
//!
//! A plain chroot has no `/proc`. Scripts want one: Java finds its libraries by `/proc/self/exe`, systemd's programs
//! change files by `/proc/self/fd/N`, shells read `/dev/fd/N`. So the one outside is kept open, as a descriptor that all
//! programs in the stage inherit; the [filter](super::filter) stops calls with paths, and those of `/proc` become calls
//! relative to that descriptor.
//!
//! A program reaches what is about itself and about the programs of the stage, and reads what is about the kernel. The
//! folder itself and the table of mounts are files of the stage: neither tells of the world outside.

#![allow(unsafe_code)] // a descriptor of a chosen number

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{Mode, fstatat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::{Pid, dup2_raw};

use super::tracee::{Arguments, Call, Changed, Outcome, put_bytes, put_words, text_with};

/// The number of the descriptor: high, so that no program has it for another file, and below the limit of the stage.
const KEPT: i32 = 1000;

/// What programs read of the table of mounts (proc_pid_mountinfo(5), fstab(5)): the same as where there are mounts.
const STAND_INS: [(&str, &str); 2] = [
    (
        "self/mountinfo",
        "21 20 0:21 / / rw,relatime - tmpfs stage rw\n\
         22 21 0:22 / /dev rw,nosuid - tmpfs dev rw\n\
         23 22 0:23 / /dev/pts rw,nosuid,noexec - devpts pts rw\n\
         24 21 0:24 / /proc rw,nosuid,nodev,noexec - proc proc rw\n",
    ),
    (
        "self/mounts",
        "stage / tmpfs rw,relatime 0 0\ndev /dev tmpfs rw,nosuid 0 0\npts /dev/pts devpts rw,nosuid,noexec 0 0\n\
         proc /proc proc rw,nosuid,nodev,noexec 0 0\n",
    ),
];

/// Calls with paths that every architecture has.
const CALLS: [libc::c_long; 13] = [
    libc::SYS_execve,
    libc::SYS_statfs,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    // Gives a name to a file that was opened without one; its other path is an ordinary one.
    libc::SYS_linkat,
];

/// Older ones, without a folder's descriptor.
#[cfg(target_arch = "x86_64")]
const OLDER_CALLS: [libc::c_long; 8] = [
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
];
#[cfg(target_arch = "aarch64")]
const OLDER_CALLS: [libc::c_long; 0] = [];

/// Calls with paths, as the filter stops them.
pub(super) fn calls() -> impl Iterator<Item = libc::c_long> {
    CALLS.into_iter().chain(OLDER_CALLS)
}

/// The world's `/proc`, open as long as this lives.
pub(super) struct Procfs {
    kept: OwnedFd,
}

impl Procfs {
    /// Keeps `/proc` of the current root directory open, and puts the files that stand in for it into the current folder,
    /// the future root. Nothing where there is no `/proc`, as in a container that hides it.
    pub(super) fn keep() -> io::Result<Option<Self>> {
        let Ok(folder) = open("/proc", OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()) else { return Ok(None) };
        if !fstatfs(&folder).is_ok_and(|found| found.filesystem_type() == PROC_SUPER_MAGIC) {
            return Ok(None);
        }
        // A duplicate has no close-on-exec flag.
        // SAFETY: nothing else of this process has that number.
        let Ok(kept) = (unsafe { dup2_raw(&folder, KEPT) }) else { return Ok(None) };
        fs::create_dir("proc/self")?;
        for (name, text) in STAND_INS {
            fs::write(Path::new("proc").join(name), text)?;
        }
        std::os::unix::fs::symlink("self/mounts", "proc/mounts")?;
        Ok(Some(Self { kept }))
    }

    /// Takes the stand-ins out of the stage, which is the root directory now.
    pub(super) fn withdraw(&self) -> io::Result<()> {
        fs::remove_file("/proc/mounts")?;
        fs::remove_dir_all("/proc/self")
    }

    /// The descriptor.
    pub(super) fn kept(&self) -> BorrowedFd<'_> {
        self.kept.as_fd()
    }

    /// Deals with one of [`calls`], at which `pid` has stopped. `ours` tells the numbers of the stage's processes.
    pub(super) fn redirect(&self, pid: Pid, call: &mut Call, ours: impl Fn(i32) -> bool) -> nix::Result<Outcome> {
        let Some(relative) = Relative::of(call) else { return Ok(Outcome::Untouched) };
        let Some(path) = text_with(pid, relative.arguments[1], &[b"/proc", b"/dev/"])? else {
            return Ok(Outcome::Untouched);
        };
        let Some(place) = place(&path, ours) else { return Ok(Outcome::Untouched) };
        if call.number() == libc::SYS_statfs {
            return answer_statfs(pid, call);
        }
        let (rest, allowed) = match place {
            Place::Folder => (b".".to_vec(), relative.opens_path),
            Place::Device(rest) => (rest, relative.follows),
            Place::Own(rest) => (rest, true),
            Place::Kernel(rest) => (rest, relative.reads),
        };
        if !allowed || !self.inherited_by(pid) {
            return Ok(Outcome::Untouched);
        }
        let changed = Changed { arguments: call.arguments(), result: None };
        let at = if path.ends_with(&rest) && !rest.is_empty() {
            relative.arguments[1] + (path.len() - rest.len()) as u64
        } else {
            // Below the 128 bytes under the stack that belong to the running function (ABI supplement, "red zone").
            let free = (call.stack() - 256) & !7;
            put_bytes(pid, free, &[&rest[..], &[0]].concat())?;
            free
        };
        let mut arguments = relative.arguments;
        arguments[..2].copy_from_slice(&[KEPT as u64, at]);
        call.turn_into(pid, relative.number, arguments)?;
        Ok(Outcome::Changed(changed))
    }

    /// Whether a process still has the descriptor; some close all that they did not open.
    fn inherited_by(&self, pid: Pid) -> bool {
        let found =
            |path: &str| fstatat(&self.kept, path, AtFlags::empty()).map(|status| (status.st_dev, status.st_ino)).ok();
        let theirs = found(&format!("{pid}/fd/{KEPT}"));
        theirs.is_some() && theirs == found(".")
    }
}

/// Answers `statfs`, which has no relative form: it is a procfs.
fn answer_statfs(pid: Pid, call: &Call) -> nix::Result<Outcome> {
    // struct statfs (asm-generic/statfs.h): type, block size, blocks and files, id, longest name, fragment size.
    let mut words = [0; 15];
    (words[0], words[1], words[8], words[9]) = (PROC_SUPER_MAGIC.0.cast_unsigned(), 4096, 255, 4096);
    put_words(pid, call.arguments()[1], &words)?;
    Ok(Outcome::Answer(0))
}

/// A call with a path as the one that takes a folder's descriptor and a path relative to it.
struct Relative {
    number: libc::c_long,
    arguments: Arguments,
    /// It only reads.
    reads: bool,
    /// It follows a link at the path's end.
    follows: bool,
    /// It opens nothing but the place itself (`O_PATH`).
    opens_path: bool,
}

impl Relative {
    fn of(call: &Call) -> Option<Self> {
        let [first, second, third, fourth, fifth] = call.arguments();
        // Those without a folder get one.
        #[cfg(target_arch = "x86_64")]
        let no_follow = libc::AT_SYMLINK_NOFOLLOW as u64;
        let (number, arguments) = match call.number() {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => (libc::SYS_openat, [0, first, second, third, 0]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat => (libc::SYS_newfstatat, [0, first, second, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat => (libc::SYS_newfstatat, [0, first, second, no_follow, 0]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_access => (libc::SYS_faccessat, [0, first, second, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_readlink => (libc::SYS_readlinkat, [0, first, second, third, 0]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chmod => (libc::SYS_fchmodat, [0, first, second, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown => (libc::SYS_fchownat, [0, first, second, third, 0]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lchown => (libc::SYS_fchownat, [0, first, second, third, no_follow]),
            libc::SYS_execve => (libc::SYS_execveat, [0, first, second, third, 0]),
            libc::SYS_statfs => (libc::SYS_statfs, [0, first, second, 0, 0]),
            number if CALLS.contains(&number) => (number, [first, second, third, fourth, fifth]),
            _ => return None,
        };
        let set = |argument: usize, flag: i32| arguments[argument] & flag as u64 != 0;
        let opens = number == libc::SYS_openat;
        let reads = match number {
            libc::SYS_openat => !set(2, libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC),
            libc::SYS_newfstatat
            | libc::SYS_statx
            | libc::SYS_faccessat
            | libc::SYS_faccessat2
            | libc::SYS_readlinkat => true,
            _ => false,
        };
        let follows = match number {
            libc::SYS_openat => !set(2, libc::O_NOFOLLOW),
            libc::SYS_newfstatat | libc::SYS_utimensat => !set(3, libc::AT_SYMLINK_NOFOLLOW),
            libc::SYS_statx => !set(2, libc::AT_SYMLINK_NOFOLLOW),
            libc::SYS_fchownat => !set(4, libc::AT_SYMLINK_NOFOLLOW),
            libc::SYS_readlinkat => false,
            _ => true,
        };
        Some(Self { number, arguments, reads, follows, opens_path: opens && set(2, libc::O_PATH) })
    }
}

/// Where a path leads that is not the stage's own.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// `/proc` itself.
    Folder,
    /// By a link in `/dev`, to a descriptor of the process.
    Device(Vec<u8>),
    /// What is about a process of the stage.
    Own(Vec<u8>),
    /// What is about the kernel.
    Kernel(Vec<u8>),
}

/// Where an absolute path leads, and the rest of it behind `/proc/`; nothing where it stays in the stage.
fn place(path: &[u8], ours: impl Fn(i32) -> bool) -> Option<Place> {
    if let Some(device) = path.strip_prefix(b"/dev/") {
        let descriptor = match device {
            b"stdin" => &b"/0"[..],
            b"stdout" => b"/1",
            b"stderr" => b"/2",
            _ => device.strip_prefix(b"fd").filter(|rest| rest.first().is_none_or(|byte| *byte == b'/'))?,
        };
        return Some(Place::Device([b"self/fd", descriptor].concat()));
    }
    let rest = path.strip_prefix(b"/proc").filter(|rest| rest.first().is_none_or(|byte| *byte == b'/'))?;
    let rest = &rest[rest.iter().take_while(|byte| **byte == b'/').count()..];
    if rest.is_empty() {
        return Some(Place::Folder);
    }
    if rest == b"mounts" || STAND_INS.iter().any(|(name, _)| name.as_bytes() == rest) {
        return None;
    }
    let first = rest.split(|byte| *byte == b'/').next().unwrap_or(rest);
    let number = std::str::from_utf8(first).ok().and_then(|text| text.parse().ok());
    match number {
        Some(number) => ours(number).then(|| Place::Own(rest.to_vec())),
        None if matches!(first, b"self" | b"thread-self") => Some(Place::Own(rest.to_vec())),
        None if matches!(first, b"." | b"..") => None,
        None => Some(Place::Kernel(rest.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<Place> {
        place(path.as_bytes(), |number| number == 7)
    }

    #[test]
    fn what_is_about_a_process_of_the_stage() {
        assert_eq!(found("/proc/self/exe"), Some(Place::Own(b"self/exe".to_vec())));
        assert_eq!(found("/proc//thread-self/fd/3"), Some(Place::Own(b"thread-self/fd/3".to_vec())));
        assert_eq!(found("/proc/7/status"), Some(Place::Own(b"7/status".to_vec())));
        assert_eq!(found("/proc/8/status"), None, "a process outside");
    }

    #[test]
    fn what_is_about_the_kernel() {
        assert_eq!(found("/proc/sys/kernel/ostype"), Some(Place::Kernel(b"sys/kernel/ostype".to_vec())));
        assert_eq!(found("/proc/"), Some(Place::Folder));
        assert_eq!(found("/proc"), Some(Place::Folder));
    }

    #[test]
    fn files_of_the_stage_stay_its_own() {
        for path in [
            "/proc/mounts",
            "/proc/self/mountinfo",
            "/proc/self/mounts",
            "/processes",
            "/proc/.",
            "/etc/proc",
            "/dev/null",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn descriptors_by_their_links_in_dev() {
        assert_eq!(found("/dev/fd/63"), Some(Place::Device(b"self/fd/63".to_vec())));
        assert_eq!(found("/dev/stdin"), Some(Place::Device(b"self/fd/0".to_vec())));
        assert_eq!(found("/dev/fdx"), None);
    }
}
