//! The text of a `Packages` file and where each package's fields are in it.

use std::fmt;
use std::ops::Range;

use memchr::memmem;
use rayon::prelude::*;

use crate::digest::Digest;
use crate::source::debian::deb822::{Deb822Error, Lexer, Token};
use crate::source::debian::index::IndexError;
use crate::source::debian::version::Version;

/// An index: its text, held once, and per package the places of the fields that are used.
pub struct Packages {
    text: String,
    spans: Vec<Spans>,
}

/// One package of an index.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    text: &'a str,
    spans: &'a Spans,
}

/// The fields whose places are kept, in the order of [`Spans`].
const FIELDS: [&str; 24] = [
    "Package",
    "Version",
    "Architecture",
    "Filename",
    "Size",
    "SHA256",
    "Source",
    "Essential",
    "Protected",
    "Important",
    "Priority",
    "Section",
    "Multi-Arch",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Provides",
    "Conflicts",
    "Breaks",
    "Replaces",
    "Installed-Size",
    "Task",
    "Suggests",
    "Enhances",
];

/// Where each of [`FIELDS`] starts and ends; equal where the field is missing.
type Spans = [(u32, u32); FIELDS.len()];

impl Packages {
    /// Reads an index. Every record has a name, a version, an architecture, a file name inside the archive, a size and
    /// a digest; the text is kept as it is.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, IndexError> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            IndexError::NotControlFile(Deb822Error::NotUtf8 { offset })
        })?;
        if u32::try_from(text.len()).is_err() {
            return Err(IndexError::TooLarge { size: text.len() });
        }
        let parts: Result<Vec<_>, _> = parts(&text).into_par_iter().map(|part| read(&text, part)).collect();
        let spans = match parts {
            Ok(parts) => {
                let mut spans = Vec::with_capacity(parts.iter().map(Vec::len).sum());
                parts.into_iter().for_each(|mut part| spans.append(&mut part));
                spans
            }
            // What is wrong first is told, with its line in the whole text.
            Err(_) => read(&text, &text)?,
        };
        Ok(Self { text, spans })
    }

    /// Its packages, in the order of the text.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.spans.iter().map(|spans| Record { text: &self.text, spans })
    }

    /// The package at a place in [`Packages::records`].
    pub fn record(&self, index: usize) -> Option<Record<'_>> {
        self.spans.get(index).map(|spans| Record { text: &self.text, spans })
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

impl fmt::Debug for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packages in {} bytes", self.spans.len(), self.text.len())
    }
}

impl<'a> Record<'a> {
    /// The package's name.
    pub fn name(self) -> &'a str {
        self.value(0)
    }

    /// Its version.
    pub fn version(self) -> Version<'a> {
        Version::new(self.value(1))
    }

    /// Its architecture in dpkg's name, or `all`.
    pub fn architecture(self) -> &'a str {
        self.value(2)
    }

    /// The path of its `.deb` from the root of the archive.
    pub fn filename(self) -> &'a str {
        below_the_root(self.value(3))
    }

    /// Bytes of its `.deb`.
    pub fn size(self) -> u64 {
        self.value(4).parse().expect("checked when the index was read")
    }

    /// The digest of its `.deb`.
    pub fn digest(self) -> Digest {
        Digest::from_hex(self.value(5)).expect("checked when the index was read")
    }

    /// The name of its source package.
    pub fn source(self) -> &'a str {
        self.value(6).split_ascii_whitespace().next().unwrap_or(self.name())
    }

    /// The version of its source package, which a binary-only rebuild does not share.
    pub fn source_version(self) -> Version<'a> {
        let inside = self.value(6).split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inside.map_or(self.version(), |version| Version::new(version.trim_ascii()))
    }

    /// Whether a system cannot be without it.
    pub fn essential(self) -> bool {
        self.value(7) == "yes"
    }

    /// Whether it must not be removed by mistake (`Protected`, or apt's older `Important`).
    pub fn protected(self) -> bool {
        self.value(8) == "yes" || self.value(9) == "yes"
    }

    /// `required`, `important`, `standard`, `optional`, or another word.
    pub fn priority(self) -> &'a str {
        self.value(10)
    }

    /// The section of the archive.
    pub fn section(self) -> &'a str {
        self.value(11)
    }

    /// `same`, `foreign`, `allowed`, or empty.
    pub fn multi_arch(self) -> &'a str {
        self.value(12)
    }

    /// The value of `Pre-Depends`.
    pub fn pre_depends(self) -> &'a str {
        self.value(13)
    }

    /// The value of `Depends`.
    pub fn depends(self) -> &'a str {
        self.value(14)
    }

    /// The value of `Recommends`.
    pub fn recommends(self) -> &'a str {
        self.value(15)
    }

    /// The value of `Provides`.
    pub fn provides(self) -> &'a str {
        self.value(16)
    }

    /// The value of `Conflicts`.
    pub fn conflicts(self) -> &'a str {
        self.value(17)
    }

    /// The value of `Breaks`.
    pub fn breaks(self) -> &'a str {
        self.value(18)
    }

    /// The value of `Replaces`.
    pub fn replaces(self) -> &'a str {
        self.value(19)
    }

    /// KiB that it takes when installed; 0 where the index does not say.
    pub fn installed_size(self) -> u64 {
        self.value(20).parse().unwrap_or(0)
    }

    /// The tasks it belongs to.
    pub fn tasks(self) -> impl Iterator<Item = &'a str> {
        self.value(21).split(',').map(str::trim_ascii).filter(|task| !task.is_empty())
    }

    /// The value of `Suggests`.
    pub fn suggests(self) -> &'a str {
        self.value(22)
    }

    /// The value of `Enhances`.
    pub fn enhances(self) -> &'a str {
        self.value(23)
    }

    /// Its fields that are used, as a paragraph of an index.
    pub(crate) fn paragraph(self) -> String {
        let fields = FIELDS.iter().enumerate().map(|(index, field)| (field, self.value(index)));
        let mut text = String::new();
        for (field, value) in fields.filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!("{field}: {value}\n"));
        }
        text
    }

    fn value(self, index: usize) -> &'a str {
        let (start, end) = self.spans[index];
        &self.text[start as usize..end as usize]
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.name(), self.architecture(), self.version())
    }
}

