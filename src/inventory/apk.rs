//! apk's database: `installed`, one record a package, a letter and a value on each line (apk-tools' `src/database.c`).

use super::InventoryError;
use crate::package::{Manager, Package};
use crate::tree::{Tree, TreePath};

/// Where databases are: before `/usr` was merged, and since.
const DATABASES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// A database with files of 10,000 packages has 100 MB.
const LIMIT: u64 = 512 << 20;

/// Every package in them.
pub(super) fn packages(tree: &Tree) -> Result<Vec<Package>, InventoryError> {
    let mut packages = Vec::new();
    for path in DATABASES {
        let path = TreePath::literal(path);
        if let Some(text) = super::read_text(tree, &path, LIMIT)? {
            packages.extend(parse(&text, &path)?);
        }
    }
    Ok(packages)
}

fn parse(text: &str, path: &TreePath) -> Result<Vec<Package>, InventoryError> {
    let empty = || Package {
        manager: Manager::Apk,
        name: String::new(),
        version: String::new(),
        architecture: String::new(),
        source: None,
        installed_size: 0,
    };
    let (mut packages, mut open) = (Vec::new(), empty());
    for (number, line) in text.lines().chain([""]).enumerate() {
        if line.is_empty() {
            let package = std::mem::replace(&mut open, empty());
            packages.extend(Some(package).filter(|package| !package.name.is_empty()));
            continue;
        }
        let Some((letter, value)) = line.split_once(':') else {
            return Err(InventoryError::Line { path: path.clone(), line: number + 1 });
        };
        match letter {
            "P" => open.name = value.to_owned(),
            "V" => open.version = value.to_owned(),
            "A" => open.architecture = value.to_owned(),
            "I" => open.installed_size = value.parse().unwrap_or(0),
            "o" => open.source = Some(value.to_owned()),
            _ => {}
        }
    }
    for package in &mut packages {
        let name = &package.name;
        package.source.take_if(|source| source == name);
    }
    Ok(packages)
}
