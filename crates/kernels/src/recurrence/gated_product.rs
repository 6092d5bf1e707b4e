//! A product of a step whose sums go through gates, and where its rows are.
//!
//! ```text
//! for each group of panels          the same units of all gates
//!   for each gate g:  S_g = initial_g + x W'_g + A W_g
//!   result, state, kept = the functions of the gates, of S
//! ```
//!
//! The sums of a group stay in the first caches between the two: they are in a buffer for one step, and only what the
//! functions make of them goes to memory.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::gemm::arguments::{Arguments, ProjectionOperands};
use crate::gemm::pack::{PANEL_VECTORS, Packed, Panels, panel_groups};
use crate::gemm::terms::{Epilogue, InitialC};
use crate::pointwise::exp::Transcendental;
use crate::pointwise::gates::{GateFunction, GateRow};
use crate::recurrence::step_product::{CheckedProduct, StagedRows, Staging, StepPart, WORTH_A_COPY};
use crate::recurrence::terms::{GatedProduct, Gates};
use crate::rows::indirection::{IndirectionSlots, RowPointers, copy_rows};
use crate::rows::matrix::{Matrix, row_stride};
use crate::rows::row_map::{MappedRows, MappedRowsMut, StepRows};
use crate::rows::steps::Steps;
use crate::runtime::context::Context;
use crate::runtime::scratch::AllocError;
use crate::simd::cache::FIRST_CACHE;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// The most gates that have sums of their own.
pub(crate) const GATES: usize = 4;

/// The slots for pointers that a step may need: A, the sums and the initial sums of each gate, what is kept, h, the result
/// and its target, x and the initial sums, each perhaps staged.
pub(crate) const GATED_SLOTS: usize = 2 * GATES + 9;

/// Bytes of sums that are computed before their gates: as many as the first cache holds along with a panel.
const SUMS_TOGETHER: usize = FIRST_CACHE / 3;

/// What the functions of the gates read and write; shapes have been checked.
pub(crate) struct CheckedGates<'a, T: Element> {
    function: GateFunction,
    /// H.
    units: usize,
    /// The sums of one step (B, G·H).
    sums: Staging<'a, T>,
    /// Where the first product has no A: its sums (B, H).
    first_sums: Option<Matrix<T>>,
    /// c, dc or the carry (B, H).
    state: Option<Matrix<T>>,
    kept: Option<StepRows<'a, T>>,
    h: Option<StepRows<'a, T>>,
    /// The column of the result from which on it is carried.
    pub(crate) carried_from: usize,
    /// Columns of the result.
    result_columns: usize,
}

/// Writable rows without a map.
fn rows_mut<'a, T: Element>(array: ArrayViewMut2<'a, T>, steps: &Steps) -> StepRows<'a, T> {
    MappedRowsMut::from(array).rows(steps)
}

/// A state (B, H), which is written to.
fn state<T>(mut array: ArrayViewMut2<'_, T>, shape: (usize, usize)) -> Matrix<T> {
    assert_eq!(array.dim(), shape, "recurrence: a state of the gates must be (B, H)");
    let stride = row_stride(shape.0, shape.1, array.strides());
    Matrix { data: array.as_mut_ptr().cast_const(), stride }
}

