//! Files of accounts: one a line, fields with colons (passwd(5), group(5), shadow(5), gshadow(5)).

use crate::epoch::Epoch;
use crate::tree::{Tree, TreePath};

use super::{PassError, text_file};

/// `/etc/passwd` and its like.
pub(super) struct AccountFile {
    path: TreePath,
    /// Whether it is in the image.
    pub(super) exists: bool,
    /// The lines, as fields.
    pub(super) lines: Vec<Line>,
}

/// The fields of an account.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Line(Vec<String>);

impl AccountFile {
    /// Reads the file; one that is not there has no lines.
    pub(super) fn read(tree: &Tree, path: &'static str) -> Result<Self, PassError> {
        let path = TreePath::literal(path);
        let text = text_file::read(tree, &path)?;
        let exists = text.is_some();
        let lines = text.unwrap_or_default().lines().map(Line::new).collect();
        Ok(Self { path, exists, lines })
    }

    /// The line of an account.
    pub(super) fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name() == name)
    }

    /// Adds a line.
    pub(super) fn push(&mut self, line: &str) {
        self.lines.push(Line::new(line));
    }

    /// Puts the file back; one that was not there gets `mode`.
    pub(super) fn write(&self, tree: &mut Tree, mode: u32, epoch: Epoch, pass: &'static str) -> Result<(), PassError> {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(&line.0.join(":"));
            text.push('\n');
        }
        text_file::write(tree, &self.path, text, mode, epoch.seconds(), pass)
    }
}

impl Line {
    fn new(text: &str) -> Self {
        Self(text.split(':').map(str::to_owned).collect())
    }

    /// The account's name.
    pub(super) fn name(&self) -> &str {
        self.field(0)
    }

    /// A field by its place; empty where the line is shorter.
    pub(super) fn field(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }

    /// A field as a number.
    pub(super) fn number(&self, at: usize) -> Option<u32> {
        self.field(at).parse().ok()
    }

    /// Changes a field, where the line has it.
    pub(super) fn set(&mut self, at: usize, value: &str) {
        if let Some(field) = self.0.get_mut(at) {
            value.clone_into(field);
        }
    }
}

/// The epoch in the days that shadow(5) counts. Never 0, which there means that the password has to be changed.
pub(super) fn days(epoch: Epoch) -> i64 {
    (epoch.seconds() / 86_400).max(1)
}
