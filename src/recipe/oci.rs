//! `[from.oci]`: an image that somebody made before.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::fields::Fields;
use super::mistake::Mistake;
use super::shape::{Key, Keys, Shape, text};
use super::words::Misfit;
use crate::digest::Digest;

/// An image to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciRequest {
    /// Where it is.
    pub image: ImageLocation,
    /// What its name there must lead to: the digest of its index, its manifest, or, where it has none, its configuration.
    pub digest: Option<Digest>,
    /// Its full name, where the place does not say it.
    pub name: Option<String>,
    /// Whether its layers stay, and what is done to them becomes one on top.
    pub keep_layers: bool,
}

/// Where an image is, written with the transport names of containers/image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageLocation {
    /// `oci:DIR[:TAG]`
    Layout {
        /// The layout.
        folder: PathBuf,
        /// The tag in it.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:REF]` and `docker-archive:FILE[:REF]`
    Archive {
        /// The file.
        file: PathBuf,
        /// What it is called there.
        name: Option<String>,
        /// Whether it was said to be Docker's; the file itself decides.
        docker: bool,
    },
    /// `docker-daemon:REF`
    DockerDaemon {
        /// The name as Docker takes it, or the image's id.
        name: String,
    },
    /// `docker://REF`, or a name alone: `HOST/REPOSITORY:TAG@DIGEST`.
    Registry {
        /// The name, with its digest where it has one.
        name: String,
    },
}

pub(super) static KEYS: Keys = Keys {
    name: "[from.oci]",
    groups: &[&[
        Key {
            name: "image",
            shape: Shape::Text(text::<ImageLocation>("an image")),
            about: "where it is: `HOST/NAME:TAG`, `oci:DIR:TAG`, `oci-archive:FILE`, `docker-archive:FILE`, `docker-daemon:REF`",
        },
        Key {
            name: "digest",
            shape: Shape::Text(text::<ImageDigest>("a digest")),
            about: "the digest that the image must have",
        },
        Key {
            name: "name",
            shape: Shape::Text(text::<FullName>("a name of an image")),
            about: "the image's full name, such as `docker.io/library/debian:13`, where the place does not say it",
        },
        Key {
            name: "keep-layers",
            shape: Shape::Flag { only: None },
            about: "keep the image's layers, and put what is changed into one on top; `false` where it is not given",
        },
    ]],
    later: &[],
};

/// Reads `[from.oci]`.
pub(super) fn read(mut fields: Fields<'_>) -> Option<OciRequest> {
    let place = fields.place_of("image");
    let folder = place.map(|place| fields.notebook().files[place.file].folder.clone()).unwrap_or_default();
    let image = fields.required::<ImageLocation>("image");
    let digest_place = fields.place_of("digest");
    let digest = fields.text::<ImageDigest>("digest").map(|digest| digest.0);
    let name = fields.text::<FullName>("name").map(|name| name.0);
    let keep_layers = fields.flag("keep-layers").unwrap_or(false);
    let named = image.as_ref().and_then(ImageLocation::digest);
    if let (Some(named), Some(other)) = (named, digest)
        && named != other
    {
        let expected = format!("the digest that `image` names, {named}");
        let misfit = Misfit::new(&other.to_string(), "the image's digest", &expected);
        fields.error(digest_place, Mistake::Form { key: "digest".to_owned(), misfit, nearest: None });
    }
    fields.finish();
    Some(OciRequest { image: image?.joined(&folder), digest: digest.or(named), name, keep_layers })
}

impl ImageLocation {
    /// The digest in a name of a registry.
    fn digest(&self) -> Option<Digest> {
        let Self::Registry { name } = self else { return None };
        name.split_once('@').and_then(|(_, digest)| digest.parse().ok())
    }

    /// With its path relative to `folder`.
    fn joined(self, folder: &Path) -> Self {
        match self {
            Self::Layout { folder: path, tag } => Self::Layout { folder: folder.join(path), tag },
            Self::Archive { file, name, docker } => Self::Archive { file: folder.join(file), name, docker },
            other => other,
        }
    }

    /// As it is written from within `folder`: what a lock beside the recipe says.
    pub fn relative_to(&self, folder: &Path) -> String {
        let relative = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).to_owned();
        match self {
            Self::Layout { folder: path, tag } => Self::Layout { folder: relative(path), tag: tag.clone() },
            Self::Archive { file, name, docker } => {
                Self::Archive { file: relative(file), name: name.clone(), docker: *docker }
            }
            other => other.clone(),
        }
        .to_string()
    }
}

impl fmt::Display for ImageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |name: &Option<String>| name.as_ref().map(|name| format!(":{name}")).unwrap_or_default();
        match self {
            Self::Layout { folder, tag } => write!(f, "oci:{}{}", folder.display(), after(tag)),
            Self::Archive { file, name, docker: true } => write!(f, "docker-archive:{}{}", file.display(), after(name)),
            Self::Archive { file, name, docker: false } => write!(f, "oci-archive:{}{}", file.display(), after(name)),
            Self::DockerDaemon { name } => write!(f, "docker-daemon:{name}"),
            Self::Registry { name } => write!(f, "docker://{name}"),
        }
    }
}

