//! The vector operations that the kernels call, and what a kernel is.
//!
//! A value of an instruction set's type (a *token*) is made only after its detection, so
//! holding one is the proof that its instructions may run. A kernel is a [`Kernel`]: its body is written once
//! over `S: Simd<T>` and compiled once for each instruction set (`dispatch.rs`), inside a function that has the target
//! features switched on.

use crate::simd::element::Element;

/// Lanes of the widest vectors.
const MAX_LANES: usize = 16;

/// A computation written once for every instruction set.
pub trait Kernel<T: Element> {
    /// What the computation returns.
    type Output;

    /// The body. It must be `#[inline(always)]`, so that it is compiled with the caller's target features.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}

/// The vector operations of one instruction set on elements of type `T`.
///
/// # Safety
///
/// An implementation must make its tokens only where the processor has the instructions that the
/// operations use.
pub unsafe trait Simd<T: Element>: Copy + Send + Sync + 'static {
    /// A vector of [`Self::LANES`] elements.
    type V: Copy;
    /// One truth value a lane.
    type Mask: Copy;
    /// Elements in a vector.
    const LANES: usize;
    /// Vectors of half as many lanes where they take half the time, for the end of a row; elsewhere the same ones.
    type Half: Simd<T>;
    /// Rows of the largest register tile (2 vectors wide): its accumulators, two vectors of the panel and
    /// one broadcast must fit the register file.
    const MR: usize;
    /// Accumulators of a tile that hide the latency of a multiply-add: its cycles times as many as begin in a cycle.
    const MIN_SUMS: usize = 8;
    /// Whether [`Self::mul_add_lane`] is one instruction, and no slower than [`Self::mul_add`]. If so, `Half` is the type
    /// itself.
    const BY_ELEMENT: bool = false;
    /// Whether the microkernel's loop over k is a function of its own. A vector that is an array is many values to LLVM, and what
    /// comes after the loop would decide which of them become a vector again in it.
    const LOOPS_APART: bool = false;

    /// The token of [`Self::Half`].
    fn half(self) -> Self::Half;

    /// Runs `kernel` with this instruction set's target features enabled.
    fn vectorize<K: Kernel<T>>(self, kernel: K) -> K::Output;

    /// The same value in every lane.
    fn splat(self, value: T) -> Self::V;
    /// Reads a vector; it need not be aligned.
    ///
    /// # Safety
    ///
    /// - `from` is readable for [`Self::LANES`] elements.
    unsafe fn load(self, from: *const T) -> Self::V;
    /// Writes a vector.
    ///
    /// # Safety
    ///
    /// - `to` is writable for [`Self::LANES`] elements.
    unsafe fn store(self, to: *mut T, v: Self::V);
    /// Reads the first `count` lanes, which need not be aligned; the others are zero.
    ///
    /// # Safety
    ///
    /// - `count` is at most [`Self::LANES`];
    /// - `from` is readable for `count` elements.
    unsafe fn load_first(self, from: *const T, count: usize) -> Self::V;
    /// Writes the first `count` lanes.
    ///
    /// # Safety
    ///
    /// - `count` is at most [`Self::LANES`];
    /// - `to` is writable for `count` elements.
    unsafe fn store_first(self, to: *mut T, v: Self::V, count: usize);

    /// Transposes a block of LANES × LANES elements: to[i, j] = from[j, i].
    ///
    /// # Safety
    ///
    /// - `from` is readable for LANES rows of LANES elements, `from_stride` apart;
    /// - `to` is writable for LANES rows of LANES elements, `to_stride` apart, and overlaps nothing of `from`.
    unsafe fn transpose(self, from: *const T, from_stride: usize, to: *mut T, to_stride: usize);

    /// a + b.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a - b.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once where the instruction set has a fused operation.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a · b_LANE + c: [`Self::mul_add`] with one element of b for all lanes.
    #[inline(always)]
    fn mul_add_lane<const LANE: usize>(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let mut lanes = [T::zero(); MAX_LANES];
        // SAFETY: there is room for the widest vector.
        unsafe { self.store(lanes.as_mut_ptr(), b) };
        self.mul_add(a, self.splat(lanes[LANE]), c)
    }
    /// c - a · b, rounded once where the instruction set has a fused operation.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller of the two; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of the two; `b` where either is NaN or both are zero.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// |a|.
    fn abs(self, a: Self::V) -> Self::V;
    /// |magnitude| with the sign of `sign`.
    fn copysign(self, magnitude: Self::V, sign: Self::V) -> Self::V;
    /// 2ⁿ for an integral n whose power is a normal number; unspecified, but no undefined behaviour, for
    /// any other n.
    fn exp2i(self, n: Self::V) -> Self::V;
    /// a ≤ b, false where either is NaN.
    fn le(self, a: Self::V, b: Self::V) -> Self::Mask;
    /// `yes` where the mask is true, `no` elsewhere.
    fn select(self, mask: Self::Mask, yes: Self::V, no: Self::V) -> Self::V;
    /// sum + v + lo(v ⊕ key) · hi(v ⊕ key) for each 64 bits of the vectors, taken as integers with the halves lo
    /// and hi of 32 bits; modulo 2⁶⁴.
    fn hash_accumulate(self, sum: Self::V, v: Self::V, key: Self::V) -> Self::V;
}

/// Reads `count` lanes.
///
/// # Safety
///
/// - `count` is at most `LANES`, and `from` is readable for `count` elements.
#[inline(always)]
pub(crate) unsafe fn load<T: Element, S: Simd<T>>(s: S, from: *const T, count: usize) -> S::V {
    if count == S::LANES {
        // SAFETY: the caller vouches for all lanes.
        unsafe { s.load(from) }
    } else {
        // SAFETY: the caller vouches for `count` lanes.
        unsafe { s.load_first(from, count) }
    }
}

/// Writes `count` lanes.
///
/// # Safety
///
/// - `count` is at most `LANES`, and `to` is writable for `count` elements.
#[inline(always)]
pub(crate) unsafe fn store<T: Element, S: Simd<T>>(s: S, to: *mut T, v: S::V, count: usize) {
    if count == S::LANES {
        // SAFETY: the caller vouches for all lanes.
        unsafe { s.store(to, v) }
    } else {
        // SAFETY: the caller vouches for `count` lanes.
        unsafe { s.store_first(to, v, count) }
    }
}
