//! Why packages cannot be fetched or installed.

use std::io;
use std::path::PathBuf;

use super::deb822::Deb822Error;
use super::index::IndexError;
use super::package_file::PackageFileError;
use super::relation::RelationError;
use super::release::ReleaseError;
use super::solve::SolveError;
use crate::archive::ArchiveError;
use crate::digest::Digest;
use crate::elf::{CacheError, ElfError};
use crate::epoch::Epoch;
use crate::http::HttpError;
use crate::openpgp::{KeyringError, SignatureError};
use crate::recipe::Said;
use crate::sandbox::SandboxError;
use crate::store::StoreError;
use crate::tree::{self, TreeError, TreePath};

/// Why packages cannot be installed into a tree.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum InstallError {
    /// A .deb cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] PackageFileError),
    /// The entries of a data archive are not acceptable.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The store cannot keep or give something.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The sandbox, or a script in it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    /// The data archive of a package cannot be decompressed.
    #[error("cannot unpack package {package}")]
    #[diagnostic(help(
        "the .deb is damaged at its origin, because its digest is the one of the index; try another version"
    ))]
    Data {
        /// The package.
        package: String,
        /// Why not.
        source: io::Error,
    },
    /// The data archive of a local package cannot be decompressed.
    #[error("cannot unpack `{}`", path.display())]
    #[diagnostic(help("the file is damaged: copy it again, or build the package anew"))]
    LocalData {
        /// The package's file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A control file is not one.
    #[error("the control file of package {package} cannot be understood")]
    Control {
        /// The package.
        package: String,
        /// Why not.
        source: Deb822Error,
    },
    /// A field of relations is not one.
    #[error("the relations of package {package} cannot be understood")]
    Relation {
        /// The package.
        package: String,
        /// Why not.
        source: RelationError,
    },
    /// A configuration file cannot be read.
    #[error("cannot read a configuration file of package {package}")]
    Content {
        /// The package.
        package: String,
        /// Why not.
        source: io::Error,
    },
    /// Two packages have the same file.
    #[error("`{path}` is in the packages {first} and {second}, and neither replaces files of the other")]
    #[diagnostic(help("leave one of them out, or drop the path with `[prune] remove`"))]
    FileConflict {
        /// The file.
        path: TreePath,
        /// The package laid before.
        first: String,
        /// The package that came then.
        second: String,
    },
    /// A file of a package would take the place of a directory of another.
    #[error("`{path}` is a folder in the package {first}, and a file in {second}")]
    #[diagnostic(help("leave one of them out"))]
    CoversDirectory {
        /// The path.
        path: TreePath,
        /// The package with the folder.
        first: String,
        /// The package with the file.
        second: String,
    },
    /// A file of a package has no place in the tree.
    #[error("cannot lay the files of package {package}")]
    Misplaced {
        /// The package.
        package: String,
        /// Why not.
        source: TreeError,
    },
    /// A slice keeps what its package does not have.
    #[error("cannot keep `{pattern}` of the package {package}: it has no such file")]
    #[diagnostic(help("`dpkg -L {package}` lists its files; the paths in `slices` may have `*` and `**`"))]
    EmptySlice {
        /// The package.
        package: String,
        /// What should be kept.
        pattern: String,
    },
    /// A program that the recipe names is not there.
    #[error("cannot keep the program `{path}`: no package has it")]
    #[diagnostic(help("add the package that has it to `packages`, or correct its path in `binaries`"))]
    NoProgram {
        /// Its path.
        path: String,
    },
    /// A program cannot be read.
    #[error("cannot find out what `{path}` needs")]
    Program {
        /// Its path.
        path: TreePath,
        /// Why not.
        source: ElfError,
    },
    /// Answers for debconf, and no debconf.
    #[error("cannot give the answers of `debconf`: no package has `debconf-set-selections`")]
    #[diagnostic(help("add `debconf` to `packages`, or leave the answers out"))]
    NoDebconf,
    /// Packages with scripts to run, and nothing that runs them.
    #[error("cannot configure the packages: none of them has dpkg")]
    #[diagnostic(help(
        "add `dpkg` to `packages`, take a `variant` that has it (`essential` is the smallest), or make an image of files \
         alone with `scripts = false`"
    ))]
    NoDpkg,
    /// An engine is not on the host.
    #[error("cannot install packages by {engine}: {reason}")]
    #[diagnostic(help(
        "`apt-get install {engine}` installs it; without `engine`, rootsmith installs packages by itself"
    ))]
    NoEngine {
        /// The program.
        engine: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// An engine of the host did not do it.
    #[error("cannot install packages by {engine}: {reason}")]
    #[diagnostic(help(
        "debootstrap has to be run as root; without `engine`, rootsmith installs packages by itself, and says which of them \
         does not let itself be configured"
    ))]
    Engine {
        /// The program.
        engine: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The loader's cache cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
    /// Links in the tree lead in circles.
    #[error("cannot find the place of a file of package {package}")]
    Unresolved {
        /// The package.
        package: String,
        /// Why not.
        source: tree::ResolveError,
    },
}

