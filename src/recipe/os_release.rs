//! `[os-release]`: what the image says it is (os-release(5)).

use std::collections::BTreeMap;

use super::fields::Fields;
use super::mistake::{Mistake, nearest};
use super::shape::{ANY, Shape};
use super::words::Misfit;

/// The keys that os-release(5) describes, in its order, each with what it may hold.
const KNOWN: &[(&str, Form)] = &[
    ("NAME", Form::Text),
    ("ID", Form::Word),
    ("ID_LIKE", Form::Words),
    ("PRETTY_NAME", Form::Text),
    ("CPE_NAME", Form::Cpe),
    ("VARIANT", Form::Text),
    ("VARIANT_ID", Form::Word),
    ("VERSION", Form::Text),
    ("VERSION_ID", Form::Word),
    ("VERSION_CODENAME", Form::Word),
    ("BUILD_ID", Form::Word),
    ("IMAGE_ID", Form::Word),
    ("IMAGE_VERSION", Form::Word),
    ("RELEASE_TYPE", Form::OneOf(&["stable", "lts", "development", "experiment"])),
    ("EXPERIMENT", Form::Text),
    ("EXPERIMENT_URL", Form::Url),
    ("HOME_URL", Form::Url),
    ("DOCUMENTATION_URL", Form::Url),
    ("SUPPORT_URL", Form::Url),
    ("BUG_REPORT_URL", Form::Url),
    ("PRIVACY_POLICY_URL", Form::Url),
    ("SUPPORT_END", Form::Date),
    ("LOGO", Form::Text),
    ("ANSI_COLOR", Form::Color),
    ("VENDOR_NAME", Form::Text),
    ("VENDOR_URL", Form::Url),
    ("DEFAULT_HOSTNAME", Form::Text),
    ("ARCHITECTURE", Form::Word),
    ("SYSEXT_LEVEL", Form::Word),
    ("CONFEXT_LEVEL", Form::Word),
    ("SYSEXT_SCOPE", Form::Words),
    ("CONFEXT_SCOPE", Form::Words),
    ("PORTABLE_PREFIXES", Form::Text),
    ("PORTABLE_SCOPE", Form::Words),
];

/// What a key may hold.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// Small letters, digits, `.`, `_` and `-`.
    Word,
    /// Such words with spaces between them.
    Words,
    OneOf(&'static [&'static str]),
    Url,
    Date,
    Cpe,
    Color,
}

/// Any key: one of the known ones, or of a name of the distribution's own.
const NAME: super::shape::Text = super::shape::Text { what: "a key of os-release(5)", check: check_name };

pub(super) const SHAPE: Shape = Shape::Map { key: NAME, value: ANY };

/// The table, as a key of the recipe.
pub(super) const ABOUT: &str =
    "what /etc/os-release says: `ID`, `NAME`, `VERSION_ID`, ...; an empty text takes a key out";

/// Reads the `[os-release]` under `key`: the values by their keys; an empty one takes the key out.
pub(super) fn read(fields: &mut Fields<'_>, key: &'static str) -> BTreeMap<String, String> {
    let places = fields.places_in(key);
    let values = fields.map(key);
    let prefix = values.get("ID").map(|id| format!("{}_", id.to_ascii_uppercase().replace(['-', '.'], "_")));
    for (name, value) in &values {
        let mistake = match KNOWN.iter().find(|(known, _)| known == name) {
            Some((_, form)) => form.mistake(name, value),
            None if prefix.as_ref().is_some_and(|prefix| name.starts_with(prefix)) => Form::Text.mistake(name, value),
            None => {
                let expected =
                    "a key of os-release(5), or one of your own that starts with your `ID`, such as `ACME_EDITION`";
                let nearest = nearest(name, KNOWN.iter().map(|(known, _)| *known));
                let misfit = Misfit::new(name, "a key of os-release(5)", expected);
                Some(Mistake::Form { key: key.to_owned(), misfit, nearest })
            }
        };
        if let Some(mistake) = mistake {
            fields.error(places.get(name).copied(), mistake);
        }
    }
    values
}

/// The place of a key in the order of os-release(5); keys of a distribution's own come last.
pub fn os_release_order(name: &str) -> usize {
    KNOWN.iter().position(|(known, _)| *known == name).unwrap_or(KNOWN.len())
}

impl Form {
    fn mistake(self, name: &str, value: &str) -> Option<Mistake> {
        self.misfit(value).map(|misfit| Mistake::Form { key: name.to_owned(), misfit, nearest: None })
    }

    fn misfit(self, value: &str) -> Option<Misfit> {
        let wrong = |what, expected: &str| Some(Misfit::new(value, what, expected));
        if value.is_empty() {
            return None;
        }
        if value.chars().any(char::is_control) {
            return wrong("a text", "a text of one line, without control characters");
        }
        let of_word =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(of_word);
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Text => None,
            Self::Word if is_word(value) => None,
            Self::Word => wrong("a word", "small letters, digits, `.`, `_` and `-`"),
            Self::Words if value.split(' ').all(is_word) => None,
            Self::Words => {
                wrong("words", "words of small letters, digits, `.`, `_` and `-`, with a space between them")
            }
            Self::OneOf(known) if known.contains(&value) => None,
            Self::OneOf(known) => wrong("a word known here", &format!("one of {}", super::mistake::quoted(known))),
            Self::Url => {
                let scheme = value.split_once(':').map(|(scheme, rest)| (scheme, !rest.is_empty()));
                let named = |scheme: &str| scheme.starts_with(|c: char| c.is_ascii_alphabetic());
                let fits = scheme.is_some_and(|(scheme, rest)| rest && named(scheme)) && !value.contains(' ');
                if fits { None } else { wrong("a URL", "a whole URL, such as `https://www.example.com/`") }
            }
            Self::Date => {
                let parts: Vec<&str> = value.split('-').collect();
                let fits = matches!(parts.as_slice(), [y, m, d] if digits(y, 4) && digits(m, 2) && digits(d, 2))
                    && value.parse::<jiff::civil::Date>().is_ok();
                if fits { None } else { wrong("a day", "year, month and day, such as `2030-06-30`") }
            }
            Self::Cpe if value.starts_with("cpe:/") || value.starts_with("cpe:2.3:") => None,
            Self::Cpe => wrong("a CPE name", "`cpe:2.3:o:...`, or `cpe:/o:...`"),
            Self::Color if value.bytes().all(|byte| byte.is_ascii_digit() || byte == b';') => None,
            Self::Color => wrong("a colour", "numbers of ECMA-48 with `;` between them, such as `1;31`"),
        }
    }
}

fn check_name(found: &str) -> Result<(), Misfit> {
    let first = found.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    if first && found.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        return Ok(());
    }
    Err(Misfit::new(
        found,
        "a key of os-release(5)",
        "its own form, in capital letters: `ID`, `VERSION_ID`, `PRETTY_NAME`",
    ))
}
