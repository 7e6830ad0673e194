//! rpm's database, in each of its three forms, and what images without one leave in its place.
//!
//! Where it is, and in which form, depends on the distribution (rpm's `%_dbpath` and `%_db_backend`): all known places
//! are looked at. Azure Linux's images without rpm have a list of packages instead.

mod bdb;
pub mod header;
mod ndb;
mod sqlite;

use header::{Header, tag};

use super::{InventoryError, read_text};
use crate::package::{Manager, Package};
use crate::tree::{Tree, TreePath};

/// Where databases are, the newest places first.
const PLACES: [&str; 4] = ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm", "usr/lib/rpm-db"];

/// Largest database in bytes: some ten times that of a full desktop.
const LARGEST: u64 = 512 << 20;

/// What Azure Linux (and Mariner before it) leaves in images without rpm: a package a line, fields between tabs.
const MANIFEST: &str = "var/lib/rpmmanifest/container-manifest-2";

/// Reads the headers of one form of the database out of its bytes.
type Reader = fn(&[u8]) -> Option<Vec<Vec<u8>>>;

/// The files of the three forms.
const FORMS: [(&str, Reader); 3] =
    [("rpmdb.sqlite", sqlite::headers), ("Packages.db", ndb::headers), ("Packages", bdb::headers)];

/// The installed packages of all databases.
pub fn packages(tree: &Tree) -> Result<Vec<Package>, InventoryError> {
    let mut packages = Vec::new();
    each_header(tree, &mut |header| {
        packages.push(package(header)?);
        Some(())
    })?;
    let manifest = TreePath::literal(MANIFEST);
    if let Some(text) = read_text(tree, &manifest, LARGEST)? {
        packages.extend(text.lines().filter_map(listed));
    }
    Ok(packages)
}

/// The names of the packages that have one of `files`: paths as the packages name them.
pub(super) fn owners(tree: &Tree, is_it: &dyn Fn(&str) -> bool) -> Result<Vec<String>, InventoryError> {
    let mut owners = Vec::new();
    each_header(tree, &mut |header| {
        let (names, folders) = (header.strings(tag::BASENAMES), header.strings(tag::DIRNAMES));
        let folder = |place: &u64| usize::try_from(*place).ok().and_then(|place| folders.get(place));
        let folders = header.numbers(tag::DIRINDEXES);
        let mut files =
            names.iter().zip(&folders).filter_map(|(name, place)| Some(format!("{}{name}", folder(place)?)));
        if files.any(|file| is_it(&file)) {
            owners.push(header.string(tag::NAME)?.to_owned());
        }
        Some(())
    })?;
    Ok(owners)
}

/// Gives `each` the header of every installed package; `None` from it means that the header is damaged.
fn each_header(tree: &Tree, each: &mut dyn FnMut(&Header<'_>) -> Option<()>) -> Result<(), InventoryError> {
    for place in PLACES {
        for (file, read) in FORMS {
            let path = TreePath::literal(place).join(file).expect("a name of one component");
            let Some(mut bytes) = read_bytes(tree, &path)? else { continue };
            if file == "rpmdb.sqlite" {
                let log = TreePath::literal(place).join("rpmdb.sqlite-wal").expect("a name of one component");
                if let Some(log) = read_bytes(tree, &log)?.filter(|log| !log.is_empty()) {
                    sqlite::replay(&mut bytes, &log);
                }
            }
            let damaged = || InventoryError::Damaged { path: path.clone() };
            let headers = read(&bytes).ok_or_else(damaged)?;
            for header in headers {
                let header = Header::parse(&header).ok_or_else(damaged)?;
                // Keys that rpm trusts are kept as packages of this name.
                if header.string(tag::NAME) != Some("gpg-pubkey") {
                    each(&header).ok_or_else(damaged)?;
                }
            }
        }
    }
    Ok(())
}

fn read_bytes(tree: &Tree, path: &TreePath) -> Result<Option<Vec<u8>>, InventoryError> {
    let place = tree.resolve(path).map_err(|source| InventoryError::Resolve { path: path.clone(), source })?;
    let Some(inode) = tree.get(&place) else { return Ok(None) };
    let content = inode.content().filter(|content| content.size() <= LARGEST);
    let content = content.ok_or_else(|| InventoryError::NotReadable { path: path.clone(), limit: LARGEST })?;
    content.read().map(Some).map_err(|source| InventoryError::Read { path: path.clone(), source })
}

fn package(header: &Header<'_>) -> Option<Package> {
    let name = header.string(tag::NAME)?;
    let source = header.string(tag::SOURCERPM).and_then(source_name).filter(|source| *source != name);
    Some(Package {
        manager: Manager::Rpm,
        name: name.to_owned(),
        version: header.version()?,
        architecture: header.string(tag::ARCH).unwrap_or_default().to_owned(),
        source: source.map(str::to_owned),
        installed_size: header.installed_size(),
    })
}

/// `bash` of `bash-5.2.37-1.fc43.src.rpm`.
fn source_name(file: &str) -> Option<&str> {
    let mut parts = file.strip_suffix(".rpm")?.rsplitn(3, '-');
    parts.next()?;
    parts.next()?;
    parts.next().filter(|name| !name.is_empty())
}

/// A line of a manifest: name, version-release, install time, build time, vendor, epoch, size, architecture, epoch,
/// source package.
fn listed(line: &str) -> Option<Package> {
    let fields: Vec<&str> = line.split('\t').collect();
    let field = |place: usize| fields.get(place).copied().filter(|text| !matches!(*text, "" | "(none)" | "0"));
    let name = field(0)?;
    let version = field(1)?;
    let epoch = field(5).filter(|epoch| epoch.bytes().all(|byte| byte.is_ascii_digit()));
    let source = field(9).and_then(source_name).filter(|source| *source != name);
    Some(Package {
        manager: Manager::Rpm,
        name: name.to_owned(),
        version: epoch.map_or_else(|| version.to_owned(), |epoch| format!("{epoch}:{version}")),
        architecture: field(7).unwrap_or_default().to_owned(),
        source: source.map(str::to_owned),
        installed_size: field(6).and_then(|size| size.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
