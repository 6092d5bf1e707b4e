//! The loop over k of a product where the instruction set multiplies a vector by one element of another
//! ([`Simd::BY_ELEMENT`]): several elements of A come with one load, and none of them has to be broadcast.
//!
//! ```text
//! few rows      for i in 0..K by 4                 A[r, i..] in a register for each row r, a vector of W at a time
//!                 for l in 0..4, for each vector of W[i + l], for r
//!                   acc[r] += W[i + l] · A[r, i..][l]
//!
//! many rows     for i in 0..K by 2                 W[i], W[i + 1] in registers, A of one row at a time
//!                 for r, for l in 0..2
//!                   acc[r] += W[i + l] · A[r, i..][l]
//!
//! gradients     for i in 0..K                      W[i] in registers, A of LANES rows at a time: they are contiguous
//!                 for r in 0..R by LANES, for l in 0..LANES
//!                   acc[r + l] += W[i] · A[r.., i][l]
//! ```
//!
//! (a gradient of one row has its elements in the order of k, and is made as few rows are).
//!
//! Of 32 registers the accumulators of 12 rows by 2 vectors leave 8, so that two steps of W, 4 vectors, are as many as go
//! with them. Every accumulator is one chain of multiply-adds with k ascending, as everywhere.

use crate::gemm::microkernel::ROWS_AHEAD;
use crate::simd::cache::{CACHE_LINE, INTO_FIRST_CACHE, prefetch};
use crate::simd::element::Element;
use crate::simd::vector::{Simd, load};

/// Registers of the instruction sets that multiply by an element.
const REGISTERS: usize = 32;

/// Steps of k in a turn of the loop for few rows: the elements of one vector of f32, or of two of f64.
const TURN: usize = 4;

/// The same number, but none that the compiler knows to be the last turn's and a constant more: else each row gets a pointer
/// that is moved on at every load, which processors do in an operation of its own.
#[inline(always)]
fn unknown(i: usize) -> usize {
    #[allow(unused_mut)]
    let mut i = i;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {} */", inlateout(reg) i, options(pure, nomem, nostack, preserves_flags));
    }
    i
}

/// The panels of W from one on, for a tile, K rows of V whole vectors each.
#[derive(Clone, Copy)]
struct Panels<T, const V: usize> {
    w: *const T,
    k: usize,
}

impl<T: Element, const V: usize> Panels<T, V> {
    /// Vector v of panel p at k = i.
    ///
    /// # Safety
    ///
    /// i < K, and the panel has that vector.
    #[inline(always)]
    unsafe fn load<S: Simd<T>>(&self, s: S, i: usize, p: usize, v: usize) -> S::V {
        // SAFETY: a packed panel holds K rows of whole vectors.
        unsafe { s.load(self.w.wrapping_add(((p * self.k + i) * V + v) * S::LANES)) }
    }

    /// Asks for the lines that the tile reads some steps after the `steps` steps from i on.
    #[inline(always)]
    fn prefetch<S: Simd<T>>(&self, i: usize, steps: usize) {
        let bytes = steps * V * size_of::<S::V>();
        for line in 0..bytes.div_ceil(CACHE_LINE) {
            let ahead = (i + ROWS_AHEAD) * V * S::LANES + line * (CACHE_LINE / size_of::<T>());
            prefetch::<INTO_FIRST_CACHE, _>(self.w.wrapping_add(ahead));
        }
    }
}

/// acc += A W for R rows and P panels of V vectors. Rows `a` of K elements; if `PACKED_A`, all in one packed tile, R elements
/// for each k.
///
/// # Safety
///
/// - `a` is readable there, and `w` holds P packed panels of K rows, V whole vectors each.
#[inline(always)]
pub(crate) unsafe fn multiply<
    T: Element,
    S: Simd<T>,
    const R: usize,
    const P: usize,
    const V: usize,
    const PACKED_A: bool,
>(
    s: S,
    a: &[*const T; R],
    w: *const T,
    k: usize,
    acc: &mut [[[S::V; V]; P]; R],
) {
    let w = Panels::<T, V> { w, k };
    // SAFETY: by the conditions above.
    unsafe {
        if PACKED_A && R > 1 {
            packed_rows(s, a[0], w, acc);
        } else if R * (P * V + 1) + 2 <= REGISTERS {
            few_rows(s, a, w, acc);
        } else {
            many_rows(s, a, w, acc);
        }
    }
}

/// One step of k for the rows: `left` holds its element in lane `LANE`.
///
/// # Safety
///
/// i < K, and the panels have their vectors.
#[inline(always)]
unsafe fn one_step<T: Element, S: Simd<T>, const LANE: usize, const R: usize, const P: usize, const V: usize>(
    s: S,
    left: &[S::V; R],
    w: Panels<T, V>,
    i: usize,
    acc: &mut [[[S::V; V]; P]; R],
) {
    for p in 0..P {
        for v in 0..V {
            // SAFETY: the caller vouches for it.
            let right = unsafe { w.load(s, i, p, v) };
            for (acc, left) in acc.iter_mut().zip(left) {
                acc[p][v] = s.mul_add_lane::<LANE>(right, *left, acc[p][v]);
            }
        }
    }
}

