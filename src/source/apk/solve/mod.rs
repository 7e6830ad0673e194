//! Which packages an image gets: what apk would choose on an empty system, proved to fit together.
//!
//! `universe` takes in the indexes and sees which packages may be taken at all; resolvo, a complete solver, chooses among
//! them in apk's order of preference (`provider`, `prove`), or gives the reason why nothing fits (`explain`). What installs itself
//! beside others (`install_if`) is added until nothing more comes (`follow`). At last it is seen that nothing was chosen
//! for a virtual name that several packages have and none is preferred for: apk leaves that choice to a person (`reach`).

mod error;
mod explain;
mod follow;
mod prove;
mod provider;
mod reach;
mod universe;

pub use error::SolveError;

use super::index::{Index, Record};
use super::relation::Relation;
use universe::{PackageId, Universe};

/// The packages of one repository.
#[derive(Clone, Copy, Debug)]
pub struct Repository<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// The tag that packages have to be asked for with to come from it.
    pub tag: Option<&'a str>,
    /// What it has.
    pub index: &'a Index,
}

/// A package of a solution.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// Its record.
    pub record: Record<'a>,
    /// The place of its repository in the list given to [`solve`].
    pub repository: usize,
    /// Whether it belongs into the world though nobody asked for it: it alone provides a name without a version and without
    /// a priority, which apk takes only where a person says so.
    pub unasked: bool,
}

/// Chooses packages for a world, from repositories in order of preference; sorted by name. The same indexes and world
/// always give the same answer.
pub fn solve<'a>(world: &[Relation<'a>], repositories: &[Repository<'a>]) -> Result<Vec<Chosen<'a>>, SolveError> {
    let universe = Universe::new(world, repositories)?;
    let mut extra: Vec<PackageId> = Vec::new();
    loop {
        let chosen = prove::prove(&universe, &extra)?;
        let more = follow::more(&universe, &chosen, &extra);
        if more.is_empty() {
            let needed = reach::needed(&universe, &chosen)?;
            let chosen = |id: &PackageId| universe.chosen(*id, needed.unasked.contains(id));
            let mut solution: Vec<_> = needed.packages.iter().map(chosen).collect();
            solution.sort_by_key(|chosen| chosen.record.name());
            return Ok(solution);
        }
        extra.extend(more);
    }
}

#[cfg(test)]
mod tests;
