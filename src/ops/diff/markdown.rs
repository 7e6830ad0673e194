//! A comparison as Markdown, for the description of a merge request.

use std::fmt::{self, Write};

use super::text::{counts, line, plain, sign};
use super::{Diff, Side};
use crate::ops::facts::bytes;

/// Merge requests take some tens of kilobytes: no more lines of files are shown.
const MOST_FILES: usize = 200;

impl Diff {
    /// Tables of packages and configuration, and a list of files that opens on demand; ends with a newline.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        self.write_markdown(&mut text).expect("a text takes everything");
        text
    }

    fn write_markdown(&self, out: &mut String) -> fmt::Result {
        let row = |side: &Side| {
            let digest = side.digest.map(|digest| format!(" {}", code(&digest.to_string()))).unwrap_or_default();
            format!("{}{digest}, {} paths, {}", code(&side.name), side.paths, bytes(side.bytes))
        };
        writeln!(out, "From {}  \nto {}\n", row(&self.before), row(&self.after))?;
        if self.is_empty() {
            return writeln!(out, "No difference.");
        }
        if !self.packages.is_empty() {
            writeln!(
                out,
                "### Packages: {}\n",
                counts(self.packages.iter().map(|change| sign(&change.before, &change.after)))
            )?;
            writeln!(out, "| | package | before | after |\n| --- | --- | --- | --- |")?;
        }
        for change in &self.packages {
            let name = code(&format!("{}:{}", change.name, change.architecture));
            let (before, after) = (optional(&change.before), optional(&change.after));
            writeln!(out, "| {} | {name} | {before} | {after} |", sign(&change.before, &change.after))?;
        }
        if !self.packages.is_empty() {
            writeln!(out)?;
        }
        if !self.config.is_empty() {
            writeln!(out, "### Configuration\n\n| key | before | after |\n| --- | --- | --- |")?;
            for change in &self.config {
                writeln!(
                    out,
                    "| {} | {} | {} |",
                    code(&change.key),
                    optional(&change.before),
                    optional(&change.after)
                )?;
            }
            writeln!(out)?;
        }
        if !self.files.is_empty() {
            let counts = counts(self.files.iter().map(|change| sign(&change.before, &change.after)));
            writeln!(out, "### Files: {counts}\n\n<details>\n<summary>Files</summary>\n\n````diff")?;
            for change in self.files.iter().take(MOST_FILES) {
                // Lines that begin with `!` are changes in this form.
                let line = line(change);
                writeln!(out, "{}", line.strip_prefix('~').map_or(line.clone(), |rest| format!("!{rest}")))?;
            }
            if let Some(more) = self.files.len().checked_sub(MOST_FILES).filter(|more| *more > 0) {
                writeln!(out, "and {more} more")?;
            }
            writeln!(out, "````\n\n</details>")?;
        }
        Ok(())
    }
}

/// A cell: the text as code, or nothing.
fn optional(text: &Option<String>) -> String {
    text.as_deref().map(code).unwrap_or_default()
}

/// Text that is shown as it is, also in a cell of a table: fenced by more backquotes than it has in a row.
fn code(text: &str) -> String {
    let text = plain(text).replace('|', "\\|");
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    if text.is_empty() { text } else { format!("{fence}{space}{text}{space}{fence}") }
}
