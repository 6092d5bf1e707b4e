//! What malloc does with the memory of large results once they are freed.
//!
//! Results are arrays of JavaScript: their memory comes from malloc and returns to it when they are collected. glibc
//! returns free memory at the end of its heap to the system above a threshold, by default twice the largest block that
//! was mapped by itself, at most 32 MB. The garbage collector frees the results of several steps at once, so nearly all
//! of their memory returns to the system, and the next results cost a page fault every 4 KB: a third of a forward pass
//! with 25 MB of results, two fifths of one with 51 MB. So after the first large result, the heap keeps up to 128 MB of
//! free memory at its end, and blocks of up to 64 MB come from the heap.
//!
//! The setting is one of the process, and of glibc alone: musl and other systems have none. The heaps of threads other
//! than the main one have at most 64 MB. Settings in the environment take precedence.
//!
//! See mallopt(3).

/// Bytes of a large result: glibc takes smaller ones from memory that it has.
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

    /// Free bytes at the end of the heap above which they return to the system.
    const KEPT: c_int = 128 << 20;

    /// Bytes above which a block is mapped by itself. glibc before 2.35 accepts only the second, to which it goes itself
    /// when blocks of that size are freed; to set the other threshold alone would keep it where it is.
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
