//! apt's own way to a set of packages: from one package to what it needs, first choice first, never back.
//!
//! It follows what apt 2 and 3 do on an empty system (`MarkInstall` in apt-pkg/depcache.cc). All wanted packages are
//! marked first; then each is followed depth first, Pre-Depends before Depends before Recommends. A group of
//! alternatives that something marked satisfies is passed over; else its alternatives are tried in order, and inside
//! one the real package before those that provide it, then essential before protected before others, then by priority,
//! then the one that the indexes speak of last. What cannot be installed is given up, and the next alternative tried.
//!
//! The answer may be no solution: that is for [`super::prove`] to find and mend.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::source::debian::solve::SolveError;
use crate::source::debian::solve::universe::{GroupId, Kind, NameId, PackageId, Universe};

/// What is known of a package on the walk.
#[derive(Clone, Copy, Default)]
struct State {
    marked: bool,
    followed: bool,
    protected: bool,
    given_up: bool,
    /// How many marked packages cannot be there together with it.
    enemies: u32,
}

pub(super) struct Walk<'u, 'a> {
    universe: &'u mut Universe<'a>,
    recommends: bool,
    preferred: &'u [&'a str],
    states: Vec<State>,
    /// Per name the version that is to be taken, where it is not the candidate.
    pinned: BTreeMap<NameId, PackageId>,
    marked: Vec<PackageId>,
}

/// Deeper chains than any real archive has; apt gives up at this depth too.
const DEPTH_LIMIT: usize = 3000;

