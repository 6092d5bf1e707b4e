//! Y = X W + b for many rows at once.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::isa::{Simd, Task};
use crate::matrix::{Matrix, matrix, row_stride};
use crate::pack::Packed;
use crate::tile::{Base, Block, Finish};
use crate::{Context, Scalar};

/// Rows that are multiplied by all panels before the next ones: X of 96 rows by K = 1024 floats takes
/// 400 KB, within the second cache.
pub(crate) const ROWS_TOGETHER: usize = 96;

/// The fewest rows of a thread's part: a tile of fewer rows is slower.
const ROWS_OF_A_PART: usize = 4;

/// What Y starts from.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a, T> {
    /// Y = X W.
    Zero,
    /// Y = X W + b, with b of N elements.
    Bias(&'a [T]),
    /// Y = Y + X W.
    Accumulate,
}

/// Y = X W + b: x (R, K), w (K, N), y (R, N). Rows of x and y must be contiguous; any row stride.
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn affine<T: Scalar>(
    ctx: &Context,
    x: ArrayView2<'_, T>,
    w: &Packed<'_, T>,
    init: Init<'_, T>,
    mut y: ArrayViewMut2<'_, T>,
) {
    let (rows, n) = y.dim();
    assert_eq!(x.dim(), (rows, w.k()), "affine: x must be (R, K)");
    assert_eq!(n, w.n(), "affine: y must be (R, N)");
    if rows == 0 || n == 0 {
        return;
    }
    let c = y.as_mut_ptr();
    let c_stride = row_stride(rows, n, y.strides());
    let base = match init {
        Init::Zero => Base::Zero,
        Init::Bias(b) => {
            assert_eq!(b.len(), n, "affine: the bias must have N elements");
            Base::Matrix(Matrix { data: b.as_ptr(), stride: 0 })
        }
        Init::Accumulate => Base::Matrix(Matrix { data: c.cast_const(), stride: c_stride }),
    };
    let a = matrix(x);
    let work = rows.saturating_mul(n).saturating_mul(w.k());
    let mut team = ctx.team(work, usize::MAX);
    let whole = Block::<T, false> {
        rows,
        a,
        w: w.data.as_ptr(),
        panels: w.panels,
        range: 0..w.panels.count(),
        base,
        c,
        c_stride,
        finish: Finish::Nothing,
        ahead: None,
        before: None,
        first: 0,
    };
    // Threads share out the rows, or the panels where there are few rows.
    let (rows_of_part, panels_of_part) = if rows >= ROWS_OF_A_PART * team.size() {
        (rows.div_ceil(team.size()).clamp(ROWS_OF_A_PART, ROWS_TOGETHER), whole.range.end)
    } else {
        (rows, whole.range.end.div_ceil(team.size()))
    };
    let panel_parts = whole.range.end.div_ceil(panels_of_part);
    let shared = Shared(whole);
    team.share(rows.div_ceil(rows_of_part) * panel_parts, |part| {
        if ctx.cancelled() {
            return;
        }
        let row = part / panel_parts * rows_of_part;
        let panel = part % panel_parts * panels_of_part;
        T::affine(
            ctx.isa(),
            Affine {
                shared: &shared,
                rows: row..rows.min(row + rows_of_part),
                panels: panel..shared.0.range.end.min(panel + panels_of_part),
            },
        );
    });
}

/// A block that the threads of a team share: they compute disjoint parts of C.
pub(crate) struct Shared<T: 'static>(pub(crate) Block<'static, T, false>);
// SAFETY: threads write disjoint rows or columns of C and only read the rest.
unsafe impl<T: Scalar> Sync for Shared<T> {}

/// One part of a block.
pub struct Affine<'a, T: 'static> {
    shared: &'a Shared<T>,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl<T: Scalar> Task<T> for Affine<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let block = self.shared.0.part(self.rows.start, self.rows.end, self.panels);
        // SAFETY: a part of the whole, whose conditions `affine` has checked.
        unsafe { block.compute(s) };
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, contexts, naive_product, random};

    fn check<T: Scalar>(rows: usize, k: usize, n: usize, seed: u64) {
        let x = random::<T>((rows, k + 3), seed);
        let x = x.slice(s![.., 1..=k]);
        let w = random::<T>((n, k), seed + 1);
        let bias = random::<T>((1, n), seed + 2);
        let before = random::<T>((rows, n + 5), seed + 3);
        for ctx in contexts() {
            let packed = Packed::new(&ctx, w.t()).unwrap();
            for init in 0..3 {
                let mut y = before.clone();
                if init < 2 {
                    y.slice_mut(s![.., 2..n + 2]).fill(T::nan());
                }
                let mut expected = naive_product(x, w.t());
                let start = match init {
                    0 => Init::Zero,
                    1 => {
                        expected += &bias.mapv(T::widen);
                        Init::Bias(bias.as_slice().unwrap())
                    }
                    _ => {
                        expected += &before.slice(s![.., 2..n + 2]).mapv(T::widen);
                        Init::Accumulate
                    }
                };
                affine(&ctx, x, &packed, start, y.slice_mut(s![.., 2..n + 2]));
                assert_close(y.slice(s![.., 2..n + 2]), expected.view(), k + 1, &format!("{ctx:?}"));
                assert_eq!(y.slice(s![.., ..2]), before.slice(s![.., ..2]), "columns outside");
                assert_eq!(y.slice(s![.., n + 2..]), before.slice(s![.., n + 2..]), "columns outside");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn agrees_with_the_naive_product(rows in 0usize..40, k in 0usize..40, n in 0usize..80, seed: u32) {
            check::<f32>(rows, k, n, u64::from(seed));
            check::<f64>(rows, k, n, u64::from(seed));
        }
    }

    #[test]
    fn sizes_that_use_a_team_and_every_row_count() {
        check::<f32>(200, 64, 100, 1);
        check::<f64>(3, 300, 700, 2);
        for rows in 1..=13 {
            check::<f32>(rows, 5, 200, 3);
        }
    }
}
