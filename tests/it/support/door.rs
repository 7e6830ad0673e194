//! The three ways into the sandbox: what stands before the program so that it takes each of them.

use super::workspace::Workspace;

/// A way into the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Root, with namespaces.
    Root,
    /// An unprivileged user with subordinate ids.
    User,
    /// Root without CAP_SYS_ADMIN, as in a container.
    Chroot,
}

/// All of them.
pub const DOORS: [Door; 3] = [Door::Root, Door::User, Door::Chroot];

impl Door {
    /// The words before the program.
    pub fn prefix(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[],
            Self::User => {
                &["setpriv", "--reuid", "tester", "--regid", "tester", "--init-groups", "--inh-caps=-all", "--"]
            }
            Self::Chroot => &["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", "--"],
        }
    }

    /// Makes a workspace usable by whoever comes through this door.
    pub fn prepare(self, workspace: &Workspace) {
        if self == Self::User {
            workspace.give_to_tester();
        }
    }
}