impl<'u, 'a> Walk<'u, 'a> {
    pub(super) fn new(universe: &'u mut Universe<'a>, recommends: bool, preferred: &'u [&'a str]) -> Self {
        let states = vec![State::default(); universe.packages.len()];
        let pinned = BTreeMap::new();
        Self { universe, recommends, preferred, states, pinned, marked: Vec::new() }
    }

    /// Takes what is wanted together, and all that it needs.
    pub(super) fn take(&mut self, wanted: &[PackageId]) -> Result<(), SolveError> {
        for id in wanted {
            self.pinned.insert(self.universe.package(*id).name, *id);
            self.state(*id).protected = true;
            self.mark(*id)?;
        }
        for id in wanted {
            self.install(*id, 0)?;
        }
        Ok(())
    }

    /// The packages marked, in the order in which they were.
    pub(super) fn finish(self) -> Vec<PackageId> {
        let Self { marked, states, .. } = self;
        marked.into_iter().filter(|id| states[*id as usize].marked).collect()
    }

    fn state(&mut self, id: PackageId) -> &mut State {
        &mut self.states[id as usize]
    }

    fn is(&self, id: PackageId) -> State {
        self.states[id as usize]
    }

    /// Marks a package and all that it needs; false where that does not work out.
    fn install(&mut self, id: PackageId, depth: usize) -> Result<bool, SolveError> {
        let state = self.is(id);
        if state.given_up || depth > DEPTH_LIMIT {
            return Ok(false);
        }
        if state.marked && state.followed && !state.protected {
            return Ok(true);
        }
        let wishes = self.universe.wishes(id)?;
        let hopeless = wishes.groups.iter().any(|(kind, group)| *kind != Kind::Recommends && !self.possible(*group));
        if !state.protected && hopeless {
            self.give_up(id)?;
            return Ok(false);
        }
        // Not for ever: who opposes it may itself be pushed out later.
        let free = self.push_out(&wishes.enemies)? && self.is(id).enemies == 0;
        if !state.protected && !free {
            return Ok(false);
        }
        self.mark(id)?;
        self.state(id).followed = true;
        if state.protected {
            for enemy in &wishes.enemies {
                let enemy = self.state(*enemy);
                enemy.given_up = !enemy.marked;
            }
        }
        // While a package is followed, it is protected: nothing that it needs can push it out again.
        self.state(id).protected = true;
        let mut complete = true;
        for (kind, group) in &wishes.groups {
            if *kind == Kind::Recommends && !self.recommends {
                continue;
            }
            if !self.satisfy(*group, *kind, state.protected, depth)? && *kind != Kind::Recommends {
                complete = false;
                if !state.protected {
                    break;
                }
            }
        }
        self.state(id).protected = state.protected;
        if !complete && !state.protected {
            self.give_up(id)?;
            return Ok(false);
        }
        Ok(complete)
    }

    fn satisfy(&mut self, group: GroupId, kind: Kind, protect: bool, depth: usize) -> Result<bool, SolveError> {
        if self.satisfied(group) {
            // What a protected package can get from one package only is protected as well.
            if !protect || kind == Kind::Recommends {
                return Ok(true);
            }
            return match self.solutions(group)[..] {
                [only] if !self.is(only).protected => {
                    self.state(only).protected = true;
                    self.install(only, depth + 1)
                }
                _ => Ok(true),
            };
        }
        let solutions = self.solutions(group);
        for id in &solutions {
            if protect && kind != Kind::Recommends && solutions.len() == 1 {
                self.mark(*id)?;
                self.state(*id).protected = true;
            }
            if self.install(*id, depth + 1)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn satisfied(&self, group: GroupId) -> bool {
        let group = self.universe.group(group);
        group.alternatives.iter().any(|alternative| alternative.packages.iter().any(|id| self.is(*id).marked))
    }

    fn possible(&self, group: GroupId) -> bool {
        let group = self.universe.group(group);
        group
            .alternatives
            .iter()
            .any(|alternative| alternative.packages.iter().any(|id| self.is(*id).marked || self.candidate(*id)))
    }

    /// Whether a package is the version of its name that would be taken.
    fn candidate(&self, id: PackageId) -> bool {
        let name = self.universe.package(id).name;
        let chosen = self.pinned.get(&name).copied().or_else(|| self.universe.candidate(name));
        chosen == Some(id) && !self.is(id).given_up
    }

    /// The packages that would satisfy a group, the first choice first.
    fn solutions(&self, group: GroupId) -> Vec<PackageId> {
        let mut solutions: Vec<PackageId> = Vec::new();
        for alternative in &self.universe.group(group).alternatives {
            let mut packages: Vec<_> = alternative.packages.iter().copied().filter(|id| self.candidate(*id)).collect();
            packages.sort_by(|left, right| {
                let protected = |id: PackageId| self.is(id).protected;
                let order = protected(*right).cmp(&protected(*left));
                order.then_with(|| compare(self.universe, alternative.target, *left, *right))
            });
            solutions.extend(packages);
        }
        let preferred = |id: &PackageId| self.preferred.contains(&self.universe.record(*id).name());
        solutions.sort_by_key(|id| !preferred(id));
        solutions.dedup();
        solutions
    }

    /// Takes the marks of a package's enemies away, as apt does; false where one is protected and stays.
    fn push_out(&mut self, enemies: &[PackageId]) -> Result<bool, SolveError> {
        let mut all = true;
        for enemy in enemies {
            if self.is(*enemy).protected {
                all &= !self.is(*enemy).marked;
            } else {
                self.unmark(*enemy)?;
            }
        }
        Ok(all)
    }

    fn mark(&mut self, id: PackageId) -> Result<(), SolveError> {
        if std::mem::replace(&mut self.state(id).marked, true) {
            return Ok(());
        }
        self.marked.retain(|marked| *marked != id);
        self.marked.push(id);
        for enemy in &self.universe.wishes(id)?.enemies {
            self.state(*enemy).enemies += 1;
        }
        Ok(())
    }

    fn give_up(&mut self, id: PackageId) -> Result<(), SolveError> {
        self.state(id).given_up = true;
        self.unmark(id)
    }

    fn unmark(&mut self, id: PackageId) -> Result<(), SolveError> {
        self.state(id).followed = false;
        if std::mem::take(&mut self.state(id).marked) {
            for enemy in &self.universe.wishes(id)?.enemies {
                self.state(*enemy).enemies -= 1;
            }
        }
        Ok(())
    }
}

/// apt's order of the packages that satisfy a relation on `target` (`CompareProviders`).
pub(super) fn compare(universe: &Universe<'_>, target: Option<NameId>, left: PackageId, right: PackageId) -> Ordering {
    let rank = |id: PackageId| {
        let record = universe.record(id);
        let real = Some(universe.package(id).name) == target;
        (!real, !record.essential(), !record.protected(), priority(record.priority()))
    };
    rank(left).cmp(&rank(right)).then_with(|| {
        let (left, right) = (universe.package(left).name, universe.package(right).name);
        if left == right { Ordering::Equal } else { universe.first_mention(right).cmp(&universe.first_mention(left)) }
    })
}

/// The place of a priority; what is no known word is `extra` to apt.
fn priority(word: &str) -> usize {
    ["required", "important", "standard", "optional"].iter().position(|known| *known == word).unwrap_or(4)
}
