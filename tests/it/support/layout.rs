//! Reads an OCI image layout (<https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>), every digest
//! checked.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rootsmith::digest::Digest;
use serde_json::Value;

use super::listing::{self, Listing};

/// A layout's folder.
pub struct Layout(PathBuf);

/// One image of it.
pub struct Image {
    pub digest: String,
    pub config: Value,
    /// Bytes of the only layer as it is stored.
    pub layer_size: u64,
    /// The layer, uncompressed.
    pub layer: Vec<u8>,
}

impl Layout {
    pub fn open(folder: &Path) -> Self {
        let marker: Value = serde_json::from_slice(&fs::read(folder.join("oci-layout")).unwrap()).unwrap();
        assert_eq!(marker["imageLayoutVersion"], "1.0.0");
        Self(folder.to_owned())
    }

    /// The entries of the index: tag and digest.
    pub fn tags(&self) -> Vec<(String, String)> {
        let index: Value = serde_json::from_slice(&fs::read(self.0.join("index.json")).unwrap()).unwrap();
        let entry = |entry: &Value| {
            let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
            (name.as_str().unwrap_or_default().to_owned(), entry["digest"].as_str().unwrap().to_owned())
        };
        index["manifests"].as_array().unwrap().iter().map(entry).collect()
    }

    /// The first image of the index.
    pub fn image(&self) -> Image {
        let (_, digest) = self.tags().into_iter().next().expect("the index has an image");
        let manifest: Value = serde_json::from_slice(&self.blob(&digest)).unwrap();
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        let config: Value = serde_json::from_slice(&self.blob(manifest["config"]["digest"].as_str().unwrap())).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 1, "a base image has one layer");
        let bytes = self.blob(layers[0]["digest"].as_str().unwrap());
        assert_eq!(layers[0]["size"], bytes.len());
        let layer_size = bytes.len() as u64;
        let layer = match layers[0]["mediaType"].as_str().unwrap() {
            "application/vnd.oci.image.layer.v1.tar+gzip" => {
                let mut layer = Vec::new();
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut layer).unwrap();
                layer
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" => zstd::decode_all(bytes.as_slice()).unwrap(),
            other => {
                assert_eq!(other, "application/vnd.oci.image.layer.v1.tar");
                bytes
            }
        };
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", Digest::of(&layer).hex()));
        Image { digest, config, layer_size, layer }
    }

    fn blob(&self, digest: &str) -> Vec<u8> {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let bytes = fs::read(self.0.join("blobs/sha256").join(hex)).unwrap();
        assert_eq!(Digest::of(&bytes).hex(), hex);
        bytes
    }
}

impl Image {
    /// What the layer holds.
    pub fn listing(&self) -> Listing {
        listing::of_tar(self.layer.as_slice())
    }

    /// The bytes of a file in the layer.
    pub fn file(&self, path: &str) -> Vec<u8> {
        let mut archive = tar::Archive::new(self.layer.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            if *entry.path_bytes() == *path.as_bytes() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                return bytes;
            }
        }
        panic!("`{path}` is not in the layer");
    }
}
