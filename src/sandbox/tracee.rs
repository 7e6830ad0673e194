//! A stopped process: its memory and its registers.

#![allow(unsafe_code)] // aarch64 keeps the number of a call in a register set that only plain ptrace reaches

use std::ffi::c_void;
use std::io::{IoSlice, IoSliceMut};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

/// Bytes of a word.
pub(super) const WORD: u64 = 8;
/// Bytes of the smallest page.
const PAGE: u64 = 4096;

/// Memory of a stopped process, read many words at a time.
pub(super) struct Memory {
    pid: Pid,
    start: u64,
    words: Vec<u64>,
}

impl Memory {
    pub(super) fn of(pid: Pid, start: u64) -> Self {
        Self { pid, start, words: Vec::new() }
    }

    pub(super) fn word(&mut self, at: u64) -> nix::Result<u64> {
        let known = |memory: &Self| memory.words.get(usize::try_from((at - memory.start) / WORD).ok()?).copied();
        if let Some(word) = known(self) {
            return Ok(word);
        }
        // Up to the end of the page, because the next one may not be there.
        let mut bytes = vec![0; (PAGE - at % PAGE) as usize];
        let count = read_at_once(self.pid, at, &mut bytes).unwrap_or(0);
        let whole = bytes[..count].chunks_exact(8);
        self.words = whole.map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes"))).collect();
        self.start = at;
        // The one call may be forbidden and the other allowed.
        known(self).map_or_else(|| word(self.pid, at), Ok)
    }
}

/// At most `most` bytes at an address, and none of the next page, which may not be there.
fn read(pid: Pid, at: u64, most: u64) -> nix::Result<Vec<u8>> {
    let mut bytes = vec![0; most.min(PAGE - at % PAGE) as usize];
    match read_at_once(pid, at, &mut bytes) {
        Ok(count) => bytes.truncate(count),
        // Containers may forbid the one call and allow the other.
        Err(Errno::EPERM | Errno::ENOSYS) => read_words(pid, at, &mut bytes)?,
        Err(error) => return Err(error),
    }
    Ok(bytes)
}

fn read_at_once(pid: Pid, at: u64, bytes: &mut [u8]) -> nix::Result<usize> {
    let remote = RemoteIoVec { base: at as usize, len: bytes.len() };
    process_vm_readv(pid, &mut [IoSliceMut::new(bytes)], &[remote])
}

/// Fills `bytes` word by word. A word at a multiple of its size is never in two pages.
fn read_words(pid: Pid, at: u64, bytes: &mut [u8]) -> nix::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let here = at + done as u64;
        let (start, skipped) = (here - here % WORD, (here % WORD) as usize);
        let found = word(pid, start)?.to_ne_bytes();
        let count = (found.len() - skipped).min(bytes.len() - done);
        bytes[done..done + count].copy_from_slice(&found[skipped..skipped + count]);
        done += count;
    }
    Ok(())
}

/// The bytes before a null, where they begin with one of `prefixes`; only a few are read where they do not.
pub(super) fn text_with(pid: Pid, at: u64, prefixes: &[&[u8]]) -> nix::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    while text.len() < PAGE as usize {
        let bytes = read(pid, at + text.len() as u64, if text.is_empty() { 16 } else { 128 })?;
        let end = bytes.iter().position(|byte| *byte == 0);
        text.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        let may_be = |prefix: &&[u8]| text.iter().zip(*prefix).all(|(one, other)| one == other);
        if bytes.is_empty() || !prefixes.iter().any(may_be) {
            return Ok(None);
        }
        if end.is_some() {
            return Ok(prefixes.iter().any(|prefix| text.starts_with(prefix)).then_some(text));
        }
    }
    Ok(None)
}

fn word(pid: Pid, at: u64) -> nix::Result<u64> {
    ptrace::read(pid, at as *mut c_void).map(i64::cast_unsigned)
}

pub(super) fn put_words(pid: Pid, at: u64, words: &[u64]) -> nix::Result<()> {
    for (index, word) in words.iter().enumerate() {
        ptrace::write(pid, (at + index as u64 * WORD) as *mut c_void, word.cast_signed())?;
    }
    Ok(())
}

/// Writes bytes of any number: what is behind them in their last word stays as it is.
pub(super) fn put_bytes(pid: Pid, at: u64, bytes: &[u8]) -> nix::Result<()> {
    for (index, chunk) in bytes.chunks(8).enumerate() {
        let at = at + index as u64 * WORD;
        let mut merged = if chunk.len() < 8 { word(pid, at)?.to_ne_bytes() } else { [0; 8] };
        merged[..chunk.len()].copy_from_slice(chunk);
        put_words(pid, at, &[u64::from_ne_bytes(merged)])?;
    }
    Ok(())
}

/// Writes many bytes.
pub(super) fn put_at_once(pid: Pid, at: u64, bytes: &[u8]) -> nix::Result<()> {
    let remote = RemoteIoVec { base: at as usize, len: bytes.len() };
    match process_vm_writev(pid, &[IoSlice::new(bytes)], &[remote]) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(Errno::EFAULT),
        // Containers may forbid the one call and allow the other.
        Err(Errno::EPERM | Errno::ENOSYS) => put_bytes(pid, at, bytes),
        Err(error) => Err(error),
    }
}

