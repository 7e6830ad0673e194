//! In which order packages of the second stage are unpacked and configured: the one that apt goes.
//!
//! apt unpacks what a package pre-depends on, and all that this needs, and configures it before it unpacks the package
//! itself; all else is unpacked first and configured at the end, in dpkg's own order (apt-pkg/packagemanager.cc,
//! `SmartUnPack` and `SmartConfigure`). Packages go by their score (apt-pkg/orderlist.cc, `pkgOrderList::Score`), each
//! after what it needs. The order shows in an image: system users get the next free number.

use std::collections::BTreeMap;

use super::unpack::{Candidate, Unpacked};
use super::{InstallError, relation};

/// What is done with packages, one step after another; those that no step configures are configured at the end.
pub(super) enum Step {
    /// These are unpacked, in this order.
    Unpack(Vec<Candidate>),
    /// These are configured: names as dpkg takes them.
    Configure(Vec<String>),
}

/// The steps for `candidates`, when `installed` are there and configured.
pub(super) fn plan(candidates: Vec<Candidate>, installed: &[Unpacked]) -> Result<Vec<Step>, InstallError> {
    let nodes = nodes(&candidates, installed)?;
    let mut planner = Planner { states: vec![State::default(); nodes.len()], nodes: &nodes, plan: Vec::new() };
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(nodes[*index].score));
    for index in order {
        planner.visit(index);
    }
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    let steps = planner.plan.into_iter().map(|step| match step {
        Planned::Unpack(indexes) => {
            Step::Unpack(indexes.into_iter().filter_map(|index| candidates[index].take()).collect())
        }
        Planned::Configure(indexes) => {
            Step::Configure(indexes.into_iter().map(|index| nodes[index].name.clone()).collect())
        }
    });
    Ok(steps.collect())
}

/// A package, and which others of the candidates it needs, by their places.
struct Node {
    /// As dpkg takes it: with the architecture where there may be several.
    name: String,
    score: u32,
    before: Vec<usize>,
    needs: Vec<usize>,
}

#[derive(Clone, Copy, Default)]
struct State {
    visited: bool,
    unpacked: bool,
    configured: bool,
}

enum Planned {
    Unpack(Vec<usize>),
    Configure(Vec<usize>),
}

struct Planner<'a> {
    nodes: &'a [Node],
    states: Vec<State>,
    plan: Vec<Planned>,
}

impl Planner<'_> {
    /// Unpacks a package after all that it needs.
    fn visit(&mut self, index: usize) {
        if std::mem::replace(&mut self.states[index].visited, true) {
            return;
        }
        let node = &self.nodes[index];
        node.before.iter().chain(&node.needs).for_each(|needed| self.visit(*needed));
        self.unpack(index);
    }

    /// Unpacks a package; what it pre-depends on is configured before. dpkg breaks circles.
    fn unpack(&mut self, index: usize) {
        if std::mem::replace(&mut self.states[index].unpacked, true) {
            return;
        }
        let mut names = Vec::new();
        self.nodes[index].before.iter().for_each(|needed| self.configure(*needed, &mut names));
        match self.plan.last_mut() {
            _ if names.is_empty() => {}
            Some(Planned::Configure(last)) => last.append(&mut names),
            _ => self.plan.push(Planned::Configure(names)),
        }
        match self.plan.last_mut() {
            Some(Planned::Unpack(last)) => last.push(index),
            _ => self.plan.push(Planned::Unpack(vec![index])),
        }
    }

    /// Adds a package to those to be configured next, after all that it needs.
    fn configure(&mut self, index: usize, names: &mut Vec<usize>) {
        if std::mem::replace(&mut self.states[index].configured, true) {
            return;
        }
        self.unpack(index);
        let node = &self.nodes[index];
        node.before.iter().chain(&node.needs).for_each(|needed| self.configure(*needed, names));
        names.push(index);
    }
}

fn nodes(candidates: &[Candidate], installed: &[Unpacked]) -> Result<Vec<Node>, InstallError> {
    // Who has or provides a name, and its place among the candidates; none for what is there already.
    let mut known: BTreeMap<String, Vec<(&Unpacked, Option<usize>)>> = BTreeMap::new();
    let there = installed.iter().map(|package| (package, None));
    for (package, place) in there.chain(candidates.iter().enumerate().map(|(at, one)| (&one.unpacked, Some(at)))) {
        known.entry(package.name.clone()).or_default().insert(0, (package, place));
        for provided in names(package, "Provides")?.into_iter().flatten() {
            known.entry(provided).or_default().push((package, place));
        }
    }
    let places = |package: &Unpacked, field: &str| -> Result<Vec<usize>, InstallError> {
        let mut places = Vec::new();
        for group in names(package, field)? {
            let serves = |name: &String| -> Vec<Option<usize>> {
                let all = known.get(name).into_iter().flatten();
                all.filter(|(other, _)| other.serves(package)).map(|(_, place)| *place).collect()
            };
            let found: Vec<_> = group.iter().map(serves).filter(|places| !places.is_empty()).collect();
            if !found.iter().any(|places| places.contains(&None)) {
                places.extend(found.first().into_iter().flatten().flatten());
            }
        }
        Ok(places)
    };
    let node = |candidate: &Candidate| -> Result<Node, InstallError> {
        let package = &candidate.unpacked;
        let before = places(package, "Pre-Depends")?;
        let needs = places(package, "Depends")?;
        Ok(Node { name: package.qualified_name(), score: score(candidate)?, before, needs })
    };
    candidates.iter().map(node).collect()
}

