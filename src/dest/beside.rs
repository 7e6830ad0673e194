//! Files that appear whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::DestError;
use super::error::failed;

/// A file being written beside the place where it will be. Dropped without [`Beside::keep`], it leaves nothing behind.
pub struct Beside {
    file: NamedTempFile,
    path: PathBuf,
}

impl Beside {
    /// Starts the file that will be at `path`, in the folder `folder` of the same file system.
    pub fn new_in(folder: &Path, path: &Path) -> Result<Self, DestError> {
        let file = tempfile::Builder::new()
            .prefix(".rootsmith-")
            // As `open` makes files: the umask takes its part.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(failed("write to", folder))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Starts the file that will be at `path`, in its own folder.
    pub fn new(path: &Path) -> Result<Self, DestError> {
        Self::new_in(folder_of(path), path)
    }

    /// The file, for copying from another within the kernel.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Brings the bytes to the disk and the file to its place.
    pub fn keep(self) -> Result<(), DestError> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(failed("write", &path))?;
        file.persist(&path).map_err(|error| failed("write", &path)(error.error))?;
        sync_folder(folder_of(&path))
    }
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
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
