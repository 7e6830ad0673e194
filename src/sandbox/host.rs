//! Programs of the host, run outside any stage: those of container engines, and solvers of packages.

#![allow(unsafe_code)] // pre_exec: between fork and exec there is no safe interface

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::unistd::{getegid, geteuid};

/// Runs a program of the host to its end. The error says what went wrong, with the last that the program said.
#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
pub fn run_host_program(program: &str, arguments: &[OsString]) -> Result<(), String> {
    run(program, Command::new(program).args(arguments))
}

/// As [`run_host_program`] with `input` as its standard input, and with `variable` and `LC_ALL=C` in its environment.
#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
pub fn run_host_program_on(
    program: &str,
    arguments: &[OsString],
    variable: (&str, &str),
    input: &Path,
) -> Result<(), String> {
    let file = File::open(input).map_err(|error| format!("{}: {error}", input.display()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(file).env("LC_ALL", "C").env(variable.0, variable.1);
    run(program, &mut command)
}

/// As [`run_host_program`] with nothing but `environment` in its environment. The error has the last lines that the
/// program said.
#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
pub fn run_host_program_in(
    program: &str,
    arguments: &[OsString],
    environment: &[(&str, OsString)],
) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().cloned()).stdin(Stdio::null());
    let output = output(program, &mut command)?;
    if output.status.success() {
        return Ok(());
    }
    // Some complain where others answer.
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last: String = lines[lines.len().saturating_sub(20)..].iter().map(|line| format!("\n  | {line}")).collect();
    Err(format!("`{program}` ended with {}{last}", output.status))
}

#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
fn output(program: &str, command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("`{program}` is not installed"),
        _ => format!("`{program}` cannot be started: {error}"),
    })
}

fn run(program: &str, command: &mut Command) -> Result<(), String> {
    let output = output(program, command)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or("it said nothing");
    Err(format!("`{program}` ended with {}: {last}", output.status))
}

/// A program of the host that looks at its own folder and changes nothing outside of it, as a solver of packages does.
#[derive(Clone, Debug)]
pub struct HostProgram {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its home and working folder.
    pub folder: PathBuf,
    /// What is in its environment beside a home, a path and a locale.
    pub environment: Vec<(&'static str, OsString)>,
}

/// How a program of the host ended, and all that it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOutput {
    /// Whether it ended well.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl HostProgram {
    /// Runs it to its end. It takes itself for root: where this user is not, it is so in a user namespace in which
    /// nobody else is there. The error says why it could not be started.
    #[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
    pub fn run_as_root(&self) -> Result<HostOutput, String> {
        tracing::debug!("running {} {:?}", self.program.display(), self.arguments);
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("TERM", "dumb")])
            .env("HOME", &self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        let (uid, gid) = (geteuid(), getegid());
        if !uid.is_root() {
            let maps = [
                (c"/proc/self/setgroups", "deny".to_owned()),
                (c"/proc/self/uid_map", format!("0 {uid} 1")),
                (c"/proc/self/gid_map", format!("0 {gid} 1")),
            ];
            let become_root = move || {
                nix::sched::unshare(CloneFlags::CLONE_NEWUSER)?;
                for (file, text) in &maps {
                    let file = nix::fcntl::open(*file, OFlag::O_WRONLY, Mode::empty())?;
                    nix::unistd::write(&file, text.as_bytes())?;
                }
                Ok(())
            };
            // SAFETY: system calls alone, on what was made before the fork.
            unsafe { command.pre_exec(become_root) };
        }
        let output = command.output().map_err(|error| error.to_string())?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let output =
            HostOutput { success: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) };
        for line in output.stdout.lines().chain(output.stderr.lines()) {
            tracing::debug!(target: "rootsmith::sandbox::output", "{line}");
        }
        Ok(output)
    }
}

/// The shared libraries that a program of the host is linked with, and the loader that starts it (ldd(1)): `None` for a
/// program that is linked statically.
pub struct Linked {
    /// The loader's file.
    pub loader: PathBuf,
    /// The libraries' files.
    pub libraries: Vec<PathBuf>,
}

/// What `program` is linked with. The error says why that cannot be known.
#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
pub fn linked(program: &Path) -> Result<Option<Linked>, String> {
    let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output();
    let output = output.map_err(|error| format!("`ldd` cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_static = [&*text, &*said].iter().any(|text| text.contains("not a dynamic executable"));
        return if is_static { Ok(None) } else { Err(format!("`ldd` does not understand it: {}", said.trim())) };
    }
    read_linked(&text).map(Some)
}

/// Reads what ldd says: `libc.so.6 => /lib/libc.so.6 (0x...)`, and for the loader its path alone.
fn read_linked(text: &str) -> Result<Linked, String> {
    let (mut loader, mut libraries) = (None, Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some((name, place)) = line.split_once(" => ") {
            let path = place.split(" (").next().unwrap_or_default();
            if !path.starts_with('/') {
                return Err(format!("its library `{name}` is missing"));
            }
            // musl's loader is its C library too.
            if name.starts_with('/') || name.starts_with("ld-") {
                loader = Some(PathBuf::from(path));
            }
            libraries.push(PathBuf::from(path));
        } else if line.starts_with('/') {
            loader = Some(PathBuf::from(line.split(" (").next().unwrap_or(line)));
        }
    }
    loader.map(|loader| Linked { loader, libraries }).ok_or_else(|| "`ldd` names no loader".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader() {
        let glibc =
            "\tlinux-vdso.so.1 (0x1)\n\tlibrpm.so.9 => /lib/librpm.so.9 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let found = read_linked(glibc).unwrap();
        assert_eq!(found.loader, Path::new("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(found.libraries, [Path::new("/lib/librpm.so.9")]);
        let musl = "\t/lib/ld-musl-x86_64.so.1 (0x1)\n\tlibrpm.so.10 => /usr/lib/librpm.so.10 (0x2)\n\t\
                    libc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x1)\n";
        assert_eq!(read_linked(musl).unwrap().loader, Path::new("/lib/ld-musl-x86_64.so.1"));
        assert!(read_linked("\tlibx.so => not found\n\t/lib/ld.so (0x1)\n").is_err());
        assert!(read_linked("").is_err());
    }

    #[test]
    fn programs_take_themselves_for_root() {
        let folder = tempfile::tempdir().unwrap();
        let program = HostProgram {
            program: "/bin/sh".into(),
            arguments: ["-c", "id -u; pwd; echo \"$HOME $X\"; exit 3"].map(OsString::from).to_vec(),
            folder: folder.path().to_owned(),
            environment: vec![("X", "y".into())],
        };
        let output = program.run_as_root().unwrap();
        let place = folder.path().canonicalize().unwrap();
        assert_eq!(output.stdout, format!("0\n{}\n{} y\n", place.display(), folder.path().display()));
        assert!(!output.success);
        assert!(HostProgram { program: "/nonexistent".into(), ..program }.run_as_root().is_err());
    }
}
