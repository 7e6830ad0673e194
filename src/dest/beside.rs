//! Files that appear whole or not at all.
//!
//! They are written beside their place, under names that begin with [`PREFIX`], and renamed. A run that is killed leaves
//! such a file behind; the next one that writes to the same place removes it. Whoever writes one holds its lock (flock),
//! which ends with the process however that ends: what nobody holds is nobody's.
//!
//! A place that is no file (a pipe, a device, the standard output) stays what it is, and gets the bytes as they come.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use super::DestError;
use super::error::failed;
use crate::interrupt::{self, Registration};
use crate::to_disk::ToDisk;

/// How the names of unfinished files and folders begin.
pub const PREFIX: &str = ".rootsmith-unfinished-";

/// Where what is written to the standard output goes.
pub const STANDARD_OUTPUT: &str = "/dev/stdout";

/// A file being written beside the place where it will be. Dropped without [`Beside::keep`], it leaves nothing behind.
pub struct Beside {
    output: Output,
    path: PathBuf,
}

enum Output {
    /// A file that takes the place of what is at the path.
    Unfinished { file: NamedTempFile, to_disk: ToDisk, _undo: Registration },
    /// What is at the path and cannot be replaced.
    Passage(File),
}

impl Beside {
    /// Starts the file that will be at `path`, in the folder `folder` of the same file system.
    pub fn new_in(folder: &Path, path: &Path) -> Result<Self, DestError> {
        let file = loop {
            let file = tempfile::Builder::new()
                .prefix(PREFIX)
                // As `open` makes files: the umask takes its part.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(folder)
                .map_err(failed("write to", folder))?;
            if hold(file.as_file(), file.path()) {
                break file;
            }
        };
        let unfinished = file.path().to_owned();
        let undo = interrupt::on_interrupt(move || drop(fs::remove_file(unfinished)));
        Ok(Self { output: Output::Unfinished { file, to_disk: ToDisk::default(), _undo: undo }, path: path.to_owned() })
    }

    /// Takes the whole file `from`, which will be at `path`, in place of copying it. Nothing where that cannot be, as between
    /// file systems; then it stays where it is.
    pub fn take(folder: &Path, from: &Path, path: &Path) -> Option<Self> {
        let mut beside = Self::new_in(folder, path).ok()?;
        let mode = beside.file().metadata().ok()?.permissions();
        let file = File::open(from).ok()?;
        if !hold(&file, from) {
            return None;
        }
        file.set_permissions(mode).ok()?;
        fs::rename(from, beside.path()).ok()?;
        *beside.file() = file;
        Some(beside)
    }

    /// Starts the file that will be at `path`, in its own folder. That is made where it is missing, and unfinished files of
    /// killed runs go from it. A link is followed. Of a pipe, this waits for the reader.
    pub fn new(path: &Path) -> Result<Self, DestError> {
        if is_passage(path) {
            let passage = match path.to_str() {
                // Opened anew, a file that the shell appends to would be written from its start.
                Some(STANDARD_OUTPUT) => io::stdout().as_fd().try_clone_to_owned().map(File::from),
                _ => File::options().write(true).open(path),
            };
            let passage = passage.map_err(failed("write to", path))?;
            return Ok(Self { output: Output::Passage(passage), path: path.to_owned() });
        }
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = folder_of(&path);
        fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        sweep(folder);
        Self::new_in(folder, &path)
    }

    fn file(&mut self) -> &mut File {
        match &mut self.output {
            Output::Unfinished { file, .. } => file.as_file_mut(),
            Output::Passage(passage) => passage,
        }
    }

    /// Writes all of the file `from`: as a share of its storage, or copied within the kernel, where the file systems can.
    pub fn copy(&mut self, from: &mut File) -> io::Result<()> {
        match &mut self.output {
            Output::Unfinished { file, to_disk, .. } => to_disk.copy(from, file.as_file_mut()),
            Output::Passage(passage) => io::copy(from, passage).map(drop),
        }
    }

    /// Whether the bytes go to a pipe or device, from first to last.
    pub fn is_passage(&self) -> bool {
        matches!(self.output, Output::Passage(_))
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        match &self.output {
            Output::Unfinished { file, .. } => file.path(),
            Output::Passage(_) => &self.path,
        }
    }

