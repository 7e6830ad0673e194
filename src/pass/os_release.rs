//! `os-release`: what the image says it is (os-release(5)).

use std::collections::BTreeMap;

use crate::epoch::Epoch;
use crate::recipe::os_release_order;
use crate::tree::{Inode, Origin, Tree, TreePath};

use super::{Outcome, Pass, PassError, text_file};

/// Writes the recipe's keys into `/usr/lib/os-release`, over what is there, with `/etc/os-release` as a link to it.
pub struct OsReleasePass {
    /// Keys and their values; an empty value takes a key out.
    values: BTreeMap<String, String>,
    epoch: Epoch,
}

const NAME: &str = "os-release";
const FILE: &str = "usr/lib/os-release";
const LINK: &str = "etc/os-release";
const TARGET: &str = "../usr/lib/os-release";

impl OsReleasePass {
    /// The pass for `[os-release]`.
    pub fn new(values: &BTreeMap<String, String>, epoch: Epoch) -> Self {
        Self { values: values.clone(), epoch }
    }
}

impl Pass for OsReleasePass {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        if self.values.is_empty() {
            return Ok(Outcome::default());
        }
        let (file, link) = (TreePath::literal(FILE), TreePath::literal(LINK));
        // The first of the two that is there is what programs read.
        let there = match text_file::read(tree, &link)? {
            Some(text) => text,
            None => text_file::read(tree, &file)?.unwrap_or_default(),
        };
        let text = self.merged(&there);
        if text != there || text_file::read(tree, &file)?.as_ref() != Some(&text) {
            text_file::write(tree, &file, text, 0o644, self.epoch.seconds(), NAME)?;
        }
        let place = tree.resolve_parents(&link)?;
        // A link that leads to the file by other words is as good.
        if tree.resolve(&place)? != tree.resolve(&file)? {
            tree.insert_with_parents(place, Inode::symlink(TARGET, Origin::Pass(NAME.into())).at(self.epoch))?;
        }
        Ok(Outcome::of(&[("keys", self.values.len() as u64)], Vec::new()))
    }
}

impl OsReleasePass {
    /// The lines that are there with the values of the recipe in their places; new ones come behind, in the order of
    /// os-release(5).
    fn merged(&self, there: &str) -> String {
        let mut left = self.values.clone();
        let mut lines: Vec<String> = Vec::new();
        for line in there.lines() {
            let key = line.trim_start().split('=').next().unwrap_or_default();
            match self.values.get(key) {
                None => lines.push(line.to_owned()),
                Some(value) => {
                    // A key that comes twice is written once: where it came first.
                    if left.remove(key).is_some() && !value.is_empty() {
                        lines.push(assignment(key, value));
                    }
                }
            }
        }
        let mut new: Vec<_> = left.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        new.sort_by_key(|(key, _)| os_release_order(key));
        lines.extend(new.iter().map(|(key, value)| assignment(key, value)));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// A line as a shell reads it: values of more than letters and digits are quoted, with what means something to a shell
/// escaped.
fn assignment(key: &str, value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if value.bytes().all(plain) {
        return format!("{key}={value}");
    }
    let mut quoted = String::new();
    for character in value.chars() {
        if matches!(character, '"' | '$' | '\\' | '`') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    format!("{key}=\"{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nID=debian\n\
                          BUG_REPORT_URL=\"https://bugs.debian.org/\"\n";

    fn applied(tree: &mut Tree, values: &[(&str, &str)]) -> String {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        OsReleasePass::new(&values, Epoch::from_seconds(7)).apply(tree).unwrap();
        let link = TreePath::literal(LINK);
        assert_eq!(tree.resolve(&link).unwrap(), tree.resolve(&TreePath::literal(FILE)).unwrap());
        text_file::read(tree, &link).unwrap().unwrap()
    }

    fn with(files: &[(&'static str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            let inode = match text.strip_prefix("-> ") {
                Some(target) => Inode::symlink(target, Origin::Root),
                None => Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Root),
            };
            tree.insert_with_parents(TreePath::literal(path), inode).unwrap();
        }
        tree
    }

    #[test]
    fn keys_take_the_place_of_those_there() {
        let mut tree = with(&[(FILE, DEBIAN), (LINK, "-> /usr/lib/os-release")]);
        let own = [
            ("ID", "acme"),
            ("NAME", "Acme \"$1\" Linux"),
            ("VERSION_ID", "4.1"),
            ("BUG_REPORT_URL", ""),
            ("ACME_X", "y z"),
            ("ID_LIKE", "debian"),
        ];
        assert_eq!(
            applied(&mut tree, &own),
            "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Acme \\\"\\$1\\\" Linux\"\nID=acme\nID_LIKE=debian\nVERSION_ID=4.1\nACME_X=\"y z\"\n"
        );
        assert_eq!(tree.get(&TreePath::literal(LINK)).unwrap().symlink_target(), Some(&b"/usr/lib/os-release"[..]));
        assert_eq!(tree.get(&TreePath::literal(FILE)).unwrap().meta.mtime, 7);
        let before = tree.to_text().unwrap();
        applied(&mut tree, &own);
        assert_eq!(tree.to_text().unwrap(), before, "a second time changes nothing");
    }

    #[test]
    fn a_plain_file_in_etc_becomes_a_link() {
        let mut tree = with(&[(LINK, "ID=alpine\nNAME=\"Alpine Linux\"\n")]);
        assert_eq!(applied(&mut tree, &[("ID", "acme")]), "ID=acme\nNAME=\"Alpine Linux\"\n");
        assert_eq!(tree.get(&TreePath::literal(LINK)).unwrap().symlink_target(), Some(TARGET.as_bytes()));
        let mut empty = Tree::new();
        assert_eq!(applied(&mut empty, &[("NAME", "Acme"), ("ID", "acme")]), "NAME=Acme\nID=acme\n");
        let mut none = Tree::new();
        OsReleasePass::new(&BTreeMap::new(), Epoch::default()).apply(&mut none).unwrap();
        assert!(none.is_empty());
    }
}