impl<'a, T: Element> CheckedProduct<'a, T> {
    /// Checks a product with gates. `first_sums` (B, H) are its sums where a sequence begins, if it has no A there.
    pub(crate) fn gated<'l: 'a, 'p: 'a, 'c: 'a>(
        ctx: &'a Context,
        steps: &Steps,
        product: GatedProduct<'l, 'p, 'c, T>,
        first_sums: Option<ArrayView2<'_, T>>,
    ) -> Result<Self, AllocError> {
        let GatedProduct { weights, initial, projection, gates } = product;
        let batch = steps.batch();
        let units = weights.first().map_or(0, Packed::n);
        let of_state = (batch, units);
        let (function, state, kept, h, result, carried_from) = match gates {
            Gates::LstmForward { c, kept, mut h } => {
                let kept = kept.map(|kept| (kept.ncols(), rows_mut(kept, steps)));
                let result = (h.array.ncols(), h.rows(steps));
                (GateFunction::LstmForward, Some(state(c, of_state)), kept, None, result, 0)
            }
            Gates::LstmBackward { kept, dc, dz } => {
                let kept = (kept.ncols(), MappedRows::from(kept).rows(steps));
                let result = (dz.ncols(), rows_mut(dz, steps));
                (GateFunction::LstmBackward, Some(state(dc, of_state)), Some(kept), None, result, 0)
            }
            Gates::GruForward { kept, mut h } => {
                let kept = kept.map(|kept| (kept.ncols(), rows_mut(kept, steps)));
                let result = (h.array.ncols(), h.rows(steps));
                (GateFunction::GruForward, None, kept, None, result, 0)
            }
            Gates::GruBackward { kept, h, carry, dz } => {
                assert_eq!(h.array.ncols(), units, "recurrence: h must have H columns");
                let kept = (kept.ncols(), MappedRows::from(kept).rows(steps));
                let result = (dz.ncols(), rows_mut(dz, steps));
                let h = Some(h.rows(steps));
                (GateFunction::GruBackward, Some(state(carry, of_state)), Some(kept), h, result, units)
            }
        };
        let count = function.gates();
        let backward = count == 1;
        let (result_columns, target) = result;
        assert_eq!(weights.len(), count, "recurrence: there must be weights of each gate");
        assert!(
            weights.iter().all(|w| w.n() == units),
            "recurrence: the weights of all gates must have H columns"
        );
        assert_eq!(
            result_columns,
            if backward { 4 * units } else { units },
            "recurrence: the result's columns"
        );
        let columns = function.kept(units);
        assert!(
            kept.iter().all(|(kept, _)| *kept == columns),
            "recurrence: what is kept must have {columns} columns"
        );
        let kept = kept.map(|(_, rows)| rows);
        let many = batch >= WORTH_A_COPY;
        let initial = match initial {
            InitialC::InPlace => {
                let rows = *kept.as_ref().expect("recurrence: sums in place are those that are kept");
                InitialC::Matrix(StagedRows::in_place(rows))
            }
            InitialC::Matrix(matrix) => {
                assert_eq!(
                    matrix.array.ncols(),
                    count * units,
                    "recurrence: the initial sums must have G·H columns"
                );
                InitialC::Matrix(StagedRows::new(ctx, steps, matrix, many))
            }
            InitialC::Row(row) => {
                assert_eq!(row.len(), count * units, "recurrence: a bias must have G·H elements");
                InitialC::Row(row)
            }
            InitialC::Zero => InitialC::Zero,
        };
        let projection = projection.map(|(x, weights)| {
            assert!(
                weights.len() == count && weights.iter().all(|w| w.n() == units),
                "recurrence: x must have weights (K', H) of each gate"
            );
            let fits = |w: &Packed<'_, T>| w.k() == 0 || w.k() == x.array.ncols();
            assert!(weights.iter().all(fits), "recurrence: x must have a column for each row of W'");
            (StagedRows::projected(ctx, steps, x), weights)
        });
        let first_sums = first_sums.map(|sums| {
            assert_eq!(sums.dim(), of_state, "recurrence: the first sums must be (B, H)");
            crate::rows::matrix::matrix(sums)
        });
        let again = many && target.scattered() && steps.len() > 1;
        let gates = CheckedGates {
            function,
            units,
            sums: Staging::try_new(ctx, 1, batch, count * units)?,
            first_sums,
            state,
            kept,
            h,
            carried_from,
            result_columns,
        };
        Ok(Self {
            weights,
            initial,
            projection,
            epilogue: Epilogue::None,
            target,
            double_buffer: if again { Staging::new(ctx, 1, 2 * batch, result_columns) } else { None },
            prefetches: false,
            gates: Some(Box::new(gates)),
        })
    }
}

impl<T: Element> CheckedGates<'_, T> {
    /// Columns that are carried.
    pub(crate) fn carried_columns(&self) -> usize {
        self.result_columns - self.carried_from
    }
}

/// The part of a step of a gated product that a thread computes.
pub(crate) struct GatedPart<'l, 'a, T: Element> {
    pub(crate) product: &'l CheckedProduct<'a, T>,
    pub(crate) gates: &'l CheckedGates<'a, T>,
    pub(crate) part: StepPart<'l>,
    /// Its number in the order of the steps.
    pub(crate) turn: usize,
    /// A, or nothing where the sums are given.
    pub(crate) a: Option<RowPointers<'l, T>>,
    pub(crate) rows: usize,
    pub(crate) panels: &'l Range<usize>,
    /// Panels of a group, and whether groups go from the last to the first.
    pub(crate) serpentine: Option<(usize, bool)>,
}

impl<'l, T: Transcendental> GatedPart<'l, '_, T> {
    /// Computes it.
    ///
    /// # Safety
    ///
    /// The shapes have been checked; the rows of A are finished; nobody else uses these rows and units.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd<T>>(self, s: S, slots: IndirectionSlots<'l, T>) {
        s.vectorize(RunPart(self, slots));
    }
}

