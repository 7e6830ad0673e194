//! Removing what is in a stage.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::{fs, thread};

use walkdir::WalkDir;

/// Removals at a time. They wait for the disk, not for a processor.
const AT_ONCE: usize = 8;

/// How far below the stage's root its folders are parts that are removed by themselves.
const DEPTH: usize = 3;

/// Folders at the stage's root on which something of the host may be mounted.
const MOUNTED: [&str; 4] = ["dev", "proc", "run", "sys"];

/// Removes most of what is below `stage`, whatever of it can be, following no link and entering no other file system. A file
/// system that is mounted with `discard` tells the disk of every folder that goes, and waits: a thousand folders take
/// seconds one after another.
pub(super) fn clear(stage: &Path) {
    let own = WalkDir::new(stage)
        .min_depth(1)
        .max_depth(DEPTH)
        .same_file_system(true)
        .into_iter()
        .filter_entry(|entry| entry.depth() > 1 || !MOUNTED.iter().any(|name| entry.file_name() == *name));
    let parts =
        Mutex::new(own.filter_map(Result::ok).filter(|part| part.depth() == DEPTH && part.file_type().is_dir()));
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(part) = next() {
                    // Whoever removes the stage finds what is left.
                    let _ = fs::remove_dir_all(part.path());
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_folders_go_and_nothing_that_links_and_mounts_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let (stage, outside) = (folder.path().join("stage"), folder.path().join("outside"));
        fs::create_dir_all(outside.join("a/b/c/d")).unwrap();
        for deep in ["usr/share/doc/one/two", "usr/share/man", "usr/lib", "var/lib/dpkg/info", "run/secrets/x/y"] {
            fs::create_dir_all(stage.join(deep)).unwrap();
            fs::write(stage.join(deep).join("file"), "text").unwrap();
        }
        for link in ["usr/share/link", "usr/share/doc/link", "link", "usr/link"] {
            std::os::unix::fs::symlink(&outside, stage.join(link)).unwrap();
        }
        clear(&stage);
        assert!(outside.join("a/b/c/d").is_dir());
        assert!(stage.join("run/secrets/x/y/file").exists());
        for gone in ["usr/share/doc", "usr/share/man", "var/lib/dpkg"] {
            assert!(!stage.join(gone).exists(), "{gone}");
        }
        fs::remove_dir_all(&stage).unwrap();
    }
}
