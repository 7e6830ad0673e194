//! The recipe's answers to questions of debconf, given before any package is configured that may ask.

use super::InstallError;
use super::scripts;
use super::unpack::Unpacked;
use crate::epoch::Epoch;
use crate::recipe::DebconfAnswer;
use crate::sandbox::Session;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// What takes answers.
const PROGRAM: &str = "usr/bin/debconf-set-selections";

/// Where the answers are for a moment.
const FILE: &str = "var/lib/dpkg/rootsmith.answers";

/// Answers that have not been given yet.
pub(super) struct Answers<'a> {
    lines: &'a [DebconfAnswer],
    epoch: Epoch,
    /// The package that has the program, as dpkg takes its name.
    pub(super) package: Option<String>,
}

/// The answers as debconf-set-selections(1) reads them.
pub(super) fn text(answers: &[DebconfAnswer]) -> String {
    answers.iter().map(|answer| format!("{answer}\n")).collect()
}

/// Marks what an answer says outright as the recipe's: it is no trace of the machine that builds.
pub(super) fn own(answers: &[DebconfAnswer], tree: &mut Tree) {
    if answers.iter().any(|answer| answer.question().ends_with("/mailname"))
        && let Some(inode) = tree.get_mut(&TreePath::literal("etc/mailname"))
    {
        inode.origin = Origin::Recipe("debconf".into());
    }
}

impl<'a> Answers<'a> {
    /// Those of the recipe. Where there are any, one of the packages has to take them.
    pub(super) fn of<'p>(
        lines: &'a [DebconfAnswer],
        mut packages: impl Iterator<Item = &'p Unpacked>,
        epoch: Epoch,
    ) -> Result<Self, InstallError> {
        let path = TreePath::literal(PROGRAM);
        let package = packages.find(|package| package.list.contains(&path)).map(|package| package.name.clone());
        match package {
            None if !lines.is_empty() => Err(InstallError::NoDebconf),
            package => Ok(Self { lines, epoch, package }),
        }
    }

    /// Gives them, where that was not done, as soon as the program is in `tree`, which the stage has.
    pub(super) fn give(&mut self, tree: &Tree, session: &mut Session) -> Result<(), InstallError> {
        if !self.are_due(tree) {
            return Ok(());
        }
        let text = text(std::mem::take(&mut self.lines));
        let mut file = Tree::new();
        let inode = Inode::file(0o600, Content::bytes(text.into_bytes()), Origin::Sandbox);
        let misplaced = |source| InstallError::Misplaced { package: "debconf".to_owned(), source };
        file.insert_with_parents(TreePath::literal(FILE), inode).map_err(misplaced)?;
        session.put(file.entries())?;
        let (program, file) = (format!("/{PROGRAM}"), format!("/{FILE}"));
        session.run(&scripts::step(&[&program, &file], self.epoch))?;
        session.run(&scripts::step(&["rm", &file], self.epoch))?;
        Ok(())
    }

    /// Whether they can be given and were not.
    pub(super) fn are_due(&self, tree: &Tree) -> bool {
        !self.due(tree).is_empty()
    }

    /// Those that can be given, and were not, where the program is in `tree`.
    pub(super) fn due(&self, tree: &Tree) -> &[DebconfAnswer] {
        if tree.contains(&TreePath::literal(PROGRAM)) { self.lines } else { &[] }
    }

    /// Takes note that those that were due are in the stage already.
    pub(super) fn are_given(&mut self, tree: &Tree) {
        if self.are_due(tree) {
            self.lines = &[];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_mail_that_was_answered_stays() {
        let mut tree = Tree::new();
        let path = TreePath::literal("etc/mailname");
        let inode = Inode::file(0o644, Content::bytes(*b"mail.example.org\n"), Origin::Sandbox);
        tree.insert_with_parents(path.clone(), inode).unwrap();
        let answers = |line: &str| vec![line.parse::<DebconfAnswer>().unwrap()];
        own(&answers("postfix postfix/main_mailer_type select Internet Site"), &mut tree);
        assert_eq!(tree.get(&path).unwrap().origin, Origin::Sandbox);
        own(&answers("postfix postfix/mailname string mail.example.org"), &mut tree);
        assert!(matches!(tree.get(&path).unwrap().origin, Origin::Recipe(_)));
    }
}
