//! Aᵀ B over many rows: the gradient of a weight, dW = Σ over rows of dzᵀ x.
//!
//! The rows are taken in chunks of [`CHUNK`], in order. Of each chunk, B is packed into panels and the
//! columns of A into tiles, both by the thread that uses them; the products of all chunks go into one
//! chain of multiply-adds per element, so neither the chunks nor the threads change a bit.
//!
//! Because B is packed anyway, its rows may come from anywhere: [`Rows::Picked`] gives the recurrent weight's
//! gradient the state before each step without a copy of all states.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::affine::{WORTH_A_TEAM, matrix, row_stride};
use crate::isa::{Simd, Task};
use crate::pack::Panels;
use crate::pool::Member;
use crate::tile::{Base, Block, Finish, Matrix};
use crate::{AllocError, Context, Scalar, Scratch};

/// Rows in a chunk: a panel of 32 floats by 256 rows is 32 KB, the first cache.
const CHUNK: usize = 256;

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
    let work = m.saturating_mul(n).saturating_mul(k);
    let mut team = ctx.team(if work < WORTH_A_TEAM { 1 } else { usize::MAX });
    let lanes = T::lanes(ctx.isa());
    let chunk = k.min(CHUNK);
    let packed_b = Panels { k: chunk, n, lanes };
    // Members split the longer side of `out`.
    let by_rows = m >= n;
    let scratch = (0..team.size())
        .map(|_| {
            let b = ctx.scratch(n.next_multiple_of(lanes) * chunk)?;
            Ok(std::sync::Mutex::new((b, ctx.scratch(m * chunk)?)))
        })
        .collect::<Result<Vec<_>, AllocError>>()?;
    let plan = Plan {
        k,
        m,
        a: matrix(a),
        b: b.source(),
        panels: packed_b,
        by_rows,
        c: out.as_mut_ptr(),
        c_stride: row_stride(m, n, out.strides()),
    };
    team.run(|member| {
        let mut scratch = scratch[member.index].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (b, a) = &mut *scratch;
        T::gram(ctx.isa(), Gram { plan: &plan, member, a, b });
    });
    Ok(())
}

/// A product whose shapes have been checked.
struct Plan<'a, T> {
    k: usize,
    m: usize,
    a: Matrix<T>,
    b: Source<'a, T>,
    /// The panels of a full chunk of B.
    panels: Panels,
    by_rows: bool,
    c: *mut T,
    c_stride: usize,
}
// SAFETY: members write disjoint rows or columns of C and only read the rest.
unsafe impl<T: Scalar> Sync for Plan<'_, T> {}

/// One thread's part, with scratch for its packed operands.
pub struct Gram<'a, 's, T: Scalar> {
    plan: &'a Plan<'a, T>,
    member: Member<'a>,
    a: &'a mut Scratch<'s, T>,
    b: &'a mut Scratch<'s, T>,
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
        for start in (0..plan.k).step_by(CHUNK) {
            let chunk = (plan.k - start).min(CHUNK);
            let packed = Panels { k: chunk, ..plan.panels };
            for p in panels.clone() {
                let columns = packed.columns(p);
                let (width, stored) = (columns.len(), packed.stored(p));
                let to = &mut self.b[packed.offset(p)..][..chunk * stored];
                let from = |k| plan.b.row(start + k).wrapping_add(columns.start);
                // SAFETY: B is readable for these columns of the rows start..start + chunk.
                unsafe { copy_rows(from, width, to, stored) };
            }
            // Tiles of the rows of Aᵀ: MAX_ROWS columns of A side by side, k after k.
            for first in rows.clone().step_by(S::MAX_ROWS) {
                let width = (rows.end - first).min(S::MAX_ROWS);
                let to = &mut self.a[(first - rows.start) * chunk..][..width * chunk];
                let from = |k| plan.a.at(start + k, first);
                // SAFETY: A is readable for these columns of the rows start..start + chunk.
                unsafe { copy_rows(from, width, to, width) };
            }
            let base = |c: *mut T| {
                let data = c.cast_const();
                if start == 0 { Base::Zero } else { Base::Matrix(Matrix { data, stride: plan.c_stride }) }
            };
            for p in panels.clone() {
                for first in rows.clone().step_by(S::MAX_ROWS) {
                    let width = (rows.end - first).min(S::MAX_ROWS);
                    let c = plan.c.wrapping_add(first * plan.c_stride);
                    let block = Block::<T, true> {
                        rows: width,
                        a: Matrix { data: self.a[(first - rows.start) * chunk..].as_ptr(), stride: width },
                        w: self.b.as_ptr(),
                        panels: packed,
                        range: p..p + 1,
                        base: base(c),
                        c,
                        c_stride: plan.c_stride,
                        finish: Finish::Nothing,
                    };
                    // SAFETY: both operands were packed above for these rows, panels and ks; C is this
                    // thread's in these rows and columns.
                    unsafe { block.compute(s) };
                }
            }
        }
    }
}

/// Copies rows of `width` elements to rows of `stored` elements, zeros behind.
///
/// # Safety
///
/// - `from(i)` is readable for `width` elements, for every row i of `to`;
/// - `width` is at most `stored`.
#[inline(always)]
unsafe fn copy_rows<T: Scalar>(from: impl Fn(usize) -> *const T, width: usize, to: &mut [T], stored: usize) {
    for (i, to) in to.chunks_exact_mut(stored).enumerate() {
        // SAFETY: the caller vouches for `width` elements of this row.
        let row = unsafe { std::slice::from_raw_parts(from(i), width) };
        let (copied, behind) = to.split_at_mut(width);
        copied.copy_from_slice(row);
        behind.fill(T::zero());
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
    fn more_rows_than_a_chunk() {
        check::<f32>(2 * CHUNK + 7, 30, 41, 1);
        check::<f64>(CHUNK + 1, 9, 70, 2);
        check::<f32>(CHUNK, 100, 40, 3);
    }
}
