//! Many blobs to a registry at once.

use std::collections::BTreeMap;

use super::{Bytes, Registry, RegistryError, in_parallel};
use crate::digest::Digest;
use crate::oci::Repository;
use crate::store::Store;

/// A blob to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// A repository of the same registry that has it, perhaps.
    pub mount_from: Option<Repository>,
}

/// What became of blobs that were to be pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Blobs that were sent.
    pub sent: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that the repository had already.
    pub there: usize,
    /// Blobs that were mounted from another repository.
    pub mounted: usize,
}

/// Sees to it that `to` has all `blobs`, `parallel` at a time: those that are there are left, those of another repository
/// mounted, the rest sent. `content` is asked for the bytes of those alone. The first error ends the rest.
pub fn push_blobs<E: From<RegistryError> + Send>(
    registry: &dyn Registry,
    to: &Repository,
    blobs: &[Outgoing],
    parallel: usize,
    store: &Store,
    content: &(dyn Fn(&Outgoing) -> Result<Bytes, E> + Sync),
    on_bytes: &dyn Fn(u64),
) -> Result<Pushed, E> {
    let blobs: BTreeMap<Digest, &Outgoing> = blobs.iter().map(|blob| (blob.digest, blob)).collect();
    // The largest first: they take longest.
    let mut blobs: Vec<&Outgoing> = blobs.into_values().collect();
    blobs.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
    let pushed = in_parallel(&blobs, parallel, on_bytes, |blob, tell| -> Result<Pushed, E> {
        if registry.has_blob(to, &blob.digest)? {
            tell(blob.size);
            return Ok(Pushed { there: 1, ..Pushed::default() });
        }
        if let Some(from) = &blob.mount_from
            && registry.mount_blob(to, &blob.digest, from)?
        {
            tell(blob.size);
            return Ok(Pushed { mounted: 1, ..Pushed::default() });
        }
        registry.push_blob(to, blob, &content(blob)?, store, tell)?;
        Ok(Pushed { sent: 1, bytes: blob.size, ..Pushed::default() })
    });
    Ok(pushed?.into_iter().fold(Pushed::default(), Pushed::and))
}

impl Pushed {
    fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            bytes: self.bytes + other.bytes,
            there: self.there + other.there,
            mounted: self.mounted + other.mounted,
        }
    }
}
