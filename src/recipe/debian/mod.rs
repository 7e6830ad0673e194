//! `[from.debian]`: packages of Debian, Ubuntu and what is built like them.

mod debconf;
mod exclude;
mod repository;
mod slice;
mod suites;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::file::SECRET;
use super::mistake::{Mistake, nearest};
use super::shape::{ANY, Key, Keys, Shape, Words, itself, text};
use super::value::{Item, Place};
use super::words::{ImagePath, Misfit};
pub use debconf::DebconfAnswer;
pub use exclude::PackagePattern;
pub use repository::{Repository, Trust};
use repository::{is_repository, read_repository};
pub use slice::SliceRequest;
use words::{COMPONENT, DISTRIBUTION, LIST, PACKAGE, SUITE, SUITE_OR_FOLDER, is_file};
pub use words::{PackageRequest, RepositoryUrl, Snapshot};

/// What `[from.debian]` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebianRequest {
    /// The suite: `trixie`, `noble`.
    pub suite: String,
    /// Whose suite it is.
    pub distribution: Distribution,
    /// Which packages are there from the start.
    pub variant: DebianVariant,
    /// Further packages, in the recipe's order.
    pub packages: Vec<PackageRequest>,
    /// Packages that are never chosen, whoever asks for them.
    pub exclude: Vec<PackagePattern>,
    /// Answers that packages find when they are configured.
    pub debconf: Vec<DebconfAnswer>,
    /// Files of packages that are in no archive.
    pub local: Vec<PathBuf>,
    /// Groups of packages.
    pub lists: Vec<PackageList>,
    /// Parts of the archive: `main`, ...
    pub components: Vec<String>,
    /// Whether the suites `-updates` and `-security` are used too.
    pub updates: bool,
    /// Whether packages that others recommend are installed.
    pub recommends: bool,
    /// The dated archive to use instead of the current one.
    pub snapshot: Option<Snapshot>,
    /// What installs the packages.
    pub engine: DebianEngine,
    /// Whether maintainer scripts run. Without, the image has files only, and no program of it runs while it is made.
    pub scripts: bool,
    /// Whether what packages depend on comes too. Always true where scripts run.
    pub dependencies: bool,
    /// Packages of which only some files are kept.
    pub slices: Vec<SliceRequest>,
    /// Programs which, with all they need, are the only files that are kept. None for all files.
    pub binaries: Vec<ImagePath>,
    /// A file of OpenPGP keys that may sign the archive, instead of the built-in ones.
    pub keyring: Option<PathBuf>,
    /// Mirrors of the archive, and further archives.
    pub repositories: Vec<Repository>,
}

/// A distribution that is made of .debs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
    /// Another one: its archive and keys are the recipe's.
    Other(String),
}

/// Which packages are there from the start, in the words of debootstrap and mmdebstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebianVariant {
    /// `Essential: yes`, and what that depends on.
    Essential,
    /// Essential, and apt.
    Apt,
    /// Essential, apt, and `Priority: required`.
    Minbase,
    /// Minbase, and build-essential.
    Buildd,
    /// Minbase, and the priority `important`: what debootstrap makes where no variant is asked for.
    Important,
    /// Important, and the priority `standard`.
    Standard,
    /// Nothing but what the recipe lists.
    Custom,
}

/// All packages of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageList {
    /// Those of a priority: `important`.
    Priority(String),
    /// Those of a section of the archive: `net`, `contrib/net`.
    Section(String),
    /// Those of a task: `ssh-server`.
    Task(String),
}

impl PackageList {
    /// Its name alone.
    pub fn name(&self) -> &str {
        match self {
            Self::Priority(name) | Self::Section(name) | Self::Task(name) => name,
        }
    }
}

/// What installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebianEngine {
    /// This program itself.
    Native,
    /// The host's mmdebstrap, out of the locked packages.
    Mmdebstrap,
    /// The host's debootstrap, out of the locked packages.
    Debootstrap,
}

