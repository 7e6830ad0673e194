//! The order in which packages are installed: what a package needs comes before it (apk-tools' `src/solver.c`,
//! `cset_gen_name_change`).

use std::collections::BTreeMap;

use super::relation::{Relation, provided, relations};
use super::unpack::Unpacked;

/// The places of `packages`, which are sorted by name, in the order in which they are installed. Circles are cut where they
/// are met.
pub(super) fn order(packages: &[Unpacked], world: &[String]) -> Vec<usize> {
    let mut having: BTreeMap<&str, Vec<(usize, Option<&str>)>> = BTreeMap::new();
    let lists: Vec<Lists> = packages.iter().map(Lists::of).collect();
    for (place, package) in packages.iter().enumerate() {
        having.entry(package.name()).or_default().push((place, Some(package.version())));
        for name in provided(&lists[place].provides) {
            having.entry(name.name).or_default().push((place, name.version));
        }
    }
    let mut walk = Walk { lists: &lists, having: &having, state: vec![State::New; packages.len()], order: Vec::new() };
    for relation in world.iter().flat_map(|entry| Relation::parse(entry)) {
        walk.need(&relation);
    }
    (0..packages.len()).for_each(|place| walk.visit(place));
    walk.order
}

/// What packages say about each other.
struct Lists {
    depends: String,
    provides: String,
    install_if: String,
}

impl Lists {
    fn of(package: &Unpacked) -> Self {
        let list = |key| package.package.info.list(key);
        Self { depends: list("depend"), provides: list("provides"), install_if: list("install_if") }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

struct Walk<'a> {
    lists: &'a [Lists],
    having: &'a BTreeMap<&'a str, Vec<(usize, Option<&'a str>)>>,
    state: Vec<State>,
    order: Vec<usize>,
}

impl Walk<'_> {
    fn need(&mut self, relation: &Relation<'_>) {
        if relation.conflict {
            return;
        }
        let having = self.having;
        for (place, version) in having.get(relation.name).into_iter().flatten() {
            if relation.fits(*version) {
                self.visit(*place);
            }
        }
    }

    fn visit(&mut self, place: usize) {
        if self.state[place] != State::New {
            return;
        }
        self.state[place] = State::Open;
        let lists = self.lists;
        for relation in relations(&lists[place].install_if).chain(relations(&lists[place].depends)).flatten() {
            self.need(&relation);
        }
        self.state[place] = State::Done;
        self.order.push(place);
        self.follow();
    }

    /// Those that come by themselves come as soon as all is there that brings them.
    fn follow(&mut self) {
        for place in 0..self.lists.len() {
            let list = &self.lists[place].install_if;
            if self.state[place] == State::New
                && !list.is_empty()
                && relations(list).flatten().all(|one| self.is_there(&one))
            {
                self.visit(place);
            }
        }
    }

    fn is_there(&self, relation: &Relation<'_>) -> bool {
        let having = self.having.get(relation.name).into_iter().flatten();
        let mut fitting = having.filter(|(_, version)| relation.fits(*version));
        fitting.any(|(place, _)| self.state[*place] == State::Done) != relation.conflict
    }
}
