//! One step of a recurrence whose product has gates, with weights that are packed once for all steps.
//!
//! ```text
//! for each group of panels, ascending or descending
//!   for each gate:  S_g = b_g + a W_g          a = [x | h]; a gate may read a part of its columns
//!   y, state = the functions of the gates, of S
//! ```
//!
//! The chains of multiply-adds are those of [`gemm`](crate::gemm()) and [`recurrence`](crate::recurrence()), so the bits are
//! theirs. Nothing is allocated in a step.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::gemm::arguments::Arguments;
use crate::gemm::macrokernel::MIN_THREAD_ROWS;
use crate::gemm::pack::panel_groups;
use crate::gemm::terms::{Epilogue, InitialC};
use crate::pointwise::exp::Transcendental;
use crate::pointwise::gates::GateFunction;
use crate::recurrence::gated_product::{GATES, RunGates};
use crate::recurrence::step::{MC, Stacked, StepKernels};
use crate::rows::matrix::{Matrix, matrix, row_stride};
use crate::runtime::context::Context;
use crate::runtime::pool::share;
use crate::simd::dispatch::compile_kernels;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// A gate of a [`GatedStep`].
#[derive(Clone, Copy, Debug)]
pub struct StepGate<'a, T> {
    /// W (K', H).
    pub weights: Stacked<'a, T>,
    /// The first of the K' columns of a that it multiplies.
    pub column: usize,
}

/// The cell of a [`GatedStep`].
#[derive(Debug)]
pub enum StepCell<'a, T> {
    /// LSTM, with the gates i, f, g and o, and c (R, H), which becomes the next one.
    Lstm(ArrayViewMut2<'a, T>),
    /// GRU, with the gates r, z, the input's part of n and the state's part of n; h begins at this column of a.
    Gru(usize),
}

/// A step with gates that is about to be computed.
#[derive(Debug)]
pub struct GatedStep<'a, T> {
    /// a (R, K).
    pub a: ArrayView2<'a, T>,
    /// The gates.
    pub gates: [StepGate<'a, T>; GATES],
    /// b, of 4 H elements, or `None` for zeros.
    pub bias: Option<&'a [T]>,
    /// The cell.
    pub cell: StepCell<'a, T>,
    /// Whether the panels are taken from the last to the first. It changes no bit of the result.
    pub descending: bool,
}

/// Computes a step into y (R, H), by way of the sums of the gates (R, 4 H).
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn gated_step<T: GatedStepKernels>(
    ctx: &Context,
    step: GatedStep<'_, T>,
    mut sums: ArrayViewMut2<'_, T>,
    mut y: ArrayViewMut2<'_, T>,
) {
    let (rows, units) = y.dim();
    let GatedStep { a, gates, bias, cell, descending } = step;
    assert_eq!(sums.dim(), (rows, GATES * units), "gated step: the sums must be (R, 4 H)");
    assert_eq!(a.nrows(), rows, "gated step: a must have R rows");
    let mut macs = 0;
    for StepGate { weights, column } in &gates {
        let (k, n) = weights.dim();
        assert!(
            n == units && column + k <= a.ncols(),
            "gated step: a gate must have H columns, and read columns of a"
        );
        macs += k * n;
    }
    assert!(bias.is_none_or(|b| b.len() == GATES * units), "gated step: the bias must have 4 H elements");
    let (function, state, h) = match cell {
        StepCell::Lstm(mut c) => {
            assert_eq!(c.dim(), (rows, units), "gated step: c must be (R, H)");
            let stride = row_stride(rows, units, c.strides());
            (GateFunction::LstmForward, Some(Matrix { data: c.as_mut_ptr().cast_const(), stride }), None)
        }
        StepCell::Gru(column) => {
            assert!(column + units <= a.ncols(), "gated step: h must be columns of a");
            (GateFunction::GruForward, None, Some(column))
        }
    };
    if rows == 0 || units == 0 {
        return;
    }
    let of = |array: &mut ArrayViewMut2<'_, T>| {
        let (rows, columns) = array.dim();
        Matrix { data: array.as_mut_ptr().cast_const(), stride: row_stride(rows, columns, array.strides()) }
    };
    let (sums, y) = (of(&mut sums), of(&mut y));
    let checked = CheckedStep { function, units, gates, bias, descending, a: matrix(a), h, state, sums, y };
    let panels = 0..checked.gates[0].weights.panels().count();
    let part = |rows, panels| T::gated_step(ctx.isa(), GatedStepPart { checked: &checked, rows, panels });
    let mut team = ctx.team(rows.saturating_mul(macs), usize::MAX);
    let size = team.size();
    if size == 1 {
        part(0..rows, panels);
    } else if rows >= MIN_THREAD_ROWS * size {
        team.share(size, |i| part(share(rows, 1, size, i), panels.clone()));
    } else {
        let group = checked.gates[0].weights.panels().group::<T>();
        team.share(size, |i| part(0..rows, share(panels.end, group, size, i)));
    }
}

