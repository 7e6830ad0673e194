//! Which packages an image gets: what apt would choose on an empty system, proved to fit together.
//!
//! [`solve`] works in four steps. `universe` takes in the indexes; `walk` goes apt's own greedy way from what is wanted
//! to what it needs; `prove` gives that answer as a preference to a complete solver (resolvo), which keeps it where it
//! is a solution, and else finds the nearest one or the reason why there is none (`explain`); `reach` drops what is not
//! needed after all, and says of each package why it is there. [`settle()`] keeps what it can of an earlier answer.
//!
//! Where apt's first answer is no solution, apt patches it up by rules of thumb; here the solver decides, which can
//! also take an older version than the newest. On the way apt itself goes, the two choose the same packages.

mod error;
mod explain;
mod mention;
mod prove;
mod provider;
mod reach;
mod settle;
mod universe;
mod walk;
mod wanted;

pub use error::{Missing, SolveError};
pub use wanted::{Pin, Wanted};

use std::collections::BTreeSet;

use crate::source::debian::index::{Packages, Record};
use universe::{PackageId, Universe};
use wanted::Root;

/// The packages of one component of one suite, and how much apt would want them.
#[derive(Clone, Copy, Debug)]
pub struct Repository<'a> {
    /// The suite as the recipe names it: `trixie-security`.
    pub suite: &'a str,
    /// Other names that `package/suite` may use for it: `stable-security`.
    pub aliases: &'a [&'a str],
    /// apt's pin priority: 500 unless the Release or the recipe says otherwise; below 0 nothing is taken from it. The
    /// highest priority wins before the highest version.
    pub priority: i16,
    /// What it has.
    pub packages: &'a Packages,
}

/// The priority of a repository of packages that no suite offers: none of them is chosen, unless it is kept.
pub const HELD: i16 = i16::MIN;

impl Repository<'_> {
    /// Whether `package/suite` may call it by this name.
    pub fn is_called(&self, suite: &str) -> bool {
        self.suite == suite || self.aliases.contains(&suite)
    }
}

/// What is installed besides the packages that are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// Nothing.
    Custom,
    /// All packages that are essential.
    Essential,
    /// And apt.
    Apt,
    /// And all of priority required.
    Minbase,
    /// As `Minbase`, and build-essential.
    Buildd,
    /// As `Minbase`, and all of priority important.
    Important,
    /// As `Important`, and all of priority standard.
    Standard,
}

/// What is asked of the archive.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The architecture in dpkg's name.
    pub architecture: &'a str,
    /// What comes first.
    pub variant: Variant,
    /// What is named.
    pub wanted: &'a [Wanted],
    /// Names of packages that are never chosen.
    pub excluded: &'a [&'a str],
    /// Whether recommended packages come too.
    pub recommends: bool,
    /// Packages that are chosen before others wherever one of several is needed; [`PREFERRED`] by default. With none,
    /// the choice is apt's.
    pub preferred: &'a [&'a str],
}

/// What is preferred unless the recipe says otherwise. bookworm's init-system-helpers wants `usrmerge | usr-is-merged`:
/// the first would convert a running system and needs all of perl; an image that is merged from its first file on needs
/// only the second.
pub const PREFERRED: [&str; 1] = ["usr-is-merged"];

impl<'a> Request<'a> {
    /// The architectures of packages that are named with one, but for the system's own.
    pub fn foreign(&self) -> Vec<&'a str> {
        let named = self.wanted.iter().filter_map(|wanted| wanted.architecture.as_deref());
        let mut foreign: Vec<_> = named.filter(|name| ![self.architecture, "all"].contains(name)).collect();
        foreign.sort_unstable();
        foreign.dedup();
        foreign
    }
}

/// The packages of an image.
#[derive(Clone, Debug)]
pub struct Solution<'a> {
    /// Sorted by name and architecture.
    pub packages: Vec<Chosen<'a>>,
}

/// One package of a [`Solution`].
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// Its record in the index.
    pub record: Record<'a>,
    /// The place of its repository in the list given to [`solve`].
    pub repository: usize,
    /// Whether apt marks it as installed automatically: it came only because others need it, and not already for the
    /// essential packages, which are installed before apt keeps such marks.
    pub automatic: bool,
    /// Whether it is essential, or needed by what is: what is unpacked before anything runs. With [`Variant::Apt`] apt
    /// belongs to it, and with [`Variant::Custom`] everything.
    pub essential_stage: bool,
    /// Why it is there.
    pub reason: Reason<'a>,
}

/// Why a package is in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The request names it.
    Requested,
    /// It is essential.
    Essential,
    /// The variant takes it in for its priority or its name.
    Variant(Variant),
    /// Another package needs or recommends it.
    NeededBy {
        /// The first such package.
        package: &'a str,
        /// The group of alternatives, as the index writes it.
        relation: &'a str,
        /// Whether it is recommended only.
        recommended: bool,
    },
}

