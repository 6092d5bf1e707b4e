//! Aᵀ B over many rows: the gradient of a weight, dW = Σ over rows of dzᵀ x.
//!
//! The rows are taken in chunks of [`CHUNK`], in order. Of each chunk, B is packed into panels and the
//! columns of A into tiles, both by the thread that uses them; the products of all chunks go into one
//! chain of multiply-adds per element, so neither the chunks nor the threads change a bit.
//!
//! Because B is packed anyway, its rows may come from anywhere: [`Rows::Picked`] gives the recurrent weight's
//! gradient the state before each step without a copy of all states.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::isa::{CACHE_LINE, FAR, Simd, Task, prefetch_far};
use crate::matrix::{Matrix, load, matrix, row_stride, store};
use crate::pack::Panels;
use crate::pool::Member;
use crate::tile::{Base, Block, Finish, MOST_ROWS};
use crate::{AllocError, Context, Scalar, Scratch};

/// Rows in a chunk. Each chunk adds to all of `out` and so reads and writes it; at 1024 by 1024 that is 4 MB, and chunks
/// four times as long save 4 % of a training step. A panel of a chunk takes 128 KB of the second cache. No power of two:
/// the tiles that a row is packed into would be multiples of 4 KB apart and push each other out of the first cache.
const CHUNK: usize = 1008;

/// K rows of N elements.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a, T> {
    /// Those of a matrix (K, N).
    All(ArrayView2<'a, T>),
    /// Row k is the one that `index[k]` names.
    Picked {
        /// The matrix that [`Pick::First`] picks from, (any, N).
        first: ArrayView2<'a, T>,
        /// The matrix that [`Pick::Second`] picks from, (any, N).
        second: ArrayView2<'a, T>,
        /// One entry for each of the K rows.
        index: &'a [Pick],
    },
}

/// A row of one of two matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This row of the first matrix.
    First(usize),
    /// This row of the second matrix.
    Second(usize),
}

impl<'a, T: Scalar> Rows<'a, T> {
    /// (K, N).
    fn dim(&self) -> (usize, usize) {
        match self {
            Self::All(matrix) => matrix.dim(),
            Self::Picked { first, index, .. } => (index.len(), first.ncols()),
        }
    }

    /// Checks that every picked row is there.
    fn source(self) -> Source<'a, T> {
        match self {
            Self::All(all) => Source { first: matrix(all), second: matrix(all), index: None },
            Self::Picked { first, second, index } => {
                assert_eq!(first.ncols(), second.ncols(), "gram: both matrices must have N columns");
                let there = |pick: &Pick| match *pick {
                    Pick::First(row) => row < first.nrows(),
                    Pick::Second(row) => row < second.nrows(),
                };
                assert!(index.iter().all(there), "gram: a picked row is not there");
                Source { first: matrix(first), second: matrix(second), index: Some(index) }
            }
        }
    }
}

/// Rows whose indices have been checked.
struct Source<'a, T> {
    first: Matrix<T>,
    second: Matrix<T>,
    index: Option<&'a [Pick]>,
}

impl<T> Source<'_, T> {
    /// Where row `k` starts.
    #[inline(always)]
    fn row(&self, k: usize) -> *const T {
        match self.index.map(|index| index[k]) {
            None => self.first.at(k, 0),
            Some(Pick::First(row)) => self.first.at(row, 0),
            Some(Pick::Second(row)) => self.second.at(row, 0),
        }
    }
}

