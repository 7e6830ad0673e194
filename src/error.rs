//! Every error of the program, and the exit code of each.

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
    /// The report of a capture cannot be written.
    #[error("cannot write the report `{}`", path.display())]
    #[diagnostic(help("name a file in a folder that you may write to: `--report FILE`"))]
    Report {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
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
    #[error("cannot inspect `{path}`")]
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
    #[error("cannot fill in a tag: {0}")]
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
    #[diagnostic(help("`rootsmith lock {}` writes it", recipe.display()))]
    StaleLock {
        /// The recipe.
        recipe: PathBuf,
        /// `is missing`.
        why: &'static str,
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

/// Whose turn it is to mend something; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Blame {
    /// Nobody's: the answer is no.
    Answer = 1,
    /// What the user wrote: a recipe, a flag, a stale lock.
    Input = 2,
    /// This machine: a missing program, a full disk, no network.
    Machine = 3,
    /// Somebody else's: a mirror, a registry.
    Upstream = 4,
    /// Ours.
    Bug = 70,
}

impl Error {
    /// Whose turn it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Http(error) => of_http(error),
            Self::Store(error) => of_store(error),
            Self::Lock(LockError::Io { .. }) => Blame::Machine,
            Self::Resolve(error) => of_resolve(error),
            Self::Placed(placed) => of_resolve(&placed.error),
            Self::Fetch(FetchError::Http(error)) => of_http(error),
            Self::Fetch(FetchError::Install(error)) => of_install(error),
            Self::Fetch(FetchError::Package { source: PackageFileError::Read { .. }, .. }) => Blame::Machine,
            Self::Fetch(FetchError::Package { .. } | FetchError::OtherPackage { .. }) => Blame::Upstream,
            Self::Apk(error) => of_apk(error),
            Self::Dnf(error) => of_dnf(error),
            Self::Capture(error) => of_capture(error),
            Self::Report { .. } => Blame::Machine,
            Self::OciImage(error) => of_oci_image(error),
            Self::Registry(error) => of_registry(error),
            Self::Document(_) => Blame::Upstream,
            Self::Engine { source: EngineError::Talk { .. }, .. } => Blame::Machine,
            Self::Sandbox(error) => of_sandbox(error),
            #[cfg(feature = "conda")]
            Self::Conda(error) => of_conda(error),
            Self::NoConda => Blame::Machine,
            Self::ArchiveSource(error) => of_archive(error),
            Self::Open { source: OpenError::Temporary { .. }, .. } => Blame::Machine,
            Self::Image(ImageError::Store { source }) => of_store(source),
            Self::Dest(DestError::Cpio { source, .. }) if !matches!(source, CpioError::Content { .. }) => Blame::Input,
            Self::Image(ImageError::Write { .. }) | Self::Dest(_) => Blame::Machine,
            Self::Pass(PassError::Content { .. }) => Blame::Machine,
            Self::Program(ProgramError::Unreadable { source: ElfError::Io(_), .. }) => Blame::Machine,
            Self::Pass(PassError::Compare { .. }) | Self::Compare { .. } | Self::Contents { .. } => Blame::Machine,
            _ => Blame::Input,
        }
    }

    /// The exit code of a program that ends with this error: 1, 2, 3, 4 or 70.
    pub fn exit_code(&self) -> u8 {
        self.blame() as u8
    }
}

fn of_capture(error: &CaptureError) -> Blame {
    match error {
        CaptureError::Secrets { .. } => Blame::Answer,
        CaptureError::NotMounted(_) | CaptureError::TooDeep(_) => Blame::Input,
        CaptureError::Root { source, .. } if source.kind() != std::io::ErrorKind::PermissionDenied => Blame::Input,
        CaptureError::Tree(_) => Blame::Bug,
        _ => Blame::Machine,
    }
}

fn of_http(error: &HttpError) -> Blame {
    match error {
        error if error.is_input() => Blame::Input,
        error if error.is_local() => Blame::Machine,
        _ => Blame::Upstream,
    }
}

#[cfg(feature = "conda")]
fn of_conda(error: &CondaError) -> Blame {
    match (error.trouble(), error.innermost()) {
        (Some(Trouble::Input), _) => Blame::Input,
        (Some(Trouble::Machine), _) => Blame::Machine,
        (Some(Trouble::Upstream), _) => Blame::Upstream,
        (None, CondaError::Store(error)) => of_store(error),
        (None, CondaError::Sandbox(error)) => of_sandbox(error),
        // A channel's folder that lacks a file it lists is the channel's trouble, wherever that is.
        (None, CondaError::Http(error)) if error.is_absent() || matches!(error, HttpError::File { .. }) => {
            Blame::Upstream
        }
        (None, CondaError::Http(error)) => of_http(error),
        (None, _) => Blame::Upstream,
    }
}

fn of_store(error: &StoreError) -> Blame {
    if matches!(error, StoreError::Mismatch { .. }) { Blame::Upstream } else { Blame::Machine }
}

fn of_resolve(error: &ResolveError) -> Blame {
    match error {
        ResolveError::Http(error) => of_http(error),
        ResolveError::Solve(_)
        | ResolveError::File(_)
        | ResolveError::EmptyList { .. }
        | ResolveError::Keyring { .. }
        | ResolveError::BadKeyring { .. }
        | ResolveError::NoKeys { .. }
        | ResolveError::SliceOfNothing { .. } => Blame::Input,
        ResolveError::NoSuite { .. } | ResolveError::NotChosen { .. } => Blame::Input,
        ResolveError::Packages(IndexError::NoComponent { .. } | IndexError::NoArchitecture { .. }) => Blame::Input,
        _ => Blame::Upstream,
    }
}

