//! Builds that end before their time: by SIGKILL, by Ctrl-C, by a power cut.

use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{build, files_below, how_many, is_clean, note};
use crate::golden;
use crate::support::door::{DOORS, Door};
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace, binary, finish};

/// What a build finds in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Cold,
    /// All packages, and nothing remembered.
    Warm,
    /// Everything.
    Unchanged,
}

/// A workspace that the user of `door` can use.
fn workspace(door: Door) -> Workspace {
    let workspace = super::workspace();
    fs::create_dir(workspace.path("scratch")).unwrap();
    door.prepare(&workspace);
    workspace
}

fn command(workspace: &Workspace, door: Door) -> std::process::Command {
    let words = door.prefix().iter().map(Into::into).chain([binary().into_os_string()]);
    let mut command = workspace.command(words);
    command.args(["build", "golden.toml", "--progress", "none", "-o", "oci:out", "-o", "rootfs-tar:rootfs.tar"]);
    command.env("TMPDIR", workspace.path("scratch"));
    command
}

fn whole(workspace: &Workspace, door: Door) -> Finished {
    finish(&mut command(workspace, door))
}

/// Brings the store into `state`, without an output and a lock where it is cold.
fn prepare(workspace: &Workspace, state: State, door: Door) {
    let remove = |name: &str| {
        let path = workspace.path(name);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    };
    ["out", "rootfs.tar"].into_iter().for_each(remove);
    match state {
        State::Cold => ["store", "golden.lock"].into_iter().for_each(remove),
        State::Warm => {
            whole(workspace, door).digest();
            ["out", "rootfs.tar", "store/memo"].into_iter().for_each(remove);
        }
        State::Unchanged => {
            whole(workspace, door).digest();
            ["out", "rootfs.tar"].into_iter().for_each(remove);
        }
    }
}

/// Starts a build and ends it after `pause` by `signal`; says how long it took to end.
fn end_after(workspace: &Workspace, door: Door, pause: Duration, signal: Signal) -> (Child, Duration) {
    let mut child = command(workspace, door).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(pause);
    let begun = Instant::now();
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    child.wait().unwrap();
    (child, begun.elapsed())
}

/// How long an undisturbed build takes from `state`.
fn duration(workspace: &Workspace, state: State, door: Door) -> Duration {
    prepare(workspace, state, door);
    let begun = Instant::now();
    whole(workspace, door).digest();
    begun.elapsed()
}

#[test]
fn a_build_killed_at_any_moment_leaves_nothing_in_the_way_of_the_next() {
    require!(Need::Doors, Need::Program("busybox"), Need::Amd64);
    for state in [State::Cold, State::Warm] {
        let moments = how_many(4, 20);
        let span = duration(&workspace(Door::Root), state, Door::Root);
        for number in 0..moments {
            // Spread over the whole build, at random within each part of it, and through each door in turn.
            let moment = span.mul_f64((number as f64 + rand::random::<f64>()) / moments as f64);
            let door = DOORS[number % DOORS.len()];
            let workspace = workspace(door);
            prepare(&workspace, state, door);
            end_after(&workspace, door, moment, Signal::SIGKILL);
            let said = format!("{state:?}, {door:?}, killed after {moment:?}");
            assert!(!workspace.path("out/index.json").exists() || whole_output(&workspace), "{said}");
            assert_eq!(whole(&workspace, door).digest(), golden::digest(), "{said}");
            assert_eq!(is_clean(&workspace), Ok(()), "{said}");
            assert_eq!(fs::read_dir(workspace.path("scratch")).unwrap().count(), 0, "{said}");
            let again = finish(workspace.command([binary()]).args(["store", "verify"]));
            assert_eq!(again.code, 0, "{said}: {}", again.stdout);
        }
        note(
            "killed",
            &format!("SIGKILL at {moments} moments of a {state:?} build"),
            0,
            "the next build has the right digest",
        );
    }
}

/// Whether the layout's image is whole, which it must be as soon as it is named.
fn whole_output(workspace: &Workspace) -> bool {
    crate::support::layout::Layout::open(&workspace.path("out")).image().digest == golden::digest()
}

