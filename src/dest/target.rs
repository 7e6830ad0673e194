//! What `-o` says.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::beside::STANDARD_OUTPUT;
use crate::oci::{ParseReferenceError, Reference, Repository, has_tag};

/// Where one output goes: `transport:place`, with the transport names of containers/image where it has them.
///
/// A target without a name or tag of its own takes those of the recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `oci:DIR[:TAG]`
    Oci {
        /// The layout.
        folder: PathBuf,
        /// The tag in it.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:REF]` and `docker-archive:FILE[:REF]`: one format that both kinds of engine read.
    Archive {
        /// For which of them it is.
        kind: ArchiveKind,
        /// The file.
        file: PathBuf,
        /// What the image is called.
        name: Option<Reference>,
    },
    /// `docker-daemon:[REF]`
    DockerDaemon {
        /// What the image is called.
        name: Option<Reference>,
    },
    /// `containers-storage:[REF]`
    ContainersStorage {
        /// What the image is called.
        name: Option<Reference>,
    },
    /// `docker://HOST/NAME[:TAG]`
    Registry {
        /// Where it goes.
        repository: Repository,
        /// The tag there.
        tag: Option<String>,
    },
    /// `rootfs-tar:FILE`
    RootfsTar {
        /// The file.
        file: PathBuf,
    },
    /// `rootfs-dir:DIR`
    RootfsDirectory {
        /// The folder.
        folder: PathBuf,
    },
    /// `squashfs:FILE`
    Squashfs {
        /// The file.
        file: PathBuf,
    },
    /// `cpio:FILE`
    Cpio {
        /// The file.
        file: PathBuf,
    },
}

/// Whom an archive of an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    /// Those who know OCI: it may hold several platforms.
    Oci,
    /// Those who read Docker's `manifest.json`, which has no platforms: it holds one.
    Docker,
}

/// A text that says no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ParseTargetError {
    /// No transport, or an unknown one.
    #[error("`{text}` does not say where to write")]
    #[diagnostic(help("{help}"))]
    Transport {
        /// The text.
        text: String,
        /// What to write instead.
        help: String,
    },
    /// A transport without a place.
    #[error("`{text}` says no {missing}")]
    #[diagnostic(help("for example `{example}`"))]
    Place {
        /// The text.
        text: String,
        /// What is missing: `file`.
        missing: &'static str,
        /// What a whole one looks like.
        example: &'static str,
    },
    /// The name of a file tells of a compression that is not written there.
    #[error("`{text}` cannot be written: its name ends with `{ending}`")]
    #[diagnostic(help("{help}"))]
    Compression {
        /// The text.
        text: String,
        /// How its name ends.
        ending: &'static str,
        /// What can be written.
        help: &'static str,
    },
    /// A tag that images cannot have.
    #[error("`{text}` cannot be written to: `{tag}` is no tag")]
    #[diagnostic(help(
        "a tag is up to 128 letters, digits, `_`, `.` and `-`, and starts with none of the last two: `oci:DIR:13`"
    ))]
    Tag {
        /// The text.
        text: String,
        /// What should be the tag.
        tag: String,
    },
    /// A name that images cannot have.
    #[error("`{text}` cannot be written to")]
    Name {
        /// The text.
        text: String,
        /// What is wrong with the name.
        source: ParseReferenceError,
    },
}

/// Transports and how each is used.
const TRANSPORTS: [(&str, &str); 10] = [
    ("oci", "oci:DIR:TAG"),
    ("oci-archive", "oci-archive:FILE.tar"),
    ("docker-archive", "docker-archive:FILE.tar"),
    ("docker-daemon", "docker-daemon:NAME:TAG"),
    ("containers-storage", "containers-storage:NAME:TAG"),
    ("docker", "docker://REGISTRY/NAME:TAG"),
    ("rootfs-tar", "rootfs-tar:FILE.tar.gz"),
    ("rootfs-dir", "rootfs-dir:DIR"),
    ("squashfs", "squashfs:FILE.squashfs"),
    ("cpio", "cpio:FILE.cpio.gz"),
];

