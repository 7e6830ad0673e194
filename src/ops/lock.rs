//! Locking a recipe: finding out which inputs it means now, and keeping to them.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::lock::{self, Change, Lock, LockError};
use crate::ops::{conda, source};
use crate::recipe::{self, Recipe, SourceRequest};

pub use crate::ops::source::LockOptions;

/// What a change of a lock is about.
#[derive(Clone, Debug)]
pub struct UpdateOptions {
    /// The recipe.
    pub recipe: PathBuf,
    /// Its variant, where one is wanted.
    pub variant: Option<String>,
    /// How the lock is treated.
    pub lock: LockOptions,
    /// Only look whether there are newer inputs.
    pub check: bool,
    /// Take newer inputs, although the lock fits the recipe: all, or of these packages.
    pub update: Option<Vec<String>>,
}

/// What became of a lock.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The lock's file.
    pub path: PathBuf,
    /// Whether it was written.
    pub written: bool,
    /// Whether the recipe has anything to lock.
    pub is_needed: bool,
    /// What is different from before.
    pub changes: Vec<Change>,
}

/// Brings the lock of a recipe up to date, or says what that would change.
pub fn update(options: &UpdateOptions, context: &Context) -> Result<Updated, Error> {
    let recipe = recipe::load(&options.recipe, options.variant.as_deref())?;
    if matches!(recipe.source, SourceRequest::Host(_)) {
        return Err(Error::HostLock);
    }
    let path = path(&recipe, &options.recipe, &options.lock).ok_or_else(|| Error::Usage {
        message: format!("the recipe `{}` is no file, and has no lock beside it", options.recipe.display()),
        help: "say where the lock is: `--lock FILE`".to_owned(),
    })?;
    source::mirrors::check(&recipe, &options.lock)?;
    if !has_inputs(&recipe) {
        return Ok(Updated { path, written: false, is_needed: false, changes: Vec::new() });
    }
    // A lock that cannot be understood is written anew where everything may change.
    let anew = options.update.as_ref().is_some_and(Vec::is_empty);
    let old = match Lock::read(&path) {
        Err(error) if anew && !matches!(error, LockError::Io { .. }) => None,
        other => other?,
    };
    warn_of_changes(old.as_ref(), &path, context);
    let is_signed = source::is_signed_as_asked(&recipe, old.as_ref())?;
    let fits = is_signed && old.as_ref().is_some_and(|lock| lock.request == asked(&recipe));
    if fits && options.update.is_none() && !options.check {
        return Ok(Updated { path, written: false, is_needed: true, changes: Vec::new() });
    }
    if options.lock.locked {
        return Err(stale(&options.recipe, old.is_some(), options.lock.file.as_deref()));
    }
    let names = options.update.as_deref().filter(|names| !names.is_empty());
    let new = resolve(&recipe, &options.lock, old.as_ref().zip(names), context)?;
    for (suite, before, now) in old.as_ref().map(|old| lock::set_back(old, &new)).unwrap_or_default() {
        context
            .reporter
            .warn(&format!("the suite {suite} is of {now}, older than the lock, which saw it as of {before}"));
    }
    let changes = old.as_ref().map(|old| lock::changes(old, &new)).unwrap_or_default();
    let same = old.is_some() && changes.is_empty() && fits;
    let written = if options.check || same { false } else { new.write(&path)? };
    Ok(Updated { path, written, is_needed: true, changes })
}

/// The lock to build from: the one beside the recipe, or where the options have it, where it fits; else a new one, which
/// is written there. A recipe that is no file has none, unless the options say where.
pub(super) fn current(recipe: &Recipe, file: &Path, options: &LockOptions, context: &Context) -> Result<Lock, Error> {
    if matches!(recipe.source, SourceRequest::Host(_)) && options.locked {
        return Err(Error::HostLock);
    }
    source::mirrors::check(recipe, options)?;
    if !has_inputs(recipe) {
        return Ok(Lock::new(asked(recipe), Vec::new()));
    }
    let path = path(recipe, file, options);
    let old = match &path {
        Some(path) => Lock::read(path)?,
        None => None,
    };
    if let Some(path) = &path {
        warn_of_changes(old.as_ref(), path, context);
    }
    let is_signed = source::is_signed_as_asked(recipe, old.as_ref())?;
    if let Some(lock) = old.as_ref().filter(|lock| is_signed && lock.request == asked(recipe)) {
        return Ok(lock.clone());
    }
    if options.locked {
        return Err(stale(file, old.is_some(), options.file.as_deref()));
    }
    let lock = resolve(recipe, options, None, context)?;
    if let Some(path) = &path {
        lock.write(path)?;
    }
    Ok(lock)
}

/// The digest of all that decides which inputs are chosen.
fn asked(recipe: &Recipe) -> Digest {
    let mut what = source::asked(recipe);
    if !recipe.conda.is_empty() {
        what["conda"] = recipe.conda.iter().map(conda::asked).collect::<Vec<_>>().into();
    }
    Digest::of(&crate::oci::canonical_json(&what))
}

fn has_inputs(recipe: &Recipe) -> bool {
    source::has_inputs(recipe) || !recipe.conda.is_empty()
}

/// Resolves a recipe for each of its platforms, the root filesystem first: environments are solved for its C library. Of
/// an earlier lock, all but what is named, and what that needs, is kept.
fn resolve(
    recipe: &Recipe,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<Lock, Error> {
    let request = asked(recipe);
    // The root filesystem knows nothing of packages of environments.
    let names = |(old, names): (&Lock, &[String])| -> Vec<String> {
        names.iter().filter(|name| !old.is_only_conda(name)).cloned().collect()
    };
    let names = keeping.map(names).unwrap_or_default();
    let of_source = keeping.map(|(old, _)| (old, names.as_slice()));
    let mut lock = Lock::new(request, source::resolve(recipe, options, of_source, context)?);
    for platform in recipe.platforms.iter().copied() {
        lock.add(conda::resolve(&recipe.on(platform), &lock, platform, options, keeping, context)?);
    }
    Ok(lock)
}

/// Says where a lock is not as it was written.
fn warn_of_changes(lock: Option<&Lock>, path: &Path, context: &Context) {
    if lock.is_some_and(Lock::is_altered) {
        context.reporter.warn(&format!(
            "the lock `{}` was changed since it was written: the digest in its last line is another one (if that was you, \
             remove the line; if not, take it from version control, or write it anew with `rootsmith lock --update RECIPE`)",
            path.display()
        ));
    }
}

/// The lock's file: where the options have it, else beside the recipe, one for each variant. None for a recipe that is no
/// file.
fn path(recipe: &Recipe, file: &Path, options: &LockOptions) -> Option<PathBuf> {
    if options.file.is_some() {
        return options.file.clone();
    }
    if recipe::is_stream(file) {
        return None;
    }
    let plain = Lock::path_for(file);
    Some(match &recipe.variant {
        None => plain,
        Some(variant) => {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            plain.with_file_name(format!("{stem}.{variant}.lock"))
        }
    })
}

pub(super) fn stale(recipe: &Path, exists: bool, lock: Option<&Path>) -> Error {
    let at = lock.map(|lock| format!(" --lock {}", lock.display())).unwrap_or_default();
    let help = match lock {
        None if recipe::is_stream(recipe) => {
            "a recipe that is no file has its lock where `--lock FILE` says".to_owned()
        }
        _ => format!("`rootsmith lock {}{at}` writes it", recipe.display()),
    };
    let why = if exists { "does not fit it any more" } else { "is missing" };
    Error::StaleLock { recipe: recipe.to_owned(), why, help }
}