#[test]
fn ctrl_c_ends_a_build_within_a_second_at_any_moment() {
    require!(Need::Doors, Need::Program("busybox"), Need::Amd64);
    for state in [State::Cold, State::Warm, State::Unchanged] {
        let moments = how_many(3, 20);
        let span = duration(&workspace(Door::Root), state, Door::Root);
        for number in 0..moments {
            let moment = span.mul_f64((number as f64 + rand::random::<f64>()) / moments as f64);
            let door = DOORS[number % DOORS.len()];
            // A machine that is busy with other things may need a moment of its own: one of three is in time.
            let in_time = (0..3).any(|_| interrupted(state, door, moment) < Duration::from_secs(1));
            assert!(in_time, "{state:?}, {door:?}, interrupted after {moment:?}");
        }
        note(
            "interrupted",
            &format!("Ctrl-C at {moments} moments of a {state:?} build"),
            130,
            "within a second, nothing left",
        );
    }
}

/// Interrupts a build at a moment; says how long it took to end. Nothing may be left.
fn interrupted(state: State, door: Door, moment: Duration) -> Duration {
    let workspace = workspace(door);
    prepare(&workspace, state, door);
    let (mut child, took) = end_after(&workspace, door, moment, Signal::SIGINT);
    let status = child.wait().unwrap();
    let said = format!("{state:?}, {door:?}, interrupted after {moment:?}: {status}, {took:?} later");
    // Before it listens, the signal itself ends it; and it may have been done.
    assert!(matches!(status.code(), Some(130 | 0)) || status.signal() == Some(2), "{said}");
    assert_eq!(is_clean(&workspace), Ok(()), "{said}");
    assert_eq!(fs::read_dir(workspace.path("scratch")).unwrap().count(), 0, "{said}");
    took
}

/// What a power cut leaves of a file whose last writes had not reached the disk.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Empty,
    Half,
    LastPageZeroed,
    AllZeroed,
}

impl Cut {
    fn at(self, path: &Path) {
        let file = fs::File::options().write(true).open(path).unwrap();
        let size = file.metadata().unwrap().len();
        let zero = |from: u64| file.write_all_at(&vec![0; (size - from) as usize], from).unwrap();
        match self {
            Self::Empty => file.set_len(0).unwrap(),
            Self::Half => file.set_len(size / 2).unwrap(),
            Self::LastPageZeroed => zero(size.saturating_sub(1) / 4096 * 4096),
            Self::AllZeroed => zero(0),
        }
    }
}

#[test]
fn a_store_whose_last_writes_are_lost_is_mended() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace(Door::Root);
    build(&workspace, &[]).digest();
    for cut in [Cut::Empty, Cut::Half, Cut::LastPageZeroed, Cut::AllZeroed] {
        for part in ["memo", "blobs", ""] {
            let mut files: Vec<PathBuf> = files_below(&workspace.path("store").join(part));
            files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
            // The newer half is what the disk had not got yet.
            files.drain(..files.len() / 2);
            assert!(!files.is_empty());
            for path in files {
                cut.at(&path);
            }
            let _ = fs::remove_dir_all(workspace.path("out"));
            let built = build(&workspace, &[]);
            assert_eq!(built.digest(), golden::digest(), "{cut:?} {part}");
            assert_eq!(is_clean(&workspace), Ok(()), "{cut:?} {part}");
        }
        // Downloads that were not complete.
        for path in files_below(&workspace.path("store/blobs")) {
            let name = path.file_name().unwrap();
            fs::copy(&path, workspace.path("store/partial").join(name)).unwrap();
            cut.at(&workspace.path("store/partial").join(name));
        }
        let _ = fs::remove_dir_all(workspace.path("store/blobs"));
        let _ = fs::remove_dir_all(workspace.path("store/memo"));
        assert_eq!(build(&workspace, &[]).digest(), golden::digest(), "{cut:?}, downloads");
        note(
            "power cut",
            &format!("{cut:?}: memos, blobs, both, unfinished downloads"),
            0,
            "the next build has the right digest",
        );
    }
}