/// How the names of compressed files end; first those that are written.
const ENDINGS: [&str; 11] = [".gz", ".tgz", ".zst", ".tzst", ".xz", ".txz", ".bz2", ".tbz2", ".tbz", ".lz4", ".lzma"];

/// How the files of root filesystems are compressed.
const COMPRESSED: &str = "`.gz` and `.zst` are written, and plain files";

impl Target {
    /// Whether it takes an image, and not the files of a root filesystem.
    pub fn takes_images(&self) -> bool {
        !matches!(
            self,
            Self::RootfsTar { .. } | Self::RootfsDirectory { .. } | Self::Squashfs { .. } | Self::Cpio { .. }
        )
    }

    /// Whether it takes an image for one platform only.
    pub fn takes_one_platform(&self) -> bool {
        matches!(self, Self::Archive { kind: ArchiveKind::Docker, .. })
    }

    /// The file or folder of this machine that is written, where it is one.
    pub fn place(&self) -> Option<&Path> {
        match self {
            Self::Oci { folder, .. } | Self::RootfsDirectory { folder } => Some(folder),
            Self::Archive { file, .. }
            | Self::RootfsTar { file }
            | Self::Squashfs { file, .. }
            | Self::Cpio { file, .. } => Some(file),
            Self::DockerDaemon { .. } | Self::ContainersStorage { .. } | Self::Registry { .. } => None,
        }
    }

