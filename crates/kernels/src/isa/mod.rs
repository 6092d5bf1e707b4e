//! Instruction sets: one trait with the operations that the kernels call, one file of intrinsics each.
//!
//! A value of an instruction set's type (a *token*) is made only after the processor was asked for it, so
//! holding one is the proof that its instructions may run. A kernel is a [`Task`]: its body is written once
//! over `S: Simd<T>`, and `scalar::compiled` compiles it once for each instruction set, inside a function
//! that has the target features switched on.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

use crate::Scalar;

/// A computation written once for every instruction set.
pub trait Task<T: Scalar> {
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
pub unsafe trait Simd<T: Scalar>: Copy + Send + Sync + 'static {
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
    const MAX_ROWS: usize;
    /// Accumulators that a tile has at the least, where there is enough to multiply: the latency of a multiply-add times
    /// as many as begin in a cycle.
    const LEAST_SUMS: usize = 8;
    /// Whether [`Self::mul_add_lane`] is one instruction, that takes no longer than [`Self::mul_add`].
    const BY_ELEMENT: bool = false;

    /// The token of [`Self::Half`].
    fn half(self) -> Self::Half;

    /// Runs `task` with this instruction set's target features enabled.
    fn vectorize<K: Task<T>>(self, task: K) -> K::Output;

    /// The same value in every lane.
    fn splat(self, value: T) -> Self::V;
    /// Reads a vector.
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
    /// Reads the first `count` lanes; the others are zero.
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
    /// a · b_LANE + c, as [`Self::mul_add`] of a vector that has this element of b in all lanes.
    #[inline(always)]
    fn mul_add_lane<const LANE: usize>(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let mut lanes = [T::zero(); MOST_LANES];
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
    fn mingle(self, sum: Self::V, v: Self::V, key: Self::V) -> Self::V;
}

/// Lanes of the widest vectors.
const MOST_LANES: usize = 16;

/// Bytes in a cache line: 128 on Apple silicon (`hw.cachelinesize`), 64 on all others.
pub const CACHE_LINE: usize = if cfg!(all(target_arch = "aarch64", target_vendor = "apple")) { 128 } else { 64 };

/// Bytes from which operands come from beyond the second cache, so that it pays to ask early (`benches/kernels.rs`:
/// gram 2 to 9 % there, -2 to -5 % below; the recurrence 12 to 19 % at 25 MB a matrix, nothing at 2 MB).
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

/// Asks the processor to bring the line of `address` into a cache. A hint: any address will do.
#[inline(always)]
pub(crate) fn prefetch<const CACHE: i32, T>(address: *const T) {
    // SAFETY: a prefetch does not fault; SSE is part of x86-64.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<CACHE>(address.cast());
    }
    // SAFETY: as above; it reads and writes nothing that the program could notice.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        use std::arch::asm;
        if CACHE == INTO_FIRST_CACHE {
            asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
        } else {
            asm!("prfm pldl2keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// Whether packing rows that come from memory is faster if they were asked for a while before. It is not on an Intel Xeon:
/// there the gradients of weights gain 8 to 16 % without, for its own prefetchers follow contiguous rows well enough, and
/// what comes early takes the place of packed operands in the second cache. Nobody has measured arm64, whose prefetchers
/// are taken for as good.
pub(crate) fn packs_early_rows_faster() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static FASTER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *FASTER.get_or_init(|| !x86::made_by_intel())
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// An instruction set that this host has.
///
/// It can be made only by [`Isa::detect`], [`Isa::by_name`] and [`Isa::available`], which ask the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(pub(crate) Kind);

/// The tokens, one for each instruction set. Private, so that nobody can make one without detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Portable lanes that LLVM turns into whatever the build target has.
    Portable(Portable<4, 4>),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(any(test, feature = "test-isas"))]
    Portable8(Portable<8, 4>),
    #[cfg(any(test, feature = "test-isas"))]
    Portable16(Portable<16, 16>),
}

macro_rules! dispatch_to {
    ($isa:expr, $task:expr) => {
        $crate::isa::dispatch_to!($isa, $task, Self)
    };
    ($isa:expr, $task:expr, $type:ty) => {{
        use $crate::isa::{Kind, Simd};
        match $isa.0 {
            Kind::Portable(token) => Simd::<$type>::vectorize(token, $task),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(token) => Simd::<$type>::vectorize(token, $task),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(token) => Simd::<$type>::vectorize(token, $task),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(token) => Simd::<$type>::vectorize(token, $task),
            #[cfg(any(test, feature = "test-isas"))]
            Kind::Portable8(token) => Simd::<$type>::vectorize(token, $task),
            #[cfg(any(test, feature = "test-isas"))]
            Kind::Portable16(token) => Simd::<$type>::vectorize(token, $task),
        }
    }};
}
pub(crate) use dispatch_to;

impl Isa {
    /// The names that [`Isa::by_name`] knows on any host, narrowest vectors first.
    pub const NAMES: [&'static str; 4] = ["scalar", "neon", "avx2", "avx512"];

    /// The best instruction set of this processor.
    pub fn detect() -> Self {
        *Self::available().last().unwrap_or(&Self::portable())
    }

    /// The instruction set called `name`, one of [`Isa::NAMES`]; `None` if this host lacks it.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// Every instruction set of this processor, narrowest vectors first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)] // on some targets there is no other
        let mut found = vec![Self::portable()];
        #[cfg(target_arch = "aarch64")]
        found.extend(Neon::detect().map(|token| Self(Kind::Neon(token))));
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(Avx2::detect().map(|token| Self(Kind::Avx2(token))));
            found.extend(Avx512::detect().map(|token| Self(Kind::Avx512(token))));
        }
        found
    }

    /// What tests run: [`Isa::available`], and portable vectors of 8 and 16 lanes, which have the tiles of
    /// AVX2 and AVX-512 on any host. Those of 8 have halves, which take less time to compile
    /// than those of 16 would.
    #[cfg(any(test, feature = "test-isas"))]
    pub fn testable() -> Vec<Self> {
        let mut all = Self::available();
        all.push(Self(Kind::Portable8(Portable)));
        all.push(Self(Kind::Portable16(Portable)));
        all
    }

    /// Its name: `scalar` for the portable vectors, `neon`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable(_) => "scalar",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(any(test, feature = "test-isas"))]
            Kind::Portable8(_) => "portable8",
            #[cfg(any(test, feature = "test-isas"))]
            Kind::Portable16(_) => "portable16",
        }
    }

    fn portable() -> Self {
        Self(Kind::Portable(Portable))
    }
}