compile_kernels! {
    /// The kernel of [`gated_step`].
    GatedStepKernels: StepKernels {
        fn gated_step(GatedStepPart<'_, '_, Self>);
    }
}

/// A step whose shapes have been checked.
struct CheckedStep<'a, T: Element> {
    function: GateFunction,
    units: usize,
    gates: [StepGate<'a, T>; GATES],
    bias: Option<&'a [T]>,
    descending: bool,
    a: Matrix<T>,
    h: Option<usize>,
    state: Option<Matrix<T>>,
    sums: Matrix<T>,
    y: Matrix<T>,
}
// SAFETY: threads write disjoint rows or units of what is written, and only read the rest.
unsafe impl<T: Element> Sync for CheckedStep<'_, T> {}

/// One thread's part of a step.
pub struct GatedStepPart<'a, 's, T: Element> {
    checked: &'a CheckedStep<'s, T>,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl<T: Transcendental> Kernel<T> for GatedStepPart<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let &CheckedStep { function, units, ref gates, bias, descending, a, h, state, sums, y } =
            self.checked;
        // On the stack, since a step allocates nothing.
        let mut of_a = [[std::ptr::null(); MC]; GATES];
        let mut of_sums = [[std::ptr::null(); MC]; GATES];
        let [mut of_h, mut of_y] = [[std::ptr::null(); MC]; 2];
        let panels = gates[0].weights.panels();
        for first in self.rows.clone().step_by(MC) {
            let rows = MC.min(self.rows.end - first);
            let at = |matrix: Matrix<T>, column: usize| Matrix { data: matrix.at(first, column), ..matrix };
            for (gate, StepGate { column, .. }) in gates.iter().enumerate() {
                at(a, *column).pointers(&mut of_a[gate][..rows]);
                at(sums, gate * units).pointers(&mut of_sums[gate][..rows]);
            }
            let h = h.map_or(&[][..], |column| at(a, column).pointers(&mut of_h[..rows]));
            let y = at(y, 0).pointers(&mut of_y[..rows]);
            for range in panel_groups(self.panels.clone(), panels.group::<T>(), descending) {
                for (gate, StepGate { weights, .. }) in gates.iter().enumerate() {
                    let arguments = Arguments::<T, false> {
                        a: &of_a[gate][..rows],
                        w: weights.data().as_ptr(),
                        panels: weights.panels(),
                        range: range.clone(),
                        initial: bias
                            .map_or(InitialC::Zero, |bias| InitialC::Row(&bias[gate * units..][..units])),
                        c: &of_sums[gate][..rows],
                        epilogue: Epilogue::None,
                        prefetch: None,
                        projection: None,
                    };
                    // SAFETY: `gated_step` has checked the shapes; the sums are borrowed exclusively, and these rows and
                    // panels of them are this thread's.
                    unsafe { arguments.run(s) };
                }
                s.vectorize(RunGates {
                    function,
                    all: units,
                    sums: &of_sums[0][..rows],
                    kept: &[],
                    h,
                    state: state.map(|state| state.below(first)),
                    result: y,
                    units: panels.span(&range),
                });
            }
        }
    }
}
