//! `accounts`: the recipe's user, and locked passwords.

use crate::epoch::Epoch;
use crate::recipe::UserRequest;
use crate::tree::{Inode, Origin, Tree, TreePath};

use super::account_file::{AccountFile, Line, days};
use super::{Outcome, Pass, PassError};

/// Makes the user that the image runs as, and locks the passwords of all accounts.
///
/// The user has a group of its own name, unless the number asked for is that of a group that is there, and a home folder of
/// mode 0750 that is its own. Where a folder is there already it stays as it is, unless it only came about because `[[file]]`
/// put something into it. An account that is there exactly as described is taken as it is.
pub struct Accounts {
    user: Option<UserRequest>,
    lock: bool,
    epoch: Epoch,
}

const NAME: &str = "accounts";
const PASSWD: &str = "etc/passwd";
const GROUP: &str = "etc/group";
const SHADOW: &str = "etc/shadow";
const GSHADOW: &str = "etc/gshadow";
/// What accounts without a home have for one: it is not made (Debian Policy 9.2.3).
const NO_HOME: [&str; 2] = ["/nonexistent", "/dev/null"];

impl Accounts {
    /// The pass for a user, if there is one, and for locking, if wanted.
    pub fn new(user: Option<UserRequest>, lock: bool, epoch: Epoch) -> Self {
        Self { user, lock, epoch }
    }
}

impl Pass for Accounts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        let (mut made, mut notes) = (0, Vec::new());
        if let Some(user) = &self.user {
            let group = self.make_group(tree, user)?;
            let is_new = self.make_user(tree, user)?;
            made = u64::from(is_new || group);
            // Of an account that the image brings along, the home folder is the image's affair.
            notes.extend(self.make_home(tree, user)?.filter(|_| is_new));
        }
        let locked = if self.lock { self.lock_all(tree)? } else { 0 };
        Ok(Outcome::of(&[("users made", made), ("passwords locked", locked)], notes))
    }
}

impl Accounts {
    fn make_group(&self, tree: &mut Tree, user: &UserRequest) -> Result<bool, PassError> {
        let name = user.name.as_str();
        let mut group = AccountFile::read(tree, GROUP)?;
        // A number of its own that is another group's is that group: `gid = 0`, `gid = 100`.
        if user.gid != user.uid && group.lines.iter().any(|line| line.number(2) == Some(user.gid)) {
            return Ok(false);
        }
        for line in &group.lines {
            let (same_name, same_id) = (line.name() == name, line.number(2) == Some(user.gid));
            if same_name && same_id {
                return Ok(false);
            }
            if same_name || same_id {
                let there = format!("the group `{}` with the number {}", line.name(), line.field(2));
                return Err(PassError::AccountClash { name: user.name.clone(), there });
            }
        }
        group.push(&format!("{name}:x:{}:", user.gid));
        group.write(tree, 0o644, self.epoch, NAME)?;
        let mut gshadow = AccountFile::read(tree, GSHADOW)?;
        if gshadow.exists {
            gshadow.push(&format!("{name}:!::"));
            gshadow.write(tree, 0o640, self.epoch, NAME)?;
        }
        Ok(true)
    }

    fn make_user(&self, tree: &mut Tree, user: &UserRequest) -> Result<bool, PassError> {
        let name = user.name.as_str();
        let mut passwd = AccountFile::read(tree, PASSWD)?;
        for line in &passwd.lines {
            let (same_name, same_id) = (line.name() == name, line.number(2) == Some(user.uid));
            let same_paths = line.field(5) == user.home.as_str() && line.field(6) == user.shell.as_str();
            if same_name && same_id && line.number(3) == Some(user.gid) && same_paths {
                return Ok(false);
            }
            if same_name || same_id {
                let (uid, gid, home, shell) = (line.field(2), line.field(3), line.field(5), line.field(6));
                let there = format!("the user `{}` with the numbers {uid}:{gid}, {home} and {shell}", line.name());
                return Err(PassError::AccountClash { name: user.name.clone(), there });
            }
        }
        let mut shadow = AccountFile::read(tree, SHADOW)?;
        let password = if shadow.exists { "x" } else { "*" };
        let (uid, gid, home, shell) = (user.uid, user.gid, &user.home, &user.shell);
        passwd.push(&format!("{name}:{password}:{uid}:{gid}::{home}:{shell}"));
        passwd.write(tree, 0o644, self.epoch, NAME)?;
        if shadow.exists {
            // Without ageing, as `useradd --system` writes it.
            shadow.push(&format!("{name}:!:{}::::::", days(self.epoch)));
            shadow.write(tree, 0o640, self.epoch, NAME)?;
        }
        Ok(true)
    }

