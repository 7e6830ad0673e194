//! `normalize`: nothing in an image says when, where or by what chance it was made.

mod berkeley_db;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::epoch::Epoch;
use crate::tree::{Content, Entry, Inode, Node, Origin, Tree, TreePath};

use super::account_file::{AccountFile, days};
use super::{Outcome, Pass, PassError};
use rules::{Action, RULES, Rule};

/// What programs of the tree want to have and an image never has, because it is made by chance: what it is, and how it is made
/// at first start. What is there is not named.
pub fn state_of_first_start(tree: &Tree) -> Vec<&'static str> {
    let rules =
        RULES.iter().filter_map(|rule| Some((rule.wanted_by?, rule))).filter(|(program, _)| !program.is_empty());
    let rules: Vec<(&str, &Rule)> = rules.collect();
    let programs = set_of(rules.iter().map(|(program, _)| *program));
    let states = set_of(rules.iter().map(|(_, rule)| rule.paths));
    let (mut wanted, mut there) = (BTreeSet::new(), BTreeSet::new());
    for entry in tree.entries() {
        wanted.extend(programs.matches(entry.path.as_relative()));
        there.extend(states.matches(entry.path.as_relative()));
    }
    wanted.difference(&there).map(|at| rules[*at].1.why).collect()
}

/// The patterns of the table, by their places in it.
fn set_of(patterns: impl Iterator<Item = &'static str>) -> GlobSet {
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        globs.add(glob.expect("the patterns of the table are tested"));
    }
    globs.build().expect("a set of patterns that compile compiles")
}

/// Removes or empties what differs between two builds of the same inputs, moves later times back to the epoch, and drops
/// extended attributes that belong to the host.
///
/// What the recipe itself puts into the image is not touched, but for its times.
pub struct Normalize {
    epoch: Epoch,
    globs: GlobSet,
}

const NAME: &str = "normalize";

impl Normalize {
    /// The pass for an image of this epoch.
    pub fn new(epoch: Epoch) -> Self {
        Self { epoch, globs: set_of(RULES.iter().map(|rule| rule.paths)) }
    }

    /// The first rule for an entry.
    fn rule(&self, entry: &Entry<'_>) -> Option<&'static Rule> {
        if matches!(entry.inode.origin, Origin::Recipe(_)) {
            return None;
        }
        let matched = self.globs.matches(entry.path.as_relative());
        matched.into_iter().map(|at| &RULES[at]).find(|rule| rule.action.fits(entry.inode))
    }
}

impl Pass for Normalize {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        let mut outcome = self.apply_rules(tree)?;
        self.clamp_password_days(tree)?;
        let (times, attributes) = self.clean_metadata(tree);
        outcome.counts.extend([("times moved to the epoch", times), ("attributes dropped", attributes)]);
        Ok(Outcome::of(&outcome.counts, outcome.notes))
    }
}

