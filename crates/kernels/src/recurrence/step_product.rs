//! One product of a step of the recurrence, C = f(initial C + x W' + A W), and where its rows
//! are.
//!
//! The other matrices that it reads, and C itself, may have row maps: a tile reads and writes rows wherever they are. Where they
//! are far from each other, each step copies its own rows to a staging buffer and back, on the thread that computes them; of
//! C such a buffer has only two steps, the one that is computed and the one that it continues, which stay in the first
//! caches.

use std::ops::Range;
use std::slice;

use crate::gemm::arguments::{Prefetch, ProjectionOperands};
use crate::gemm::macrokernel::MIN_THREAD_ROWS;
use crate::gemm::pack::Packed;
use crate::gemm::terms::{Epilogue, InitialC};
use crate::recurrence::gated_product::CheckedGates;
use crate::recurrence::terms::{Projection, StepProduct};
use crate::rows::indirection::{IndirectionSlots, RowPointers, copy_rows};
use crate::rows::matrix::{Matrix, padded_leading_dimension};
use crate::rows::row_map::{MappedRows, StepRows};
use crate::rows::steps::Steps;
use crate::runtime::context::Context;
use crate::runtime::scratch::{AllocError, Scratch};
use crate::simd::cache::FAR;
use crate::simd::element::Element;
use crate::simd::vector::Simd;

/// The number of sequences from which a copy of a step's slowly read rows saves time.
pub(crate) const WORTH_A_COPY: usize = 6;

/// Whether threads share out the batch, else the columns.
pub(crate) fn splits_batch(ctx: &Context, batch: usize) -> bool {
    batch >= MIN_THREAD_ROWS * ctx.threads()
}

/// The slots for pointers that a step may need: A, C, the target, three for what is prefetched, and three operands, each
/// perhaps staged.
pub(crate) const SLOTS: usize = 12;

/// A thread's part of a step: the sequences from `first` on at time `t`, and these columns of them.
pub(crate) struct StepPart<'s> {
    pub(crate) steps: &'s Steps,
    pub(crate) t: usize,
    pub(crate) first: usize,
    pub(crate) columns: &'s Range<usize>,
    /// The index of the thread among those that share out the columns.
    pub(crate) member: usize,
}

/// Rows that each step reads.
pub(crate) struct StagedRows<'a, T: Element> {
    rows: StepRows<'a, T>,
    /// Where a step reads a copy, if not the rows themselves.
    staging: Option<Staging<'a, T>>,
}

impl<'a, T: Element> StagedRows<'a, T> {
    /// Rows that each step reads once, staged if `many` of them are far from each other.
    pub(crate) fn new<'l: 'a>(ctx: &'a Context, steps: &Steps, rows: MappedRows<'l, T>, many: bool) -> Self {
        let columns = rows.array.ncols();
        let rows = rows.rows(steps);
        let staging = if many && rows.paged() { Staging::new(ctx, 1, steps.batch(), columns) } else { None };
        Self { rows, staging }
    }

    /// The rows of x, which are read for panel after panel.
    pub(crate) fn projected<'l: 'a>(ctx: &'a Context, steps: &Steps, x: MappedRows<'l, T>) -> Self {
        let (columns, batch) = (x.array.ncols(), steps.batch());
        let rows = x.rows(steps);
        let members = if splits_batch(ctx, batch) { 1 } else { ctx.threads() };
        let slow = batch >= WORTH_A_COPY && rows.scattered();
        let staging = if slow { Staging::new(ctx, members, batch, columns) } else { None };
        Self { rows, staging }
    }

    /// Rows where they are.
    pub(crate) fn in_place(rows: StepRows<'a, T>) -> Self {
        Self { rows, staging: None }
    }

    /// Points to rows of a step; copies them first if they have a staging buffer.
    ///
    /// # Safety
    ///
    /// The rows are readable, and no other thread uses these rows and columns of the buffer.
    #[inline(always)]
    unsafe fn pointers<'l, S: Simd<T>>(
        &self,
        s: S,
        part: &StepPart<'_>,
        slots: &mut IndirectionSlots<'l, T>,
    ) -> RowPointers<'l, T> {
        let &StepPart { steps, t, first, columns, member } = part;
        let rows = self.rows.pointers(steps, t, first, slots.next());
        let Some(staging) = &self.staging else { return rows };
        let copy = staging.matrix.below(member * staging.rows_of_member + first).pointers(slots.next());
        // SAFETY: the caller vouches for these rows and columns.
        unsafe { copy_rows(s, rows, copy, columns) };
        copy
    }
}

/// A staging buffer: rows next to each other.
pub(crate) struct Staging<'c, T: Element> {
    pub(crate) matrix: Matrix<T>,
    /// Rows that each member of a team has for itself; 0 if they share them.
    rows_of_member: usize,
    _memory: Scratch<'c, T>,
}