/// Why a pin cannot be made into a root filesystem.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum FetchError {
    /// A download.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// Installing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Install(#[from] InstallError),
    /// A .deb cannot be read.
    #[error("cannot unpack package {package}, `{path}`")]
    Package {
        /// The package, its version and architecture.
        package: String,
        /// Where it is in the repository.
        path: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: PackageFileError,
    },
    /// A keyring of the recipe is not the one that was locked.
    #[error("no keyring of the recipe is the one that the lock has for `{path}`, {expected}")]
    #[diagnostic(help("a keyring was changed since: `rootsmith lock --update RECIPE` takes the new one"))]
    KeyringChanged {
        /// Its path in the image.
        path: String,
        /// The digest that it had.
        expected: Digest,
    },
    /// The lock has no usable place for a keyring.
    #[error("`{path}` is no path for a keyring")]
    #[diagnostic(help("undo the change of the lock, or write it anew: `rootsmith lock --update RECIPE`"))]
    KeyringPath {
        /// The path.
        path: String,
    },
    /// A .deb is another package than the index says.
    #[error("`{path}` holds {found}, but the index says {expected}")]
    #[diagnostic(help("the archive is broken there; another mirror has the same index, so tell those who run it"))]
    OtherPackage {
        /// What the index says.
        expected: String,
        /// What is in it.
        found: String,
        /// Where it is in the repository.
        path: String,
    },
}

