//! Passes: pure changes of a tree, in one order, each counted.
//!
//! A pass uses no clock, network or process. What it needs from the disk (local files, certificates) is looked up when
//! the [`list`] is made; contents stay where they are.

mod above;
mod account_file;
mod accounts;
mod certificates;
mod der;
mod files;
mod harden;
mod normalize;
mod os_release;
mod prune;
mod text_file;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

pub use above::NormalizeAbove;
pub use accounts::Accounts;
pub use certificates::Certificates;
pub use files::{Files, owner_ids};
pub use harden::{HardenPass, init};
pub use normalize::{Normalize, state_of_first_start};
pub use os_release::OsReleasePass;
pub use prune::PrunePass;

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::recipe::{Prune, Recipe, UserName};
use crate::tree::{PathError, ResolveError, Tree, TreeError, TreePath};

/// One change of a tree.
pub trait Pass: Send + Sync {
    /// Its name: `prune`.
    fn name(&self) -> &'static str;

    /// Changes the tree, the same way for the same tree. After an error the tree is of no use.
    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError>;
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In a few words: `1917 files left out, 42.3 MB`; empty where nothing was done.
    pub summary: String,
    /// The same as numbers by name.
    pub counts: Vec<(&'static str, u64)>,
    /// What a person should know: random state that was left out, setuid files that were kept.
    pub notes: Vec<String>,
}

/// Why a pass cannot be applied.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PassError {
    /// A local file could not be read.
    #[error("cannot read the local file `{}`", path.display())]
    Local {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A local file is not the one that the recipe means.
    #[error("cannot copy `{}` into the image: its digest is {found}, but the recipe says {expected}", path.display())]
    #[diagnostic(help("put the right file there, or change `digest` where the new one is meant"))]
    LocalDigest {
        /// Which one.
        path: PathBuf,
        /// What the recipe says.
        expected: Digest,
        /// What it has.
        found: Digest,
    },
    /// A socket or device among files to copy.
    #[error("cannot copy `{}` into the image: it is {what}", path.display())]
    #[diagnostic(help("files, folders and symbolic links are copied; `device` and `fifo = true` make the others"))]
    LocalKind {
        /// Which one.
        path: PathBuf,
        /// `a socket`.
        what: &'static str,
    },
    /// A file for each platform, and nothing says for which one this is.
    #[error("cannot copy a file to `{path}`: there is one for each of {platforms}, and no platform was chosen")]
    NoPlatform {
        /// Where it should go.
        path: TreePath,
        /// The platforms there are.
        platforms: String,
    },
    /// The content of a file of the image could not be read.
    #[error("cannot read `{path}` of the image")]
    Content {
        /// Which one.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// A text file of the image is no text, or missing, or no file.
    #[error("cannot use `{path}` of the image: it is {what}")]
    TextFile {
        /// Which one.
        path: TreePath,
        /// `not a regular file`.
        what: &'static str,
    },
    /// A file cannot be put at its path.
    #[error("cannot change the tree")]
    Tree(#[from] TreeError),
    /// A file of the recipe has no place in the image.
    #[error("cannot put `[[file]] {entry}` into the image")]
    #[diagnostic(help(
        "choose a path in a folder, or take away what is in its place: `[prune] remove` comes before the files"
    ))]
    Misplaced {
        /// The path of its `[[file]]`.
        entry: TreePath,
        /// Why not.
        source: TreeError,
    },
    /// A file or link at the place of a folder that has something in it.
    #[error("cannot put `[[file]] {entry}` into the image: `{path}` is a folder there, with {count} paths below it")]
    #[diagnostic(help(
        "choose another path; where the folder is to go with all that is in it, write `remove = [\"{path}\"]` in [prune], \
         which comes before the files"
    ))]
    Covers {
        /// The path of its `[[file]]`.
        entry: TreePath,
        /// Where it would be.
        path: TreePath,
        /// How much is below.
        count: usize,
    },
    /// The recipe's user cannot have its home folder.
    #[error("cannot make the home folder `{home}` of the user `{name}`: {why}")]
    #[diagnostic(help("name another folder: `home` of `user` in [harden]"))]
    Home {
        /// The user.
        name: UserName,
        /// The folder.
        home: TreePath,
        /// What is in its place.
        why: String,
    },
    /// Something has a path that cannot be.
    #[error("cannot change the tree")]
    Path(#[from] PathError),
    /// A path leads through a loop of links.
    #[error("cannot change the tree")]
    Resolve(#[from] ResolveError),
    /// A tree cannot be compared with the layers below it.
    #[error("cannot compare the files with those of the layers below")]
    #[diagnostic(help("contents stay where they were found until they are packed: do not change them during a build"))]
    Compare {
        /// Which content cannot be read, and why not.
        source: io::Error,
    },
    /// A name that neither the image nor the recipe knows.
    #[error("cannot give `{path}` to `{name}`: the image has no {kind} of that name")]
    #[diagnostic(help("use a number, a name of the image's /etc/passwd and /etc/group, or the user of `[harden]`"))]
    UnknownPrincipal {
        /// The file.
        path: TreePath,
        /// The name.
        name: String,
        /// `user` or `group`.
        kind: &'static str,
    },
    /// The image has another account with the name or number of the recipe's user.
    #[error("cannot make the user `{name}`: the image has {there}")]
    #[diagnostic(help(
        "choose another name or number for `user` in `[harden]`, or describe the account exactly as it is"
    ))]
    AccountClash {
        /// The recipe's user.
        name: UserName,
        /// What is there: `the group games with the number 60`.
        there: String,
    },
    /// A file of certificates holds something else.
    #[error("cannot trust the certificates of `{}`: {why}", path.display())]
    #[diagnostic(help("the file holds certificates as PEM: `openssl x509 -in FILE -inform DER` converts others"))]
    Certificate {
        /// The local file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The image has no bundle to add certificates to.
    #[error("cannot add certificates: the image has no `{0}`")]
    #[diagnostic(help("add `ca-certificates` to the packages"))]
    NoBundle(TreePath),
    /// The init is not in the image.
    #[error("cannot make tini process 1: the image has no `{0}`")]
    #[diagnostic(help("add the package `tini`, keep it in `[prune]`, or set `init = \"none\"` in `[harden]`"))]
    NoInit(TreePath),
}