impl FromStr for ImageLocation {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let wrong = |expected: &str| Misfit::new(found, "an image to start from", expected);
        const EXPECTED: &str = "`HOST/NAME:TAG`, `oci:DIR:TAG`, `oci-archive:FILE`, `docker-archive:FILE` or \
                                `docker-daemon:NAME:TAG`";
        if let Some(name) = found.strip_prefix("docker://") {
            return registry(name).ok_or_else(|| wrong("`docker://HOST/NAME:TAG`"));
        }
        let (transport, place) = found.split_once(':').unwrap_or((found, ""));
        if !is_transport(transport) {
            return registry(found).ok_or_else(|| wrong(EXPECTED));
        }
        let (before, after) = place.split_once(':').map_or((place, None), |(before, after)| (before, Some(after)));
        let after = after.filter(|name| !name.is_empty()).map(str::to_owned);
        if place.is_empty() || place.chars().any(char::is_control) || before.is_empty() {
            return Err(wrong(EXPECTED));
        }
        match transport {
            "oci" => Ok(Self::Layout { folder: before.into(), tag: after }),
            "oci-archive" => Ok(Self::Archive { file: before.into(), name: after, docker: false }),
            "docker-archive" => Ok(Self::Archive { file: before.into(), name: after, docker: true }),
            "docker-daemon" if place.bytes().all(is_of_name) => Ok(Self::DockerDaemon { name: place.to_owned() }),
            "docker-daemon" => Err(wrong("a name of small letters, digits and `.`, `_`, `-`, `/`, `:`, `@`")),
            _ => Err(wrong(EXPECTED)),
        }
    }
}

/// Whether a word before a colon is a transport, known here or not, or one with a slip of the pen, and no image's name.
fn is_transport(word: &str) -> bool {
    const TRANSPORTS: [&str; 9] = [
        "oci",
        "oci-archive",
        "docker",
        "docker-archive",
        "docker-daemon",
        "containers-storage",
        "dir",
        "sif",
        "ostree",
    ];
    let near = |known: &&str| known.len() > 6 && strsim::damerau_levenshtein(known, word) <= 2;
    TRANSPORTS.contains(&word) || TRANSPORTS.iter().any(near)
}

/// An image of a registry by its name, whose digest is one where there is one.
fn registry(name: &str) -> Option<ImageLocation> {
    let (plain, digest) = name.split_once('@').map_or((name, None), |(plain, digest)| (plain, Some(digest)));
    let is_digest = digest.is_none_or(|digest| digest.parse::<Digest>().is_ok());
    let begins = plain.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_name = begins && plain.bytes().all(|byte| is_of_name(byte) && byte != b'@') && !plain.ends_with(['/', ':']);
    (is_name && is_digest).then(|| ImageLocation::Registry { name: name.to_owned() })
}

/// What names and ids of images are made of. Whether they make a name, the engine knows.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte)
}

struct ImageDigest(Digest);

impl FromStr for ImageDigest {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let expected = "`sha256:` and 64 digits or letters from a to f";
        found.parse().map(Self).map_err(|_| Misfit::new(found, "a digest", expected))
    }
}

struct FullName(String);

impl FromStr for FullName {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let registry = found.split_once('/').map(|(registry, _)| registry);
        let is_full = registry.is_some_and(|registry| registry == "localhost" || registry.contains(['.', ':']));
        if is_full && !found.ends_with('/') && found.bytes().all(is_of_name) && !found.contains('@') {
            return Ok(Self(found.to_owned()));
        }
        let expected = "registry, repository and tag, such as `docker.io/library/debian:13`";
        Err(Misfit::new(found, "a full name of an image", expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_written_as_skopeo_writes_them() {
        for text in [
            "oci:base",
            "oci:../base:13",
            "oci-archive:/srv/base.tar",
            "docker-archive:base.tar:team/base:1",
            "docker-daemon:debian:13",
            "docker-daemon:localhost:5000/team/base:1",
            "docker://debian:13",
        ] {
            assert_eq!(text.parse::<ImageLocation>().unwrap().to_string(), text);
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        for (name, has_digest) in [
            ("debian:13".to_owned(), false),
            ("localhost:5000/a/b".to_owned(), false),
            (format!("x.example/a:1@{digest}"), true),
        ] {
            let location: ImageLocation = name.parse().unwrap();
            assert_eq!(location.to_string(), format!("docker://{name}"));
            assert_eq!(location.digest().is_some(), has_digest);
            assert_eq!(location.to_string().parse(), Ok(location));
        }
        for wrong in [
            "",
            "oci",
            "oci:",
            "oci::x",
            "docker:x",
            "docker://",
            "docker-daemon:A B",
            "dir:x",
            "oci-archiv:x.tar",
            "./a.tar",
            "x.example/a@sha256:0",
            "x.example/a:",
        ] {
            assert!(wrong.parse::<ImageLocation>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_are_those_of_the_recipes_folder() {
        let location: ImageLocation = "oci:base:13".parse().unwrap();
        let joined = location.clone().joined(Path::new("/srv/recipes"));
        assert_eq!(joined.to_string(), "oci:/srv/recipes/base:13");
        assert_eq!(joined.relative_to(Path::new("/srv/recipes")), "oci:base:13");
        assert_eq!(joined.relative_to(Path::new("/elsewhere")), "oci:/srv/recipes/base:13");
    }
}
