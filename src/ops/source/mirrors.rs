//! The names that `--mirror NAME=URL` may have: those of the repositories that a recipe reads.

use std::collections::BTreeSet;
use std::path::Path;

use super::LockOptions;
use crate::error::Error;
use crate::package::did_you_mean;
use crate::recipe::{self, Recipe, SourceRequest};
use crate::source::debian::archives;
use crate::source::{apk, dnf};

/// Refuses a mirror by a name that no repository has: neither of the recipe nor of another one of the same run.
pub(in crate::ops) fn check(recipe: &Recipe, options: &LockOptions) -> Result<(), Error> {
    let settings = &options.mirrors;
    let names = names(recipe);
    let is_known = |name: &String| {
        // Of the official ones a recipe may leave some out, and a script may name the same mirrors for every recipe.
        name.is_empty() || names.contains(name) || settings.elsewhere.contains(name) || archives::is_official(name)
    };
    let Some((name, _)) = settings.chosen.iter().find(|(name, _)| !is_known(name)) else { return Ok(()) };
    let known = names.union(&settings.elsewhere).map(String::as_str);
    let there = match known.clone().collect::<Vec<_>>() {
        none if none.is_empty() => "the recipe reads no repository that has a name".to_owned(),
        names => format!("those there are: {}", names.join(", ")),
    };
    let help = did_you_mean(name, known).map_or_else(|| there.clone(), |meant| format!("{meant} ({there})"));
    Err(Error::Usage { message: format!("`--mirror {name}=...` names no repository of the recipe"), help })
}

/// The names that all of these recipes have; where one cannot be known yet, whatever was chosen may be one of its names.
pub(in crate::ops) fn of_all<'a>(
    recipes: impl Iterator<Item = (&'a Path, Option<&'a str>)>,
    options: &LockOptions,
) -> BTreeSet<String> {
    let chosen = || options.mirrors.chosen.iter().map(|(name, _)| name.clone()).filter(|name| !name.is_empty());
    let mut all = BTreeSet::new();
    if chosen().next().is_none() {
        return all;
    }
    for (file, variant) in recipes {
        // A stream is read once, when it is built.
        let recipe = if recipe::is_stream(file) { None } else { recipe::load(file, variant).ok() };
        match recipe {
            Some(recipe) => all.append(&mut names(&recipe)),
            None => all.extend(chosen()),
        }
    }
    all
}

/// The names of the repositories that a recipe reads, for any of its platforms.
fn names(recipe: &Recipe) -> BTreeSet<String> {
    let debian = |request| {
        let each = recipe.platforms.iter().flat_map(move |platform| archives::of(request, *platform));
        each.map(|archive| archive.id).collect()
    };
    match &recipe.source {
        SourceRequest::Debian(request) => debian(request),
        SourceRequest::Scratch(request) => request.tini.as_ref().map(debian).unwrap_or_default(),
        SourceRequest::Apk(request) => {
            let repositories = apk::repositories::of(request);
            let whole = repositories.iter().any(|one| one.is_official()).then(|| request.distribution.clone());
            repositories.iter().map(|repository| repository.id.clone()).chain(whole).collect()
        }
        SourceRequest::Dnf(request) => {
            let each = recipe.platforms.iter().flat_map(|platform| dnf::repositories::of(request, *platform, &[]));
            each.map(|repository| repository.id).collect()
        }
        _ => BTreeSet::new(),
    }
}
