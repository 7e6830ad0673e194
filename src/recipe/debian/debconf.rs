//! `debconf` of `[from.debian]`: answers that packages find when they are configured.

use std::fmt;
use std::str::FromStr;

use crate::recipe::value::Item;
use crate::recipe::words::Misfit;

/// An answer in a line, as debconf-set-selections(1) takes it: owner, question, type and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebconfAnswer(String);

/// The types of questions (debconf-devel(7)), and `seen`, which sets whether one counts as asked.
const TYPES: [&str; 10] =
    ["string", "boolean", "select", "multiselect", "note", "text", "password", "title", "error", "seen"];

impl DebconfAnswer {
    /// The line, without a line feed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The question: `tzdata/Areas`.
    pub fn question(&self) -> &str {
        self.0.split_ascii_whitespace().nth(1).unwrap_or_default()
    }
}

impl FromStr for DebconfAnswer {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let wrong = |expected: &str| Err(Misfit::new(found, "an answer to a question of debconf", expected));
        let mut words = found.trim_ascii_start().splitn(2, [' ', '\t']);
        let owner = words.next().unwrap_or_default();
        let (question, rest) = word(words.next().unwrap_or_default());
        let (kind, value) = word(rest);
        if found.chars().any(|character| character.is_control() && character != '\t') || found.ends_with('\\') {
            return wrong(
                "one line, without line feeds and without `\\` at its end: each answer is a string of its own",
            );
        }
        if owner.is_empty() || owner.starts_with('#') || !question.contains('/') || kind.is_empty() {
            return wrong("owner, question, type and value, such as `tzdata tzdata/Areas select Europe`");
        }
        if !TYPES.contains(&kind) {
            return wrong(&format!("one of the types {} after the question", TYPES.join(", ")));
        }
        if ["boolean", "seen"].contains(&kind) && !["true", "false"].contains(&value) {
            return wrong(&format!("`true` or `false` after `{kind}`"));
        }
        if kind == "password" && !value.is_empty() {
            let shown = format!("{owner} {question} {kind} ...");
            let expected = "no password: debconf would keep it in the image, in `/var/cache/debconf/passwords.dat`; set \
                            it where the image runs, or in a `[[run]]` step with a secret";
            return Err(Misfit::new(&shown, "an answer for an image", expected));
        }
        Ok(Self(format!("{owner} {question} {kind} {value}")))
    }
}

/// Whether an answer is to the question of `name`: `tzdata tzdata/Areas`.
pub(super) fn is_answer(item: &Item, name: &str) -> bool {
    let question = |text: &str| text.split_ascii_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    item.value.as_text().is_some_and(|text| question(text) == question(name))
}

/// The first word, and what is after the one blank that ends it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_ascii_start();
    text.split_once([' ', '\t']).unwrap_or((text, ""))
}

impl fmt::Display for DebconfAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_four_parts() {
        let answer = |text: &str| text.parse::<DebconfAnswer>();
        for (text, line) in [
            ("tzdata tzdata/Areas select Europe", "tzdata tzdata/Areas select Europe"),
            ("tzdata\ttzdata/Zones/Europe \t select Berlin", "tzdata tzdata/Zones/Europe select Berlin"),
            ("locales locales/default select ", "locales locales/default select "),
            ("a a/b string  two  blanks", "a a/b string  two  blanks"),
            ("a a/b note", "a a/b note "),
            ("a a/b seen false", "a a/b seen false"),
            ("mysql-server mysql/root password ", "mysql-server mysql/root password "),
        ] {
            assert_eq!(answer(text).unwrap().as_str(), line);
        }
        assert_eq!(answer("  tzdata tzdata/Areas select Europe").unwrap().question(), "tzdata/Areas");
        for wrong in [
            "",
            "tzdata",
            "tzdata tzdata/Areas",
            "tzdata Areas select Europe",
            "tzdata tzdata/Areas selekt Europe",
            "# tzdata tzdata/Areas select Europe",
            "a a/b boolean yes",
            "a a/b string x\nc c/d string y",
            "a a/b string x\\",
        ] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
        let secret = answer("mysql mysql/root password hunter2").unwrap_err();
        assert!(!format!("{secret} {}", secret.expected).contains("hunter2"), "{secret}");
    }
}
