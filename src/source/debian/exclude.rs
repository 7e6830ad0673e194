//! Packages that the recipe leaves out, found in the indexes.

use std::collections::BTreeSet;

use super::solve::Repository;
use crate::recipe::{DebianRequest, DebianVariant};
use crate::report::Reporter;

/// What `exclude` means in some suites.
pub(super) struct Excluded<'a> {
    /// The names that are never chosen, sorted.
    pub(super) names: Vec<&'a str>,
    /// Those of them that every system is expected to have.
    essential: Vec<&'a str>,
    /// What names no package.
    unknown: Vec<&'a str>,
}

impl<'a> Excluded<'a> {
    /// What `request` leaves out of `repositories`, for an architecture in dpkg's name.
    pub(super) fn of(request: &'a DebianRequest, architecture: &str, repositories: &[Repository<'a>]) -> Self {
        let mut found = Self { names: Vec::new(), essential: Vec::new(), unknown: Vec::new() };
        if request.exclude.is_empty() {
            return found;
        }
        let matchers: Vec<_> = request.exclude.iter().map(|pattern| (pattern, pattern.matcher())).collect();
        let (mut names, mut essential, mut known) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for record in repositories.iter().flat_map(|repository| repository.packages.records()) {
            for (pattern, _) in matchers.iter().filter(|(_, matcher)| matcher.is_match(record.name())) {
                names.insert(record.name());
                known.insert(pattern.as_str());
                if record.essential() && [architecture, "all"].contains(&record.architecture()) {
                    essential.insert(record.name());
                }
            }
        }
        found.names = names.into_iter().collect();
        if request.variant != DebianVariant::Custom {
            found.essential = essential.into_iter().collect();
        }
        found.unknown =
            matchers.iter().map(|(pattern, _)| pattern.as_str()).filter(|name| !known.contains(name)).collect();
        found
    }

    /// Says what of it a person should look at.
    pub(super) fn report(&self, reporter: &dyn Reporter) {
        if !self.unknown.is_empty() {
            reporter.warn(&format!("`exclude` names what no suite has: {}", self.unknown.join(", ")));
        }
        if !self.essential.is_empty() {
            reporter.warn(&format!(
                "left out, although essential: {}; packages use such without saying that they need them",
                self.essential.join(", ")
            ));
        }
    }
}
