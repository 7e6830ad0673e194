//! `[from.archive]`: a root filesystem in a tar archive, or the files of an image archive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::fields::Fields;
use super::mistake::{Mistake, Notebook};
use super::shape::{ANY, Key, Keys, Shape, Text, text};
use super::value::Place;
use super::words::Misfit;
use crate::digest::Digest;
use crate::platform::Platform;

/// What `[from.archive]` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRequest {
    inputs: Inputs,
    /// How many leading components each name in the archive loses.
    pub strip_components: u32,
    /// Which image is meant, where the archive has several.
    pub tag: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Inputs {
    /// One for all platforms.
    One(ArchiveInput),
    /// One for each.
    Each(BTreeMap<Platform, ArchiveInput>),
}

/// An archive: where it is, and which bytes it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveInput {
    /// Where it is.
    pub place: ArchivePlace,
    /// The digest that it must have; where none is given, the one that it has when it is locked.
    pub sha256: Option<Digest>,
}

/// Where an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchivePlace {
    /// A file of the host.
    Path(PathBuf),
    /// An address.
    Url(ArchiveUrl),
}

/// The address of a file: `http`, `https` or `file`, without a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveUrl(String);

/// A SHA-256 as a recipe writes it: 64 hex digits, perhaps after `sha256:`.
struct Sha256(Digest);

const URL: Text = text::<ArchiveUrl>("the URL of an archive");
const SHA256: Text = text::<Sha256>("a SHA-256");
const PLATFORM: Text = Text {
    what: "a platform",
    check: |found| {
        let misfit = |_| Misfit::new(found, "a platform", "a platform such as `linux/amd64`");
        found.parse::<Platform>().map(drop).map_err(misfit)
    },
};

pub(super) static KEYS: Keys = Keys {
    name: "[from.archive]",
    groups: &[&[
        Key {
            name: "path",
            shape: Shape::Either(&Shape::Text(ANY), &Shape::Map { key: PLATFORM, value: ANY }),
            about: "the archive's file, or one for each platform",
        },
        Key {
            name: "url",
            shape: Shape::Either(&Shape::Text(URL), &Shape::Map { key: PLATFORM, value: URL }),
            about: "the archive's address, or one for each platform",
        },
        Key {
            name: "sha256",
            shape: Shape::Either(&Shape::Text(SHA256), &Shape::Map { key: PLATFORM, value: SHA256 }),
            about: "the SHA-256 that it must have, or one for each platform",
        },
        Key {
            name: "strip-components",
            shape: Shape::Integer { least: 0, most: 64 },
            about: "how many leading components the names in it lose; 0 where it is not given",
        },
        Key { name: "tag", shape: Shape::Text(ANY), about: "which image is meant, where the archive has several" },
    ]],
    later: &[],
};

/// Reads `[from.archive]`.
pub(super) fn read(mut fields: Fields<'_>) -> Option<ArchiveRequest> {
    let (path_place, url_place) = (fields.place_of("path"), fields.place_of("url"));
    let sha256_place = fields.place_of("sha256");
    let paths = fields.lockable_or_map("path").map(|paths| by_platform(paths, ArchivePlace::Path));
    let urls = fields.string_or_map("url").map(|urls| by_platform(urls, |url| ArchivePlace::Url(ArchiveUrl(url))));
    let digests = fields.string_or_map("sha256").map(|digests| by_platform(digests, |text| text.parse::<Sha256>()));
    let strip_components = fields.number("strip-components").unwrap_or(0);
    let tag = fields.string("tag");
    let places = match (path_place, url_place) {
        (Some(_), Some(place)) => {
            let clash = "the archive is both a file and an address".to_owned();
            fields.error(Some(place), Mistake::Clash(clash, "leave out `path` or `url`"));
            None
        }
        (None, None) => {
            let clash = "[from.archive] does not say where the archive is".to_owned();
            fields.error(None, Mistake::Clash(clash, "add `path = \"rootfs.tar.gz\"`, or `url` and `sha256`"));
            None
        }
        _ => paths.or(urls),
    };
    let inputs = places.and_then(|places| inputs(places, digests.unwrap_or_default(), sha256_place, &fields));
    fields.finish();
    Some(ArchiveRequest { inputs: inputs?, strip_components, tag })
}

