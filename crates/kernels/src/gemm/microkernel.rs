//! The microkernel, the innermost loops: R rows of A by P panels of W, with all sums in registers.
//!
//! ```text
//! acc[R][P][V] = initial C
//! for k in 0..K                             one chain of fused multiply-adds an element, k ascending
//!   acc[r][p][v] += A[r, k] · W[k, p, v]    (before it the same for A', W' of a projection)
//! C = f(acc)                                if f is short, or one row; else f is a second pass over the tile
//! ```
//!
//! A panel of 1024 rows takes 128 KB with the widest vectors, more than a first cache: each tile reads it from the second
//! one, and prefetches its lines some rows ahead. A tile that has more vectors than rows does not: it would be slower.

use std::hint::black_box;

use crate::gemm::arguments::{Arguments, Tile};
use crate::gemm::by_element::ByElement;
use crate::gemm::terms::{Epilogue, InitialC};
use crate::pointwise::activation::{Derivative, Lanewise, Value, with_function};
use crate::pointwise::exp::Transcendental;
use crate::rows::indirection::RowPointers;
use crate::simd::cache::{CACHE_LINE, INTO_FIRST_CACHE, prefetch};
use crate::simd::element::Element;
use crate::simd::vector::{Simd, load, store};

/// Rows of a panel by which its lines are prefetched ahead. With 1024 units a training step takes 5 % less time on a Zen 5
/// if that is 32 rows or more, and not 8; with up to 768 it is the same.
pub(crate) const ROWS_AHEAD: usize = 32;

impl<T: Transcendental, const PACKED_A: bool> Arguments<'_, T, PACKED_A> {
    /// R rows by P panels of V vectors each; the last vector has `last` columns.
    #[inline(always)]
    pub(crate) fn microkernel<S: Simd<T>, const R: usize, const P: usize, const V: usize>(
        &self,
        s: S,
        at: &Tile,
        last: usize,
    ) {
        let Tile { row, column, panel, stored, .. } = *at;
        // Column of vector v of panel p, from `column`; and how many lanes of it there are.
        let place = |p: usize, v: usize| (p * V + v) * S::LANES;
        let lanes = |p: usize, v: usize| if p + 1 == P && v + 1 == V { last } else { S::LANES };

        let mut acc = [[[s.splat(T::zero()); V]; P]; R];
        let from = match self.initial {
            InitialC::Zero => None,
            InitialC::Row(from) => Some([from.as_ptr(); R]),
            InitialC::InPlace => Some(part(self.c, row)),
            InitialC::Matrix(from) => Some(part(from, row)),
        };
        if let Some(from) = from {
            for (r, acc) in acc.iter_mut().enumerate() {
                for (p, acc) in acc.iter_mut().enumerate() {
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let from = from[r].wrapping_add(column + place(p, v));
                        // SAFETY: the row has N elements, of which this vector covers the given lanes.
                        *acc = unsafe { load(s, from, lanes(p, v)) };
                    }
                }
            }
        }

        let start = panel * self.panels.width();
        let own = Factors { a: self.a, w: self.w.wrapping_add(start * self.panels.k), k: self.panels.k };
        let projection = self.projection.filter(|_| !PACKED_A).map(|projection| Factors {
            a: projection.a,
            w: projection.w.wrapping_add(start * projection.k),
            k: projection.k,
        });
        // One loop for both products: this code is compiled for every form of a tile.
        let mut next = projection.or(Some(own));
        let mut behind = projection.map(|_| own);
        while let Some(Factors { a, w, k }) = next {
            let a: [_; R] = if PACKED_A { [a[row]; R] } else { part(a, row) };
            if S::BY_ELEMENT {
                debug_assert_eq!(stored, V * S::LANES);
                // SAFETY: the rows and the panels are readable there, by the conditions of the block.
                let factors = unsafe { ByElement::<T, R, P, V>::new(&a, w, k) };
                factors.add_to::<S, PACKED_A>(s, &mut acc);
                next = behind.take();
                continue;
            }
            if S::LOOPS_APART {
                // SAFETY: likewise.
                unsafe { by_broadcast_apart::<T, S, R, P, V, PACKED_A>(s, &a, w, k, stored, &mut acc) };
            } else {
                // SAFETY: likewise.
                unsafe { by_broadcast::<T, S, R, P, V, PACKED_A>(s, &a, w, k, stored, &mut acc) };
            }
            next = behind.take();
        }
        // x + (-0) is x to the bit, but another value to the compiler: the loop's sums end here. Otherwise the allocation of
        // registers weighs them with what comes before and after, and with 16 registers stores some at every turn of the
        // loop, which then takes 1.1 to 1.6 times as long. A test looks at the compiled loops. No `array::map`: that may
        // become a call, which takes its array in memory.
        let nothing = s.splat(black_box(-T::zero()));
        let last_turn = acc;
        let mut acc = [[[nothing; V]; P]; R];
        for (acc, last_turn) in acc.iter_mut().zip(&last_turn) {
            for (acc, last_turn) in acc.iter_mut().zip(last_turn) {
                for (acc, last_turn) in acc.iter_mut().zip(last_turn) {
                    *acc = s.add(*last_turn, nothing);
                }
            }
        }

        // A packed A is for gradients of weights, which have no epilogue; its code is left out.
        if !PACKED_A {
            let acc = &mut acc;
            match self.epilogue {
                Epilogue::None => {}
                Epilogue::Activation(f) => {
                    with_function!(f, f => self.epilogue_in_registers(s, at, last, self.c, Value(f), acc));
                }
                Epilogue::Derivative(f, y) => {
                    with_function!(f, f => self.epilogue_in_registers(s, at, last, y, Derivative(f), acc));
                }
            }
        }

        let c: [_; R] = part(self.c, row);
        for (r, acc) in acc.iter().enumerate() {
            for (p, acc) in acc.iter().enumerate() {
                for (v, acc) in acc.iter().enumerate() {
                    // SAFETY: C is writable for N columns in this row, of which the vector covers the lanes.
                    unsafe {
                        store(s, c[r].wrapping_add(column + place(p, v)).cast_mut(), *acc, lanes(p, v))
                    };
                }
            }
        }
    }

    /// acc = f(acc, y), if f is short or the tile has one row: the next step of one sequence waits for its row, and a second
    /// pass would have to wait for this one's stores.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // the place of a tile, and what is done there
    fn epilogue_in_registers<S: Simd<T>, F: Lanewise<T>, const R: usize, const P: usize, const V: usize>(
        &self,
        s: S,
        at: &Tile,
        last: usize,
        y: RowPointers<'_, T>,
        f: F,
        acc: &mut [[[S::V; V]; P]; R],
    ) {
        if R > 1 && !F::SHORT {
            return;
        }
        let y: [_; R] = part(y, at.row);
        for (r, acc) in acc.iter_mut().enumerate() {
            for (p, acc) in acc.iter_mut().enumerate() {
                for (v, acc) in acc.iter_mut().enumerate() {
                    let lanes = if p + 1 == P && v + 1 == V { last } else { S::LANES };
                    let y = y[r].wrapping_add(at.column + (p * V + v) * S::LANES);
                    // SAFETY: the matrix of the epilogue has these lanes, by the conditions of the block.
                    *acc = f.apply(s, *acc, unsafe { load(s, y, lanes) });
                }
            }
        }
    }
}

