//! Cache lines, and prefetching.

/// Bytes in a cache line.
pub const CACHE_LINE: usize = 64;

/// Bytes from which operands come from beyond the second cache, so that it pays to prefetch (`benches/kernels.rs`:
/// gemm_tn gains 2 to 9 % there, -2 to -5 % below; the recurrence 12 to 19 % at 25 MB a matrix, nothing at 2 MB).
pub(crate) const FAR: usize = 8 << 20;

/// The first cache, as the instruction that brings a line there names it: `_MM_HINT_T0`.
pub(crate) const INTO_FIRST_CACHE: i32 = 3;

/// The second cache: `_MM_HINT_T1`.
pub(crate) const INTO_SECOND_CACHE: i32 = 2;

#[cfg(target_arch = "x86_64")]
const _: () = {
    use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1};
    assert!(INTO_FIRST_CACHE == _MM_HINT_T0 && INTO_SECOND_CACHE == _MM_HINT_T1);
};

/// Prefetches the line of `address` into a cache. A hint: any address is allowed.
#[inline(always)]
pub(crate) fn prefetch<const CACHE: i32, T>(address: *const T) {
    // SAFETY: a prefetch does not fault; SSE is part of x86-64.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<CACHE>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
