//! `[from.dnf]`: packages of Fedora, Red Hat's family, Amazon Linux, Azure Linux and what is built like them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::debian::Trust;
use super::fields::Fields;
use super::mistake::Mistake;
use super::shape::{Key, Keys, Shape, Text, Words, itself, text};
use super::value::{Item, Value};
use super::words::{ImagePath, Misfit};

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
    if own && repositories.is_empty() {
        let what = "nothing says where the packages are".to_owned();
        let help = "add a `[[from.dnf.repository]]` with its `id`, `baseurl` and `keyring`";
        fields.error(place, Mistake::Clash(what, help));
    }
    let asks = !packages.is_empty() || !groups.is_empty();
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

fn plain(found: &str, further: &str, what: &'static str, expected: &str) -> Result<(), Misfit> {
    let fits = |character: char| character.is_ascii_alphanumeric() || further.contains(character);
    let starts = found.starts_with(|character: char| character.is_ascii_alphanumeric());
    if starts && found.chars().all(fits) { Ok(()) } else { Err(Misfit::new(found, what, expected)) }
}

fn lower(found: &str) -> Result<(), Misfit> {
    if found.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Misfit::new(found, "the id of a repository", "small letters, digits, `-` and `.`"));
    }
    Ok(())
}

/// What dnf takes: no options, no groups, no local files.
fn check_spec(found: &str) -> Result<(), Misfit> {
    let graphic = found.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let wrong = found.is_empty() || found.starts_with(['-', '@', ' ']) || found.ends_with(' ') || !graphic;
    let local = found.ends_with(".rpm") || found.contains("://");
    match (wrong, local) {
        (false, false) => Ok(()),
        (_, true) => {
            let expected = "the name of a package of a repository: put .rpm files into one with `createrepo_c`";
            Err(Misfit::new(found, "a package", expected))
        }
        (true, false) => {
            Err(Misfit::new(found, "a package", "a name such as `bash`, `python3-3.12.*` or `/usr/bin/git`"))
        }
    }
}

fn check_url(found: &str) -> Result<(), Misfit> {
    let wrong = |found: &str, expected: &str| Misfit::new(found, "an address", expected);
    let expected = "`http://`, `https://` or `file:///`, and where it is";
    let Some((scheme, rest)) = found.split_once("://") else { return Err(wrong(found, expected)) };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        // The text itself would show the password.
        let expected = "an address without a user and a password: secrets are never in a recipe";
        return Err(wrong(&format!("{scheme}://..."), expected));
    }
    let fits = match scheme {
        "http" | "https" => !authority.is_empty(),
        "file" => rest.starts_with('/'),
        _ => false,
    };
    let clean = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if fits && clean { Ok(()) } else { Err(wrong(found, expected)) }
}

fn check_fingerprint(found: &str) -> Result<(), Misfit> {
    let digits = found.bytes().filter(|byte| byte.is_ascii_hexdigit()).count();
    let other = found.bytes().any(|byte| !byte.is_ascii_hexdigit() && byte != b' ');
    if !other && matches!(digits, 40 | 64) {
        return Ok(());
    }
    Err(Misfit::new(found, "a fingerprint", "40 or 64 hexadecimal digits, as `gpg --show-keys` prints them"))
}

