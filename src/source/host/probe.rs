//! What the system tells of a file, and what a file's first bytes do.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{Dir, FileType, Stat, Statx, fstatfs};
use rustix::io::Errno;

use crate::tree::TreePath;

pub(super) fn names(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

pub(super) fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}

pub(super) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

/// What changes when a file is written to.
pub(super) fn stamp(stat: &Stat) -> (i64, i64, i64, i64, i64) {
    let nanoseconds = |value| i64::try_from(value).unwrap_or(i64::MAX);
    (stat.st_size, stat.st_mtime, nanoseconds(stat.st_mtime_nsec), stat.st_ctime, nanoseconds(stat.st_ctime_nsec))
}

pub(super) fn has_holes(stat: &Stat) -> bool {
    stat.st_blocks.saturating_mul(512) < stat.st_size
}

pub(super) fn is_forbidden(error: Errno) -> bool {
    matches!(error, Errno::ACCESS | Errno::PERM)
}

pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESTALE)
}

/// The signature at the end of a swap area's first page (mkswap(8)), for pages of 4 to 64 KiB.
pub(super) fn is_swap(file: &File, size: u64) -> bool {
    let mut signature = [0; 10];
    let pages = [4096, 8192, 16_384, 65_536].into_iter().filter(|page| size >= 10 * page && size.is_multiple_of(*page));
    pages.into_iter().any(|page| {
        let read = file.read_exact_at(&mut signature, page - 10);
        read.is_ok() && matches!(&signature, b"SWAPSPACE2" | b"SWAP-SPACE")
    })
}

/// A file called `core` or `core.PID` that is an ELF core dump (elf(5), `ET_CORE`).
pub(super) fn is_core(path: &TreePath, file: &File) -> bool {
    let named = path.name() == b"core" || path.name().starts_with(b"core.");
    let mut header = [0; 18];
    named
        && file.read_exact_at(&mut header, 0).is_ok()
        && header.starts_with(b"\x7fELF")
        && (header[16..] == [4, 0] || header[16..] == [0, 4])
}

/// File systems that keep nothing: those of the kernel, and those in memory (statfs(2), `linux/magic.h`).
pub(super) fn is_pseudo(folder: &OwnedFd) -> bool {
    const MAGIC: [u32; 24] = [
        0x0000_9fa0, // proc
        0x6265_6572, // sysfs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x0000_1cd1, // devpts
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0xcafe_4a11, // bpf
        0x6165_676c, // pstore
        0xde5e_81e4, // efivarfs
        0x1980_0202, // mqueue
        0x9584_58f6, // hugetlbfs
        0x6265_6570, // configfs
        0x6573_5543, // fusectl
        0x4249_4e4d, // binfmt_misc
        0x6e73_6673, // nsfs
        0x6759_6969, // rpc_pipefs
        0x0000_0187, // autofs
        0xf97c_ff8c, // selinuxfs
        0x5a4f_4e46, // zonefs
        0x0bad_1dea, // futexfs
    ];
    // The kernel's number is 32 bits wide, whatever the type of the field.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as the kernel compares it")]
    fstatfs(folder).is_ok_and(|stat| MAGIC.contains(&(stat.f_type as u32)))
}
