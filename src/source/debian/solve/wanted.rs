//! What a request asks for, found in the indexes.

use std::fmt;
use std::str::FromStr;

use crate::source::debian::solve::universe::{NameId, PackageId, Universe};
use crate::source::debian::solve::{HELD, Reason, Request, SolveError, Variant};
use crate::source::debian::version::Version;

/// A package by its name, as `apt-get install` takes it: `nginx`, `nginx=1.26.3-3`, `nginx/trixie-backports`,
/// `nginx:amd64`; a suite may stand before a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The name.
    pub name: String,
    /// The architecture in dpkg's name, where it is said.
    pub architecture: Option<String>,
    /// The suite that has it.
    pub suite: Option<String>,
    /// Which version.
    pub pin: Option<Pin>,
}

/// Which version of a package is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pin {
    /// Exactly this one.
    Version(String),
    /// One that fits this, with `*` and `?`: as apt has it, of which the candidate comes first.
    Pattern(String),
}

/// A package that the request leads to at once.
#[derive(Debug)]
pub(super) struct Root<'a> {
    pub(super) name: &'a str,
    pub(super) name_id: NameId,
    /// The versions that would do, the first choice first; at least one.
    pub(super) versions: Vec<PackageId>,
    /// The suite it is asked of.
    pub(super) suite: Option<&'a str>,
    pub(super) reason: Reason<'a>,
}

impl FromStr for Wanted {
    type Err = SolveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| SolveError::BadWanted { text: text.to_owned(), reason };
        let (rest, version) = text.split_once('=').map_or((text, None), |(rest, version)| (rest, Some(version)));
        let (rest, suite) = rest.split_once('/').map_or((rest, None), |(rest, suite)| (rest, Some(suite)));
        if version.is_some_and(|version| !is_pattern(version) && Version::parse(version).is_err()) {
            return Err(wrong("what stands after `=` is no version"));
        }
        if suite.is_some_and(|suite| !is_word(suite)) {
            return Err(wrong("what stands after `/` is no suite"));
        }
        let (name, architecture) = rest.split_once(':').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        if !is_word(name) {
            return Err(wrong("it does not start with a package name"));
        }
        if architecture.is_some_and(|architecture| !is_word(architecture)) {
            return Err(wrong("what stands after `:` is no architecture"));
        }
        let (architecture, suite) = (architecture.map(str::to_owned), suite.map(str::to_owned));
        Ok(Self { name: name.to_owned(), architecture, suite, pin: version.map(Pin::of) })
    }
}

impl Pin {
    /// What stands after a `=`.
    pub fn of(text: &str) -> Self {
        if is_pattern(text) { Self::Pattern(text.to_owned()) } else { Self::Version(text.to_owned()) }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(architecture) = &self.architecture {
            write!(f, ":{architecture}")?;
        }
        if let Some(suite) = &self.suite {
            write!(f, "/{suite}")?;
        }
        match &self.pin {
            None => Ok(()),
            Some(Pin::Version(version) | Pin::Pattern(version)) => write!(f, "={version}"),
        }
    }
}

/// All packages that a request leads to at once: the essential ones, those of the variant, then those that are named.
/// Each name is there once, with the strictest of what is said of it.
pub(super) fn roots<'a>(universe: &Universe<'a>, request: &Request<'a>) -> Result<Vec<Root<'a>>, SolveError> {
    let mut roots: Vec<Root<'a>> = Vec::new();
    let (named, wrong): (Vec<_>, Vec<_>) =
        request.wanted.iter().map(|wanted| find(universe, wanted)).partition(Result::is_ok);
    if !wrong.is_empty() {
        return Err(SolveError::all(wrong.into_iter().filter_map(Result::err).collect()));
    }
    let named = named.into_iter().flatten();
    for (reason, takes) in rules(request.variant) {
        for (name_id, name) in universe.names.iter().enumerate() {
            let offered = |id: &&PackageId| name.architecture == universe.architecture && is_offered(universe, **id);
            let Some(candidate) = name.versions.first().filter(offered) else { continue };
            let record = universe.record(*candidate);
            if takes.takes(record) && !roots.iter().any(|root| root.name == name.text) {
                let versions = name.versions.clone();
                roots.push(Root { name: name.text, name_id: name_id as NameId, versions, suite: None, reason });
            }
        }
    }
    for root in named {
        match roots.iter_mut().find(|known| known.name_id == root.name_id) {
            None => roots.push(root),
            Some(known) => {
                known.versions.retain(|version| root.versions.contains(version));
                known.suite = known.suite.or(root.suite);
            }
        }
    }
    // Two contradictory pins of one name leave nothing.
    match roots.iter().find(|root| root.versions.is_empty()) {
        None => Ok(roots),
        Some(root) => Err(SolveError::Contradiction { name: root.name.to_owned() }),
    }
}

