//! Every error of the program, and the exit code of each.

mod blame;
mod placed;

use std::path::PathBuf;

use crate::archive::{ArchiveError, CpioError};
#[cfg(feature = "conda")]
use crate::conda::{CondaError, Trouble};
use crate::dest::{DestError, ParseTargetError};
use crate::elf::{ElfError, ProgramError};
use crate::engine::EngineError;
use crate::http::HttpError;
use crate::image::{ChangeError, ImageError, OpenError, ParsePortError};
use crate::inventory::InventoryError;
use crate::lock::LockError;
use crate::oci::{OciError, ParseReferenceError};
use crate::pass::PassError;
use crate::recipe::{Misfit, RecipeErrors};
use crate::registry::RegistryError;
use crate::sandbox::SandboxError;
use crate::source::apk::ApkError;
use crate::source::archive::ArchiveSourceError;
use crate::source::debian::index::IndexError;
use crate::source::debian::package_file::PackageFileError;
use crate::source::debian::{FetchError, InstallError, ResolveError};
use crate::source::dnf::DnfError;
use crate::source::host::CaptureError;
use crate::source::oci::OciImageError;
use crate::store::StoreError;
use crate::tree::TreeError;
pub use blame::Blame;
pub use placed::Placed;

/// What ended a command.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// Mistakes in a recipe.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipe(#[from] RecipeErrors),
    /// A download.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// The store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The lock.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// Resolving a request for packages.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Resolve(#[from] ResolveError),
    /// The same, with the place in the recipe that led to it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Placed(#[from] Box<Placed>),
    /// Fetching and installing packages.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// Choosing, fetching and installing packages of apk.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Apk(#[from] ApkError),
    /// A tree cannot be compared with the layers below it.
    #[error("cannot compare the files with those of the layers below")]
    Compare {
        /// Which content cannot be read, and why not.
        source: std::io::Error,
    },
    /// A registry.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Registry(#[from] RegistryError),
    /// A document of an image that is taken elsewhere.
    #[error("the image has a document that cannot be used")]
    Document(#[from] OciError),
    /// The Docker engine does not give an image.
    #[error("cannot take `{name}` from the Docker engine")]
    Engine {
        /// The image.
        name: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: EngineError,
    },
    /// Files cannot be compared, or looked at.
    #[error("cannot read the files")]
    Contents {
        /// Which content cannot be read, and why not.
        source: std::io::Error,
    },
    /// An image that a recipe starts from.
    #[error(transparent)]
    #[diagnostic(transparent)]
    OciImage(#[from] OciImageError),
    /// Reading the archive that somebody else made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    ArchiveSource(#[from] ArchiveSourceError),
    /// Capturing a machine.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Capture(#[from] CaptureError),
    /// A machine cannot be locked.
    #[error("`[from.host]` cannot be locked: a machine changes, and is only what it is when it is captured")]
    #[diagnostic(help(
        "build without --locked and --frozen; or keep what was captured, and build from that: \
         `rootsmith capture PATH -o rootfs-tar:FILE`, then `[from.archive]` with the file"
    ))]
    HostLock,
    /// Packages of rpm.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dnf(#[from] DnfError),
    /// The sandbox, or a command in it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    /// A program that cannot start in its image.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Program(#[from] ProgramError),
    /// A package tini without the program that needs no libraries.
    #[error("cannot put tini into the image: the package tini {version} has no `/usr/bin/tini-static`")]
    #[diagnostic(help("name a newer `suite` in `[from.scratch.debian]`, or a local one: `init = \"./tini\"`"))]
    NoStaticTini {
        /// The package's version.
        version: String,
    },
    /// A pass.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pass(#[from] PassError),
    /// An archive.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// Packing or assembling an image.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImageError),
    /// A destination.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dest(#[from] DestError),
    /// An image that cannot be opened.
    #[error("cannot read the image `{path}`")]
    Open {
        /// What was to be inspected.
        path: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: OpenError,
    },
    /// Package databases that cannot be read.
    #[error("cannot list the packages of `{path}`")]
    Inventory {
        /// What was to be inspected.
        path: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: InventoryError,
    },
    /// What `-o` says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Target(#[from] ParseTargetError),
    /// The name of an image.
    #[error(transparent)]
    #[diagnostic(help(
        "names look like `registry.example.com/team/base:13`; `-t` gives one, `[image] tags` gives tags"
    ))]
    Reference(#[from] ParseReferenceError),
    /// A port of `[image]`.
    #[error(transparent)]
    Port(#[from] ParsePortError),
    /// A tag that does not come out as one.
    #[error("cannot fill in a tag")]
    #[diagnostic(help("a tag is {}", .0.expected))]
    Tag(#[from] Misfit),
    /// A conda environment.
    #[cfg(feature = "conda")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Conda(#[from] CondaError),
    /// An environment where the base has something else.
    #[error("cannot put the environment on the base")]
    #[diagnostic(help("give it another `prefix`, or a base without files there"))]
    Environment(#[from] TreeError),
    /// A recipe with environments, and a program without conda.
    #[error("cannot make a conda environment: this rootsmith was built without conda")]
    #[diagnostic(code(conda::missing), help("build it with the feature `conda`, which is on unless it is turned off"))]
    NoConda,
    /// A lock that does not fit under `--locked`.
    #[error("the lock of `{}` {why}, and --locked (or --frozen) forbids to write one", recipe.display())]
    #[diagnostic(help("{help}"))]
    StaleLock {
        /// The recipe.
        recipe: PathBuf,
        /// `is missing`.
        why: &'static str,
        /// How it is written.
        help: String,
    },
    /// A lock without a pin.
    #[error("the lock names no inputs")]
    #[diagnostic(help("`rootsmith lock --update RECIPE` writes it anew"))]
    EmptyLock,
    /// A secret that a command needs was not given.
    #[error("the recipe's commands need the secret `{id}`")]
    #[diagnostic(help("give it: `--secret id={id},src=FILE`"))]
    MissingSecret {
        /// The secret's name.
        id: String,
    },
    /// A login that an archive needs was not given.
    #[error("the archive {url} needs the secret `{id}` for its login")]
    #[diagnostic(help("give it: `--secret id={id},src=FILE`; the file has `USER:PASSWORD`, or lines of netrc"))]
    MissingLogin {
        /// The secret's name.
        id: String,
        /// The archive.
        url: String,
    },
    /// A secret that should have a login has none.
    #[error("the secret `{id}` has no login for {url}")]
    #[diagnostic(help(
        "its file has `USER:PASSWORD` in one line, or lines of netrc: `machine https://HOST/PATH login USER password PASSWORD`"
    ))]
    NoLogin {
        /// The secret's name.
        id: String,
        /// The archive.
        url: String,
    },
    /// The image's user is a name that the image does not have.
    #[error("the image has no user or group `{name}`, which [image] names")]
    #[diagnostic(help("write numbers (`user = \"10001:10001\"`), or make the user with `[harden] user`"))]
    UnknownUser {
        /// The name.
        name: String,
    },
    /// What an imported image says of its user is a name that it does not have.
    #[error("the imported image runs as `{name}`, and has no user or group of that name")]
    #[diagnostic(help("give numbers: `--change 'USER 10001:10001'`"))]
    ForeignUser {
        /// The name.
        name: String,
    },
    /// A change of what an imported image says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Change(#[from] ChangeError),
    /// What was typed makes no sense.
    #[error("{message}")]
    #[diagnostic(code(usage), help("{help}"))]
    Usage {
        /// What makes no sense.
        message: String,
        /// What to type.
        help: String,
    },
}
