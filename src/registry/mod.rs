//! Registries: the OCI distribution protocol (<https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>).
//!
//! [`Registry`] is the small set of things that a registry does; [`Client`] does them over HTTP. Everything here blocks:
//! the runtime below stays inside the client, and is started at the first request.
//!
//! What comes from a registry is believed by its digest alone. Bodies have limits, redirects and token servers are looked
//! at before they are followed, and a login goes to the registry that it is for, or to a token server of its domain.
//!
//! The carrier is `reqwest`, not `oci-client`: that keeps its HTTP client to itself, which follows redirects unseen, reads
//! bodies of any size into memory, knows no client certificates, and gives back no headers, so that neither `Retry-After`
//! nor what has arrived of an upload, `OCI-Subject`, or further pages could be heeded around it.

mod answer;
mod auth;
mod client;
mod credentials;
mod download;
mod error;
mod host;
mod login;
mod mirrors;
mod parallel;
mod protocol;
mod push;
mod referrers;
mod request;
mod scope;
mod upload;

use std::sync::Arc;

pub use client::Client;
pub use credentials::{Login, check_logins, helpers, logins};
pub use error::RegistryError;
pub use login::{forget, remember};
pub use parallel::in_parallel;
pub use push::{Outgoing, Pushed, push_blobs};
pub use referrers::{add_referrer, referrers};

use oci_spec::image::Descriptor;

use crate::digest::Digest;
use crate::oci::Repository;
use crate::shared_path::SharedPath;
use crate::store::{Blob, Store};

/// Largest manifest or index in bytes: what registries and containers/image accept.
pub const LARGEST_MANIFEST: u64 = 4 << 20;

/// Which manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The one that a tag names.
    Tag(String),
    /// The one of these bytes.
    Digest(Digest),
}

/// A manifest or index by its exact bytes.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it is.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// Where the bytes of a blob that is pushed are.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// In memory.
    Memory(Arc<[u8]>),
    /// A whole file.
    File(SharedPath),
}

/// What a registry does. Each call is one exchange, with the retries that it takes; all of them may be called from
/// several threads at once.
pub trait Registry: Sync {
    /// The manifest or index at a tag or digest, checked against the digest.
    fn manifest(&self, repository: &Repository, at: &At) -> Result<Document, RegistryError>;

    /// The digest of the manifest at a tag or digest, where there is one; its bytes are not fetched.
    fn digest_at(&self, repository: &Repository, at: &At) -> Result<Option<Digest>, RegistryError>;

    /// Puts a manifest, whose blobs must be there. Says whether the registry has noted it as a referrer of its `subject`.
    fn put_manifest(&self, repository: &Repository, at: &At, document: &Document) -> Result<bool, RegistryError>;

    /// Whether a blob is in the repository.
    fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError>;

    /// A small blob, of at most `limit` bytes.
    fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Vec<u8>, RegistryError>;

    /// A blob into the store, going on from what is there of it. `on_bytes` is told of bytes as they arrive, `size` in all.
    fn pull_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        store: &Store,
        on_bytes: &dyn Fn(u64),
    ) -> Result<Blob, RegistryError>;

    /// Makes a blob of another repository of this registry one of this repository too; says whether that was done.
    fn mount_blob(&self, repository: &Repository, digest: &Digest, from: &Repository) -> Result<bool, RegistryError>;

    /// Sends a blob, going on from what the registry has of it after a broken connection, and after a broken run where
    /// `store` remembers it. `on_bytes` is told of bytes as they leave.
    fn push_blob(
        &self,
        repository: &Repository,
        blob: &Outgoing,
        content: &Bytes,
        store: &Store,
        on_bytes: &dyn Fn(u64),
    ) -> Result<(), RegistryError>;

    /// What the referrers API names for a manifest; nothing where the registry does not have that API.
    fn listed_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError>;
}