/// What a variant takes in by itself.
enum Rule {
    Essential,
    Named(&'static str),
    Priority(&'static [&'static str]),
}

impl Rule {
    fn takes(&self, record: crate::source::debian::index::Record<'_>) -> bool {
        match self {
            Self::Essential => record.essential(),
            Self::Named(name) => record.name() == *name,
            Self::Priority(words) => words.contains(&record.priority()),
        }
    }
}

fn rules(variant: Variant) -> Vec<(Reason<'static>, Rule)> {
    let of = |rule| (Reason::Variant(variant), rule);
    let mut rules = Vec::new();
    if variant >= Variant::Essential {
        rules.push((Reason::Essential, Rule::Essential));
    }
    if variant >= Variant::Apt {
        rules.push(of(Rule::Named("apt")));
    }
    match variant {
        Variant::Custom | Variant::Essential | Variant::Apt => {}
        Variant::Minbase => rules.push(of(Rule::Priority(&["required"]))),
        Variant::Buildd => rules.extend([of(Rule::Priority(&["required"])), of(Rule::Named("build-essential"))]),
        Variant::Important => rules.push(of(Rule::Priority(&["required", "important"]))),
        Variant::Standard => rules.push(of(Rule::Priority(&["required", "important", "standard"]))),
    }
    rules
}

fn find<'a>(universe: &Universe<'a>, wanted: &'a Wanted) -> Result<Root<'a>, SolveError> {
    let architecture = wanted.architecture.as_deref().filter(|name| *name != "all").unwrap_or(universe.architecture);
    let unknown = || match wanted.architecture {
        _ if !universe.left_out(&wanted.name).is_empty() => SolveError::Excluded { name: wanted.name.clone() },
        Some(_) if universe.find(&wanted.name).is_some() => {
            SolveError::OtherArchitecture { wanted: wanted.to_string(), architecture: architecture.to_owned() }
        }
        _ => SolveError::unknown(universe, &wanted.name),
    };
    let mut name_id = universe.find_of(&wanted.name, architecture).ok_or_else(unknown)?;
    if universe.name(name_id).versions.is_empty() {
        let providers = &universe.name(name_id).providers;
        let offered = providers.iter().filter(|(id, _)| is_offered(universe, *id));
        let mut names: Vec<_> = offered.map(|(id, _)| universe.package(*id).name).collect();
        names.sort_by_key(|id| universe.name(*id).text);
        names.dedup();
        match names[..] {
            [] => return Err(unknown()),
            [only] if wanted.pin.is_none() && wanted.suite.is_none() => name_id = only,
            _ => {
                let providers = names.iter().map(|id| universe.name(*id).text).collect::<Vec<_>>().join(", ");
                return Err(SolveError::Virtual { name: wanted.name.clone(), providers });
            }
        }
    }
    let name = universe.name(name_id);
    let pattern = match &wanted.pin {
        Some(Pin::Pattern(pattern)) => globset::Glob::new(pattern).ok().map(|glob| glob.compile_matcher()),
        _ => None,
    };
    let of_version = |id: PackageId| match &wanted.pin {
        None => true,
        Some(Pin::Pattern(_)) => {
            pattern.as_ref().is_some_and(|pattern| pattern.is_match(universe.record(id).version().as_str()))
        }
        Some(Pin::Version(version)) => universe.record(id).version() == Version::new(version),
    };
    let of_suite = |id| wanted.suite.as_ref().is_none_or(|suite| universe.copy_in(id, suite).is_some());
    let versions: Vec<_> = name.versions.iter().copied().filter(|id| of_version(*id) && of_suite(*id)).collect();
    if versions.is_empty() {
        let known = name.versions.iter().map(|id| {
            let mut suites: Vec<_> =
                universe.copies(*id).map(|(repository, _)| universe.repositories[repository].suite).collect();
            suites.dedup();
            format!("{} ({})", universe.record(*id).version(), suites.join(", "))
        });
        return Err(SolveError::NoSuchVersion {
            wanted: wanted.to_string(),
            known: known.collect::<Vec<_>>().join(", "),
        });
    }
    Ok(Root { name: name.text, name_id, versions, suite: wanted.suite.as_deref(), reason: Reason::Requested })
}

/// Whether a suite has it.
fn is_offered(universe: &Universe<'_>, id: PackageId) -> bool {
    universe.package(id).priority != HELD
}

/// Whether what stands after a `=` is a pattern and no version.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}
