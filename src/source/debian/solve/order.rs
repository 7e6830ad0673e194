//! In which order packages can be unpacked.

use std::collections::BTreeMap;

use crate::source::debian::relation::{self, Relation};
use crate::source::debian::solve::Chosen;

/// The places of `packages` in batches: all that a package pre-depends on is in an earlier batch, and all else that it
/// needs in an earlier one or its own. So each batch can be unpacked and then configured as a whole. What is neither in
/// `packages` nor provided by them is taken as installed before.
///
/// Inside a batch what is needed comes first. Packages that need each other in a circle share a batch, since no order
/// would do; a Pre-Depends inside such a circle then only decides who is unpacked first, as dpkg's own last resort.
pub fn unpack_order(packages: &[Chosen<'_>]) -> Vec<Vec<usize>> {
    let graph = Graph::new(packages);
    let circles = graph.circles();
    let mut circle_of = vec![0; packages.len()];
    for (number, circle) in circles.iter().enumerate() {
        circle.iter().for_each(|package| circle_of[*package] = number);
    }
    // Circles come after those that they need, so one pass is enough.
    let mut batch_of: Vec<usize> = Vec::with_capacity(circles.len());
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for (number, circle) in circles.iter().enumerate() {
        let last = |needs: &[Vec<usize>], after: usize| {
            let all = circle.iter().flat_map(|package| needs[*package].iter().map(|need| circle_of[*need]));
            all.filter(|other| *other != number).map(|other| batch_of[other] + after).max().unwrap_or(0)
        };
        let batch = last(&graph.before, 1).max(last(&graph.needs, 0));
        batch_of.push(batch);
        batches.resize_with(batches.len().max(batch + 1), Vec::new);
        batches[batch].extend(circle);
    }
    batches
}

struct Graph {
    /// Per package those that it pre-depends on.
    before: Vec<Vec<usize>>,
    /// Per package those that it depends on otherwise.
    needs: Vec<Vec<usize>>,
}

impl Graph {
    fn new(packages: &[Chosen<'_>]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, chosen) in packages.iter().enumerate() {
            by_name.entry(chosen.record.name()).or_default().push(place);
            for provided in relation::singles(chosen.record.provides()).flatten() {
                by_name.entry(provided.name).or_default().push(place);
            }
        }
        let found = |value| {
            // The solver has checked versions; whoever has the name is who is meant.
            let relations = relation::groups(value).flatten().flatten();
            let mut places: Vec<usize> =
                relations.flat_map(|Relation { name, .. }| by_name.get(name).cloned().unwrap_or_default()).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        Self {
            before: packages.iter().map(|chosen| found(chosen.record.pre_depends())).collect(),
            needs: packages.iter().map(|chosen| found(chosen.record.depends())).collect(),
        }
    }

    /// The packages in circles of mutual need (mostly of one), each after those it needs: Tarjan's strongly connected
    /// components, without recursion, since chains of a thousand packages exist.
    fn circles(&self) -> Vec<Vec<usize>> {
        const NEW: usize = usize::MAX;
        let count = self.before.len();
        let (mut number, mut lowest) = (vec![NEW; count], vec![NEW; count]);
        let mut waiting = vec![false; count];
        let (mut next, mut path, mut circles) = (0, Vec::new(), Vec::new());
        for start in 0..count {
            let mut calls = if number[start] == NEW { vec![(start, 0)] } else { Vec::new() };
            while let Some((package, step)) = calls.pop() {
                if step == 0 {
                    number[package] = next;
                    lowest[package] = next;
                    next += 1;
                    path.push(package);
                    waiting[package] = true;
                }
                let edge = self.before[package].iter().chain(&self.needs[package]).nth(step).copied();
                if let Some(need) = edge {
                    calls.push((package, step + 1));
                    if number[need] == NEW {
                        calls.push((need, 0));
                    } else if waiting[need] {
                        lowest[package] = lowest[package].min(number[need]);
                    }
                    continue;
                }
                if let Some((parent, _)) = calls.last() {
                    lowest[*parent] = lowest[*parent].min(lowest[package]);
                }
                if lowest[package] == number[package] {
                    let start = path.iter().position(|other| *other == package).expect("it is on the path");
                    let circle = path.split_off(start);
                    circle.iter().for_each(|package| waiting[*package] = false);
                    circles.push(self.inside(circle));
                }
            }
        }
        circles
    }

    /// A circle's packages, those that others of it pre-depend on first.
    fn inside(&self, circle: Vec<usize>) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::with_capacity(circle.len());
        let mut seen = std::collections::BTreeSet::new();
        for start in &circle {
            let mut calls = vec![(*start, false)];
            while let Some((package, done)) = calls.pop() {
                if done {
                    order.push(package);
                } else if seen.insert(package) {
                    calls.push((package, true));
                    let before = self.before[package].iter().rev().filter(|other| circle.contains(other));
                    calls.extend(before.map(|other| (*other, false)));
                }
            }
        }
        order
    }
}
