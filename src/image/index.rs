//! Images for several platforms under one digest.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType};

use super::assemble::annotations_or_none;
use super::{Image, ImageError};
use crate::digest::Digest;
use crate::oci::{self, Raw};

/// Images of one thing for several platforms.
#[derive(Clone, Debug)]
pub struct Index {
    /// The images, in the order of their platforms as text.
    pub images: Vec<Image>,
    /// The image index, which names their manifests.
    pub index: Raw<ImageIndex>,
}

/// What a build makes: one image, or an index of several.
#[derive(Clone, Debug)]
pub enum Artifact {
    /// One image.
    Image(Box<Image>),
    /// An index of images.
    Index(Box<Index>),
}

impl Index {
    /// Puts `images`, each for another platform, into an index.
    pub fn assemble(mut images: Vec<Image>, annotations: BTreeMap<String, String>) -> Result<Self, ImageError> {
        images.sort_by_key(|image| image.platform.to_string());
        let mut seen = BTreeSet::new();
        if let Some(twice) = images.iter().find(|image| !seen.insert(image.platform)) {
            return Err(ImageError::Platform(twice.platform));
        }
        let mut index = ImageIndexBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageIndex)
            .manifests(images.iter().map(Image::descriptor).collect::<Vec<_>>())
            .build()
            .expect("all required fields are set");
        index.set_annotations(annotations_or_none(annotations));
        Ok(Self { images, index: Raw::new(index) })
    }
}

impl Artifact {
    /// The images in it.
    pub fn images(&self) -> &[Image] {
        match self {
            Self::Image(image) => std::slice::from_ref(image.as_ref()),
            Self::Index(index) => &index.images,
        }
    }

    /// What it is called: the digest of its manifest or index.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Image(image) => image.digest(),
            Self::Index(index) => index.index.digest(),
        }
    }

    /// How others name it.
    pub fn descriptor(&self) -> Descriptor {
        match self {
            Self::Image(image) => image.descriptor(),
            Self::Index(index) => {
                oci::descriptor(MediaType::ImageIndex.as_ref(), index.index.size(), &index.index.digest())
            }
        }
    }

    /// Bytes of all compressed layers, those of several images counted once each.
    pub fn size(&self) -> u64 {
        let layers: BTreeMap<_, _> =
            self.images().iter().flat_map(|image| &image.layers).map(|layer| (layer.digest, layer.size)).collect();
        layers.values().sum()
    }
}
