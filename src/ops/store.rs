//! Looking after the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Digest;
use crate::report::{Phase, Reporter, Unit};
use crate::store::{Age, Damage, Store, StoreError, Tidied, Tidy, Usage};

/// What is in a store.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listing {
    /// `rootsmith/store/1`.
    pub schema: &'static str,
    /// Its folder.
    pub root: PathBuf,
    /// How much there is.
    pub usage: Usage,
    /// Every blob, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<Vec<ListedBlob>>,
}

/// One blob of a listing.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ListedBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What tidying did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TidyReport {
    /// `rootsmith/store-gc/1`.
    pub schema: &'static str,
    /// The store's folder.
    pub root: PathBuf,
    /// Whether nothing was removed, but only looked for.
    pub dry_run: bool,
    /// What was removed, or would be, and what is left.
    #[serde(flatten)]
    pub tidied: Tidied,
}

/// What verifying found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct VerifyReport {
    /// `rootsmith/store-verify/1`.
    pub schema: &'static str,
    /// The store's folder.
    pub root: PathBuf,
    /// How many blobs and memos were read.
    pub read: u64,
    /// How many bytes they have.
    pub read_bytes: u64,
    /// What was damaged, and removed.
    pub damaged: Vec<Damage>,
}

/// What to remove, and whether to wait for others.
#[derive(Clone, Copy, Debug)]
pub struct TidyOptions {
    /// What has not been used for this long goes; `None`: everything does.
    pub unused_for: Option<Duration>,
    /// Whether to wait for others who use the store.
    pub wait: bool,
    /// Whether to say only what would go. Others who use the store do not matter then.
    pub dry_run: bool,
}

/// Lists what is in the store, with every blob where `blobs` says so.
pub fn list(store: &Store, blobs: bool) -> Listing {
    let listed = || store.blobs().into_iter().map(|(digest, size)| ListedBlob { digest, size }).collect();
    Listing {
        schema: "rootsmith/store/1",
        root: store.root().to_owned(),
        usage: store.usage(),
        blobs: blobs.then(listed),
    }
}

/// Removes what has not been used for a while from the store in `root`.
pub fn tidy(root: &Path, options: TidyOptions) -> Result<TidyReport, StoreError> {
    let age = options.unused_for.map_or(Age::Any, Age::AtLeast);
    let dry_run = options.dry_run;
    let tidied =
        if dry_run { Store::open(root)?.unused(age) } else { Tidy::open(root, options.wait)?.remove_unused(age)? };
    Ok(TidyReport { schema: "rootsmith/store-gc/1", root: root.to_owned(), dry_run, tidied })
}

/// Reads everything in the store, removes what is damaged and names it.
pub fn verify(store: &Store, reporter: &dyn Reporter) -> Result<VerifyReport, StoreError> {
    let usage = store.usage();
    let (read, read_bytes) = (usage.blobs + usage.memos, usage.blob_bytes + usage.memo_bytes);
    reporter.begin(Phase::Verify, Some(read_bytes), Unit::Bytes);
    let damaged = store.verify(&|bytes| reporter.advance(Phase::Verify, bytes))?;
    reporter.end(Phase::Verify, &format!("{read} files read"));
    Ok(VerifyReport { schema: "rootsmith/store-verify/1", root: store.root().to_owned(), read, read_bytes, damaged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Silent;

    #[test]
    fn from_listing_to_empty() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blob = store.put(b"bytes").unwrap();
        store.remember(&blob.digest, b"memo").unwrap();
        let listing = list(&store, true);
        assert_eq!((listing.usage.blobs, listing.usage.blob_bytes, listing.usage.memos), (1, 5, 1));
        assert_eq!(listing.blobs.unwrap()[0].digest, blob.digest);
        assert!(verify(&store, &Silent).unwrap().damaged.is_empty());
        let options = TidyOptions { unused_for: None, wait: false, dry_run: true };
        let dry = tidy(folder.path(), options).unwrap();
        assert!(dry.dry_run);
        assert_eq!((dry.tidied.removed.blobs, store.usage().blobs), (1, 1), "nothing is gone, and the store is in use");
        let used = TidyOptions { unused_for: Some(Duration::from_secs(60)), ..options };
        assert_eq!(tidy(folder.path(), used).unwrap().tidied.left.blobs, 1);
        drop(store);
        let options = TidyOptions { dry_run: false, ..options };
        let report = tidy(folder.path(), options).unwrap();
        assert_eq!((report.tidied.removed.blobs, report.tidied.left.blobs), (1, 0));
    }
}
