//! `[from.*]`: where the root filesystem comes from.

use std::collections::BTreeMap;

use super::apk::{self, ApkRequest};
use super::debian::{self, DebianRequest};
use super::fields::Fields;
use super::mistake::{Mistake, Notebook};
use super::shape::{Key, Keys, Shape};
use super::value::{Item, Place, Value};

/// Where a root filesystem comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRequest {
    /// Packages of Debian, Ubuntu and the like.
    Debian(DebianRequest),
    /// Packages of Alpine, Wolfi, Chainguard and the like.
    Apk(ApkRequest),
}

impl SourceRequest {
    /// Its name in a recipe: `debian` of `[from.debian]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Debian(_) => "debian",
            Self::Apk(_) => "apk",
        }
    }

    /// The suite that packages come from, where it has one.
    pub fn suite(&self) -> Option<&str> {
        match self {
            Self::Debian(debian) => Some(&debian.suite),
            Self::Apk(apk) => apk.branch.as_deref(),
        }
    }

    /// Whether any machine can build it for any platform, because nothing of the image runs.
    pub fn builds_anywhere(&self) -> bool {
        match self {
            Self::Debian(_) => false,
            Self::Apk(apk) => apk.scripts == apk::ApkScripts::None,
        }
    }
}

pub(super) static KEYS: Keys = Keys {
    name: "[from]",
    groups: &[&[
        Key { name: "debian", shape: Shape::Table(&debian::KEYS), about: "packages of Debian, Ubuntu and the like" },
        Key { name: "apk", shape: Shape::Table(&apk::KEYS), about: "packages of Alpine, Wolfi and the like" },
    ]],
    later: &["dnf", "archive", "host", "oci", "scratch"],
};

/// Reads `[from]`: the one source in it.
pub(super) fn read(mut fields: Fields<'_>) -> Option<SourceRequest> {
    if let Some(fields) = fields.table("debian", &debian::KEYS) {
        return debian::read(fields).map(SourceRequest::Debian);
    }
    if let Some(fields) = fields.table("apk", &apk::KEYS) {
        return apk::read(fields).map(SourceRequest::Apk);
    }
    None
}

/// Writes down where the files name no source, or more than one, even those that are not supported yet.
pub(super) fn check_one(layers: &[Item], notebook: &Notebook) {
    let mut named: BTreeMap<&str, Place> = BTreeMap::new();
    for layer in layers {
        let Value::Table(table) = &layer.value else { continue };
        let Some((_, from)) = table.get("from") else { continue };
        let Value::Table(from) = &from.value else { return };
        for (name, (place, _)) in from {
            named.entry(name).or_insert(*place);
        }
    }
    let last = named.values().max().copied();
    let known = |name: &&str| KEYS.key(name).is_some() || KEYS.later.contains(name);
    let sources: Vec<_> = named.keys().filter(|name| known(name)).map(|name| format!("`[from.{name}]`")).collect();
    match (last, layers.first()) {
        (Some(place), _) if sources.len() > 1 => notebook.error(place, Mistake::TwoSources(sources)),
        (None, Some(layer)) => notebook.error(Place { start: 0, end: 0, ..layer.place }, Mistake::NoSource),
        _ => {}
    }
}