/// Bytes of an index that are read in one go, while other threads read others.
const PART: usize = 2 << 20;

/// The text in parts that end where a package does.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > PART
        && let Some(end) = memmem::find(&rest.as_bytes()[PART..], b"\n\n")
    {
        let (part, next) = rest.split_at(PART + end + 2);
        parts.push(part);
        rest = next;
    }
    parts.push(rest);
    parts
}

/// Where the fields of the packages in a part of `text` are.
fn read(text: &str, part: &str) -> Result<Vec<Spans>, IndexError> {
    let mut spans = Vec::with_capacity(part.len() / 700);
    let mut current = Spans::default();
    let mut last_line = 0;
    for token in Lexer::new(part) {
        match token.map_err(IndexError::NotControlFile)? {
            Token::Field { name, value, line } => {
                last_line = line;
                if let Some(index) = field_number(name) {
                    current[index] = span(text, value.raw());
                }
            }
            Token::End => {
                check(Record { text, spans: &current }, last_line)?;
                spans.push(std::mem::take(&mut current));
            }
        }
    }
    Ok(spans)
}

/// The place of a field in [`FIELDS`]. Most names of a real index are spelled as there, or are none of them.
fn field_number(name: &str) -> Option<usize> {
    FIELDS.iter().position(|field| field.len() == name.len() && field.eq_ignore_ascii_case(name))
}

fn span(text: &str, part: &str) -> (u32, u32) {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    let Range { start, end } = start..start + part.len();
    (start as u32, end as u32)
}

/// A path without the `./` that indexes of flat archives begin it with, however often.
fn below_the_root(mut path: &str) -> &str {
    while let Some(rest) = path.strip_prefix("./").or_else(|| path.strip_prefix('/')) {
        path = rest;
    }
    path
}

