//! `[from.dnf]`: packages of Fedora, Red Hat's family, Amazon Linux, Azure Linux and what is built like them.

#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::debian::Trust;
use super::fields::Fields;
use super::mistake::Mistake;
use super::shape::{Key, Keys, Shape, Text, Words, itself, text};
use super::words::{ImagePath, Misfit};
use words::{check_fingerprint, check_spec, check_url, is_repository, lower, plain};

/// What `[from.dnf]` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnfRequest {
    /// Whose packages they are.
    pub distribution: RpmDistribution,
    /// The release: `43`, `10`, `2023`. What `$releasever` stands for.
    pub release: String,
    /// What the image is like.
    pub shape: DnfShape,
    /// Further packages: names, globs, capabilities, files, or names with versions, as dnf takes them.
    pub packages: Vec<String>,
    /// Groups of packages and environments, without the `@`.
    pub groups: Vec<String>,
    /// Module streams: name and stream.
    pub modules: Vec<ModuleStream>,
    /// Packages that must not be installed: names and globs.
    pub exclude: Vec<String>,
    /// Whether packages that others recommend or supplement are installed.
    pub weak_dependencies: bool,
    /// Whether files that packages mark as documentation are installed.
    pub docs: bool,
    /// The languages whose files are installed; empty for all.
    pub languages: Vec<String>,
    /// Where the image has rpm's database, other than where its distribution has it.
    pub database: Option<String>,
    /// The form of rpm's database.
    pub database_format: DatabaseFormat,
    /// What signs packages, for repositories that say nothing else; the distribution's own where nothing is given.
    pub keys: KeySources,
    /// Repositories beside, or with the same id in place of, those of the distribution.
    pub repositories: Vec<DnfRepository>,
}

/// Where keys come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySources {
    /// Local files.
    pub files: Vec<PathBuf>,
    /// Addresses; what they give is believed because of TLS.
    pub urls: Vec<String>,
    /// Fingerprints, in upper-case hexadecimal, of the only keys to take; empty for all.
    pub fingerprints: Vec<String>,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnfRepository {
    /// Its short name.
    pub id: String,
    /// Where it is.
    pub place: RepositoryPlace,
    /// What signs its packages; those of the source where nothing is given.
    pub keys: KeySources,
    /// Whether its packages have to be signed.
    pub trust: Trust,
    /// Whether its index has to be signed too.
    pub signed_metadata: bool,
}

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryPlace {
    /// At one of these addresses, above `repodata/`.
    Base(Vec<String>),
    /// At an address of this list, a line each.
    MirrorList(String),
    /// At an address of this metalink, which also has the digest of the index.
    Metalink(String),
}

/// Whose packages they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RpmDistribution {
    /// Fedora Linux.
    Fedora,
    /// AlmaLinux.
    Alma,
    /// Rocky Linux.
    Rocky,
    /// CentOS Stream.
    CentosStream,
    /// Red Hat Enterprise Linux; its repositories are the recipe's.
    Rhel,
    /// The freely distributable part of Red Hat Enterprise Linux.
    Ubi,
    /// Amazon Linux.
    Amazon,
    /// Azure Linux.
    AzureLinux,
    /// Another one: its packages, repositories and keys are the recipe's.
    Other,
}

/// What an image is like, in the words of Red Hat's universal base images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnfShape {
    /// A shell, dnf, and what one expects of a command line.
    Standard,
    /// A shell and a small package manager.
    Minimal,
    /// No package manager.
    Micro,
    /// The standard one with systemd.
    Init,
}

/// The form of rpm's database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseFormat {
    /// `rpmdb.sqlite`: Fedora since 33, Red Hat's since 9, Amazon and Azure Linux.
    #[default]
    Sqlite,
    /// `Packages.db`: SUSE's.
    Ndb,
}

/// A stream of a module: `nodejs:20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleStream {
    /// The module.
    pub name: String,
    /// The stream.
    pub stream: String,
}

