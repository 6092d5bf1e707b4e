//! Portable vectors: arrays of N lanes in plain Rust, which LLVM turns into the vectors of the build target
//! (SSE2 on the x86-64 floor; NEON on aarch64, whose intrinsics have a file too).

use std::array;

use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// N portable lanes, H for the end of a row; needs nothing of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portable<const N: usize, const H: usize>;

/// Whether the build target has a fused multiply-add; without one `mul_add` would call a slow library
/// routine for each lane.
const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Copies `count` elements of N, at most 16, in parts of constant size: a copy of `count` would be a call.
///
/// # Safety
///
/// `from` is readable and `to` is writable there; they need not be aligned.
#[inline(always)]
unsafe fn copy_first<T, const N: usize>(from: *const T, to: *mut T, count: usize) {
    let (mut from, mut to) = (from.cast::<u8>(), to.cast::<u8>());
    for part in [16, 8, 4, 2, 1] {
        if part <= N && count & part != 0 {
            let bytes = part * size_of::<T>();
            // SAFETY: the parts that are copied are `count` elements in all.
            unsafe { std::ptr::copy_nonoverlapping(from, to, bytes) };
            (from, to) = (from.wrapping_add(bytes), to.wrapping_add(bytes));
        }
    }
}

#[inline(always)]
fn lanes<T: Copy, const N: usize>(f: impl FnMut(usize) -> T) -> [T; N] {
    array::from_fn(f)
}

// SAFETY: plain Rust, no instruction beyond those of the build target.
unsafe impl<T: Element, const N: usize, const H: usize> Simd<T> for Portable<N, H> {
    type V = [T; N];
    type Mask = [bool; N];
    const LANES: usize = N;
    type Half = Portable<H, H>;
    // 4 lanes: 12 accumulators of the 16 registers of 128 bits that a target has at the least, one for 4 f32, two for 4 f64.
    // 32 registers would have room for more rows, but LLVM does not unroll loops of so many lanes to the end, and then
    // accumulators are in memory. 8 and 16 lanes: the tiles of AVX2 and AVX-512.
    const MR: usize = match N {
        16.. => 12,
        8.. => 6,
        _ => 24 / size_of::<T>(),
    };
    const LOOPS_APART: bool = true;
    const MIN_SUMS: usize = if N >= 8 { 8 } else { 32 / size_of::<T>() };

    #[inline(always)]
    fn half(self) -> Self::Half {
        Portable
    }
    /// Never inlined: among the loops around it a kernel would have too few registers.
    #[inline(never)]
    fn vectorize<K: Kernel<T>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, value: T) -> [T; N] {
        [value; N]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const T) -> [T; N] {
        // SAFETY: the caller vouches for LANES readable elements; an array of them needs no more alignment.
        unsafe { from.cast::<[T; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T, v: [T; N]) {
        // SAFETY: the caller vouches for LANES writable elements.
        unsafe { to.cast::<[T; N]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const T, count: usize) -> [T; N] {
        let mut v = [T::zero(); N];
        // SAFETY: the caller vouches for `count` readable elements, and count ≤ N = v.len().
        unsafe { copy_first::<T, N>(from, v.as_mut_ptr(), count) };
        v
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, v: [T; N], count: usize) {
        // SAFETY: the caller vouches for `count` writable elements, and count ≤ N = v.len().
        unsafe { copy_first::<T, N>(v.as_ptr(), to, count) }
    }
    #[inline(always)]
    unsafe fn transpose(self, from: *const T, from_stride: usize, to: *mut T, to_stride: usize) {
        // SAFETY: the caller vouches for LANES rows of LANES elements.
        let rows: [[T; N]; N] = lanes(|i| unsafe { self.load(from.wrapping_add(i * from_stride)) });
        let turned: [[T; N]; N] = lanes(|i| lanes(|j| rows[j][i]));
        for (i, row) in turned.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { self.store(to.wrapping_add(i * to_stride), row) };
        }
    }
    #[inline(always)]
    fn add(self, a: [T; N], b: [T; N]) -> [T; N] {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: [T; N], b: [T; N]) -> [T; N] {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: [T; N], b: [T; N]) -> [T; N] {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: [T; N], b: [T; N]) -> [T; N] {
        lanes(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: [T; N], b: [T; N], c: [T; N]) -> [T; N] {
        if FUSED { lanes(|i| a[i].mul_add(b[i], c[i])) } else { lanes(|i| a[i] * b[i] + c[i]) }
    }
    #[inline(always)]
    fn neg_mul_add(self, a: [T; N], b: [T; N], c: [T; N]) -> [T; N] {
        if FUSED { lanes(|i| (-a[i]).mul_add(b[i], c[i])) } else { lanes(|i| c[i] - a[i] * b[i]) }
    }
    #[inline(always)]
    fn min(self, a: [T; N], b: [T; N]) -> [T; N] {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn max(self, a: [T; N], b: [T; N]) -> [T; N] {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn abs(self, a: [T; N]) -> [T; N] {
        lanes(|i| a[i].abs())
    }
    #[inline(always)]
    fn copysign(self, magnitude: [T; N], sign: [T; N]) -> [T; N] {
        lanes(|i| magnitude[i].copysign(sign[i]))
    }
    #[inline(always)]
    fn exp2i(self, n: [T; N]) -> [T; N] {
        lanes(|i| T::exp2i(n[i]))
    }
    #[inline(always)]
    fn le(self, a: [T; N], b: [T; N]) -> [bool; N] {
        lanes(|i| a[i] <= b[i])
    }
    #[inline(always)]
    fn select(self, mask: [bool; N], yes: [T; N], no: [T; N]) -> [T; N] {
        lanes(|i| if mask[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn hash_accumulate(self, mut sum: [T; N], v: [T; N], key: [T; N]) -> [T; N] {
        let word = |of: &[T; N], i: usize| {
            // SAFETY: within the array, as far as it has whole words; every bit pattern is a number.
            unsafe { of.as_ptr().cast::<u64>().wrapping_add(i).read_unaligned() }
        };
        for i in 0..size_of::<[T; N]>() / size_of::<u64>() {
            let v = word(&v, i);
            let x = v ^ word(&key, i);
            let hash_accumulated = word(&sum, i).wrapping_add(v).wrapping_add((x & 0xffff_ffff) * (x >> 32));
            // SAFETY: as above; every bit pattern is a value of T.
            unsafe { sum.as_mut_ptr().cast::<u64>().wrapping_add(i).write_unaligned(hash_accumulated) };
        }
        sum
    }
}
