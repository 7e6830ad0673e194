//! Accounts of the captured machine: whose homes there are, which belong to people, and the account files without those
//! and without hashes (passwd(5), shadow(5), group(5), gshadow(5), subuid(5)).

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::TreePath;

/// The uids that login.defs(5) gives to people.
const PEOPLE: std::ops::RangeInclusive<u32> = 1000..=59_999;

/// The files that this module writes anew.
const FILES: [&str; 6] = ["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid"];

/// Whose homes there are, and which accounts go.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// Homes of all accounts, without leading slash.
    pub(super) homes: BTreeSet<Vec<u8>>,
    /// Homes of accounts that stay.
    staying_homes: BTreeSet<Vec<u8>>,
    /// Homes of accounts that go.
    removed_homes: BTreeSet<Vec<u8>>,
    /// Names and uids of accounts that go.
    removed: BTreeMap<Vec<u8>, u32>,
    /// Names of groups that go.
    removed_groups: BTreeSet<Vec<u8>>,
}

/// What was taken out of an account file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    /// The file's new bytes.
    pub(super) bytes: Vec<u8>,
    /// Lines of accounts and groups that went.
    pub(super) people: u64,
    /// Hashes that went, and empty passwords that were locked.
    pub(super) hashes: u64,
}

impl Accounts {
    /// The accounts of `passwd` and `group`. People's go, where `remove_people` says so and `is_kept` does not keep the
    /// home.
    pub(super) fn read(passwd: &[u8], group: &[u8], remove_people: bool, is_kept: &dyn Fn(&[u8]) -> bool) -> Self {
        let mut accounts = Self::default();
        // A folder that is no root of a machine may be the home of somebody.
        accounts.homes.extend([Vec::new(), b"root".to_vec()]);
        let mut staying_gids = BTreeSet::new();
        let mut removed_gids = BTreeSet::new();
        for fields in lines(passwd).filter(|fields| fields.len() >= 6) {
            let (Some(uid), gid) = (number(fields[2]), number(fields[3])) else { continue };
            let home = TreePath::new(fields[5]).map(|path| path.as_bytes().to_vec()).unwrap_or_default();
            accounts.homes.insert(home.clone());
            if remove_people && PEOPLE.contains(&uid) && !is_kept(&home) {
                accounts.removed.insert(fields[0].to_vec(), uid);
                accounts.removed_homes.insert(home);
                removed_gids.extend(gid);
            } else {
                accounts.staying_homes.insert(home);
                staying_gids.extend(gid);
            }
        }
        let staying = &accounts.staying_homes;
        // Not what others live in or below, and not what is no place of a person.
        accounts.removed_homes.retain(|home| {
            let is_own = home.contains(&b'/') && !home.starts_with(b"usr/") && !home.starts_with(b"etc/");
            is_own && !staying.iter().any(|other| is_within(other, home))
        });
        for fields in lines(group).filter(|fields| fields.len() >= 3) {
            let Some(gid) = number(fields[2]).filter(|gid| PEOPLE.contains(gid) && !staying_gids.contains(gid)) else {
                continue;
            };
            let mut members = fields.get(3).into_iter().flat_map(|list| list.split(|byte| *byte == b','));
            let members = members.by_ref().filter(|name| !name.is_empty()).collect::<Vec<_>>();
            let all_go = members.iter().all(|name| accounts.removed.contains_key(*name));
            if all_go && (removed_gids.contains(&gid) || !members.is_empty()) {
                accounts.removed_groups.insert(fields[0].to_vec());
            }
        }
        accounts
    }

    /// Whether all of `path` goes with the people: it is the home of an account that goes, or somebody's folder in
    /// `/home` whose account is nowhere.
    pub(super) fn is_home_of_nobody(&self, path: &TreePath) -> bool {
        let bytes = path.as_bytes();
        let in_home = bytes.strip_prefix(b"home/").is_some_and(|name| !name.contains(&b'/'));
        let lived_in = self.staying_homes.iter().any(|home| is_within(home, bytes));
        self.removed_homes.contains(bytes) || (in_home && !lived_in)
    }

    /// Uids of accounts that went, to say whose files are left.
    pub(super) fn removed_uids(&self) -> BTreeSet<u32> {
        self.removed.values().copied().collect()
    }

    /// Whether `path` is an account file.
    pub(super) fn is_account_file(path: &TreePath) -> bool {
        FILES.iter().any(|file| file.as_bytes() == path.as_bytes())
    }

