//! Versions of Debian packages, ordered exactly as dpkg orders them.
//!
//! deb-version(7): `[epoch:]upstream[-revision]`. In upstream version and revision, runs of non-digits and of digits take
//! turns; `~` sorts before everything, the end included; letters sort before other characters; numbers by their value.

use std::cmp::Ordering;
use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

/// A version, borrowed from the text that names it. Two that dpkg holds for equal (`1.0` and `1.00-0`) are equal.
#[derive(Clone, Copy)]
pub struct Version<'a>(&'a str);

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("`{text}` is not a Debian version: {reason}")]
#[diagnostic(help("a version looks like `1:2.3-4`: an optional epoch and colon, then one that starts with a digit"))]
pub struct ParseVersionError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl<'a> Version<'a> {
    /// Reads a version by dpkg's rules (what `dpkg --validate-version` takes).
    pub fn parse(text: &'a str) -> Result<Self, ParseVersionError> {
        check(text).map(|()| Self(text)).map_err(|reason| ParseVersionError { text: text.to_owned(), reason })
    }

    /// A version from an index, which apt does not check either. Any text has its place in the order.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The version as it is written.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The version without its epoch, as it stands in the names of `.deb` files.
    pub fn without_epoch(self) -> &'a str {
        self.0.split_once(':').map_or(self.0, |(_, rest)| rest)
    }

    fn parts(self) -> (&'a str, &'a str, &'a str) {
        let (epoch, rest) = self.0.split_once(':').unwrap_or(("", self.0));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0 == other.0 {
            return Ordering::Equal;
        }
        let (epoch, upstream, revision) = self.parts();
        let (other_epoch, other_upstream, other_revision) = other.parts();
        compare_numbers(epoch.as_bytes(), other_epoch.as_bytes())
            .then_with(|| compare_parts(upstream.as_bytes(), other_upstream.as_bytes()))
            .then_with(|| compare_parts(revision.as_bytes(), other_revision.as_bytes()))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version<'_> {}

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    let rest = match text.split_once(':') {
        None => text,
        Some(("", _)) => return Err("the epoch before the colon is empty"),
        Some((epoch, rest)) => {
            if !epoch.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("the epoch before the colon is not a number");
            }
            epoch.parse::<i32>().map_err(|_| "the epoch before the colon is too large")?;
            rest
        }
    };
    let (upstream, revision) = match rest.rsplit_once('-') {
        None => (rest, None),
        Some((upstream, revision)) => (upstream, Some(revision)),
    };
    if upstream.is_empty() {
        return Err("there is no upstream version");
    }
    if revision == Some("") {
        return Err("the revision after the last `-` is empty");
    }
    if !upstream.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("it does not start with a digit");
    }
    if !upstream.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+~:".contains(&byte)) {
        return Err("the upstream version has a character that is none of letters, digits and `.-+~:`");
    }
    if !revision.unwrap_or_default().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+~".contains(&byte)) {
        return Err("the revision has a character that is none of letters, digits and `.+~`");
    }
    Ok(())
}

fn compare_parts(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_word, left_rest) = split_at_first(left, |byte| byte.is_ascii_digit());
        let (right_word, right_rest) = split_at_first(right, |byte| byte.is_ascii_digit());
        let (left_number, left_end) = split_at_first(left_rest, |byte| !byte.is_ascii_digit());
        let (right_number, right_end) = split_at_first(right_rest, |byte| !byte.is_ascii_digit());
        let order = compare_words(left_word, right_word).then_with(|| compare_numbers(left_number, right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_end, right_end);
    }
    Ordering::Equal
}

fn split_at_first(bytes: &[u8], stop: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(stop).unwrap_or(bytes.len()))
}

