//! `oci-archive:FILE` and `docker-archive:FILE`: one tar that every engine loads, with its name.
//!
//! It is an OCI layout with Docker's `manifest.json` beside `index.json`, as `docker save` writes. Engines that know OCI
//! (podman, skopeo, containerd) keep the digests; Docker's classic store reads `manifest.json`. OCI readers want exactly
//! one entry in `index.json`, so further names are in `manifest.json` alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::beside::Beside;
use super::error::failed;
use super::layout::entries;
use super::{Blob, BlobContent, Contents, DestError, Destination, ImageFiles};
use crate::archive::TarWriter;
use crate::digest::Digest;
use crate::oci::{self, Reference, canonical_json};
use crate::tree::Meta;

/// An archive file that `docker load`, `podman load`, `skopeo copy` and `ctr images import` take.
pub struct ArchiveFile {
    file: Beside,
    members: Members,
    names: Vec<Reference>,
}

impl ArchiveFile {
    /// Starts the archive at `path`. The image will be called `names`, the first of which counts most.
    pub fn create(path: &Path, names: &[Reference]) -> Result<Self, DestError> {
        if names.is_empty() {
            return Err(DestError::NoName { destination: "an archive" });
        }
        Ok(Self { file: Beside::new(path)?, members: Members::default(), names: names.to_vec() })
    }
}

impl Destination for ArchiveFile {
    fn has(&mut self, _: &Digest, _: u64) -> Result<bool, DestError> {
        Ok(false)
    }

    fn put_blob(&mut self, blob: &Blob, _: &dyn Fn(u64)) -> Result<(), DestError> {
        self.members.put(blob);
        Ok(())
    }

    fn put_manifest(&mut self, manifest: &Blob) -> Result<(), DestError> {
        self.members.put(manifest);
        Ok(())
    }

    fn finish(self: Box<Self>, contents: &Contents, advance: &dyn Fn(u64)) -> Result<(), DestError> {
        let Self { mut file, members, names } = *self;
        let path = file.path().to_owned();
        let mut output = BufWriter::with_capacity(1 << 17, &mut file);
        members.write(contents, &names, &mut output, advance).map_err(failed("write", &path))?;
        output.flush().map_err(failed("write", &path))?;
        drop(output);
        file.keep()
    }
}

/// The blobs of an image on their way into an archive.
#[derive(Default)]
pub(super) struct Members(BTreeMap<Digest, Blob>);

impl Members {
    /// Takes a blob; nothing is written yet, as names and documents have to come first.
    pub fn put(&mut self, blob: &Blob) {
        self.0.insert(blob.digest, blob.clone());
    }

    /// Writes the archive: the small members first, because some readers look for each from the start.
    pub fn write<W: Write>(
        &self,
        contents: &Contents,
        names: &[Reference],
        output: W,
        advance: &dyn Fn(u64),
    ) -> io::Result<()> {
        let (file, folder) = (Meta::new(0o644), Meta::new(0o755));
        let mut tar = TarWriter::new(output);
        let index = canonical_json(&json!({
            "schemaVersion": 2,
            "mediaType": oci_spec::image::MediaType::ImageIndex,
            "manifests": &entries(contents, &names[..names.len().min(1)]),
        }));
        let manifest = canonical_json(&docker_manifest(contents, names));
        for (name, bytes) in [("oci-layout", oci::OCI_LAYOUT), ("index.json", &index), ("manifest.json", &manifest)] {
            tar.file(name, &file, bytes.len() as u64, bytes)?;
        }
        tar.directory("blobs/", &folder)?;
        tar.directory("blobs/sha256/", &folder)?;
        let mut blobs: Vec<&Blob> = self.0.values().collect();
        blobs.sort_by_key(|blob| (matches!(blob.content, BlobContent::File(_)), blob.size, blob.digest));
        for blob in blobs {
            let name = blob_name(&blob.digest);
            match &blob.content {
                BlobContent::Bytes(bytes) => tar.file(&name, &file, blob.size, &bytes[..])?,
                BlobContent::File(path) => {
                    tar.file(&name, &file, blob.size, File::open(path)?)?;
                    advance(blob.size);
                }
            }
        }
        tar.finish().map(drop)
    }
}

/// Docker's `manifest.json` (moby, image/spec). It cannot name an index, so of several platforms only the first has the
/// names.
fn docker_manifest(contents: &Contents, names: &[Reference]) -> Value {
    let entry = |(number, image): (usize, &ImageFiles)| {
        let tags: Vec<String> = names.iter().filter(|_| number == 0).map(Reference::familiar).collect();
        let layers: Vec<String> = image.layers.iter().map(blob_name).collect();
        json!({ "Config": blob_name(&image.config), "RepoTags": tags, "Layers": layers })
    };
    contents.images.iter().enumerate().map(entry).collect()
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