    /// The names that the image gets here: the target's own, else those of the recipe. A tag alone is put on the
    /// recipe's first name, and on a repository of a registry alone each of the recipe's tags. Fails where the tag is none.
    pub fn names(&self, recipe: &[Reference]) -> Result<Vec<Reference>, ParseReferenceError> {
        let own = match self {
            Self::Oci { tag: Some(tag), .. } => match recipe.first() {
                Some(name) => Some(name.with_tag(tag)?),
                None => Some(format!("rootfs:{tag}").parse()?),
            },
            Self::Archive { name, .. } | Self::DockerDaemon { name } | Self::ContainersStorage { name } => name.clone(),
            Self::Registry { repository, tag: Some(tag) } => Some(repository.tagged(tag)?),
            Self::Registry { repository, tag: None } => {
                let tags: BTreeSet<&str> = recipe.iter().map(Reference::tag).collect();
                let tags = if tags.is_empty() { BTreeSet::from(["latest"]) } else { tags };
                return tags.into_iter().map(|tag| repository.tagged(tag)).collect();
            }
            Self::Oci { tag: None, .. } | Self::RootfsTar { .. } | Self::RootfsDirectory { .. } => None,
            Self::Squashfs { .. } | Self::Cpio { .. } => None,
        };
        Ok(own.map_or_else(|| recipe.to_vec(), |name| vec![name]))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |name: Option<String>| name.map(|name| format!(":{name}")).unwrap_or_default();
        let full = |name: &Option<Reference>| name.as_ref().map(ToString::to_string);
        match self {
            Self::Oci { folder, tag } => write!(f, "oci:{}{}", folder.display(), after(tag.clone())),
            Self::Archive { kind, file, name } => {
                let transport = match kind {
                    ArchiveKind::Oci => "oci-archive",
                    ArchiveKind::Docker => "docker-archive",
                };
                write!(f, "{transport}:{}{}", file.display(), after(full(name)))
            }
            Self::DockerDaemon { name } => write!(f, "docker-daemon:{}", full(name).unwrap_or_default()),
            Self::ContainersStorage { name } => write!(f, "containers-storage:{}", full(name).unwrap_or_default()),
            Self::Registry { repository, tag } => write!(f, "docker://{repository}{}", after(tag.clone())),
            Self::RootfsTar { file } => write!(f, "rootfs-tar:{}", file.display()),
            Self::RootfsDirectory { folder } => write!(f, "rootfs-dir:{}", folder.display()),
            Self::Squashfs { file } => write!(f, "squashfs:{}", file.display()),
            Self::Cpio { file } => write!(f, "cpio:{}", file.display()),
        }
    }
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || ParseTargetError::Transport { text: text.to_owned(), help: help(text) };
        let (transport, place) = text.split_once(':').ok_or_else(unknown)?;
        let (_, example) = TRANSPORTS.into_iter().find(|(name, _)| *name == transport).ok_or_else(unknown)?;
        let missing = |missing| ParseTargetError::Place { text: text.to_owned(), missing, example };
        let path = |place: &str, what| match place {
            "" => Err(missing(what)),
            place => Ok(Path::new(place).to_owned()),
        };
        let reference = |name: &str| {
            name.parse::<Reference>().map_err(|source| ParseTargetError::Name { text: text.to_owned(), source })
        };
        let file = |place: &str| match place {
            "-" => Ok(PathBuf::from(STANDARD_OUTPUT)),
            place => path(place, "file"),
        };
        let written = |file: PathBuf, endings: &[&'static str], help| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            match endings.iter().find(|ending| name.ends_with(**ending)) {
                Some(ending) => Err(ParseTargetError::Compression { text: text.to_owned(), ending, help }),
                None => Ok(file),
            }
        };
        let optional = |name: Option<&str>| name.filter(|name| !name.is_empty()).map(reference).transpose();
        let (before, after) = place.split_once(':').map_or((place, None), |(before, after)| (before, Some(after)));
        Ok(match transport {
            "oci" => {
                let tag = after.filter(|tag| !tag.is_empty());
                if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
                    return Err(ParseTargetError::Tag { text: text.to_owned(), tag: tag.to_owned() });
                }
                Self::Oci { folder: path(before, "folder")?, tag: tag.map(str::to_owned) }
            }
            "oci-archive" | "docker-archive" => Self::Archive {
                kind: if transport == "oci-archive" { ArchiveKind::Oci } else { ArchiveKind::Docker },
                file: written(file(before)?, &ENDINGS, "image archives are plain `.tar`: their layers are compressed")?,
                name: optional(after)?,
            },
            "docker-daemon" => Self::DockerDaemon { name: optional(Some(place))? },
            "containers-storage" => Self::ContainersStorage { name: optional(Some(place))? },
            "docker" => {
                let name = place.strip_prefix("//").filter(|name| !name.is_empty());
                let name = name.ok_or_else(|| missing("registry"))?;
                let whole = reference(name)?;
                let tag = has_tag(name).then(|| whole.tag().to_owned());
                Self::Registry { repository: Repository::of(&whole), tag }
            }
            "squashfs" => Self::Squashfs { file: file(place)? },
            "cpio" => Self::Cpio { file: written(file(place)?, &ENDINGS[4..], COMPRESSED)? },
            "rootfs-tar" => Self::RootfsTar { file: written(file(place)?, &ENDINGS[4..], COMPRESSED)? },
            _ => Self::RootfsDirectory { folder: path(place, "folder")? },
        })
    }
}

/// Whether an image may have this tag.
fn is_tag(tag: &str) -> bool {
    "x".parse::<Reference>().is_ok_and(|name| name.with_tag(tag).is_ok())
}

