//! Cache lines, and prefetching.

/// Apple silicon; every other arm64 processor is taken for one of Arm's Neoverse cores.
const APPLE: bool = cfg!(all(target_arch = "aarch64", target_vendor = "apple"));

/// Bytes in a cache line: 128 on Apple silicon (`hw.cachelinesize`).
pub const CACHE_LINE: usize = if APPLE { 128 } else { 64 };

/// Bytes of a first cache: 32 KB on Zen 3 and 4, 48 KB on Zen 5; 64 KB on Neoverse N1 to V2; 128 KB on the performance cores of
/// Apple silicon (`hw.perflevel0.l1dcachesize`).
pub(crate) const FIRST_CACHE: usize = match (APPLE, cfg!(target_arch = "aarch64")) {
    (true, _) => 128 << 10,
    (_, true) => 64 << 10,
    _ => 48 << 10,
};

/// Bytes from which operands come from beyond the second cache, so that it pays to prefetch (`bench/rust/benches/kernels.rs`:
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
    // SAFETY: it does not fault either, and writes nothing.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "prfm #{operation}, [{address}]",
            operation = const if CACHE == INTO_FIRST_CACHE { 0 } else { 2 }, // PLDL1KEEP, PLDL2KEEP
            address = in(reg) address,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