pub(super) static KEYS: Keys = Keys {
    name: "[from.debian]",
    groups: &[&[
        Key { name: "suite", shape: Shape::Text(SUITE), about: "the suite, such as `trixie` or `noble`" },
        Key {
            name: "distribution",
            shape: Shape::Text(DISTRIBUTION),
            about: "`debian`, `ubuntu` or the name of another; known suites need none",
        },
        Key {
            name: "variant",
            shape: Shape::Word(Words {
                known: &["essential", "apt", "minbase", "buildd", "important", "standard", "custom"],
                later: &[],
            }),
            about: "which packages are there from the start; `minbase` where it is not given",
        },
        Key {
            name: "packages",
            shape: Shape::SetWithFiles(&Shape::Text(PACKAGE), is_package, is_file),
            about: "further packages: `name`, `name=version`, `name=1.2*`, `name/suite`, `name:architecture`, `./file.deb`",
        },
        Key {
            name: "exclude",
            shape: Shape::Set(&Shape::Text(text::<PackagePattern>("the name of a package")), itself),
            about: "packages that are never installed: names, with `*` and `?`",
        },
        Key {
            name: "priorities",
            shape: Shape::Set(&Shape::Text(LIST), itself),
            about: "all packages of these priorities: `important`",
        },
        Key {
            name: "sections",
            shape: Shape::Set(&Shape::Text(LIST), itself),
            about: "all packages of these sections of the archive: `fonts`",
        },
        Key {
            name: "tasks",
            shape: Shape::Set(&Shape::Text(LIST), itself),
            about: "all packages of these tasks: `ssh-server`",
        },
        Key {
            name: "components",
            shape: Shape::List(&Shape::Text(COMPONENT)),
            about: "parts of the archive; `main` where they are not given",
        },
        Key {
            name: "updates",
            shape: Shape::Flag { only: None },
            about: "use the -updates and -security suites too; true where it is not given",
        },
        Key {
            name: "recommends",
            shape: Shape::Flag { only: None },
            about: "install recommended packages too; false where it is not given",
        },
        Key {
            name: "snapshot",
            shape: Shape::Text(text::<Snapshot>("a moment")),
            about: "use the archive as it was then: `20261101T000000Z`",
        },
        Key {
            name: "engine",
            shape: Shape::Word(Words { known: &["native", "mmdebstrap", "debootstrap"], later: &[] }),
            about: "what installs the packages; this program itself where it is not given",
        },
        Key {
            name: "scripts",
            shape: Shape::Flag { only: None },
            about: "run maintainer scripts; false for files only, without dpkg, on any machine",
        },
        Key {
            name: "debconf",
            shape: Shape::Set(
                &Shape::Text(text::<DebconfAnswer>("an answer to a question of debconf")),
                debconf::is_answer,
            ),
            about: "answers for packages, as debconf-set-selections takes them: `tzdata tzdata/Areas select Europe`",
        },
        Key {
            name: "dependencies",
            shape: Shape::Flag { only: None },
            about: "install what packages depend on too; false takes only those that are named, with `scripts = false`",
        },
        Key {
            name: "slices",
            shape: Shape::Set(&Shape::Table(&slice::KEYS), slice::is_of),
            about: "packages of which only some files are kept",
        },
        Key {
            name: "binaries",
            shape: Shape::Set(&Shape::Text(text::<ImagePath>("a path of the image")), itself),
            about: "keep only these programs and what they need, with `scripts = false`",
        },
        Key {
            name: "keyring",
            shape: Shape::Text(ANY),
            about: "a file of OpenPGP keys that sign the archive, in place of the built-in ones",
        },
        Key {
            name: "repository",
            shape: Shape::Set(&Shape::Table(&REPOSITORY), is_repository),
            about: "mirrors and further archives",
        },
    ]],
    later: &[],
};

