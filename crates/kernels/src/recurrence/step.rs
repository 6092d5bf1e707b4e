//! One step of a recurrence at a time: y = f(b + a W), with W packed once for all steps.
//!
//! ```text
//! a = [x | h]              (R, K): what goes into the step, side by side
//! W = [W_xᵀ; W_hᵀ]         (K, N): its matrices, one above the other
//! for each group of panels            ascending or descending
//!   y[.., group] = f(b + a W[.., group])
//! ```
//!
//! Each element of y is one chain of multiply-adds over ascending k: first all of x, then all of h. That is the chain that
//! [`gemm`](crate::gemm()) begins and [`recurrence`](crate::recurrence()) continues, so the bits are theirs.
//!
//! With few rows a step reads every weight once and does little with it. The caller alternates between ascending and
//! descending panels, the serpentine order ([`panel_groups`]), where W does not fit a near cache as a whole.
//!
//! Nothing is allocated in a step. Packed weights lie in memory of the caller's.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::gemm::arguments::Arguments;
use crate::gemm::gemm_nn::GemmKernels;
use crate::gemm::macrokernel::MIN_THREAD_ROWS;
use crate::gemm::pack::{Packed, Panels, panel_groups};
use crate::gemm::terms::{Epilogue, InitialC};
use crate::pointwise::activation::Activation;
use crate::pointwise::exp::Transcendental;
use crate::rows::matrix::{Matrix, matrix, row_stride};
use crate::runtime::context::Context;
use crate::runtime::pool::share;
use crate::runtime::scratch::AllocError;
use crate::simd::dispatch::compile_kernels;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// Rows that are computed at once.
pub(crate) const MC: usize = 48;

/// Matrices one above the other, W of shape (K, N), in column panels in memory of the caller's.
#[derive(Clone, Copy, Debug)]
pub struct Stacked<'a, T> {
    panels: Panels,
    data: &'a [T],
}

impl<'a, T: GemmKernels> Stacked<'a, T> {
    /// Elements that (K, N) takes with the vectors of `ctx`; `None` if that is no number of elements.
    pub fn len(ctx: &Context, k: usize, n: usize) -> Option<usize> {
        Panels { k, n, lanes: ctx.isa().lanes::<T>() }.len()
    }

    /// Lays out `parts`, each of N columns and any strides, into `to`: panel after panel, each with the rows
    /// of all parts.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is not enough memory to lay out one of them.
    ///
    /// # Panics
    ///
    /// If the parts differ in their columns, or `to` has not the elements that [`Stacked::len`] says.
    pub fn pack(ctx: &Context, parts: &[ArrayView2<'_, T>], to: &mut [T]) -> Result<(), AllocError> {
        let n = parts.first().map_or(0, ArrayView2::ncols);
        let k = parts.iter().map(ArrayView2::nrows).sum();
        assert!(parts.iter().all(|part| part.ncols() == n), "Stacked: all parts must have N columns");
        let all = Panels { k, n, lanes: ctx.isa().lanes::<T>() };
        assert_eq!(Some(to.len()), all.len(), "Stacked: the memory must be as long as the panels");
        let mut row = 0;
        for part in parts {
            let packed = Packed::new(ctx, part.view())?;
            for p in 0..all.count() {
                let len = part.nrows() * all.stored(p);
                let from = &packed.data[packed.panels.offset(p)..][..len];
                to[all.offset(p) + row * all.stored(p)..][..len].copy_from_slice(from);
            }
            row += part.nrows();
        }
        Ok(())
    }

    /// What [`Stacked::pack`] has laid out in `data`, of shape (K, N).
    ///
    /// # Panics
    ///
    /// If `data` has not the elements that [`Stacked::len`] says.
    pub fn new(ctx: &Context, k: usize, n: usize, data: &'a [T]) -> Self {
        let panels = Panels { k, n, lanes: ctx.isa().lanes::<T>() };
        assert_eq!(Some(data.len()), panels.len(), "Stacked: the memory must be as long as the panels");
        Self { panels, data }
    }
}

impl<T> Stacked<'_, T> {
    /// (K, N).
    pub(crate) fn dim(&self) -> (usize, usize) {
        (self.panels.k, self.panels.n)
    }

    pub(crate) fn panels(&self) -> Panels {
        self.panels
    }

    pub(crate) fn data(&self) -> &[T] {
        self.data
    }
}

