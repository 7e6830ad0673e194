//! What can go wrong with packages of rpm.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::http::HttpError;
use crate::openpgp::{KeyringError, SignatureError};
use crate::sandbox::SandboxError;
use crate::store::StoreError;
use crate::tree::TreeError;

/// Why packages cannot be chosen, fetched or installed.
#[derive(Debug, Error, Diagnostic)]
pub enum DnfError {
    /// A program that this machine lacks.
    #[error("[from.dnf] needs {what}, and {} in PATH", if programs.len() == 1 { format!("there is no `{}`", programs[0]) } else { format!("there is none of `{}`", programs.join("`, `")) })]
    #[diagnostic(help(
        "install it (Debian, Ubuntu: `apt install dnf rpm`; Fedora and its family have it; Alpine: `apk add dnf rpm`); \
         `rootsmith doctor` shows what this machine has"
    ))]
    NoProgram {
        /// What it is for.
        what: &'static str,
        /// The programs that would do.
        programs: Vec<&'static str>,
    },
    /// A program of this machine cannot be run.
    #[error("cannot run `{program}` of this machine: {reason}")]
    #[diagnostic(help("`rootsmith doctor` shows what this machine has"))]
    Program {
        /// The program.
        program: String,
        /// Why not.
        reason: String,
    },
    /// The solver ended in a way that is not known.
    #[error("`{program}` chose no packages{}", quoted(said))]
    #[diagnostic(help("the lines above are what it said; `-vv` shows how it was run"))]
    Solver {
        /// The program.
        program: String,
        /// Its last lines.
        said: Vec<String>,
    },
    /// Packages that no repository has.
    #[error("no repository has {}", names.join(", "))]
    #[diagnostic(help("{}", nearest_help(nearest)))]
    NoSuchPackage {
        /// What was asked for, quoted.
        names: Vec<String>,
        /// Packages that look alike.
        nearest: Vec<String>,
    },
    /// No set of packages has all that is asked for.
    #[error("these packages cannot be installed together{}", quoted(reasons))]
    #[diagnostic(help("leave out what conflicts, or add a repository that has what is missing"))]
    Unsatisfiable {
        /// The solver's reasons.
        reasons: Vec<String>,
    },
    /// microdnf knows no groups.
    #[error("`microdnf` of this machine cannot install groups")]
    #[diagnostic(help("install dnf (Debian, Ubuntu: `apt install dnf`), or list packages in place of `groups`"))]
    NoGroups,
    /// A package to update that is not there.
    #[error("the package `{name}` is not among those that are installed, so it cannot be updated")]
    #[diagnostic(help("`rootsmith lock --update` without names updates all"))]
    NotChosen {
        /// The package.
        name: String,
    },
    /// A release whose database current rpm does not write.
    #[error("{distribution} {release} keeps rpm's database in a form (Berkeley DB) that no current rpm writes")]
    #[diagnostic(help("take release 9 or later, or say `database-format = \"sqlite\"` where rpm is not used inside"))]
    OldDatabase {
        /// The distribution.
        distribution: String,
        /// The release.
        release: String,
    },
    /// A download.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// The store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The sandbox.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    /// No address serves a repository.
    #[error("the repository `{id}` is at none of its addresses ({})", addresses.join(", "))]
    #[diagnostic(help("is `release` right? `--mirror {id}=URL` names another address, above its `repodata`"))]
    NoRepository {
        /// The repository.
        id: String,
        /// Where it was looked for.
        addresses: Vec<String>,
    },
    /// An index, list or metalink that means nothing.
    #[error("cannot understand {what}: {reason}")]
    #[diagnostic(help("the mirror or a proxy may answer with a page of its own: try another with `--mirror ID=URL`"))]
    Metadata {
        /// Which file.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// An index that is not the one its metalink or signature speaks of.
    #[error("the index at {address} is not the one that {by} names")]
    #[diagnostic(help("the mirror may be behind, or broken: try another with `--mirror ID=URL`"))]
    OtherIndex {
        /// Where it is.
        address: String,
        /// `the metalink`.
        by: String,
    },
    /// A repository without keys.
    #[error("nothing says which keys sign the packages of the repository `{id}`")]
    #[diagnostic(help(
        "give it a `keyring = [\"FILE\"]` in the recipe, or, where its packages are not signed, `trust = \"unsigned\"`"
    ))]
    NoKeys {
        /// The repository.
        id: String,
    },
    /// A file of keys that cannot be read.
    #[error("cannot read the keyring `{}`", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that holds no keys.
    #[error("`{place}` is no keyring")]
    BadKeyring {
        /// The file or address.
        place: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: KeyringError,
    },
    /// None of the keys is one that the recipe takes.
    #[error("the keyring of `{id}` has none of the keys in `fingerprints`: it has {}", found.join(", "))]
    #[diagnostic(help("compare them with what the distribution publishes, and correct `fingerprints` or the keyring"))]
    OtherKeys {
        /// The repository.
        id: String,
        /// The fingerprints that there are.
        found: Vec<String>,
    },
    /// A signature that is not good.
    #[error("cannot trust {package} of the repository `{id}`")]
    Signature {
        /// The package, or the index.
        package: String,
        /// The repository.
        id: String,
        /// What is wrong with it.
        #[source]
        #[diagnostic_source]
        source: SignatureError,
    },
    /// Bytes that are no package.
    #[error("{package} is not a sound rpm package: {reason}")]
    #[diagnostic(help("the repository is damaged: try another mirror with `--mirror ID=URL`"))]
    Damaged {
        /// The package.
        package: String,
        /// What is wrong.
        reason: String,
    },
    /// A package that is not what the index or lock calls it.
    #[error("{path} should be {expected}, but is {found}")]
    #[diagnostic(help("`rootsmith lock --update` asks the repository anew"))]
    OtherPackage {
        /// What was expected.
        expected: String,
        /// What it is.
        found: String,
        /// Its path.
        path: String,
    },
    /// rpm refuses the transaction.
    #[error("rpm cannot install the packages{}", quoted(said))]
    #[diagnostic(help("the lines above are the end of what it said; `exclude` leaves a package out"))]
    Transaction {
        /// Its last lines.
        said: Vec<String>,
    },
    /// The database that rpm has left is not whole.
    #[error("rpm left no whole database in {path}")]
    #[diagnostic(help("the rpm of this machine may be too old: rootsmith is tested with 4.18"))]
    Database {
        /// Where it should be.
        path: String,
    },
    /// A file of this machine.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What could not be done: `read`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A path that does not fit into the tree.
    #[error("cannot lay out the image for rpm")]
    Misplaced(#[from] TreeError),
}

fn quoted(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}

fn nearest_help(nearest: &[String]) -> String {
    match nearest {
        [] => {
            "is the name right, and does `release` have it? A repository of its own can be added to the recipe".into()
        }
        names => {
            format!("did you mean {}?", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
        }
    }
}