impl<'c, T: Element> Staging<'c, T> {
    /// `rows` for each of `members`; `None` if there is not enough memory: slower, with the same result.
    pub(crate) fn new(ctx: &'c Context, members: usize, rows: usize, columns: usize) -> Option<Self> {
        Self::try_new(ctx, members, rows, columns).ok()
    }

    /// The same where a buffer is needed.
    pub(crate) fn try_new(
        ctx: &'c Context,
        members: usize,
        rows: usize,
        columns: usize,
    ) -> Result<Self, AllocError> {
        let stride = padded_leading_dimension::<T>(columns);
        let len = members.saturating_mul(rows).saturating_mul(stride);
        let mut memory = ctx.scratch(len)?;
        let rows_of_member = if members > 1 { rows } else { 0 };
        Ok(Self { matrix: Matrix::over(&mut memory, stride), rows_of_member, _memory: memory })
    }
}

/// A [`StepProduct`] whose shapes have been checked.
pub(crate) struct CheckedProduct<'a, T: Element> {
    /// W, of each gate if there are gates.
    pub(crate) weights: &'a [Packed<'a, T>],
    pub(super) initial: InitialC<'a, T, StagedRows<'a, T>>,
    /// x and W', of each gate if there are gates.
    pub(super) projection: Option<(StagedRows<'a, T>, &'a [Packed<'a, T>])>,
    pub(super) epilogue: Epilogue<StagedRows<'a, T>>,
    /// C, or the result of the gates.
    pub(crate) target: StepRows<'a, T>,
    /// Where that is computed, for two steps in turn, if not in the target.
    pub(super) double_buffer: Option<Staging<'a, T>>,
    /// Whether its rows come from memory, so that each step prefetches those of the next.
    pub(crate) prefetches: bool,
    /// In memory of their own, so that other products stay small.
    pub(crate) gates: Option<Box<CheckedGates<'a, T>>>,
}

/// What a part of a step reads apart from A and W.
pub(crate) struct StepOperands<'l, T> {
    pub(crate) initial: InitialC<'l, T, RowPointers<'l, T>>,
    pub(crate) epilogue: Epilogue<RowPointers<'l, T>>,
    pub(crate) projection: Option<ProjectionOperands<'l, T>>,
}

/// The rows of one step: those of a matrix, or of [`StepRows`] at a time, from a column on.
#[derive(Clone, Copy)]
pub(crate) enum RowsOfStep<'l, T> {
    Matrix(Matrix<T>),
    At(&'l StepRows<'l, T>, usize, usize),
}

impl<T: Element> RowsOfStep<'_, T> {
    /// Points to them from sequence `b` on.
    #[inline(always)]
    pub(crate) fn pointers<'l>(
        &self,
        steps: &Steps,
        b: usize,
        slot: &'l mut [*const T],
    ) -> RowPointers<'l, T> {
        match self {
            RowsOfStep::Matrix(matrix) => matrix.below(b).pointers(slot),
            RowsOfStep::At(rows, t, 0) => rows.pointers(steps, *t, b, slot),
            RowsOfStep::At(rows, t, from) => rows.right_of(*from).pointers(steps, *t, b, slot),
        }
    }
}

