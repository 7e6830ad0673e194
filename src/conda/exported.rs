//! What a shell says that it exports: the output of `export -p` (POSIX.1-2024, XCU, `export`), as words that a shell reads
//! again. No program of the base is needed for it.

/// Names and values, in the order of the output. Names without a value are left out, and what is no text.
///
/// Words are quoted as dash, busybox and bash do it: by `'...'`, `"..."`, `\` and bash's `$'...'`.
pub fn exported(output: &[u8]) -> Vec<(String, String)> {
    let mut words = Words { rest: output };
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let assignment = String::from_utf8(word).ok();
        let assignment = assignment.as_deref().and_then(|word| word.split_once('='));
        found.extend(assignment.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    found
}

/// Words of a shell, without their quotes. `export`, `declare` and `-x` are words, too.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        while self.rest.first()?.is_ascii_whitespace() {
            self.take();
        }
        let mut word = Vec::new();
        while let Some(byte) = self.take().filter(|byte| !byte.is_ascii_whitespace()) {
            match byte {
                b'\'' => self.quoted(b'\'', &mut word, |_, byte, word| word.push(byte)),
                b'"' => self.quoted(b'"', &mut word, |words, byte, word| match byte {
                    b'\\' => words.escaped_in_text(word),
                    _ => word.push(byte),
                }),
                b'$' if self.rest.first() == Some(&b'\'') => {
                    self.take();
                    self.quoted(b'\'', &mut word, |words, byte, word| match byte {
                        b'\\' => words.escape(word),
                        _ => word.push(byte),
                    });
                }
                b'\\' => word.extend(self.take()),
                _ => word.push(byte),
            }
        }
        Some(word)
    }

    /// Up to the quote `end`.
    fn quoted(&mut self, end: u8, word: &mut Vec<u8>, mut one: impl FnMut(&mut Self, u8, &mut Vec<u8>)) {
        while let Some(byte) = self.take().filter(|byte| *byte != end) {
            one(self, byte, word);
        }
    }

    /// Behind a backslash between `"`: only some characters lose it.
    fn escaped_in_text(&mut self, word: &mut Vec<u8>) {
        match self.take() {
            Some(byte @ (b'$' | b'`' | b'"' | b'\\')) => word.push(byte),
            Some(b'\n') | None => {}
            Some(byte) => word.extend([b'\\', byte]),
        }
    }

    /// Behind a backslash in `$'...'` (bash(1), "QUOTING").
    fn escape(&mut self, word: &mut Vec<u8>) {
        let Some(byte) = self.take() else { return };
        word.push(match byte {
            b'a' => 7,
            b'b' => 8,
            b'e' | b'E' => 27,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'x' => self.number(16, 2, 0),
            b'0'..=b'7' => self.number(8, 2, byte - b'0'),
            other => other,
        });
    }

    /// At most `most` further digits of a number that begins with `value`.
    fn number(&mut self, radix: u32, most: usize, mut value: u8) -> u8 {
        for _ in 0..most {
            let digit = self.rest.first().and_then(|byte| char::from(*byte).to_digit(radix));
            let Some(digit) = digit else { break };
            self.take();
            value = value.wrapping_mul(radix as u8).wrapping_add(digit as u8);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Vec<(String, String)> {
        exported(output.as_bytes())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// As the three print the same variables.
    #[test]
    fn shells() {
        let values = pairs(&[
            ("A", "plain"),
            ("B", "it's \"q\" $x `b` \\ end"),
            ("C", "two\nlines"),
            ("D", ""),
            ("E", "tab\tesc\u{1b}"),
            ("U", "\u{e9}"),
        ]);
        let dash = "export A='plain'\nexport B='it'\"'\"'s \"q\" $x `b` \\ end'\nexport C='two\nlines'\nexport D=''\n\
                    export E='tab\tesc\u{1b}'\nexport G\nexport U='\u{e9}'\n";
        let bash = "declare -x A=\"plain\"\ndeclare -x B=\"it's \\\"q\\\" \\$x \\`b\\` \\\\ end\"\n\
                    declare -x C=$'two\\nlines'\ndeclare -x D=\"\"\ndeclare -x E=$'tab\\tesc\\E'\ndeclare -x G\n\
                    declare -x U=$'\\303\\251'\n";
        assert_eq!(read(dash), values);
        assert_eq!(read(bash), values);
        assert_eq!(read(&bash.replace("declare -x", "export")), values);
    }

    #[test]
    fn escapes() {
        assert_eq!(read(r"export A=$'\x41\x2f\101\'' B=a\ b"), pairs(&[("A", "A/A'"), ("B", "a b")]));
        assert_eq!(read("export A=\"a\\nb\\\nc\""), pairs(&[("A", "a\\nbc")]));
    }

    #[test]
    fn an_output_that_is_cut_off() {
        for output in ["", "export", "export A='x", "export A=\"x\\", "export A=$'\\x"] {
            assert!(read(output).len() <= 1, "{output}");
        }
    }
}
