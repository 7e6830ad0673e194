//! `oci:DIR[:TAG]`: an OCI image layout (OCI image spec, image-layout.md).

use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use oci_spec::image::{Descriptor, MediaType};
use serde_json::{Value, json};

use super::beside::{Beside, is_unfinished, sweep, sync_folder};
use super::error::failed;
use super::{Blob, BlobContent, Contents, DestError, Destination};
use crate::digest::Digest;
use crate::oci::{self, Reference, canonical_json};

/// A folder of blobs with an `index.json` that names images by tag.
///
/// An entry is named by the tag alone, as `skopeo copy IMAGE oci:DIR:TAG` names it. Of several names with one tag the first
/// has it, and the others are there by their full names.
///
/// An image replaces those that had its tags or full names; other entries stay as they are. Blobs that no entry needs any more stay
/// too, as umoci and skopeo leave them (`umoci gc` removes them): another process may be about to name them. Blobs
/// share their storage with the store where the file system can.
pub struct Layout {
    folder: PathBuf,
    names: Vec<Reference>,
    takes: Option<PathBuf>,
    /// Blobs that are written and have no name yet.
    waiting: Vec<Beside>,
    _new: Option<New>,
}

/// A layout that this run made. It goes again where nothing has come into it.
struct New {
    folder: PathBuf,
    /// Whether there was a folder before.
    was_there: bool,
}

/// How many blobs wait for the disk together: each keeps a file open.
const MOST_WAITING: usize = 16;

/// Largest `index.json` in bytes that is read.
const LARGEST_INDEX: u64 = 4 << 20;

