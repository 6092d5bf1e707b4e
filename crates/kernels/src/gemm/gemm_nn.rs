//! C = A B + b for many rows at once: the projections of inputs, and the gradients of inputs.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::gemm::arguments::Arguments;
use crate::gemm::macrokernel::MIN_THREAD_ROWS;
use crate::gemm::pack::{PackKernels, Packed};
use crate::gemm::terms::{Epilogue, InitialC};

use crate::pointwise::exp::Transcendental;
use crate::rows::indirection::{IndirectionBuffer, copy_rows};
use crate::rows::matrix::{Matrix, padded_leading_dimension};
use crate::rows::row_map::{MappedRows, MappedRowsMut, StepRows};
use crate::rows::steps::Steps;
use crate::runtime::context::Context;
use crate::runtime::scratch::Scratch;
use crate::simd::dispatch::compile_kernels;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// Rows of A that are multiplied by all panels before the next ones: 96 rows by K = 1024 floats take 400 KB, within the
/// second cache.
pub(crate) const MC: usize = 96;

/// The number of panels from which a copy of slowly read rows saves time.
const WORTH_A_COPY: usize = 4;

/// C = initial C + A B: a (R, K), b (K, N), c (R, N). Rows of a and c must be contiguous; any row stride.
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn gemm<T: GemmKernels>(
    ctx: &Context,
    a: ArrayView2<'_, T>,
    b: &Packed<'_, T>,
    initial: InitialC<'_, T>,
    c: ArrayViewMut2<'_, T>,
) {
    let steps = Steps::unordered(c.nrows());
    gemm_mapped(ctx, &steps, a.into(), b, initial, c);
}

/// [`gemm`] for the rows of `steps`, which a row map may place elsewhere in a and c: the same bits.
///
/// # Panics
///
/// As [`gemm`]; or if a row map does not belong to `steps`.
pub fn gemm_mapped<'c, T: GemmKernels>(
    ctx: &Context,
    steps: &Steps,
    a: MappedRows<'_, T>,
    b: &Packed<'_, T>,
    initial: InitialC<'_, T>,
    c: impl Into<MappedRowsMut<'c, T>>,
) {
    let mut c = c.into();
    Gemm::new(steps, a, b, initial, &mut c).run(ctx);
}

compile_kernels! {
    /// The kernel of [`gemm`].
    GemmKernels: PackKernels, Transcendental {
        fn gemm(GemmPart<'_, Self>);
    }
}

/// A product whose shapes have been checked. The threads of a team compute disjoint parts of C.
pub(crate) struct Gemm<'a, T: Element> {
    steps: &'a Steps,
    a: StepRows<'a, T>,
    b: &'a Packed<'a, T>,
    initial: InitialC<'a, T, StepRows<'a, T>>,
    c: StepRows<'a, T>,
}

impl<'a, T: GemmKernels> Gemm<'a, T> {
    /// Checks the shapes, as [`gemm_mapped`] says.
    pub(crate) fn new<'l: 'a, 'm: 'a, 'c: 'a>(
        steps: &'a Steps,
        a: MappedRows<'l, T>,
        b: &'a Packed<'a, T>,
        initial: InitialC<'m, T>,
        c: &mut MappedRowsMut<'c, T>,
    ) -> Self {
        assert_eq!(a.array.ncols(), b.k(), "gemm: a must be (R, K)");
        assert_eq!(c.array.ncols(), b.n(), "gemm: c must be (R, N)");
        if let InitialC::Row(row) = initial {
            assert_eq!(row.len(), b.n(), "gemm: a row must have N elements");
        }
        let initial = initial.map(|matrix| {
            assert_eq!(matrix.array.ncols(), b.n(), "gemm: the initial C must be (R, N)");
            matrix.rows(steps)
        });
        Self { steps, a: a.rows(steps), b, initial, c: c.rows(steps) }
    }

    /// Multiply-adds.
    pub(crate) fn work(&self) -> usize {
        self.steps.rows().saturating_mul(self.b.n()).saturating_mul(self.b.k())
    }

