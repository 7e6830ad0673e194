//! How this process holds its memory.

/// Lets the C library give large blocks back to the system as soon as they are free. By itself it begins to keep them: dictionaries
/// of xz and the texts of indexes, 60 MB in all, would stay while packages are configured. Nothing changes where the C library is
/// another than glibc.
#[allow(unsafe_code)] // mallopt has no safe interface
pub(super) fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets numbers of the allocator, before any thread is started.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}

/// How many heaps threads share. Each keeps what its threads have freed: with one for each thread, a build of 1,500 packages holds
/// 40 MB more. Threads ask for blocks of a MiB here, and seldom for the same one.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 2;

/// Bytes from which on a block is large: more than a block of compression, which is wanted again at once.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 2 << 20;

/// Bytes that are kept for the next who asks, all the same: blocks of compression come and go.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 16 << 20;