/// Their names, in the recipe.
const DISTRIBUTIONS: [(&str, RpmDistribution); 9] = [
    ("fedora", RpmDistribution::Fedora),
    ("alma", RpmDistribution::Alma),
    ("rocky", RpmDistribution::Rocky),
    ("centos-stream", RpmDistribution::CentosStream),
    ("rhel", RpmDistribution::Rhel),
    ("ubi", RpmDistribution::Ubi),
    ("amazon", RpmDistribution::Amazon),
    ("azurelinux", RpmDistribution::AzureLinux),
    ("other", RpmDistribution::Other),
];

/// Their names, in the recipe.
const SHAPES: [(&str, DnfShape); 4] = [
    ("standard", DnfShape::Standard),
    ("minimal", DnfShape::Minimal),
    ("micro", DnfShape::Micro),
    ("init", DnfShape::Init),
];

const RELEASE: Text =
    Text { what: "a release", check: |found| plain(found, ".-_", "a release", "such as `43` or `10`") };
const ID: Text = Text {
    what: "the id of a repository",
    check: |found| {
        plain(found, ".-", "the id of a repository", "small letters, digits, `-` and `.`").and_then(|()| lower(found))
    },
};
const SPEC: Text = Text { what: "a package", check: check_spec };
const GROUP: Text = Text { what: "a group", check: |found| plain(found, ".-_+", "a group", "its id, without an `@`") };
const LANGUAGE: Text =
    Text { what: "a language", check: |found| plain(found, ".-_@", "a language", "such as `en_US` or `C.utf8`") };
const URL: Text = Text { what: "an address", check: check_url };
const HTTPS: Text = Text {
    what: "an address",
    check: |found| match found.starts_with("https://") {
        true => check_url(found),
        false => {
            Err(Misfit::new(found, "a safe address of a key", "an address of `https`, or a local file in `keyring`"))
        }
    },
};
const FINGERPRINT: Text = Text { what: "a fingerprint", check: check_fingerprint };

pub(super) static KEYS: Keys = Keys {
    name: "[from.dnf]",
    groups: &[
        &[
            Key {
                name: "distribution",
                shape: Shape::Word(Words {
                    known: &[
                        "fedora",
                        "alma",
                        "rocky",
                        "centos-stream",
                        "rhel",
                        "ubi",
                        "amazon",
                        "azurelinux",
                        "other",
                    ],
                    later: &[],
                }),
                about: "whose packages they are: `fedora`, `alma`, `ubi`, ..., or `other`",
            },
            Key { name: "release", shape: Shape::Text(RELEASE), about: "the release, such as `43` or `10`" },
            Key {
                name: "shape",
                shape: Shape::Word(Words { known: &["standard", "minimal", "micro", "init"], later: &[] }),
                about: "what the image is like; `standard` where it is not given",
            },
            Key {
                name: "packages",
                shape: Shape::Set(&Shape::Text(SPEC), itself),
                about: "further packages, as dnf takes them: names, `name-version`, globs, files, capabilities",
            },
            Key { name: "groups", shape: Shape::Set(&Shape::Text(GROUP), itself), about: "groups of packages, by id" },
            Key {
                name: "modules",
                shape: Shape::Set(&Shape::Text(text::<ModuleStream>("a stream of a module")), itself),
                about: "streams of modules to enable, such as `nodejs:20`",
            },
            Key {
                name: "exclude",
                shape: Shape::Set(&Shape::Text(SPEC), itself),
                about: "packages that must not be installed",
            },
            Key {
                name: "weak-deps",
                shape: Shape::Flag { only: None },
                about: "install recommended packages too; false where it is not given",
            },
            Key {
                name: "docs",
                shape: Shape::Flag { only: None },
                about: "install documentation too; false where it is not given",
            },
            Key {
                name: "langs",
                shape: Shape::List(&Shape::Text(LANGUAGE)),
                about: "the languages whose files are installed; all where they are not given",
            },
            Key {
                name: "database",
                shape: Shape::Text(text::<ImagePath>("a path of the image")),
                about: "where rpm's database is; where the distribution has it, if it is not given",
            },
            Key {
                name: "database-format",
                shape: Shape::Word(Words { known: &["sqlite", "ndb"], later: &[] }),
                about: "the form of rpm's database; `sqlite` where it is not given",
            },
            Key {
                name: "repository",
                shape: Shape::Set(&Shape::Table(&REPOSITORY), is_repository),
                about: "repositories beside, or by the same id in place of, those of the distribution",
            },
        ],
        TRUSTED,
    ],
    later: &[],
};

