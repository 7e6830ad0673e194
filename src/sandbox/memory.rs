//! Memory for the programs in the stage.

/// Gives free memory back to the system, which the C library keeps for the next who asks: what unpacking packages has left between
/// what is still in use. Nothing happens where the C library is another than glibc.
#[allow(unsafe_code)] // malloc_trim has no safe interface
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