/// A step that is about to be computed.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a, T> {
    /// a (R, K).
    pub a: ArrayView2<'a, T>,
    /// W (K, N).
    pub weights: Stacked<'a, T>,
    /// b, of N elements, or `None` for zeros.
    pub bias: Option<&'a [T]>,
    /// f.
    pub activation: Activation,
    /// Whether the panels are taken from the last to the first. It changes no bit of the result.
    pub descending: bool,
}

/// Computes a step into y (R, N).
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn step<T: StepKernels>(ctx: &Context, step: &Step<'_, T>, mut y: ArrayViewMut2<'_, T>) {
    let (rows, n) = y.dim();
    let Panels { k, .. } = step.weights.panels;
    assert_eq!(step.a.dim(), (rows, k), "step: a must be (R, K)");
    assert_eq!(step.weights.panels.n, n, "step: W must be (K, N) for y of N columns");
    assert!(step.bias.is_none_or(|b| b.len() == n), "step: the bias must have N elements");
    if rows == 0 || n == 0 {
        return;
    }
    let c = Matrix { data: y.as_mut_ptr().cast_const(), stride: row_stride(rows, n, y.strides()) };
    let checked = CheckedStep { step, a: matrix(step.a), c };
    let panels = 0..step.weights.panels.count();
    let part = |rows, panels| T::step(ctx.isa(), StepPart { checked: &checked, rows, panels });
    let mut team = ctx.team(rows.saturating_mul(n).saturating_mul(k), usize::MAX);
    let size = team.size();
    if size == 1 {
        part(0..rows, panels);
        return;
    }
    if rows >= MIN_THREAD_ROWS * size {
        team.share(size, |i| part(share(rows, 1, size, i), panels.clone()));
    } else {
        let group = step.weights.panels.group::<T>();
        team.share(size, |i| part(0..rows, share(panels.end, group, size, i)));
    }
}

compile_kernels! {
    /// The kernel of [`step`].
    StepKernels: GemmKernels {
        fn step(StepPart<'_, '_, Self>);
    }
}

/// A step whose shapes have been checked.
struct CheckedStep<'a, 's, T: Element> {
    step: &'a Step<'s, T>,
    a: Matrix<T>,
    c: Matrix<T>,
}
// SAFETY: threads write disjoint rows or columns of C and only read the rest.
unsafe impl<T: Element> Sync for CheckedStep<'_, '_, T> {}

