//! Suites that are known by name: whose they are, and which have a whole distribution.

use super::Distribution;
use crate::recipe::fields::Fields;
use crate::recipe::mistake::Mistake;
use crate::recipe::value::Place;

/// The suites whose distribution needs no key: by release, by state, and those to come.
const DEBIAN_SUITES: &[&str] = &[
    "trixie",
    "bookworm",
    "bullseye",
    "buster",
    "forky",
    "duke",
    "sid",
    "unstable",
    "testing",
    "stable",
    "oldstable",
    "oldoldstable",
    "experimental",
];
const UBUNTU_SUITES: &[&str] =
    &["noble", "jammy", "focal", "bionic", "resolute", "questing", "plucky", "oracular", "devel"];

/// What the names of suites end with that have no more than what is added to a release.
const PARTS: [&str; 7] =
    ["-backports", "-backports-sloppy", "-updates", "-security", "-proposed-updates", "-proposed", "/updates"];

/// All that are known.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    DEBIAN_SUITES.iter().chain(UBUNTU_SUITES).copied()
}

/// Whose a suite is: as the recipe says, or as is known.
pub(super) fn distribution(suite: &str, named: Option<&str>) -> Option<Distribution> {
    let release = suite.split(['-', '/']).next().unwrap_or(suite);
    match named {
        Some("debian") => Some(Distribution::Debian),
        Some("ubuntu") => Some(Distribution::Ubuntu),
        Some(other) => Some(Distribution::Other(other.to_owned())),
        None if DEBIAN_SUITES.contains(&release) => Some(Distribution::Debian),
        None if UBUNTU_SUITES.contains(&release) => Some(Distribution::Ubuntu),
        None => None,
    }
}

/// Writes down that a suite has only a part of its distribution: nothing can be made of that alone.
pub(super) fn check_whole(fields: &Fields<'_>, place: Option<Place>, suite: &str, distribution: &Distribution) {
    let release = PARTS.iter().find_map(|part| suite.strip_suffix(part));
    let (Some(release), Distribution::Debian | Distribution::Ubuntu) = (release, distribution) else { return };
    let what = format!("`{suite}` has no more than what is added to `{release}`, and no whole system");
    let help = if suite.contains("-backports") {
        "make the release the `suite`; packages are asked of its backports one by one: \
         `packages = [\"golang/trixie-backports\"]`, and what they need comes along"
    } else if suite.contains("-proposed") {
        "make the release the `suite`; packages are asked of another suite one by one: \
         `packages = [\"curl/trixie-proposed-updates\"]`, and what they need comes along"
    } else {
        "make the release the `suite`: its updates and security suites are read as well, unless `updates = false`"
    };
    fields.error(place, Mistake::Clash(what, help));
}
