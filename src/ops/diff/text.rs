//! A comparison for a terminal.

use std::fmt::{self, Write};

use super::{Aspect, Diff, FileChange};
use crate::ops::facts::{FileFacts, bytes};
use crate::tree::escape;

impl Diff {
    /// A line for each difference; ends with a newline.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a text takes everything");
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let size = |side: &super::Side| format!("{} paths, {}", side.paths, bytes(side.bytes));
        writeln!(out, "--- {} ({})", plain(&self.before.name), size(&self.before))?;
        writeln!(out, "+++ {} ({})", plain(&self.after.name), size(&self.after))?;
        if self.is_empty() {
            return writeln!(out, "no difference");
        }
        if !self.packages.is_empty() {
            writeln!(
                out,
                "\nPackages: {}",
                counts(self.packages.iter().map(|change| sign(&change.before, &change.after)))
            )?;
        }
        for change in &self.packages {
            let (name, architecture) = (plain(&change.name), plain(&change.architecture));
            let version = |version: &Option<String>| version.as_deref().map(plain).unwrap_or_default();
            let (before, after) = (version(&change.before), version(&change.after));
            match sign(&change.before, &change.after) {
                '~' => writeln!(out, "~ {name} {before} -> {after} ({architecture})")?,
                sign => writeln!(out, "{sign} {name} {before}{after} ({architecture})")?,
            }
        }
        if !self.config.is_empty() {
            writeln!(
                out,
                "\nConfiguration: {}",
                counts(self.config.iter().map(|change| sign(&change.before, &change.after)))
            )?;
        }
        for change in &self.config {
            let value = |value: &Option<String>| value.as_deref().map(plain).unwrap_or_default();
            let (key, before, after) = (plain(&change.key), value(&change.before), value(&change.after));
            match sign(&change.before, &change.after) {
                '~' => writeln!(out, "~ {key}: {before} -> {after}")?,
                sign => writeln!(out, "{sign} {key}: {before}{after}")?,
            }
        }
        if !self.files.is_empty() {
            writeln!(out, "\nFiles: {}", counts(self.files.iter().map(|change| sign(&change.before, &change.after))))?;
        }
        self.files.iter().try_for_each(|change| writeln!(out, "{}", line(change)))
    }
}

/// A file's change in a line: `~ /etc/passwd: content, size 100 B -> 120 B`.
pub(super) fn line(change: &FileChange) -> String {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let said: Vec<String> = change.aspects.iter().map(|aspect| said(*aspect, before, after)).collect();
            format!("~ {}: {}", change.path, said.join(", "))
        }
        (before, after) => {
            let facts = before.as_ref().or(after.as_ref()).map(FileFacts::to_string).unwrap_or_default();
            format!("{} {} ({facts})", sign(before, after), change.path)
        }
    }
}

fn said(aspect: Aspect, before: &FileFacts, after: &FileFacts) -> String {
    let from = |facts: &FileFacts| match aspect {
        Aspect::Kind => facts.to_string(),
        Aspect::Size => bytes(facts.size.unwrap_or(0)),
        Aspect::Mode => facts.mode.clone(),
        Aspect::Owner => format!("{}:{}", facts.uid, facts.gid),
        Aspect::Target => facts.target.clone().unwrap_or_default(),
        Aspect::Device => facts.device.clone().unwrap_or_default(),
        Aspect::Attributes => attributes(facts),
        Aspect::Time => facts.mtime.to_string(),
        Aspect::Content | Aspect::Links => String::new(),
    };
    match aspect {
        Aspect::Content | Aspect::Links => aspect.word().to_owned(),
        _ => format!("{} {} -> {}", aspect.word(), from(before), from(after)),
    }
}

fn attributes(facts: &FileFacts) -> String {
    let words: Vec<String> = facts.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

/// `+` for what was added, `-` for what was removed, `~` for what was changed.
pub(super) fn sign<T>(before: &Option<T>, after: &Option<T>) -> char {
    match (before, after) {
        (Some(_), Some(_)) => '~',
        (Some(_), None) => '-',
        _ => '+',
    }
}

/// `1 added, 2 removed, 3 changed`, without what is 0.
pub(super) fn counts(signs: impl Iterator<Item = char>) -> String {
    let signs: Vec<char> = signs.collect();
    let count = |sign: char| signs.iter().filter(|known| **known == sign).count();
    let all = [(count('+'), "added"), (count('-'), "removed"), (count('~'), "changed")];
    let words = all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    words.collect::<Vec<_>>().join(", ")
}

/// Without control characters, which could play tricks on a terminal.
pub(super) fn plain(text: &str) -> String {
    escape(text.as_bytes())
}
