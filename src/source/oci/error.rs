//! Why an image cannot be a base.

use std::io;

use crate::archive::ArchiveError;
use crate::digest::Digest;
use crate::engine::EngineError;
use crate::image::OpenError;
use crate::lock::OciPin;
use crate::oci::{OciError, ParseReferenceError};
use crate::platform::Platform;
use crate::registry::RegistryError;
use crate::store::{CopyError, StoreError};

/// Why an image cannot be a base.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OciImageError {
    /// It cannot be found or read where it is said to be.
    #[error("cannot start from the image `{image}`")]
    Open {
        /// Where it is said to be.
        image: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: OpenError,
    },
    /// The Docker engine does not give it.
    #[error("cannot start from the image `{image}`")]
    Engine {
        /// The image.
        image: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: EngineError,
    },
    /// The registry does not give it.
    #[error("cannot start from the image `{image}`")]
    Registry {
        /// The image.
        image: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: RegistryError,
    },
    /// A name that no image has.
    #[error("cannot start from the image `{image}`")]
    Name {
        /// The image.
        image: String,
        /// What is wrong with its name.
        source: ParseReferenceError,
    },
    /// It is for something else.
    #[error("the image `{image}` is not for {wanted}, but for {there}")]
    #[diagnostic(help("say what it is for in the recipe: `platforms = [\"{there}\"]`"))]
    Platform {
        /// The image.
        image: String,
        /// What the recipe is for.
        wanted: Platform,
        /// What its configuration says.
        there: String,
    },
    /// It is for something that no image can be made for.
    #[error("the image `{image}` is for {there}, for which nothing can be added to it")]
    #[diagnostic(help("name another image, or another platform of it: `--platform linux/amd64`"))]
    UnknownPlatform {
        /// The image.
        image: String,
        /// What its configuration says.
        there: String,
    },
    /// It is not the image that the recipe's `digest` means.
    #[error("the image `{image}` has the digest {found}, but the recipe wants {expected}")]
    #[diagnostic(help("if this image is the right one now, change `digest` in `[from.oci]`"))]
    OtherDigest {
        /// The image.
        image: String,
        /// The recipe's digest.
        expected: Digest,
        /// That of the image, or of the index that names it.
        found: Digest,
    },
    /// It has changed since it was locked, and the store does not have the locked one.
    #[error("the image `{image}` for {platform} has changed: {locked} is locked, and {found} is there")]
    #[diagnostic(help("bring the locked image back, or take the new one: `rootsmith lock --update RECIPE`"))]
    Changed {
        /// The image.
        image: String,
        /// What it is for.
        platform: Platform,
        /// The locked digest.
        locked: Digest,
        /// The digest that is there.
        found: Digest,
    },
    /// Bytes that are not those of their digest.
    #[error("the image's {what} has the digest {found}, but {expected} was named")]
    #[diagnostic(help(
        "the image is damaged or was tampered with: make it anew; where it was replaced by another one, \
         `rootsmith lock --update RECIPE` takes that"
    ))]
    Damaged {
        /// What has other bytes.
        what: &'static str,
        /// The digest that was named.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Bytes that cannot be read or decompressed.
    #[error("cannot read the image's {what}")]
    #[diagnostic(help("the image is damaged or incomplete: make it anew"))]
    Read {
        /// What cannot be read.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A layer that cannot be unpacked.
    #[error("cannot unpack the image `{image}`")]
    Unpack {
        /// The image.
        image: String,
        /// What is wrong with the layer.
        #[source]
        #[diagnostic_source]
        source: ArchiveError,
    },
    /// A document that cannot be used.
    #[error("the image has a document that cannot be used")]
    Document(#[from] OciError),
    /// A layer whose compression no OCI media type names.
    #[error("cannot keep the layer {digest}: it is compressed by {format}, for which image manifests have no name")]
    #[diagnostic(help("leave out `keep-layers`: the image is then put into one layer, compressed anew"))]
    Compression {
        /// The layer.
        digest: Digest,
        /// How it is compressed: `xz`.
        format: &'static str,
    },
    /// The store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl OciImageError {
    /// The error of a blob that was to have some digest.
    pub(super) fn damaged(what: &'static str, error: StoreError) -> Self {
        match error {
            StoreError::Mismatch { expected, found } => Self::Damaged { what, expected, found },
            other => Self::Store(other),
        }
    }

    /// The error of a blob that cannot be copied into the store.
    pub(super) fn copy(what: &'static str, error: CopyError) -> Self {
        match error {
            CopyError::Read(source) => Self::Read { what, source },
            CopyError::Write(source) => source.into(),
        }
    }

    /// The error of an image that is not the locked one.
    pub(super) fn changed(pin: &OciPin, found: Digest) -> Self {
        Self::Changed { image: pin.image.clone(), platform: pin.platform, locked: pin.identity(), found }
    }
}
