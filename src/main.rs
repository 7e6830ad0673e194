//! The `rootsmith` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    rootsmith::cli::main()
}
