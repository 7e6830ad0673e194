//! `/etc/os-release` (os-release(5)).

use std::collections::BTreeMap;

use super::{InventoryError, read_text};
use crate::tree::{Tree, TreePath};

/// What a root filesystem says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct OsRelease {
    /// `ID`: `debian`; `linux` where the file does not say.
    pub id: String,
    /// `VERSION_ID`: `13`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`: `trixie`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_codename: Option<String>,
    /// `PRETTY_NAME`: `Debian GNU/Linux 13 (trixie)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretty_name: Option<String>,
}

/// Largest file in bytes.
const LARGEST: u64 = 64 << 10;

/// Reads `/etc/os-release`, or `/usr/lib/os-release` where there is none; nothing where neither is there.
pub fn os_release(tree: &Tree) -> Result<Option<OsRelease>, InventoryError> {
    for place in ["etc/os-release", "usr/lib/os-release"] {
        if let Some(text) = read_text(tree, &TreePath::literal(place), LARGEST)? {
            return Ok(Some(parse(&text)));
        }
    }
    Ok(None)
}

/// Lines that are no assignments are passed over, as systemd does.
fn parse(text: &str) -> OsRelease {
    let assignment = |line: &str| {
        let (name, value) = line.trim().split_once('=').filter(|(name, _)| !name.starts_with('#'))?;
        Some((name.to_owned(), unquoted(value)))
    };
    let mut values: BTreeMap<String, String> = text.lines().filter_map(assignment).collect();
    let mut value = |name: &str| values.remove(name).filter(|value| !value.is_empty());
    OsRelease {
        id: value("ID").unwrap_or_else(|| "linux".to_owned()),
        version_id: value("VERSION_ID"),
        version_codename: value("VERSION_CODENAME"),
        pretty_name: value("PRETTY_NAME"),
    }
}

/// The value as a shell reads it: in single quotes as it is, otherwise with backslashes taken away.
fn unquoted(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    plain
}
