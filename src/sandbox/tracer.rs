//! Running a program in the stage, under ptrace.
//!
//! What scripts of packages write must not depend on the day, the host's name, its kernel or its number of processors.
//! The [filter] stops those calls, and this tracer answers them: the time of day is one fixed moment,
//! there is one processor, and the host is `localhost`. The C library usually reads the clock without a call, from the
//! vDSO that the kernel maps into each process; at every exec the tracer takes the vDSO's address out of the new
//! process's auxiliary vector, so that the C library falls back to calls.
//!
//! Addresses are not chosen at random, where that may be said. Directories are read in [one order](listing).
//!
//! A program that asks for the time again and again is waiting for it to pass, as MariaDB does when it measures its timers:
//! after its hundred thousandth question, every further one finds it a millisecond later. That too depends on nothing but the
//! program.
//!
//! A traced program and all that it starts dies with the tracer (`PTRACE_O_EXITKILL`), also where there is no PID
//! namespace.

#![allow(unsafe_code)] // fork, signal and _exit; waitpid and ptrace with signals that nix does not know

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, c_int};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::personality::{self, Persona};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{self, ForkResult, Pid};

use super::procfs::Procfs;
use super::tracee::{Call, Changed, Memory, Outcome, WORD, put_bytes, put_words};
use super::wire::Step;
use super::{filter, listing};

/// How often a thread may ask for the time before it counts as waiting for it to pass.
const PATIENCE: u64 = 100_000;

/// What a process stopped by at the end of a call, with `PTRACE_O_TRACESYSGOOD`.
const END_OF_CALL: c_int = libc::SIGTRAP | 0x80;

/// Types of entries in the auxiliary vector (linux/auxvec.h).
const AT_NULL: u64 = 0;
const AT_IGNORE: u64 = 1;
const AT_SYSINFO_EHDR: u64 = 33;

/// Runs a step to its end and kills what it left running; gives its exit code, or 128 and the signal's number. Paths
/// below `/proc` lead to `procfs`, where there is one.
pub(super) fn run(step: &Step, procfs: Option<&Procfs>) -> io::Result<i32> {
    let program = Program::new(step, procfs.is_some())?;
    let (wait, go) = unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    // SAFETY: the worker has one thread, so the child may do all that the worker may.
    match unsafe { unistd::fork() }? {
        ForkResult::Child => program.execute(wait, go),
        ForkResult::Parent { child } => {
            drop(wait);
            let (alive, questions, changed) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
            let own = if procfs.is_some() { None } else { listing::proc() };
            let proc = procfs.map(Procfs::kept).or(own.as_ref().map(OwnedFd::as_fd));
            Tracer { time: step.time, procfs, proc, alive, questions, changed }.trace(child, go)
        }
    }
}

/// What execve needs, made before the fork.
struct Program {
    folder: CString,
    paths: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    network: bool,
    /// Whether calls with paths stop.
    paths_stop: bool,
}

impl Program {
    fn new(step: &Step, paths_stop: bool) -> io::Result<Self> {
        let text = |text: &str| CString::new(text).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let name = step.command.first().ok_or(io::ErrorKind::InvalidInput)?;
        let search = step.environment.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
        let paths = if name.contains('/') {
            vec![text(name)?]
        } else {
            search.split(':').map(|folder| text(&format!("{folder}/{name}"))).collect::<io::Result<_>>()?
        };
        Ok(Self {
            folder: text(&step.folder)?,
            paths,
            arguments: step.command.iter().map(|argument| text(argument)).collect::<io::Result<_>>()?,
            environment: step
                .environment
                .iter()
                .map(|(name, value)| text(&format!("{name}={value}")))
                .collect::<io::Result<_>>()?,
            network: step.network,
            paths_stop,
        })
    }