/// The loop over k where the instruction set does not multiply by an element of a vector: acc += A W, with every element of A
/// in all lanes of a register.
///
/// # Safety
///
/// - each row of `a` is readable for `k` elements; but if `PACKED_A`, the first of them is for k R, R for each k;
/// - `w` is readable for P panels, one behind the other, of `k` rows of `stored` elements, which are V whole vectors.
#[inline(always)]
unsafe fn by_broadcast<
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
    stored: usize,
    acc: &mut [[[S::V; V]; P]; R],
) {
    for i in 0..k {
        let w = w.wrapping_add(i * stored);
        // The shorter side of a tile stays in registers, and the other comes one by one: so 12 accumulators fit
        // even into 16 registers.
        if R < P * V {
            let mut left = [s.splat(T::zero()); R];
            for (r, left) in left.iter_mut().enumerate() {
                // SAFETY: A is readable there: i < K.
                *left = s.splat(unsafe { *element::<T, R, PACKED_A>(a, i, r) });
            }
            for p in 0..P {
                for v in 0..V {
                    // SAFETY: a packed panel holds K rows of whole vectors.
                    let right = unsafe { s.load(w.wrapping_add(p * stored * k + v * S::LANES)) };
                    for (acc, left) in acc.iter_mut().zip(&left) {
                        acc[p][v] = s.mul_add(*left, right, acc[p][v]);
                    }
                }
            }
        } else {
            let mut right = [[s.splat(T::zero()); V]; P];
            for (p, right) in right.iter_mut().enumerate() {
                for (v, right) in right.iter_mut().enumerate() {
                    let w = w.wrapping_add(p * stored * k + v * S::LANES);
                    // SAFETY: a packed panel holds K rows of whole vectors.
                    *right = unsafe { s.load(w) };
                    if (v * size_of::<S::V>()).is_multiple_of(CACHE_LINE) {
                        prefetch::<INTO_FIRST_CACHE, _>(w.wrapping_add(ROWS_AHEAD * stored));
                    }
                }
            }
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: A is readable there: i < K.
                let left = s.splat(unsafe { *element::<T, R, PACKED_A>(a, i, r) });
                for (acc, right) in acc.iter_mut().zip(&right) {
                    for (acc, right) in acc.iter_mut().zip(right) {
                        *acc = s.mul_add(left, *right, *acc);
                    }
                }
            }
        }
    }
}

/// The same as a function of its own, whose accumulators are in memory before and after the loop.
///
/// # Safety
///
/// As that of [`by_broadcast`].
#[inline(never)]
unsafe fn by_broadcast_apart<
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
    stored: usize,
    acc: &mut [[[S::V; V]; P]; R],
) {
    // SAFETY: the caller vouches for the operands.
    unsafe { by_broadcast::<T, S, R, P, V, PACKED_A>(s, a, w, k, stored, acc) }
}

/// The factors of a product for a tile: the rows of A, of K elements, and the tile's panels of W.
#[derive(Clone, Copy)]
struct Factors<'a, T> {
    a: RowPointers<'a, T>,
    w: *const T,
    k: usize,
}

/// The R rows from `row` on.
#[inline(always)]
fn part<T, const R: usize>(rows: RowPointers<'_, T>, row: usize) -> [*const T; R] {
    *rows[row..].first_chunk().expect("a tile lies within its block")
}

/// Where element k of row r of a tile of R rows is: its rows may be anywhere, or lie in one packed tile, whose start is the
/// only pointer.
#[inline(always)]
fn element<T, const R: usize, const PACKED_A: bool>(rows: &[*const T; R], k: usize, r: usize) -> *const T {
    if PACKED_A { rows[0].wrapping_add(k * R + r) } else { rows[r].wrapping_add(k) }
}