    /// The account file at `path` without the accounts that go, and without hashes where `lock` says so.
    pub(super) fn edit(&self, path: &TreePath, bytes: &[u8], lock: bool) -> Edit {
        let name = path.name();
        let mut edit = Edit::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |text| (text, b"\n"));
            let mut fields: Vec<Vec<u8>> = text.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
            let is_group = matches!(name, b"group" | b"gshadow");
            let first = fields[0].as_slice();
            let by_uid = number(first).is_some_and(|uid| self.removed.values().any(|other| *other == uid));
            let goes = match name {
                b"group" | b"gshadow" => self.removed_groups.contains(first),
                b"subuid" => self.removed.contains_key(first) || by_uid,
                b"subgid" => self.removed.contains_key(first) || by_uid,
                _ => self.removed.contains_key(first),
            };
            if goes && fields.len() >= 3 {
                edit.people += 1;
                continue;
            }
            if lock && fields.len() >= 3 && !matches!(name, b"subuid" | b"subgid") {
                edit.hashes += u64::from(lock_field(&mut fields[1], is_group));
            }
            if is_group {
                // Administrators and members of gshadow, members of group.
                for list in fields.iter_mut().skip(if name == b"group" { 3 } else { 2 }) {
                    let kept: Vec<&[u8]> =
                        list.split(|byte| *byte == b',').filter(|name| !self.removed.contains_key(*name)).collect();
                    let kept = kept.join(&b',');
                    *list = kept;
                }
            }
            edit.bytes.extend(fields.join(&b':'));
            edit.bytes.extend(end);
        }
        edit
    }
}

/// Takes a hash out of a password field, and locks an account whose password is empty; says whether it did.
fn lock_field(field: &mut Vec<u8>, is_group: bool) -> bool {
    let start = field.iter().position(|byte| *byte != b'!').unwrap_or(field.len());
    let (locked, bare) = (start > 0, &field[start..]);
    if matches!(bare, b"*" | b"x" | b"*LK*" | b"*NP*") || (bare.is_empty() && (locked || is_group)) {
        return false;
    }
    *field = if locked { b"!".to_vec() } else { b"*".to_vec() };
    true
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':').collect())
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether `path` is `folder` or below it.
fn is_within(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        svc:x:990:990::/home/svc:/usr/sbin/nologin\n\
        nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n\
        alice:x:1000:1000::/home/alice:/bin/bash\n\
        bob:x:1001:100::/srv/bob:/bin/bash\n\
        data:x:1002:1002::/srv:/bin/sh\n\
        app:x:1003:1003::/home/app:/bin/sh\n";
    const GROUP: &[u8] =
        b"root:x:0:\nusers:x:100:alice\nalice:x:1000:\ndevelopers:x:2000:alice,bob\nmixed:x:2001:alice,svc\n\
        empty:x:2002:\nsudo:x:27:alice,svc\n";

    fn accounts() -> Accounts {
        Accounts::read(PASSWD, GROUP, true, &|home| home == b"home/app")
    }

    fn path(text: &'static str) -> TreePath {
        TreePath::literal(text)
    }

    #[test]
    fn people_go_and_others_stay() {
        let accounts = accounts();
        let edit = accounts.edit(&path("etc/passwd"), PASSWD, true);
        let text = String::from_utf8(edit.bytes).unwrap();
        let names: Vec<_> = text.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(names, ["root", "svc", "nobody", "app"]);
        assert_eq!((edit.people, edit.hashes), (3, 0));
        let edit = accounts.edit(&path("etc/group"), GROUP, true);
        let text = String::from_utf8(edit.bytes).unwrap();
        assert_eq!(text, "root:x:0:\nusers:x:100:\nmixed:x:2001:svc\nempty:x:2002:\nsudo:x:27:svc\n");
        assert_eq!(accounts.removed_uids(), BTreeSet::from([1000, 1001, 1002]));
    }

    #[test]
    fn homes_go_unless_somebody_else_needs_them() {
        let accounts = accounts();
        for goes in ["home/alice", "srv/bob", "home/left-over"] {
            assert!(accounts.is_home_of_nobody(&path(goes)), "{goes}");
        }
        for stays in ["home", "home/svc", "home/app", "srv", "home/alice/x", "root"] {
            assert!(!accounts.is_home_of_nobody(&path(stays)), "{stays}");
        }
    }

    #[test]
    fn hashes_become_locks() {
        let shadow =
            b"root:$y$j9T$abc$def:19000:0:99999:7:::\nlocked:!$6$a$b:1::::::\nempty::1::::::\nstar:*:1::::::\n\
            none:!:1::::::\nfedora:!!:1::::::\nnone2:!*:1::::::\ndes:abJnggxhB/yWI:1::::::";
        let edit = Accounts::default().edit(&path("etc/shadow"), shadow, true);
        let text = String::from_utf8(edit.bytes).unwrap();
        let fields: Vec<_> = text.lines().map(|line| line.split(':').nth(1).unwrap()).collect();
        assert_eq!(fields, ["*", "!", "*", "*", "!", "!!", "!*", "*"]);
        assert_eq!(edit.hashes, 4);
        assert!(!text.ends_with('\n'), "what has no line feed at its end gets none");
        let edit = Accounts::default().edit(&path("etc/shadow"), shadow, false);
        assert_eq!((edit.bytes.as_slice(), edit.hashes), (&shadow[..], 0));
        let edit = Accounts::default().edit(&path("etc/gshadow"), b"a:::\nb:$6$x$y::", true);
        assert_eq!((edit.bytes.as_slice(), edit.hashes), (&b"a:::\nb:*::"[..], 1));
    }
}
