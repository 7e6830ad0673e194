//! What a test needs of its machine. A test whose needs are not met says so and is skipped; with
//! `ROOTSMITH_TEST_REQUIRE=all`, as in CI, it fails instead, unless it is test data that is absent: a machine
//! cannot make that.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that not every machine has.
pub enum Need {
    /// Root, with CAP_SYS_ADMIN.
    Root,
    /// A program.
    Program(&'static str),
    /// The address of a caching mirror of Debian's archive, in `ROOTSMITH_TEST_MIRROR`.
    Mirror,
    /// The user `tester` with subordinate ids.
    Tester,
    /// What it takes to go through every door of the sandbox: root, the user `tester`, and `setpriv`.
    Doors,
    /// A machine whose programs are those of x86-64.
    Amd64,
    /// A kernel that is not older.
    Linux(u32, u32),
    /// Real packages and the like, at this path in the folder of test data.
    Data(&'static str),
}

/// Whether all needs are met. The reason why not goes to standard error.
pub fn met(needs: &[Need]) -> bool {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        return true;
    }
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let has_data = missing.iter().any(|need| matches!(need, Need::Data(_)));
    let advice = if has_data { "" } else { "; `scripts/test` sets it up" };
    let reason = format!("this test needs {}{advice}", names.join(", "));
    let must = std::env::var("ROOTSMITH_TEST_REQUIRE").as_deref() == Ok("all") && !has_data;
    assert!(!must, "{reason}");
    eprintln!("skipped: {reason}");
    false
}

/// Leaves the test where a need is not met.
macro_rules! require {
    ($($need:expr),+ $(,)?) => {
        if !$crate::support::require::met(&[$($need),+]) {
            return;
        }
    };
}
pub(crate) use require;

impl Need {
    fn is_met(&self) -> bool {
        match self {
            Self::Root => has_system_administration(),
            Self::Program(name) => find(name).is_some(),
            Self::Mirror => mirror().is_some(),
            Self::Tester => {
                let has = |file: &str| {
                    let text = std::fs::read_to_string(file).unwrap_or_default();
                    text.lines().any(|line| line.starts_with("tester:"))
                };
                has("/etc/passwd") && has("/etc/subuid") && has("/etc/subgid")
            }
            Self::Doors => [Self::Root, Self::Tester, Self::Program("setpriv")].iter().all(Self::is_met),
            Self::Amd64 => cfg!(target_arch = "x86_64"),
            Self::Linux(major, minor) => kernel() >= (*major, *minor),
            Self::Data(path) => data().join(path).exists(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root with CAP_SYS_ADMIN"),
            Self::Program(name) => write!(f, "the program `{name}`"),
            Self::Mirror => f.write_str("a mirror in ROOTSMITH_TEST_MIRROR"),
            Self::Tester => f.write_str("the user `tester` with subordinate ids"),
            Self::Doors => {
                f.write_str("root with CAP_SYS_ADMIN, the user `tester` with subordinate ids, and `setpriv`")
            }
            Self::Amd64 => f.write_str("an x86-64 machine"),
            Self::Linux(major, minor) => write!(f, "Linux {major}.{minor} or newer"),
            Self::Data(path) => write!(f, "`{path}` in the folder that ROOTSMITH_TEST_DATA names"),
        }
    }
}

/// The address of the caching mirror, without `/debian`.
pub fn mirror() -> Option<String> {
    std::env::var("ROOTSMITH_TEST_MIRROR").ok().filter(|address| !address.is_empty())
}

/// The folder of test data: `ROOTSMITH_TEST_DATA`, or `shared/data` beside the repository.
pub fn data() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    std::env::var_os("ROOTSMITH_TEST_DATA").map_or_else(beside, PathBuf::from)
}

/// The file of a program.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).to_owned()));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The version of the running kernel.
fn kernel() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = text.split(|character: char| !character.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether this process is root and may mount: bit 21 of its effective capabilities (capabilities(7)).
fn has_system_administration() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = line.and_then(|value| u64::from_str_radix(value.trim(), 16).ok()).unwrap_or(0);
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|output| output.stdout == b"0\n");
    is_root && capabilities & (1 << 21) != 0
}
