//! The loop over k of the microkernel where the instruction set multiplies a vector by one element of another
//! ([`Simd::BY_ELEMENT`]): one load brings several elements of A, and none of them is broadcast.
//!
//! ```text
//! few rows       for i in 0..K by 4                A[r, i..] in a register for each row r, one vector of W at a time
//!                  for l in 0..4, for each vector of W[i + l], for r
//!                    acc[r] += W[i + l] · A[r, i..][l]
//!
//! many rows      for i in 0..K by 2                W[i], W[i + 1] in registers, one row of A at a time
//!                  for r, for l in 0..2
//!                    acc[r] += W[i + l] · A[r, i..][l]
//!
//! packed rows    for i in 0..K                     W[i] in registers, LANES rows of A at a time: they are contiguous
//!                  for r in 0..R by LANES, for l in 0..LANES
//!                    acc[r + l] += W[i] · A[r.., i][l]
//! ```
//!
//! Beside the 24 accumulators of 12 rows, 32 registers have room for two steps of W and some elements of A. Every accumulator
//! is one chain of multiply-adds with k ascending, as everywhere.
//!
//! Loops over indices, and no iterators behind iterators: with `flatten` LLVM left the accumulators of 12 rows in memory. A test
//! looks at the compiled loops (`scripts/lib/loops.mjs`); llvm-mca's models of cores chose between the forms.

use crate::gemm::microkernel::ROWS_AHEAD;
use crate::simd::cache::{CACHE_LINE, INTO_FIRST_CACHE, prefetch};
use crate::simd::element::Element;
use crate::simd::vector::{Simd, load};

/// Registers of the instruction sets that multiply by an element.
const REGISTERS: usize = 32;

/// Steps of k in a turn of the loop for few rows: the elements of one vector of f32, or of two of f64.
const TURN: usize = 4;

/// What is multiplied: R rows of K elements, or one packed tile of them, and P panels of K rows of V whole vectors.
pub(crate) struct ByElement<'a, T, const R: usize, const P: usize, const V: usize> {
    a: &'a [*const T; R],
    w: *const T,
    k: usize,
}

impl<'a, T: Element, const R: usize, const P: usize, const V: usize> ByElement<'a, T, R, P, V> {
    /// # Safety
    ///
    /// As long as the value is used,
    ///
    /// - each row of `a` is readable for `k` elements; but if `PACKED_A` is passed to [`Self::add_to`], the first of them is
    ///   for k R, R for each k;
    /// - `w` is readable for P panels, one behind the other, of `k` rows of V vectors.
    #[inline(always)]
    pub(crate) unsafe fn new(a: &'a [*const T; R], w: *const T, k: usize) -> Self {
        Self { a, w, k }
    }

    /// acc += A W.
    #[inline(always)]
    pub(crate) fn add_to<S: Simd<T>, const PACKED_A: bool>(&self, s: S, acc: &mut [[[S::V; V]; P]; R]) {
        // One packed row is contiguous in k, as any other row.
        if PACKED_A && R > 1 {
            self.packed_rows(s, acc);
        } else if R * (P * V + 1) + 2 <= REGISTERS {
            self.few_rows(s, acc);
        } else {
            self.many_rows(s, acc);
        }
    }

    #[inline(always)]
    fn few_rows<S: Simd<T>>(&self, s: S, acc: &mut [[[S::V; V]; P]; R]) {
        let mut i = 0;
        // One row has eight panels at once, whose addresses take as many additions a turn: two turns in one.
        let pairs = if R == 1 { self.k - self.k % (2 * TURN) } else { 0 };
        while i < pairs {
            self.turn(s, i, acc);
            self.turn(s, i + TURN, acc);
            i += 2 * TURN;
        }
        let whole = self.k - self.k % TURN;
        while i < whole {
            self.turn(s, i, acc);
            i += TURN;
        }
        // Up to three more. Written out: in a loop LLVM moves the accumulators from register to register.
        macro_rules! one_more {
            ($i:expr, $($rest:tt)*) => {
                if $i < self.k {
                    let left = self.elements(s, $i, 1);
                    self.one_step::<S, 0>(s, &left, $i, acc);
                    $($rest)*
                }
            };
        }
        one_more!(i, one_more!(i + 1, one_more!(i + 2,)));
    }

    /// TURN steps of k for few rows.
    #[inline(always)]
    fn turn<S: Simd<T>>(&self, s: S, i: usize, acc: &mut [[[S::V; V]; P]; R]) {
        let left = self.elements(s, Self::index(i), S::LANES);
        if P == 1 {
            self.prefetch::<S>(i, TURN);
        }
        self.one_step::<S, 0>(s, &left, i, acc);
        self.one_step::<S, 1>(s, &left, i + 1, acc);
        if S::LANES == TURN {
            self.one_step::<S, 2>(s, &left, i + 2, acc);
            self.one_step::<S, 3>(s, &left, i + 3, acc);
        } else {
            // Another index, else both loads of a row become one, and those of 6 rows fill more registers than there are.
            let left = self.elements(s, Self::index(i + S::LANES), S::LANES);
            self.one_step::<S, 0>(s, &left, i + 2, acc);
            self.one_step::<S, 1>(s, &left, i + 3, acc);
        }
    }

