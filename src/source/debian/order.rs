//! In which order packages of the second stage are unpacked.

use std::collections::{BTreeMap, BTreeSet};

use super::InstallError;
use super::unpack::Candidate;
use super::{preinst, relation};

/// The packages in batches: those of a batch may be unpacked in any order once the earlier ones are configured as far as
/// possible. A package whose preinst works comes after what it pre-depends on and all that this depends on; any other can
/// be unpacked at once, because nothing of it runs before it is configured.
pub(super) fn batches(candidates: Vec<Candidate>) -> Result<Vec<Vec<Candidate>>, InstallError> {
    let mut graph = Graph::default();
    for candidate in &candidates {
        graph.add(candidate)?;
    }
    let mut batches: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        let rank = graph.rank(&candidate.unpacked.name, &mut BTreeSet::new());
        batches.entry(rank).or_default().push(candidate);
    }
    Ok(batches.into_values().collect())
}

/// Who needs whom, by name; names that nobody has lead to packages that are configured already.
#[derive(Default)]
struct Graph {
    /// What a package whose preinst works pre-depends on.
    before: BTreeMap<String, Vec<String>>,
    /// All that a package depends on.
    needs: BTreeMap<String, Vec<String>>,
    /// Virtual packages and who provides them.
    providers: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn add(&mut self, candidate: &Candidate) -> Result<(), InstallError> {
        let package = &candidate.unpacked;
        let control = package.paragraph()?;
        let names = |field: &str| -> Result<Vec<String>, InstallError> {
            let value = control.field(field).map(|value| value.raw()).unwrap_or_default();
            let groups = relation::parse(value)
                .map_err(|source| InstallError::Relation { package: package.name.clone(), source })?;
            Ok(groups.into_iter().flatten().map(|relation| relation.name.to_owned()).collect())
        };
        let before = names("Pre-Depends")?;
        self.needs.insert(package.name.clone(), [before.clone(), names("Depends")?].concat());
        for provided in names("Provides")? {
            self.providers.entry(provided).or_default().push(package.name.clone());
        }
        if preinst::works(package.member("preinst")) {
            self.before.insert(package.name.clone(), before);
        }
        Ok(())
    }

    /// 0 for what can go first; else one more than the last of what must be configured before. A cycle counts as 0, for
    /// dpkg breaks it.
    fn rank(&self, name: &str, above: &mut BTreeSet<String>) -> usize {
        let Some(before) = self.before.get(name) else { return 0 };
        if before.is_empty() || !above.insert(name.to_owned()) {
            return 0;
        }
        let ranks = self.closure(before).into_iter().map(|needed| self.rank(&needed, above)).max();
        above.remove(name);
        ranks.map_or(0, |rank| rank + 1)
    }

    /// The packages among the candidates that `names` lead to.
    fn closure(&self, names: &[String]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut todo: Vec<&str> = names.iter().map(String::as_str).collect();
        while let Some(name) = todo.pop() {
            todo.extend(self.providers.get(name).into_iter().flatten().map(String::as_str));
            if let Some(needs) = self.needs.get(name)
                && found.insert(name.to_owned())
            {
                todo.extend(needs.iter().map(String::as_str));
            }
        }
        found
    }
}
