//! The command as it is typed: streams, exit codes, signals.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rootsmith::store::Store;

#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn rootsmith(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rootsmith"));
    command.env_clear().env("ROOTSMITH_STORE", store).stdin(Stdio::null());
    command
}

fn output(store: &Path, arguments: &[&str]) -> Output {
    rootsmith(store).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn answers_go_to_the_output_and_errors_to_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let good = output(folder.path(), &["store", "ls", "--json"]);
    assert!(good.status.success() && good.stderr.is_empty());
    let listing: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(listing["schema"], "rootsmith/store/1");
    let bad = output(folder.path(), &["explain", "no::such"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(bad.stdout.is_empty() && text(&bad.stderr).contains("help:"));
    let typo = output(folder.path(), &["stroe"]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(typo.stdout.is_empty() && text(&typo.stderr).contains("store"));
    let help = output(folder.path(), &["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("Exit codes"));
}

#[test]
fn a_damaged_blob_is_an_answer_of_no() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let blob = store.put(b"bytes").unwrap();
    std::fs::write(&blob.path, b"bytez").unwrap();
    let found = output(folder.path(), &["store", "verify", "--progress", "none"]);
    assert_eq!(found.status.code(), Some(1));
    assert!(text(&found.stdout).contains(&blob.digest.hex()) && found.stderr.is_empty());
    assert_eq!(output(folder.path(), &["store", "verify"]).status.code(), Some(0));
}

#[test]
fn tidying_a_store_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let refused = output(folder.path(), &["store", "gc", "--all"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("--wait"), "{}", text(&refused.stderr));
    drop(store);
    assert!(output(folder.path(), &["store", "gc", "--all"]).status.success());
}

#[test]
fn a_store_that_cannot_be_made_is_this_machines_trouble() {
    let found = output(Path::new("/proc/nowhere"), &["store", "ls"]);
    assert_eq!(found.status.code(), Some(3));
    assert!(text(&found.stderr).contains("--store"), "{}", text(&found.stderr));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        rootsmith(folder.path()).arg("explain").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn ctrl_c_ends_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        // It waits for the store, which is held here, until it is told to end.
        let mut child = rootsmith(folder.path()).args(["store", "gc", "--wait"]).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        wait_until_it_listens(child.id());
        kill(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
    drop(store);
}

/// Until the process has a handler for SIGINT, seen in the mask of caught signals (proc_pid_status(5)).
fn wait_until_it_listens(pid: u32) {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        let caught = u64::from_str_radix(caught, 16).unwrap();
        if caught & (1 << (Signal::SIGTERM as u32 - 1)) != 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
