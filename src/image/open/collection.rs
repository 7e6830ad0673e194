//! All that an OCI layout or archive holds, by descriptor: for those who take images elsewhere as they are.

use std::path::Path;

use oci_spec::image::{Descriptor, ImageIndex};
use tempfile::NamedTempFile;

use super::members::Members;
use super::{Choice, Input, OpenError, choose, file_name};
use crate::archive::Limits;
use crate::oci::Raw;
use crate::platform::AnyPlatform;
use crate::tree::Content;

/// The documents and blobs of an OCI layout or archive.
pub struct Collection {
    members: Members,
    /// What an archive was uncompressed into; removed when this is dropped.
    _files: Vec<NamedTempFile>,
}

impl Collection {
    /// Opens the layout or archive at `path`. An archive that is compressed as a whole is uncompressed into `temporary`.
    pub fn open(path: &Path, limits: &Limits, temporary: &Path) -> Result<Self, OpenError> {
        let mut files = Vec::new();
        let members = Members::open(&Input { path, name: &file_name(path), strip: 0 }, limits, temporary, &mut files)?;
        if matches!(members, Members::Rootfs(_)) {
            return Err(OpenError::NotImage(path.to_owned()));
        }
        Ok(Self { members, _files: files })
    }

    /// Whether it has manifests. An archive that only Docker reads has none.
    pub fn has_manifests(&self) -> Result<bool, OpenError> {
        Ok(self.members.content("oci-layout")?.is_some())
    }

    /// All that its `index.json` names.
    pub fn entries(&self) -> Result<Vec<Descriptor>, OpenError> {
        let index = self.members.document("index.json", "index.json")?;
        let index: Raw<ImageIndex> =
            Raw::parse(&index, "index.json").map_err(|source| OpenError::Document { source })?;
        Ok(index.document().manifests().clone())
    }

    /// What `index.json` names by `tag`, or the only image in it.
    pub fn entry(&self, tag: Option<&str>) -> Result<Descriptor, OpenError> {
        let choice = Choice { tag: tag.map(str::to_owned), platform: None };
        choose::by_name(&self.members, &self.entries()?, &choice)
    }

    /// What the image that `tag` means is for, or the only one: of an index all that it has images for, those of indexes
    /// within it included. Nothing where that is in the image's configuration alone.
    pub fn platforms(&self, tag: Option<&str>) -> Result<Vec<AnyPlatform>, OpenError> {
        let entry = self.entry(tag)?;
        if choose::is_index(&entry) {
            return choose::platforms(&self.members, &entry);
        }
        if tag.is_some() {
            return Ok(Vec::new());
        }
        // Entries for several platforms in place of an index.
        let mut platforms = Vec::new();
        for platform in self.entries()?.iter().filter_map(|entry| entry.platform().as_ref()).map(AnyPlatform::of) {
            if !platform.is_unknown() && !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        Ok(platforms)
    }

    /// The bytes of a manifest, index or configuration, checked against its descriptor.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, OpenError> {
        self.members.blob(descriptor, "document")
    }

    /// The content of a blob, of the size that its descriptor names; its digest is not looked at.
    pub fn content(&self, descriptor: &Descriptor) -> Result<Content, OpenError> {
        self.members.blob_content(descriptor)
    }
}
