//! Programs of the host, run outside any stage: those of container engines.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
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
