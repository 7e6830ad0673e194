//! The text of a lock: TOML that compares well, one line a package.
//!
//! It is written by hand and not by a TOML library, so that equal locks are equal bytes whatever a library's release
//! likes better.

use std::fmt::Write;
use std::ops::Range;

use crate::digest::Digest;
use crate::lock::{FORMAT, Lock};

impl Lock {
    /// The text that is written: the same bytes for equal locks.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# Written by rootsmith: every input of the image by digest. Keep it with the recipe.\n\
             # `rootsmith lock --update` looks for newer inputs.\n",
        );
        // Writing to a string cannot fail.
        let _ = write!(text, "format = {FORMAT}\nrequest = \"{}\"\n", self.request);
        for pin in &self.debian {
            text.push_str("\n[[debian]]\n");
            pin.write(&mut text);
        }
        for pin in &self.oci {
            text.push_str("\n[[oci]]\n");
            pin.write(&mut text);
        }
        for pin in &self.dnf {
            text.push_str("\n[[dnf]]\n");
            pin.write(&mut text);
        }
        for pin in &self.apk {
            text.push_str("\n[[apk]]\n");
            pin.write(&mut text);
        }
        for pin in &self.archive {
            text.push_str("\n[[archive]]\n");
            pin.write(&mut text);
        }
        for pin in &self.conda {
            text.push_str("\n[[conda]]\n");
            pin.write(&mut text);
        }
        let seal = seal(&text);
        text + &seal
    }
}

/// Whether a text that was sealed has been changed since. A last line that is no comment says that nobody sealed it.
pub(super) fn is_altered(text: &str) -> bool {
    let start = text.trim_end_matches('\n').rfind('\n').map_or(0, |end| end + 1);
    let (above, last) = text.split_at(start);
    last.starts_with('#') && last != seal(above)
}

/// The first mark of git around lines that two branches changed.
pub(super) fn merge_mark(text: &str) -> Option<Range<usize>> {
    const MARK: &str = "<<<<<<< ";
    let start = if text.starts_with(MARK) { 0 } else { text.find(&format!("\n{MARK}"))? + 1 };
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    Some(start..end)
}

/// The last line of a lock: the digest of what is above it.
fn seal(text: &str) -> String {
    format!("# {}\n", Digest::of(text.as_bytes()))
}

/// A list with a row a line.
pub(super) fn rows(text: &mut String, key: &str, rows: impl ExactSizeIterator<Item = Row>) {
    if rows.len() == 0 {
        let _ = writeln!(text, "{key} = []");
        return;
    }
    let _ = writeln!(text, "{key} = [");
    for row in rows {
        let _ = writeln!(text, "  {{ {} }},", row.0.join(", "));
    }
    text.push_str("]\n");
}

/// An inline table on a line of its own.
#[derive(Default)]
pub(super) struct Row(Vec<String>);

impl Row {
    pub(super) fn raw(mut self, key: &str, value: &str) -> Self {
        self.0.push(format!("{key} = {value}"));
        self
    }

    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &quoted(value))
    }

    pub(super) fn optional(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    pub(super) fn list(self, key: &str, values: &[String]) -> Self {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.raw(key, &format!("[{}]", values.join(", ")))
    }

    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        if value { self.raw(key, "true") } else { self }
    }
}

/// A basic string of TOML (toml.io/en/v1.0.0#string).
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