    /// Brings the bytes to the disk and the file to its place.
    pub fn keep(self) -> Result<(), DestError> {
        let path = self.path.clone();
        let is_passage = self.is_passage();
        self.place()?;
        if is_passage { Ok(()) } else { sync_folder(folder_of(&path)) }
    }

    /// As [`keep`](Self::keep), for one of several files of a folder that is brought to the disk after them.
    pub fn place(self) -> Result<(), DestError> {
        let Output::Unfinished { file, _undo, .. } = self.output else { return Ok(()) };
        file.as_file().sync_all().map_err(failed("write", &self.path))?;
        file.persist(&self.path).map(drop).map_err(|error| failed("write", &self.path)(error.error))
    }
}

/// A folder being filled beside the place where it, or something in it, will be. Dropping it removes it.
pub struct FolderBeside {
    folder: TempDir,
    _lock: File,
    _undo: Registration,
}

impl FolderBeside {
    /// Makes the folder in `parent`, from which unfinished ones of killed runs go. Only the caller may enter it.
    pub fn new_in(parent: &Path) -> Result<Self, DestError> {
        sweep(parent);
        loop {
            let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
            let folder = made.map_err(failed("write to", parent))?;
            let Ok(lock) = File::open(folder.path()) else { continue };
            if hold(&lock, folder.path()) {
                let unfinished = folder.path().to_owned();
                let undo = interrupt::on_interrupt(move || drop(fs::remove_dir_all(unfinished)));
                return Ok(Self { folder, _lock: lock, _undo: undo });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes from `folder` what killed runs left there unfinished. What cannot be removed stays; it is in nobody's way.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_unfinished(&entry.file_name())) {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Some(file) = File::open(&path).ok().filter(|_| is_folder || is_file) else { continue };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::debug!("cannot remove what is left of an earlier run, `{}`: {error}", path.display());
            }
        }
    }
}

/// Whether a file of this name is one that is not finished.
pub fn is_unfinished(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Locks a new file; false where somebody took it for one that was left behind and removed it in between. File systems
/// without locks have no such somebody.
fn hold(file: &File, path: &Path) -> bool {
    file.lock().is_err() || is_at(file, path)
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.output {
            Output::Unfinished { file, to_disk, .. } => {
                let count = file.as_file_mut().write(bytes)?;
                to_disk.written(file.as_file(), count as u64);
                Ok(count)
            }
            Output::Passage(passage) => passage.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

/// Whether what is at `path` takes bytes but cannot be replaced: a pipe, a device, or what this process has open.
fn is_passage(path: &Path) -> bool {
    let is_open = path == Path::new(STANDARD_OUTPUT)
        || ["/dev/stderr", "/dev/fd", "/proc"].iter().any(|opened| path.starts_with(opened));
    is_open || fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Brings the names in `folder` to the disk.
pub fn sync_folder(folder: &Path) -> Result<(), DestError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write to", folder))
}

/// The folder that `path` is in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_and_pipes_stay_pipes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("elsewhere/file"), "before").unwrap();
        std::os::unix::fs::symlink("elsewhere/file", at("link")).unwrap();
        let mut beside = Beside::new(&at("link")).unwrap();
        beside.write_all(b"after").unwrap();
        beside.keep().unwrap();
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::read(at("elsewhere/file")).unwrap(), b"after");

        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let pipe = at("pipe");
        let reader = std::thread::spawn(move || fs::read(pipe));
        let mut beside = Beside::new(&at("pipe")).unwrap();
        beside.write_all(b"whole").unwrap();
        beside.keep().unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), b"whole");
        assert!(!fs::metadata(at("pipe")).unwrap().is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing unfinished is left");
    }

    #[test]
    fn what_nobody_holds_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!("{PREFIX}abc123"));
        fs::write(&left, "half").unwrap();
        let left_folder = folder.path().join(format!("{PREFIX}def456"));
        fs::create_dir_all(left_folder.join("rootfs/etc")).unwrap();
        fs::write(folder.path().join(".rootsmith-config"), "not ours").unwrap();
        let held = Beside::new(&folder.path().join("one")).unwrap();
        let held_folder = FolderBeside::new_in(folder.path()).unwrap();
        assert!(!left.exists() && !left_folder.exists());
        assert!(held.path().exists() && held_folder.path().exists(), "these are in use");
        held.keep().unwrap();
        drop(held_folder);
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".rootsmith-config", "one"]);
    }
}
