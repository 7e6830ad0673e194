//! What can go wrong around a build, one thing at a time: each ends with its exit code and its message, and the next
//! ordinary run gives the right digest.
//!
//! `scripts/faults` runs all of it, with more moments and more builds at once than an ordinary test run, and writes the
//! table of `docs/faults.md` from what the tests note.

mod damaged;
mod hostile;
mod killed;
mod machine;
mod mirror;
mod together;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::golden;
use crate::support::workspace::{Finished, Workspace, words};

/// How a thing that went wrong has to end.
pub struct Ends {
    /// The exit code.
    pub code: i32,
    /// What standard error has to say.
    pub says: &'static str,
}

/// Checks how a run ended, and notes it for the table: of which `group` it is, and what went wrong.
pub fn ended(group: &str, fault: &str, finished: &Finished, ends: &Ends) {
    assert_eq!(finished.code, ends.code, "{group}, {fault}:\n{}\n{}", finished.stdout, finished.stderr);
    let said = words(&finished.stderr);
    assert!(said.contains(&words(ends.says)), "{group}, {fault}: `{}` is not in:\n{}", ends.says, finished.stderr);
    note(group, fault, ends.code, ends.says);
}

/// Notes an outcome for the table of `docs/faults.md`, where `scripts/faults` asks for it.
pub fn note(group: &str, fault: &str, code: i32, outcome: &str) {
    if let Some(path) = std::env::var_os("ROOTSMITH_TEST_FAULTS_TABLE") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{group}\t{fault}\t{code}\t{outcome}\n").as_bytes()).unwrap();
    }
}

/// `few` in an ordinary test run, `many` in one by `scripts/faults`.
pub fn how_many(few: usize, many: usize) -> usize {
    if std::env::var_os("ROOTSMITH_TEST_FAULTS_TABLE").is_some() { many } else { few }
}

/// A workspace with the golden recipe, whose archive is a folder.
pub fn workspace() -> Workspace {
    golden::workspace(&std::env::temp_dir())
}

/// The same, with the archive at `addresses`, in their order.
pub fn workspace_with(addresses: &[&str]) -> Workspace {
    let workspace = workspace();
    at(&workspace, addresses);
    workspace
}

/// Lets the golden recipe of `workspace` fetch from `addresses`.
pub fn at(workspace: &Workspace, addresses: &[&str]) {
    let recipe = fs::read_to_string(workspace.path("golden.toml")).unwrap();
    let (before, rest) = recipe.split_once("[[from.debian.repository]]").unwrap();
    let after = &rest[rest.find("[[file]]").unwrap()..];
    let mirrors: String =
        addresses.iter().map(|address| format!("[[from.debian.repository]]\nurl = \"{address}\"\n")).collect();
    workspace.write("golden.toml", &format!("{before}{mirrors}{after}"));
}

/// Flags that make a fault that needs time need little.
pub const IMPATIENT: [&str; 4] = ["--retries", "1", "--timeout", "2"];

/// Builds the golden recipe into the layout `out`.
pub fn build(workspace: &Workspace, flags: &[&str]) -> Finished {
    workspace.rootsmith(["build", "golden.toml", "-o", "oci:out"].iter().chain(flags))
}

/// Every file below `folder`, without folders.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

/// Whether nothing of a run is left on the machine but what it is for: no process, no mount, no unfinished file in the
/// workspace. A process that was just killed is given a moment to be gone.
pub fn is_clean(workspace: &Workspace) -> Result<(), String> {
    let root = workspace.path("");
    let folder = root.to_str().unwrap().trim_end_matches('/').to_owned();
    for _ in 0..40 {
        if processes_in(&folder).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let processes = processes_in(&folder);
    if !processes.is_empty() {
        return Err(format!("processes: {processes:?}"));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    if let Some(mount) = mounts.lines().find(|line| line.contains(&folder)) {
        return Err(format!("a mount: {mount}"));
    }
    let is_unfinished = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let in_temporary = entry.path().parent().is_some_and(|parent| parent.ends_with("store/temporary"));
        in_temporary || name.contains("unfinished") || name.starts_with("stage-") || name.starts_with(".tmp")
    };
    let entries = walkdir::WalkDir::new(&root).into_iter().flatten();
    match entries.into_iter().find(is_unfinished) {
        Some(entry) => Err(format!("left behind: {}", entry.path().display())),
        None => Ok(()),
    }
}

/// Processes whose folder, root or arguments are in `folder`.
fn processes_in(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let link = |name: &str| fs::read_link(path.join(name)).unwrap_or_default().to_string_lossy().into_owned();
        let arguments = String::from_utf8_lossy(&fs::read(path.join("cmdline")).unwrap_or_default()).replace('\0', " ");
        if link("cwd").starts_with(folder) || link("root").starts_with(folder) || arguments.contains(folder) {
            found.push(format!("{} {arguments}", entry.file_name().to_string_lossy()));
        }
    }
    found
}
