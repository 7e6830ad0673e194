//! Indexes of repositories: `APKINDEX`, one record a package, a letter and a value on each line (apk-tools'
//! `src/package.c`, `apk_pkg_add_info`).

/// The packages of one repository.
#[derive(Clone, Debug, Default)]
pub struct Index {
    text: String,
    records: Vec<Lines>,
}

/// Where the values of one record are in the text.
#[derive(Clone, Debug, Default)]
struct Lines {
    values: [(u32, u32); FIELDS.len()],
    size: u64,
    priority: u64,
}

/// One package of an index.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    index: &'a Index,
    lines: &'a Lines,
}

/// A record of an index that means nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot read the index {what}: line {line}: {problem}")]
#[diagnostic(help("the index is wrong where it comes from: tell its keepers"))]
pub struct IndexError {
    /// The index.
    pub what: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

const FIELDS: [u8; 9] = *b"CPVADpiot";

impl Index {
    /// Reads the text of an index; `what` is for messages.
    pub fn parse(text: String, what: &str) -> Result<Self, IndexError> {
        if u32::try_from(text.len()).is_err() {
            return Err(IndexError { what: what.to_owned(), line: 0, problem: "it is larger than 4 GB".to_owned() });
        }
        let (mut records, mut open, mut start) = (Vec::new(), None::<Lines>, 0);
        for (number, line) in text.split('\n').enumerate() {
            let wrong =
                |problem: &str| IndexError { what: what.to_owned(), line: number + 1, problem: problem.to_owned() };
            if line.is_empty() {
                if let Some(record) = open.take() {
                    records.push(complete(record, &text).map_err(|problem| wrong(&problem))?);
                }
            } else {
                let (letter, value) = match line.as_bytes() {
                    [letter, b':', ..] => (*letter, (start + 2, start + line.len())),
                    _ => return Err(wrong("it is no letter with a colon and a value")),
                };
                let record = open.get_or_insert_default();
                let text = &text[value.0..value.1];
                match letter {
                    b'S' => record.size = text.parse().map_err(|_| wrong("a size is a number"))?,
                    b'k' => record.priority = text.parse().map_err(|_| wrong("a priority is a number"))?,
                    _ => {
                        if let Some(field) = FIELDS.iter().position(|known| *known == letter) {
                            record.values[field] = (value.0 as u32, value.1 as u32);
                        }
                    }
                }
            }
            start += line.len() + 1;
        }
        if let Some(record) = open {
            let wrong = |problem| IndexError { what: what.to_owned(), line: text.lines().count(), problem };
            records.push(complete(record, &text).map_err(wrong)?);
        }
        Ok(Self { text, records })
    }

    /// The same without the packages of other architectures than this one, which cannot run beside it.
    pub fn of_architecture(mut self, architecture: &str) -> Self {
        let mut records = std::mem::take(&mut self.records);
        records.retain(|lines| {
            let of = Record { index: &self, lines }.architecture();
            of == architecture || ["", "noarch", "all"].contains(&of)
        });
        Self { records, ..self }
    }

    /// Its packages, in its order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.records.iter().map(|lines| Record { index: self, lines })
    }
}

impl<'a> Record<'a> {
    /// The checksum of the package's control section: `Q1` and the SHA-1, or `Q2` and the SHA-256, in base64.
    pub fn checksum(&self) -> &'a str {
        self.value(b'C')
    }

    /// The package's name.
    pub fn name(&self) -> &'a str {
        self.value(b'P')
    }

    /// Its version.
    pub fn version(&self) -> &'a str {
        self.value(b'V')
    }

    /// Its architecture in apk's name, or `noarch`.
    pub fn architecture(&self) -> &'a str {
        self.value(b'A')
    }

    /// What it depends on and conflicts with.
    pub fn depends(&self) -> &'a str {
        self.value(b'D')
    }

    /// Further names that it has.
    pub fn provides(&self) -> &'a str {
        self.value(b'p')
    }

    /// Where all of these are there, it comes by itself.
    pub fn install_if(&self) -> &'a str {
        self.value(b'i')
    }

    /// The source package.
    pub fn origin(&self) -> &'a str {
        self.value(b'o')
    }

    /// The size of its file in bytes.
    pub fn size(&self) -> u64 {
        self.lines.size
    }

    /// How much it wants to be the one that provides its virtual names; 0 where it does not say.
    pub fn provider_priority(&self) -> u64 {
        self.lines.priority
    }

    /// Its file's name in the repository's folder for an architecture.
    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name(), self.version())
    }

    fn value(&self, letter: u8) -> &'a str {
        let field = FIELDS.iter().position(|known| *known == letter).expect("only letters of the list are asked for");
        let (start, end) = self.lines.values[field];
        &self.index.text[start as usize..end as usize]
    }
}

/// What every package must have, in a form that leads nowhere but into the repository.
fn complete(record: Lines, text: &str) -> Result<Lines, String> {
    let value = |letter: u8| {
        let field = FIELDS.iter().position(|known| *known == letter).unwrap_or_default();
        &text[record.values[field].0 as usize..record.values[field].1 as usize]
    };
    let (name, version) = (value(b'P'), value(b'V'));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if !plain(name) || name.starts_with('.') {
        return Err(format!("the package before has the name `{}`", crate::tree::escape(name.as_bytes())));
    }
    if !plain(version) {
        return Err(format!("the package `{name}` has the version `{}`", crate::tree::escape(version.as_bytes())));
    }
    if value(b'C').is_empty() {
        return Err(format!("the package `{name}` has no checksum"));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let text =
            "C:Q1x\nP:a\nV:1-r0\nA:x86_64\nS:12\nD:b so:c=1\np:d\ni:e f\no:src\nk:10\nz:new\n\n\nC:Q1y\nP:b\nV:2\n";
        let index = Index::parse(text.to_owned(), "x").unwrap();
        let all: Vec<_> = index.records().collect();
        assert_eq!(all.len(), 2);
        let first = all[0];
        assert_eq!((first.name(), first.version(), first.architecture(), first.size()), ("a", "1-r0", "x86_64", 12));
        assert_eq!((first.depends(), first.provides(), first.install_if()), ("b so:c=1", "d", "e f"));
        assert_eq!((first.origin(), first.provider_priority(), first.checksum()), ("src", 10, "Q1x"));
        assert_eq!((all[1].depends(), all[1].file_name().as_str()), ("", "b-2.apk"));
        assert_eq!(Index::parse(String::new(), "x").unwrap().records().len(), 0);
    }

    #[test]
    fn packages_of_other_architectures_are_not_taken() {
        let of = |name: &str, line: &str| format!("C:Q1x\nP:{name}\nV:1\n{line}\n");
        let lines = [("a", "A:x86_64\n"), ("b", "A:aarch64\n"), ("c", "A:noarch\n"), ("d", "A:all\n"), ("e", "")];
        let text = lines.map(|(name, line)| of(name, line)).concat();
        let index = Index::parse(text, "x").unwrap().of_architecture("x86_64");
        assert_eq!(index.records().map(|record| record.name()).collect::<Vec<_>>(), ["a", "c", "d", "e"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("C:Q1x\nP:../a\nV:1\n", 4),
            ("C:Q1x\nP:a\n\n", 3),
            ("P:a\nV:1\n\n", 3),
            ("C:Q1x\nbroken\n", 2),
            ("C:Q1x\nP:a\nV:1\nS:many\n", 4),
        ] {
            assert_eq!(Index::parse(text.to_owned(), "x").unwrap_err().line, line, "{text}");
        }
    }
}