    /// In the child: waits to be traced, takes on the filter, and becomes the program.
    fn execute(self, wait: OwnedFd, go: OwnedFd) -> ! {
        drop(go);
        let run = || -> nix::Result<()> {
            unistd::read(&wait, &mut [0])?;
            unistd::dup2_stdout(io::stderr())?;
            let null = nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty())?;
            unistd::dup2_stdin(null)?;
            unistd::chdir(self.folder.as_c_str())?;
            stay_in_place();
            take_signals();
            filter::install(self.network, self.paths_stop)
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
            let mut last = Errno::ENOENT;
            for path in &self.paths {
                match unistd::execve(path, &self.arguments, &self.environment) {
                    Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        let error = run().expect_err("execve returns only where it failed");
        let name = self.arguments.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let message = format!("cannot run `{name}`: {}\n", error.desc());
        let _ = unistd::write(io::stderr(), message.as_bytes());
        // SAFETY: ends the process at once, without running what the worker registered.
        unsafe { libc::_exit(127) }
    }
}

/// Lets a program and all that it starts have the same addresses each time: Lua's order of keys follows from them, and with it
/// what LuaTeX writes. Containers may forbid it.
fn stay_in_place() {
    let _ = personality::get().and_then(|now| personality::set(now | Persona::ADDR_NO_RANDOMIZE));
}

/// Lets a program take each signal as programs do at their start. Rust ignores SIGPIPE, which a program would inherit: the
/// writer of a pipeline whose reader has had enough would go on for ever.
fn take_signals() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: in the child, which has one thread and is about to become another program. Some can't be changed.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    let _ = SigSet::empty().thread_set_mask();
}

struct Tracer<'a> {
    time: i64,
    procfs: Option<&'a Procfs>,
    /// A `/proc` that knows the programs.
    proc: Option<BorrowedFd<'a>>,
    alive: BTreeSet<Pid>,
    /// How often each thread has asked for the time.
    questions: BTreeMap<Pid, u64>,
    /// Calls that were changed and run now.
    changed: BTreeMap<Pid, Changed>,
}

impl Tracer<'_> {
    fn trace(mut self, child: Pid, go: OwnedFd) -> io::Result<i32> {
        let options = Options::PTRACE_O_EXITKILL
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACESYSGOOD;
        ptrace::seize(child, options)?;
        self.alive.insert(child);
        unistd::write(&go, &[1])?;
        drop(go);
        let mut code = None;
        loop {
            let (pid, status) = match wait() {
                Err(Errno::EINTR) => continue,
                Err(Errno::ECHILD) => return Ok(code.unwrap_or(127)),
                other => other?,
            };
            let ended_with = if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else if libc::WIFSIGNALED(status) {
                128 + libc::WTERMSIG(status)
            } else {
                self.resume(pid, status, code.is_some());
                continue;
            };
            self.alive.remove(&pid);
            self.questions.remove(&pid);
            self.changed.remove(&pid);
            if pid == child {
                code = Some(ended_with);
                self.alive.iter().for_each(|pid| end(*pid));
            }
        }
    }

    /// Deals with a stop and lets the process go on. A process may be gone by now, which is no error.
    fn resume(&mut self, pid: Pid, status: c_int, ending: bool) {
        if self.alive.insert(pid) && ending {
            end(pid);
        }
        let mut signal = 0;
        match (status >> 16, libc::WSTOPSIG(status)) {
            (libc::PTRACE_EVENT_EXEC, _) => {
                self.changed.remove(&pid);
                let _ = hide_vdso(pid);
            }
            (libc::PTRACE_EVENT_SECCOMP, _) => drop(self.answer(pid)),
            (0, END_OF_CALL) => {
                if let Some(changed) = self.changed.remove(&pid) {
                    let _ = Call::of(pid).and_then(|mut call| call.end(pid, &changed));
                }
            }
            (0, stopped_by) => signal = stopped_by,
            _ => {}
        }
        // A call that was changed stops once more, at its end.
        go_on(pid, self.changed.contains_key(&pid), signal);
    }

    /// Answers the call at which `pid` stopped.
    fn answer(&mut self, pid: Pid) -> nix::Result<()> {
        let mut call = Call::of(pid)?;
        let [first, second, third, ..] = call.arguments();
        let result = match call.number() {
            libc::SYS_clock_gettime => {
                let (seconds, milliseconds) = self.time_of_day(pid);
                put_words(pid, second, &[seconds, milliseconds * 1_000_000]).map(|()| 0)
            }
            libc::SYS_gettimeofday if first == 0 => Ok(0),
            libc::SYS_gettimeofday => {
                let (seconds, milliseconds) = self.time_of_day(pid);
                put_words(pid, first, &[seconds, milliseconds * 1000]).map(|()| 0)
            }
            libc::SYS_uname => put_bytes(pid, first, &host_name()?).map(|()| 0),
            libc::SYS_sched_getaffinity if second < WORD => Err(Errno::EINVAL),
            libc::SYS_sched_getaffinity => put_words(pid, third, &[1]).map(|()| WORD.cast_signed()),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_time => {
                let (seconds, _) = self.time_of_day(pid);
                let put = if first == 0 { Ok(()) } else { put_words(pid, first, &[seconds]) };
                put.map(|()| seconds.cast_signed())
            }
            libc::SYS_getdents64 => {
                let outcome = self.proc.map(|proc| listing::read(proc, pid, &mut call)).transpose()?;
                return self.take(pid, &mut call, outcome.unwrap_or(Outcome::Untouched));
            }
            _ => {
                let ours = |number| self.alive.contains(&Pid::from_raw(number));
                let outcome = self.procfs.map(|procfs| procfs.redirect(pid, &mut call, ours)).transpose()?;
                return self.take(pid, &mut call, outcome.unwrap_or(Outcome::Untouched));
            }
        };
        call.give(pid, result.unwrap_or_else(|error| -(error as i64)))
    }

    /// Lets a call become what was found for it.
    fn take(&mut self, pid: Pid, call: &mut Call, outcome: Outcome) -> nix::Result<()> {
        match outcome {
            Outcome::Untouched => Ok(()),
            Outcome::Answer(result) => call.give(pid, result),
            Outcome::Changed(changed) => {
                self.changed.insert(pid, changed);
                Ok(())
            }
        }
    }

    /// Seconds since 1970 and milliseconds of the next, as the thread is told them.
    fn time_of_day(&mut self, pid: Pid) -> (u64, u64) {
        let asked = self.questions.entry(pid).or_default();
        *asked += 1;
        let passed = asked.saturating_sub(PATIENCE);
        (self.time.cast_unsigned() + passed / 1000, passed % 1000)
    }
}