/// out = Aᵀ B: a (K, M), b (K, N), out (M, N). Rows must be contiguous; any row stride.
///
/// # Errors
///
/// [`AllocError`] if there is not enough scratch memory; `out` is then unspecified.
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn gram<T: Scalar>(
    ctx: &Context,
    a: ArrayView2<'_, T>,
    b: Rows<'_, T>,
    mut out: ArrayViewMut2<'_, T>,
) -> Result<(), AllocError> {
    let (k, m) = a.dim();
    let (b_rows, n) = b.dim();
    assert_eq!(b_rows, k, "gram: a and b must have the same number of rows");
    assert_eq!(out.dim(), (m, n), "gram: out must be (M, N)");
    if m == 0 || n == 0 {
        return Ok(());
    }
    if k == 0 {
        out.fill(T::zero());
        return Ok(());
    }
    let lanes = T::lanes(ctx.isa());
    let left = Rows::All(a).source();
    let right = b.source();
    // Vectors run over the columns of the right operand and are whole. If the left one wastes less of them
    // (N = 1 against M = 128), it takes that place: Aᵀ B = (Bᵀ A)ᵀ, element by element the same chain.
    if m * n.next_multiple_of(lanes) > n * m.next_multiple_of(lanes) {
        let mut transposed = ctx.scratch(m * n)?;
        let mut transposed = ArrayViewMut2::from_shape((n, m), &mut transposed).expect("n · m elements");
        let c = Output { data: transposed.as_mut_ptr(), stride: m };
        product(ctx, k, (n, right), (m, left), c)?;
        out.assign(&transposed.t());
        return Ok(());
    }
    let c = Output { data: out.as_mut_ptr(), stride: row_stride(m, n, out.strides()) };
    product(ctx, k, (m, left), (n, right), c)
}

/// Where the product goes.
struct Output<T> {
    data: *mut T,
    stride: usize,
}

/// out (M, N) = leftᵀ right over K rows, for operands of M and N columns.
fn product<T: Scalar>(
    ctx: &Context,
    k: usize,
    (m, left): (usize, Source<'_, T>),
    (n, right): (usize, Source<'_, T>),
    c: Output<T>,
) -> Result<(), AllocError> {
    let work = m.saturating_mul(n).saturating_mul(k);
    let mut team = ctx.team(work, usize::MAX);
    let panels = Panels { k: k.min(CHUNK), n, lanes: T::lanes(ctx.isa()) };
    let scratch = (0..team.size())
        .map(|_| {
            let left = ctx.scratch(m * panels.k)?;
            let right = ctx.scratch(n.next_multiple_of(panels.lanes) * panels.k)?;
            Ok(Mutex::new((left, right)))
        })
        .collect::<Result<Vec<_>, AllocError>>()?;
    let far = (m + n).saturating_mul(k).saturating_mul(size_of::<T>()) >= FAR;
    // Members split the longer side of `out`.
    let plan = Plan { k, m, left, right, panels, by_rows: m >= n, far, c };
    team.run(work, |member| {
        let mut scratch = scratch[member.index].lock().unwrap_or_else(PoisonError::into_inner);
        let (left, right) = &mut *scratch;
        T::gram(ctx.isa(), Gram { ctx, plan: &plan, member, left, right });
    });
    Ok(())
}

/// A product whose shapes have been checked.
struct Plan<'a, T> {
    k: usize,
    m: usize,
    left: Source<'a, T>,
    right: Source<'a, T>,
    /// The panels of a full chunk of the right operand.
    panels: Panels,
    by_rows: bool,
    far: bool,
    c: Output<T>,
}
// SAFETY: members write disjoint rows or columns of C and only read the rest.
unsafe impl<T: Scalar> Sync for Plan<'_, T> {}

/// One thread's part, with scratch for its packed operands.
pub struct Gram<'a, 's, T: Scalar> {
    ctx: &'a Context,
    plan: &'a Plan<'a, T>,
    member: Member<'a>,
    left: &'a mut Scratch<'s, T>,
    right: &'a mut Scratch<'s, T>,
}

impl<T: Scalar> Task<T> for Gram<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let plan = self.plan;
        let (rows, panels) = if plan.by_rows {
            (self.member.share(plan.m, S::MAX_ROWS), 0..plan.panels.count())
        } else {
            (0..plan.m, self.member.share(plan.panels.count(), 1))
        };
        if rows.is_empty() || panels.is_empty() {
            return;
        }
        let columns = plan.panels.span(&panels);
        for start in (0..plan.k).step_by(CHUNK) {
            if self.ctx.cancelled() {
                return;
            }
            let chunk = (plan.k - start).min(CHUNK);
            let packed = Panels { k: chunk, ..plan.panels };
            let (width, offset) = (packed.width(), packed.offset(panels.start));
            // SAFETY: the right operand has these rows and columns; scratch has room for all its panels.
            unsafe { pack(s, &plan.right, start, chunk, &columns, width, true, &mut self.right[offset..]) };
            // SAFETY: the left operand has these rows and columns; scratch has room for M of them.
            unsafe { pack(s, &plan.left, start, chunk, &rows, S::MAX_ROWS, false, self.left) };
            // While this chunk is multiplied, ask for the next one, a few rows with each block.
            let next = start + chunk..plan.k.min(start + chunk + CHUNK);
            let blocks = panels.len() * rows.len().div_ceil(S::MAX_ROWS);
            let per_block = if plan.far { next.len().div_ceil(blocks) } else { 0 };
            let mut ahead = next;
            for p in panels.clone() {
                for first in rows.clone().step_by(S::MAX_ROWS) {
                    for i in ahead.by_ref().take(per_block) {
                        prefetch_row(plan.left.row(i).wrapping_add(rows.start), rows.len());
                        prefetch_row(plan.right.row(i).wrapping_add(columns.start), columns.len());
                    }
                    let width = (rows.end - first).min(S::MAX_ROWS);
                    let c = Matrix { data: plan.c.data.cast_const(), stride: plan.c.stride }.below(first);
                    let (mut list, mut lefts) =
                        ([std::ptr::null(); MOST_ROWS], [std::ptr::null(); MOST_ROWS]);
                    let c = c.list(&mut list[..width]);
                    let left = Matrix { data: self.left[(first - rows.start) * chunk..].as_ptr(), stride: 1 };
                    let block = Block::<T, true> {
                        a: left.list(&mut lefts[..width]),
                        a_stride: width,
                        w: self.right.as_ptr(),
                        panels: packed,
                        range: p..p + 1,
                        base: match start {
                            0 => Base::Zero,
                            _ => Base::Rows(c),
                        },
                        c,
                        finish: Finish::Nothing,
                        ahead: None,
                        before: None,
                    };
                    // SAFETY: both operands were packed above for these rows, panels and ks; C is this
                    // thread's in these rows and columns.
                    unsafe { block.compute(s) };
                }
            }
        }
    }
}

