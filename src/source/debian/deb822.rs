//! Control files: the `Field: value` paragraphs of `Packages`, `Release`, `control` and `.sources`.
//!
//! The format is deb822(5). Names compare without regard to ASCII case; a value goes on in lines that start with a space
//! or a tab; an empty line ends a paragraph. Everything here borrows from the text: reading an index of 50 MB allocates
//! nothing a field.

use miette::Diagnostic;
use thiserror::Error;

/// Longest name of a field, in bytes.
const NAME_LIMIT: usize = 128;
/// Most fields of one paragraph.
const FIELD_LIMIT: usize = 1024;

/// What can be wrong with a control file. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum Deb822Error {
    /// The bytes are not text.
    #[error("not UTF-8 at byte {offset}")]
    #[diagnostic(help("control files are UTF-8 text; this one is damaged or compressed"))]
    NotUtf8 {
        /// The first byte that belongs to no character.
        offset: usize,
    },
    /// A line has no colon.
    #[error("line {line}: expected `Field: value`, found `{found}`")]
    #[diagnostic(help("a line that continues a value starts with a space"))]
    NoColon {
        /// Where.
        line: usize,
        /// The start of the line.
        found: String,
    },
    /// What stands before a colon is no field name.
    #[error("line {line}: `{found}` is not a field name")]
    #[diagnostic(help("a field name is printable ASCII without spaces, and does not start with `-` or `#`"))]
    BadName {
        /// Where.
        line: usize,
        /// The start of the line.
        found: String,
    },
    /// A continuation line with no field before it.
    #[error("line {line}: continues a value, but no field comes before it")]
    #[diagnostic(help("a line that starts with a space belongs to the field above it"))]
    NoField {
        /// Where.
        line: usize,
    },
    /// A field is there twice.
    #[error("line {line}: the field `{name}` is there a second time in one paragraph")]
    #[diagnostic(help("keep one of the two"))]
    Twice {
        /// Where the second is.
        line: usize,
        /// Its name.
        name: String,
    },
    /// A paragraph has too many fields.
    #[error("line {line}: the paragraph has more than {FIELD_LIMIT} fields")]
    #[diagnostic(help("no real control file is like this; this one is damaged or hostile"))]
    TooManyFields {
        /// Where the count went over.
        line: usize,
    },
    /// One paragraph was wanted.
    #[error("expected one paragraph, found {found}")]
    #[diagnostic(help("paragraphs are separated by empty lines; this file has exactly one"))]
    NotOne {
        /// How many there are; 2 stands for more too.
        found: usize,
    },
}

/// The value of a field as it stands in the file: the first line without the spaces around it, and the lines after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// The value with line breaks and the spaces that start its lines, without spaces at both ends.
    pub fn raw(self) -> &'a str {
        self.0
    }

    /// Its lines, trimmed, comments and empty lines left out.
    pub fn lines(self) -> impl Iterator<Item = &'a str> {
        self.0.lines().filter(|line| !line.starts_with('#')).map(str::trim).filter(|line| !line.is_empty())
    }

    /// Its words, those of all lines.
    pub fn words(self) -> impl Iterator<Item = &'a str> {
        self.lines().flat_map(str::split_ascii_whitespace)
    }
}

/// What a [`Lexer`] finds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A field.
    Field {
        /// Its name as written.
        name: &'a str,
        /// Its value.
        value: Value<'a>,
        /// The line it starts in, from 1.
        line: usize,
    },
    /// A paragraph that had fields is over. The last one's end is told too.
    End,
}

