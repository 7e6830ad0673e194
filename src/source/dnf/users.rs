//! Users and groups that packages declare and no script makes (sysusers.d(5)).
//!
//! Since rpm 4.19 distributions leave it to rpm, or to systemd's `systemd-sysusers`, to make the users of files in
//! `/usr/lib/sysusers.d`; older rpm gives files of such users to root, with a warning. So that an image does not depend on
//! the rpm of the machine, they are made here, after the transaction, and the files are given to them.

use std::collections::{BTreeMap, BTreeSet};

use super::DnfError;
use crate::epoch::Epoch;
use crate::inventory::rpm::header::{Header, tag};
use crate::tree::{Content, Inode, Node, Origin, Tree, TreePath};

/// Where packages declare users.
const DECLARATIONS: &str = "usr/lib/sysusers.d";

/// Ids of users that do not say theirs, from the first downwards to the last.
const AUTOMATIC: std::ops::RangeInclusive<u32> = 201..=999;

/// What a user has where nothing is declared.
const HOME: &str = "/";
const SHELL: &str = "/usr/sbin/nologin";

/// What was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) users: BTreeMap<String, u32>,
    pub(super) groups: BTreeMap<String, u32>,
}

/// The four files of accounts, line by line.
struct Accounts {
    passwd: Vec<String>,
    group: Vec<String>,
    shadow: Option<Vec<String>>,
    gshadow: Option<Vec<String>>,
    made: Made,
    day: i64,
}

/// Makes the declared users and groups that `tree` lacks. Without a file of users there is nothing to add to.
pub(super) fn make(tree: &mut Tree, epoch: Epoch) -> Result<Made, DnfError> {
    let declared = declarations(tree);
    let (Some(passwd), Some(group)) = (lines(tree, "etc/passwd"), lines(tree, "etc/group")) else {
        return Ok(Made::default());
    };
    let day = epoch.seconds().div_euclid(86_400);
    let (shadow, gshadow) = (lines(tree, "etc/shadow"), lines(tree, "etc/gshadow"));
    let mut accounts = Accounts { passwd, group, shadow, gshadow, made: Made::default(), day };
    // Groups first, so that users find theirs, whatever the order of the files.
    for words in declared.iter().filter(|words| words[0] == "g") {
        accounts.add_group(&words[1], declared_id(words));
    }
    for words in declared.iter().filter(|words| matches!(&*words[0], "u" | "u!")) {
        accounts.add_user(words);
    }
    for words in declared.iter().filter(|words| words[0] == "m") {
        if let Some(group) = words.get(2) {
            accounts.add_group(group, None);
            accounts.add_member(&words[1], group);
        }
    }
    let files = [
        ("etc/passwd", Some(accounts.passwd)),
        ("etc/group", Some(accounts.group)),
        ("etc/shadow", accounts.shadow),
        ("etc/gshadow", accounts.gshadow),
    ];
    for (path, lines) in files {
        if let Some(lines) = lines {
            write(tree, path, &lines, epoch)?;
        }
    }
    Ok(accounts.made)
}

/// Gives the files of a package to users and groups that were made after it was installed.
pub(super) fn give(tree: &mut Tree, header: &Header<'_>, made: &Made) {
    let (users, groups) = (header.strings(tag::FILEUSERNAME), header.strings(tag::FILEGROUPNAME));
    let strange = |index: usize| {
        let user = users.get(index).and_then(|name| made.users.get(*name));
        let group = groups.get(index).and_then(|name| made.groups.get(*name));
        (user.is_some() || group.is_some()).then_some((user, group))
    };
    if !(0..users.len().max(groups.len())).any(|index| strange(index).is_some()) {
        return;
    }
    let (names, folders) = (header.strings(tag::BASENAMES), header.strings(tag::DIRNAMES));
    let (places, modes) = (header.numbers(tag::DIRINDEXES), header.numbers(tag::FILEMODES));
    for (index, name) in names.iter().enumerate() {
        let Some((user, group)) = strange(index) else { continue };
        let folder = places.get(index).and_then(|place| folders.get(*place as usize)).unwrap_or(&"");
        let path = TreePath::new(format!("{folder}{name}").trim_matches('/')).and_then(|path| {
            // Through links of folders, not through the file itself.
            let parent = path.parent().and_then(|parent| tree.resolve(&parent).ok());
            parent.map_or(Ok(path.clone()), |parent| parent.join(path.name()))
        });
        let Some(inode) = path.ok().and_then(|path| tree.get_mut(&path)) else { continue };
        inode.meta.uid = user.copied().unwrap_or(inode.meta.uid);
        inode.meta.gid = group.copied().unwrap_or(inode.meta.gid);
        // rpm has taken away the bits that mean the owner.
        if let Some(mode) = modes.get(index).filter(|_| !matches!(inode.node, Node::Symlink(_))) {
            inode.meta.mode = (*mode & 0o7777) as u32;
        }
    }
}