    /// Makes the home folder; a note where one is there already that is another's.
    fn make_home(&self, tree: &mut Tree, user: &UserRequest) -> Result<Option<String>, PassError> {
        if NO_HOME.contains(&user.home.as_str()) {
            return Ok(None);
        }
        let home = tree.resolve(&TreePath::new(user.home.as_str())?)?;
        let cannot = |why: String| PassError::Home { name: user.name.clone(), home: home.clone(), why };
        let ours = |origin: &Origin| *origin == Origin::Pass(super::files::NAME.into());
        match tree.get(&home) {
            Some(there) if !there.is_directory() => return Err(cannot("the image has no folder there".to_owned())),
            Some(there) if !ours(&there.origin) => return Ok(kept(user, &home, there)),
            _ => {}
        }
        let mut put = Ok(());
        if let Some(parent) = home.parent().filter(|parent| !tree.contains(parent)) {
            let mut folder = Inode::directory(0o755, Origin::Pass(NAME.into()));
            folder.meta.mtime = self.epoch.seconds();
            put = tree.insert_with_parents(parent, folder).map(drop);
        }
        let mut inode = Inode::directory(0o750, Origin::Pass(NAME.into()));
        (inode.meta.uid, inode.meta.gid, inode.meta.mtime) = (user.uid, user.gid, self.epoch.seconds());
        put.and_then(|()| tree.insert(home.clone(), inode).map(drop)).map_err(|error| cannot(error.to_string()))?;
        Ok(None)
    }

    fn lock_all(&self, tree: &mut Tree) -> Result<u64, PassError> {
        let shadowed = AccountFile::read(tree, SHADOW)?.exists;
        let mut locked = 0;
        for (file, mode) in [(SHADOW, 0o640), (PASSWD, 0o644), (GSHADOW, 0o640)] {
            let mut accounts = AccountFile::read(tree, file)?;
            let open = accounts.lines.iter_mut().filter(|line| is_open(line, file == PASSWD));
            let count = open.map(|line| line.set(1, if file == PASSWD && shadowed { "x" } else { "*" })).count();
            if count > 0 {
                accounts.write(tree, mode, self.epoch, NAME)?;
            }
            locked += count as u64;
        }
        Ok(locked)
    }
}

/// What is said of a home folder that stays as it is: nothing where it is the user's, or the recipe made it so.
fn kept(user: &UserRequest, home: &TreePath, there: &Inode) -> Option<String> {
    let meta = &there.meta;
    if meta.uid == user.uid || matches!(there.origin, Origin::Recipe(_)) {
        return None;
    }
    let (name, uid, gid, mode) = (&user.name, meta.uid, meta.gid, meta.mode);
    Some(format!("the home folder {home} of {name} is there already, and stays that of {uid}:{gid} (mode {mode:04o})"))
}

/// Whether the password is empty or a hash. A hash is replaced and not only locked: it is a secret. In `/etc/passwd`, `x`
/// says that the password is in `/etc/shadow`.
fn is_open(line: &Line, passwd: bool) -> bool {
    let password = line.field(1);
    let elsewhere = passwd && password == "x";
    !line.name().is_empty() && !elsewhere && !password.starts_with(['*', '!'])
}