fn check(record: Record<'_>, line: usize) -> Result<(), IndexError> {
    let package = || if record.name().is_empty() { "a package".to_owned() } else { record.name().to_owned() };
    if let Some(missing) = (0..6).find(|index| record.value(*index).is_empty()) {
        return Err(IndexError::NoField { line, package: package(), field: FIELDS[missing] });
    }
    let name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    let version = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    let path = |text: &str| {
        let names_a_file = !below_the_root(text).is_empty() && !text.ends_with('/');
        names_a_file && !text.starts_with('/') && text.split('/').all(|part| part != "..")
    };
    let digest = |text: &str| Digest::from_hex(text).is_ok();
    let good = [
        name(record.value(0)),
        version(record.value(1)),
        name(record.value(2)),
        path(record.value(3)),
        record.value(4).parse::<u64>().is_ok(),
        digest(record.value(5)),
    ];
    match good.iter().position(|good| !good) {
        None => Ok(()),
        Some(index) => Err(IndexError::BadField {
            line,
            package: package(),
            field: FIELDS[index],
            value: record.value(index).to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn paragraph(fields: &str) -> String {
        let own = "Package: a\nVersion: 1:2-3+b1\nArchitecture: amd64\nFilename: ./pool/a.deb\nSize: 7\n";
        format!("{own}SHA256: {HEX}\n{fields}\n")
    }

    #[test]
    fn fields_are_found() {
        let text = paragraph(
            "source: b (1:2-3)\nEssential: yes\nPriority: required\nMulti-Arch: same\nDepends: c,\n d | e\n\
             Description: no\n text\nInstalled-Size: 12\nTask: x, y\n",
        ) + &paragraph("Important: yes\n");
        let packages = Packages::parse(text.into_bytes()).unwrap();
        assert_eq!(packages.len(), 2);
        let first = packages.record(0).unwrap();
        assert_eq!((first.name(), first.version().as_str(), first.architecture()), ("a", "1:2-3+b1", "amd64"));
        assert_eq!((first.filename(), first.size(), first.digest()), ("pool/a.deb", 7, Digest::of(b"")));
        assert_eq!((first.source(), first.source_version().as_str()), ("b", "1:2-3"));
        assert_eq!((first.essential(), first.protected(), first.priority()), (true, false, "required"));
        assert_eq!((first.multi_arch(), first.depends(), first.recommends()), ("same", "c,\n d | e", ""));
        assert_eq!((first.installed_size(), first.tasks().collect::<Vec<_>>()), (12, vec!["x", "y"]));
        let second = packages.record(1).unwrap();
        assert_eq!((second.source(), second.source_version().as_str()), ("a", "1:2-3+b1"));
        assert_eq!((second.essential(), second.protected(), second.depends()), (false, true, ""));
        assert_eq!(Packages::parse(Vec::new()).unwrap().len(), 0);
    }

    #[test]
    fn paths_begin_below_the_root() {
        for written in ["a.deb", "./a.deb", "././a.deb", ".//a.deb"] {
            let text = paragraph("").replace("./pool/a.deb", written);
            assert_eq!(Packages::parse(text.into_bytes()).unwrap().record(0).unwrap().filename(), "a.deb", "{written}");
        }
    }

    #[test]
    fn large_indexes_are_read_in_parts() {
        let filler = format!("Description: {}\n", "x".repeat(100_000));
        let text: String =
            (0..70).map(|number| paragraph(&filler).replace("Package: a", &format!("Package: a{number}"))).collect();
        assert!(parts(&text).len() > 2 && parts(&text).concat() == text);
        let packages = Packages::parse(text.clone().into_bytes()).unwrap();
        let names: Vec<&str> = packages.records().map(Record::name).collect();
        assert_eq!(names, (0..70).map(|number| format!("a{number}")).collect::<Vec<_>>());
        assert!(packages.records().all(|record| (record.filename(), record.size()) == ("pool/a.deb", 7)));
        let wrong = text.replacen("Size: 7", "Size: x", 65).replacen("Size: x", "Size: 7", 60);
        let error = Packages::parse(wrong.into_bytes()).unwrap_err().to_string();
        assert_eq!(error, "line 487 of the package index: a60 has the impossible `Size: x`");
    }

    #[test]
    fn parts_are_what_the_whole_is() {
        let ends = ["\r\n\r\n", "\n \n", "\n# comment\n\n", "\n\n\n\n", "\n\n# comment\n", "\n\n"];
        let filler = "x".repeat(90_000);
        let mut text = String::new();
        for number in 0..120 {
            let own =
                paragraph(&format!("Description: {filler}")).replace("Package: a", &format!("Package: a{number}"));
            text.push_str(own.trim_end());
            text.push_str(ends[number % ends.len()]);
        }
        let text = text.trim_end();
        assert!(parts(text).len() > 3);
        let whole = read(text, text).unwrap();
        assert_eq!(Packages::parse(text.as_bytes().to_vec()).unwrap().spans, whole);
        assert_eq!(whole.len(), 120);
    }

    #[test]
    fn wrong_records_are_named() {
        let of = |from: &str, to: &str| {
            Packages::parse(paragraph("").replace(from, to).into_bytes()).unwrap_err().to_string()
        };
        assert_eq!(of("Size: 7\n", ""), "line 5 of the package index: a has no `Size`");
        assert_eq!(of("Package: a\n", ""), "line 5 of the package index: a package has no `Package`");
        assert!(of("./pool/a.deb", "pool/../../a.deb").contains("impossible `Filename: pool/../../a.deb`"));
        assert!(of("./pool/a.deb", "/a.deb").contains("impossible `Filename: /a.deb`"));
        assert!(of("./pool/a.deb", ".//").contains("impossible `Filename: .//`"));
        assert!(of("Size: 7", "Size: -7").contains("impossible `Size: -7`"));
        assert!(of("Package: a", "Package: a/b").contains("impossible `Package: a/b`"));
        assert!(of("1:2-3", "1 2").contains("impossible `Version"));
        assert!(of(HEX, "00").contains("impossible `SHA256: 00`"));
        assert_eq!(of("Package: a", "Package"), "cannot read the package index");
        assert!(Packages::parse(vec![b'a', 0xff]).is_err());
    }
}
