//! `[from.*]`: where the root filesystem comes from.

use std::collections::BTreeMap;

use super::apk::{self, ApkRequest};
use super::archive::{self, ArchiveRequest};
use super::debian::{self, DebianRequest};
use super::dnf::{self, DnfRequest};
use super::fields::Fields;
use super::host::{self, HostRequest};
use super::mistake::{Mistake, Notebook};
use super::oci::{self, OciRequest};
use super::scratch::{self, ScratchRequest};
use super::shape::{Key, Keys, Shape};
use super::value::{Item, Place, Table, Value};

/// Where a root filesystem comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRequest {
    /// Packages of Debian, Ubuntu and the like.
    Debian(DebianRequest),
    /// An image that somebody made before.
    Oci(OciRequest),
    /// A root filesystem, or an image, in an archive.
    Archive(ArchiveRequest),
    /// Nothing but what a static program expects around it.
    Scratch(ScratchRequest),
    /// This machine, or a folder of it.
    Host(HostRequest),
    /// Packages of Fedora, Red Hat's family and the like.
    Dnf(Box<DnfRequest>),
    /// Packages of Alpine, Wolfi, Chainguard and the like.
    Apk(ApkRequest),
}

impl SourceRequest {
    /// Its name in a recipe: `debian` of `[from.debian]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Debian(_) => "debian",
            Self::Oci(_) => "oci",
            Self::Archive(_) => "archive",
            Self::Scratch(_) => "scratch",
            Self::Host(_) => "host",
            Self::Dnf(_) => "dnf",
            Self::Apk(_) => "apk",
        }
    }

    /// The suite that packages come from, or what its distribution has in place of one: apk's branch, dnf's release.
    pub fn suite(&self) -> Option<&str> {
        match self {
            Self::Debian(debian) => Some(&debian.suite),
            Self::Oci(_) => None,
            Self::Archive(_) => None,
            Self::Scratch(_) => None,
            Self::Host(_) => None,
            Self::Dnf(dnf) => Some(&dnf.release),
            Self::Apk(apk) => apk.branch.as_deref(),
        }
    }

    /// Whether any machine can build it for any platform, because nothing of the image runs.
    pub fn builds_anywhere(&self) -> bool {
        match self {
            Self::Debian(debian) => !debian.scripts,
            Self::Oci(_) => true,
            Self::Archive(_) => true,
            Self::Scratch(_) => true,
            Self::Host(_) => false,
            Self::Dnf(_) => false,
            Self::Apk(apk) => apk.scripts == apk::ApkScripts::None,
        }
    }
}

pub(super) static KEYS: Keys = Keys {
    name: "[from]",
    groups: &[&[
        Key { name: "debian", shape: Shape::Table(&debian::KEYS), about: "packages of Debian, Ubuntu and the like" },
        Key { name: "archive", shape: Shape::Table(&archive::KEYS), about: "a root filesystem or image in an archive" },
        Key { name: "oci", shape: Shape::Table(&oci::KEYS), about: "an image that somebody made before" },
        Key {
            name: "scratch",
            shape: Shape::Table(&scratch::KEYS),
            about: "nothing but what a static program expects around it",
        },
        Key { name: "host", shape: Shape::Table(&host::KEYS), about: "this machine, or a folder of it" },
        Key {
            name: "dnf",
            shape: Shape::Table(&dnf::KEYS),
            about: "packages of Fedora, Red Hat's family and the like",
        },
        Key { name: "apk", shape: Shape::Table(&apk::KEYS), about: "packages of Alpine, Wolfi and the like" },
    ]],
    later: &[],
};

/// Reads `[from]`: the one source in it.
pub(super) fn read(mut fields: Fields<'_>) -> Option<SourceRequest> {
    if let Some(fields) = fields.table("debian", &debian::KEYS) {
        return debian::read(fields).map(SourceRequest::Debian);
    }
    if let Some(fields) = fields.table("oci", &oci::KEYS) {
        return oci::read(fields).map(SourceRequest::Oci);
    }
    if let Some(fields) = fields.table("archive", &archive::KEYS) {
        return archive::read(fields).map(SourceRequest::Archive);
    }
    if let Some(fields) = fields.table("scratch", &scratch::KEYS) {
        return scratch::read(fields).map(SourceRequest::Scratch);
    }
    if let Some(fields) = fields.table("host", &host::KEYS) {
        return host::read(fields).map(SourceRequest::Host);
    }
    if let Some(fields) = fields.table("dnf", &dnf::KEYS) {
        return dnf::read(fields).map(Box::new).map(SourceRequest::Dnf);
    }
    if let Some(fields) = fields.table("apk", &apk::KEYS) {
        return apk::read(fields).map(SourceRequest::Apk);
    }
    None
}

/// Takes the source out of `base` that another one in `over` replaces, with all its keys.
pub(super) fn give_way(base: &mut Table, over: &Table) {
    let Some((_, Item { value: Value::Table(base), .. })) = base.get_mut("from") else { return };
    let Some((_, Item { value: Value::Table(over), .. })) = over.get("from") else { return };
    if !over.is_empty() {
        base.retain(|name, _| over.contains_key(name));
    }
}

/// Writes down where a table of the files, or of their variants, names more than one source, even those that are not supported
/// yet, and where nothing that counts for `variant` names one.
pub(super) fn check_one(layers: &[Item], variant: Option<&str>, notebook: &Notebook) {
    let mut is_there = false;
    let mut in_variants: BTreeMap<&str, Place> = BTreeMap::new();
    for layer in layers {
        let Value::Table(table) = &layer.value else { continue };
        is_there |= names_source(table, notebook);
        let Some((_, Item { value: Value::Table(variants), .. })) = table.get("variant") else { continue };
        for (name, (place, item)) in variants {
            let Value::Table(table) = &item.value else { continue };
            if names_source(table, notebook) {
                is_there |= variant == Some(name);
                in_variants.entry(name).or_insert(*place);
            }
        }
    }
    match (in_variants.values().min(), layers.first()) {
        _ if is_there => {}
        (Some(place), _) => {
            let names = in_variants.keys().map(|name| format!("--variant {name}")).collect();
            notebook.error(*place, Mistake::SourceInVariants(names));
        }
        (None, Some(layer)) => notebook.error(Place { start: 0, end: 0, ..layer.place }, Mistake::NoSource),
        (None, None) => {}
    }
}

/// Whether a table has something that may be a source. Writes down where it has several.
fn names_source(table: &Table, notebook: &Notebook) -> bool {
    let Some((_, from)) = table.get("from") else { return false };
    // Of what is no table it is said elsewhere.
    let Value::Table(from) = &from.value else { return true };
    let known = |name: &&String| KEYS.key(name).is_some() || KEYS.later.contains(&name.as_str());
    let sources: Vec<_> = from.keys().filter(known).map(|name| format!("`[from.{name}]`")).collect();
    if let (true, Some(place)) = (sources.len() > 1, from.values().map(|(place, _)| *place).max()) {
        notebook.error(place, Mistake::TwoSources(sources));
    }
    !from.is_empty()
}
