//! Why there is no solution, as a person would tell it.

use std::collections::BTreeSet;

use resolvo::Requirement;
use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};

use crate::source::debian::relation::Relation;
use crate::source::debian::solve::error::{has, join};
use crate::source::debian::solve::provider::{Of, Provider, package};
use crate::source::debian::solve::universe::{GroupId, PackageId, Universe};

/// Most lines; a conflict that needs more is not understood by reading more.
const LINE_LIMIT: usize = 12;

/// Tells the conflict from what was asked to what is missing or in the way, one step a line.
pub(super) fn explain(provider: &Provider<'_, '_>, graph: &ConflictGraph) -> String {
    let steps = Steps::of(graph);
    let mut lines = Vec::new();
    let mut told = BTreeSet::new();
    let mut queue: Vec<usize> = vec![steps.root];
    while let Some(node) = (!queue.is_empty()).then(|| queue.remove(0)) {
        for (from, to, edge) in steps.edges.iter().filter(|(from, ..)| *from == node) {
            let line = provider.universe(|universe| line(universe, provider, &steps.nodes, (*from, *to, edge)));
            if let Some(line) = line
                && !lines.contains(&line)
            {
                lines.push(line);
            }
            if told.insert(*to) {
                queue.push(*to);
            }
        }
    }
    if lines.len() > LINE_LIMIT {
        let more = lines.len() - LINE_LIMIT;
        lines.truncate(LINE_LIMIT);
        lines.push(format!("... and {more} more steps"));
    }
    let asked = provider.universe(|universe| asked(universe, provider, &steps));
    let verb = if asked.len() > 1 { "cannot be installed together" } else { "cannot be installed" };
    format!("{} {verb}: {}", join(&asked), lines.join("; "))
}

/// The graph with its nodes and edges in the solver's order.
struct Steps {
    root: usize,
    nodes: Vec<Option<PackageId>>,
    edges: Vec<(usize, usize, ConflictEdge)>,
}

impl Steps {
    fn of(conflict: &ConflictGraph) -> Self {
        let graph = &conflict.graph;
        // Nodes may be numbered with a gap, where resolvo removed the one that stands for nothing.
        let nodes = graph
            .raw_nodes()
            .iter()
            .map(|node| match node.weight {
                ConflictNode::Solvable(id) => Some(package(id)),
                _ => None,
            })
            .collect();
        let edges =
            graph.raw_edges().iter().map(|edge| (edge.source().index(), edge.target().index(), edge.weight)).collect();
        Self { root: conflict.root_node.index(), nodes, edges }
    }
}

/// The names that the request leads to and that the conflict is about.
fn asked(universe: &Universe<'_>, provider: &Provider<'_, '_>, steps: &Steps) -> Vec<String> {
    let mut names = Vec::new();
    for (from, _, edge) in &steps.edges {
        if let (true, ConflictEdge::Requires(requirement)) = (*from == steps.root, edge)
            && let Of::Root(name) = provider.of(*requirement)
        {
            let name = match universe.name(name) {
                name if name.architecture == universe.architecture => name.text.to_owned(),
                name => format!("{}:{}", name.text, name.architecture),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn line(
    universe: &Universe<'_>,
    provider: &Provider<'_, '_>,
    nodes: &[Option<PackageId>],
    (from, to, edge): (usize, usize, &ConflictEdge),
) -> Option<String> {
    let who = nodes[from].map(|id| named(universe, id));
    match edge {
        ConflictEdge::Requires(requirement) => {
            let group = group(provider, *requirement)?;
            let text = universe.group(group).text;
            Some(match nodes[to] {
                None => format!("{} needs {text}, and {}", who?, lack(universe, text)),
                Some(_) => format!("{} needs {text}", who?),
            })
        }
        ConflictEdge::Conflict(ConflictCause::Constrains(_)) => {
            let (one, other) = (nodes[from]?, nodes[to]?);
            let field = field_against(universe, one, other);
            Some(format!("{} {field} {}", who?, named(universe, other)))
        }
        ConflictEdge::Conflict(ConflictCause::ForbidMultipleInstances) => {
            let (one, other) = (nodes[from]?, nodes[to]?);
            let name = universe.record(one).name();
            let versions = (universe.record(one).version(), universe.record(other).version());
            Some(format!("only one version of {name} can be installed, {} or {}", versions.0, versions.1))
        }
        ConflictEdge::Conflict(_) => None,
    }
}

fn group(provider: &Provider<'_, '_>, requirement: Requirement) -> Option<GroupId> {
    match provider.of(requirement) {
        Of::Group(group) => Some(group),
        Of::Root(_) | Of::Peace => None,
    }
}

/// What there is instead of what a group wants.
fn lack(universe: &Universe<'_>, text: &str) -> String {
    let mut suites: Vec<_> = universe.repositories.iter().map(|repository| repository.suite).collect();
    suites.dedup();
    let suites = join(&suites.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let lacks = text.split('|').filter_map(|text| Relation::parse(text).ok()).map(|relation| {
        if let [first, others @ ..] = universe.left_out(relation.name) {
            let all = others.iter().fold((*first).to_owned(), |all, other| format!("{all}, {other}"));
            return format!("`exclude` leaves out {all}");
        }
        let name = universe.find(relation.name).map(|id| universe.name(id));
        match name.and_then(|name| name.versions.first()) {
            Some(newest) => {
                let suite = universe.repositories[universe.package(*newest).repository].suite;
                format!("the newest in {suite} is {}", universe.record(*newest).version())
            }
            None if name.is_some_and(|name| !name.providers.is_empty()) => {
                format!("nothing provides that version of {}", relation.name)
            }
            None => format!("{suites} {} no {}", has(&suites), relation.name),
        }
    });
    lacks.collect::<Vec<_>>().join(", and ")
}

/// The word for how one package excludes the other.
fn field_against(universe: &Universe<'_>, one: PackageId, other: PackageId) -> &'static str {
    let architecture = universe.name(universe.package(one).name).architecture;
    let speaks_of = |value| {
        crate::source::debian::relation::singles(value)
            .flatten()
            .any(|relation| universe.satisfying(&relation, architecture, true).packages.contains(&other))
    };
    if universe.record(one).name() == universe.record(other).name() {
        return "cannot be there beside";
    }
    if speaks_of(universe.record(one).conflicts()) { "conflicts with" } else { "breaks" }
}

fn named(universe: &Universe<'_>, id: PackageId) -> String {
    let record = universe.record(id);
    if universe.foreign.contains(&record.architecture()) {
        return format!("{}:{} {}", record.name(), record.architecture(), record.version());
    }
    format!("{} {}", record.name(), record.version())
}