/// What is trusted, by the source or by one repository.
const TRUSTED: &[Key] = &[
    Key {
        name: "keyring",
        shape: Shape::List(&Shape::Text(super::shape::ANY)),
        about: "files of OpenPGP keys that sign packages",
    },
    Key { name: "keyring-urls", shape: Shape::List(&Shape::Text(HTTPS)), about: "addresses of such files, by https" },
    Key {
        name: "fingerprints",
        shape: Shape::List(&Shape::Text(FINGERPRINT)),
        about: "the only keys of those files that are taken",
    },
];

static REPOSITORY: Keys = Keys {
    name: "[[from.dnf.repository]]",
    groups: &[
        &[
            Key { name: "id", shape: Shape::Text(ID), about: "its short name" },
            Key {
                name: "baseurl",
                shape: Shape::List(&Shape::Text(URL)),
                about: "its addresses, above `repodata`; `$releasever` and `$basearch` stand for release and architecture",
            },
            Key { name: "mirrorlist", shape: Shape::Text(URL), about: "the address of a list of its addresses" },
            Key { name: "metalink", shape: Shape::Text(URL), about: "the address of its metalink" },
            Key {
                name: "trust",
                shape: Shape::Word(Words { known: &["signed", "unsigned"], later: &[] }),
                about: "`unsigned` takes packages without a signature",
            },
            Key {
                name: "signed-metadata",
                shape: Shape::Flag { only: None },
                about: "whether its index has to be signed too; false where it is not given",
            },
        ],
        TRUSTED,
    ],
    later: &[],
};

/// Reads `[from.dnf]`.
pub(super) fn read(mut fields: Fields<'_>) -> Option<DnfRequest> {
    fields.demand("distribution");
    fields.demand("release");
    let place = fields.place_of("distribution");
    let distribution = fields.string("distribution").and_then(|name| word(&DISTRIBUTIONS, &name));
    let release = fields.string("release");
    let shape = fields.string("shape").and_then(|name| word(&SHAPES, &name)).unwrap_or(DnfShape::Standard);
    // What is wrong with one has been said, and is no reason to say that there is none.
    let [asks, names_repository] = [&["packages", "groups"][..], &["repository"]]
        .map(|keys| keys.iter().any(|key| fields.count(key).is_some_and(|count| count > 0)));
    let packages = fields.strings("packages").unwrap_or_default();
    let groups = fields.strings("groups").unwrap_or_default();
    let modules = fields.list("modules").unwrap_or_default();
    let exclude = fields.strings("exclude").unwrap_or_default();
    let weak_dependencies = fields.flag("weak-deps").unwrap_or(false);
    let docs = fields.flag("docs").unwrap_or(false);
    let languages = fields.strings("langs").unwrap_or_default();
    let database = fields.text::<ImagePath>("database").map(|path| path.to_string());
    let database_format = match fields.string("database-format").as_deref() {
        Some("ndb") => DatabaseFormat::Ndb,
        _ => DatabaseFormat::Sqlite,
    };
    let keys = read_keys(&mut fields);
    let repositories: Vec<_> =
        fields.tables("repository", &REPOSITORY).into_iter().filter_map(read_repository).collect();
    let own = matches!(distribution, Some(RpmDistribution::Rhel | RpmDistribution::Other));
    if own && !names_repository {
        let what = "nothing says where the packages are".to_owned();
        let help = "add a `[[from.dnf.repository]]` with its `id`, `baseurl` and `keyring`";
        fields.error(place, Mistake::Clash(what, help));
    }
    if distribution == Some(RpmDistribution::Other) && !asks {
        let what = "nothing says which packages are installed".to_owned();
        fields.error(place, Mistake::Clash(what, "`other` brings none of its own: add `packages` or `groups`"));
    }
    fields.finish();
    Some(DnfRequest {
        distribution: distribution?,
        release: release?,
        shape,
        packages,
        groups,
        modules,
        exclude,
        weak_dependencies,
        docs,
        languages,
        database,
        database_format,
        keys,
        repositories,
    })
}

