//! Asks the solver, and has its answer explained where it is no.

use resolvo::{DenseIndex, Problem, SolvableId, Solver, UnsolvableOrCancelled};

use super::error::SolveError;
use super::explain;
use super::provider::Provider;
use super::universe::{PackageId, Universe};

/// Finds packages for the world; those of `extra` are added as far as they fit.
pub(super) fn prove(universe: &Universe<'_>, extra: &[PackageId]) -> Result<Vec<PackageId>, SolveError> {
    let provider = Provider::new(universe);
    let wanted = universe.world.iter().filter(|relation| !relation.conflict);
    let requirements = wanted.map(|relation| provider.requirement(relation, true).into()).collect();
    let soft: Vec<_> = extra.iter().map(|id| SolvableId::from_index(*id)).collect();
    let problem = Problem::new().requirements(requirements).soft_requirements(soft);
    let mut solver = Solver::new(provider);
    match solver.solve(problem) {
        Ok(solution) => Ok(solution.into_iter().map(DenseIndex::to_index).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let graph = conflict.graph(&solver);
            Err(SolveError::Unsatisfiable { explanation: explain::explain(solver.provider(), &graph) })
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("nothing cancels the solver"),
    }
}