/// Reads a control file field by field. After an error it has nothing more to say.
pub struct Lexer<'a> {
    text: &'a str,
    position: usize,
    line: usize,
    open: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of `text`. Lines that start with `#` are comments.
    pub fn new(text: &'a str) -> Self {
        Self { text, position: 0, line: 0, open: false }
    }

    /// The byte offset just after the last token.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The line at `position` and the offset of the next one.
    fn line_at(&self, position: usize) -> Option<(&'a str, usize)> {
        let rest = &self.text.as_bytes()[position..];
        if rest.is_empty() {
            return None;
        }
        let (end, next) = memchr::memchr(b'\n', rest).map_or((rest.len(), rest.len()), |end| (end, end + 1));
        Some((&self.text[position..position + end], position + next))
    }

    /// Nothing more comes.
    fn end(&mut self) {
        self.position = self.text.len();
        self.open = false;
    }

    fn step(&mut self) -> Result<Option<Token<'a>>, Deb822Error> {
        while let Some((line, next)) = self.line_at(self.position) {
            self.line += 1;
            let start = self.position;
            self.position = next;
            match line.as_bytes().first() {
                Some(b'#') => {}
                Some(b' ' | b'\t') if !is_blank(line) => return Err(Deb822Error::NoField { line: self.line }),
                None | Some(b' ' | b'\t' | b'\r') => {
                    if std::mem::take(&mut self.open) {
                        return Ok(Some(Token::End));
                    }
                }
                Some(_) => return self.field(line, start).map(Some),
            }
        }
        Ok(std::mem::take(&mut self.open).then_some(Token::End))
    }

    fn field(&mut self, line: &'a str, start: usize) -> Result<Token<'a>, Deb822Error> {
        let number = self.line;
        let colon = memchr::memchr(b':', line.as_bytes())
            .ok_or_else(|| Deb822Error::NoColon { line: number, found: excerpt(line) })?;
        let name = &line[..colon];
        if !is_field_name(name) {
            return Err(Deb822Error::BadName { line: number, found: excerpt(line) });
        }
        // Comments belong to a value where it goes on after them.
        let (mut ahead, mut lines) = (self.position, 0);
        while let Some((line, next)) = self.line_at(ahead) {
            lines += 1;
            match line.as_bytes().first() {
                Some(b' ' | b'\t') if !is_blank(line) => {
                    self.line += std::mem::take(&mut lines);
                    self.position = next;
                }
                Some(b'#') => {}
                _ => break,
            }
            ahead = next;
        }
        self.open = true;
        let value = Value(self.text[start + colon + 1..self.position].trim_ascii());
        Ok(Token::Field { name, value, line: number })
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Result<Token<'a>, Deb822Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.step();
        if result.is_err() {
            self.end();
        }
        result.transpose()
    }
}

/// One paragraph: its fields in their order, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paragraph<'a> {
    fields: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Paragraph<'a> {
    /// Reads a text that has exactly one paragraph.
    pub fn parse(text: &'a str) -> Result<Self, Deb822Error> {
        let mut all = paragraphs(text);
        let first = all.next().ok_or(Deb822Error::NotOne { found: 0 })??;
        match all.next() {
            None => Ok(first),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) => Err(Deb822Error::NotOne { found: 2 }),
        }
    }

    /// The value of a field, by its name in any case.
    pub fn field(&self, name: &str) -> Option<Value<'a>> {
        self.fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// All fields, in the order of the file.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + '_ {
        self.fields.iter().copied()
    }
}

/// The paragraphs of a text, in order. After an error nothing more comes.
pub fn paragraphs(text: &str) -> impl Iterator<Item = Result<Paragraph<'_>, Deb822Error>> {
    let mut lexer = Lexer::new(text);
    std::iter::from_fn(move || {
        let paragraph = next_paragraph(&mut lexer);
        if paragraph.is_err() {
            lexer.end();
        }
        paragraph.transpose()
    })
}

/// The text that bytes hold, or where they stop to be text.
pub fn text(bytes: &[u8]) -> Result<&str, Deb822Error> {
    std::str::from_utf8(bytes).map_err(|error| Deb822Error::NotUtf8 { offset: error.valid_up_to() })
}

fn next_paragraph<'a>(lexer: &mut Lexer<'a>) -> Result<Option<Paragraph<'a>>, Deb822Error> {
    let mut paragraph = Paragraph::default();
    for token in lexer.by_ref() {
        let Token::Field { name, value, line } = token? else {
            return Ok(Some(paragraph));
        };
        if paragraph.field(name).is_some() {
            return Err(Deb822Error::Twice { line, name: name.to_owned() });
        }
        if paragraph.fields.len() == FIELD_LIMIT {
            return Err(Deb822Error::TooManyFields { line });
        }
        paragraph.fields.push((name, value));
    }
    Ok(None)
}

fn is_field_name(name: &str) -> bool {
    let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    printable && !name.is_empty() && name.len() <= NAME_LIMIT && !name.starts_with('-')
}

fn is_blank(line: &str) -> bool {
    line.trim_ascii().is_empty()
}

