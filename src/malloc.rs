//! What malloc does with the memory of large results once they are freed.
//!
//! Results are arrays of JavaScript, whose memory comes from malloc and goes back to it when they are collected. glibc
//! gives memory at the end of its heap back to the system as soon as there is more of it than a threshold, by default
//! twice the largest block that it had from the system by itself, which is 32 MB at the most. The garbage collector
//! frees the results of several steps together, so that nearly all of it is given back each time, and the next results
//! cost a page fault every 4 KB: a third of a forward pass whose results are 25 MB. So once a large result has been
//! written, malloc keeps up to 128 MB for the next ones.
//!
//! Blocks of 32 MB and more glibc has from the system one by one, and gives them back when they are freed, whatever is
//! set. So while a result of that size is allocated, and it is no larger than what is kept, there are no such blocks
//! ([`allocate_in_heap`]). Larger ones, and whatever else the program allocates, come and go as ever.
//!
//! That holds for all of the process, and only with glibc: musl and other systems have nothing to set. Whoever has set
//! it in the environment has chosen otherwise.
//!
//! mallopt(3).

use napi_derive::napi;

/// Bytes from which on a result is large: glibc takes less from memory that it has, whatever was freed before.
const LARGE: usize = 128 << 10;

/// Bytes at the end of the heap that are not given back.
const KEPT: usize = 128 << 20;

/// Blocks of this size and larger come from the system by themselves: the largest threshold that glibc takes, and sets
/// itself when blocks of that size are freed.
const APART: usize = 32 << 20;

/// Bytes that malloc adds to a block.
const HEADER: f64 = 16.0;

/// A result of `bytes` bytes will be written.
#[inline]
pub(crate) fn expect(bytes: usize) {
    if bytes >= LARGE {
        keeps_freed_memory();
    }
}

/// A result of `bytes` bytes will be allocated: if malloc should take it from its heap and would not, it will. Then this
/// returns true, and `allocateAnywhere` must follow.
#[napi(catch_unwind)]
pub fn allocate_in_heap(bytes: f64) -> bool {
    let apart = bytes + HEADER >= APART as f64 && bytes <= KEPT as f64 && keeps_freed_memory();
    apart && set_apart(0)
}

/// The result is allocated.
#[napi(catch_unwind)]
pub fn allocate_anywhere() {
    set_apart(MOST_APART);
}

/// Blocks that glibc has from the system by themselves if nothing is set.
const MOST_APART: i32 = 65536;

/// Lets malloc have up to `blocks` blocks from the system by themselves.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn set_apart(blocks: i32) -> bool {
    // SAFETY: mallopt may be called at any time; it takes a lock of malloc's own.
    unsafe { libc::mallopt(libc::M_MMAP_MAX, blocks) == 1 }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn set_apart(_: i32) -> bool {
    false
}

/// Whether malloc keeps freed memory because this asks it to, at the latest now.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keeps_freed_memory() -> bool {
    use std::sync::OnceLock;

    use libc::{M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};

    static KEEPS: OnceLock<bool> = OnceLock::new();
    *KEEPS.get_or_init(|| {
        let chosen =
            ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES"];
        if chosen.iter().any(|name| std::env::var_os(name).is_some()) {
            return false;
        }
        // To set the other threshold alone would leave this one where it is.
        // SAFETY: mallopt may be called at any time; it takes a lock of malloc's own.
        let set = unsafe { mallopt(M_MMAP_THRESHOLD, APART as i32) };
        // SAFETY: as above.
        set == 1 && unsafe { mallopt(M_TRIM_THRESHOLD, KEPT as i32) == 1 }
    })
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keeps_freed_memory() -> bool {
    false
}
