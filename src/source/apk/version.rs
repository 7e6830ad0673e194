//! Versions as apk-tools 3 compares them (its `src/version.c`): `1.2.3a_rc1_git20240101~0a1b2c-r4`.

use std::cmp::Ordering;

/// A version's text, as packages and relations have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a>(&'a str);

/// The kinds of parts, in the order in which they may follow each other. Where two versions go on with different kinds,
/// the one whose kind comes later here is the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    FirstNumber,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Commit,
    Revision,
    End,
    Wrong,
}

/// A part of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    kind: Kind,
    text: &'a str,
    /// The rank of a suffix; below [`NO_SUFFIX`] for what comes before a release.
    suffix: usize,
}

/// The suffixes in their order; those before the empty one come before the release itself.
const SUFFIXES: [&str; 10] = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"];
const NO_SUFFIX: usize = 4;

impl<'a> Version<'a> {
    /// Reads nothing yet: a text that is no version compares as one up to where it is wrong.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Whether the text is a version by all rules.
    pub fn is_valid(self) -> bool {
        let mut parts = Parts::new(self.0);
        loop {
            match parts.next().kind {
                Kind::End => return true,
                Kind::Wrong => return false,
                _ => {}
            }
        }
    }

    /// Whether the version begins with `other`, as `~` asks: `1.2.3-r4` begins with `1.2`, `1.2.3` and `1.2.3-r4`.
    pub fn begins_with(self, other: Self) -> bool {
        compare(self, other, true) == Ordering::Equal
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(compare(*self, *other, false))
    }
}

