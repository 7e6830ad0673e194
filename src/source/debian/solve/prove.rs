//! A set of packages that is complete and free of conflicts, as near as possible to the one preferred.

use std::collections::BTreeSet;

use resolvo::{Problem, Solver, UnsolvableOrCancelled};

use crate::source::debian::solve::provider::{Provider, package, solvable};
use crate::source::debian::solve::universe::{Kind, PackageId, Universe};
use crate::source::debian::solve::wanted::Root;
use crate::source::debian::solve::{SolveError, explain};

/// What can be done where packages do not fit.
const PLAIN: &str = "leave one of them out, ask for another version, or add the suite that has what is missing";
/// The same where one of them is left out by the recipe.
const EXCLUDED: &str = "take it out of `exclude`, or leave out what needs it as well";

/// Finds the packages for the roots. What is in `favoured` is chosen first, and stays as far as it fits.
pub(super) fn prove<'a>(
    universe: &mut Universe<'a>,
    roots: &[Root<'a>],
    favoured: &[PackageId],
    preferred: &[&str],
) -> Result<Vec<PackageId>, SolveError> {
    let provider = Provider::new(universe, favoured, preferred);
    let requirements = roots.iter().map(|root| provider.root(root).into()).collect();
    let soft: Vec<_> = favoured.iter().map(|id| solvable(*id)).collect();
    let problem = Problem::new().requirements(requirements).soft_requirements(soft);
    let mut solver = Solver::new(provider);
    match solver.solve(problem) {
        Ok(solution) => Ok(solution.into_iter().map(package).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let graph = conflict.graph(&solver);
            let explanation = explain::explain(solver.provider(), &graph);
            let help = if explanation.contains("`exclude` leaves out") { EXCLUDED } else { PLAIN };
            Err(SolveError::Unsatisfiable { explanation, help })
        }
        Err(UnsolvableOrCancelled::Cancelled(error)) => {
            Err(*error.downcast::<SolveError>().expect("only a SolveError cancels"))
        }
    }
}

/// Says no to a set of packages that is not complete, or not free of conflicts: dpkg would find out only in the build.
pub(super) fn check(universe: &mut Universe<'_>, chosen: &BTreeSet<PackageId>) -> Result<(), SolveError> {
    for id in chosen {
        let wishes = universe.wishes(*id)?;
        for (_, group) in wishes.groups.iter().filter(|(kind, _)| *kind != Kind::Recommends) {
            let group = universe.group(*group);
            if !group.alternatives.iter().flat_map(|alternative| &alternative.packages).any(|id| chosen.contains(id)) {
                let what = format!("{} needs {}, and nothing that was chosen has it", name(universe, *id), group.text);
                return Err(SolveError::Inconsistent { what });
            }
        }
        if let Some(enemy) = wishes.enemies.iter().find(|enemy| chosen.contains(enemy)) {
            let what = format!("{} cannot be there beside {}", name(universe, *id), name(universe, *enemy));
            return Err(SolveError::Inconsistent { what });
        }
    }
    Ok(())
}

fn name(universe: &Universe<'_>, id: PackageId) -> String {
    let record = universe.record(id);
    format!("{} {} ({})", record.name(), record.version(), record.architecture())
}