impl Accounts {
    fn add_group(&mut self, name: &str, wanted: Option<u32>) -> u32 {
        if let Some(known) = id_of(&self.group, name) {
            return known;
        }
        let id = wanted.filter(|id| !has_id(&self.group, *id)).unwrap_or_else(|| self.free());
        self.group.push(format!("{name}:x:{id}:"));
        if let Some(gshadow) = &mut self.gshadow {
            gshadow.push(format!("{name}:!*::"));
        }
        self.made.groups.insert(name.to_owned(), id);
        id
    }

    fn add_user(&mut self, words: &[String]) {
        let name = &words[1];
        if id_of(&self.passwd, name).is_some() {
            return;
        }
        let wanted = declared_id(words).filter(|id| !has_id(&self.passwd, *id));
        let id = match (wanted, id_of(&self.group, name)) {
            (Some(id), _) => id,
            (None, Some(group)) if !has_id(&self.passwd, group) => group,
            (None, _) => self.free(),
        };
        let group = match words.get(2).and_then(|id| id.split_once(':')).map(|(_, group)| group) {
            Some(group) => match group.parse() {
                Ok(number) => number,
                Err(_) => self.add_group(group, None),
            },
            None => self.add_group(name, Some(id)),
        };
        let word = |place: usize| words.get(place).map(String::as_str).filter(|word| !matches!(*word, "-" | ""));
        let (about, home, shell) = (word(3).unwrap_or(""), word(4).unwrap_or(HOME), word(5).unwrap_or(SHELL));
        self.passwd.push(format!("{name}:x:{id}:{group}:{about}:{home}:{shell}"));
        if let Some(shadow) = &mut self.shadow {
            shadow.push(format!("{name}:!*:{}::::::", self.day));
        }
        self.made.users.insert(name.clone(), id);
    }

    fn add_member(&mut self, user: &str, group: &str) {
        let line = self.group.iter_mut().find(|line| line.split(':').next() == Some(group));
        let Some(line) = line else { return };
        let members = line.rsplit(':').next().unwrap_or_default();
        if !members.split(',').any(|member| member == user) {
            let comma = if members.is_empty() { "" } else { "," };
            *line = format!("{line}{comma}{user}");
        }
    }

    /// An id that neither a user nor a group has.
    fn free(&self) -> u32 {
        let is_free = |id: &u32| !has_id(&self.passwd, *id) && !has_id(&self.group, *id);
        AUTOMATIC.rev().find(is_free).unwrap_or(*AUTOMATIC.start())
    }
}

/// The lines of all declarations, in the order of their files, each as its words: kind, name, id, ...
fn declarations(tree: &Tree) -> Vec<Vec<String>> {
    let mut declared = Vec::new();
    for entry in tree.children(&TreePath::literal(DECLARATIONS)) {
        let text = entry.inode.content().filter(|content| content.size() < 1 << 20).and_then(|one| one.read().ok());
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words = words(line);
            let plain = |name: &String| {
                let fits = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.');
                !name.is_empty() && name.chars().all(fits)
            };
            let clean = words.iter().all(|word| !word.contains([':', '\n']) || words.get(2) == Some(word));
            if words.get(1).is_some_and(plain) && clean {
                declared.push(words);
            }
        }
    }
    declared
}