/// Chooses the packages for a request. The same indexes and request always give the same answer.
pub fn solve<'a>(request: &Request<'a>, repositories: &'a [Repository<'a>]) -> Result<Solution<'a>, SolveError> {
    let mut universe = Universe::new(request, repositories)?;
    let roots = wanted::roots(&universe, request)?;
    let (first, then): (Vec<_>, Vec<_>) = roots.iter().partition(|root| root.reason == Reason::Essential);
    let mut walk = walk::Walk::new(&mut universe, request.recommends, request.preferred);
    for stage in [first, then] {
        walk.take(&stage.iter().map(|root| root.versions[0]).collect::<Vec<_>>())?;
    }
    let favoured = walk.finish();
    let chosen = prove::prove(&mut universe, &roots, &favoured, request.preferred)?;
    finish(request, universe, &roots, &chosen)
}

/// Chooses again where an earlier choice, `held`, is to stay: of [`solve`]'s answer, `fresh`, only the packages of the
/// names in `moving` are taken for certain, and of others as few as the packages allow. All are in `repositories`.
pub fn settle<'a>(
    request: &Request<'a>,
    repositories: &'a [Repository<'a>],
    fresh: &Solution<'_>,
    held: &[Record<'_>],
    moving: &BTreeSet<&str>,
) -> Result<Solution<'a>, SolveError> {
    let mut universe = Universe::new(request, repositories)?;
    let roots = wanted::roots(&universe, request)?;
    let fresh: Vec<_> = fresh.packages.iter().filter_map(|chosen| universe.find_file(chosen.record)).collect();
    let held: Vec<_> = held.iter().filter_map(|record| universe.find_file(*record)).collect();
    let chosen = settle::settle(&mut universe, &roots, &fresh, &held, moving, request.recommends)?;
    finish(request, universe, &roots, &chosen)
}

/// What is needed of the packages that were chosen.
fn finish<'a>(
    request: &Request<'a>,
    mut universe: Universe<'a>,
    roots: &[Root<'a>],
    chosen: &[PackageId],
) -> Result<Solution<'a>, SolveError> {
    let reached = reach::all(&mut universe, roots, chosen, request.recommends)?;
    prove::check(&mut universe, &reached.keys().copied().collect())?;
    let before_apt_marks = stage(&mut universe, roots, chosen, |root| {
        root.reason == Reason::Essential || (request.variant == Variant::Apt && root.reason != Reason::Requested)
    })?;
    // A custom set has no base to install the rest with: all of it goes first.
    let essential_stage = stage(&mut universe, roots, chosen, |root| {
        root.reason == Reason::Essential
            || (request.variant == Variant::Apt && root.name == "apt")
            || request.variant == Variant::Custom
    })?;
    let mut packages: Vec<_> = reached
        .into_iter()
        .map(|(id, reason)| {
            let (repository, record) = copy(&universe, roots, id);
            let automatic = matches!(reason, Reason::NeededBy { .. }) && !before_apt_marks.contains(&id);
            Chosen { record, repository, automatic, essential_stage: essential_stage.contains(&id), reason }
        })
        .collect();
    packages.sort_by_key(|chosen| (chosen.record.name(), chosen.record.architecture()));
    Ok(Solution { packages })
}

/// Chooses exactly what the variant and the names of a request say, and nothing that these depend on.
pub fn choose<'a>(request: &Request<'a>, repositories: &'a [Repository<'a>]) -> Result<Solution<'a>, SolveError> {
    let universe = Universe::new(request, repositories)?;
    let roots = wanted::roots(&universe, request)?;
    let chosen = |root: &Root<'a>| {
        let (repository, record) = copy(&universe, &roots, root.versions[0]);
        let essential_stage = root.reason == Reason::Essential;
        Chosen { record, repository, automatic: false, essential_stage, reason: root.reason }
    };
    let mut packages: Vec<_> = roots.iter().map(chosen).collect();
    packages.sort_by_key(|chosen| chosen.record.name());
    Ok(Solution { packages })
}

/// Where a package is taken from, of all repositories that have it: from the suite that it is asked of, else from the first.
fn copy<'a>(universe: &Universe<'a>, roots: &[Root<'a>], id: PackageId) -> (usize, Record<'a>) {
    let asked = roots.iter().find(|root| root.versions.contains(&id)).and_then(|root| root.suite);
    let asked = asked.and_then(|suite| universe.copy_in(id, suite));
    asked.unwrap_or_else(|| (universe.package(id).repository, universe.record(id)))
}

fn stage(
    universe: &mut Universe<'_>,
    roots: &[Root<'_>],
    chosen: &[PackageId],
    which: impl Fn(&Root<'_>) -> bool,
) -> Result<BTreeSet<PackageId>, SolveError> {
    let roots: Vec<_> = roots.iter().filter(|root| which(root)).flat_map(|root| root.versions.clone()).collect();
    reach::needed(universe, &roots, chosen)
}

#[cfg(test)]
mod tests;
