//! dpkg's database: `/var/lib/dpkg/status`, and the `status.d` of images without dpkg (deb-control(5), dpkg's
//! `lib/dpkg/parse.c`).

use std::collections::BTreeMap;

use super::{InventoryError, read_text};
use crate::package::{Manager, Package};
use crate::tree::{Tree, TreePath};

/// Largest database in bytes: some ten times that of a full desktop.
const LARGEST: u64 = 64 << 20;

/// The installed packages of both databases.
pub fn packages(tree: &Tree) -> Result<Vec<Package>, InventoryError> {
    let mut packages = Vec::new();
    let status = TreePath::literal("var/lib/dpkg/status");
    if let Some(text) = read_text(tree, &status, LARGEST)? {
        packages.extend(paragraphs(&text, &status)?.iter().filter_map(package));
    }
    let folder = TreePath::literal("var/lib/dpkg/status.d");
    let folder = tree.resolve(&folder).map_err(|source| InventoryError::Resolve { path: folder, source })?;
    for entry in tree.children(&folder) {
        let path = entry.path;
        // Beside each package's paragraph there may be the checksums of its files.
        if path.name().ends_with(b".md5sums") || entry.inode.is_directory() {
            continue;
        }
        if let Some(text) = read_text(tree, path, LARGEST)? {
            packages.extend(paragraphs(&text, path)?.iter().filter_map(package));
        }
    }
    Ok(packages)
}

/// Fields by lower-case name. Continuation lines are left out: none of the fields read here has them.
type Paragraph<'a> = BTreeMap<String, &'a str>;

fn paragraphs<'a>(text: &'a str, path: &TreePath) -> Result<Vec<Paragraph<'a>>, InventoryError> {
    let mut paragraphs = vec![Paragraph::new()];
    for (number, line) in text.lines().enumerate() {
        let current = paragraphs.last_mut().expect("there is always one");
        if line.trim().is_empty() {
            if !current.is_empty() {
                paragraphs.push(Paragraph::new());
            }
        } else if let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.contains([' ', '\t'])) {
            current.insert(name.to_ascii_lowercase(), value.trim());
        } else if !line.starts_with([' ', '\t']) || current.is_empty() {
            return Err(InventoryError::Line { path: path.clone(), line: number + 1 });
        }
    }
    Ok(paragraphs)
}

/// The package of a paragraph, where it is an installed one. The `status.d` of distroless images has no `Status`.
fn package(paragraph: &Paragraph<'_>) -> Option<Package> {
    let field = |name: &str| paragraph.get(name).copied().filter(|value| !value.is_empty());
    let installed = field("status").is_none_or(|status| status.split_whitespace().nth(2) == Some("installed"));
    if !installed {
        return None;
    }
    let name = field("package")?;
    // `Source: glibc (2.36-9)` gives the version where it differs.
    let source = field("source").and_then(|source| source.split_whitespace().next()).filter(|source| *source != name);
    let kibibytes = field("installed-size").and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
    Some(Package {
        manager: Manager::Dpkg,
        name: name.to_owned(),
        version: field("version")?.to_owned(),
        architecture: field("architecture").unwrap_or_default().to_owned(),
        source: source.map(str::to_owned),
        installed_size: kibibytes.saturating_mul(1024),
    })
}
