//! Why there is no solution, as a person would tell it.

use std::collections::BTreeSet;

use resolvo::DenseIndex;
use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};

use super::provider::{Of, Provider};
use super::universe::{PackageId, Refused, Universe};
use crate::source::apk::relation::{Relation, relations};

/// Most lines; a conflict that needs more is not understood by reading more.
const LINE_LIMIT: usize = 12;

/// Tells the conflict from what was asked to what is missing or in the way, one step a phrase.
pub(super) fn explain(provider: &Provider<'_, '_>, conflict: &ConflictGraph) -> String {
    let steps = Steps::of(conflict);
    let (mut lines, mut told, mut queue) = (Vec::new(), BTreeSet::new(), vec![steps.root]);
    while let Some(node) = (!queue.is_empty()).then(|| queue.remove(0)) {
        for (from, to, edge) in steps.edges.iter().filter(|(from, ..)| *from == node) {
            let line = line(provider, &steps.nodes, (*from, *to, edge));
            lines.extend(line.filter(|line| !lines.contains(line)));
            if told.insert(*to) {
                queue.push(*to);
            }
        }
    }
    if lines.is_empty() {
        lines.push("the packages exclude each other".to_owned());
    }
    if lines.len() > LINE_LIMIT {
        let more = lines.len() - LINE_LIMIT;
        lines.truncate(LINE_LIMIT);
        lines.push(format!("... and {more} more steps"));
    }
    let asked = asked(provider, &steps);
    let verb = if asked.len() > 1 { "cannot be installed together" } else { "cannot be installed" };
    let names = match &asked[..] {
        [] => "what is asked for".to_owned(),
        [only] => only.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    };
    format!("{names} {verb}: {}", lines.join("; "))
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
        let node = |node: &ConflictNode| match node {
            ConflictNode::Solvable(id) => Some(id.to_index()),
            _ => None,
        };
        let nodes = graph.raw_nodes().iter().map(|raw| node(&raw.weight)).collect();
        let edges =
            graph.raw_edges().iter().map(|edge| (edge.source().index(), edge.target().index(), edge.weight)).collect();
        Self { root: conflict.root_node.index(), nodes, edges }
    }
}

/// The entries of the world that the conflict is about.
fn asked(provider: &Provider<'_, '_>, steps: &Steps) -> Vec<String> {
    let mut names = Vec::new();
    for (from, _, edge) in &steps.edges {
        if let (true, ConflictEdge::Requires(requirement)) = (*from == steps.root, edge)
            && let Of::World(text) = provider.of(*requirement)
            && !names.contains(&text)
        {
            names.push(text);
        }
    }
    names
}

fn line(
    provider: &Provider<'_, '_>,
    nodes: &[Option<PackageId>],
    (from, to, edge): (usize, usize, &ConflictEdge),
) -> Option<String> {
    let universe = provider.universe;
    match edge {
        ConflictEdge::Requires(requirement) => {
            let Of::Need(text) = provider.of(*requirement) else { return None };
            let who = universe.described(nodes[from]?);
            Some(match nodes[to] {
                None => format!("{who} needs {text}, and {}", lack(universe, &text)),
                Some(_) => format!("{who} needs {text}"),
            })
        }
        ConflictEdge::Conflict(ConflictCause::Constrains(_)) => {
            let (one, other) = (nodes[from]?, nodes[to]?);
            Some(why_not_both(universe, one, other))
        }
        ConflictEdge::Conflict(ConflictCause::ForbidMultipleInstances) => {
            let (one, other) = (universe.record(nodes[from]?), universe.record(nodes[to]?));
            let versions = (one.version(), other.version());
            Some(format!("only one version of {} can be installed, {} or {}", one.name(), versions.0, versions.1))
        }
        ConflictEdge::Conflict(ConflictCause::Excluded) => unusable(universe, nodes[from]?),
        ConflictEdge::Conflict(_) => None,
    }
}

/// Why a package is taken in no case: what its record says of others cannot be understood.
fn unusable(universe: &Universe<'_>, id: PackageId) -> Option<String> {
    let unread = relations(universe.record(id).depends()).find_map(Result::err)?;
    Some(format!("the index is wrong about {}: {unread}", universe.described(id)))
}

fn why_not_both(universe: &Universe<'_>, one: PackageId, other: PackageId) -> String {
    let (first, second) = (universe.described(one), universe.described(other));
    let against = |a: PackageId, b: PackageId| {
        universe
            .relations(a)
            .unwrap_or_default()
            .iter()
            .any(|relation| relation.conflict && universe.meets(b, relation))
    };
    if against(one, other) {
        return format!("{first} conflicts with {second}");
    }
    if against(other, one) {
        return format!("{second} conflicts with {first}");
    }
    let same = universe.names_of(one).find(|name| universe.names_of(other).any(|other| other.name == name.name));
    match same {
        Some(name) => format!("{first} and {second} both provide {}", name.name),
        None => format!("{first} and {second} exclude each other"),
    }
}

/// What there is instead of what is needed.
fn lack(universe: &Universe<'_>, text: &str) -> String {
    let Ok(relation) = Relation::parse(text) else { return "nothing provides it".to_owned() };
    let having = universe.having(relation.name);
    if having.is_empty() {
        return format!("no repository has {}", relation.name);
    }
    let refused =
        |which| having.iter().any(|(id, version)| relation.fits(*version) && universe.refused(*id) == Some(which));
    if refused(Refused::World) {
        return "`packages` excludes what provides it".to_owned();
    }
    if refused(Refused::Tag) {
        return "only a repository with a tag has it".to_owned();
    }
    let there: BTreeSet<_> = having.iter().map(|(id, _)| universe.described(*id)).collect();
    format!("there is {}", there.into_iter().take(3).collect::<Vec<_>>().join(", "))
}