/// Asks for `len` elements of a row that the next chunk will pack.
#[inline(always)]
fn prefetch_row<T>(row: *const T, len: usize) {
    for i in (0..len).step_by(CACHE_LINE / size_of::<T>()) {
        prefetch_far(row.wrapping_add(i));
    }
}

/// Packs `columns` of the rows `start..start + chunk` into tiles of `width` columns, row after row in each:
/// `[tile][row][width]`. The last tile is narrower; if `whole`, it has whole vectors and zeros behind.
///
/// Row by row, because a tile's part of one row is short and the rows may be a page apart.
///
/// # Safety
///
/// - `source` has those rows and columns;
/// - `width` is a multiple of the lanes if `whole`;
/// - `to` has room for `chunk` rows of the columns, in whole vectors if `whole`.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // an operand's place and the two forms of tiles
unsafe fn pack<T: Scalar, S: Simd<T>>(
    s: S,
    source: &Source<'_, T>,
    start: usize,
    chunk: usize,
    columns: &Range<usize>,
    width: usize,
    whole: bool,
    to: &mut [T],
) {
    let stored = |len: usize| if whole { len.next_multiple_of(S::LANES) } else { len };
    debug_assert!(to.len() >= chunk * stored(columns.len()));
    let (tiles, rest) = (columns.len() / width, columns.len() % width);
    let to = to.as_mut_ptr();
    for i in 0..chunk {
        let (mut from, mut out) =
            (source.row(start + i).wrapping_add(columns.start), to.wrapping_add(i * width));
        for _ in 0..tiles {
            // SAFETY: the caller vouches for this row up to the end of the columns, and for the tile's.
            unsafe { pack_part(s, from, width, whole, out) };
            (from, out) = (from.wrapping_add(width), out.wrapping_add(chunk * width));
        }
        if rest > 0 {
            let out = to.wrapping_add(tiles * chunk * width + i * stored(rest));
            // SAFETY: as above.
            unsafe { pack_part(s, from, rest, whole, out) };
        }
    }
}

