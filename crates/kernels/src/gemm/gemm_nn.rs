//! Y = X W + b for many rows at once.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::gemm::arguments::{Base, Block, Finish};
use crate::gemm::macrokernel::LEAST_ROWS;
use crate::gemm::pack::Packed;
use crate::rows::matrix::{Lists, Matrix, copy_rows, roomy};
use crate::rows::row_map::{Placed, StepRows, Target};
use crate::simd::{Simd, Task};
use crate::{Context, Scalar, Scratch, Steps};

/// Rows that are multiplied by all panels before the next ones: X of 96 rows by K = 1024 floats takes
/// 400 KB, within the second cache.
pub(crate) const ROWS_TOGETHER: usize = 96;

/// Panels from which on a copy of the rows in a better place is worth it.
const WORTH_A_COPY: usize = 4;

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
    y: ArrayViewMut2<'_, T>,
) {
    let steps = Steps::unordered(y.nrows());
    affine_placed(ctx, &steps, x.into(), w, init, y);
}

/// [`affine`] for the rows of `steps`, of which x and y may have places: the same bits.
///
/// # Panics
///
/// As [`affine`]; or if the places do not belong to `steps`.
pub fn affine_placed<'y, T: Scalar>(
    ctx: &Context,
    steps: &Steps,
    x: Placed<'_, T>,
    w: &Packed<'_, T>,
    init: Init<'_, T>,
    y: impl Into<Target<'y, T>>,
) {
    let mut y = y.into();
    Product::new(steps, x, w, init, &mut y).run(ctx);
}

/// What the threads of a team share: they compute disjoint parts of C.
pub(crate) struct Product<'a, T: Scalar> {
    steps: &'a Steps,
    a: StepRows<'a, T>,
    w: &'a Packed<'a, T>,
    init: Init<'a, T>,
    c: StepRows<'a, T>,
}

impl<'a, T: Scalar> Product<'a, T> {
    /// Checks the shapes, as [`affine_placed`] says.
    pub(crate) fn new<'l: 'a, 'y: 'a>(
        steps: &'a Steps,
        x: Placed<'l, T>,
        w: &'a Packed<'a, T>,
        init: Init<'a, T>,
        y: &mut Target<'y, T>,
    ) -> Self {
        assert_eq!(x.array.ncols(), w.k(), "affine: x must be (R, K)");
        assert_eq!(y.array.ncols(), w.n(), "affine: y must be (R, N)");
        if let Init::Bias(b) = init {
            assert_eq!(b.len(), w.n(), "affine: the bias must have N elements");
        }
        Self { steps, a: x.rows(steps), w, init, c: y.rows(steps) }
    }

    /// Multiply-adds.
    pub(crate) fn work(&self) -> usize {
        self.steps.rows().saturating_mul(self.w.n()).saturating_mul(self.w.k())
    }

    /// Computes all rows.
    pub(crate) fn run(&self, ctx: &Context) {
        let (rows, all) = (self.steps.rows(), self.w.panels.count());
        if rows == 0 || all == 0 {
            return;
        }
        let mut team = ctx.team(self.work(), usize::MAX);
        // Threads share out the rows, or the panels where there are few rows.
        let (rows_of_part, panels_of_part) = if rows >= LEAST_ROWS * team.size() {
            (rows.div_ceil(team.size()).clamp(LEAST_ROWS, ROWS_TOGETHER), all)
        } else {
            (rows, all.div_ceil(team.size()))
        };
        let panel_parts = all.div_ceil(panels_of_part);
        team.share(rows.div_ceil(rows_of_part) * panel_parts, |part| {
            if ctx.cancelled() {
                return;
            }
            let row = part / panel_parts * rows_of_part;
            let panel = part % panel_parts * panels_of_part;
            let rows = row..rows.min(row + rows_of_part);
            let panels = panel..all.min(panel + panels_of_part);
            let mut near = self.room(ctx, rows.len());
            let near = near.as_mut().map(|room| self.over(room));
            T::affine(ctx.isa(), Affine { product: self, rows, panels, near });
        });
    }