/// Values by platform; `None` is all of them.
type ByPlatform<T> = BTreeMap<Option<Platform>, T>;

fn by_platform<S, T>(given: Result<S, BTreeMap<String, S>>, value: impl Fn(S) -> T) -> ByPlatform<T> {
    match given {
        Ok(one) => BTreeMap::from([(None, value(one))]),
        Err(each) => {
            each.into_iter().filter_map(|(platform, one)| Some((Some(platform.parse().ok()?), value(one)))).collect()
        }
    }
}

fn inputs(
    places: ByPlatform<ArchivePlace>,
    digests: ByPlatform<Result<Sha256, Misfit>>,
    sha256_place: Option<Place>,
    fields: &Fields<'_>,
) -> Option<Inputs> {
    let named = |keys: BTreeSet<Option<Platform>>| keys.into_iter().flatten().collect::<BTreeSet<_>>();
    let (with_place, with_digest) = (places.keys().copied().collect(), digests.keys().copied().collect());
    let stray = match (places.contains_key(&None), digests.contains_key(&None)) {
        (true, _) => !named(with_digest).is_empty(),
        (false, true) => true,
        (false, false) => !named(with_digest).is_subset(&named(with_place)),
    };
    if stray {
        let clash = "`sha256` is not about the archives that are named".to_owned();
        let help = "write one `sha256` for one archive, or one for each platform that has an archive";
        fields.error(sha256_place, Mistake::Clash(clash, help));
        return None;
    }
    let digest = |platform| digests.get(&platform).and_then(|digest| Some(digest.as_ref().ok()?.0));
    let mut inputs =
        places.into_iter().map(|(platform, place)| (platform, ArchiveInput { place, sha256: digest(platform) }));
    match inputs.next()? {
        (None, one) => Some(Inputs::One(one)),
        (Some(platform), first) => {
            let others = inputs.filter_map(|(platform, input)| Some((platform?, input)));
            Some(Inputs::Each(std::iter::once((platform, first)).chain(others).collect()))
        }
    }
}

impl ArchiveRequest {
    /// The archive for a platform; recipes whose platforms lack one are refused.
    pub fn input(&self, platform: Platform) -> Option<&ArchiveInput> {
        match &self.inputs {
            Inputs::One(input) => Some(input),
            Inputs::Each(inputs) => inputs.get(&platform),
        }
    }

    /// Writes down platforms of the recipe that have no archive.
    pub(super) fn check_platforms(&self, platforms: &[Platform], place: Place, notebook: &Notebook) {
        for platform in platforms.iter().filter(|platform| self.input(**platform).is_none()) {
            let clash = format!("there is no archive for {platform}");
            notebook.error(place, Mistake::Clash(clash, "name one for each of `platforms`"));
        }
    }
}

impl ArchivePlace {
    /// What the lock and messages call it: a path within `folder` relative to that.
    pub fn name(&self, folder: &Path) -> String {
        match self {
            Self::Path(path) => path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned(),
            Self::Url(url) => url.0.clone(),
        }
    }
}

impl ArchiveUrl {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ArchiveUrl {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let wrong = |found: &str, expected: &str| Err(Misfit::new(found, "the URL of an archive", expected));
        let expected = "`http://`, `https://` or `file:///`, and where the archive is";
        let Some((scheme, rest)) = found.split_once("://") else { return wrong(found, expected) };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            // The text itself would show the password.
            let expected = "a URL without a user and a password: secrets are never in a recipe";
            return wrong(&format!("{scheme}://..."), expected);
        }
        let fits = match scheme {
            "http" | "https" => !authority.is_empty() && rest.len() > authority.len() + 1,
            "file" => rest.starts_with('/') && rest.len() > 1,
            _ => false,
        };
        let clean = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if fits && clean { Ok(Self(found.to_owned())) } else { wrong(found, expected) }
    }
}

impl FromStr for Sha256 {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let hex = found.strip_prefix("sha256:").unwrap_or(found);
        let misfit = |_| Misfit::new(found, "a SHA-256", "64 hex digits in small letters, as `sha256sum` writes them");
        Digest::from_hex(hex).map(Self).map_err(misfit)
    }
}
