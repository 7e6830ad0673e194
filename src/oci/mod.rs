//! OCI documents, written as canonical JSON.
//!
//! The types are those of `oci-spec`; how they become bytes is decided here ([`canonical_json`]), because their maps have
//! a random order, and a document's digest is that of its bytes ([`Raw`]).

mod json;
mod raw;
mod reference;
mod remote;

pub use json::canonical_json;
pub use raw::{OciError, Raw, entries};
pub use reference::{ParseReferenceError, Reference};
pub use remote::{RemoteReference, Repository, has_tag};

use oci_spec::image::{Descriptor, MediaType};

use crate::digest::Digest;

/// Annotation of an entry of `index.json`: the tag (OCI image spec, annotations.md).
pub const REF_NAME: &str = oci_spec::image::ANNOTATION_REF_NAME;

/// Annotation of an entry of `index.json`: the full reference, by which containerd, Docker and podman name what they load.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Annotation of a manifest: the full name of the image that it is based on (OCI image spec, annotations.md).
pub const BASE_NAME: &str = oci_spec::image::ANNOTATION_BASE_IMAGE_NAME;

/// Annotation of a manifest: the digest of the manifest or index that [`BASE_NAME`] led to.
pub const BASE_DIGEST: &str = oci_spec::image::ANNOTATION_BASE_IMAGE_DIGEST;

/// Annotation of an index entry whose manifest has zstd layers: containers/image adds it where it is missing, which
/// would change the index's digest.
pub const HAS_ZSTD_LAYERS: &str = "io.github.containers.compression.zstd";

/// The marker file of an OCI image layout (OCI image spec, image-layout.md).
pub const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Says where a blob is, by what it holds, its size in bytes and its digest.
pub fn descriptor(media_type: &str, size: u64, digest: &Digest) -> Descriptor {
    let digest: oci_spec::image::Digest = digest.to_string().parse().expect("our digests are well-formed");
    Descriptor::new(MediaType::from(media_type), size, digest)
}

/// The digest that a descriptor names, where it is a SHA-256.
pub fn descriptor_digest(descriptor: &Descriptor) -> Result<Digest, OciError> {
    let text = descriptor.digest().to_string();
    text.parse().map_err(|source| OciError::Digest { source })
}
