//! What the files of a machine say about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::ops::doctor::DoctorOptions;

/// Facts, without judgement.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// Whether /proc is mounted.
    pub(super) has_proc: bool,
    /// The effective user.
    pub(super) uid: u32,
    /// Their name, where /etc/passwd has it.
    pub(super) user: Option<String>,
    /// The effective capabilities, a bit each.
    pub(super) capabilities: u64,
    /// Whether a seccomp filter is in force.
    pub(super) has_seccomp: bool,
    /// Whether this is inside a container of Docker or podman.
    pub(super) in_container: bool,
    /// `user.max_user_namespaces`.
    pub(super) most_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, of Debian's kernels.
    pub(super) userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu's.
    pub(super) apparmor_restricts: Option<u64>,
    /// The user's ranges in /etc/subuid, and all others.
    pub(super) subordinate_uids: Subordinate,
    /// The same of /etc/subgid.
    pub(super) subordinate_gids: Subordinate,
    /// newuidmap and newgidmap, where they are; `true` where they run as root.
    pub(super) id_mappers: [Option<(PathBuf, bool)>; 2],
    /// Free memory in bytes, within the limit of the control group.
    pub(super) memory: Option<u64>,
    /// Free bytes and inodes where the store is.
    pub(super) disk: Option<(u64, u64)>,
}

/// What a file of subordinate ids has.
#[derive(Clone, Debug, Default)]
pub(super) struct Subordinate {
    /// The size of the user's largest range.
    pub(super) largest: u64,
    /// The first id beyond all ranges of all users.
    pub(super) free: u64,
}

impl Machine {
    pub(super) fn read(options: &DoctorOptions) -> Self {
        let root = &options.root;
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let number = |path: &str| text(path).and_then(|text| text.trim().parse().ok());
        let status = text("proc/self/status");
        let of_status = |name: &str| status.as_deref().and_then(|status| field(status, name));
        let uid = of_status("Uid:").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok());
        let uid = uid.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
        let user = text("etc/passwd").and_then(|passwd| user_name(&passwd, uid));
        let capabilities = of_status("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let subordinate = |path| subordinate(&text(path).unwrap_or_default(), user.as_deref(), uid);
        Self {
            has_proc: status.is_some(),
            uid,
            capabilities,
            has_seccomp: of_status("Seccomp:") == Some("2"),
            in_container: root.join(".dockerenv").exists() || root.join("run/.containerenv").exists(),
            most_user_namespaces: number("proc/sys/user/max_user_namespaces"),
            userns_clone: number("proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            subordinate_uids: subordinate("etc/subuid"),
            subordinate_gids: subordinate("etc/subgid"),
            id_mappers: ["newuidmap", "newgidmap"].map(|name| {
                let path = find_program(&options.path, name)?;
                let is_setuid = fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & 0o4000 != 0);
                Some((path, is_setuid))
            }),
            memory: memory(text("proc/meminfo").as_deref(), text("sys/fs/cgroup/memory.max").as_deref()),
            disk: free_space(&options.store),
            user,
        }
    }

    /// The user's name, or number where it has none.
    pub(super) fn user_name(&self) -> String {
        self.user.clone().unwrap_or_else(|| self.uid.to_string())
    }

    /// Whether the effective capabilities have this bit (capability.h).
    pub(super) fn can(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }
}

/// The program `name` in the folders of `path`.
pub(super) fn find_program(path: &[PathBuf], name: &str) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    path.iter().map(|folder| folder.join(name)).find(is_program)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid))?;
    line.split(':').next().map(str::to_owned)
}

/// Reads `NAME:FIRST:COUNT` lines (subuid(5)); the name may be a number.
fn subordinate(text: &str, user: Option<&str>, uid: u32) -> Subordinate {
    let uid = uid.to_string();
    let mut found = Subordinate { largest: 0, free: 100_000 };
    for line in text.lines() {
        let mut parts = line.trim().split(':');
        let (Some(name), Some(first), Some(count)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (Ok(first), Ok(count)) = (first.parse::<u64>(), count.parse::<u64>()) else { continue };
        found.free = found.free.max(first.saturating_add(count));
        if Some(name) == user || name == uid {
            found.largest = found.largest.max(count);
        }
    }
    found
}

fn memory(meminfo: Option<&str>, limit: Option<&str>) -> Option<u64> {
    let available = field(meminfo?, "MemAvailable:")?.strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024;
    let limit = limit.and_then(|limit| limit.trim().parse().ok()).unwrap_or(u64::MAX);
    Some(available.min(limit))
}

/// The free bytes and inodes for this user at `path`, or where it would be made. A file system that counts no inodes has
/// as many as one likes.
fn free_space(path: &Path) -> Option<(u64, u64)> {
    let there = path.ancestors().find(|folder| folder.exists())?;
    let found = nix::sys::statvfs::statvfs(there).ok()?;
    let inodes = if found.files() == 0 { u64::MAX } else { found.files_available() };
    Some((found.blocks_available() * found.fragment_size(), inodes))
}