/// Elements of each row from k = i on.
///
/// # Safety
///
/// The rows have `count` of them, which is at most LANES.
#[inline(always)]
unsafe fn elements<T: Element, S: Simd<T>, const R: usize>(
    s: S,
    a: &[*const T; R],
    i: usize,
    count: usize,
) -> [S::V; R] {
    let mut left = [s.splat(T::zero()); R];
    for (left, a) in left.iter_mut().zip(a) {
        // SAFETY: the caller vouches for them.
        *left = unsafe { load(s, a.wrapping_add(i), count) };
    }
    left
}

/// # Safety
///
/// That of [`multiply`].
#[inline(always)]
unsafe fn few_rows<T: Element, S: Simd<T>, const R: usize, const P: usize, const V: usize>(
    s: S,
    a: &[*const T; R],
    w: Panels<T, V>,
    acc: &mut [[[S::V; V]; P]; R],
) {
    let whole = w.k - w.k % TURN;
    // SAFETY: i + TURN ≤ K in the loop, i < K behind it.
    unsafe {
        let mut i = 0;
        while i < whole {
            let at = unknown(i);
            let mut left = elements(s, a, at, S::LANES);
            if P == 1 {
                w.prefetch::<S>(i, TURN);
            }
            one_step::<T, S, 0, R, P, V>(s, &left, w, i, acc);
            one_step::<T, S, 1, R, P, V>(s, &left, w, i + 1, acc);
            if S::LANES == TURN {
                one_step::<T, S, 2, R, P, V>(s, &left, w, i + 2, acc);
                one_step::<T, S, 3, R, P, V>(s, &left, w, i + 3, acc);
            } else {
                left = elements(s, a, at + S::LANES, S::LANES);
                one_step::<T, S, 0, R, P, V>(s, &left, w, i + 2, acc);
                one_step::<T, S, 1, R, P, V>(s, &left, w, i + 3, acc);
            }
            i += TURN;
        }
        // Up to three more. Written out, since in a loop LLVM moves the accumulators from register to register.
        macro_rules! one_more {
            ($i:expr, $($rest:tt)*) => {
                if $i < w.k {
                    let left = elements(s, a, $i, 1);
                    one_step::<T, S, 0, R, P, V>(s, &left, w, $i, acc);
                    $($rest)*
                }
            };
        }
        one_more!(i, one_more!(i + 1, one_more!(i + 2,)));
    }
}

/// # Safety
///
/// That of [`multiply`].
#[inline(always)]
unsafe fn many_rows<T: Element, S: Simd<T>, const R: usize, const P: usize, const V: usize>(
    s: S,
    a: &[*const T; R],
    w: Panels<T, V>,
    acc: &mut [[[S::V; V]; P]; R],
) {
    // SAFETY: i + 2 ≤ K in the loop, i + 1 ≤ K behind it.
    unsafe {
        let mut i = 0;
        while i + 2 <= w.k {
            let mut right = [[[s.splat(T::zero()); V]; P]; 2];
            for (l, right) in right.iter_mut().enumerate() {
                for (p, right) in right.iter_mut().enumerate() {
                    for (v, right) in right.iter_mut().enumerate() {
                        *right = w.load(s, i + l, p, v);
                    }
                }
            }
            if P == 1 {
                w.prefetch::<S>(i, 2);
            }
            let at = unknown(i);
            for (acc, a) in acc.iter_mut().zip(a) {
                let left = load(s, a.wrapping_add(at), 2);
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
        if i < w.k {
            let left = elements(s, a, i, 1);
            one_step::<T, S, 0, R, P, V>(s, &left, w, i, acc);
        }
    }
}

/// # Safety
///
/// That of [`multiply`].
#[inline(always)]
unsafe fn packed_rows<T: Element, S: Simd<T>, const R: usize, const P: usize, const V: usize>(
    s: S,
    a: *const T,
    w: Panels<T, V>,
    acc: &mut [[[S::V; V]; P]; R],
) {
    for i in 0..w.k {
        let mut right = [[s.splat(T::zero()); V]; P];
        for (p, right) in right.iter_mut().enumerate() {
            for (v, right) in right.iter_mut().enumerate() {
                // SAFETY: i < K.
                *right = unsafe { w.load(s, i, p, v) };
            }
        }
        if P == 1 {
            w.prefetch::<S>(i, 1);
        }
        for (group, acc) in acc.chunks_mut(S::LANES).enumerate() {
            // SAFETY: the tile has R elements for each k.
            let left = unsafe { load(s, a.wrapping_add(i * R + group * S::LANES), acc.len()) };
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
