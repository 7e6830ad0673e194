//! Relations between packages: the values of `Depends`, `Conflicts`, `Provides` and their kin.
//!
//! Debian Policy 7.1: groups separated by commas, alternatives inside a group by `|`, each a name with an optional
//! architecture qualifier, version, list of architectures and build profiles.

use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

use crate::source::debian::version::Version;

/// How a version must compare to the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the old `<`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and the old `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// What may stand after the colon of a package's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier<'a> {
    /// `:any`: a package of any architecture, if it is `Multi-Arch: allowed`.
    Any,
    /// `:native`: the architecture of the system.
    Native,
    /// The named architecture.
    Architecture(&'a str),
}

/// One alternative: `libc6:any (>= 2.36) [amd64] <!nocheck>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package's name, real or virtual.
    pub name: &'a str,
    /// Which architecture's package.
    pub qualifier: Option<Qualifier<'a>>,
    /// Which versions; all where there is none.
    pub constraint: Option<(Operator, Version<'a>)>,
    /// The words between `[` and `]`: on which architectures the relation holds. Binary packages have none.
    pub architectures: Vec<&'a str>,
    /// The texts between each `<` and `>`. Only source packages have them.
    pub profiles: Vec<&'a str>,
}

/// A value that is no list of relations.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("`{relation}` is not a relation: {reason}")]
#[diagnostic(help("a relation looks like `name`, `name:any` or `name (>= 1.2)`; `,` and `|` separate them"))]
pub struct RelationError {
    /// The part that is wrong.
    pub relation: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Operator {
    /// Whether `version` is in the relation to `wanted`.
    pub fn holds(self, version: Version<'_>, wanted: Version<'_>) -> bool {
        match self {
            Self::Earlier => version < wanted,
            Self::EarlierOrEqual => version <= wanted,
            Self::Equal => version == wanted,
            Self::LaterOrEqual => version >= wanted,
            Self::Later => version > wanted,
        }
    }
}

impl<'a> Relation<'a> {
    /// Whether a package of the right name and this version would do.
    pub fn takes(&self, version: Version<'_>) -> bool {
        self.constraint.is_none_or(|(operator, wanted)| operator.holds(version, wanted))
    }

    /// Reads one alternative.
    pub fn parse(text: &'a str) -> Result<Self, RelationError> {
        let text = text.trim_ascii();
        parse_one(text).map_err(|reason| RelationError { relation: text.chars().take(120).collect(), reason })
    }
}

/// The groups of a value, each with its alternatives in order. Empty groups (two commas) are left out, as dpkg does.
pub fn groups(value: &str) -> impl Iterator<Item = Result<Vec<Relation<'_>>, RelationError>> {
    let groups = value.split(',').filter(|group| !group.trim_ascii().is_empty());
    groups.map(|group| group.split('|').map(Relation::parse).collect())
}

/// All groups of a value.
pub fn parse(value: &str) -> Result<Vec<Vec<Relation<'_>>>, RelationError> {
    groups(value).collect()
}

/// The entries of a value that has no alternatives, such as `Provides` and `Conflicts`.
pub fn singles(value: &str) -> impl Iterator<Item = Result<Relation<'_>, RelationError>> {
    value.split(',').filter(|entry| !entry.trim_ascii().is_empty()).map(Relation::parse)
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        })
    }
}

impl fmt::Display for Qualifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Native => "native",
            Self::Architecture(name) => name,
        })
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((operator, version)) = &self.constraint {
            write!(f, " ({operator} {version})")?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", self.architectures.join(" "))?;
        }
        self.profiles.iter().try_for_each(|profile| write!(f, " <{profile}>"))
    }
}

