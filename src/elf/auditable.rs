//! The crates that `cargo auditable` notes in a program: JSON, compressed with zlib, in a section of its own
//! (<https://github.com/rust-secure-code/cargo-auditable>, PARSING.md).

use std::io::Read;

use flate2::read::ZlibDecoder;
use serde::Deserialize;

/// A crate that was built into a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RustCrate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it came from: `registry`, `git`, `local`, or the name of a registry.
    pub source: String,
    /// Whether it is the program itself.
    pub is_root: bool,
}

pub(super) const SECTION: &[u8] = b".dep-v0";
/// Most bytes of the section.
pub(super) const LIMIT: u64 = 1 << 20;
/// Most bytes of the JSON in it: the most that its own tools take.
const JSON_LIMIT: u64 = 8 << 20;

#[derive(Deserialize)]
struct Document {
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    root: bool,
}

/// The crates in the section, those that only the build needed left out; none where it makes no sense.
pub(super) fn read(section: &[u8]) -> Vec<RustCrate> {
    let mut json = Vec::new();
    let read = ZlibDecoder::new(section).take(JSON_LIMIT + 1).read_to_end(&mut json);
    if read.is_err() || json.len() as u64 > JSON_LIMIT {
        return Vec::new();
    }
    let Ok(document) = serde_json::from_slice::<Document>(&json) else { return Vec::new() };
    let runs = |entry: &Entry| entry.kind.as_deref() != Some("build");
    let known = |entry: Entry| {
        let Entry { name, version, source, root, .. } = entry;
        RustCrate { name, version, source, is_root: root }
    };
    document.packages.into_iter().filter(runs).map(known).collect()
}
