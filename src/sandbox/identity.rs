//! Subordinate ids: which users of the host stand for the users of an image (subuid(5), newuidmap(1)).

use std::fs;
use std::io;
use std::process::Command;

use nix::unistd::{Uid, User};

use super::SandboxError;

/// How many ids an image needs: 0 to 65535.
const COUNT: u32 = 65_536;

/// The first ids of this user's ranges of at least 65,536 subordinate users and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubordinateIds {
    users: u32,
    groups: u32,
}

impl SubordinateIds {
    /// Reads them from `/etc/subuid` and `/etc/subgid`.
    pub(super) fn of_this_user() -> Result<Self, SandboxError> {
        let uid = Uid::current();
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        let first = |file: &'static str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let missing =
                || SandboxError::NoSubordinateIds { user: name.clone().unwrap_or_else(|| uid.to_string()), file };
            first_of(&text, name.as_deref(), uid.as_raw()).ok_or_else(missing)
        };
        Ok(Self { users: first("/etc/subuid")?, groups: first("/etc/subgid")? })
    }

    /// Maps them onto 0 to 65535 of the user namespace in which the process `pid` waits.
    pub(super) fn map(self, pid: u32) -> Result<(), SandboxError> {
        run("newuidmap", pid, self.users)?;
        run("newgidmap", pid, self.groups)
    }
}

/// Maps all ids onto themselves in the user namespace in which the process `pid` waits. Only root can.
pub(super) fn map_all(pid: u32) -> io::Result<()> {
    for file in ["uid_map", "gid_map"] {
        // The whole of what this process itself has: in a container that may be less than all.
        let own = fs::read_to_string(format!("/proc/self/{file}"))?;
        let ranges = own.lines().filter_map(|line| {
            let mut numbers = line.split_whitespace();
            let (first, _, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
            Some(format!("{first} {first} {count}\n"))
        });
        fs::write(format!("/proc/{pid}/{file}"), ranges.collect::<String>())?;
    }
    Ok(())
}

/// The start of the first range of enough ids that a line `name-or-uid:start:count` gives to the user.
fn first_of(text: &str, name: Option<&str>, uid: u32) -> Option<u32> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let user = fields.next()?;
        let start = fields.next()?.trim().parse().ok()?;
        let count: u32 = fields.next()?.trim().parse().ok()?;
        ((Some(user) == name || user == uid) && count >= COUNT).then_some(start)
    })
}

#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
fn run(program: &'static str, pid: u32, first: u32) -> Result<(), SandboxError> {
    let arguments = [pid, 0, first, COUNT].map(|number| number.to_string());
    let output = Command::new(program).args(arguments).output().map_err(|error| {
        let reason =
            if error.kind() == std::io::ErrorKind::NotFound { "is not installed".into() } else { error.to_string() };
        SandboxError::Mapper { program, reason }
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(SandboxError::Mapper { program, reason: format!("refuses: {said}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let text = "# a comment\nsmall:1:10\nalice:100000:65536\n1001:300000:70000\nbroken\n";
        assert_eq!(first_of(text, Some("alice"), 1000), Some(100_000));
        assert_eq!(first_of(text, None, 1001), Some(300_000));
        assert_eq!(first_of(text, Some("small"), 7), None);
    }
}
