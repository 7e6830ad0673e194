//! What packages say about others: `name`, `name>=1.2`, `!name`, `so:libc.so.6=1`, and in a world also `name@tag`
//! (apk-world(5), apk-tools' `src/package.c`).

use std::cmp::Ordering;
use std::fmt;

use super::version::Version;

/// A dependency, a conflict, or an entry of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The name that it is about.
    pub name: &'a str,
    /// Whether nothing that fits may be there.
    pub conflict: bool,
    /// Which versions fit; all where there is none.
    pub versions: Option<Range<'a>>,
    /// The tag of the repository that it may come from: `edge` of `name@edge`.
    pub tag: Option<&'a str>,
}

/// What ends a name.
const SIGNS: [char; 5] = ['=', '<', '>', '~', '@'];

/// Some versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    operator: Operator,
    version: &'a str,
}

/// How a version has to stand to that of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operator {
    less: bool,
    equal: bool,
    greater: bool,
    /// `~`: only as far as the range's version goes.
    fuzzy: bool,
}

/// A name that a package provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provided<'a> {
    /// The name.
    pub name: &'a str,
    /// Its version; without one the name is virtual: several packages with it can be there together.
    pub version: Option<&'a str>,
}

/// Why a text is no relation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no package: {reason}")]
pub struct RelationError {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

/// Reads a list of relations, separated by spaces.
pub fn relations(list: &str) -> impl Iterator<Item = Result<Relation<'_>, RelationError>> {
    list.split_ascii_whitespace().map(Relation::parse)
}

/// Reads a list of provided names, separated by spaces.
pub fn provided(list: &str) -> impl Iterator<Item = Provided<'_>> {
    list.split_ascii_whitespace().map(|text| match text.split_once('=') {
        Some((name, version)) => Provided { name, version: Some(version).filter(|version| !version.is_empty()) },
        None => Provided { name: text, version: None },
    })
}

impl<'a> Relation<'a> {
    /// Reads one.
    pub fn parse(text: &'a str) -> Result<Self, RelationError> {
        let wrong = |reason| RelationError { text: text.to_owned(), reason };
        let (conflict, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (name, rest) = rest.split_at(rest.find(SIGNS).unwrap_or(rest.len()));
        // `name@tag>=1` is how apk writes it, `name>=1@tag` how apko does.
        let (tag, rest) = match rest.strip_prefix('@') {
            Some(rest) => {
                let (tag, rest) = rest.split_at(rest.find(SIGNS).unwrap_or(rest.len()));
                (Some(tag), rest)
            }
            None => match rest.split_once('@') {
                Some((rest, tag)) => (Some(tag), rest),
                None => (None, rest),
            },
        };
        let (operator, version) = rest.split_at(rest.find(|c| !SIGNS.contains(&c)).unwrap_or(rest.len()));
        let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if tag.is_some_and(|tag| tag.is_empty() || !tag.bytes().all(of_tag)) {
            return Err(wrong("a tag after `@` is letters, digits, `-`, `_` and `.`"));
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("a name of letters, digits and `+-._:/` comes first"));
        }
        let versions = match (operator, version) {
            ("", _) => None,
            (_, "") => return Err(wrong("a version has to follow")),
            (operator, version) => {
                let known = Operator::parse(operator);
                let operator = known.ok_or_else(|| wrong("it compares by none of `=`, `<`, `>`, `<=`, `>=`, `~`"))?;
                Some(Range { operator, version })
            }
        };
        Ok(Self { name, conflict, versions, tag })
    }

    /// Whether a provided version of the name is what this is about. One without a version fits only where any does.
    pub fn fits(&self, version: Option<&str>) -> bool {
        match (&self.versions, version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(range), Some(version)) => range.contains(version),
        }
    }
}

impl Range<'_> {
    /// Whether a version is among them.
    pub fn contains(&self, version: &str) -> bool {
        let (found, wanted) = (Version::new(version), Version::new(self.version));
        if self.operator.fuzzy && found.begins_with(wanted) {
            return self.operator.equal;
        }
        match found.partial_cmp(&wanted) {
            Some(Ordering::Less) => self.operator.less,
            Some(Ordering::Equal) => self.operator.equal,
            Some(Ordering::Greater) => self.operator.greater,
            None => false,
        }
    }
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        let once = |sign: char| text.matches(sign).count();
        let (less, equal, greater, fuzzy) = (once('<'), once('='), once('>'), once('~'));
        // `><` compares checksums, which only an installed system has.
        let known = [less, equal, greater, fuzzy].iter().all(|count| *count <= 1) && less + greater <= 1;
        let is = |count| count == 1;
        known.then(|| Self { less: is(less), equal: is(equal) || is(fuzzy), greater: is(greater), fuzzy: is(fuzzy) })
    }
}

impl fmt::Display for Relation<'_> {
    /// As apk writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.tag.map(|tag| format!("@{tag}")).unwrap_or_default();
        write!(f, "{}{}{tag}", if self.conflict { "!" } else { "" }, self.name)?;
        let Some(Range { operator, version }) = self.versions else { return Ok(()) };
        let signs = [
            (operator.less, "<"),
            (operator.greater, ">"),
            (operator.fuzzy, "~"),
            (operator.equal && !operator.fuzzy, "="),
        ];
        signs.iter().filter(|(there, _)| *there).try_for_each(|(_, sign)| f.write_str(sign))?;
        f.write_str(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_read_and_written() {
        for text in [
            "a",
            "!a",
            "so:libc.musl-x86_64.so.1",
            "/bin/sh",
            "a=1",
            "a<1",
            "a>1-r0",
            "a<=1",
            "a>=1",
            "a~1.2",
            "a@edge",
            "a@edge>=1",
            "!a<2",
            "pc:x11>=1.0",
            "c++=1",
        ] {
            let written = Relation::parse(text).unwrap().to_string();
            assert_eq!(written.replace("<=", "=<").replace(">=", "=>"), text.replace("<=", "=<").replace(">=", "=>"));
        }
        assert_eq!(Relation::parse("a>=1@edge").unwrap(), Relation::parse("a@edge>=1").unwrap());
        assert_eq!(Relation::parse("a=~1").unwrap(), Relation::parse("a~1").unwrap());
        for wrong in ["", "!", "=1", "a=", "a==1", "a><Q1", "a@", "a@b c", "a@é", "a<>1"] {
            assert!(Relation::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_fit() {
        let fits = |relation, version| Relation::parse(relation).unwrap().fits(version);
        assert!(fits("a", None) && fits("a", Some("1")) && !fits("a=1", None) && !fits("a~1", None));
        assert!(fits("a=1", Some("1")) && !fits("a=1", Some("1-r0")));
        assert!(fits("a~1", Some("1.2-r3")) && !fits("a~1", Some("10")) && !fits("a~1.2", Some("1.3")));
        assert!(
            fits("a>1", Some("1.1"))
                && !fits("a>1", Some("1"))
                && fits("a>=1", Some("1"))
                && fits("a<1", Some("1_rc1"))
        );
        assert!(fits("a>~1.2", Some("1.2.5")) && fits("a>~1.2", Some("1.3")) && !fits("a>~1.2", Some("1.1")));
    }

    #[test]
    fn provided_names() {
        let all: Vec<_> = provided("a so:x=1 cmd:y=2-r0").collect();
        assert_eq!(all[0], Provided { name: "a", version: None });
        assert_eq!(all[2], Provided { name: "cmd:y", version: Some("2-r0") });
    }
}