/// Compares runs of non-digits; the shorter one goes on with ends, which weigh 0.
fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    let weight = |word: &[u8], index: usize| word.get(index).map_or(0, |byte| weight(*byte));
    (0..left.len().max(right.len()))
        .map(|index| weight(left, index).cmp(&weight(right, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        _ if byte.is_ascii_alphabetic() => i32::from(byte),
        _ => i32::from(byte) + 256,
    }
}

/// Compares numbers of any length by their value; no digits are 0.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_at_first(left, |byte| *byte != b'0');
    let (_, right) = split_at_first(right, |byte| *byte != b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checked against `dpkg --compare-versions`.
    const TABLE: &[(&str, char, &str)] = &[
        ("1.0", '=', "1.0"),
        ("1.0", '<', "1.1"),
        ("1.0", '<', "1.0.1"),
        ("1.0", '=', "1.0-0"),
        ("1.0", '=', "0:1.0"),
        ("1.0", '=', "1.00"),
        ("1.0", '<', "1.0-1"),
        ("1.0-1", '<', "1.0-1.1"),
        ("1.0-1", '<', "1.0-2"),
        ("1.0-9", '<', "1.0-10"),
        ("1.9", '<', "1.10"),
        ("1.09", '=', "1.9"),
        ("1:0.1", '>', "9.9"),
        ("1:1", '<', "2:0"),
        ("10:1", '>', "9:1"),
        ("00:1", '=', "1"),
        ("1.0~rc1", '<', "1.0"),
        ("1.0~rc1", '<', "1.0~rc2"),
        ("1.0~~", '<', "1.0~"),
        ("1.0~~a", '<', "1.0~"),
        ("1.0~", '<', "1.0"),
        ("1.0~", '<', "1.0-0"),
        ("1.0-1~bpo12+1", '<', "1.0-1"),
        ("1.0-1~deb12u1", '<', "1.0-1"),
        ("1.0-1+deb12u1", '>', "1.0-1"),
        ("1.0-1+deb12u1", '<', "1.0-1+deb12u2"),
        ("1.0-1+deb12u9", '<', "1.0-1+deb12u10"),
        ("1.0-1+b1", '>', "1.0-1"),
        ("1.0-1+b1", '<', "1.0-1.1"),
        ("1.0-1+b1", '<', "1.0-1+deb12u1"),
        ("1.0a", '>', "1.0"),
        ("1.0a", '<', "1.0b"),
        ("1.0A", '<', "1.0a"),
        ("1.0Z", '<', "1.0a"),
        ("1.0a", '<', "1.0+"),
        ("1.0a", '<', "1.0."),
        ("1.0+", '>', "1.0-1+"),
        ("1.0+a", '<', "1.0.a"),
        ("1.0.", '>', "1.0+"),
        ("1.0.a", '>', "1.0.1"),
        ("1a2", '<', "1a10"),
        ("1a2b", '>', "1a2"),
        ("1a2b", '<', "1a2c"),
        ("2.0", '>', "1.99999999999999999999999999999999"),
        ("18446744073709551616", '>', "18446744073709551615"),
        ("99999999999999999999999999", '<', "100000000000000000000000000"),
        ("000000000000000000000000001", '=', "1"),
        ("1.2.3-4-5", '>', "1.2.3-4-4"),
        ("1.2.3-4-5", '>', "1.2.3-5"),
        ("1-1-1", '>', "1-1"),
        ("1.0+dfsg", '>', "1.0"),
        ("1.0+dfsg1", '<', "1.0+ds1"),
        ("1.0+git20240101", '>', "1.0+git2023"),
        ("2.36-9+deb12u13", '<', "2.41-12"),
        ("1:9.2p1-2+deb12u7", '<', "1:10.0p1-7"),
        ("252.39-1~deb12u1", '<', "252.39-1"),
        ("5.36.0-7", '<', "5.40.1-6"),
        ("3.0.17-1~deb12u2", '<', "3.5.1-1"),
        ("0", '=', "0-0"),
        ("0", '<', "0a"),
        ("0~", '<', "0"),
        ("1.1", '<', "1.1.0"),
        ("1.", '=', "1.0"),
        ("1.a", '<', "1.+"),
        ("1:2:3", '>', "1:2"),
        ("1-0~", '<', "1"),
        ("1.0-a", '<', "1.0-a0a"),
        ("20240101", '<', "20240101.1"),
        ("7.88.1-10+deb12u12", '>', "7.88.1-10+deb12u8"),
        ("2:1.0", '>', "1:99"),
    ];

    #[test]
    fn order_is_dpkgs() {
        for (left, order, right) in TABLE {
            let expected = match order {
                '<' => Ordering::Less,
                '>' => Ordering::Greater,
                _ => Ordering::Equal,
            };
            let (left, right) = (Version::parse(left).unwrap(), Version::parse(right).unwrap());
            assert_eq!(left.cmp(&right), expected, "{left} {right}");
            assert_eq!(right.cmp(&left), expected.reverse(), "{right} {left}");
        }
    }

    #[test]
    fn texts_that_are_no_versions() {
        for wrong in [
            "",
            " 1",
            "1 ",
            "a",
            "a1",
            ":1",
            "1:",
            "x:1",
            "-1:1",
            "+1:1",
            "1-",
            "-1",
            "1_2",
            "1.0-1_2",
            "1:-1",
            "é",
            "1é",
            "2147483648:1",
            "99999999999999999999:1",
            "1/2",
            "1:a",
            "1.0-1:1",
            "~1",
        ] {
            assert!(Version::parse(wrong).is_err(), "{wrong}");
        }
        for right in ["0", "1-1", "1:2:3-4", "1.0+~-~", "2147483647:1", "1-a"] {
            assert!(Version::parse(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn names_of_files_have_no_epoch() {
        assert_eq!(Version::new("1:2.3-4").without_epoch(), "2.3-4");
        assert_eq!(Version::new("2.3-4").without_epoch(), "2.3-4");
    }
}
