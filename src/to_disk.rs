//! Files that somebody waits for until they are on the disk.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;

use nix::fcntl::{FallocateFlags, fallocate};

/// Sends the bytes of a file to the disk while more are written, so that whoever waits for them at the end (fsync) waits
/// less. What the disk says of them, such as that it failed, is said there.
#[derive(Default)]
pub struct ToDisk {
    written: u64,
    sent: u64,
}

/// How many bytes are sent together.
const AT_ONCE: u64 = 2 << 20;

impl ToDisk {
    /// `count` bytes were written to `file`, after those before.
    pub fn written(&mut self, file: &File, count: u64) {
        self.written += count;
        if self.written - self.sent >= AT_ONCE {
            send(file, self.sent, self.written - self.sent);
            self.sent = self.written;
        }
    }

    /// Copies all of `from`, which was just opened, into the empty file `to`. They share their storage where the file system
    /// can; else there is room for all of it before the first byte is written.
    pub fn copy(&mut self, from: &mut File, to: &mut File) -> io::Result<()> {
        if shares(from, to) {
            return Ok(());
        }
        let room = i64::try_from(from.metadata()?.len()).unwrap_or(i64::MAX);
        // A file system that does not know of that finds room as the bytes come.
        let taken = fallocate(&*to, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, room);
        if let Err(error @ (nix::Error::ENOSPC | nix::Error::EDQUOT | nix::Error::EFBIG)) = taken {
            return Err(error.into());
        }
        loop {
            // Within the kernel, where the two file systems can.
            match io::copy(&mut (&mut *from).take(AT_ONCE), to)? {
                0 => return Ok(()),
                count => self.written(to, count),
            }
        }
    }
}

#[allow(unsafe_code)] // sync_file_range has no safe interface
fn send(file: &File, start: u64, count: u64) {
    let (Ok(start), Ok(count)) = (start.try_into(), count.try_into()) else { return };
    // SAFETY: the file is open; numbers that make no sense are an error.
    unsafe { libc::sync_file_range(file.as_raw_fd(), start, count, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Makes `to` the same as `from`, in the same storage; false where the file system cannot.
#[allow(unsafe_code)] // the nix crate has macros that write such functions, which are as unsafe
fn shares(from: &File, to: &File) -> bool {
    // SAFETY: both are open; ioctl_ficlone(2) has nothing but the two numbers.
    unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) == 0 }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn copies_are_whole() {
        for size in [0, 1, AT_ONCE as usize, 3 * AT_ONCE as usize + 5] {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
            let mut from = tempfile::tempfile().unwrap();
            from.write_all(&bytes).unwrap();
            from.rewind().unwrap();
            let mut to = tempfile::tempfile().unwrap();
            ToDisk::default().copy(&mut from, &mut to).unwrap();
            assert_eq!(to.metadata().unwrap().len(), size as u64);
            let mut found = Vec::new();
            to.rewind().unwrap();
            to.read_to_end(&mut found).unwrap();
            assert!(found == bytes, "{size} bytes");
        }
    }
}
