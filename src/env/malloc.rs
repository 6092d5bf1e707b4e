//! What malloc does with the memory of large results once they are freed.
//!
//! Results are arrays of JavaScript, whose memory comes from malloc and goes back to it when they are collected. glibc
//! gives memory at the end of its heap back to the system as soon as there is more of it than a threshold, by default
//! twice the largest block that it had from the system by itself, which is 32 MB at the most. The garbage collector
//! frees the results of several steps together, so that nearly all of it is given back each time, and the next results
//! cost a page fault every 4 KB: a third of a forward pass whose results are 25 MB, two fifths of one of 51 MB. So once a
//! large result has been written, the heap keeps what is free at its end, as long as that is less than 128 MB, and larger
//! blocks come from there too: up to 64 MB, so that the results of one step do not fill it.
//!
//! That holds for all of the process, and only with glibc: musl and other systems have nothing to set. The heaps of other
//! threads than the main one have 64 MB at the most. Whoever has set it in the environment has chosen otherwise.
//!
//! mallopt(3).

/// Bytes from which on a result is large: glibc takes less from memory that it has, whatever was freed before.
const LARGE: usize = 128 << 10;

/// A result of `bytes` bytes will be written.
#[inline]
pub(crate) fn expect(bytes: usize) {
    if bytes >= LARGE {
        keep_freed_memory();
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory() {
    use std::sync::Once;

    use libc::{M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, c_int, mallopt};

    /// If there are so many bytes at the end of the heap, they are given back.
    const KEPT: c_int = 128 << 20;

    /// Larger blocks come from the system by themselves. Before version 2.35, glibc takes no threshold above the second
    /// one, to which it goes itself when blocks of that size are freed; to set the other one alone would leave it where it
    /// is.
    const APART: [c_int; 2] = [64 << 20, 32 << 20];

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let chosen =
            ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES"];
        if chosen.iter().any(|name| std::env::var_os(name).is_some()) {
            return;
        }
        // SAFETY: mallopt may be called at any time; it takes a lock of malloc's own.
        if APART.into_iter().any(|bytes| unsafe { mallopt(M_MMAP_THRESHOLD, bytes) } == 1) {
            // SAFETY: as above.
            unsafe { mallopt(M_TRIM_THRESHOLD, KEPT) };
        }
    });
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory() {}