/// One thread's part of a step.
pub struct StepPart<'a, 's, T: Element> {
    checked: &'a CheckedStep<'a, 's, T>,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl<T: Transcendental> Kernel<T> for StepPart<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let CheckedStep { step, a, c } = self.checked;
        // On the stack, since a step allocates nothing.
        let (mut slot_a, mut slot_c) = ([std::ptr::null(); MC], [std::ptr::null(); MC]);
        for first in self.rows.clone().step_by(MC) {
            let rows = MC.min(self.rows.end - first);
            let a = a.below(first).pointers(&mut slot_a[..rows]);
            let c = c.below(first).pointers(&mut slot_c[..rows]);
            let group = step.weights.panels.group::<T>();
            for range in panel_groups(self.panels.clone(), group, step.descending) {
                let arguments = Arguments::<T, false> {
                    a,
                    w: step.weights.data.as_ptr(),
                    panels: step.weights.panels,
                    range,
                    initial: step.bias.map_or(InitialC::Zero, InitialC::Row),
                    c,
                    epilogue: Epilogue::Activation(step.activation),
                    prefetch: None,
                    projection: None,
                };
                // SAFETY: `step` has checked the shapes: A is (R, K), W its panels for the lanes of `s`, the bias has N
                // elements, C is (R, N). C is borrowed exclusively, so none of the others overlaps it, and these rows
                // and panels are this thread's.
                unsafe { arguments.run(s) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, contexts, naive_product, random};
    use crate::{Order, Recurrence, Scalar, Start, StepProduct, Steps, gemm, recurrence};

    /// `steps` steps of h = f(x W_x + h W_h + b), and the same by [`gemm`] and [`recurrence`], which must have the
    /// same bits.
    fn check<T: Scalar>(steps: usize, rows: usize, features: usize, hidden: usize, seed: u64) {
        let k = features + hidden;
        let small = T::from_f64(1.0 / (k as f64).sqrt());
        let w_x = random::<T>((hidden, features), seed).mapv(|v| v * small);
        let w_h = random::<T>((hidden, hidden), seed + 1).mapv(|v| v * small);
        let bias = random::<T>((1, hidden), seed + 2);
        let x = random::<T>((steps * rows, features), seed + 3);
        let h_0 = random::<T>((rows, hidden), seed + 4);
        let uniform = Steps::uniform(steps, rows).unwrap();
        for ctx in contexts() {
            let mut memory = vec![T::nan(); Stacked::<T>::len(&ctx, k, hidden).unwrap()];
            Stacked::pack(&ctx, &[w_x.t(), w_h.t()], &mut memory).unwrap();
            let weights = Stacked::new(&ctx, k, hidden, &memory);
            for activation in [Activation::Identity, Activation::Tanh, Activation::Relu, Activation::Sigmoid]
            {
                for bias in [Some(bias.as_slice().unwrap()), None] {
                    let mut expected = Array2::from_elem((steps * rows, hidden), T::nan());
                    let packed = Packed::new(&ctx, w_x.t()).unwrap();
                    let initial = bias.map_or(InitialC::Zero, InitialC::Row);
                    gemm(&ctx, x.view(), &packed, initial, expected.view_mut());
                    let packed = Packed::new(&ctx, w_h.t()).unwrap();
                    let start = Start::State(h_0.view());
                    let whole = Recurrence { steps: &uniform, order: Order::Ascending, start };
                    let product = StepProduct {
                        weights: &packed,
                        initial: InitialC::InPlace,
                        projection: None,
                        epilogue: Epilogue::Activation(activation),
                        target: expected.view_mut().into(),
                    };
                    recurrence(&ctx, &whole, [product]).unwrap();

                    let mut a = Array2::from_elem((rows, k), T::nan());
                    let mut y = Array2::from_elem((rows, hidden + 2), T::nan());
                    y.slice_mut(s![.., 1..=hidden]).assign(&h_0);
                    for t in 0..steps {
                        let now = t * rows..(t + 1) * rows;
                        a.slice_mut(s![.., ..features]).assign(&x.slice(s![now.clone(), ..]));
                        a.slice_mut(s![.., features..]).assign(&y.slice(s![.., 1..=hidden]));
                        let one = Step { a: a.view(), weights, bias, activation, descending: t % 2 == 1 };
                        step(&ctx, &one, y.slice_mut(s![.., 1..=hidden]));
                        let y = y.slice(s![.., 1..=hidden]);
                        assert_eq!(y, expected.slice(s![now, ..]), "{ctx:?} {activation:?} step {t}");
                    }
                    assert!(y.column(0).iter().chain(y.column(hidden + 1)).all(|v| v.is_nan()));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn has_the_bits_of_gemm_and_recurrence(
            rows in 0usize..15, features in 1usize..40, hidden in 1usize..80, seed: u32,
        ) {
            check::<f32>(3, rows, features, hidden, u64::from(seed));
            check::<f64>(3, rows, features, hidden, u64::from(seed));
        }
    }

    #[test]
    fn sizes_that_use_a_team() {
        check::<f32>(2, 40, 100, 150, 1); // shares out the rows
        check::<f32>(3, 1, 600, 900, 2); // shares out the panels
        check::<f64>(2, 2, 400, 700, 3);
    }

    #[test]
    fn agrees_with_the_naive_product() {
        let (w, a) = (random::<f32>((40, 33), 1), random::<f32>((3, 40), 2));
        let mut expected = naive_product(a.view(), w.view());
        expected.mapv_inplace(|v| v.max(0.0));
        for ctx in contexts() {
            let parts = [w.slice(s![..1, ..]), w.slice(s![1..7, ..]), w.slice(s![7.., ..])];
            let mut memory = vec![f32::NAN; Stacked::<f32>::len(&ctx, 40, 33).unwrap()];
            Stacked::pack(&ctx, &parts, &mut memory).unwrap();
            let weights = Stacked::new(&ctx, 40, 33, &memory);
            let mut y = Array2::from_elem((3, 33), f32::NAN);
            let one =
                Step { a: a.view(), weights, bias: None, activation: Activation::Relu, descending: false };
            step(&ctx, &one, y.view_mut());
            assert_close(y.view(), expected.view(), 40, &format!("{ctx:?}"));
        }
    }
}