fn read_repository(mut fields: Fields<'_>) -> Option<DnfRepository> {
    fields.demand("id");
    let id_place = fields.place_of("id");
    let trust_place = fields.place_of("trust");
    let id = fields.string("id");
    let base = fields.strings("baseurl");
    let list = fields.string("mirrorlist");
    let metalink = fields.string("metalink");
    let signed_metadata = fields.flag("signed-metadata").unwrap_or(false);
    let has_keys = fields.place_of("keyring").or_else(|| fields.place_of("keyring-urls")).is_some();
    let keys = read_keys(&mut fields);
    let trust = match fields.string("trust").as_deref() {
        Some("unsigned") => Trust::Unsigned,
        _ => Trust::Signed,
    };
    let place = match (base, list, metalink) {
        (Some(base), None, None) if !base.is_empty() => Some(RepositoryPlace::Base(base)),
        (None, Some(list), None) => Some(RepositoryPlace::MirrorList(list)),
        (None, None, Some(metalink)) => Some(RepositoryPlace::Metalink(metalink)),
        _ => {
            let what = "a repository has one of `baseurl`, `mirrorlist` and `metalink`".to_owned();
            fields
                .error(id_place, Mistake::Clash(what, "`baseurl = [\"https://...\"]` is the folder above `repodata`"));
            None
        }
    };
    if trust == Trust::Unsigned && has_keys {
        let what = "a `keyring` and `trust = \"unsigned\"` exclude each other".to_owned();
        let help = "leave out `trust`: packages of a repository with a keyring are checked by it";
        fields.error(trust_place, Mistake::Clash(what, help));
    }
    if let (Trust::Unsigned, Some(place), Some(id)) = (trust, trust_place, &id) {
        let what = format!(
            "packages of the repository `{id}` are taken without a signature: whoever can change it can change the image"
        );
        fields.notebook().warn(place, Mistake::Doubtful(what, "give it a `keyring` where its packages are signed"));
    }
    fields.finish();
    Some(DnfRepository { id: id?, place: place?, keys, trust, signed_metadata })
}

fn read_keys(fields: &mut Fields<'_>) -> KeySources {
    let fingerprints = fields.strings("fingerprints").unwrap_or_default();
    KeySources {
        files: fields.local_files("keyring"),
        urls: fields.strings("keyring-urls").unwrap_or_default(),
        fingerprints: fingerprints.iter().map(|text| text.replace(' ', "").to_ascii_uppercase()).collect(),
    }
}

impl KeySources {
    /// Whether it names no keys at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.urls.is_empty()
    }
}

impl fmt::Display for RpmDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(&DISTRIBUTIONS, *self))
    }
}

impl fmt::Display for DnfShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(&SHAPES, *self))
    }
}

impl DatabaseFormat {
    /// rpm's name of it (`%_db_backend`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Ndb => "ndb",
        }
    }
}

impl fmt::Display for ModuleStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.stream)
    }
}

impl FromStr for ModuleStream {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let good = |text: &str| !text.is_empty() && plain(text, ".-_+", "", "").is_ok();
        match found.split_once(':') {
            Some((name, stream)) if good(name) && good(stream) => {
                Ok(Self { name: name.to_owned(), stream: stream.to_owned() })
            }
            _ => Err(Misfit::new(found, "a stream of a module", "`module:stream`, such as `nodejs:20`")),
        }
    }
}

fn word<T: Copy>(known: &[(&str, T)], name: &str) -> Option<T> {
    known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn name<T: Copy + PartialEq>(known: &[(&'static str, T)], value: T) -> &'static str {
    known.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}
