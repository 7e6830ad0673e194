//! The one door to other programs: a stage, cut off from the host, in which code of the image runs.
//!
//! A [`Session`] is a worker process (this same program, started again) that holds a stage: an empty root directory of
//! its own. A [`Tree`](crate::tree::Tree) is put into it, [`Step`]s run in it, and the changed tree is collected from it. Which way the
//! worker gets its root directory is the [`Door`]; what comes out is the same for all three:
//!
//! - [`Door::Namespaces`]: root with CAP_SYS_ADMIN; mount, PID, IPC, UTS and network namespaces.
//! - [`Door::UserNamespace`]: anybody with subordinate ids in `/etc/subuid` and `/etc/subgid`; the same namespaces in a
//!   user namespace of our own.
//! - [`Door::Chroot`]: root without CAP_SYS_ADMIN, as in a container of Docker or Kubernetes; a plain chroot, no mounts.
//!   The module `procfs` makes up for the `/proc` that it cannot have.
//!
//! Programs in the stage see no network, an unmoving clock, one processor, a fixed host and kernel name, and a sync that
//! does nothing; the module `tracer` tells how. They and the stage are gone when the session ends, however it ends;
//! one whose tree was collected is removed while the tree is worked on.
//!
//! Programs that use this library call [`become_worker_if_asked`] first thing in `main`.

mod answer;
mod clear;
mod filter;
mod foreign;
mod gathering;
mod host;
mod identity;
mod leaving;
mod lines;
mod listing;
mod memory;
mod names;
mod procfs;
mod session;
mod stage;
mod tracee;
mod tracer;
mod wire;
mod worker;

use std::fmt;
use std::io;
use std::path::PathBuf;

use leaving::Leaving;

use crate::platform::Platform;
use crate::store::StoreError;

pub use answer::{Answered, run_host_program_with};
pub use foreign::{Emulator, Lack, Means};
pub use host::{HostOutput, HostProgram, Linked, linked, run_host_program, run_host_program_in, run_host_program_on};
pub use session::{Ended, Session};
pub use wire::Step;
pub use worker::become_worker_if_asked;

/// How the worker gets a root directory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Door {
    /// Root with namespaces.
    Namespaces,
    /// A user namespace with subordinate ids.
    UserNamespace,
    /// Root without CAP_SYS_ADMIN: a plain chroot.
    Chroot,
}

/// What a stage is made with.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// A folder of the host for stages that are kept on disk; it exists.
    pub folder: PathBuf,
    /// Whether programs reach the host's network.
    pub network: bool,
    /// Bytes that the stage is expected to hold; it is kept in memory where that is little enough.
    pub expected_size: u64,
    /// What runs programs of another architecture, where the kernel does not by itself: [`Emulator::for_platform`].
    pub emulator: Option<Emulator>,
}

/// Why nothing can run in a sandbox, or what went wrong there.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SandboxError {
    /// The kernel gives no user namespaces to this user.
    #[error("cannot make a user namespace: {reason}")]
    #[diagnostic(help("{help}"))]
    NoUserNamespace {
        /// Why not, with the setting that forbids it.
        reason: String,
        /// What can be done.
        help: String,
    },
    /// The user has no subordinate ids.
    #[error("user {user} has no subordinate ids in {file}, so files cannot belong to the image's users")]
    #[diagnostic(help(
        "an administrator can give some: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`; \
         or run rootsmith as root, also in a container"
    ))]
    NoSubordinateIds {
        /// The user's name, or number where it has none.
        user: String,
        /// The file without a line for the user.
        file: &'static str,
    },
    /// `newuidmap` or `newgidmap` is missing or refuses.
    #[error("cannot map subordinate ids: `{program}` {reason}")]
    #[diagnostic(help(
        "install it (Debian: `apt install uidmap`; Fedora: `dnf install shadow-utils`), or run as root"
    ))]
    Mapper {
        /// The program.
        program: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Programs of a platform cannot run on this machine.
    #[error("cannot run programs for {platform} on this machine: {reason}")]
    #[diagnostic(help(
        "install qemu-user-static (`rootsmith doctor` says more), or build on a machine of that platform; \
         images without scripts, `scripts = false` in [from.debian], are built anywhere"
    ))]
    Foreign {
        /// The platform.
        platform: Platform,
        /// Why not.
        reason: String,
    },
    /// A step of making or reading the stage.
    #[error("the sandbox cannot {what}")]
    Stage {
        /// What could not be done.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// There is no room for the stage.
    #[error("the sandbox cannot {what}: there is no space left for its stage")]
    #[diagnostic(help(
        "the stage is a folder of the store, or in memory where a quarter of what is free holds it: make room \
         (`rootsmith store gc`; `df -h`, `df -i` and `free -h` show what is short), or put the store elsewhere: \
         `--store DIR`"
    ))]
    Full {
        /// What could not be done.
        what: String,
        /// The file system's words, with the file.
        source: io::Error,
    },
    /// The store cannot keep what comes out of the stage.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A program in the stage ended with an error.
    #[error("`{command}` ended with {status} in the image{}", quoted(output))]
    #[diagnostic(help("the lines above are the end of its output; `-vv` shows all of it"))]
    Program {
        /// The program and its arguments.
        command: String,
        /// Exit code or signal.
        status: String,
        /// The last lines it wrote.
        output: Vec<String>,
    },
    /// The worker is gone.
    #[error("the sandbox ended unexpectedly{}", quoted(output))]
    #[diagnostic(help("was it killed, or is there no memory left? `dmesg` may tell"))]
    Gone {
        /// The last lines that came from it.
        output: Vec<String>,
    },
}

impl SandboxError {
    /// Files could not be exchanged with the worker.
    fn misread(source: io::Error) -> Self {
        Self::Stage { what: "exchange files with its stage".into(), source }
    }
}

/// Starts sessions. Dropping the last clone waits until the stages of those that were collected are removed.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    leaving: Leaving,
}

impl Sandbox {
    /// Starts a session with an empty stage. Fails where this user cannot have one, and says what would help.
    pub fn start(&self, settings: &Settings) -> Result<Session, SandboxError> {
        Session::start(settings, self.leaving.clone())
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces, as root",
            Self::UserNamespace => "a user namespace",
            Self::Chroot => "a plain chroot, as root without CAP_SYS_ADMIN",
        })
    }
}

fn quoted(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}