fn parse_one(text: &str) -> Result<Relation<'_>, &'static str> {
    let end = text.find(|c: char| c.is_ascii_whitespace() || "([<:".contains(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return Err("there is no package name");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)) {
        return Err("the package name has a character that is none of letters, digits and `+-.`");
    }
    let mut relation =
        Relation { name, qualifier: None, constraint: None, architectures: Vec::new(), profiles: Vec::new() };
    if let Some(after) = rest.strip_prefix(':') {
        let end = after.find(|c: char| c.is_ascii_whitespace() || "([<".contains(c)).unwrap_or(after.len());
        let (qualifier, after) = after.split_at(end);
        relation.qualifier = Some(match qualifier {
            "" => return Err("there is no architecture after the `:`"),
            "any" => Qualifier::Any,
            "native" => Qualifier::Native,
            name => Qualifier::Architecture(name),
        });
        rest = after;
    }
    rest = rest.trim_ascii_start();
    if let Some(after) = rest.strip_prefix('(') {
        let (inside, after) = after.split_once(')').ok_or("the `(` is not closed")?;
        relation.constraint = Some(parse_constraint(inside.trim_ascii())?);
        rest = after.trim_ascii_start();
    }
    if let Some(after) = rest.strip_prefix('[') {
        let (inside, after) = after.split_once(']').ok_or("the `[` is not closed")?;
        relation.architectures = inside.split_ascii_whitespace().collect();
        rest = after.trim_ascii_start();
    }
    while let Some(after) = rest.strip_prefix('<') {
        let (inside, after) = after.split_once('>').ok_or("the `<` is not closed")?;
        relation.profiles.push(inside.trim_ascii());
        rest = after.trim_ascii_start();
    }
    if rest.is_empty() { Ok(relation) } else { Err("something stands after its end") }
}

fn parse_constraint(text: &str) -> Result<(Operator, Version<'_>), &'static str> {
    let end = text.find(|c: char| !"<>=".contains(c)).unwrap_or(text.len());
    let (operator, version) = text.split_at(end);
    let version = version.trim_ascii();
    let operator = match operator {
        "<<" => Operator::Earlier,
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" | "" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return Err("the operator is none of `<<`, `<=`, `=`, `>=`, `>>`"),
    };
    if version.is_empty() || version.contains(|c: char| c.is_ascii_whitespace()) {
        return Err("there is not one version between `(` and `)`");
    }
    Ok((operator, Version::new(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_again() {
        let value =
            "a, b:any (>= 1:2~), c (<< 3) | d (= 4) | e:native , f:arm64 (>> 1) [amd64 !i386] <!x y> <z>,\n g (<= 9),,";
        let groups = parse(value).unwrap();
        let texts: Vec<Vec<String>> =
            groups.iter().map(|group| group.iter().map(Relation::to_string).collect()).collect();
        assert_eq!(
            texts,
            [
                vec!["a"],
                vec!["b:any (>= 1:2~)"],
                vec!["c (<< 3)", "d (= 4)", "e:native"],
                vec!["f:arm64 (>> 1) [amd64 !i386] <!x y> <z>"],
                vec!["g (<= 9)"],
            ]
        );
        assert_eq!(parse("").unwrap(), Vec::<Vec<_>>::new());
        assert_eq!(Relation::parse("a(>=1)").unwrap().to_string(), "a (>= 1)");
        assert_eq!(Relation::parse("a ( > 1 )").unwrap().to_string(), "a (>= 1)");
        assert_eq!(Relation::parse("g++").unwrap().name, "g++");
    }

    #[test]
    fn versions_that_a_relation_takes() {
        let table = [("<< 2", "1"), ("<= 2", "12"), ("= 2", "2"), (">= 2", "23"), (">> 2", "3")];
        for (constraint, taken) in table {
            let text = format!("a ({constraint})");
            let relation = Relation::parse(&text).unwrap();
            for version in ["1", "2", "3"] {
                assert_eq!(relation.takes(Version::new(version)), taken.contains(version), "{relation} {version}");
            }
        }
        assert!(Relation::parse("a").unwrap().takes(Version::new("0")));
    }

    #[test]
    fn provides_have_no_alternatives() {
        let names: Vec<_> = singles("a (= 1), b,").map(|entry| entry.unwrap().name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(singles("a | b").any(|entry| entry.is_err()));
    }

    #[test]
    fn mistakes_name_the_relation() {
        for (value, wrong, reason) in [
            ("a, (>= 1)", "(>= 1)", "no package name"),
            ("a | ", "", "no package name"),
            ("a (>= 1", "a (>= 1", "not closed"),
            ("a [amd64", "a [amd64", "not closed"),
            ("a (=> 1)", "a (=> 1)", "the operator"),
            ("a (>= )", "a (>= )", "not one version"),
            ("a (>= 1 2)", "a (>= 1 2)", "not one version"),
            ("a b", "a b", "after its end"),
            ("a:", "a:", "after the `:`"),
            ("a;b", "a;b", "a character"),
        ] {
            let error = parse(value).unwrap_err();
            assert_eq!(error.relation, wrong);
            assert!(error.reason.contains(reason), "{error}");
        }
    }
}