/// Packs `len` elements of a row; if `whole`, with zeros up to whole vectors. Where the length is a constant, as that of
/// a full tile is, nothing of the loop is left.
///
/// # Safety
///
/// `from` is readable and `to` writable there.
#[inline(always)]
unsafe fn pack_part<T: Scalar, S: Simd<T>>(s: S, from: *const T, len: usize, whole: bool, to: *mut T) {
    let mut j = 0;
    while j < len {
        let count = (len - j).min(S::LANES);
        // SAFETY: the caller vouches for this row up to its end.
        let v = unsafe { load(s, from.wrapping_add(j), count) };
        // SAFETY: and for the tile, whose stored width covers the vector if `whole`.
        unsafe { store(s, to.wrapping_add(j), v, if whole { S::LANES } else { count }) };
        j += S::LANES;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, contexts, naive_product, random};

    fn check<T: Scalar>(k: usize, m: usize, n: usize, seed: u64) {
        let a = random::<T>((k, m + 2), seed);
        let b = random::<T>((k, n + 3), seed + 1);
        let (a, b) = (a.slice(s![.., 1..=m]), b.slice(s![.., 2..n + 2]));
        let expected = naive_product(a.t(), b);
        let mut bits: Option<(bool, Array2<T>)> = None;
        for ctx in contexts() {
            let mut out = Array2::from_elem((m, n), T::nan());
            gram(&ctx, a, Rows::All(b), out.view_mut()).unwrap();
            assert_close(out.view(), expected.view(), k, &format!("{ctx:?}"));
            // The same rows, picked from two halves in which they lie backwards.
            let half = k / 2;
            let reversed = b.slice(s![..;-1, ..]).to_owned();
            let (second, first) = reversed.view().split_at(ndarray::Axis(0), k - half);
            let index: Vec<Pick> = (0..k)
                .map(|i| if i < half { Pick::First(half - 1 - i) } else { Pick::Second(k - 1 - i) })
                .collect();
            let mut picked = Array2::from_elem((m, n), T::nan());
            gram(&ctx, a, Rows::Picked { first, second, index: &index }, picked.view_mut()).unwrap();
            assert_eq!(picked, out, "{ctx:?}");
            let fused = ctx.isa().name().starts_with("avx") || cfg!(target_arch = "aarch64");
            match &bits {
                Some((f, first)) if *f == fused => assert_eq!(first, &out, "{ctx:?}"),
                _ => bits = Some((fused, out)),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn agrees_with_the_naive_product(k in 0usize..40, m in 0usize..40, n in 0usize..80, seed: u32) {
            check::<f32>(k, m, n, u64::from(seed));
            check::<f64>(k, m, n, u64::from(seed));
        }
    }

    #[test]
    fn a_cancelled_product_ends() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};
        let rows = random::<f32>((12 * CHUNK, 70), 1);
        for threads in [1, 2, 3] {
            let flag = Arc::new(AtomicBool::new(false));
            let ctx = Context::new(crate::Isa::detect(), threads).cancellable(Arc::clone(&flag));
            let run = || {
                let mut out = Array2::from_elem((70, 70), f32::NAN);
                gram(&ctx, rows.view(), Rows::All(rows.view()), out.view_mut()).unwrap();
                !out[[69, 69]].is_nan()
            };
            assert!(run(), "it runs to its end");
            std::thread::scope(|scope| {
                scope.spawn(|| flag.store(true, Ordering::Relaxed));
                run(); // to whatever chunk
            });
            assert!(!run(), "nothing is computed");
        }
    }

    #[test]
    fn more_rows_than_a_chunk() {
        check::<f32>(2 * CHUNK + 7, 30, 41, 1);
        check::<f64>(CHUNK + 1, 9, 70, 2);
        check::<f32>(CHUNK, 100, 40, 3);
    }
}
