//! How this process holds its memory.

/// Lets the C library give large blocks back to the system as soon as they are free. By itself it begins to keep them: dictionaries
/// of xz and the texts of indexes, 60 MB in all, would stay while packages are configured. Nothing changes where the C library is
/// another than glibc.
#[allow(unsafe_code)] // mallopt has no safe interface
pub(super) fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator, before any thread is started.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Bytes from which on a block is large: more than a block of compression, which is wanted again at once.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 2 << 20;