static REPOSITORY: Keys = Keys {
    name: "[[from.debian.repository]]",
    groups: &[&[
        Key {
            name: "url",
            shape: Shape::Text(text::<RepositoryUrl>("the URL of an archive")),
            about: "where the archive is, above its `dists` folder",
        },
        Key {
            name: "suites",
            shape: Shape::List(&Shape::Text(SUITE_OR_FOLDER)),
            about: "its suites, or `/` and the like for a flat one; without them it is a mirror of the distribution's archive",
        },
        Key {
            name: "components",
            shape: Shape::List(&Shape::Text(COMPONENT)),
            about: "its components; those of the source where they are not given, and for mirrors",
        },
        Key { name: "keyring", shape: Shape::Text(ANY), about: "a file of OpenPGP keys that sign it" },
        Key {
            name: "trust",
            shape: Shape::Word(Words { known: &["signed", "unsigned"], later: &[] }),
            about: "`unsigned` takes an archive without a signature",
        },
        Key {
            name: "login",
            shape: Shape::Text(SECRET),
            about: "the secret (`--secret id=...`) that has the login for it: `USER:PASSWORD`, or lines of netrc",
        },
        Key {
            name: "in-image",
            shape: Shape::Flag { only: None },
            about: "whether the image's own apt uses it; as it is not given, mirrors are not and further archives are",
        },
    ]],
    later: &[],
};

/// Reads `[from.debian]`.
pub(super) fn read(mut fields: Fields<'_>) -> Option<DebianRequest> {
    let suite_place = fields.place_of("suite");
    fields.demand("suite");
    let suite = fields.string("suite");
    let named = fields.string("distribution");
    let scripts = fields.flag("scripts").unwrap_or(true);
    let variant = match fields.string("variant").as_deref() {
        Some("essential") => DebianVariant::Essential,
        Some("apt") => DebianVariant::Apt,
        Some("buildd") => DebianVariant::Buildd,
        Some("important") => DebianVariant::Important,
        Some("standard") => DebianVariant::Standard,
        Some("custom") => DebianVariant::Custom,
        None if !scripts => DebianVariant::Custom,
        _ => DebianVariant::Minbase,
    };
    let excluded = fields.place_of("exclude");
    let (packages, local) = fields.texts_and_files("packages", is_file);
    let exclude: Vec<PackagePattern> = fields.list("exclude").unwrap_or_default();
    check_exclude(&fields, &packages, &exclude, excluded, scripts);
    let mut lists: Vec<PackageList> = Vec::new();
    lists.extend(fields.strings("priorities").unwrap_or_default().into_iter().map(PackageList::Priority));
    lists.extend(fields.strings("sections").unwrap_or_default().into_iter().map(PackageList::Section));
    lists.extend(fields.strings("tasks").unwrap_or_default().into_iter().map(PackageList::Task));
    let components = fields.strings("components").unwrap_or_else(|| vec!["main".to_owned()]);
    let updates = fields.flag("updates").unwrap_or(true);
    let recommends = fields.flag("recommends").unwrap_or(false);
    let snapshot = fields.text("snapshot");
    check_scripts(&fields, scripts);
    let debconf_place = fields.place_of("debconf");
    let debconf = fields.list("debconf").unwrap_or_default();
    let engine_place = fields.place_of("engine");
    let engine = match fields.string("engine").as_deref() {
        Some("mmdebstrap") => DebianEngine::Mmdebstrap,
        Some("debootstrap") => DebianEngine::Debootstrap,
        _ => DebianEngine::Native,
    };
    if scripts
        && engine == DebianEngine::Debootstrap
        && matches!(variant, DebianVariant::Essential | DebianVariant::Custom)
    {
        let what = format!("debootstrap makes nothing smaller than `minbase`, and the variant is `{variant}`");
        fields.error(engine_place, Mistake::Clash(what, "choose another variant, or another engine"));
    }
    if engine == DebianEngine::Debootstrap && !debconf.is_empty() {
        let what = "debootstrap takes no answers for debconf".to_owned();
        fields.error(debconf_place, Mistake::Clash(what, "leave out `engine`, or take `engine = \"mmdebstrap\"`"));
    }
    let dependencies = fields.flag("dependencies").unwrap_or(true) || scripts;
    let slices = slice::read_all(&mut fields);
    let binaries = fields.list("binaries").unwrap_or_default();
    let keyring = fields.local("keyring", "file", Path::is_file);
    let repositories: Vec<_> =
        fields.tables("repository", &REPOSITORY).into_iter().filter_map(read_repository).collect();
    let suite = suite?;
    let Some(distribution) = suites::distribution(&suite, named.as_deref()) else {
        let expected = "a suite of Debian or Ubuntu, or a `distribution` beside it that says whose it is";
        let misfit = Misfit::new(&suite, "a suite known here", expected);
        let nearest = nearest(&suite, suites::known());
        fields.error(suite_place, Mistake::Form { key: "suite".to_owned(), misfit, nearest });
        return None;
    };
    // Packages alone can be taken of any suite.
    if updates || variant != DebianVariant::Custom {
        suites::check_whole(&fields, suite_place, &suite, &distribution);
    }
    if let Distribution::Other(name) = &distribution
        && !repositories.iter().any(Repository::is_mirror)
    {
        let what = format!("nothing says where the archive of `{name}` is");
        fields.error(
            suite_place,
            Mistake::Clash(what, "add a `[[from.debian.repository]]` with its `url` and `keyring`"),
        );
    }
    fields.finish();
    Some(DebianRequest {
        suite,
        distribution,
        variant,
        packages,
        exclude,
        debconf,
        local,
        lists,
        components,
        updates,
        recommends,
        snapshot,
        engine,
        scripts,
        dependencies,
        slices,
        binaries,
        keyring,
        repositories,
    })
}