fn help(text: &str) -> String {
    let transport = &text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let far = |name: &str| strsim::damerau_levenshtein(name, transport);
    let half = |name: &str| name.split_once('-').is_some_and(|(one, other)| transport == one || transport == other);
    let near = TRANSPORTS.iter().find(|(name, _)| name == transport);
    let near = near.or_else(|| TRANSPORTS.iter().find(|(name, _)| half(name)));
    // Of a word as short as the distance, nothing is left.
    let most = transport.len().saturating_sub(1).min(3);
    let near =
        near.or_else(|| TRANSPORTS.iter().min_by_key(|(name, _)| far(name)).filter(|(name, _)| far(name) <= most));
    match near.filter(|_| text.contains(':')) {
        Some((_, example)) => format!("did you mean `{example}`?"),
        None => format!("one of {}", TRANSPORTS.map(|(_, example)| format!("`{example}`")).join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    fn name(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn every_transport() {
        let tag = |tag: &str| Some(tag.to_owned());
        assert_eq!(target("oci:out"), Target::Oci { folder: "out".into(), tag: None });
        assert_eq!(target("oci:./a/out:v1"), Target::Oci { folder: "./a/out".into(), tag: tag("v1") });
        assert_eq!(
            target("oci-archive:x.tar"),
            Target::Archive { kind: ArchiveKind::Oci, file: "x.tar".into(), name: None }
        );
        assert_eq!(
            target("docker-archive:x.tar:localhost:5000/a:1"),
            Target::Archive { kind: ArchiveKind::Docker, file: "x.tar".into(), name: Some(name("localhost:5000/a:1")) }
        );
        assert_eq!(target("docker-daemon:"), Target::DockerDaemon { name: None });
        assert_eq!(target("docker-daemon:a:1"), Target::DockerDaemon { name: Some(name("a:1")) });
        assert_eq!(target("containers-storage:a"), Target::ContainersStorage { name: Some(name("a")) });
        let repository = Repository::of(&name("ghcr.io/a/b"));
        let tag = Some("1".to_owned());
        assert_eq!(target("docker://ghcr.io/a/b:1"), Target::Registry { repository: repository.clone(), tag });
        assert_eq!(target("docker://ghcr.io/a/b"), Target::Registry { repository, tag: None });
        assert_eq!(target("rootfs-tar:a:b.tar"), Target::RootfsTar { file: "a:b.tar".into() });
        assert_eq!(target("squashfs:r.squashfs"), Target::Squashfs { file: "r.squashfs".into() });
        assert_eq!(target("cpio:initrd.cpio.gz"), Target::Cpio { file: "initrd.cpio.gz".into() });
        assert_eq!(target("rootfs-dir:/srv/r"), Target::RootfsDirectory { folder: "/srv/r".into() });
    }

    #[test]
    fn mistakes_are_met_with_what_was_meant() {
        let help = |text: &str| match text.parse::<Target>() {
            Err(ParseTargetError::Transport { help, .. }) => help,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(help("docker-archiv:x.tar"), "did you mean `docker-archive:FILE.tar`?");
        assert_eq!(help("rootfs-dri:x"), "did you mean `rootfs-dir:DIR`?");
        assert_eq!(help("tar:x.tar"), "did you mean `rootfs-tar:FILE.tar.gz`?");
        assert_eq!(help("OCI:x"), "did you mean `oci:DIR:TAG`?");
        for text in ["out.tar", "raw:x", "tar"] {
            assert!(help(text).starts_with("one of `oci:DIR:TAG`, "), "{text}");
        }
        for text in ["oci:", "oci::tag", "oci-archive:", "docker:x", "docker://", "rootfs-tar:", "rootfs-dir:"] {
            assert!(matches!(text.parse::<Target>(), Err(ParseTargetError::Place { .. })), "{text}");
        }
        for text in ["rootfs-tar:x.tar.xz", "rootfs-tar:x.tbz2", "cpio:x.cpio.xz", "oci-archive:x.tar.gz:a:1"] {
            assert!(matches!(text.parse::<Target>(), Err(ParseTargetError::Compression { .. })), "{text}");
        }
        for text in ["oci:x:a b", "oci:x:a:b"] {
            assert!(matches!(text.parse::<Target>(), Err(ParseTargetError::Tag { .. })), "{text}");
        }
        for text in ["docker-daemon:A", "docker://x.y/a@sha256:0"] {
            assert!(matches!(text.parse::<Target>(), Err(ParseTargetError::Name { .. })), "{text}");
        }
    }

    #[test]
    fn names_come_from_the_target_or_the_recipe() {
        let recipe = [name("base:latest"), name("base:13")];
        let names = |text: &str, recipe: &[Reference]| target(text).names(recipe).unwrap();
        assert_eq!(names("oci:out", &recipe), recipe);
        assert_eq!(names("oci:out:v1", &recipe), [name("base:v1")]);
        assert_eq!(names("oci:out:v1", &[]), [name("rootfs:v1")]);
        assert_eq!(names("docker-daemon:other", &recipe), [name("other")]);
        assert_eq!(names("docker-archive:x.tar", &recipe), recipe);
    }
}