/// Why a request cannot be resolved into a pin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ResolveError {
    /// A download.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// A Release file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Release(#[from] ReleaseError),
    /// A package index.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Packages(#[from] IndexError),
    /// No packages fit.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Solve(#[from] SolveError),
    /// A .deb of the recipe's folder cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] super::package_file::PackageFileError),
    /// A .deb of the recipe's folder says of itself what cannot be.
    #[error("cannot install `{}`: {reason}", path.display())]
    #[diagnostic(help("correct its control file, which `dpkg-deb --field` shows, and build it again"))]
    LocalControl {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A .deb of the recipe's folder is for another processor.
    #[error("cannot install `{}`: it is a package for {found}, and the image is for {wanted}", path.display())]
    #[diagnostic(help(
        "name the file of the package for {wanted}; one for {found} is installed beside where the recipe asks for packages \
         of {found} by name: `packages = [\"libc6:{found}\"]`"
    ))]
    LocalArchitecture {
        /// The file.
        path: PathBuf,
        /// The package.
        name: String,
        /// Its architecture, in dpkg's name.
        found: String,
        /// The image's.
        wanted: String,
    },
    /// Two .debs of the recipe's folder are one package.
    #[error("`{}` and `{}` are the same package, {name}", first.display(), second.display())]
    #[diagnostic(help("keep one of them in `packages`: an image has one version of a package"))]
    LocalTwice {
        /// The package.
        name: String,
        /// The one file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// No package is of some kind.
    #[error("no package of these suites is of {list}")]
    #[diagnostic(help("look at the spelling: `apt-cache show PACKAGE` shows the priority, section and tasks of one"))]
    EmptyList {
        /// The kind.
        list: String,
        /// Its name in the recipe.
        name: String,
    },
    /// A package is asked of a suite that is not read.
    #[error("cannot take `{wanted}`: no suite `{suite}` is read")]
    #[diagnostic(help("{help}"))]
    UnknownSuite {
        /// What was asked.
        wanted: String,
        /// The suite.
        suite: String,
        /// Which there are.
        help: String,
    },
    /// No mirror has the suite.
    #[error("no mirror has the suite `{suite}`; asked: {}", addresses.join(", "))]
    #[diagnostic(help(
        "check the name of the suite; `updates = false` in [from.debian] leaves out its -updates and -security"
    ))]
    NoSuite {
        /// The suite.
        suite: String,
        /// Where it was looked for.
        addresses: Vec<String>,
    },
    /// The signature of a suite is not one to trust.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signature(#[from] SignatureError),
    /// A file of keys holds something else.
    #[error("cannot use the keyring `{}`", path.display())]
    BadKeyring {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[diagnostic_source]
        source: KeyringError,
    },
    /// A suite has no signature at all.
    #[error("the suite `{suite}` is not signed: there is {address}, but neither InRelease nor Release.gpg")]
    #[diagnostic(help(
        "`trust = \"unsigned\"` in its [[from.debian.repository]] accepts that, and the image will say so"
    ))]
    Unsigned {
        /// The suite.
        suite: String,
        /// Its Release file.
        address: String,
    },
    /// No keys are known for a distribution.
    #[error("no keys are known for the suite `{suite}` of {distribution}")]
    #[diagnostic(help("name a file of OpenPGP keys: `keyring = \"keys.asc\"` in [from.debian] or its repository"))]
    NoKeys {
        /// The distribution.
        distribution: String,
        /// The suite.
        suite: String,
    },
    /// A file of keys cannot be read.
    #[error("cannot read the keyring `{}`", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A Release file is no text.
    #[error("the Release file of the suite `{suite}` is not UTF-8 text")]
    NotText {
        /// The suite.
        suite: String,
    },
    /// A mirror gives an older state than before.
    #[error("the suite `{suite}` at {address} is of {date}, older than what was there before, of {seen}")]
    #[diagnostic(help(
        "the mirror was set back, or somebody on the way holds back what is newer: try another mirror with \
             `--mirror URL`; `rootsmith build --fresh` takes the older state where that is wanted"
    ))]
    SetBack {
        /// The suite.
        suite: String,
        /// Where it was read.
        address: String,
        /// The date of its Release file.
        date: Epoch,
        /// The date of the newest that was seen there.
        seen: Epoch,
    },
    /// A mirror has a later state than the one that is wanted.
    #[error("the suite `{suite}` at {address} is of {date}, later than the snapshot, of {snapshot}")]
    #[diagnostic(help(
        "`snapshot` is the archive as it was then, which Debian and Ubuntu keep, and other mirrors do not: name the address \
         that keeps it in a `[[from.debian.repository]]`, or leave out `snapshot`"
    ))]
    Later {
        /// The suite.
        suite: String,
        /// Where it was read.
        address: String,
        /// The date of its Release file.
        date: Epoch,
        /// The time of the snapshot.
        snapshot: Epoch,
    },
    /// A mirror gives another suite.
    #[error("the archive gives the suite `{found}` where `{asked}` was asked for")]
    #[diagnostic(help(
        "the mirror is wrongly set up, or somebody wants you to install something else: use another one"
    ))]
    OtherSuite {
        /// What was asked for.
        asked: String,
        /// What the Release file says.
        found: String,
    },
    /// A package that is to be updated is not needed.
    #[error("cannot update `{name}`: the recipe needs no package of that name")]
    #[diagnostic(help("`rootsmith lock --update RECIPE` without names updates all"))]
    NotChosen {
        /// The name.
        name: String,
    },
    /// A slice of a package that is not there.
    #[error("cannot keep a slice of `{package}`: no such package is installed")]
    #[diagnostic(help("add it to `packages`, or correct its name in `slices`"))]
    SliceOfNothing {
        /// The package.
        package: String,
    },
    /// A package index cannot be read.
    #[error("cannot read {what}")]
    Index {
        /// Which one.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

/// A request that cannot be resolved, and what it was that the request says there.
#[derive(Debug)]
pub struct Unresolved {
    /// What is wrong.
    pub error: Box<ResolveError>,
    /// The archive that was being read, if it was one: by the address that the recipe has for it, or as the distribution's
    /// own.
    pub archive: Option<Option<String>>,
}

impl From<ResolveError> for Unresolved {
    fn from(error: ResolveError) -> Self {
        Self { error: Box::new(error), archive: None }
    }
}

impl Unresolved {
    /// What the recipe says that led to it; nothing where it is no matter of the recipe.
    pub fn said(&self) -> Vec<Said<'_>> {
        match (&*self.error, &self.archive) {
            (ResolveError::Keyring { path, .. } | ResolveError::BadKeyring { path, .. }, _) => {
                vec![Said::Keyring(path)]
            }
            (ResolveError::Packages(IndexError::NoComponent { component, .. }), Some(url)) => {
                vec![Said::Component(url.as_deref(), component)]
            }
            (_, Some(Some(url))) => vec![Said::Repository(url)],
            (ResolveError::Http(_), Some(None)) => Vec::new(),
            // One that only packages are asked of, else the main one or what belongs to it.
            (ResolveError::NoSuite { suite, .. }, Some(None)) => vec![Said::OfSuite(suite)],
            (_, Some(None)) => vec![Said::Suite],
            (ResolveError::Solve(error), None) => of_solver(error),
            (ResolveError::UnknownSuite { suite, .. }, None) => vec![Said::OfSuite(suite)],
            (ResolveError::EmptyList { name, .. }, None) => vec![Said::List(name)],
            (ResolveError::SliceOfNothing { package }, None) => vec![Said::Slice(package)],
            _ => Vec::new(),
        }
    }
}

fn of_solver(error: &SolveError) -> Vec<Said<'_>> {
    match error {
        SolveError::Unknown { missing, .. } => missing.iter().map(|missing| Said::Package(&missing.name)).collect(),
        SolveError::Virtual { name, .. } | SolveError::Contradiction { name } => vec![Said::Package(name)],
        SolveError::NoSuchVersion { wanted, .. } | SolveError::OtherArchitecture { wanted, .. } => {
            vec![Said::Package(wanted)]
        }
        SolveError::Excluded { name } => vec![Said::Excluded(name)],
        SolveError::Unsatisfiable { explanation, .. } => vec![Said::NamedIn(explanation)],
        SolveError::Several(errors) => errors.iter().flat_map(of_solver).collect(),
        _ => Vec::new(),
    }
}
