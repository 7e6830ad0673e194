//! Programs of the host, run outside any stage: those of container engines.

use std::ffi::OsString;
use std::process::Command;

/// Runs a program of the host to its end. The error says what went wrong, with the last that the program said.
#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
pub fn run_host_program(program: &str, arguments: &[OsString]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("`{program}` is not installed"),
        _ => format!("`{program}` cannot be started: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or("it said nothing");
    Err(format!("`{program}` ended with {}: {last}", output.status))
}
