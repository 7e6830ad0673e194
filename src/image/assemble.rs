//! Layers and a configuration become an image.

use std::collections::BTreeMap;

use oci_spec::image::{
    Arch, Descriptor, HistoryBuilder, ImageConfiguration, ImageManifest, ImageManifestBuilder, MediaType, Os,
    PlatformBuilder, RootFsBuilder,
};
use serde_json::{Map, Value};

use super::{Base, ImageConfig, ImageError, Layer};
use crate::archive::Compression;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::oci::{self, Raw};
use crate::platform::Platform;

/// An image for one platform. Its digest is that of the manifest.
#[derive(Clone, Debug)]
pub struct Image {
    /// What it runs on.
    pub platform: Platform,
    /// Its layers, base first.
    pub layers: Vec<Layer>,
    /// The image configuration.
    pub config: Raw<ImageConfiguration>,
    /// The manifest, which names the configuration and the layers.
    pub manifest: Raw<ImageManifest>,
}

const BUILT: &str = "all required fields are set";

impl Image {
    /// Makes an image of `layers`, base first, created at `epoch`.
    ///
    /// The history has one entry a layer. Labels of `org.opencontainers.image.*` are annotations of the manifest too.
    pub fn assemble(
        platform: Platform,
        epoch: Epoch,
        config: &ImageConfig,
        layers: Vec<Layer>,
    ) -> Result<Self, ImageError> {
        Self::assemble_on(&Base::default(), platform, epoch, config, layers)
    }

    /// As [`Image::assemble`] with `layers` on top of those of `base`, which keep their bytes and their history.
    pub fn assemble_on(
        base: &Base,
        platform: Platform,
        epoch: Epoch,
        config: &ImageConfig,
        layers: Vec<Layer>,
    ) -> Result<Self, ImageError> {
        config.check()?;
        let annotations = config.all_annotations();
        let document = configuration(platform, epoch, config, base, &layers);
        let config = with_extensions(document, config.extensions());
        let layers: Vec<Layer> = base.layers.iter().cloned().chain(layers).collect();
        let config_type = MediaType::ImageConfig.to_string();
        let mut manifest = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .config(oci::descriptor(&config_type, config.size(), &config.digest()))
            .layers(layers.iter().map(Layer::descriptor).collect::<Vec<_>>())
            .build()
            .expect(BUILT);
        manifest.set_annotations(annotations_or_none(annotations));
        Ok(Self { platform, layers, config, manifest: Raw::new(manifest) })
    }

    /// What the image is called: the digest of its manifest.
    pub fn digest(&self) -> Digest {
        self.manifest.digest()
    }

    /// How an index names it.
    pub fn descriptor(&self) -> Descriptor {
        let media_type = MediaType::ImageManifest.to_string();
        let mut descriptor = oci::descriptor(&media_type, self.manifest.size(), &self.manifest.digest());
        let architecture = self.platform.architecture;
        let mut platform = PlatformBuilder::default()
            .os(Os::Linux)
            .architecture(Arch::from(architecture.oci_name()))
            .build()
            .expect(BUILT);
        platform.set_variant(architecture.oci_variant().map(str::to_owned));
        descriptor.set_platform(Some(platform));
        if self.layers.iter().any(|layer| layer.compression == Compression::Zstd) {
            let zstd = BTreeMap::from([(oci::HAS_ZSTD_LAYERS.to_owned(), "true".to_owned())]);
            descriptor.set_annotations(annotations_or_none(zstd));
        }
        descriptor
    }

    /// Bytes of all compressed layers.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }
}

/// Annotations as the documents hold them: not at all where there are none.
pub(super) fn annotations_or_none<M: FromIterator<(String, String)>>(map: BTreeMap<String, String>) -> Option<M> {
    (!map.is_empty()).then(|| map.into_iter().collect())
}

fn configuration(
    platform: Platform,
    epoch: Epoch,
    config: &ImageConfig,
    base: &Base,
    layers: &[Layer],
) -> ImageConfiguration {
    let created = epoch.rfc3339();
    let entry = |layer: &Layer| {
        HistoryBuilder::default().created(created.clone()).created_by(layer.created_by.clone()).build().expect(BUILT)
    };
    let diff_ids: Vec<String> = base.layers.iter().chain(layers).map(|layer| layer.diff_id.to_string()).collect();
    let history = base.history.iter().cloned().chain(layers.iter().map(entry)).collect();
    let mut document = ImageConfiguration::default();
    document.set_created(Some(created.clone()));
    document.set_author(config.author.clone());
    document.set_architecture(Arch::from(platform.architecture.oci_name()));
    document.set_variant(platform.architecture.oci_variant().map(str::to_owned));
    document.set_os(Os::Linux);
    document.set_config(Some(config.oci()));
    document.set_rootfs(RootFsBuilder::default().typ("layers").diff_ids(diff_ids).build().expect(BUILT));
    document.set_history(Some(history));
    document
}

/// The document with further keys in its `config` object, which its type does not know.
fn with_extensions(document: ImageConfiguration, extensions: Map<String, Value>) -> Raw<ImageConfiguration> {
    if extensions.is_empty() {
        return Raw::new(document);
    }
    let mut value = serde_json::to_value(document).expect("documents have texts as keys");
    if let Some(Value::Object(config)) = value.get_mut("config") {
        config.extend(extensions);
    }
    Raw::parse(&oci::canonical_json(&value), "image configuration").expect("it was read from this type")
}
