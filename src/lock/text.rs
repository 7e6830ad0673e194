//! The text of a lock: TOML that compares well, one line a package.
//!
//! It is written by hand and not by a TOML library, so that equal locks are equal bytes whatever a library's release
//! likes better.

use std::fmt::Write;

use crate::lock::{AptSource, DebianPin, FORMAT, Lock, LockedPackage, LockedRepository};

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
            debian(&mut text, pin);
        }
        text
    }
}

fn debian(text: &mut String, pin: &DebianPin) {
    let platform = pin.platform.to_string();
    for (key, value) in [("platform", &platform), ("distribution", &pin.distribution), ("suite", &pin.suite)] {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    }
    rows(text, "repositories", pin.repositories.iter().map(repository));
    rows(text, "packages", pin.packages.iter().map(package));
    rows(text, "sources", pin.sources.iter().map(source));
}

fn rows(text: &mut String, key: &str, rows: impl ExactSizeIterator<Item = Row>) {
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

fn repository(repository: &LockedRepository) -> Row {
    Row::default()
        .text("id", &repository.id)
        .optional("url", repository.url.as_deref())
        .text("suite", &repository.suite)
        .list("components", &repository.components)
        .raw("date", &repository.date.rfc3339())
        .text("release", &repository.release.to_string())
        .text("signed-by", repository.signed_by.as_deref().unwrap_or("unsigned"))
        .optional("snapshot", repository.snapshot.as_deref())
}

fn package(package: &LockedPackage) -> Row {
    Row::default()
        .text("name", &package.name)
        .text("version", &package.version)
        .text("architecture", &package.architecture)
        .text("repository", &package.repository)
        .text("path", &package.path)
        .raw("size", &package.size.to_string())
        .text("sha256", &package.sha256.hex())
        .flag("essential", package.essential)
        .flag("automatic", package.automatic)
}

fn source(source: &AptSource) -> Row {
    Row::default()
        .list("types", &source.types)
        .text("uri", &source.uri)
        .list("suites", &source.suites)
        .list("components", &source.components)
        .optional("signed-by", source.signed_by.as_deref())
}

/// An inline table on a line of its own.
#[derive(Default)]
struct Row(Vec<String>);

impl Row {
    fn raw(mut self, key: &str, value: &str) -> Self {
        self.0.push(format!("{key} = {value}"));
        self
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &quoted(value))
    }

    fn optional(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    fn list(self, key: &str, values: &[String]) -> Self {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.raw(key, &format!("[{}]", values.join(", ")))
    }

    fn flag(self, key: &str, value: bool) -> Self {
        if value { self.raw(key, "true") } else { self }
    }
}

/// A basic string of TOML (toml.io/en/v1.0.0#string).
fn quoted(text: &str) -> String {
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
