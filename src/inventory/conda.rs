//! conda's databases: `conda-meta/NAME-VERSION-BUILD.json` below the prefix of each environment (conda's
//! `core/prefix_data.py`).

use serde::Deserialize;

use super::{InventoryError, read_text};
use crate::package::{Manager, Package};
use crate::tree::{Tree, TreePath};

/// Largest record in bytes: it lists the package's files.
const LARGEST: u64 = 32 << 20;

/// What is read of a record.
#[derive(Deserialize)]
struct Record {
    name: String,
    version: String,
    #[serde(default)]
    subdir: Option<String>,
    #[serde(default)]
    arch: Option<serde_json::Value>,
    #[serde(default)]
    paths_data: PathsData,
}

/// The files of a package.
#[derive(Default, Deserialize)]
struct PathsData {
    #[serde(default)]
    paths: Vec<PathData>,
}

#[derive(Deserialize)]
struct PathData {
    #[serde(default)]
    size_in_bytes: Option<u64>,
}

/// The packages of all environments, wherever they are.
pub fn packages(tree: &Tree) -> Result<Vec<Package>, InventoryError> {
    let mut packages = Vec::new();
    for path in tree.entries().filter(|entry| entry.inode.is_file() && is_record(entry.path)).map(|entry| entry.path) {
        let Some(text) = read_text(tree, path, LARGEST)? else { continue };
        let record: Record =
            serde_json::from_str(&text).map_err(|source| InventoryError::Record { path: path.clone(), source })?;
        let sizes = record.paths_data.paths.iter().filter_map(|path| path.size_in_bytes);
        packages.push(Package {
            manager: Manager::Conda,
            name: record.name,
            version: record.version,
            architecture: record.subdir.or_else(|| Some(record.arch?.as_str()?.to_owned())).unwrap_or_default(),
            source: None,
            installed_size: sizes.fold(0, u64::saturating_add),
        });
    }
    Ok(packages)
}

/// `.../conda-meta/NAME-VERSION-BUILD.json`: none of the three is empty, and only the name may have dashes.
pub(super) fn is_record(path: &TreePath) -> bool {
    let mut components = path.components().rev();
    let record = components.next().and_then(|name| name.strip_suffix(b".json"));
    let dashes = |name: &[u8]| name.iter().filter(|byte| **byte == b'-').count();
    record.is_some_and(|name| dashes(name) >= 2) && components.next() == Some(b"conda-meta")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Inode, Origin};

    fn tree(files: &[(&'static str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            let file = Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Sandbox);
            tree.insert_with_parents(TreePath::literal(path), file).unwrap();
        }
        tree
    }

    const ZLIB: &str = r#"{"name":"zlib","version":"1.3.1","build":"h1_0","subdir":"linux-64",
        "paths_data":{"paths":[{"_path":"lib/libz.so","size_in_bytes":100},{"_path":"x","size_in_bytes":23},{"_path":"l"}]}}"#;

    #[test]
    fn records_of_every_environment_are_found() {
        let tree = tree(&[
            ("opt/conda/conda-meta/zlib-1.3.1-h1_0.json", ZLIB),
            (
                "opt/conda/envs/a/conda-meta/tzdata-2024a-0.json",
                r#"{"name":"tzdata","version":"2024a","subdir":"noarch"}"#,
            ),
            ("opt/conda/conda-meta/history", "==> now <=="),
            ("opt/conda/conda-meta/pinned.json", "[]"),
            ("opt/conda/pkgs/zlib-1.3.1-h1_0/info/index.json", "{}"),
        ]);
        let found: Vec<String> = packages(&tree)
            .unwrap()
            .iter()
            .map(|p| format!("{} {} {} {}", p.name, p.version, p.architecture, p.installed_size))
            .collect();
        assert_eq!(found, ["zlib 1.3.1 linux-64 123", "tzdata 2024a noarch 0"]);
    }

    #[test]
    fn records_that_cannot_be_read_are_named() {
        for text in ["", "[]", r#"{"name":"x"}"#] {
            let found = packages(&tree(&[("conda-meta/x-1-0.json", text)]));
            assert!(matches!(found, Err(InventoryError::Record { .. })), "{text}");
        }
    }
}