impl<'a, T: Element> CheckedProduct<'a, T> {
    pub(crate) fn new<'l: 'a, 'p: 'a, 'c: 'a>(
        ctx: &'a Context,
        steps: &Steps,
        product: StepProduct<'l, 'p, 'c, T>, // views have lifetimes of their own: they do not take a shorter one
    ) -> Self {
        let StepProduct { weights, initial, projection, epilogue, mut target } = product;
        let (columns, batch) = (target.array.ncols(), steps.batch());
        assert_eq!(weights.n(), columns, "recurrence: a target must have as many columns as its weights");
        let target = target.rows(steps);
        let many = batch >= WORTH_A_COPY;
        let staged = |m: MappedRows<'l, T>| {
            assert_eq!(
                m.array.ncols(),
                columns,
                "recurrence: a matrix must have as many columns as its target"
            );
            StagedRows::new(ctx, steps, m, many)
        };
        if let InitialC::Row(row) = initial {
            assert_eq!(
                row.len(),
                columns,
                "recurrence: a row must have as many elements as its target columns"
            );
        }
        let projection = projection.map(|Projection { x, weights }| {
            assert_eq!(x.array.ncols(), weights.k(), "recurrence: x must have a column for each row of W'");
            assert_eq!(weights.n(), columns, "recurrence: x W' must have the shape of its target");
            (StagedRows::projected(ctx, steps, x), slice::from_ref(weights))
        });
        let again = many && target.scattered() && steps.len() > 1;
        let mut checked = Self {
            weights: slice::from_ref(weights),
            initial: initial.map(staged),
            projection,
            epilogue: epilogue.map(staged),
            target,
            double_buffer: if again { Staging::new(ctx, 1, 2 * batch, columns) } else { None },
            prefetches: false,
            gates: None,
        };
        let arrays = checked.arrays().into_iter().flatten().count();
        let size = steps.rows().saturating_mul(columns).saturating_mul(size_of::<T>());
        checked.prefetches = size.saturating_mul(arrays) >= FAR;
        checked
    }

    /// Columns of what the product [carries](Self::carried).
    pub(crate) fn carried_columns(&self) -> usize {
        self.gates.as_ref().map_or_else(|| self.weights[0].n(), |gates| gates.carried_columns())
    }

    /// Multiply-adds of a row, besides the projection.
    pub(crate) fn macs(&self) -> usize {
        let each = self.weights.iter().map(|w| w.k().saturating_mul(w.n()));
        each.fold(0, usize::saturating_add)
    }

    /// The arrays of the shape of C that each step reads or writes in memory.
    fn arrays(&self) -> [Option<&StepRows<'a, T>>; 3] {
        let [initial, epilogue] =
            [self.initial.matrix(), self.epilogue.matrix()].map(|staged| staged.map(|staged| &staged.rows));
        [Some(&self.target), initial, epilogue]
    }

    /// What the sequences `rows` of step `t` will read and write, no more than a slot holds.
    pub(crate) fn prefetch<'l>(
        &self,
        steps: &Steps,
        t: usize,
        rows: &Range<usize>,
        slots: &mut IndirectionSlots<'l, T>,
    ) -> Prefetch<'l, T> {
        let pointers = |array: Option<&StepRows<'a, T>>| -> RowPointers<'l, T> {
            array.map_or(&[], |array| array.pointers(steps, t, rows.start, &mut slots.next()[..rows.len()]))
        };
        Prefetch { matrices: self.arrays().map(pointers) }
    }

    /// What a part of a step reads apart from A and W; without a `product` only what the target holds: C = f(C).
    ///
    /// # Safety
    ///
    /// The rows of the part are readable, and no other thread uses these rows and columns of the staging buffers.
    #[inline(always)]
    pub(crate) unsafe fn operands<'l, S: Simd<T>>(
        &'l self,
        s: S,
        part: &StepPart<'_>,
        product: bool,
        slots: &mut IndirectionSlots<'l, T>,
    ) -> StepOperands<'l, T> {
        let initial = match &self.initial {
            InitialC::Matrix(staged) if product => {
                // SAFETY: the caller vouches for it.
                InitialC::Matrix(unsafe { staged.pointers(s, part, slots) })
            }
            InitialC::Row(row) if product => InitialC::Row(row),
            InitialC::Zero if product => InitialC::Zero,
            // C may be computed in another place.
            _ => InitialC::Matrix(self.target.pointers(part.steps, part.t, part.first, slots.next())),
        };
        // SAFETY: as above.
        let epilogue = self.epilogue.as_ref().map(|staged| unsafe { staged.pointers(s, part, slots) });
        let projection = self.projection.as_ref().filter(|_| product).map(|(x, weights)| {
            let weights = &weights[0];
            let part = StepPart { columns: &(0..weights.k()), ..*part };
            // SAFETY: as above; of these rows each member reads all columns, in a buffer of its own.
            let a = unsafe { x.pointers(s, &part, slots) };
            ProjectionOperands { a, w: weights.data.as_ptr(), k: weights.k() }
        });
        StepOperands { initial, epilogue, projection }
    }

    /// Where C of the `turn`-th step, which is `t`, is computed.
    #[inline(always)]
    pub(crate) fn computed(&self, steps: &Steps, turn: usize, t: usize) -> RowsOfStep<'_, T> {
        match &self.double_buffer {
            Some(buffer) => RowsOfStep::Matrix(buffer.matrix.below(turn % 2 * steps.batch())),
            None => RowsOfStep::At(&self.target, t, 0),
        }
    }

    /// What the next product reads as A: C itself, or of a gated product the carried columns of its result.
    #[inline(always)]
    pub(crate) fn carried(&self, steps: &Steps, turn: usize, t: usize) -> RowsOfStep<'_, T> {
        let from = self.gates.as_ref().map_or(0, |gates| gates.carried_from);
        match self.computed(steps, turn, t) {
            RowsOfStep::Matrix(matrix) => RowsOfStep::Matrix(Matrix { data: matrix.at(0, from), ..matrix }),
            RowsOfStep::At(rows, t, _) => RowsOfStep::At(rows, t, from),
        }
    }

    /// Whether C is computed in another place than the target, to which it must be copied.
    pub(crate) fn is_buffered(&self) -> bool {
        self.double_buffer.is_some()
    }
}