/// What becomes of a call.
pub(super) enum Outcome {
    /// It runs as it is.
    Untouched,
    /// It is not run, and returns this.
    Answer(i64),
    /// It is another call now.
    Changed(Changed),
}

/// What a call that became another one leaves behind, so that its program sees nothing of that.
pub(super) struct Changed {
    /// The arguments that it was called with.
    pub(super) arguments: Arguments,
    /// What it returns where the other call did not fail; nothing where it returns what that did.
    pub(super) result: Option<i64>,
}

/// The registers of a process that stopped at a call.
pub(super) struct Call(libc::user_regs_struct);

/// Arguments of a call that are looked at or changed; only calls that nothing here stops at have a sixth.
pub(super) type Arguments = [u64; 5];

impl Call {
    pub(super) fn of(pid: Pid) -> nix::Result<Self> {
        ptrace::getregs(pid).map(Self)
    }
}

#[cfg(target_arch = "x86_64")]
impl Call {
    pub(super) fn number(&self) -> i64 {
        self.0.orig_rax.cast_signed()
    }

    pub(super) fn arguments(&self) -> Arguments {
        [self.0.rdi, self.0.rsi, self.0.rdx, self.0.r10, self.0.r8]
    }

    pub(super) fn stack(&self) -> u64 {
        self.0.rsp
    }

    /// Skips the call and makes it return `result`.
    pub(super) fn give(&mut self, pid: Pid, result: i64) -> nix::Result<()> {
        self.0.orig_rax = u64::MAX;
        self.0.rax = result.cast_unsigned();
        ptrace::setregs(pid, self.0)
    }

    /// Makes it another call.
    pub(super) fn turn_into(&mut self, pid: Pid, number: i64, arguments: Arguments) -> nix::Result<()> {
        self.0.orig_rax = number.cast_unsigned();
        self.set_arguments(pid, arguments)
    }

    /// Ends a call that became another one.
    pub(super) fn end(&mut self, pid: Pid, changed: &Changed) -> nix::Result<()> {
        if let Some(result) = changed.result.filter(|_| self.0.rax.cast_signed() >= 0) {
            self.0.rax = result.cast_unsigned();
        }
        self.set_arguments(pid, changed.arguments)
    }

    fn set_arguments(&mut self, pid: Pid, arguments: Arguments) -> nix::Result<()> {
        [self.0.rdi, self.0.rsi, self.0.rdx, self.0.r10, self.0.r8] = arguments;
        ptrace::setregs(pid, self.0)
    }
}

#[cfg(target_arch = "aarch64")]
impl Call {
    pub(super) fn number(&self) -> i64 {
        self.0.regs[8].cast_signed()
    }

    pub(super) fn arguments(&self) -> Arguments {
        [self.0.regs[0], self.0.regs[1], self.0.regs[2], self.0.regs[3], self.0.regs[4]]
    }

    pub(super) fn stack(&self) -> u64 {
        self.0.sp
    }

    /// Skips the call and makes it return `result`.
    pub(super) fn give(&mut self, pid: Pid, result: i64) -> nix::Result<()> {
        set_number(pid, -1)?;
        self.0.regs[0] = result.cast_unsigned();
        ptrace::setregs(pid, self.0)
    }

    /// Makes it another call.
    pub(super) fn turn_into(&mut self, pid: Pid, number: i64, arguments: Arguments) -> nix::Result<()> {
        set_number(pid, i32::try_from(number).map_err(|_| Errno::ENOSYS)?)?;
        self.0.regs[..5].copy_from_slice(&arguments);
        ptrace::setregs(pid, self.0)
    }

    /// Ends a call that became another one. The register of its first argument holds its result by then.
    pub(super) fn end(&mut self, pid: Pid, changed: &Changed) -> nix::Result<()> {
        if let Some(result) = changed.result.filter(|_| self.0.regs[0].cast_signed() >= 0) {
            self.0.regs[0] = result.cast_unsigned();
        }
        self.0.regs[1..5].copy_from_slice(&changed.arguments[1..]);
        ptrace::setregs(pid, self.0)
    }
}

/// The number of a call is a register set of its own here (`NT_ARM_SYSTEM_CALL`).
#[cfg(target_arch = "aarch64")]
fn set_number(pid: Pid, number: libc::c_int) -> nix::Result<()> {
    const NT_ARM_SYSTEM_CALL: usize = 0x404;
    let mut vector = libc::iovec { iov_base: (&raw const number).cast_mut().cast(), iov_len: 4 };
    // SAFETY: `vector` describes `number`, which lives until the call returns.
    let set = unsafe { libc::ptrace(libc::PTRACE_SETREGSET, pid.as_raw(), NT_ARM_SYSTEM_CALL, &raw mut vector) };
    Errno::result(set).map(drop)
}
