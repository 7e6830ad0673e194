//! Why an image cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::ArchiveError;
use crate::digest::{DiffId, Digest, ParseDigestError};
use crate::oci::OciError;
use crate::tree::{PathError, ResolveError};

/// Why an image cannot be opened.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OpenError {
    /// The file system said no.
    #[error("cannot {what} `{}`", path.display())]
    #[diagnostic(help("{}", match (*what, source.kind()) {
        ("decompress", io::ErrorKind::FileTooLarge) => {
            "where the archive is meant to be that large, `rootsmith import` takes it with a higher `--max-bytes` or `--max-ratio`"
        }
        ("decompress", io::ErrorKind::UnexpectedEof) => "not all of the file is there: fetch it again",
        ("decompress", _) => {
            "the file is damaged: fetch it again; where something was put behind its end, decompress it by its own program first"
        }
        (_, io::ErrorKind::NotFound) => not_found(path),
        _ => "see that you may read it",
    }))]
    Io {
        /// What was to be done: `open`.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A temporary file could not be written.
    #[error("cannot write to `{}`", path.display())]
    #[diagnostic(help(
        "uncompressed layers are kept there meanwhile: make room, or put the store elsewhere: `--store DIR`"
    ))]
    Temporary {
        /// The file, or its folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder that is no image.
    #[error("`{}` is not an OCI layout: it has no `oci-layout` and `index.json`", .0.display())]
    #[diagnostic(help(
        "a folder has to be an OCI image layout; `inspect`, `diff` and `explain` read a root filesystem as `rootfs-dir:FOLDER`"
    ))]
    NotLayout(PathBuf),
    /// A file that holds no image.
    #[error("`{}` is not an image: it has neither `oci-layout` and `index.json` nor `manifest.json`", .0.display())]
    #[diagnostic(help("a root filesystem without image documents is imported with `[from.archive]`"))]
    NotImage(PathBuf),
    /// A file of another kind.
    #[error("`{}` is not an image: it is {what}", path.display())]
    #[diagnostic(help("an image is an OCI layout, or an archive of one, of Docker or of a root filesystem: a tar"))]
    NoTar {
        /// The file.
        path: PathBuf,
        /// What it is: `a zip archive`.
        what: &'static str,
    },
    /// A manifest of something else.
    #[error("this is not a container image: its configuration is of the type `{media_type}`")]
    #[diagnostic(help("manifests hold charts, signatures and other things too: name that of an image"))]
    Artifact {
        /// The type of its configuration.
        media_type: String,
    },
    /// A layer that lies elsewhere and must not be passed on.
    #[error("the layer {digest} is foreign: its type `{media_type}` says that it must not be passed on")]
    #[diagnostic(help("use an image whose layers are all its own; foreign layers are those of Windows, mostly"))]
    Foreign {
        /// The layer.
        digest: String,
        /// Its type.
        media_type: String,
    },
    /// A layer that cannot be read without a key.
    #[error("the layer {digest} is encrypted: it is of the type `{media_type}`")]
    #[diagnostic(help("decrypt the image first: `skopeo copy --decryption-key KEY oci:DIR:TAG oci:NEW:TAG`"))]
    Encrypted {
        /// The layer.
        digest: String,
        /// Its type.
        media_type: String,
    },
    /// A layer that is no tar.
    #[error("the layer {digest} is not a tar: it is of the type `{media_type}`")]
    #[diagnostic(help("only images whose layers are tars, plain or compressed by gzip or zstd, can be read"))]
    LayerType {
        /// The layer.
        digest: String,
        /// Its type.
        media_type: String,
    },
    /// A tar that cannot be read.
    #[error("cannot unpack the image")]
    Archive {
        /// What is wrong with it.
        #[source]
        #[diagnostic_source]
        source: ArchiveError,
    },
    /// A layer that cannot be decompressed.
    #[error("cannot read the layer {diff_id}")]
    Layer {
        /// Its diff ID.
        diff_id: DiffId,
        /// Why not.
        source: io::Error,
    },
    /// A document that cannot be used.
    #[error("the image has a document that cannot be used")]
    Document {
        /// What is wrong with it.
        #[source]
        source: OciError,
    },
    /// A document that says two things.
    #[error("the image's {what} could be read as another document too")]
    #[diagnostic(help("it has the fields of both a manifest and an index, which is how scanners are fooled"))]
    Ambiguous {
        /// What it was read as.
        what: &'static str,
    },
    /// A diff ID that is no SHA-256.
    #[error("the image configuration names a layer by something else than a SHA-256")]
    Digest {
        /// What it says.
        source: ParseDigestError,
    },
    /// Something that is named but not there.
    #[error("the image has no `{0}`, though it names it")]
    Missing(String),
    /// A member name that leads nowhere.
    #[error("the image names a member that leads nowhere")]
    Path {
        /// What is wrong with the name.
        source: PathError,
    },
    /// A member behind links that lead nowhere.
    #[error("the image names a member that leads nowhere")]
    Resolve {
        /// Which links.
        source: ResolveError,
    },
    /// Bytes that are not those that were named.
    #[error("the image's {what} has the digest {found}, but {expected} was named")]
    #[diagnostic(help("the image is damaged or was tampered with: fetch it again"))]
    Mismatch {
        /// What has other bytes.
        what: &'static str,
        /// The digest that was named.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// A size that is not the one that was named.
    #[error("the image's {what} has {found} bytes, but {expected} were named")]
    #[diagnostic(help("the image is damaged or was cut off: copy or fetch it again"))]
    Size {
        /// Where it is in the image.
        what: String,
        /// The size that was named.
        expected: u64,
        /// The size in bytes.
        found: u64,
    },
    /// Manifest and configuration disagree.
    #[error("the image has {layers} layers, but its configuration names {diff_ids}")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// None or several images are what was asked for.
    #[error("{problem}")]
    #[diagnostic(help("there are: {there}"))]
    Choose {
        /// What is unclear.
        problem: String,
        /// What could be asked for.
        there: String,
    },
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { what, path, source }
}

pub(super) fn mismatch(what: &'static str, expected: Digest, found: Digest) -> Result<(), OpenError> {
    if expected == found { Ok(()) } else { Err(OpenError::Mismatch { what, expected, found }) }
}

/// What to do where nothing is at `path`, which may begin with a transport that images are not read from.
fn not_found(path: &Path) -> &'static str {
    let text = path.to_string_lossy();
    let is_of = |transports: &[&str]| transports.iter().any(|transport| text.starts_with(transport));
    if is_of(&["rootfs-tar:", "rootfs-dir:"]) {
        "it is a root filesystem, not an image: `rootsmith import FILE -o oci:DIR` makes one of a tar, `rootsmith capture` of a folder"
    } else if is_of(&["squashfs:", "cpio:"]) {
        "such files are written, and not read: name the image that it was made of"
    } else if is_of(&["containers-storage:"]) {
        "let podman write it to a file first: `podman save --format oci-archive -o FILE.tar NAME`"
    } else if is_of(&["dir:"]) {
        "let skopeo make a layout of it first: `skopeo copy dir:DIR oci:DIR:TAG`"
    } else {
        "see that it is there; an image of a registry has `docker://` before its name: `docker://HOST/NAME:TAG`"
    }
}