fn is_repository(item: &Item, name: &str) -> bool {
    let Value::Table(table) = &item.value else { return false };
    table.get("id").is_some_and(|(_, id)| itself(id, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_shape() {
        let words = |key: &str| match KEYS.key(key).map(|key| &key.shape) {
            Some(Shape::Word(words)) => words.known.to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(words("distribution"), DISTRIBUTIONS.map(|(name, _)| name));
        assert_eq!(words("shape"), SHAPES.map(|(name, _)| name));
    }

    #[test]
    fn specs_are_packages_and_nothing_else() {
        for good in ["bash", "python3-3.12.*", "/usr/bin/git", "libc.so.6(GLIBC_2.17)(64bit)", "foo >= 1", "glibc.i686"]
        {
            assert!(check_spec(good).is_ok(), "{good}");
        }
        for wrong in ["", "-y", "@core", "./x.rpm", "https://a.example/x", "a\nb", "bash ", "\u{e9}"] {
            assert!(check_spec(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_hold_no_secrets() {
        for good in ["https://a.example/metalink?repo=x-$releasever&arch=$basearch", "file:///srv/x", "http://a/b/"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for wrong in ["", "a.example", "ftp://a/b", "file://srv", "http://", "http://a/b c", "http://a/#x"] {
            assert!(check_url(wrong).is_err(), "{wrong}");
        }
        assert!(!check_url("https://me:hunter2@a/").unwrap_err().to_string().contains("hunter2"));
        assert!((HTTPS.check)("http://a.example/key").is_err());
    }

    #[test]
    fn streams_and_fingerprints() {
        assert_eq!("nodejs:20".parse::<ModuleStream>().unwrap().to_string(), "nodejs:20");
        for wrong in ["nodejs", "nodejs:", ":20", "node js:20", "a:b/c"] {
            assert!(wrong.parse::<ModuleStream>().is_err(), "{wrong}");
        }
        assert!(check_fingerprint("567E 347A D004 4ADE 55BA 8A5F 199E 2F91 FD43 1D51").is_ok());
        for wrong in ["", "FD431D51", "567E347AD0044ADE55BA8A5F199E2F91FD431D5X"] {
            assert!(check_fingerprint(wrong).is_err(), "{wrong}");
        }
    }

    /// A recipe with every key.
    const COMPLETE: &str = r#"
name = "x"
platforms = ["linux/amd64"]
[from.dnf]
distribution = "alma"
release = "10"
shape = "minimal"
packages = ["git", "/usr/bin/which"]
groups = ["core"]
modules = ["nodejs:20"]
exclude = ["python3-*"]
weak-deps = true
docs = true
langs = ["C.utf8", "de"]
keyring = ["key.asc"]
keyring-urls = ["https://a.example/key"]
fingerprints = ["567e 347A D004 4ADE 55BA 8A5F 199E 2F91 FD43 1D51"]
database = "/var/lib/rpm"
database-format = "ndb"
[[from.dnf.repository]]
id = "vendor"
baseurl = ["https://a.example/$releasever/$basearch"]
keyring = ["key.asc"]
keyring-urls = ["https://b.example/key"]
fingerprints = []
signed-metadata = true
[[from.dnf.repository]]
id = "appstream"
mirrorlist = "https://a.example/list"
trust = "signed"
[[from.dnf.repository]]
id = "extras"
metalink = "https://a.example/link?repo=extras-$releasever&arch=$basearch"
"#;

    fn read_text(text: &str) -> Result<DnfRequest, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.asc"), "").unwrap();
        let recipe = crate::recipe::load_text(&folder.path().join("x.toml"), text.to_owned(), None);
        let problems = |errors: crate::recipe::RecipeErrors| {
            errors.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        match recipe.map_err(problems)?.source {
            crate::recipe::SourceRequest::Dnf(request) => Ok(*request),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_recipe_with_every_key_is_read_whole() {
        for key in KEYS.all().chain(REPOSITORY.all()).filter(|key| key.name != "repository") {
            assert!(COMPLETE.contains(&format!("\n{} = ", key.name)), "{}", key.name);
        }
        let request = read_text(COMPLETE).unwrap();
        assert_eq!((request.distribution, request.shape), (RpmDistribution::Alma, DnfShape::Minimal));
        assert_eq!(request.modules[0], ModuleStream { name: "nodejs".to_owned(), stream: "20".to_owned() });
        assert_eq!(request.keys.fingerprints, ["567E347AD0044ADE55BA8A5F199E2F91FD431D51"]);
        assert!(request.weak_dependencies && request.docs && request.database_format == DatabaseFormat::Ndb);
        assert_eq!(request.repositories.len(), 3);
        assert!(request.repositories[0].signed_metadata && request.repositories[1].keys.is_empty());
        assert!(matches!(&request.repositories[2].place, RepositoryPlace::Metalink(url) if url.ends_with("$basearch")));
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |from: &str, to: &str| read_text(&COMPLETE.replace(from, to)).unwrap_err();
        let keys = "trust = \"unsigned\"\nkeyring = [\"key.asc\"]";
        assert!(refused("trust = \"signed\"", keys).contains("exclude each other"));
        assert!(refused("mirrorlist = \"https://a.example/list\"", "").contains("one of `baseurl`"));
        assert!(refused("baseurl = [\"https://a.example/$releasever/$basearch\"]", "baseurl = []").contains("one of"));
        assert!(refused("key.asc", "missing.asc").contains("missing.asc"));
        assert!(refused("https://b.example/key", "http://b.example/key").contains("a safe address of a key"));
        assert!(refused("id = \"vendor\"", "id = \"Vendor\"").contains("Vendor"));
        assert!(refused("\"nodejs:20\"", "\"nodejs\"").contains("a stream of a module"));
        assert!(refused("\"git\"", "\"@core\"").contains("a package"));
    }
}
