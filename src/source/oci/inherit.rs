//! What an image takes over from the one that it starts from, beside its files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use serde_json::{Map, Value};

use super::OciImageError;
use super::fetch::{config, stored, uncompressed};
use crate::archive::{Compression, Format, Limits};
use crate::image::{Base, Layer};
use crate::lock::OciPin;
use crate::oci::{BASE_DIGEST, BASE_NAME};
use crate::store::Store;

/// What an image takes over.
#[derive(Clone, Debug, Default)]
pub struct Inherited {
    /// Layers and history, where the layers are kept; else nothing.
    pub base: Base,
    /// The `config` object of the image's configuration.
    pub config: Map<String, Value>,
    /// Who answers for it.
    pub author: Option<String>,
    /// Annotations that name it.
    pub annotations: BTreeMap<String, String>,
}

/// Reads what the image of `pin` hands down; its blobs are in the store by now.
pub fn inherit(pin: &OciPin, keep_layers: bool, store: &Store) -> Result<Inherited, OciImageError> {
    let document = config(pin, store)?;
    let whole: Value = serde_json::from_slice(document.bytes()).expect("it was read as a document before");
    let object = whole.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut annotations = BTreeMap::new();
    annotations.extend(pin.name.clone().map(|name| (BASE_NAME.to_owned(), name)));
    annotations.extend(pin.digest.or(pin.manifest).map(|digest| (BASE_DIGEST.to_owned(), digest.to_string())));
    let base = if keep_layers {
        let layers = pin.layers.iter().map(|locked| {
            let blob = stored(pin, &locked.digest, store)?;
            let compression = compression(&blob.path)
                .map_err(|source| OciImageError::Read { what: "layer", source })?
                .map_err(|format| OciImageError::Compression { digest: locked.digest, format })?;
            Ok(Layer {
                digest: locked.digest,
                diff_id: locked.diff_id,
                size: blob.size,
                uncompressed_size: uncompressed(locked, &Limits::images(), store)?.size,
                compression,
                path: blob.path,
                created_by: String::new(),
            })
        });
        let layers = layers.collect::<Result<_, OciImageError>>()?;
        Base::new(layers, document.document().history().clone().unwrap_or_default())
    } else {
        Base::default()
    };
    Ok(Inherited { base, config: object, author: document.document().author().clone(), annotations })
}

/// How a layer is compressed, by its first bytes: what manifests say of it is wrong at times. The name of the format
/// where no media type of the OCI specification says it.
fn compression(path: &std::path::Path) -> std::io::Result<Result<Compression, &'static str>> {
    let mut start = Vec::new();
    File::open(path)?.take(6).read_to_end(&mut start)?;
    Ok(match Format::of(&start) {
        Format::Gzip => Ok(Compression::Gzip),
        Format::Zstd => Ok(Compression::Zstd),
        Format::Plain => Ok(Compression::None),
        other => Err(other.name()),
    })
}
