//! Programs of the host that are told something and answer: those that keep logins.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a program of the host answered.
#[derive(Debug)]
pub struct Answered {
    /// Whether it ended well.
    pub success: bool,
    /// Its standard output.
    pub output: Vec<u8>,
    /// The last that it said on its standard error.
    pub message: String,
}

/// Most that a program may answer, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Runs a program of the host with `input` as its standard input, and ends it where it takes longer than `patience`.
#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
pub fn run_host_program_with(
    program: &str,
    arguments: &[OsString],
    input: &[u8],
    patience: Duration,
) -> Result<Answered, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("`{program}` is not installed"),
            _ => format!("`{program}` cannot be started: {error}"),
        })?;
    let mut stdin = child.stdin.take().expect("it was asked for");
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before an error is all that there is.
            let _ = pipe.map(|pipe| pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = read(stdout.map(|pipe| Box::new(pipe) as _));
    let stderr = read(stderr.map(|pipe| Box::new(pipe) as _));
    // A program that does not read what it is told answers all the same.
    let _ = stdin.write_all(input);
    drop(stdin);
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if begun.elapsed() > patience => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{program}` did not answer within {} seconds", patience.as_secs()));
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let output = stdout.join().unwrap_or_default();
    let said = stderr.join().unwrap_or_default();
    let message = String::from_utf8_lossy(&said).trim().lines().last().unwrap_or("it said nothing").to_owned();
    Ok(Answered { success: status.success(), output, message })
}
