//! A choice that stays as near to an earlier one as it can: some packages move, and all others stay unless they have to.
//!
//! As apt does it on a system where the earlier packages are installed: what moves is what is named, what that needs in
//! another version or cannot be there beside, and what can no longer be there once these have moved. What moves gets the
//! version of the new choice, which fits together: where all others have moved, the new choice is what is left.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::debian::solve::SolveError;
use crate::source::debian::solve::universe::{GroupId, Kind, NameId, PackageId, Universe};
use crate::source::debian::solve::wanted::Root;

/// The packages of both choices that are there.
struct Set {
    /// Those of the earlier choice that stay.
    staying: BTreeMap<NameId, PackageId>,
    /// Those of the earlier choice of whose names the new one has none: they stay where they are needed.
    reserve: BTreeMap<NameId, PackageId>,
    /// Those of the new choice that are taken.
    taken: BTreeMap<NameId, PackageId>,
    /// All of the new choice.
    fresh: BTreeMap<NameId, PackageId>,
}

/// Puts a choice together of the earlier one, `held`, and the new one, `fresh`, from which all packages of the names in
/// `moving` are taken. Some of it may not be needed.
pub(super) fn settle(
    universe: &mut Universe<'_>,
    roots: &[Root<'_>],
    fresh: &[PackageId],
    held: &[PackageId],
    moving: &BTreeSet<&str>,
    recommends: bool,
) -> Result<Vec<PackageId>, SolveError> {
    let named = |ids: &[PackageId]| ids.iter().map(|id| (universe.package(*id).name, *id)).collect();
    let (mut staying, fresh): (BTreeMap<NameId, PackageId>, BTreeMap<NameId, PackageId>) = (named(held), named(fresh));
    // The recipe may want another version by now.
    let is_refused = |name, id| roots.iter().any(|root| root.name_id == name && !root.versions.contains(&id));
    staying.retain(|name, id| !moving.contains(universe.name(*name).text) && !is_refused(*name, *id));
    let reserve = staying.extract_if(.., |name, _| !fresh.contains_key(name)).collect();
    let is_root = |name| roots.iter().any(|root| root.name_id == name);
    let is_taken =
        |name: NameId| !staying.contains_key(&name) && (is_root(name) || moving.contains(universe.name(name).text));
    let taken = fresh.iter().filter(|(name, _)| is_taken(**name)).map(|(name, id)| (*name, *id)).collect();
    let mut set = Set { staying, reserve, taken, fresh };
    while set.mend(universe, recommends)? {}
    Ok(set.all())
}

impl Set {
    fn all(&self) -> Vec<PackageId> {
        self.staying.values().chain(self.taken.values()).copied().collect()
    }

    fn stays(&self, universe: &Universe<'_>, id: PackageId) -> bool {
        self.staying.get(&universe.package(id).name) == Some(&id)
    }

    /// Takes a step towards a set that fits together; false where there is nothing to do any more.
    fn mend(&mut self, universe: &mut Universe<'_>, recommends: bool) -> Result<bool, SolveError> {
        let there: BTreeSet<PackageId> = self.all().into_iter().collect();
        let mut leaving = BTreeSet::new();
        let (mut coming, mut back) = (BTreeSet::new(), BTreeSet::new());
        for id in &there {
            let (stays, wishes) = (self.stays(universe, *id), universe.wishes(*id)?);
            for (kind, group) in &wishes.groups {
                let is_wish = *kind == Kind::Recommends;
                if is_wish && !recommends || meets(universe, *group, &there) {
                    continue;
                }
                if let Some(name) = of(&self.reserve, universe, *group).next() {
                    back.insert(name);
                    continue;
                }
                // One of which no version is there before others.
                let found = of(&self.fresh, universe, *group).min_by_key(|name| self.staying.contains_key(name));
                match found {
                    // What the earlier choice does without is not recommended anew.
                    _ if is_wish && stays => {}
                    Some(name) if !self.staying.contains_key(&name) => _ = coming.insert(name),
                    _ if is_wish => {}
                    _ if stays => _ = leaving.insert(universe.package(*id).name),
                    Some(name) => _ = leaving.insert(name),
                    None => {}
                }
            }
            for enemy in wishes.enemies.iter().filter(|enemy| there.contains(enemy)) {
                if stays && !self.stays(universe, *enemy) {
                    leaving.insert(universe.package(*id).name);
                } else if self.stays(universe, *enemy) {
                    leaving.insert(universe.package(*enemy).name);
                }
            }
        }
        for name in &leaving {
            self.staying.remove(name);
        }
        for name in leaving.iter().chain(&coming) {
            if let Some(id) = self.fresh.get(name) {
                self.taken.insert(*name, *id);
            }
        }
        for name in &back {
            self.staying.extend(self.reserve.remove_entry(name));
        }
        Ok(!leaving.is_empty() || !coming.is_empty() || !back.is_empty())
    }
}

/// The names of those packages of a choice that meet a group.
fn of(choice: &BTreeMap<NameId, PackageId>, universe: &Universe<'_>, group: GroupId) -> impl Iterator<Item = NameId> {
    let packages = universe.group(group).alternatives.iter().flat_map(|alternative| &alternative.packages);
    let named = packages.map(|id| (universe.package(*id).name, id));
    named.filter(|(name, id)| choice.get(name) == Some(id)).map(|(name, _)| name)
}

fn meets(universe: &Universe<'_>, group: GroupId, there: &BTreeSet<PackageId>) -> bool {
    let mut alternatives = universe.group(group).alternatives.iter();
    alternatives.any(|alternative| alternative.packages.iter().any(|id| there.contains(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::debian::solve::tests::index;
    use crate::source::debian::solve::{self, HELD, Packages, Repository, Request, Variant, Wanted, prove};

    fn request(wanted: &[Wanted], recommends: bool) -> Request<'_> {
        Request { architecture: "amd64", variant: Variant::Custom, wanted, excluded: &[], recommends, preferred: &[] }
    }

    fn repositories<'a>(archive: &'a Packages, held: &'a Packages) -> [Repository<'a>; 2] {
        [("trixie", 500, archive), ("the lock", HELD, held)].map(|(suite, priority, packages)| Repository {
            suite,
            aliases: &[],
            priority,
            packages,
        })
    }

    /// What is wanted of an archive, where `held` was there and some names move.
    fn settled(archive: &str, held: &str, moving: &[&str], wanted: &str) -> String {
        let (archive, held) = (index(archive), index(held));
        let wanted: Vec<Wanted> = wanted.split_whitespace().map(|text| text.parse().unwrap()).collect();
        let request = request(&wanted, true);
        let repositories = repositories(&archive, &held);
        let fresh = solve::solve(&request, &repositories[..1]).unwrap();
        let held: Vec<_> = held.records().collect();
        let moving = moving.iter().copied().collect();
        let solution = solve::settle(&request, &repositories, &fresh, &held, &moving).unwrap();
        let named = solution.packages.iter().map(|chosen| (chosen.record.name(), chosen.record.version()));
        named.map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_a_package_that_stays_needs_stays() {
        let archive = "nano 2\nmeta 2 | Depends: image-48\nimage-48 1";
        let held = "nano 1\nmeta 1 | Depends: image-43\nimage-43 1";
        assert_eq!(settled(archive, held, &["nano"], "nano meta"), "image-43 1, meta 1, nano 2");
        assert_eq!(settled(archive, held, &["nano", "meta", "image-48"], "nano meta"), "image-48 1, meta 2, nano 2");
        // Where it cannot be had any more, both move; and what needs them as they were.
        let gone = "nano 1\nmeta 1 | Depends: image-43";
        assert_eq!(settled(archive, gone, &["nano"], "nano meta"), "image-48 1, meta 2, nano 2");
        let archive = format!("{archive}\ntop 2 | Depends: meta\nother 2");
        let gone = format!("{gone}\ntop 1 | Depends: meta (= 1)\nother 1");
        assert_eq!(settled(&archive, &gone, &["nano"], "nano top other"), "image-48 1, meta 2, nano 2, other 1, top 2");
    }

    #[test]
    fn what_cannot_be_beside_what_moves_moves_too() {
        let held = "nano 1\nfoo 1\nbar 1";
        let archive = "nano 2 | Breaks: foo (<< 2)\nfoo 2\nbar 2";
        assert_eq!(settled(archive, held, &["nano"], "nano foo bar"), "bar 1, foo 2, nano 2");
        let held = "nano 1\nfoo 1 | Conflicts: nano (>= 2)\nbar 1";
        assert_eq!(settled("nano 2\nfoo 2\nbar 2", held, &["nano"], "nano foo bar"), "bar 1, foo 2, nano 2");
        // What is tied to a version, or to what it provided.
        let held = "lib 1 | Provides: abi-1\napp 1 | Depends: abi-1\nextra 1\nbar 1";
        let archive = "lib 2 | Provides: abi-2\napp 2 | Depends: abi-2, extra (>= 2)\nextra 2\nbar 2";
        assert_eq!(settled(archive, held, &["lib"], "lib app bar"), "app 2, bar 1, extra 2, lib 2");
    }

    #[test]
    fn the_request_may_have_changed() {
        let held = "a 1\nb 1 | Recommends: c\nc 1\nm 1 | Provides: mta\nuser 1 | Depends: mta\nextra 1 | Provides: mta";
        let archive = "a 2\nb 2 | Recommends: n\nc 2\nn 2\nm 2 | Provides: mta\nuser 2 | Depends: mta\n\
                       x 2 | Provides: mta | Priority: important\nnew 1 | Depends: b (>= 2)";
        assert_eq!(settled(archive, held, &["a"], "a b"), "a 2, b 1, c 1");
        // A version, and a package which needs one.
        assert_eq!(settled(archive, held, &["a"], "a b=2"), "a 2, b 2, n 2");
        assert_eq!(settled(archive, held, &["a"], "a b new"), "a 2, b 2, n 2, new 1");
        // Of what several provide, what was there.
        assert_eq!(settled(archive, held, &["a"], "a user m"), "a 2, m 1, user 1");
        assert!(settled(archive, held, &["a"], "a user").ends_with("1, user 1"));
        assert_eq!(settled(archive, held, &["a"], "a"), "a 2");
    }

    #[test]
    fn a_set_that_does_not_fit_together_is_named() {
        let (archive, held) = (index("a 1 | Depends: b\nb 1\nc 1 | Breaks: b"), index(""));
        let (wanted, repositories) = ([], repositories(&archive, &held));
        let mut universe = Universe::new(&request(&wanted, false), &repositories).unwrap();
        let mut check = |ids: &[PackageId]| match prove::check(&mut universe, &ids.iter().copied().collect()) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        };
        let start = "the packages that were chosen do not fit together: ";
        assert_eq!(check(&[0, 1]), "good");
        assert_eq!(check(&[0]), format!("{start}a 1 (amd64) needs b, and nothing that was chosen has it"));
        assert_eq!(check(&[0, 1, 2]), format!("{start}c 1 (amd64) cannot be there beside b 1 (amd64)"));
    }
}