impl Layout {
    /// Opens the layout in `folder`, or makes one where there is nothing or an empty folder. The image will have the
    /// tags of `names`.
    pub fn open(folder: &Path, names: &[Reference]) -> Result<Self, DestError> {
        let marker = folder.join("oci-layout");
        // A run that was killed may have left nothing but the folder and an unfinished file.
        let is_left = |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| is_unfinished(&entry.file_name()));
        let (is_empty, was_there) = match fs::read_dir(folder) {
            Ok(mut entries) => (entries.all(is_left), true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (true, false),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(DestError::Occupied { path: folder.to_owned(), instead: "no folder" });
            }
            Err(error) => return Err(failed("open the OCI layout", folder)(error)),
        };
        let blobs = folder.join("blobs/sha256");
        if is_empty {
            // The marker comes first: a folder with anything else and no marker is somebody else's.
            fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
            written(folder, &marker, oci::OCI_LAYOUT)?.keep()?;
        } else {
            check_marker(folder, &marker)?;
        }
        sweep(folder);
        fs::create_dir_all(&blobs).map_err(failed("make the folder", &blobs))?;
        let new = is_empty.then(|| New { folder: folder.to_owned(), was_there });
        Ok(Self { folder: folder.to_owned(), names: names.to_vec(), takes: None, waiting: Vec::new(), _new: new })
    }

    /// Lets it take blobs out of a folder in place of copying them, where nobody needs them there any more.
    pub fn taking_from(self, folder: PathBuf) -> Self {
        Self { takes: Some(folder), ..self }
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    /// It is on the disk under its name before the index that needs it: [`Destination::finish`].
    fn put(&mut self, blob: &Blob) -> Result<(), DestError> {
        let written = self.write(blob)?;
        self.waiting.push(written);
        if self.waiting.len() < MOST_WAITING { Ok(()) } else { self.place() }
    }

    fn write(&self, blob: &Blob) -> Result<Beside, DestError> {
        let path = self.blob_path(&blob.digest);
        match &blob.content {
            BlobContent::Bytes(bytes) => written(&self.folder, &path, bytes),
            BlobContent::File(source) => {
                let takes = self.takes.as_ref().is_some_and(|folder| source.starts_with(folder));
                if takes && let Some(beside) = Beside::take(&self.folder, source, &path) {
                    return Ok(beside);
                }
                let mut source_file = File::open(source).map_err(failed("read", source))?;
                let mut beside = Beside::new_in(&self.folder, &path)?;
                beside.copy(&mut source_file).map_err(failed("write", &path))?;
                Ok(beside)
            }
        }
    }

    /// Waits for the disk until all that was written is there, which takes as long as one file does, and gives it its names.
    fn place(&mut self) -> Result<(), DestError> {
        let waiting = std::mem::take(&mut self.waiting);
        thread::scope(|scope| {
            let threads: Vec<_> = waiting.into_iter().map(|beside| scope.spawn(|| beside.place())).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // None of these goes where anything is in it: this run's image, or what another run began.
        let blobs = self.folder.join("blobs");
        let is_empty = fs::remove_dir(blobs.join("sha256")).and_then(|()| fs::remove_dir(blobs)).is_ok();
        if is_empty && fs::remove_file(self.folder.join("oci-layout")).is_ok() && !self.was_there {
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

impl Destination for Layout {
    fn has(&mut self, digest: &Digest, size: u64) -> Result<bool, DestError> {
        // A blob of the right size under its name was renamed there when it was complete.
        Ok(fs::metadata(self.blob_path(digest)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size))
    }

    fn put_blob(&mut self, blob: &Blob, advance: &dyn Fn(u64)) -> Result<(), DestError> {
        self.put(blob)?;
        advance(blob.size);
        Ok(())
    }

    fn put_manifest(&mut self, manifest: &Blob) -> Result<(), DestError> {
        self.put(manifest)
    }

    fn finish(mut self: Box<Self>, contents: &Contents, _: &dyn Fn(u64)) -> Result<(), DestError> {
        self.place()?;
        let index_path = self.folder.join("index.json");
        // The lock is on the folder, so that it leaves no file in the layout; it ends with the file handle.
        let lock = File::open(&self.folder).map_err(failed("lock", &self.folder))?;
        lock.lock().map_err(failed("lock", &self.folder))?;
        sync_folder(&self.folder.join("blobs/sha256"))?;
        let index = match read_index(&self.folder, &index_path)? {
            Some(index) => index,
            None => json!({ "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "manifests": [] }),
        };
        let index = with_entries(index, &entries(contents, &self.names)).map_err(|problem| self.broken(problem))?;
        written(&self.folder, &index_path, &canonical_json(&index))?.keep()
    }
}

impl Layout {
    fn broken(&self, problem: &str) -> DestError {
        DestError::Layout { path: self.folder.clone(), problem: problem.to_owned() }
    }
}

/// The entries of `index.json` for an image: one for each name, or one without a name; and one for each referrer.
pub(super) fn entries(contents: &Contents, names: &[Reference]) -> Vec<Descriptor> {
    let named = |(at, name): (usize, &Reference)| {
        let mut descriptor = contents.root.clone();
        let mut annotations = descriptor.annotations().clone().unwrap_or_default();
        // Readers take the first entry of a name, or none where there are several.
        let is_taken = names[..at].iter().any(|other| other.tag() == name.tag());
        let short = if is_taken { name.to_string() } else { name.tag().to_owned() };
        annotations.insert(oci::REF_NAME.to_owned(), short);
        annotations.insert(oci::CONTAINERD_NAME.to_owned(), name.to_string());
        descriptor.set_annotations(Some(annotations));
        descriptor
    };
    let own =
        if names.is_empty() { vec![contents.root.clone()] } else { names.iter().enumerate().map(named).collect() };
    own.into_iter().chain(contents.referrers.iter().cloned()).collect()
}

/// Adds `entries` to an `index.json`, in place of those with the same tags, or the same full names in place of tags. What
/// others wrote stays word for word.
fn with_entries(mut index: Value, entries: &[Descriptor]) -> Result<Value, &'static str> {
    const NO_LIST: &str = "its `index.json` has no list of manifests";
    let object = index.as_object_mut().ok_or(NO_LIST)?;
    let manifests = object.get_mut("manifests").and_then(Value::as_array_mut).ok_or(NO_LIST)?;
    for entry in entries {
        let entry = serde_json::to_value(entry).expect("a descriptor has texts as keys");
        let tag = name_of(&entry, oci::REF_NAME);
        let full = name_of(&entry, oci::CONTAINERD_NAME);
        manifests.retain(|other| match name_of(other, oci::REF_NAME) {
            None => tag.is_some() || other["digest"] != entry["digest"],
            other => other != tag && other != full,
        });
        manifests.push(entry);
    }
    Ok(index)
}

fn name_of(entry: &Value, annotation: &str) -> Option<String> {
    entry.get("annotations")?.get(annotation)?.as_str().map(str::to_owned)
}

fn check_marker(folder: &Path, marker: &Path) -> Result<(), DestError> {
    let text = match read_small(marker) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(DestError::Occupied { path: folder.to_owned(), instead: "not an OCI layout" });
        }
        Err(error) => return Err(failed("read", marker)(error)),
    };
    let version = serde_json::from_slice::<Value>(&text).ok();
    let version = version.as_ref().and_then(|value| value.get("imageLayoutVersion")).and_then(Value::as_str);
    if version != Some("1.0.0") {
        let problem = "its `oci-layout` does not say version 1.0.0".to_owned();
        return Err(DestError::Layout { path: folder.to_owned(), problem });
    }
    Ok(())
}

fn read_index(folder: &Path, path: &Path) -> Result<Option<Value>, DestError> {
    let text = match read_small(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let problem = |error| format!("its `index.json` is not JSON: {error}");
    let index = serde_json::from_slice(&text);
    index.map(Some).map_err(|error| DestError::Layout { path: folder.to_owned(), problem: problem(error) })
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() > LARGEST_INDEX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a file of at most 4 MiB"));
    }
    fs::read(path)
}

fn written(folder: &Path, path: &Path, bytes: &[u8]) -> Result<Beside, DestError> {
    let mut beside = Beside::new_in(folder, path)?;
    beside.write_all(bytes).map_err(failed("write", path))?;
    Ok(beside)
}
