//! A finished image as the base of another: its layers stay byte for byte, others go on top.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifestBuilder, MediaType};
use serde_json::{Value, json};

use super::assemble::annotations_or_none;
use super::{Image, ImageConfig, Layer, OpenError, Opened};
use crate::archive::Compression;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::oci::{self, OciError, Raw};
use crate::platform::Platform;
use crate::store::Store;

/// The layers of an opened image, in the store as they were stored.
pub fn base_layers(opened: &Opened, store: &Store) -> Result<Vec<Layer>, OpenError> {
    let Some(image) = &opened.image else { return Ok(Vec::new()) };
    let mut layers = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        let path = std::path::PathBuf::from(format!("layer {}", layer.digest));
        let failed = |source: io::Error| OpenError::Io { what: "read", path: path.clone(), source };
        let content = opened.stored.get(index).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let mut start = [0; 4];
        let known = content.size().min(4) as usize;
        io::Read::read_exact(&mut content.reader().map_err(failed)?, &mut start[..known]).map_err(failed)?;
        let compression = match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
            _ => Compression::None,
        };
        let mut writer = store.begin().map_err(|error| failed(io::Error::other(error)))?;
        io::copy(&mut content.reader().map_err(failed)?, &mut writer).map_err(failed)?;
        let blob = writer.commit_expected(&layer.digest).map_err(|error| failed(io::Error::other(error)))?;
        layers.push(Layer {
            digest: layer.digest,
            diff_id: layer.diff_id,
            size: blob.size,
            uncompressed_size: layer.uncompressed_size,
            compression,
            path: Arc::clone(&blob.path),
            created_by: String::new(),
        });
    }
    Ok(layers)
}

/// What an image's configuration says of running it, as far as it can be said again.
pub fn settings_of(config: &ImageConfiguration) -> ImageConfig {
    let Some(own) = config.config() else { return ImageConfig::default() };
    let env = own.env().clone().unwrap_or_default();
    let pair = |line: &String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    ImageConfig {
        env: env.iter().filter_map(pair).collect(),
        entrypoint: own.entrypoint().clone().unwrap_or_default(),
        cmd: own.cmd().clone().unwrap_or_default(),
        ..ImageConfig::default()
    }
}

/// The image of `base`, whose layers are `below`, with `above` on top: its configuration with another environment and
/// entrypoint, its history continued. All else that the configuration says stays as it is, also what only Docker knows.
pub fn extend(
    platform: Platform,
    base: &Raw<ImageConfiguration>,
    below: Vec<Layer>,
    above: Vec<Layer>,
    settings: &ImageConfig,
    epoch: Epoch,
    base_digest: Option<Digest>,
) -> Result<Image, OpenError> {
    const WHAT: &str = "image configuration";
    let unusable = |source| OpenError::Document { source };
    let created = epoch.rfc3339();
    let mut document: Value =
        serde_json::from_slice(base.bytes()).map_err(|source| unusable(OciError::Document { what: WHAT, source }))?;
    let env: Vec<String> = settings.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !document["config"].is_object() {
        document["config"] = json!({});
    }
    document["config"]["Env"] = env.into();
    if !settings.entrypoint.is_empty() {
        document["config"]["Entrypoint"] = settings.entrypoint.clone().into();
    }
    document["created"] = created.clone().into();
    let mut history = document["history"].as_array().cloned().unwrap_or_default();
    // A history that does not speak of every layer would be wrong about ours.
    let spoken = history.iter().filter(|entry| entry["empty_layer"] != true).count();
    let silent = below.len().saturating_sub(spoken);
    let entry = |text: &str| json!({ "created": created, "created_by": text });
    history.extend((0..silent).map(|_| entry("a layer of the base")));
    history.extend(above.iter().map(|layer| entry(&layer.created_by)));
    document["history"] = history.into();
    let layers = [below, above].concat();
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    document["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    let config = Raw::parse(&oci::canonical_json(&document), WHAT).map_err(unusable)?;
    let descriptors: Vec<Descriptor> = layers.iter().map(Layer::descriptor).collect();
    let config_type = MediaType::ImageConfig.to_string();
    let mut manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(oci::descriptor(&config_type, config.size(), &config.digest()))
        .layers(descriptors)
        .build()
        .expect("all required fields are set");
    let named = base_digest.map(|digest| ("org.opencontainers.image.base.digest".to_owned(), digest.to_string()));
    manifest.set_annotations(annotations_or_none(named.into_iter().collect::<BTreeMap<_, _>>()));
    Ok(Image { platform, layers, config, manifest: Raw::new(manifest) })
}
