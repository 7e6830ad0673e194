//! The three ways into the sandbox.

use crate::ops::doctor::Check;
use crate::ops::doctor::machine::Machine;

/// Capabilities by their number in linux/capability.h.
const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const FOWNER: u32 = 3;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SYS_CHROOT: u32 = 18;
pub(super) const SYS_ADMIN: u32 = 21;
const MKNOD: u32 = 27;

/// How many subordinate ids an image's users and groups take.
const IDS: u64 = 65_536;

/// The doors in the order in which they are tried.
pub(super) fn doors(machine: &Machine) -> Vec<Check> {
    vec![namespaces(machine), user_namespace(machine), chroot(machine)]
}

fn namespaces(machine: &Machine) -> Check {
    let name = "root";
    if machine.uid != 0 {
        return Check::missing(name, "you are not root", Vec::new());
    }
    if machine.can(SYS_ADMIN) {
        return Check::ok(name, "namespaces, with CAP_SYS_ADMIN");
    }
    Check::missing(name, "CAP_SYS_ADMIN is missing, as in most containers", Vec::new())
}

fn user_namespace(machine: &Machine) -> Check {
    let name = "user namespace";
    if machine.uid == 0 {
        return Check::missing(name, "only for users other than root", Vec::new());
    }
    let mut reasons = Vec::new();
    let mut ways_out = Vec::new();
    let mut lacks = |reason: String, way_out: String| {
        reasons.push(reason);
        ways_out.push(way_out);
    };
    let user = machine.user_name();
    if machine.most_user_namespaces == Some(0) {
        lacks("user.max_user_namespaces is 0".to_owned(), "sudo sysctl user.max_user_namespaces=15000".to_owned());
    }
    if machine.userns_clone == Some(0) {
        lacks(
            "kernel.unprivileged_userns_clone is 0".to_owned(),
            "sudo sysctl kernel.unprivileged_userns_clone=1".to_owned(),
        );
    }
    if machine.apparmor_restricts == Some(1) {
        lacks(
            "AppArmor restricts user namespaces".to_owned(),
            "an AppArmor profile for rootsmith with the rule `userns,`, or \
             sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
                .to_owned(),
        );
    }
    let (uids, gids) = (&machine.subordinate_uids, &machine.subordinate_gids);
    if uids.largest < IDS || gids.largest < IDS {
        let range = |free: u64| format!("{free}-{}", free + IDS - 1);
        lacks(
            format!("`{user}` has no {IDS} subordinate ids in /etc/subuid and /etc/subgid"),
            format!("sudo usermod --add-subuids {} --add-subgids {} {user}", range(uids.free), range(gids.free)),
        );
    }
    if machine.id_mappers.iter().any(Option::is_none) {
        lacks(
            "newuidmap or newgidmap is missing".to_owned(),
            "sudo apt-get install uidmap (shadow-utils on Fedora, shadow-uidmap on Alpine)".to_owned(),
        );
    }
    if !reasons.is_empty() {
        return Check::missing(name, reasons.join("; "), ways_out);
    }
    let door = Check::ok(name, format!("with the subordinate ids of `{user}`"));
    if machine.has_seccomp {
        let detail = format!("{}; a seccomp filter, as Docker's, may forbid it", door.detail);
        return Check { detail, ..door }.limited();
    }
    if machine.id_mappers.iter().flatten().any(|(_, is_setuid)| !is_setuid) {
        let detail = format!("{}; newuidmap is not setuid, so it must have file capabilities", door.detail);
        return Check { detail, ..door }.limited();
    }
    door
}

fn chroot(machine: &Machine) -> Check {
    let name = "root, chroot only";
    if machine.uid != 0 {
        return Check::missing(name, "you are not root", Vec::new());
    }
    let needed = [
        (SYS_CHROOT, "CAP_SYS_CHROOT"),
        (CHOWN, "CAP_CHOWN"),
        (DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
        (FOWNER, "CAP_FOWNER"),
        (SETUID, "CAP_SETUID"),
        (SETGID, "CAP_SETGID"),
        (MKNOD, "CAP_MKNOD"),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(capability, _)| !machine.can(*capability)).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Check::ok(name, "no mounts, a few device nodes: what containers allow by default");
    }
    let ways_out = vec!["start the container with its default capabilities, or more".to_owned()];
    Check::missing(name, format!("{} is missing", missing.join(", ")), ways_out)
}
