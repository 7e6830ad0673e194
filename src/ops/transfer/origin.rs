//! Where manifests and blobs are taken from.

use std::sync::Arc;

use oci_spec::image::Descriptor;

use crate::digest::Digest;
use crate::error::Error;
use crate::image::{Artifact, Collection, OpenError};
use crate::oci::{self, Reference, Repository};
use crate::registry::{self, At, Bytes, Client, Document, LARGEST_MANIFEST, Registry, RegistryError};
use crate::store::{Store, StoreError};
use crate::tree::Content;

/// A place that has manifests and blobs.
pub(super) trait Origin: Sync {
    /// What it is called in messages.
    fn name(&self) -> String;

    /// The bytes of a manifest or index, checked.
    fn document(&self, descriptor: &Descriptor) -> Result<Document, Error>;

    /// What refers to a manifest.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error>;

    /// The manifest that has a tag of its own beside the image `subject`.
    fn tagged(&self, subject: &Digest, tag: &str) -> Result<Option<Descriptor>, Error> {
        let _ = (subject, tag);
        Ok(None)
    }

    /// A blob. Whoever sends it to a registry need not have it checked before, as the registry does that.
    fn content(&self, blob: &Descriptor, store: &Store, checked: bool, on_bytes: &dyn Fn(u64)) -> Result<Bytes, Error>;

    /// The repository that it is, out of which a registry can mount.
    fn repository(&self) -> Option<&Repository> {
        None
    }
}

/// An open source.
pub(super) struct Opened<'a> {
    pub origin: Box<dyn Origin + 'a>,
    /// What is meant in it.
    pub root: Descriptor,
    /// What it is called there.
    pub name: Option<Reference>,
}

/// What was just built; its layers are in the store.
pub(super) struct Built<'a>(pub &'a Artifact);

/// A layout or archive.
pub(super) struct Files {
    pub name: String,
    pub collection: Collection,
    pub entries: Vec<Descriptor>,
}

/// A repository of a registry.
pub(super) struct Pulled<'a> {
    pub client: &'a Client,
    pub repository: Repository,
}

/// The bytes of an image's configuration.
pub(super) fn read_config(origin: &dyn Origin, config: &Descriptor, store: &Store) -> Result<Vec<u8>, Error> {
    if config.size() > LARGEST_MANIFEST {
        let (what, name) = ("configuration", origin.name());
        return Err(RegistryError::TooLarge { what, name, limit: LARGEST_MANIFEST }.into());
    }
    Ok(match origin.content(config, store, true, &|_| {})? {
        Bytes::Memory(bytes) => bytes.to_vec(),
        Bytes::File(path) => {
            std::fs::read(&path).map_err(|source| RegistryError::File { path: path.to_path_buf(), source })?
        }
    })
}

fn document(descriptor: &Descriptor, digest: Digest, bytes: Arc<[u8]>) -> Document {
    Document { media_type: descriptor.media_type().to_string(), digest, bytes }
}

fn absent(name: &str, digest: &Digest) -> Error {
    RegistryError::Absent { name: format!("{name}@{digest}") }.into()
}

impl Origin for Built<'_> {
    fn name(&self) -> String {
        "the image".to_owned()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document, Error> {
        let digest = oci::descriptor_digest(descriptor)?;
        let manifests = self.0.images().iter().map(|image| (image.manifest.digest(), image.manifest.bytes()));
        let index = match self.0 {
            Artifact::Index(index) => Some((index.index.digest(), index.index.bytes())),
            Artifact::Image(_) => None,
        };
        let found = manifests.chain(index).find(|(known, _)| *known == digest);
        let (_, bytes) = found.ok_or_else(|| absent(&self.name(), &digest))?;
        Ok(document(descriptor, digest, Arc::clone(bytes)))
    }

    fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>, Error> {
        Ok(Vec::new())
    }

    fn content(&self, blob: &Descriptor, _: &Store, _: bool, _: &dyn Fn(u64)) -> Result<Bytes, Error> {
        let digest = oci::descriptor_digest(blob)?;
        let images = self.0.images();
        let config = images.iter().find(|image| image.config.digest() == digest);
        let config = config.map(|image| Bytes::Memory(Arc::clone(image.config.bytes())));
        let layer = images.iter().flat_map(|image| &image.layers).find(|layer| layer.digest == digest);
        let layer = layer.map(|layer| Bytes::File(layer.path.clone()));
        config.or(layer).ok_or_else(|| absent(&self.name(), &digest))
    }
}