/// What was done to a root filesystem before its passes.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// Paths of the recipe's files that its steps have changed or removed: they stay as they are.
    pub settled: BTreeSet<TreePath>,
    /// Patterns of `[prune]` that have named something which was left out already (`PathRules::naming`).
    pub pruned: BTreeSet<String>,
}

/// The passes of a recipe, in the order in which they are applied. Reads which local files there are, and the
/// certificates.
pub fn list(recipe: &Recipe, before: Before, epoch: Epoch) -> Result<Vec<Box<dyn Pass>>, PassError> {
    let Before { settled, pruned } = before;
    let prune = PrunePass::new(&recipe.prune, epoch).after(pruned);
    between(recipe, settled, epoch, Box::new(prune), Box::new(Normalize::new(epoch)))
}

/// The same for a tree that is put on top of layers that are kept, whose tree is `base`: only what the recipe itself
/// asks for makes it different from that.
pub fn list_above(base: Tree, recipe: &Recipe, before: Before, epoch: Epoch) -> Result<Vec<Box<dyn Pass>>, PassError> {
    let Before { settled, pruned } = before;
    let prune = PrunePass::above(&recipe.prune, epoch).after(pruned);
    between(recipe, settled, epoch, Box::new(prune), Box::new(NormalizeAbove::new(base, epoch)))
}

/// The passes from the first to the last.
fn between(
    recipe: &Recipe,
    settled: BTreeSet<TreePath>,
    epoch: Epoch,
    first: Box<dyn Pass>,
    last: Box<dyn Pass>,
) -> Result<Vec<Box<dyn Pass>>, PassError> {
    let user = recipe.harden.user.clone();
    let mut passes = vec![first];
    passes.push(Box::new(Files::gather(&recipe.files, user.clone(), epoch)?.without(settled)));
    passes.push(Box::new(Accounts::new(user, recipe.harden.lock_accounts, epoch)));
    passes.push(Box::new(Certificates::read(&recipe.certificates, epoch)?));
    passes.push(Box::new(OsReleasePass::new(&recipe.os_release, epoch)));
    passes.push(Box::new(HardenPass::new(recipe.harden.clone())));
    passes.push(last);
    Ok(passes)
}

/// The passes of an image that has no recipe: what never is in an image goes, and what differs between two builds.
pub fn without_recipe(epoch: Epoch) -> Vec<Box<dyn Pass>> {
    vec![Box::new(PrunePass::new(&Prune::default(), epoch)), Box::new(Normalize::new(epoch))]
}

impl Outcome {
    /// An outcome of the counts that are not 0, summed up as `3 users, 1 group`.
    fn of(counts: &[(&'static str, u64)], notes: Vec<String>) -> Self {
        let counts: Vec<_> = counts.iter().copied().filter(|(_, count)| *count > 0).collect();
        let summary: Vec<_> = counts.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        Self { summary: summary.join(", "), counts, notes }
    }
}

#[cfg(test)]
mod tests;