/// A part whose conditions the caller of [`GatedPart::run`] vouched for: a function of its own, so that the loop over time
/// stays short for other products.
struct RunPart<'l, 'a, T: Element>(GatedPart<'l, 'a, T>, IndirectionSlots<'l, T>);

impl<T: Transcendental> Kernel<T> for RunPart<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self(part, mut slots) = self;
        let GatedPart { product, gates, part, turn, a, rows, panels, serpentine } = part;
        let StepPart { steps, t, first, .. } = part;
        let units = gates.units;
        let count = product.weights.len();

        // SAFETY: the caller vouches for these rows.
        let operands = unsafe { product.operands(s, &part, a.is_some(), &mut slots) };
        let initial = match (a, gates.first_sums) {
            (None, Some(sums)) => InitialC::Matrix(sums.below(first).pointers(slots.next())),
            _ => operands.initial,
        };
        let of_step = gates.sums.matrix.below(first);
        let mut sums: [RowPointers<'_, T>; GATES] = [&[]; GATES];
        let mut from: [InitialC<'_, T, RowPointers<'_, T>>; GATES] = [InitialC::Zero; GATES];
        for gate in 0..count {
            let plane = Matrix { data: of_step.at(0, gate * units), ..of_step };
            sums[gate] = plane.pointers(slots.next());
            from[gate] = match initial {
                InitialC::Row(row) => InitialC::Row(&row[gate * units..][..units]),
                InitialC::Matrix(whole) if gate > 0 => {
                    let slot = slots.next();
                    slot.iter_mut().zip(whole).for_each(|(to, row)| *to = row.wrapping_add(gate * units));
                    InitialC::Matrix(slot)
                }
                initial => initial,
            };
        }
        let projections: [Option<ProjectionOperands<'_, T>>; GATES] = std::array::from_fn(|gate| {
            let (_, weights) = product.projection.as_ref().filter(|_| gate < count)?;
            let (w, a) = (&weights[gate], operands.projection.as_ref()?.a);
            (w.k() > 0).then(|| ProjectionOperands { a, w: w.data.as_ptr(), k: w.k() })
        });
        let result = product.computed(steps, turn, t).pointers(steps, first, slots.next());
        let mut pointers = |rows: &Option<StepRows<'_, T>>| -> RowPointers<'_, T> {
            rows.as_ref().map_or(&[], |rows| rows.pointers(steps, t, first, slots.next()))
        };
        let (kept, h) = (pointers(&gates.kept), pointers(&gates.h));
        let h = if gates.function == GateFunction::GruForward { a.unwrap_or(h) } else { h };
        let state = gates.state.map(|state| state.below(first));

        let all = &product.weights[0].panels;
        let bytes = rows * count * PANEL_VECTORS * all.lanes * size_of::<T>();
        let group = serpentine.map_or((SUMS_TOGETHER / bytes.max(1)).max(1), |(group, _)| group);
        let descending = serpentine.is_some_and(|(_, descending)| descending);
        for range in panel_groups(panels.clone(), group, descending) {
            for (gate, w) in product.weights.iter().enumerate() {
                let arguments = Arguments::<T, false> {
                    a: a.unwrap_or(sums[gate]),
                    w: w.data.as_ptr(),
                    panels: Panels { k: if a.is_some() { w.k() } else { 0 }, ..w.panels },
                    range: range.clone(),
                    initial: from[gate],
                    c: sums[gate],
                    epilogue: Epilogue::None,
                    prefetch: None,
                    projection: projections[gate].as_ref(),
                };
                // SAFETY: the caller vouches for the shapes and for A; the sums have these rows, for this thread alone.
                unsafe { arguments.run(s) };
            }
            let units = all.span(&range);
            let (function, all) = (gates.function, gates.units);
            s.vectorize(RunGates { function, all, sums: sums[0], kept, h, state, result, units });
        }
        if product.is_buffered() {
            let target = product.target.pointers(steps, t, first, slots.next());
            let columns = part.columns;
            for plane in 0..gates.result_columns / units.max(1) {
                let columns = plane * units + columns.start..plane * units + columns.end;
                // SAFETY: these rows and columns were computed above; what is read in this step is the other half.
                unsafe { copy_rows(s, result, target, &columns) };
            }
        }
    }
}

/// The functions of the gates for some rows and units; the caller of [`GatedPart::run`] vouches for them.
pub(crate) struct RunGates<'l, T: Element> {
    pub(crate) function: GateFunction,
    /// H.
    pub(crate) all: usize,
    pub(crate) sums: RowPointers<'l, T>,
    pub(crate) kept: RowPointers<'l, T>,
    pub(crate) h: RowPointers<'l, T>,
    pub(crate) state: Option<Matrix<T>>,
    pub(crate) result: RowPointers<'l, T>,
    /// Those to compute.
    pub(crate) units: Range<usize>,
}

impl<T: Transcendental> Kernel<T> for RunGates<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let pointer = |rows: RowPointers<'_, T>, r: usize| rows.get(r).copied().unwrap_or(std::ptr::null());
        for (r, (&sums, &result)) in self.sums.iter().zip(self.result).enumerate() {
            let row = GateRow {
                sums,
                state: self.state.map_or(std::ptr::null_mut(), |state| state.at(r, 0).cast_mut()),
                kept: pointer(self.kept, r).cast_mut(),
                h: pointer(self.h, r),
                result: result.cast_mut(),
                units: self.all,
            };
            // SAFETY: the caller vouches for these rows and units of all arrays.
            unsafe { row.run(s, self.function, self.units.start, self.units.end) };
        }
    }
}