    /// Computes all rows.
    pub(crate) fn run(&self, ctx: &Context) {
        let (rows, all) = (self.steps.rows(), self.b.panels.count());
        if rows == 0 || all == 0 {
            return;
        }
        let mut team = ctx.team(self.work(), usize::MAX);
        // Threads share out the rows, or the panels where there are few rows.
        let (rows_of_part, panels_of_part) = if rows >= MIN_THREAD_ROWS * team.size() {
            (rows.div_ceil(team.size()).clamp(MIN_THREAD_ROWS, MC), all)
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
            let mut buffer = self.copy_buffer(ctx, rows.len());
            let copy = buffer.as_mut().map(|buffer| self.copy_in(buffer));
            T::gemm(ctx.isa(), GemmPart { gemm: self, rows, panels, copy });
        });
    }

    /// Memory for a copy of `rows` rows of A, if they are read faster from there: they are read once for each panel.
    pub(crate) fn copy_buffer<'c>(&self, ctx: &'c Context, rows: usize) -> Option<Scratch<'c, T>> {
        let again = self.a.scattered() && self.b.panels.count() >= WORTH_A_COPY;
        // Without memory for a copy it is slower, with the same result.
        again.then(|| ctx.scratch(rows * padded_leading_dimension::<T>(self.b.k())).ok()).flatten()
    }
}

impl<T: Transcendental> Gemm<'_, T> {
    /// Rows in such memory.
    fn copy_in(&self, buffer: &mut [T]) -> Matrix<T> {
        Matrix::over(buffer, padded_leading_dimension::<T>(self.b.k()))
    }

    /// Computes `rows` on this thread, with a [`copy_buffer`](Self::copy_buffer) for [`MC`] of them if there is one.
    #[inline(always)]
    pub(crate) fn compute<S: Simd<T>>(
        &self,
        s: S,
        rows: Range<usize>,
        mut buffer: Option<&mut Scratch<'_, T>>,
    ) {
        for start in rows.clone().step_by(MC) {
            let rows = start..rows.end.min(start + MC);
            let panels = 0..self.b.panels.count();
            let copy = buffer.as_mut().map(|buffer| self.copy_in(buffer));
            GemmPart { gemm: self, rows, panels, copy }.run(s);
        }
    }
}

/// One part of a product.
pub struct GemmPart<'a, T: Element> {
    gemm: &'a Gemm<'a, T>,
    rows: Range<usize>,
    panels: Range<usize>,
    /// Where a copy of the rows of A is read, if not A itself.
    copy: Option<Matrix<T>>,
}

impl<T: Transcendental> Kernel<T> for GemmPart<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { gemm: &Gemm { steps, ref a, b, initial, ref c }, rows, panels, copy } = self;
        let mut indirection = IndirectionBuffer::new(4, rows.len());
        let mut slots = indirection.slots(rows.len());
        let mut a = a.pointers_from(steps, rows.start, slots.next());
        if let Some(copy) = copy {
            let copy = copy.pointers(slots.next());
            // SAFETY: A is readable for these rows, and there is room for them.
            unsafe { copy_rows(s, a, copy, &(0..b.k())) };
            a = copy;
        }
        let c = c.pointers_from(steps, rows.start, slots.next());
        let arguments = Arguments::<T, false> {
            a,
            w: b.data.as_ptr(),
            panels: b.panels,
            range: panels,
            initial: initial.map(|matrix| matrix.pointers_from(steps, rows.start, slots.next())),
            c,
            epilogue: Epilogue::None,
            prefetch: None,
            projection: None,
        };
        // SAFETY: `Gemm::new` has checked the shapes and the row maps; C is borrowed exclusively, and these rows and
        // panels of it are this thread's.
        unsafe { arguments.run(s) };
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::Scalar;
    use crate::rows::matrix::aliases_4k;
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
                    0 => InitialC::Zero,
                    1 => {
                        expected += &bias.mapv(T::widen);
                        InitialC::Row(bias.as_slice().unwrap())
                    }
                    _ => {
                        expected += &before.slice(s![.., 2..n + 2]).mapv(T::widen);
                        InitialC::InPlace
                    }
                };
                gemm(&ctx, x, &packed, start, y.slice_mut(s![.., 2..n + 2]));
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
    fn rows_that_alias_give_the_same_bits() {
        let x = random::<f32>((70, 1024), 1);
        assert!(
            aliases_4k::<f32>(x.ncols()) && !aliases_4k::<f32>(padded_leading_dimension::<f32>(x.ncols()))
        );
        let x = x.slice(s![.., 3..80]);
        let w = random::<f32>((77, 200), 2);
        for ctx in contexts() {
            let packed = Packed::new(&ctx, w.view()).unwrap();
            let [mut y, mut expected] = [0, 1].map(|_| Array2::from_elem((70, 200), f32::NAN));
            gemm(&ctx, x, &packed, InitialC::Zero, y.view_mut());
            gemm(&ctx, x.to_owned().view(), &packed, InitialC::Zero, expected.view_mut());
            assert_eq!(y, expected, "{ctx:?}");
        }
    }
}
