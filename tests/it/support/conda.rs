//! Conda packages and channels of tests' own, written by rattler's writer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rattler_conda_types::compression_level::CompressionLevel;
use rattler_package_streaming::write::{write_conda_package, write_tar_bz2_package};
use rootsmith::digest::Digest;
use serde_json::{Value, json};

/// When packages of tests were made, in milliseconds.
const MADE: u64 = 1_700_000_000_000;

/// A package in the making.
pub struct Package {
    name: String,
    version: String,
    index: Value,
    /// Path, bytes and mode; a mode of 0 is that of a symbolic link, whose target the bytes are.
    files: Vec<(String, Vec<u8>, u32)>,
    /// Files with this text in it that the prefix takes the place of.
    placeholders: BTreeMap<String, (&'static str, &'static str)>,
    info: Vec<(String, String)>,
}

impl Package {
    /// A package for linux-64 with nothing in it.
    pub fn new(name: &str, version: &str) -> Self {
        let index = json!({
            "name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64",
            "timestamp": MADE, "license": "test",
        });
        let (files, placeholders, info) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { name: name.to_owned(), version: version.to_owned(), index, files, placeholders, info }
    }

    /// Sets a field of its index.json.
    pub fn field(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.index[key] = value.into();
        self
    }

    /// For any Python: modules are in `site-packages`.
    pub fn noarch_python(self, entry_points: &[&str]) -> Self {
        let link =
            json!({ "noarch": { "type": "python", "entry_points": entry_points }, "package_metadata_version": 1 });
        let mut package = self.field("noarch", "python").field("subdir", "noarch");
        package.info.push(("link.json".to_owned(), link.to_string()));
        package
    }

    pub fn needs(self, packages: &[&str]) -> Self {
        self.field("depends", packages)
    }

    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.files.push((path.to_owned(), bytes.into(), mode));
        self
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.file(path, target, 0)
    }

    /// A text with a placeholder in it.
    pub fn text(mut self, path: &str, text: &str, mode: u32, placeholder: &'static str) -> Self {
        self.placeholders.insert(path.to_owned(), (placeholder, "text"));
        self.file(path, text, mode)
    }
}

/// Writes a channel of these packages: those with an odd place in the list as `.tar.bz2`, the others as `.conda`.
pub fn write(channel: &Path, packages: Vec<Package>) {
    let mut indexes: BTreeMap<String, Value> = BTreeMap::new();
    for subdir in ["linux-64", "noarch"] {
        let empty = json!({ "info": { "subdir": subdir }, "packages": {}, "packages.conda": {} });
        indexes.insert(subdir.to_owned(), empty);
    }
    for (at, package) in packages.iter().enumerate() {
        let subdir = package.index["subdir"].as_str().unwrap().to_owned();
        let folder = channel.join(&subdir);
        fs::create_dir_all(&folder).unwrap();
        let stem = format!("{}-{}-0", package.name, package.version);
        let (kind, file) = match at % 2 {
            0 => ("packages.conda", format!("{stem}.conda")),
            _ => ("packages", format!("{stem}.tar.bz2")),
        };
        package.write(&folder.join(&file), &stem);
        let bytes = fs::read(folder.join(&file)).unwrap();
        let mut record = package.index.clone();
        record["size"] = bytes.len().into();
        record["sha256"] = Digest::of(&bytes).hex().into();
        indexes.get_mut(&subdir).unwrap()[kind][file] = record;
    }
    for (subdir, index) in indexes {
        fs::create_dir_all(channel.join(&subdir)).unwrap();
        fs::write(channel.join(subdir).join("repodata.json"), index.to_string()).unwrap();
    }
}

impl Package {
    fn write(&self, file: &Path, stem: &str) {
        let stage = tempfile::tempdir().unwrap();
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut put = |path: &str, bytes: &[u8], mode: u32| {
            let place = stage.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            if mode == 0 {
                std::os::unix::fs::symlink(String::from_utf8_lossy(bytes).as_ref(), &place).unwrap();
            } else {
                fs::write(&place, bytes).unwrap();
                fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            }
            paths.push(place);
        };
        let entries = self.files.iter().map(|(path, bytes, mode)| {
            let kind = if *mode == 0 { "softlink" } else { "hardlink" };
            let mut entry = json!({ "_path": path, "path_type": kind });
            if *mode != 0 {
                entry["sha256"] = Digest::of(bytes).hex().into();
                entry["size_in_bytes"] = bytes.len().into();
            }
            if let Some((placeholder, mode)) = self.placeholders.get(path) {
                entry["prefix_placeholder"] = (*placeholder).into();
                entry["file_mode"] = (*mode).into();
            }
            entry
        });
        let list = json!({ "paths": entries.collect::<Vec<_>>(), "paths_version": 1 });
        for (path, bytes, mode) in &self.files {
            put(path, bytes, *mode);
        }
        put("info/index.json", self.index.to_string().as_bytes(), 0o644);
        put("info/paths.json", list.to_string().as_bytes(), 0o644);
        for (name, text) in &self.info {
            put(&format!("info/{name}"), text.as_bytes(), 0o644);
        }
        let time = jiff::Timestamp::from_millisecond(MADE as i64).unwrap();
        let writer = fs::File::create(file).unwrap();
        let (level, base) = (CompressionLevel::Lowest, stage.path());
        let written = match file.extension().unwrap().to_str() {
            Some("conda") => write_conda_package(writer, base, &paths, level, Some(1), stem, Some(&time), None),
            _ => write_tar_bz2_package(writer, base, &paths, level, Some(&time), None),
        };
        written.unwrap();
    }
}
