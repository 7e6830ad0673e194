//! Where the blobs of an image are: in a folder, or in an archive that was read into a tree.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;
use tempfile::NamedTempFile;

use super::error::{OpenError, failed, mismatch};
use super::growth::Growth;
use super::no_tar::no_tar;
use super::{Input, uncompressed};
use crate::archive::{Applier, Apply, ArchiveError, Duplicates, Item, Limits, What, read_tar_file_ahead};
use crate::digest::Digest;
use crate::oci::{self, OciError};
use crate::shared_path::SharedPath;
use crate::tree::{Content, Origin, Tree, TreePath};

/// What a path holds.
pub enum Members {
    /// An OCI layout.
    Folder(PathBuf),
    /// The members of an image archive.
    Archive(Tree),
    /// No image documents: a root filesystem.
    Rootfs(Tree),
}

/// Largest document in bytes.
const LARGEST: u64 = 4 << 20;

impl Members {
    /// Looks at `input`. Temporary files are added to `files`.
    pub fn open(
        input: &Input<'_>,
        limits: &Limits,
        temporary: &Path,
        files: &mut Vec<NamedTempFile>,
    ) -> Result<Self, OpenError> {
        let path = input.path;
        let metadata = fs::metadata(path).map_err(failed("open", path))?;
        if metadata.is_dir() {
            let is_layout = path.join("oci-layout").is_file() && path.join("index.json").is_file();
            return if is_layout {
                Ok(Self::Folder(path.to_owned()))
            } else {
                Err(OpenError::NotLayout(path.to_owned()))
            };
        }
        let (plain, file) = uncompressed(path, limits, temporary)?;
        files.extend(file);
        let tree = read(&plain, input, limits)
            .map_err(|source| no_tar(&plain, path, &source).unwrap_or(OpenError::Archive { source }))?;
        let has = |name: &'static str| tree.get(&TreePath::literal(name)).is_some_and(|inode| inode.is_file());
        // A root filesystem may have a file of that name too.
        let is_rootfs = ["etc", "usr"].iter().any(|name| tree.is_directory(&TreePath::literal(name)));
        let is_image = (has("oci-layout") && has("index.json")) || (has("manifest.json") && !is_rootfs);
        let is_image = is_image && input.strip == 0;
        Ok(if is_image { Self::Archive(tree) } else { Self::Rootfs(tree) })
    }

    /// The content of a member; nothing where there is none of that name.
    pub fn content(&self, name: &str) -> Result<Option<Content>, OpenError> {
        let member = TreePath::new(name).map_err(|source| OpenError::Path { source })?;
        match self {
            Self::Folder(folder) => {
                let path = folder.join(member.as_relative());
                match fs::symlink_metadata(&path) {
                    Ok(metadata) if metadata.is_file() => {
                        Ok(Some(Content::Slice { path: SharedPath::from(path), offset: 0, size: metadata.len() }))
                    }
                    Ok(_) => Ok(None),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(failed("open", &path)(error)),
                }
            }
            // Archives of old Docker versions have links between layers.
            Self::Archive(tree) | Self::Rootfs(tree) => {
                let place = tree.resolve(&member).map_err(|source| OpenError::Resolve { source })?;
                Ok(tree.get(&place).and_then(|inode| inode.content()).cloned())
            }
        }
    }

    /// The bytes of a document, called `what` in errors.
    pub fn document(&self, name: &str, what: &'static str) -> Result<Vec<u8>, OpenError> {
        let content = self.content(name)?.ok_or_else(|| OpenError::Missing(name.to_owned()))?;
        read_document(&content, what)
    }

    /// The bytes of a document that a descriptor names, checked against it.
    pub fn blob(&self, descriptor: &Descriptor, what: &'static str) -> Result<Vec<u8>, OpenError> {
        let bytes = read_document(&self.blob_content(descriptor)?, what)?;
        let expected = oci::descriptor_digest(descriptor).map_err(|source| OpenError::Document { source })?;
        mismatch(what, expected, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// The content of a blob of the size that its descriptor names; its digest is not looked at.
    pub fn blob_content(&self, descriptor: &Descriptor) -> Result<Content, OpenError> {
        let digest = oci::descriptor_digest(descriptor).map_err(|source| OpenError::Document { source })?;
        let name = format!("blobs/sha256/{}", digest.hex());
        match self.content(&name)? {
            None => Err(OpenError::Missing(name)),
            Some(content) if content.size() != descriptor.size() => {
                Err(OpenError::Size { what: name, expected: descriptor.size(), found: content.size() })
            }
            Some(content) => Ok(content),
        }
    }
}

fn read_document(content: &Content, what: &'static str) -> Result<Vec<u8>, OpenError> {
    if content.size() > LARGEST {
        let size = usize::try_from(content.size()).unwrap_or(usize::MAX);
        return Err(OpenError::Document { source: OciError::TooLarge { what, size } });
    }
    content.read().map_err(|source| OpenError::Io { what: "read", path: PathBuf::from(what), source })
}

fn read(plain: &SharedPath, input: &Input<'_>, limits: &Limits) -> Result<Tree, ArchiveError> {
    let mut tree = Tree::new();
    let origin = Origin::Import(input.name.into());
    let apply = Apply { follow_directory_links: true, duplicates: Duplicates::LastWins };
    let mut applier = Applier::new(&mut tree, apply, origin.clone());
    let mut growth = Growth::new(applier.tree(), limits, &origin);
    let put = |item: Item| {
        let Some(item) = stripped(item, input.strip) else { return Ok(()) };
        let length = item.path.as_bytes().len();
        applier.put(item)?;
        growth.check(applier.tree(), length)
    };
    read_tar_file_ahead(plain, &origin, limits, put)?;
    Ok(tree)
}

/// The entry without the first components of its name; nothing where it has no more.
fn stripped(item: Item, count: u32) -> Option<Item> {
    if count == 0 {
        return Some(item);
    }
    let strip = |path: &TreePath| {
        let rest: Vec<&[u8]> = path.components().skip(usize::try_from(count).unwrap_or(usize::MAX)).collect();
        TreePath::new(rest.join(&b'/')).ok().filter(|path| !path.is_root())
    };
    let path = strip(&item.path)?;
    let what = match item.what {
        What::HardLink(target) => What::HardLink(strip(&target).unwrap_or(target)),
        what => what,
    };
    Some(Item { path, what })
}
