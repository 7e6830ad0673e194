//! What a lock holds of an image that was made before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;

use super::text::{Row, quoted, rows};
use super::{Change, field};
use crate::digest::{DiffId, Digest};
use crate::platform::Platform;

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OciPin {
    /// What the image is for.
    #[serde(deserialize_with = "field::platform")]
    pub platform: Platform,
    /// Where it was, as the recipe writes it: `oci:base:13`.
    pub image: String,
    /// Its full name, where it has one: `docker.io/library/debian:13`.
    pub name: Option<String>,
    /// The digest that its name led to: of its manifest, or of an index that names it. Nothing where it has no manifest.
    pub digest: Option<Digest>,
    /// The digest of its manifest; nothing in an archive that only Docker reads.
    pub manifest: Option<Digest>,
    /// The digest of its configuration.
    pub config: Digest,
    /// Its layers, base first.
    pub layers: Vec<LockedLayer>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedLayer {
    /// The digest of the layer as it is stored.
    pub digest: Digest,
    /// Bytes as it is stored.
    pub size: u64,
    /// The digest of its uncompressed tar.
    #[serde(deserialize_with = "diff_id")]
    pub diff_id: DiffId,
}

impl OciPin {
    /// What tells this image from all others: the digest of its manifest, or of its configuration where it has none.
    pub fn identity(&self) -> Digest {
        self.manifest.unwrap_or(self.config)
    }

    /// Appends its text, below its heading.
    pub(super) fn write(&self, text: &mut String) {
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        };
        line("platform", &self.platform.to_string());
        line("image", &self.image);
        if let Some(name) = &self.name {
            line("name", name);
        }
        if let Some(digest) = &self.digest {
            line("digest", &digest.to_string());
        }
        if let Some(manifest) = &self.manifest {
            line("manifest", &manifest.to_string());
        }
        line("config", &self.config.to_string());
        rows(text, "layers", self.layers.iter().map(layer));
    }
}

fn layer(layer: &LockedLayer) -> Row {
    Row::default()
        .text("digest", &layer.digest.to_string())
        .raw("size", &layer.size.to_string())
        .text("diff-id", &layer.diff_id.to_string())
}

fn diff_id<'de, D: serde::Deserializer<'de>>(value: D) -> Result<DiffId, D::Error> {
    String::deserialize(value)?.parse().map_err(serde::de::Error::custom)
}

/// The images that two locks have differently; their digests stand in the place of versions.
pub(super) fn changes(old: &[OciPin], new: &[OciPin]) -> Vec<Change> {
    fn images(pins: &[OciPin]) -> BTreeMap<(&str, Platform), &OciPin> {
        pins.iter().map(|pin| ((pin.image.as_str(), pin.platform), pin)).collect()
    }
    let (old, new) = (images(old), images(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let differing = keys.into_iter().filter(|key| old.get(key) != new.get(key));
    let change = |key: &(&str, Platform)| Change {
        security: false,
        name: key.0.to_owned(),
        architecture: key.1.to_string(),
        before: old.get(key).map(|pin| pin.identity().to_string()),
        after: new.get(key).map(|pin| pin.identity().to_string()),
    };
    differing.map(change).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::lock::{Lock, Pin};

    fn pin(platform: &str, manifest: &str) -> OciPin {
        OciPin {
            platform: platform.parse().unwrap(),
            image: "oci:base:13".to_owned(),
            name: Some("docker.io/library/debian:13".to_owned()),
            digest: Some(Digest::of(b"index")),
            manifest: Some(Digest::of(manifest.as_bytes())),
            config: Digest::of(b"config"),
            layers: vec![LockedLayer {
                digest: Digest::of(b"layer"),
                size: 7,
                diff_id: DiffId::new(Digest::of(b"tar")),
            }],
        }
    }

    fn lock(pins: Vec<OciPin>) -> Lock {
        Lock::new(Digest::of(b"request"), pins.into_iter().map(Pin::Oci).collect())
    }

    #[test]
    fn text_is_read_as_it_was_written() {
        let bare = OciPin { name: None, digest: None, manifest: None, layers: Vec::new(), ..pin("linux/arm64", "") };
        let lock = lock(vec![bare, pin("linux/amd64", "m")]);
        let text = lock.to_text();
        let parse = |text: &str| Lock::parse(text, Path::new("x.lock"));
        assert_eq!(parse(&text).unwrap(), lock);
        assert!(text.find("linux/amd64") < text.find("linux/arm64"), "{text}");
        assert_eq!(lock.oci("linux/arm64".parse().unwrap()).unwrap().identity(), Digest::of(b"config"));
        for (from, to) in
            [("linux/arm64", "linux/amd64"), ("size = 7", "size = -7"), ("diff-id = \"sha256:", "diff-id = \"sha1:")]
        {
            assert!(parse(&text.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn another_image_is_a_change() {
        let of = |manifest| lock(vec![pin("linux/amd64", manifest)]);
        assert!(crate::lock::changes(&of("a"), &of("a")).is_empty());
        let changes = crate::lock::changes(&of("a"), &of("b"));
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].to_string(), format!("~ oci:base:13:linux/amd64 {a} -> {b}"));
    }
}