fn excerpt(line: &str) -> String {
    line.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_fields_and_folded_values() {
        let text = "\n\n# a comment\nPackage: a\nDepends: b,\n c (>= 1),\n# not part of it\n\td\nEmpty:\n\nPACKAGE:x\n \t \n\n";
        let all: Vec<_> = paragraphs(text).collect::<Result<_, _>>().unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].field("package").map(Value::raw), Some("a"));
        assert_eq!(all[0].field("depends").unwrap().lines().collect::<Vec<_>>(), ["b,", "c (>= 1),", "d"]);
        assert_eq!(all[0].field("Depends").unwrap().words().collect::<Vec<_>>(), ["b,", "c", "(>=", "1),", "d"]);
        assert_eq!(all[0].field("Empty").map(Value::raw), Some(""));
        assert_eq!(all[0].field("Missing"), None);
        assert_eq!(all[1].field("Package").map(Value::raw), Some("x"));
        assert_eq!(all[0].fields().map(|(name, _)| name).collect::<Vec<_>>(), ["Package", "Depends", "Empty"]);
    }

    #[test]
    fn no_newline_at_the_end_and_carriage_returns() {
        let one = Paragraph::parse("A: 1\r\nB: 2\r\n  3\r\n\r\n").unwrap();
        assert_eq!(one.field("A").map(Value::raw), Some("1"));
        assert_eq!(one.field("B").unwrap().words().collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(Paragraph::parse("A: 1").unwrap().field("a").map(Value::raw), Some("1"));
    }

    #[test]
    fn colons_in_values_stay() {
        let one = Paragraph::parse("Homepage: https://example.org/a:b\n").unwrap();
        assert_eq!(one.field("Homepage").map(Value::raw), Some("https://example.org/a:b"));
    }

    #[test]
    fn a_comment_between_paragraphs_belongs_to_none() {
        let all: Vec<_> = paragraphs("A: 1\n# end\n\nA: 2\n#\nB: 3\n").collect::<Result<_, _>>().unwrap();
        assert_eq!(all[0].field("A").map(Value::raw), Some("1"));
        assert_eq!(all[1].field("B").map(Value::raw), Some("3"));
        let one = Paragraph::parse("A: 1\n# two\n# lines\nB: 2\n#\n \n").unwrap();
        assert_eq!(one.field("A").map(Value::raw), Some("1"));
        assert_eq!(one.field("B").map(Value::raw), Some("2"));
        assert_eq!(
            paragraphs("A: 1\n#\n#\n 2\n#\n3\n").find_map(Result::err).unwrap().to_string().split(':').next(),
            Some("line 6")
        );
    }

    #[test]
    fn mistakes_name_their_line() {
        let of = |text| paragraphs(text).find_map(Result::err);
        assert_eq!(of("A: 1\nnonsense\n"), Some(Deb822Error::NoColon { line: 2, found: "nonsense".to_owned() }));
        assert_eq!(of("A: 1\n\n b\n"), Some(Deb822Error::NoField { line: 3 }));
        assert_eq!(of("A: 1\na: 2\n"), Some(Deb822Error::Twice { line: 2, name: "a".to_owned() }));
        assert_eq!(of("A b: 2\n"), Some(Deb822Error::BadName { line: 1, found: "A b: 2".to_owned() }));
        assert_eq!(of("-A: 2\n"), Some(Deb822Error::BadName { line: 1, found: "-A: 2".to_owned() }));
        let many: String = (0..=FIELD_LIMIT).map(|index| format!("F{index}: x\n")).collect();
        assert_eq!(of(&many), Some(Deb822Error::TooManyFields { line: FIELD_LIMIT + 1 }));
        assert_eq!(Paragraph::parse("\n"), Err(Deb822Error::NotOne { found: 0 }));
        assert_eq!(Paragraph::parse("A: 1\n\nB: 2\n"), Err(Deb822Error::NotOne { found: 2 }));
        assert_eq!(text(b"a\xff"), Err(Deb822Error::NotUtf8 { offset: 1 }));
        assert_eq!(paragraphs("nonsense\nA: 1\n").count(), 1);
        assert_eq!(paragraphs("A: 1\na: 2\n\nB: 1\n").count(), 1, "nothing comes after an error");
    }
}
