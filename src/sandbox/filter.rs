//! The seccomp filter of programs in the stage.
//!
//! Calls that flush to disk return success and do nothing: the stage is thrown away, so it need not survive a power
//! loss. Internet sockets cannot be made unless the network was asked for. Calls that would tell programs the time of
//! day, the host's name, its number of processors or a directory's entries stop for the [tracer](super::tracer), which
//! answers them. So do, in a plain chroot, calls with paths. All else runs untouched, as do programs of a foreign word size.

#![allow(unsafe_code)] // prctl and seccomp filters have no safe interface

use std::io;

use super::procfs;
use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter, sock_fprog};

/// Offsets in `struct seccomp_data` (linux/seccomp.h): call number, architecture, low half of the first argument.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// `AUDIT_ARCH_*` of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;

/// Calls that become no-ops.
const FLUSHES: [c_long; 6] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_msync,
    libc::SYS_sync_file_range,
];

/// Calls that the tracer answers, whatever their arguments.
#[cfg(target_arch = "x86_64")]
const ANSWERED: [c_long; 5] =
    [libc::SYS_uname, libc::SYS_gettimeofday, libc::SYS_time, libc::SYS_sched_getaffinity, libc::SYS_getdents64];
#[cfg(target_arch = "aarch64")]
const ANSWERED: [c_long; 4] =
    [libc::SYS_uname, libc::SYS_gettimeofday, libc::SYS_sched_getaffinity, libc::SYS_getdents64];

/// Clocks that tell the time of day, as the first argument of `clock_gettime`.
const DAY_CLOCKS: [libc::clockid_t; 3] = [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE, libc::CLOCK_TAI];

/// Puts this process, and all that it will start, under the filter. For ever. Where `paths_stop`, calls with paths stop,
/// too.
pub(super) fn install(network: bool, paths_stop: bool) -> io::Result<()> {
    let program = program(network, paths_stop);
    let filter =
        sock_fprog { len: u16::try_from(program.len()).expect("a short program"), filter: program.as_ptr().cast_mut() };
    // SAFETY: plain numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `filter` points to `program`, which lives until the call returns; the kernel copies it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn program(network: bool, paths_stop: bool) -> Vec<sock_filter> {
    // A foreign architecture's numbers mean other calls.
    let mut program = vec![load(ARCHITECTURE), compare(NATIVE, 1, 0), give(libc::SECCOMP_RET_ALLOW), load(NUMBER)];
    for call in FLUSHES {
        program.extend([compare(number(call), 0, 1), give(libc::SECCOMP_RET_ERRNO)]);
    }
    let paths = procfs::calls().filter(|_| paths_stop);
    for call in ANSWERED.into_iter().chain(paths) {
        program.extend([compare(number(call), 0, 1), give(libc::SECCOMP_RET_TRACE)]);
    }
    if !network {
        let refuse = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT.cast_unsigned();
        program.extend([compare(number(libc::SYS_socket), 0, 5), load(FIRST_ARGUMENT)]);
        program.extend([compare(libc::AF_INET.cast_unsigned(), 1, 0), compare(libc::AF_INET6.cast_unsigned(), 0, 1)]);
        program.extend([give(refuse), give(libc::SECCOMP_RET_ALLOW)]);
    }
    program.extend([compare(number(libc::SYS_clock_gettime), 1, 0), give(libc::SECCOMP_RET_ALLOW)]);
    program.push(load(FIRST_ARGUMENT));
    for clock in DAY_CLOCKS {
        program.extend([compare(clock.cast_unsigned(), 0, 1), give(libc::SECCOMP_RET_TRACE)]);
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    program
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).expect("numbers of calls are small")
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn give(action: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, action)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Skips `yes` statements where the loaded word is `value`, else `no`.
fn compare(value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: yes, jf: no, k: value }
}