/// Compares two versions; with `prefix`, all that follows the end of `right` is passed over.
fn compare(left: Version<'_>, right: Version<'_>, prefix: bool) -> Ordering {
    let (mut lefts, mut rights) = (Parts::new(left.0), Parts::new(right.0));
    loop {
        let (left, right) = (lefts.next(), rights.next());
        if left.kind != right.kind || left.kind >= Kind::End {
            return end(left, right, prefix);
        }
        let order = compare_parts(left, right);
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// What counts where one version ends, or goes on in another way than the other.
fn end(left: Part<'_>, right: Part<'_>, prefix: bool) -> Ordering {
    if left.kind == right.kind || (prefix && right.kind == Kind::End) {
        return Ordering::Equal;
    }
    if left.kind == Kind::Suffix && left.suffix < NO_SUFFIX {
        return Ordering::Less;
    }
    if right.kind == Kind::Suffix && right.suffix < NO_SUFFIX {
        return Ordering::Greater;
    }
    right.kind.cmp(&left.kind)
}

fn compare_parts(left: Part<'_>, right: Part<'_>) -> Ordering {
    match left.kind {
        // A number with a leading zero is the fraction of one: 1.05 comes before 1.1.
        Kind::Number if left.text.starts_with('0') || right.text.starts_with('0') => left.text.cmp(right.text),
        Kind::FirstNumber | Kind::Number | Kind::SuffixNumber | Kind::Revision => {
            let (left, right) = (left.text.trim_start_matches('0'), right.text.trim_start_matches('0'));
            (left.len(), left).cmp(&(right.len(), right))
        }
        Kind::Suffix => left.suffix.cmp(&right.suffix),
        _ => left.text.cmp(right.text),
    }
}

/// Reads parts one after the other; gives [`Kind::End`] or [`Kind::Wrong`] for ever at the end.
struct Parts<'a> {
    rest: &'a str,
    last: Option<Kind>,
}

impl<'a> Parts<'a> {
    fn new(rest: &'a str) -> Self {
        Self { rest, last: None }
    }

    fn next(&mut self) -> Part<'a> {
        let part = self.read();
        self.last = Some(part.kind);
        part
    }

    fn read(&mut self) -> Part<'a> {
        let plain = |kind, text| Part { kind, text, suffix: NO_SUFFIX };
        let wrong = plain(Kind::Wrong, "");
        let Some(last) = self.last else {
            let digits = self.take(|c| c.is_ascii_digit());
            return if digits.is_empty() { wrong } else { plain(Kind::FirstNumber, digits) };
        };
        let Some(first) = self.rest.chars().next().filter(|_| last < Kind::End) else {
            return if last == Kind::Wrong { wrong } else { plain(Kind::End, "") };
        };
        match first {
            'a'..='z' if last <= Kind::Number => plain(Kind::Letter, self.take_one()),
            '.' if last <= Kind::Number => {
                self.take_one();
                let digits = self.take(|c| c.is_ascii_digit());
                if digits.is_empty() { wrong } else { plain(Kind::Number, digits) }
            }
            '_' if last <= Kind::SuffixNumber => {
                self.take_one();
                let word = self.take(|c| c.is_ascii_lowercase());
                match SUFFIXES.iter().position(|known| *known == word) {
                    Some(suffix) if suffix != NO_SUFFIX => Part { kind: Kind::Suffix, text: word, suffix },
                    _ => wrong,
                }
            }
            '0'..='9' if last == Kind::Suffix => plain(Kind::SuffixNumber, self.take(|c| c.is_ascii_digit())),
            '~' if last < Kind::Commit => {
                self.take_one();
                let hash = self.take(|c| c.is_ascii_hexdigit());
                if hash.is_empty() { wrong } else { plain(Kind::Commit, hash) }
            }
            '-' if last < Kind::Revision && self.rest.starts_with("-r") => {
                self.rest = &self.rest[2..];
                let digits = self.take(|c| c.is_ascii_digit());
                if digits.is_empty() { wrong } else { plain(Kind::Revision, digits) }
            }
            _ => wrong,
        }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// One character, which the caller has seen to be ASCII.
    fn take_one(&mut self) -> &'a str {
        let (taken, rest) = self.rest.split_at(1);
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(left: &str, right: &str) -> Ordering {
        Version::new(left).partial_cmp(&Version::new(right)).unwrap()
    }

    #[test]
    fn versions_are_ordered() {
        let rising = [
            "0.1_alpha",
            "0.1_alpha2",
            "0.1_beta1",
            "0.1_pre1",
            "0.1_rc1",
            "0.1_rc1_git20240101",
            "0.1_rc2",
            "0.1",
            "0.1-r1",
            "0.1-r10",
            "0.1_cvs1",
            "0.1_git20240101",
            "0.1_p1",
            "0.1_p1_git3",
            "0.1_p2",
            "0.1a",
            "0.1b",
            "0.1.1",
            "0.2",
            "0.10",
            "1.0",
            "1.05",
            "1.1",
            "1.10",
            "2",
            "10",
            "20240101",
        ];
        for (place, left) in rising.iter().enumerate() {
            assert!(Version::new(left).is_valid(), "{left}");
            for (other, right) in rising.iter().enumerate() {
                assert_eq!(order(left, right), place.cmp(&other), "{left} and {right}");
            }
        }
    }

    #[test]
    fn equal_versions_are_equal() {
        for (left, right) in [("1.2.3-r4", "1.2.3-r4"), ("01", "1"), ("1_p01", "1_p1"), ("1-r01", "1-r1")] {
            assert_eq!(order(left, right), Ordering::Equal);
        }
        assert_ne!(order("1.0", "1.00"), Ordering::Equal);
    }

    #[test]
    fn commits_follow_what_they_are_on() {
        assert_eq!(order("1.0~abc", "1.0"), Ordering::Greater.reverse().reverse());
        assert_eq!(order("1.0~abc-r1", "1.0~abc-r2"), Ordering::Less);
        assert!(Version::new("1.0~abc-r1").is_valid());
    }

    #[test]
    fn prefixes() {
        for prefix in ["1", "1.2", "1.2.3", "1.2.3a", "1.2.3a_rc", "1.2.3a_rc1", "1.2.3a_rc1-r4"] {
            assert!(Version::new("1.2.3a_rc1-r4").begins_with(Version::new(prefix)), "{prefix}");
        }
        for other in ["2", "1.3", "1.2.30", "1.2.3b", "1.2.3a_rc2", "1.2.3a_rc1-r40", "1.2.3a_rc1-r4_p1"] {
            assert!(!Version::new("1.2.3a_rc1-r4").begins_with(Version::new(other)), "{other}");
        }
        assert!(!Version::new("1.2").begins_with(Version::new("1.2.3")));
    }

    #[test]
    fn what_is_no_version() {
        for wrong in
            ["", "a", "1..2", "1.", "1_", "1_foo", "1-1", "1-r", "1-r1.2", "1aa", "1 ", "1-r1_p1", "v1", "1.2é"]
        {
            assert!(!Version::new(wrong).is_valid(), "{wrong}");
            assert_eq!(order(wrong, wrong), Ordering::Equal);
        }
    }

    #[test]
    fn numbers_may_be_longer_than_machines_count() {
        assert_eq!(order("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
    }
}