impl Files {
    fn failed(&self) -> impl Fn(OpenError) -> Error {
        let path = self.name.clone();
        move |source| Error::Open { path: path.clone(), source }
    }
}

impl Origin for Files {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document, Error> {
        let bytes = self.collection.document(descriptor).map_err(self.failed())?;
        Ok(document(descriptor, oci::descriptor_digest(descriptor)?, bytes.into()))
    }

    /// Entries of `index.json` whose subject it is, and those of an index at the tag that stands for such a list.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let tag = format!("sha256-{}", subject.hex());
        let mut found = Vec::new();
        for entry in &self.entries {
            let bytes = self.collection.document(entry).map_err(self.failed())?;
            let fields: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if fields["subject"]["digest"] == subject.to_string() {
                found.push(entry.clone());
            }
            let annotations = entry.annotations().as_ref();
            if annotations.and_then(|annotations| annotations.get(oci::REF_NAME)) == Some(&tag) {
                let listed: Vec<Descriptor> = serde_json::from_value(fields["manifests"].clone()).unwrap_or_default();
                found.extend(listed);
            }
        }
        Ok(found)
    }

    fn tagged(&self, _: &Digest, tag: &str) -> Result<Option<Descriptor>, Error> {
        let name = |entry: &Descriptor| entry.annotations().as_ref()?.get(oci::REF_NAME).cloned();
        Ok(self.entries.iter().find(|entry| name(entry).as_deref() == Some(tag)).cloned())
    }

    fn content(&self, blob: &Descriptor, store: &Store, checked: bool, on_bytes: &dyn Fn(u64)) -> Result<Bytes, Error> {
        let digest = oci::descriptor_digest(blob)?;
        let content = self.collection.content(blob).map_err(self.failed())?;
        if !checked
            && let Content::Slice { path, offset: 0, size } = &content
            && std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == *size)
        {
            return Ok(Bytes::File(path.clone()));
        }
        if let Some(blob) = store.verified(&digest)? {
            return Ok(Bytes::File(blob.path));
        }
        let unreadable = |source| Error::Open {
            path: self.name.clone(),
            source: OpenError::Io { what: "read", path: "blob".into(), source },
        };
        let mut writer = store.begin()?;
        std::io::copy(&mut content.reader().map_err(unreadable)?, &mut writer).map_err(unreadable)?;
        let stored = writer.commit_expected(&digest).map_err(|error| match error {
            StoreError::Mismatch { expected, found } => {
                RegistryError::Damaged { name: self.name.clone(), expected, found }.into()
            }
            other => Error::from(other),
        })?;
        on_bytes(stored.size);
        Ok(Bytes::File(stored.path))
    }
}

impl Origin for Pulled<'_> {
    fn name(&self) -> String {
        self.repository.to_string()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document, Error> {
        Ok(self.client.manifest(&self.repository, &At::Digest(oci::descriptor_digest(descriptor)?))?)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        Ok(registry::referrers(self.client, &self.repository, subject)?)
    }

    fn tagged(&self, subject: &Digest, tag: &str) -> Result<Option<Descriptor>, Error> {
        let found = self.client.manifest_beside(&self.repository, subject, tag)?;
        Ok(found.map(|found| oci::descriptor(&found.media_type, found.bytes.len() as u64, &found.digest)))
    }

    fn content(&self, blob: &Descriptor, store: &Store, _: bool, on_bytes: &dyn Fn(u64)) -> Result<Bytes, Error> {
        let digest = oci::descriptor_digest(blob)?;
        let stored = self.client.pull_blob(&self.repository, &digest, blob.size(), store, on_bytes)?;
        Ok(Bytes::File(stored.path))
    }

    fn repository(&self) -> Option<&Repository> {
        Some(&self.repository)
    }
}