/// The next process that stopped or ended, and how, as wait(2) has it. nix knows no real-time signals; the C library sends
/// one to each thread of a program that changes its user.
fn wait() -> nix::Result<(Pid, c_int)> {
    let mut status = 0;
    // SAFETY: all that it writes is the status.
    let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) })?;
    Ok((Pid::from_raw(pid), status))
}

/// Lets a stopped process go on, at most to the end of its call where that `stops`, and gives it `signal`, or none where
/// that is 0.
fn go_on(pid: Pid, stops: bool, signal: c_int) {
    let until = if stops { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
    // SAFETY: these requests write nothing here. The process may be gone, which is no error.
    unsafe { libc::ptrace(until, pid.as_raw(), 0_usize, signal as usize) };
}

/// Kills a process that may be gone already.
fn end(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
}

/// Takes the vDSO out of the auxiliary vector of a process that has just become a new program. The stack of such a
/// process holds `argc`, the arguments and a null, the environment and a null, and the vector (ABI supplement, "Initial
/// Process Stack").
fn hide_vdso(pid: Pid) -> nix::Result<()> {
    let stack = Call::of(pid)?.stack();
    let mut memory = Memory::of(pid, stack);
    let arguments = memory.word(stack)?;
    let mut at = stack + WORD * (arguments + 2);
    while memory.word(at)? != 0 {
        at += WORD;
    }
    at += WORD;
    loop {
        match memory.word(at)? {
            AT_NULL => return Ok(()),
            AT_SYSINFO_EHDR => put_words(pid, at, &[AT_IGNORE])?,
            _ => {}
        }
        at += 2 * WORD;
    }
}

/// `struct utsname` with the names of no particular host; only the machine is the real one.
fn host_name() -> nix::Result<[u8; 390]> {
    let mut bytes = [0; 390];
    let real = nix::sys::utsname::uname()?;
    let machine = real.machine().to_str().unwrap_or_default();
    let fields = ["Linux", "localhost", "6.12.0", "#1 SMP", machine, "(none)"];
    for (field, text) in bytes.chunks_exact_mut(65).zip(fields) {
        field[..text.len()].copy_from_slice(text.as_bytes());
    }
    Ok(bytes)
}
