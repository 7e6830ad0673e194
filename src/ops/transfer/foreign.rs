//! Archives that only Docker reads: a manifest is made for them, and their layers are compressed.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use oci_spec::image::{Descriptor, ImageManifestBuilder, MediaType};

use super::origin::{Opened, Origin};
use crate::archive::{Compression, Compressor, Effort, Limits, decompress};
use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::image::{self, Choice, OpenError};
use crate::oci::{self, Raw};
use crate::registry::{Bytes, Document, RegistryError};
use crate::store::{Store, StoreError};

/// An image with a manifest of our making.
struct Converted {
    name: String,
    manifest: Document,
    blobs: BTreeMap<Digest, Bytes>,
}

/// Gives the image `tag` of Docker's archive at `path` a manifest. Its configuration keeps its bytes; its layers become
/// gzip, the same bytes each time.
pub(super) fn convert<'a>(path: &Path, tag: Option<&str>, shown: &str, context: &Context) -> Result<Opened<'a>, Error> {
    let failed = |source: OpenError| Error::Open { path: shown.to_owned(), source };
    let store = &context.store;
    let choice = Choice { tag: tag.map(str::to_owned), platform: None };
    let found = image::locate(path, &choice, &Limits::images(), &store.temporary()).map_err(failed)?;
    let mut blobs = BTreeMap::new();
    let mut layers = Vec::new();
    for layer in &found.layers {
        let unreadable = |source| failed(OpenError::Layer { diff_id: layer.diff_id, source });
        let mut reader =
            decompress(layer.content.reader().map_err(unreadable)?, &Limits::images()).map_err(unreadable)?;
        let (compressed, diff_id) = compress(&mut reader, store).map_err(|error| match error {
            Trouble::Read(source) => unreadable(source),
            Trouble::Store(error) => error.into(),
        })?;
        if diff_id != layer.diff_id.digest() {
            let (name, expected) = (shown.to_owned(), layer.diff_id.digest());
            return Err(RegistryError::Damaged { name, expected, found: diff_id }.into());
        }
        layers.push(oci::descriptor(Compression::Gzip.media_type(), compressed.size, &compressed.digest));
        blobs.insert(compressed.digest, Bytes::File(compressed.path));
    }
    let config = &found.config;
    blobs.insert(config.digest(), Bytes::Memory(Arc::clone(config.bytes())));
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(oci::descriptor(MediaType::ImageConfig.as_ref(), config.size(), &config.digest()))
        .layers(layers)
        .build()
        .expect("all required fields are set");
    let manifest = Raw::new(manifest);
    let root = oci::descriptor(MediaType::ImageManifest.as_ref(), manifest.size(), &manifest.digest());
    let document = Document {
        media_type: MediaType::ImageManifest.to_string(),
        digest: manifest.digest(),
        bytes: Arc::clone(manifest.bytes()),
    };
    let name = found.name.as_ref().and_then(|name| name.parse().ok());
    let origin = Converted { name: shown.to_owned(), manifest: document, blobs };
    Ok(Opened { origin: Box::new(origin), root, name })
}

enum Trouble {
    Read(io::Error),
    Store(StoreError),
}

/// The compressed form of a layer in the store, and the digest of the other form.
fn compress(reader: &mut impl Read, store: &Store) -> Result<(crate::store::Blob, Digest), Trouble> {
    let unwritable = |source| Trouble::Store(store.cannot("write a blob", source));
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let writer = store.begin().map_err(Trouble::Store)?;
    let mut compressor =
        Compressor::new(writer, Compression::Gzip, Effort::Normal, threads, None).map_err(unwritable)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => io::Write::write_all(&mut compressor, &buffer[..count]).map_err(unwritable)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Trouble::Read(error)),
        }
    }
    let done = compressor.finish().map_err(unwritable)?;
    Ok((done.output.commit().map_err(Trouble::Store)?, done.digest))
}

impl Origin for Converted {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn document(&self, _: &Descriptor) -> Result<Document, Error> {
        Ok(self.manifest.clone())
    }

    fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>, Error> {
        Ok(Vec::new())
    }

    fn content(&self, blob: &Descriptor, _: &Store, _: bool, _: &dyn Fn(u64)) -> Result<Bytes, Error> {
        let digest = oci::descriptor_digest(blob)?;
        let found = self.blobs.get(&digest).cloned();
        found.ok_or_else(|| RegistryError::Absent { name: format!("{}@{digest}", self.name) }.into())
    }
}
