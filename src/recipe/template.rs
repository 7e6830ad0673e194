//! Tags with holes: `{suite}-{epoch:%Y%m%d}`.

use std::str::FromStr;

use crate::epoch::Epoch;

use super::words::Misfit;

/// A tag whose holes are filled when the image is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// What the holes of a [`Template`] are filled with.
#[derive(Clone, Copy, Debug)]
pub struct TemplateValues<'a> {
    /// `{name}`: the recipe's name.
    pub name: &'a str,
    /// `{suite}`: the suite, branch or release that packages come from, where the source has one.
    pub suite: Option<&'a str>,
    /// `{variant}`: the variant of the recipe that was chosen, if any.
    pub variant: Option<&'a str>,
    /// `{epoch}` and `{epoch:FORMAT}`: the image's one timestamp, as RFC 3339's date or in a strftime format, in UTC.
    pub epoch: Epoch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name,
    Suite,
    Variant,
    Epoch(String),
}

impl Template {
    /// Whether it has the hole `{suite}`.
    pub fn names_suite(&self) -> bool {
        self.pieces.contains(&Piece::Suite)
    }

    /// Whether it has the hole `{name}`.
    pub fn names_name(&self) -> bool {
        self.pieces.contains(&Piece::Name)
    }

    /// The tag with its holes filled, or nothing where a hole has no value: a tag with `{variant}` is left out of a
    /// build without one.
    ///
    /// The error is of what came out: a tag is a letter, digit or `_`, then letters, digits, `.`, `_` and `-`, at most
    /// 128 (OCI distribution spec, "Pulling manifests").
    pub fn expand(&self, values: &TemplateValues<'_>) -> Result<Option<String>, Misfit> {
        let mut tag = String::new();
        for piece in &self.pieces {
            let value = match piece {
                Piece::Text(text) => Some(text.as_str()),
                Piece::Name => Some(values.name),
                Piece::Suite => values.suite,
                Piece::Variant => values.variant,
                Piece::Epoch(format) => {
                    tag.push_str(&time(values.epoch, format).expect("the format was tried when it was read"));
                    continue;
                }
            };
            let Some(value) = value else { return Ok(None) };
            tag.push_str(value);
        }
        check_tag(&tag)?;
        Ok(Some(tag))
    }
}

impl FromStr for Template {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        let wrong = |expected: &str| Misfit::new(text, "a tag", expected);
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, hole) = rest.split_at(open);
            let Some((hole, after)) = hole[1..].split_once('}') else {
                return Err(wrong("a `}` for each `{`"));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(match hole.split_once(':').unwrap_or((hole, "")) {
                ("name", "") => Piece::Name,
                ("suite", "") => Piece::Suite,
                ("variant", "") => Piece::Variant,
                ("epoch", "") => Piece::Epoch("%Y%m%d".to_owned()),
                ("epoch", format) if time(Epoch::default(), format).is_some() => Piece::Epoch(format.to_owned()),
                ("epoch", _) => return Err(wrong("a format of strftime in `{epoch:...}`, such as `%Y%m%d`")),
                _ => {
                    return Err(wrong(
                        "only `{name}`, `{suite}`, `{variant}`, `{epoch}` and `{epoch:%Y%m%d}` in braces",
                    ));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let template = Self { pieces };
        // Holes with values that fit show whether the text around them does.
        let sample = TemplateValues { name: "n", suite: Some("s"), variant: Some("v"), epoch: Epoch::default() };
        template.expand(&sample).map_err(|misfit| wrong(&misfit.expected))?;
        Ok(template)
    }
}

fn time(epoch: Epoch, format: &str) -> Option<String> {
    epoch.format(format).ok()
}

fn check_tag(tag: &str) -> Result<(), Misfit> {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let later = |byte: u8| first(byte) || matches!(byte, b'.' | b'-');
    if tag.len() <= 128 && tag.bytes().next().is_some_and(first) && tag.bytes().all(later) {
        return Ok(());
    }
    let expected = "a letter, digit or `_`, then letters, digits, `.`, `_` and `-`, at most 128 in all";
    Err(Misfit::new(tag, "a tag", expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, variant: Option<&str>) -> Option<String> {
        let epoch = Epoch::from_seconds(1_700_000_000);
        let values = TemplateValues { name: "base", suite: Some("trixie"), variant, epoch };
        text.parse::<Template>().unwrap().expand(&values).unwrap()
    }

    #[test]
    fn holes_are_filled() {
        assert_eq!(expand("13", None).as_deref(), Some("13"));
        assert_eq!(expand("{suite}-{epoch:%Y%m%d}", None).as_deref(), Some("trixie-20231114"));
        assert_eq!(expand("{name}.{epoch}", None).as_deref(), Some("base.20231114"));
        assert_eq!(expand("13-{variant}", Some("debug")).as_deref(), Some("13-debug"));
        assert_eq!(expand("13-{variant}", None), None);
    }

    #[test]
    fn what_cannot_be_a_tag_is_refused_when_read() {
        for wrong in
            ["", "a/b", "name:tag", "{suite", "{date}", "{epoch:%Q!}", "{epoch:%H:%M}", "-{suite}", "{suite:x}"]
        {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_that_make_no_tag_are_refused() {
        let values = TemplateValues { name: "a/b", suite: None, variant: None, epoch: Epoch::default() };
        assert!("{name}".parse::<Template>().unwrap().expand(&values).is_err());
    }
}
