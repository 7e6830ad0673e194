//! Documents that keep their exact bytes.

use std::sync::Arc;

use oci_spec::image::Descriptor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::canonical_json;
use crate::digest::{Digest, ParseDigestError};

/// A document and the bytes it was read from or written as. Its digest is of these bytes, which are never made again.
#[derive(Clone, Debug)]
pub struct Raw<T> {
    document: T,
    bytes: Arc<[u8]>,
    digest: Digest,
}

/// Why an OCI document cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OciError {
    /// Not JSON, or not this document.
    #[error("the {what} cannot be read")]
    Document {
        /// What it should be: `image manifest`.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Larger than registries and engines accept.
    #[error("the {what} has {size} bytes, and at most {MOST} are allowed")]
    TooLarge {
        /// What it should be.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
    },
    /// A digest that is no SHA-256.
    #[error("a descriptor names its blob by something else than a SHA-256")]
    Digest {
        /// What it says.
        source: ParseDigestError,
    },
}

/// Largest manifest, index or config in bytes: what registries and containers/image accept.
const MOST: usize = 4 << 20;

impl<T: Serialize> Raw<T> {
    /// Writes `document` as canonical JSON.
    pub fn new(document: T) -> Self {
        let bytes = canonical_json(&document);
        Self { digest: Digest::of(&bytes), bytes: Arc::from(bytes), document }
    }
}

impl<T: DeserializeOwned> Raw<T> {
    /// Reads a document, called `what` in errors, that others wrote.
    pub fn parse(bytes: &[u8], what: &'static str) -> Result<Self, OciError> {
        if bytes.len() > MOST {
            return Err(OciError::TooLarge { what, size: bytes.len() });
        }
        let document = serde_json::from_slice(bytes).map_err(|source| OciError::Document { what, source })?;
        Ok(Self { document, bytes: Arc::from(bytes), digest: Digest::of(bytes) })
    }
}

/// What an index names, called `what` in errors. The versions of systems are there too: `oci-spec` looks for them under
/// another key than the specification's.
pub fn entries(bytes: &[u8], what: &'static str) -> Result<Vec<Descriptor>, OciError> {
    let wrong = |source| OciError::Document { what, source };
    let mut index: Value = serde_json::from_slice(bytes).map_err(wrong)?;
    for entry in index["manifests"].as_array_mut().into_iter().flatten() {
        if let Some(platform) = entry.get_mut("platform").and_then(Value::as_object_mut)
            && let Some(version) = platform.remove("os.version")
        {
            platform.insert("os_version".to_owned(), version);
        }
    }
    match index["manifests"].take() {
        Value::Null => Ok(Vec::new()),
        list => serde_json::from_value(list).map_err(wrong),
    }
}

impl<T> Raw<T> {
    /// What the bytes say.
    pub fn document(&self) -> &T {
        &self.document
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::image::ImageIndex;

    use super::*;

    #[test]
    fn bytes_are_kept() {
        let text = br#"{ "schemaVersion": 2, "manifests": [], "unknown": 1 }"#;
        let raw = Raw::<ImageIndex>::parse(text, "index").unwrap();
        assert_eq!((&raw.bytes()[..], raw.digest(), raw.size()), (&text[..], Digest::of(text), text.len() as u64));
        let again = Raw::new(raw.document().clone());
        assert_eq!(&again.bytes()[..], br#"{"manifests":[],"schemaVersion":2}"#);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["", "{}", "[]", r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#, &deep] {
            assert!(matches!(Raw::<ImageIndex>::parse(text.as_bytes(), "index"), Err(OciError::Document { .. })));
        }
        let large = vec![b' '; MOST + 1];
        assert!(matches!(Raw::<ImageIndex>::parse(&large, "index"), Err(OciError::TooLarge { .. })));
    }
}
