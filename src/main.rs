//! The `rootsmith` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = rootsmith::sandbox::become_worker_if_asked() {
        return code;
    }
    rootsmith::cli::main()
}
