//! Why an environment cannot be had.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};

use crate::archive::ArchiveError;
use crate::http::HttpError;
use crate::sandbox::SandboxError;
use crate::store::StoreError;
use crate::tree::{PathError, TreeError, TreePath};

/// Why an environment cannot be resolved, fetched or installed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CondaError {
    /// A file that says what is in an environment, and cannot be understood.
    #[error("cannot understand `{}`: {reason}", path.display())]
    #[diagnostic(code(conda::environment), help("{help}"))]
    Environment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        help: String,
        /// Its text.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// Where in it.
        #[label("here")]
        place: Option<SourceSpan>,
    },
    /// A channel that the recipe does not allow.
    #[error("cannot use the channel `{channel}`{}: it is not one of `allowed-channels`", asker(what))]
    #[diagnostic(code(conda::denied), help("allowed are: {allowed}; add it there, or name one of those"))]
    Denied {
        /// The channel.
        channel: String,
        /// The package that comes from it; empty where the channel itself was named.
        what: String,
        /// The allowed ones.
        allowed: String,
    },
    /// A text that names no channel.
    #[error("cannot use the channel `{channel}`: {reason}")]
    #[diagnostic(code(conda::channel), help("a channel is a name (`conda-forge`), an address or a path (`./channel`)"))]
    Channel {
        /// The text.
        channel: String,
        /// Why not.
        reason: String,
    },
    /// The packages of a channel could not be listed.
    #[error("cannot list the packages of the channels {channels}: {reason}")]
    #[diagnostic(code(conda::index), help("{help}"))]
    Index {
        /// The channels.
        channels: String,
        /// Why not, without logins.
        reason: String,
        /// What to do.
        help: &'static str,
        /// Whose turn it is.
        trouble: Trouble,
    },
    /// No set of packages has what was asked for.
    #[error("cannot solve the environment of `{}`:\n{reason}", path.display())]
    #[diagnostic(code(conda::solve), help("{help}"))]
    Solve {
        /// The file.
        path: PathBuf,
        /// The solver's reason.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The environment has no packages for the platform.
    #[error("`{}` has nothing for {platform}", path.display())]
    #[diagnostic(code(conda::platform), help("lock it for that platform too, or build for {there}"))]
    Platform {
        /// The file.
        path: PathBuf,
        /// The platform, in conda's words.
        platform: String,
        /// Those it has.
        there: String,
    },
    /// A package of pip that is not a pinned wheel.
    #[error("cannot install `{requirement}` with pip: {reason}")]
    #[diagnostic(
        code(conda::pip),
        help(
            "name a wheel and its digest (`NAME @ https://HOST/NAME-1.0-py3-none-any.whl#sha256=...`), or a conda package"
        )
    )]
    Pip {
        /// What was asked for.
        requirement: String,
        /// Why not.
        reason: String,
    },
    /// A wheel that is damaged.
    #[error("cannot install the wheel {wheel}: {reason}")]
    #[diagnostic(
        code(conda::wheel),
        help("the wheel is damaged at its origin, as its digest is right: build it again, or try another version")
    )]
    Wheel {
        /// Its name, version and file.
        wheel: String,
        /// What is wrong.
        reason: String,
    },
    /// A package that cannot be had.
    #[error("cannot fetch the conda package {package}")]
    #[diagnostic(code(conda::fetch), help("the channel's index names it, so the channel should have it; {help}"))]
    Fetch {
        /// The package.
        package: String,
        /// What to do.
        help: &'static str,
        /// Why not.
        source: Box<CondaError>,
    },
    /// A download that rattler's client made.
    #[error("cannot fetch `{url}`: {reason}")]
    #[diagnostic(
        code(conda::download),
        help("logins are read from rattler's auth file (RATTLER_AUTH_FILE) and from netrc")
    )]
    Download {
        /// The address, without a login.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The bytes of a package are not those of the index or list.
    #[error("`{url}` has the wrong bytes: expected {expected}, found {found}")]
    #[diagnostic(code(conda::mismatch), help("the file was changed after it was listed: list or lock it anew"))]
    Mismatch {
        /// The address.
        url: String,
        /// The digest asked for, with its algorithm.
        expected: String,
        /// The digest of what arrived.
        found: String,
    },
    /// A package that is damaged.
    #[error("cannot unpack the conda package {package}: {reason}")]
    #[diagnostic(
        code(conda::package),
        help("the package is damaged at its origin, as its digest is right: try another build")
    )]
    Package {
        /// The package.
        package: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of a package that cannot be read.
    #[error("cannot read `{path}` of the conda package {package}")]
    #[diagnostic(code(conda::content), help("look for damage in the store: `rootsmith store verify`"))]
    Content {
        /// The package.
        package: String,
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A placeholder is shorter than the prefix that takes its place.
    #[error("cannot put the prefix `{prefix}` into `{path}` of {package}: there is room for {room} letters")]
    #[diagnostic(code(conda::prefix), help("give the environment a shorter `prefix`, such as `/opt/conda`"))]
    PrefixTooLong {
        /// The prefix.
        prefix: String,
        /// The file.
        path: String,
        /// The package.
        package: String,
        /// The length of the placeholder.
        room: usize,
    },
    /// A Python package without a Python.
    #[error("cannot install {package}: the environment has no python for it")]
    #[diagnostic(code(conda::no_python), help("add `python` to the dependencies"))]
    NoPython {
        /// The package.
        package: String,
    },
    /// The base has something else than a folder where the environment goes.
    #[error("cannot put an environment at `{prefix}`: the base has {what} at `{path}`")]
    #[diagnostic(code(conda::place), help("give the environment another `prefix`"))]
    Place {
        /// The prefix.
        prefix: String,
        /// `a symbolic link`.
        what: &'static str,
        /// Where.
        path: TreePath,
    },
    /// The base's C library is older than the one that the lock was made for.
    #[error("the environment was solved for glibc {locked}, and the base has {}", found.as_deref().unwrap_or("none"))]
    #[diagnostic(code(conda::glibc), help("the base has changed: `rootsmith lock --update RECIPE` solves anew"))]
    Glibc {
        /// The version of the lock.
        locked: String,
        /// The base's version.
        found: Option<String>,
    },
    /// A program needs a newer C library than the base has.
    #[error("`{path}` of {package} needs {needed}, and the base has glibc {found}")]
    #[diagnostic(
        code(conda::symbols),
        help("use a newer base, or older packages: `__glibc` of the packages' index is wrong, or was overridden")
    )]
    Symbols {
        /// The program or library.
        path: TreePath,
        /// Its package.
        package: String,
        /// `GLIBC_2.38`.
        needed: String,
        /// The base's version.
        found: String,
    },
    /// Something about the store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A plain download.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// The entries of a package.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// A path that cannot be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
    /// A place in a tree that cannot be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tree(#[from] TreeError),
    /// A script of a package, or the environment's own Python.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    /// The client for channels could not be made.
    #[error("cannot prepare for channels: {reason}")]
    #[diagnostic(code(conda::prepare))]
    Prepare {
        /// Why not.
        reason: String,
    },
}

/// Whose turn it is to mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The user's: a recipe or an environment file.
    Input,
    /// This machine's.
    Machine,
    /// A channel's.
    Upstream,
}

impl CondaError {
    /// Whose turn it is to mend it; errors of other modules answer for themselves.
    pub fn trouble(&self) -> Option<Trouble> {
        Some(match self {
            Self::Index { trouble, .. } => *trouble,
            Self::Fetch { source, .. } => {
                return source.trouble().map(|trouble| match trouble {
                    Trouble::Input => Trouble::Upstream,
                    other => other,
                });
            }
            Self::Download { .. } | Self::Mismatch { .. } | Self::Package { .. } | Self::Wheel { .. } => {
                Trouble::Upstream
            }
            Self::Content { .. } | Self::Prepare { .. } => Trouble::Machine,
            Self::Http(_) | Self::Store(_) | Self::Sandbox(_) => return None,
            Self::Archive(_) | Self::Path(_) | Self::Tree(_) => Trouble::Upstream,
            _ => Trouble::Input,
        })
    }

    /// The error below it that another module answers for.
    pub fn innermost(&self) -> &Self {
        match self {
            Self::Fetch { source, .. } => source.innermost(),
            other => other,
        }
    }
}

fn asker(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!(" for {what}") }
}