    /// A better place for `rows` rows of A, if they are read from there sooner, though they have to be copied: they are read
    /// once for each panel.
    pub(crate) fn room<'c>(&self, ctx: &'c Context, rows: usize) -> Option<Scratch<'c, T>> {
        let again = self.a.scattered() && self.w.panels.count() >= WORTH_A_COPY;
        again.then(|| ctx.scratch(rows * roomy::<T>(self.w.k())).ok()).flatten() // slower without, but as good
    }

    /// Rows in such a place.
    fn over(&self, room: &mut [T]) -> Matrix<T> {
        Matrix::over(room, roomy::<T>(self.w.k()))
    }

    /// Computes `rows` on this thread, with a [`room`](Self::room) for [`ROWS_TOGETHER`] of them if there is one.
    #[inline(always)]
    pub(crate) fn compute<S: Simd<T>>(
        &self,
        s: S,
        rows: Range<usize>,
        mut near: Option<&mut Scratch<'_, T>>,
    ) {
        for start in rows.clone().step_by(ROWS_TOGETHER) {
            let rows = start..rows.end.min(start + ROWS_TOGETHER);
            let panels = 0..self.w.panels.count();
            let near = near.as_mut().map(|room| self.over(room));
            Affine { product: self, rows, panels, near }.run(s);
        }
    }
}

/// One part of a product.
pub struct Affine<'a, T: Scalar> {
    product: &'a Product<'a, T>,
    rows: Range<usize>,
    panels: Range<usize>,
    /// Where the rows of A are read, if not where they are.
    near: Option<Matrix<T>>,
}

impl<T: Scalar> Task<T> for Affine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { product: &Product { steps, ref a, w, init, ref c }, rows, panels, near } = self;
        let mut lists = Lists::new(3, rows.len());
        let mut lists = lists.of(rows.len());
        let mut a = a.list_rows(steps, rows.start, lists.next());
        if let Some(near) = near {
            let near = near.list(lists.next());
            // SAFETY: A is readable for these rows, and there is room for them.
            unsafe { copy_rows(s, a, near, &(0..w.k())) };
            a = near;
        }
        let c = c.list_rows(steps, rows.start, lists.next());
        let block = Block::<T, false> {
            a,
            w: w.data.as_ptr(),
            panels: w.panels,
            range: panels,
            base: match init {
                Init::Zero => Base::Zero,
                Init::Bias(bias) => Base::Row(bias.as_ptr()),
                Init::Accumulate => Base::Rows(c),
            },
            c,
            finish: Finish::Nothing,
            ahead: None,
            before: None,
        };
        // SAFETY: `affine_placed` has checked the shapes and the places; C is borrowed exclusively, and these rows and
        // panels of it are this thread's.
        unsafe { block.compute(s) };
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::rows::matrix::crowded;
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

    /// Rows that are a multiple of 4 KB apart are read from a copy.
    #[test]
    fn crowded_rows_give_the_same_bits() {
        let x = random::<f32>((70, 1024), 1);
        assert!(crowded::<f32>(x.ncols()) && !crowded::<f32>(roomy::<f32>(x.ncols())));
        let x = x.slice(s![.., 3..80]);
        let w = random::<f32>((77, 200), 2);
        for ctx in contexts() {
            let packed = Packed::new(&ctx, w.view()).unwrap();
            let [mut y, mut expected] = [0, 1].map(|_| Array2::from_elem((70, 200), f32::NAN));
            affine(&ctx, x, &packed, Init::Zero, y.view_mut());
            affine(&ctx, x.to_owned().view(), &packed, Init::Zero, expected.view_mut());
            assert_eq!(y, expected, "{ctx:?}");
        }
    }
}
