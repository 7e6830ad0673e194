//! `diff`: what two images or root filesystems have differently, as packages, files and configuration.

mod config;
mod files;
mod markdown;
mod packages;
mod platforms;
mod text;

use serde::Serialize;

use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::inventory;
use crate::ops::build::BuildOptions;
use crate::ops::source::mirrors;
use crate::ops::subject::{Held, Ready, Subject};
use crate::platform::AnyPlatform;

pub use config::ConfigChange;
pub use files::{Aspect, FileChange};
pub use packages::PackageChange;
pub use platforms::{Compared, PlatformDiff, PlatformDiffs};

/// What to compare.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// The one.
    pub before: Subject,
    /// The other.
    pub after: Subject,
    /// The only platform to compare, where images have several; else all are.
    pub platform: Option<AnyPlatform>,
    /// Whether modification times count.
    pub times: bool,
    /// How recipes are built.
    pub build: BuildOptions,
}

/// What is different, from the one to the other.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The version of this structure: `rootsmith.diff/1`.
    pub schema: &'static str,
    /// The one.
    pub before: Side,
    /// The other.
    pub after: Side,
    /// Packages, by name.
    pub packages: Vec<PackageChange>,
    /// What the images say, by key; empty where one of both is no image.
    pub config: Vec<ConfigChange>,
    /// Files, by path.
    pub files: Vec<FileChange>,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// The digest of the image's manifest; nothing for a root filesystem alone, or an archive that only Docker reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Bytes of all regular files; of hard links one counts.
    pub bytes: u64,
    /// How many paths there are.
    pub paths: u64,
}

impl Diff {
    /// Whether nothing that was compared is different.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.config.is_empty() && self.files.is_empty()
    }
}

/// Opens both and compares them: for the platform that is asked for, else for all that one of them has.
pub fn diff(options: &DiffOptions, context: &Context) -> Result<Compared, Error> {
    let recipes = [&options.before, &options.after].into_iter().filter_map(Subject::recipe);
    let elsewhere = mirrors::of_all(recipes, &options.build.lock);
    let mut options = options.clone();
    options.build.lock.mirrors.elsewhere = elsewhere;
    let ready = |subject| Ready::new(subject, options.platform.as_ref(), &options.build, context);
    let (before, after) = (ready(&options.before)?, ready(&options.after)?);
    platforms::compare(&before, &after, &options, context)
}

/// Opens both for one platform, or this machine's, and compares them.
fn compare_for(
    before: &Ready,
    after: &Ready,
    platform: Option<&AnyPlatform>,
    options: &DiffOptions,
    context: &Context,
) -> Result<Diff, Error> {
    let open = |ready: &Ready| ready.open(platform, &options.build, context);
    let (mut before, mut after) = (open(before)?, open(after)?);
    compare(&mut before, &mut after, options.times)
}

/// Compares what is open. Where one of both is an image, devices and named pipes do not count, because
/// images have none.
pub(super) fn compare(before: &mut Held, after: &mut Held, times: bool) -> Result<Diff, Error> {
    if before.image.is_some() || after.image.is_some() {
        before.without_special();
        after.without_special();
    }
    let files = files::changes(&before.tree, &after.tree, times).map_err(|source| Error::Contents { source })?;
    let config = match (&before.image, &after.image) {
        (Some(before), Some(after)) => config::changes(&before.config, &after.config),
        _ => Vec::new(),
    };
    let packages = packages::changes(installed(before)?, installed(after)?);
    Ok(Diff { schema: "rootsmith.diff/1", before: side(before), after: side(after), packages, config, files })
}

fn installed(held: &Held) -> Result<Vec<crate::package::Package>, Error> {
    inventory::packages(&held.tree).map_err(|source| Error::Inventory { path: held.name.clone(), source })
}

fn side(held: &Held) -> Side {
    let mut seen = std::collections::BTreeSet::new();
    let first = held.tree.entries().filter(|entry| seen.insert(entry.id));
    let bytes = first.filter_map(|entry| entry.inode.content()).map(|content| content.size()).sum();
    let digest = held.image.as_ref().and_then(|image| image.digest);
    Side { name: held.name.clone(), digest, bytes, paths: held.tree.len() as u64 }
}

#[cfg(test)]
mod tests;
