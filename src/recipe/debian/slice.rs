//! `slices` of `[from.debian]`: packages of which only some files are kept.

use super::super::fields::Fields;
use super::super::mistake::Mistake;
use super::super::prune::PathPattern;
use super::super::shape::{Key, Keys, Shape, Text, text};
use super::super::value::{Item, Value};
use super::PackageRequest;

/// A package of which only some files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceRequest {
    /// The package's name.
    pub package: String,
    /// The paths that are kept; a folder stands for all in it.
    pub keep: Vec<PathPattern>,
}

const PACKAGE: Text = text::<PackageRequest>("a package");

pub(super) static KEYS: Keys = Keys {
    name: "slices",
    groups: &[&[
        Key { name: "package", shape: Shape::Text(PACKAGE), about: "the package" },
        Key {
            name: "keep",
            shape: Shape::List(&Shape::Text(text::<PathPattern>("a path of the image, with wildcards"))),
            about: "the paths of it that are kept",
        },
    ]],
    later: &[],
};

/// Whether a slice is one of the package `name`.
pub(super) fn is_of(item: &Item, name: &str) -> bool {
    let Value::Table(table) = &item.value else { return false };
    table.get("package").is_some_and(|(_, package)| package.value.as_text() == Some(name))
}

/// Reads all slices. Those of one package are one: it keeps what any of them names.
pub(super) fn read_all(fields: &mut Fields<'_>) -> Vec<SliceRequest> {
    let mut slices: Vec<SliceRequest> = Vec::new();
    for slice in fields.tables("slices", &KEYS).into_iter().filter_map(read) {
        match slices.iter_mut().find(|known| known.package == slice.package) {
            Some(known) => known.keep.extend(slice.keep),
            None => slices.push(slice),
        }
    }
    slices
}

fn read(mut fields: Fields<'_>) -> Option<SliceRequest> {
    let place = fields.place_of("package");
    fields.demand("package");
    fields.demand("keep");
    let package = fields.text::<PackageRequest>("package");
    let keep = fields.list("keep");
    if let Some(package) = &package
        && *package != PackageRequest::named(&package.name)
    {
        let what = format!("the slice `{package}` names more than a package");
        fields.error(place, Mistake::Clash(what, "versions and suites belong to `packages`: here the name is enough"));
    }
    fields.finish();
    Some(SliceRequest { package: package?.name, keep: keep? })
}