fn of_install(error: &InstallError) -> Blame {
    match error {
        InstallError::Store(error) => of_store(error),
        InstallError::Sandbox(error) => of_sandbox(error),
        InstallError::FileConflict { .. } | InstallError::EmptySlice { .. } | InstallError::NoProgram { .. } => {
            Blame::Input
        }
        InstallError::Engine { .. } => Blame::Machine,
        InstallError::Content { .. } | InstallError::Program { source: ElfError::Io(_), .. } => Blame::Machine,
        _ => Blame::Upstream,
    }
}

/// An image that is not there, or not the one that is meant, is the recipe's affair; one that is damaged or has changed
/// is that of whoever made it.
fn of_oci_image(error: &OciImageError) -> Blame {
    match error {
        OciImageError::Store(error) => of_store(error),
        OciImageError::Registry { source, .. } => of_registry(source),
        OciImageError::Engine { source: EngineError::Talk { .. }, .. } => Blame::Machine,
        OciImageError::Open { source, .. } => match source {
            OpenError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Blame::Input,
            OpenError::Io { .. } => Blame::Machine,
            OpenError::NotLayout(_) | OpenError::NotImage(_) | OpenError::Choose { .. } => Blame::Input,
            OpenError::Artifact { .. } | OpenError::Foreign { .. } => Blame::Input,
            OpenError::Encrypted { .. } | OpenError::LayerType { .. } => Blame::Input,
            _ => Blame::Upstream,
        },
        OciImageError::Changed { .. } | OciImageError::Damaged { .. } => Blame::Upstream,
        OciImageError::Read { .. } | OciImageError::Unpack { .. } | OciImageError::Document(_) => Blame::Upstream,
        _ => Blame::Input,
    }
}

/// What a registry refuses or gets wrong is its affair; files of logins and configuration are the user's.
fn of_registry(error: &RegistryError) -> Blame {
    match error {
        RegistryError::Store(error) => of_store(error),
        RegistryError::Http(error) => of_http(error),
        error if error.is_input() => Blame::Input,
        error if error.is_local() => Blame::Machine,
        _ => Blame::Upstream,
    }
}

fn of_dnf(error: &DnfError) -> Blame {
    match error {
        DnfError::Http(error) => of_http(error),
        DnfError::Store(error) => of_store(error),
        DnfError::Sandbox(error) => of_sandbox(error),
        DnfError::NoProgram { .. }
        | DnfError::Program { .. }
        | DnfError::Solver { .. }
        | DnfError::NoGroups
        | DnfError::Database { .. }
        | DnfError::Io { .. } => Blame::Machine,
        DnfError::NoRepository { .. }
        | DnfError::Metadata { .. }
        | DnfError::OtherIndex { .. }
        | DnfError::Signature { .. }
        | DnfError::Damaged { .. }
        | DnfError::OtherPackage { .. } => Blame::Upstream,
        _ => Blame::Input,
    }
}

fn of_archive(error: &ArchiveSourceError) -> Blame {
    match error {
        ArchiveSourceError::Http(error) => of_http(error),
        ArchiveSourceError::Store(error) => of_store(error),
        ArchiveSourceError::Mismatch { remote: true, .. } => Blame::Upstream,
        error if error.is_local() => Blame::Machine,
        _ => Blame::Input,
    }
}

fn of_apk(error: &ApkError) -> Blame {
    match error {
        ApkError::Http(error) => of_http(error),
        ApkError::Store(error) => of_store(error),
        ApkError::Sandbox(error) => of_sandbox(error),
        ApkError::Content { .. } => Blame::Machine,
        ApkError::Solve(_) | ApkError::FileConflict { .. } | ApkError::NotChosen { .. } => Blame::Input,
        ApkError::KeyFile { .. } | ApkError::NoKeyInFile { .. } | ApkError::UnknownKey { .. } => Blame::Input,
        ApkError::NoRepository { .. } | ApkError::Unsigned { .. } | ApkError::World(_) => Blame::Input,
        _ => Blame::Upstream,
    }
}

/// A command of the image that fails is the recipe's affair; all else is the machine's.
fn of_sandbox(error: &SandboxError) -> Blame {
    match error {
        SandboxError::Program { .. } => Blame::Input,
        SandboxError::Store(error) => of_store(error),
        _ => Blame::Machine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let code = |error: HttpError| Error::from(error).exit_code();
        assert_eq!(code(HttpError::NoCandidate { what: "x".into() }), 2);
        assert_eq!(code(HttpError::Offline { what: "x".into() }), 3);
        assert_eq!(code(HttpError::Absent { url: "x".into() }), 4);
        let both = vec![HttpError::Absent { url: "x".into() }, HttpError::Offline { what: "x".into() }];
        assert_eq!(code(HttpError::Exhausted { what: "x".into(), causes: both }), 4);
        assert_eq!(Error::from(StoreError::InUse { root: "/x".into() }).exit_code(), 3);
        assert_eq!(Error::from(LockError::Format { path: "x".into(), found: 2, known: 1 }).exit_code(), 2);
    }
}