/// The names in a field, a list for each group of alternatives.
pub(super) fn names(package: &Unpacked, field: &str) -> Result<Vec<Vec<String>>, InstallError> {
    let control = package.paragraph()?;
    let value = control.field(field).map(|value| value.raw()).unwrap_or_default();
    let groups =
        relation::parse(value).map_err(|source| InstallError::Relation { package: package.name.clone(), source })?;
    let name = |relation: relation::Relation<'_>| relation.name.to_owned();
    Ok(groups.into_iter().map(|group| group.into_iter().map(name).collect()).collect())
}

/// How early apt wants a package.
fn score(candidate: &Candidate) -> Result<u32, InstallError> {
    let control = candidate.unpacked.paragraph()?;
    let is_essential = control.field("Essential").is_some_and(|field| field.raw() == "yes");
    let essential = if is_essential { 200 } else { 0 };
    let before = if control.field("Pre-Depends").is_some() { 50 } else { 0 };
    let priority = match candidate.priority.as_str() {
        "required" => 5,
        "important" => 4,
        "standard" => 3,
        "optional" => 1,
        _ => 0,
    };
    Ok(essential + before + priority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::epoch::Epoch;
    use crate::store::Blob;

    fn field(control: &str, name: &str) -> String {
        let line = control.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    }

    fn package(control: &str) -> Unpacked {
        Unpacked {
            name: field(control, "Package"),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            multi_arch: String::new(),
            control: control.to_owned(),
            members: Vec::new(),
            items: Vec::new(),
            list: Vec::new(),
            deferred: BTreeMap::new(),
            date: Epoch::default(),
            is_local: false,
        }
    }

    fn steps(installed: &[&str], controls: &[&str]) -> Vec<String> {
        let candidate = |control: &&str| Candidate {
            unpacked: package(control),
            file: Blob { digest: Digest::of(b""), size: 0, path: std::path::Path::new("/none").into() },
            essential: false,
            priority: field(control, "Archive-Priority"),
        };
        let installed: Vec<_> = installed.iter().map(|control| package(control)).collect();
        let plan = plan(controls.iter().map(candidate).collect(), &installed).unwrap();
        plan.into_iter()
            .map(|step| match step {
                Step::Unpack(candidates) => {
                    let names = candidates.iter().map(|candidate| candidate.unpacked.name.clone());
                    format!("unpack {}", names.collect::<Vec<_>>().join(" "))
                }
                Step::Configure(names) => format!("configure {}", names.join(" ")),
            })
            .collect()
    }

    #[test]
    fn all_are_unpacked_after_what_they_need() {
        let packages = [
            "Package: a\nDepends: b | c\n",
            "Package: b\nDepends: a\n",
            "Package: c\nPriority: extra\nArchive-Priority: required\n",
        ];
        assert_eq!(steps(&[], &packages), ["unpack c b a"]);
    }

    #[test]
    fn what_is_pre_depended_on_is_configured_first() {
        let packages = [
            "Package: cron\nPre-Depends: users, there\nArchive-Priority: optional\n",
            "Package: passwd\nArchive-Priority: required\n",
            "Package: systemd\nProvides: users\nPre-Depends: shared\nDepends: passwd\n",
            "Package: shared\n",
        ];
        let there = ["Package: there\n"];
        assert_eq!(
            steps(&there, &packages),
            ["unpack shared passwd", "configure shared", "unpack systemd", "configure passwd systemd", "unpack cron"]
        );
        // What is there satisfies before anything else does, as it does for apt.
        assert_eq!(steps(&there, &["Package: a\nPre-Depends: b | there\n", "Package: b\n"]), ["unpack a b"]);
    }

    #[test]
    fn circles_end() {
        let packages = ["Package: a\nPre-Depends: b\n", "Package: b\nDepends: a\n"];
        assert_eq!(steps(&[], &packages), ["unpack b", "configure a b", "unpack a"]);
    }
}
