//! Packages that are files of the recipe's folder and in no archive.
//!
//! They are not in the lock, because they change with the recipe; what they need is, and so the lock is for these control
//! files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::index::{IndexError, Packages};
use super::package_file::{DebFile, PackageFileError};
use super::unpack::{Candidate, Unpacked};
use super::{Drops, InstallError, ResolveError, order, relation, unpack};
use crate::digest::Digest;
use crate::shared_path::SharedPath;
use crate::store::{Blob, Store};

/// What the files are called where suites are named.
pub(super) const SUITE: &str = "local files";

/// The control files of the packages at `paths`, in their order; nothing for one that cannot be read, which fetching will
/// say.
pub fn controls(paths: &[PathBuf]) -> Vec<Option<String>> {
    paths.iter().map(|path| Some(DebFile::read(path).ok()?.control_text().to_owned())).collect()
}

/// Their bytes, as digests.
pub fn digests(paths: &[PathBuf]) -> Vec<Option<String>> {
    paths.iter().map(|path| Some(Digest::of_file(path).ok()?.hex())).collect()
}

/// The packages at `paths` as an archive's index would have them: of each package one, and each of one of these
/// architectures, of which the first is the image's, or of all.
pub(super) fn index(paths: &[PathBuf], architectures: &[&str]) -> Result<Packages, ResolveError> {
    let mut text = String::new();
    for path in paths {
        let deb = DebFile::read(path)?;
        check(&deb).map_err(|reason| ResolveError::LocalControl { path: path.clone(), reason })?;
        let blob = blob(path)?;
        text.push_str(deb.control_text().trim_end());
        let (size, digest) = (blob.size, blob.digest.hex());
        text.push_str(&format!("\nFilename: local.deb\nSize: {size}\nSHA256: {digest}\n\n"));
    }
    let packages = Packages::parse(text.into_bytes())?;
    let mut seen: BTreeMap<(&str, &str), &PathBuf> = BTreeMap::new();
    for (path, record) in paths.iter().zip(packages.records()) {
        let (name, architecture) = (record.name(), record.architecture());
        if architecture != "all" && !architectures.contains(&architecture) {
            return Err(ResolveError::LocalArchitecture {
                path: path.clone(),
                name: name.to_owned(),
                found: architecture.to_owned(),
                wanted: architectures.first().copied().unwrap_or_default().to_owned(),
            });
        }
        if let Some(first) = seen.insert((name, architecture), path) {
            let (first, second) = (first.clone(), path.clone());
            return Err(ResolveError::LocalTwice { name: name.to_owned(), first, second });
        }
    }
    Ok(packages)
}

/// Says what no package can say of itself.
fn check(deb: &DebFile) -> Result<(), String> {
    let index = Packages::parse(
        format!("{}\nFilename: local.deb\nSize: 0\nSHA256: {}\n", deb.control_text().trim_end(), "0".repeat(64))
            .into_bytes(),
    );
    index.map_err(|error| match error {
        IndexError::NoField { field, .. } => format!("it has no `{field}`"),
        IndexError::BadField { field, value, .. } => format!("it has the impossible `{field}: {value}`"),
        other => other.to_string(),
    })?;
    for field in RELATIONS {
        let value = deb.control().field(field).map(|value| value.raw().to_owned()).unwrap_or_default();
        relation::parse(&value).map_err(|error| format!("in `{field}`, {error}"))?;
    }
    Ok(())
}

/// The fields that say how packages go together.
const RELATIONS: [&str; 7] = ["Pre-Depends", "Depends", "Recommends", "Conflicts", "Breaks", "Replaces", "Provides"];

/// Unpacks the packages at `paths`. One belongs to the first stage where it is essential, or where a package of the first
/// stage needs it and nothing else there will do.
pub(super) fn candidates(
    paths: &[PathBuf],
    others: &[Candidate],
    store: &Store,
    drops: Drops<'_>,
) -> Result<Vec<Candidate>, InstallError> {
    let mut local = Vec::new();
    for path in paths {
        let file = blob(path)?;
        let mut unpacked = unpack::open(&file, store)?.unpack(&file, store, drops).map_err(|error| match error {
            InstallError::Data { source, .. } => InstallError::LocalData { path: path.clone(), source },
            other => other,
        })?;
        unpacked.is_local = true;
        let priority = unpacked.paragraph()?.field("Priority").map(|field| field.raw().to_owned());
        local.push(Candidate { unpacked, file, essential: false, priority: priority.unwrap_or_default() });
    }
    loop {
        let first = others.iter().chain(&local).filter(|candidate| candidate.essential);
        let first: Vec<&Unpacked> = first.map(|candidate| &candidate.unpacked).collect();
        let wanted = missing(&first)?;
        let mut found = None;
        for (place, candidate) in local.iter().enumerate().filter(|(_, candidate)| !candidate.essential) {
            let package = &candidate.unpacked;
            let essential = package.paragraph()?.field("Essential").is_some_and(|field| field.raw() == "yes");
            if essential || names(package)?.iter().any(|name| wanted.contains(name)) {
                found = Some(place);
                break;
            }
        }
        match found {
            Some(place) => local[place].essential = true,
            None => return Ok(local),
        }
    }
}

/// The names of which `packages` need one, and none of them has it.
fn missing(packages: &[&Unpacked]) -> Result<Vec<String>, InstallError> {
    let mut there = Vec::new();
    for package in packages {
        there.append(&mut names(package)?);
    }
    let mut missing = Vec::new();
    for package in packages {
        for field in ["Pre-Depends", "Depends"] {
            for group in order::names(package, field)? {
                if !group.iter().any(|name| there.contains(name)) {
                    missing.extend(group);
                }
            }
        }
    }
    Ok(missing)
}

/// What a package is called, by itself and by what it provides.
fn names(package: &Unpacked) -> Result<Vec<String>, InstallError> {
    let provided = order::names(package, "Provides")?.into_iter().flatten();
    Ok(std::iter::once(package.name.clone()).chain(provided).collect())
}

/// The file as if it were in the store.
fn blob(path: &Path) -> Result<Blob, PackageFileError> {
    let unread = |source| PackageFileError::Read { path: path.to_owned(), source };
    let digest = Digest::of_file(path).map_err(unread)?;
    let size = std::fs::metadata(path).map_err(unread)?.len();
    Ok(Blob { digest, size, path: SharedPath::from(path) })
}
