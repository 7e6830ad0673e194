//! The command.
fn main() -> std::process::ExitCode {
    if let Some(code) = rootsmith::sandbox::become_worker_if_asked() {
        return code;
    }
    std::process::ExitCode::SUCCESS
}
