//! What recipes can begin with here, and where images can go.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::unistd::AccessFlags;

use crate::ops::doctor::machine::{Machine, find_program};
use crate::ops::doctor::{Check, DoctorOptions, State};
use crate::registry;
use crate::source::dnf::solver;

/// The apk source: only scripts need the sandbox, and they do not run unless the recipe asks for it.
pub(super) fn apk(doors: &[Check]) -> Check {
    let name = "alpine, wolfi";
    let can_run = doors.iter().any(|door| door.state == State::Ok);
    let scripts = if can_run { "the sandbox can run scripts too" } else { "not with `scripts = \"sandbox\"`" };
    Check::ok(name, format!("for every platform, no other program is needed; {scripts}"))
}

/// The Debian source: its packages' scripts need the sandbox.
pub(super) fn debian(doors: &[Check]) -> Check {
    let name = "debian, ubuntu";
    let door = |state: State| doors.iter().find(|door| door.state == state);
    match (door(State::Ok), door(State::Limited)) {
        (Some(door), _) => Check::ok(name, format!("by the door `{}`; no other program is needed", door.name)),
        (None, Some(door)) => Check::ok(name, format!("perhaps, by the door `{}`", door.name)).limited(),
        (None, None) => {
            let ways_out = doors.iter().flat_map(|door| door.ways_out.clone()).collect();
            Check::missing(name, "packages have scripts, and there is no way into the sandbox", ways_out)
        }
    }
}

/// A program that `engine` of the Debian source may name.
pub(super) fn engine(name: &'static str, options: &DoctorOptions) -> Check {
    match find_program(&options.path, name) {
        Some(program) => Check::ok(name, format!("as `engine`, by {}", program.display())),
        None => {
            let detail = "as `engine`: it is not in PATH; the engine `native` does not need it";
            Check::missing(name, detail, vec![format!("sudo apt-get install {name}")]).limited()
        }
    }
}

/// The source of images that were made before.
pub(super) fn oci() -> Check {
    Check::ok(
        "oci",
        "registries, layouts and archives need no other program; docker-daemon needs the engine, see below",
    )
}

/// The scratch source: nothing runs, and everything is built in.
pub(super) fn scratch() -> Check {
    Check::ok("scratch", "no other program and no network are needed")
}

/// Capturing this machine: only root may read all of it.
pub(super) fn host(machine: &Machine) -> Check {
    match machine.uid {
        0 => Check::ok("host", "everything on this machine can be captured"),
        _ => Check::ok("host", "folders that you may read; only root may read a whole machine").limited(),
    }
}

/// The dnf source: a solver and an installer of the host, and the sandbox for scripts.
pub(super) fn dnf(doors: &[Check], options: &DoctorOptions) -> Check {
    let name = "fedora, rhel, ...";
    let solver = solver::PROGRAMS.iter().find_map(|program| find_program(&options.path, program));
    let (Some(solver), Some(rpm)) = (solver, find_program(&options.path, "rpm")) else {
        let ways_out = vec!["sudo apt-get install dnf rpm".to_owned(), "sudo dnf install dnf rpm".to_owned()];
        return Check::missing(name, "dnf (or dnf5, or microdnf) and rpm are not both in PATH", ways_out);
    };
    let by = format!("by {} and {}", solver.display(), rpm.display());
    let Check { state, ways_out, .. } = debian(doors);
    match state {
        State::Ok => Check::ok(name, by),
        State::Limited => Check::ok(name, format!("perhaps, {by}")).limited(),
        State::Missing => Check::missing(name, "packages have scripts, and there is no way into the sandbox", ways_out),
    }
}

/// Every kind of output.
pub(super) fn outputs(machine: &Machine, options: &DoctorOptions) -> Vec<Check> {
    let mut checks = vec![
        Check::ok("oci, oci-archive", "no other program is needed"),
        Check::ok("docker-archive", "no other program is needed"),
        Check::ok("rootfs-tar", "no other program is needed"),
    ];
    checks.push(match machine.uid {
        0 => Check::ok("rootfs-dir", "with owners and devices"),
        _ => Check::ok("rootfs-dir", "without root, owners and devices cannot be made").limited(),
    });
    checks.push(Check::ok("cpio", "without extended attributes, which the format cannot hold"));
    checks.push(squashfs(options));
    checks.push(docker(machine, options));
    checks.push(containers_storage(options));
    checks.push(registries(options));
    checks
}

/// Registries: the programs that keep logins have to be there.
fn registries(options: &DoctorOptions) -> Check {
    let name = "docker (registries)";
    let helpers = match registry::helpers(&options.registries) {
        Ok(helpers) => helpers,
        Err(error) => {
            let ways_out = vec!["mend the file, or name another: --auth-file FILE".to_owned()];
            return Check::missing(name, error.to_string(), ways_out).limited();
        }
    };
    if let Some((helper, file)) = helpers.iter().find(|(helper, _)| find_program(&options.path, helper).is_none()) {
        let ways_out = vec![format!("install {helper}, or take it out of {}", file.display())];
        return Check::missing(name, format!("{helper}, which keeps logins, is not in PATH"), ways_out).limited();
    }
    let files = options.registries.login_files.iter().filter(|file| file.exists());
    let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
    match files.as_slice() {
        [] => Check::ok(name, "no file of logins: `rootsmith login REGISTRY` makes one"),
        files => Check::ok(name, format!("logins in {}", files.join(", "))),
    }
}

fn squashfs(options: &DoctorOptions) -> Check {
    let name = "squashfs";
    match find_program(&options.path, "tar2sqfs") {
        Some(program) => Check::ok(name, format!("by {}", program.display())),
        None => {
            let ways_out = vec!["sudo apt-get install squashfs-tools-ng".to_owned()];
            Check::missing(name, "tar2sqfs is not in PATH", ways_out)
        }
    }
}

fn docker(machine: &Machine, options: &DoctorOptions) -> Check {
    let name = "docker-daemon";
    let by_archive = "docker load -i FILE, after `-o docker-archive:FILE`".to_owned();
    let socket = match options.docker_host.as_deref() {
        None => options.root.join("var/run/docker.sock"),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => Path::new(path).to_owned(),
            None => return Check::ok(name, format!("DOCKER_HOST is {host}, which was not asked")).limited(),
        },
    };
    let is_socket = std::fs::metadata(&socket).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Check::missing(name, format!("there is no socket at {}", socket.display()), vec![by_archive]);
    }
    if nix::unistd::access(&socket, AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
        let join = format!("sudo usermod -aG docker {}, then log in again", machine.user_name());
        return Check::missing(name, format!("you may not use {}", socket.display()), vec![join, by_archive]);
    }
    Check::ok(name, format!("at {}", socket.display()))
}

fn containers_storage(options: &DoctorOptions) -> Check {
    let name = "containers-storage";
    match ["podman", "skopeo"].iter().find_map(|program| find_program(&options.path, program)) {
        Some(program) => Check::ok(name, format!("by {}", program.display())),
        None => Check::missing(
            name,
            "neither podman nor skopeo is in PATH",
            vec![
                "sudo apt-get install podman".to_owned(),
                "podman load -i FILE, after `-o oci-archive:FILE`".to_owned(),
            ],
        ),
    }
}