/// Writes down the keys that mean something only with scripts, or only without.
fn check_scripts(fields: &Fields<'_>, scripts: bool) {
    if scripts {
        for (key, why) in [
            ("dependencies", "scripts of packages use what they depend on"),
            ("binaries", "dpkg's database would list files that are not there"),
        ] {
            if let Some(place) = fields.place_of(key) {
                let what = format!("`{key}` goes with `scripts = false` alone: {why}");
                fields.error(Some(place), Mistake::Clash(what, "add `scripts = false`, or leave the key out"));
            }
        }
        return;
    }
    for (key, what) in [
        ("engine", "an `engine` runs the scripts of packages, and `scripts = false` says that none run"),
        ("debconf", "`debconf` answers what scripts of packages ask, and `scripts = false` says that none run"),
    ] {
        if let Some(place) = fields.place_of(key) {
            fields.error(Some(place), Mistake::Clash(what.to_owned(), "leave out one of the two"));
        }
    }
}

/// Writes down what is asked for and left out at once.
fn check_exclude(
    fields: &Fields<'_>,
    packages: &[PackageRequest],
    exclude: &[PackagePattern],
    place: Option<Place>,
    scripts: bool,
) {
    let matchers: Vec<_> = exclude.iter().map(PackagePattern::matcher).collect();
    for package in packages.iter().filter(|package| matchers.iter().any(|matcher| matcher.is_match(&package.name))) {
        let what = format!("`{}` is in `packages`, and `exclude` leaves it out", package.name);
        let help = "take it out of one of them; a recipe that extends another does so with `\"-NAME\"`";
        fields.error(place, Mistake::Clash(what, help));
    }
    if scripts && matchers.iter().any(|matcher| matcher.is_match("dpkg")) {
        let what = "`exclude` leaves out dpkg, which configures all packages".to_owned();
        fields.error(place, Mistake::Clash(what, "add `scripts = false` for the files of packages alone"));
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "debian",
            Self::Ubuntu => "ubuntu",
            Self::Other(name) => name,
        })
    }
}

impl fmt::Display for PackageList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Priority(name) => write!(f, "the priority `{name}`"),
            Self::Section(name) => write!(f, "the section `{name}`"),
            Self::Task(name) => write!(f, "the task `{name}`"),
        }
    }
}

impl fmt::Display for DebianVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Buildd => "buildd",
            Self::Important => "important",
            Self::Standard => "standard",
            Self::Custom => "custom",
        })
    }
}

fn is_package(item: &Item, name: &str) -> bool {
    let same_name = |text: &str| text.parse::<PackageRequest>().is_ok_and(|package| package.name == name);
    itself(item, name) || item.value.as_text().is_some_and(same_name)
}