/// Words between spaces; quotes keep spaces together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for character in line.chars() {
        match (quote, character) {
            (None, '"' | '\'') => (quote, begun) = (Some(character), true),
            (Some(open), close) if open == close => quote = None,
            (None, ' ' | '\t') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, other) => {
                word.push(other);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// The id that is declared: `5` of `5` and of `5:6`; nothing for `-` and for the owner of a path.
fn declared_id(words: &[String]) -> Option<u32> {
    words.get(2)?.split(':').next()?.parse().ok()
}

fn id_of(lines: &[String], name: &str) -> Option<u32> {
    lines.iter().find(|line| line.split(':').next() == Some(name))?.split(':').nth(2)?.parse().ok()
}

fn has_id(lines: &[String], id: u32) -> bool {
    let ids: BTreeSet<&str> = lines.iter().filter_map(|line| line.split(':').nth(2)).collect();
    ids.contains(&*id.to_string())
}

fn lines(tree: &Tree, path: &'static str) -> Option<Vec<String>> {
    let path = tree.resolve(&TreePath::literal(path)).ok()?;
    let bytes = tree.get(&path)?.content()?.read().ok()?;
    Some(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// Writes the lines, unless they are there; owner and mode stay.
fn write(tree: &mut Tree, path: &'static str, new: &[String], epoch: Epoch) -> Result<(), DnfError> {
    if lines(tree, path).as_deref() == Some(new) {
        return Ok(());
    }
    let path = tree.resolve(&TreePath::literal(path)).unwrap_or_else(|_| TreePath::literal(path));
    let text = new.iter().map(|line| format!("{line}\n")).collect::<String>();
    let meta = tree.get(&path).map(|inode| inode.meta.clone());
    let mut inode = Inode::file(0o644, Content::bytes(text.into_bytes()), Origin::Pass("dnf".into()));
    inode.meta = meta.unwrap_or(inode.meta);
    tree.insert(path, inode.at(epoch))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            let inode = Inode::file(0o640, Content::bytes(text.as_bytes()), Origin::Sandbox);
            tree.insert_with_parents(TreePath::new(path).unwrap(), inode).unwrap();
        }
        tree
    }

    #[test]
    fn declared_users_are_made_in_one_order() {
        let mut tree = tree(&[
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nold:x:999:999::/:/bin/false\n"),
            ("etc/group", "root:x:0:\nold:x:999:\nwheel:x:10:root\n"),
            ("etc/shadow", "root:*:1::::::\n"),
            (
                "usr/lib/sysusers.d/b.conf",
                "# users\nu  web - \"Web: server\" /srv\nu good - 'A good one' /var/lib/good /bin/sh\n",
            ),
            (
                "usr/lib/sysusers.d/a.conf",
                "g tape 33 -\nu! fixed 77:tape -\nu old - -\nm good wheel\nm web wheel\nu ../x -\n",
            ),
            ("usr/lib/sysusers.d/c.conf", "u taken 77 -\nr - 500-600\nnonsense\n"),
        ]);
        let made = make(&mut tree, Epoch::from_seconds(86_400 * 20_000)).unwrap();
        let read = |path: &'static str| lines(&tree, path).unwrap().join("\n");
        assert_eq!(
            read("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nold:x:999:999::/:/bin/false\nfixed:x:77:33::/:/usr/sbin/nologin\n\
             good:x:998:998:A good one:/var/lib/good:/bin/sh\ntaken:x:997:997::/:/usr/sbin/nologin"
        );
        assert_eq!(
            read("etc/group"),
            "root:x:0:\nold:x:999:\nwheel:x:10:root,good,web\ntape:x:33:\ngood:x:998:\ntaken:x:997:"
        );
        assert_eq!(
            read("etc/shadow"),
            "root:*:1::::::\nfixed:!*:20000::::::\ngood:!*:20000::::::\ntaken:!*:20000::::::"
        );
        assert_eq!(tree.get(&TreePath::literal("etc/passwd")).unwrap().meta.mode, 0o640);
        assert_eq!(made.users.keys().collect::<Vec<_>>(), ["fixed", "good", "taken"]);
        assert_eq!(make(&mut tree, Epoch::default()).unwrap(), Made::default(), "all are there");
        assert_eq!(make(&mut Tree::new(), Epoch::default()).unwrap(), Made::default());
    }
}
