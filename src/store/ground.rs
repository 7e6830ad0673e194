//! Where on the disk the stages of a run come to lie.
//!
//! An ext4 without a journal does not use the numbers of removed files again for minutes: for every new file it passes over all
//! of them, one by one, in the part of the disk where the file's folder lies. After a run was removed that costs a run
//! in the same place seconds.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use tempfile::TempDir;

/// As long as making a file may take on good ground. It is some 10 microseconds there, and from 100 on where many were removed.
const QUICK: Duration = Duration::from_micros(60);

/// How many inodes a part of the disk (a block group, 128 MiB) has, unless whoever made the file system chose otherwise.
const INODES_OF_A_GROUP: u64 = 8192;

/// A part where fewer inodes come before a folder's own is taken for a new one. In others, behind some that are free, there may be
/// many that were removed, which the first files do not meet.
const FEW_INODES: u64 = 12;

/// How many places are looked at, before the best of them has to do.
const PLACES: usize = 8;

/// How long it may take altogether, where all places are slow.
const PATIENCE: Duration = Duration::from_millis(100);

/// Makes a folder in `parent`, where files are made quickly, if possible in a new part of the disk; nothing where none can be made.
pub(super) fn folder_in(parent: &Path) -> Option<TempDir> {
    if !spread(parent) {
        return TempDir::new_in(parent).ok();
    }
    // Those that are passed by stay until one is chosen: the next then comes to lie elsewhere.
    let (mut places, begun) = (Vec::new(), Instant::now());
    while places.len() < PLACES && begun.elapsed() < PATIENCE {
        let Ok(folder) = TempDir::new_in(parent) else { break };
        let time = time_of_a_file(folder.path());
        if time <= QUICK && is_first_of_its_group(folder.path()) {
            return Some(folder);
        }
        places.push((time, folder));
    }
    places.into_iter().min_by_key(|(time, _)| *time).map(|(_, folder)| folder)
}

/// Asks ext4 to lay the folders of `parent` out far from each other, as it does with those of the root directory (`chattr +T`);
/// gives whether it will. Other file systems have no such flag.
pub(super) fn spread(parent: &Path) -> bool {
    let Ok(folder) = File::open(parent) else { return false };
    let Ok(flags) = ioctl_getflags(&folder) else { return false };
    flags.contains(IFlags::TOPDIR) || ioctl_setflags(&folder, flags | IFlags::TOPDIR).is_ok()
}

/// Whether what is made in `folder` is among the first of its part of the disk.
fn is_first_of_its_group(folder: &Path) -> bool {
    // Inodes are numbered from 1.
    fs::metadata(folder).is_ok_and(|found| found.ino().wrapping_sub(1) % INODES_OF_A_GROUP < FEW_INODES)
}

/// The longest that making a file takes in folders of `folder`, where nothing else is in its way. They are gone then.
fn time_of_a_file(folder: &Path) -> Duration {
    let time_in = |name: &str| {
        let inner = folder.join(name);
        fs::create_dir(&inner).ok()?;
        let times = ["1", "2", "3"].map(|name| {
            let begun = Instant::now();
            let made = File::create_new(inner.join(name));
            made.map(|_| begun.elapsed()).ok()
        });
        fs::remove_dir_all(&inner).ok()?;
        times.into_iter().flatten().min()
    };
    ["a", "b", "c", "d"].into_iter().filter_map(time_in).max().unwrap_or_default()
}
