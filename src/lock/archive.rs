//! What a lock holds of archives.

use std::fmt::Write;

use serde::Deserialize;

use super::field;
use super::text::quoted;
use crate::digest::Digest;
use crate::platform::Platform;

/// A root filesystem or image in an archive, for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ArchivePin {
    /// What it is for.
    #[serde(deserialize_with = "field::platform")]
    pub platform: Platform,
    /// The file, relative to the recipe's folder, where it is one. The bytes count, wherever they are.
    pub path: Option<String>,
    /// The address, where it has one.
    pub url: Option<String>,
    /// The digest of the archive as it is stored.
    #[serde(deserialize_with = "field::hex")]
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How many leading components its names lose.
    #[serde(default)]
    pub strip_components: u32,
    /// Which image is meant, where it has several.
    pub tag: Option<String>,
}

impl ArchivePin {
    /// Where the archive is, for a person.
    pub fn name(&self) -> &str {
        self.path.as_deref().or(self.url.as_deref()).unwrap_or("the archive")
    }

    /// What a person's editing can break.
    pub(super) fn check(&self) -> Result<(), String> {
        match (&self.path, &self.url) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(format!("the archive for {} has neither or both of `path` and `url`", self.platform)),
        }
    }

    /// Appends its text, below its heading.
    pub(super) fn write(&self, text: &mut String) {
        let _ = writeln!(text, "platform = {}", quoted(&self.platform.to_string()));
        for (key, value) in [("path", &self.path), ("url", &self.url)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
        let _ = writeln!(text, "sha256 = {}\nsize = {}", quoted(&self.sha256.hex()), self.size);
        if self.strip_components > 0 {
            let _ = writeln!(text, "strip-components = {}", self.strip_components);
        }
        if let Some(tag) = &self.tag {
            let _ = writeln!(text, "tag = {}", quoted(tag));
        }
    }
}
