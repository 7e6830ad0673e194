//! `[from.scratch]`: nothing but what a static program expects around it.

use super::debian::{self, DebianRequest, DebianVariant, PackageRequest};
use super::fields::Fields;
use super::mistake::{Mistake, quoted};
use super::shape::{Key, Keys, Shape};
use super::value::{Item, Place, Table, Value};

/// What `[from.scratch]` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScratchRequest {
    /// Whether the image has Mozilla's certificate authorities.
    pub ca_certificates: bool,
    /// Whether the image has the time zones of the world.
    pub timezones: bool,
    /// The archive whose package tini has the static program that becomes process 1; none where the image has no init,
    /// or a local one.
    pub tini: Option<DebianRequest>,
}

pub(super) static KEYS: Keys = Keys {
    name: "[from.scratch]",
    groups: &[&[
        Key {
            name: "ca-certificates",
            shape: Shape::Flag { only: None },
            about: "Mozilla's certificate authorities in /etc/ssl/certs; true where it is not given",
        },
        Key {
            name: "timezones",
            shape: Shape::Flag { only: None },
            about: "time zones in /usr/share/zoneinfo; false where it is not given",
        },
        Key {
            name: "debian",
            shape: Shape::Table(&ARCHIVE),
            about: "the archive that `init = \"tini\"` takes tini from; Debian 13 where it is not given",
        },
    ]],
    later: &[],
};

static ARCHIVE: Keys = Keys { name: "[from.scratch.debian]", groups: debian::KEYS.groups, later: debian::KEYS.later };

/// The suite that tini comes from where the recipe names none.
const SUITE: &str = "trixie";
/// Keys of `[from.debian]` that mean nothing where only tini is taken.
const MEANINGLESS: [&str; 10] = [
    "variant",
    "packages",
    "exclude",
    "debconf",
    "recommends",
    "engine",
    "scripts",
    "dependencies",
    "slices",
    "binaries",
];

/// Reads `[from.scratch]`. Whether tini is needed is known only with the rest of the recipe.
pub(super) fn read(mut fields: Fields<'_>) -> Option<ScratchRequest> {
    let ca_certificates = fields.flag("ca-certificates").unwrap_or(true);
    let timezones = fields.flag("timezones").unwrap_or(false);
    let archive = match fields.table("debian", &ARCHIVE) {
        Some(archive) => archive,
        None => Fields::new(&ARCHIVE, fields.place, only_suite(fields.place), fields.notebook()),
    };
    let given: Vec<_> = MEANINGLESS.into_iter().filter(|key| archive.place_of(key).is_some()).collect();
    if let Some(first) = given.first() {
        let what = format!("{} means nothing here: only tini is taken from the archive", quoted(&given));
        archive.error(archive.place_of(first), Mistake::Clash(what, "images of packages have `[from.debian]`"));
    }
    let tini = debian::read(archive).map(|request| DebianRequest {
        variant: DebianVariant::Custom,
        packages: vec![PackageRequest { name: "tini".to_owned(), architecture: None, version: None, suite: None }],
        ..request
    });
    fields.finish();
    Some(ScratchRequest { ca_certificates, timezones, tini: Some(tini?) })
}

fn only_suite(place: Place) -> Table {
    let suite = Item { place, value: Value::Text(SUITE.to_owned()) };
    Table::from([("suite".to_owned(), (place, suite))])
}