    #[inline(always)]
    fn many_rows<S: Simd<T>>(&self, s: S, acc: &mut [[[S::V; V]; P]; R]) {
        let mut i = 0;
        while i + 2 <= self.k {
            let right = [self.vectors(s, i), self.vectors(s, i + 1)];
            if P == 1 {
                self.prefetch::<S>(i, 2);
            }
            let at = Self::index(i);
            for (acc, a) in acc.iter_mut().zip(self.a) {
                debug_assert!(at + 2 <= self.k);
                // SAFETY: the row has these two elements, as `new` says.
                let left = unsafe { load(s, a.wrapping_add(at), 2) };
                for p in 0..P {
                    for v in 0..V {
                        acc[p][v] = s.mul_add_lane::<0>(right[0][p][v], left, acc[p][v]);
                    }
                }
                for p in 0..P {
                    for v in 0..V {
                        acc[p][v] = s.mul_add_lane::<1>(right[1][p][v], left, acc[p][v]);
                    }
                }
            }
            i += 2;
        }
        if i < self.k {
            let left = self.elements(s, i, 1);
            self.one_step::<S, 0>(s, &left, i, acc);
        }
    }

    #[inline(always)]
    fn packed_rows<S: Simd<T>>(&self, s: S, acc: &mut [[[S::V; V]; P]; R]) {
        for i in 0..self.k {
            let right = self.vectors(s, i);
            if P == 1 {
                self.prefetch::<S>(i, 1);
            }
            for (group, acc) in acc.chunks_mut(S::LANES).enumerate() {
                // SAFETY: the packed tile has R elements for each k, as `new` says.
                let left = unsafe { load(s, self.a[0].wrapping_add(i * R + group * S::LANES), acc.len()) };
                for p in 0..P {
                    for v in 0..V {
                        macro_rules! lanes {
                            ($($lane:literal)*) => {$(
                                if $lane < S::LANES && $lane < acc.len() {
                                    acc[$lane][p][v] = s.mul_add_lane::<$lane>(right[p][v], left, acc[$lane][p][v]);
                                }
                            )*};
                        }
                        lanes!(0 1 2 3);
                    }
                }
            }
        }
    }

    /// One step of k for all rows: `left` holds their elements in lane `LANE`.
    #[inline(always)]
    fn one_step<S: Simd<T>, const LANE: usize>(
        &self,
        s: S,
        left: &[S::V; R],
        i: usize,
        acc: &mut [[[S::V; V]; P]; R],
    ) {
        for p in 0..P {
            for v in 0..V {
                let right = self.vector(s, i, p, v);
                for (acc, left) in acc.iter_mut().zip(left) {
                    acc[p][v] = s.mul_add_lane::<LANE>(right, *left, acc[p][v]);
                }
            }
        }
    }

    /// `count` elements of each row from k = i on, at most LANES.
    #[inline(always)]
    fn elements<S: Simd<T>>(&self, s: S, i: usize, count: usize) -> [S::V; R] {
        debug_assert!(i + count <= self.k);
        let mut left = [s.splat(T::zero()); R];
        for (left, a) in left.iter_mut().zip(self.a) {
            // SAFETY: the row has these elements, as `new` says.
            *left = unsafe { load(s, a.wrapping_add(i), count) };
        }
        left
    }

    /// Vector v of panel p at k = i.
    #[inline(always)]
    fn vector<S: Simd<T>>(&self, s: S, i: usize, p: usize, v: usize) -> S::V {
        debug_assert!(i < self.k && p < P && v < V);
        // SAFETY: the panel has this vector, as `new` says.
        unsafe { s.load(self.w.wrapping_add(((p * self.k + i) * V + v) * S::LANES)) }
    }

    /// All vectors at k = i.
    #[inline(always)]
    fn vectors<S: Simd<T>>(&self, s: S, i: usize) -> [[S::V; V]; P] {
        let mut right = [[s.splat(T::zero()); V]; P];
        for (p, right) in right.iter_mut().enumerate() {
            for (v, right) in right.iter_mut().enumerate() {
                *right = self.vector(s, i, p, v);
            }
        }
        right
    }

    /// Prefetches the lines of a panel that the tile will read some rows later than the `steps` rows from i on. What this costs
    /// is a place among the loads; XNNPACK has such kernels for Cortex-A75 and later (`neonfma_prfm_cortex_a75`).
    #[inline(always)]
    fn prefetch<S: Simd<T>>(&self, i: usize, steps: usize) {
        let ahead = self.w.wrapping_add((i + ROWS_AHEAD) * V * S::LANES);
        for line in 0..(steps * V * size_of::<S::V>()).div_ceil(CACHE_LINE) {
            prefetch::<INTO_FIRST_CACHE, _>(ahead.wrapping_add(line * CACHE_LINE / size_of::<T>()));
        }
    }

    /// i, by which the elements of several rows are addressed. The compiler does not know that it is the last turn's and a
    /// constant more; so a row is addressed by its start and one index for all, and not by a pointer each that every load moves
    /// on, in an operation of its own.
    #[inline(always)]
    fn index(i: usize) -> usize {
        #[cfg(target_arch = "aarch64")]
        if R > 1 {
            let mut i = i;
            // SAFETY: no instruction at all.
            unsafe {
                std::arch::asm!("/* {} */", inlateout(reg) i, options(pure, nomem, nostack, preserves_flags));
            }
            return i;
        }
        i
    }
}