impl Normalize {
    fn apply_rules(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        let ruled = |entry: Entry<'_>| self.rule(&entry).map(|rule| (entry.path.clone(), rule));
        let work: Vec<(TreePath, &Rule)> = tree.entries().filter_map(ruled).collect();
        let mut random: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut removed, mut emptied, mut identified) = (0, 0, 0);
        for (path, rule) in &work {
            let Some(inode) = tree.get_mut(path) else { continue };
            match rule.action {
                Action::Remove | Action::RemoveFiles => {
                    tree.remove(path)?;
                    removed += 1 + remove_links(tree, path)?;
                }
                Action::Empty if inode.content().is_some_and(|content| content.size() == 0) => continue,
                Action::Empty => {
                    inode.node = Node::File(Content::empty());
                    emptied += 1;
                }
                Action::Write(text) => {
                    inode.node = Node::File(Content::bytes(text.as_bytes()));
                    emptied += 1;
                }
                Action::Identify => {
                    let unread = |source| PassError::Content { path: path.clone(), source };
                    let bytes = inode.content().map(Content::read).transpose().map_err(unread)?.unwrap_or_default();
                    if let Some(bytes) = berkeley_db::identified(path, &bytes) {
                        inode.node = Node::File(Content::bytes(bytes));
                        identified += 1;
                    }
                }
            }
            if rule.wanted_by.is_some() {
                *random.entry(rule.why).or_default() += 1;
            }
        }
        for why in state_of_first_start(tree) {
            random.entry(why).or_default();
        }
        let files = |count| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let notes = random.into_iter().map(|(why, count)| match count {
            0 => format!("random state not made: {why}"),
            count => format!("random state left out: {why} ({})", files(count)),
        });
        let notes = notes.chain(private_keys(tree)?);
        Ok(Outcome {
            summary: String::new(),
            counts: vec![
                ("files removed", removed),
                ("files emptied", emptied),
                ("databases identified by their paths", identified),
            ],
            notes: notes.collect(),
        })
    }

    /// Password changes are never later than the epoch, where maintainer scripts wrote today's date.
    fn clamp_password_days(&self, tree: &mut Tree) -> Result<(), PassError> {
        let last = days(self.epoch);
        let mut shadow = AccountFile::read(tree, "etc/shadow")?;
        let before = shadow.lines.clone();
        for line in &mut shadow.lines {
            if line.field(2).parse::<i64>().is_ok_and(|changed| changed > last) {
                line.set(2, &last.to_string());
            }
        }
        if shadow.lines != before {
            shadow.write(tree, 0o640, self.epoch, NAME)?;
        }
        Ok(())
    }

    fn clean_metadata(&self, tree: &mut Tree) -> (u64, u64) {
        let (mut times, mut attributes) = (0, 0);
        let clamped = |inode: &Inode| inode.meta.mtime.clamp(0, self.epoch.seconds());
        // File systems and archives differ in what they say of a link's mode; Linux never looks at it.
        let has_mode = |inode: &Inode| inode.meta.mode != 0o777 && inode.symlink_target().is_some();
        let is_unclean =
            |inode: &Inode| clamped(inode) != inode.meta.mtime || has_mode(inode) || !inode.meta.xattrs.is_empty();
        for inode in tree.inodes_where(is_unclean) {
            times += u64::from(clamped(inode) != inode.meta.mtime);
            inode.meta.mtime = clamped(inode);
            if has_mode(inode) {
                inode.meta.mode = 0o777;
            }
            inode.meta.xattrs.retain(|name| {
                let kept = name == b"security.capability" || name.starts_with(b"user.");
                attributes += u64::from(!kept);
                kept
            });
        }
        (times, attributes)
    }
}

/// Says which private keys programs have made that no rule knows.
fn private_keys(tree: &Tree) -> Result<Vec<String>, PassError> {
    const LARGEST: u64 = 64 << 10;
    let mut notes = Vec::new();
    for Entry { path, inode, .. } in tree.entries().filter(|entry| entry.inode.origin == Origin::Sandbox) {
        let Some(content) = inode.content().filter(|content| content.size() <= LARGEST) else { continue };
        let bytes = content.read().map_err(|source| PassError::Content { path: path.clone(), source })?;
        if has_private_key(&bytes) {
            notes.push(format!(
                "`{path}` has a private key that a script made: everybody who has the image has it, and the next build makes \
                 another; take it out with `remove` in `[prune]`"
            ));
        }
    }
    Ok(notes)
}

/// Whether a text has a private key in PEM (RFC 7468) or OpenPGP's armor (RFC 9580) from its first line to its last. Databases
/// of file types have the first alone.
fn has_private_key(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut has = |start: &[u8]| {
        let ends = |line: &[u8]| line.ends_with(b"PRIVATE KEY-----") || line.ends_with(b"PRIVATE KEY BLOCK-----");
        lines.any(|line| line.starts_with(start) && ends(line))
    };
    has(b"-----BEGIN ") && has(b"-----END ")
}

/// Removes symbolic links beside a removed file that lead to it, such as the hash links of a certificate.
fn remove_links(tree: &mut Tree, removed: &TreePath) -> Result<u64, PassError> {
    let Some(folder) = removed.parent() else { return Ok(0) };
    let leads = |entry: &Entry<'_>| entry.inode.symlink_target() == Some(removed.name());
    let links: Vec<_> = tree.children(&folder).filter(leads).map(|entry| entry.path.clone()).collect();
    for link in &links {
        tree.remove(link)?;
    }
    Ok(links.len() as u64)
}
