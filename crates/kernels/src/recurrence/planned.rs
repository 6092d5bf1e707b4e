//! What a step of the [recurrence](crate::recurrence::time_loop) does: a link, C = f(base + A' W' + A W), and where its rows are.

use std::ops::Range;

use crate::gemm::arguments::{Ahead, Base, Before, Finish};
use crate::gemm::macrokernel::LEAST_ROWS;
use crate::gemm::pack::Packed;
use crate::recurrence::terms::{ChainBase, Epilogue};
use crate::rows::matrix::{FreeLists, Matrix, Rows, copy_rows, roomy};
use crate::rows::row_map::{Placed, StepRows, Target};
use crate::simd::{FAR, Simd};
use crate::{Context, Scalar, Scratch, Steps};

/// Sequences from which on a copy of a step's rows in a better place is worth it.
const WORTH_A_COPY: usize = 6;

/// Whether threads share out the batch, else the columns.
pub(crate) fn by_rows(ctx: &Context, batch: usize) -> bool {
    batch >= LEAST_ROWS * ctx.threads()
}

/// The lists that a step may need: A, C, where C goes, three for what comes next, and three for what stands beside A,
/// if need be in two places.
pub(crate) const LISTS: usize = 12;

/// Part of a step: the sequences from `first` on at time `t`, and these columns of them.
pub(crate) struct Span<'s> {
    pub(crate) steps: &'s Steps,
    pub(crate) t: usize,
    pub(crate) first: usize,
    pub(crate) columns: &'s Range<usize>,
    /// Which of those who share out the columns this part belongs to.
    pub(crate) member: usize,
}

/// Rows that each step of a link reads.
struct Read<'a, T: Scalar> {
    rows: StepRows<'a, T>,
    /// Where those of a step are read, if not where they are.
    room: Option<Room<'a, T>>,
}

impl<T: Scalar> Read<'_, T> {
    /// Lists rows of a step. If they are read in the room, they come there.
    ///
    /// # Safety
    ///
    /// The rows are readable, and nobody else uses these rows and columns of the room.
    #[inline(always)]
    unsafe fn list<'l, S: Simd<T>>(&self, s: S, at: &Span<'_>, lists: &mut FreeLists<'l, T>) -> Rows<'l, T> {
        let &Span { steps, t, first, columns, member } = at;
        let there = self.rows.list(steps, t, first, lists.next());
        let Some(room) = &self.room else { return there };
        let near = room.matrix.below(member * room.of_member + first).list(lists.next());
        // SAFETY: the caller vouches for these rows and columns.
        unsafe { copy_rows(s, there, near, columns) };
        near
    }
}

/// Room for rows near each other.
pub(crate) struct Room<'c, T: Scalar> {
    matrix: Matrix<T>,
    /// Rows that each member of a team has for itself; 0 if they share them.
    of_member: usize,
    _memory: Scratch<'c, T>,
}

impl<'c, T: Scalar> Room<'c, T> {
    /// `rows` for each of `members`; `None` if there is not enough memory: it is slower without, but as good.
    fn new(ctx: &'c Context, members: usize, rows: usize, columns: usize) -> Option<Self> {
        let stride = roomy::<T>(columns);
        let mut memory = ctx.scratch(members * rows * stride).ok()?;
        let of_member = if members > 1 { rows } else { 0 };
        Some(Self { matrix: Matrix::over(&mut memory, stride), of_member, _memory: memory })
    }
}

/// The product ahead of a link's own: A' W'.
struct Projection<'a, T: Scalar> {
    /// A'.
    x: Read<'a, T>,
    /// W'.
    weights: &'a Packed<'a, T>,
}

/// What a link's product is added to.
enum LinkBase<'a, T: Scalar> {
    /// What C holds.
    InPlace,
    /// The same in every row.
    Same(Base<'static, T>),
    /// Rows of the shape of C.
    Read(Read<'a, T>),
}

/// One product of a step: C = f(base + A W) for all rows; A comes from the link before.
pub(crate) struct Link<'a, T: Scalar> {
    pub(crate) weights: &'a Packed<'a, T>,
    base: LinkBase<'a, T>,
    projection: Option<Projection<'a, T>>,
    finish: Finish<'static, T>,
    /// The matrix that the function reads.
    beside: Option<Read<'a, T>>,
    /// C.
    pub(crate) c: StepRows<'a, T>,
    /// Where C is made and read as the next link's A, for two steps in turn, if not where it goes.
    pub(crate) halves: Option<Room<'a, T>>,
    /// Whether its rows come from memory, so that each step has to ask for those of the next.
    pub(crate) far: bool,
}

/// What a step uses beside A and W.
pub(crate) struct Beside<'l, T> {
    pub(crate) base: Base<'l, T>,
    pub(crate) finish: Finish<'l, T>,
    pub(crate) before: Option<Before<'l, T>>,
}

/// The left factor of a step's product: rows of a matrix, or those of a step.
#[derive(Clone, Copy)]
pub(crate) enum Left<'l, T> {
    Matrix(Matrix<T>),
    Step(&'l StepRows<'l, T>, usize),
}

impl<T: Scalar> Left<'_, T> {
    /// Lists them from sequence `b` on.
    #[inline(always)]
    pub(crate) fn list<'l>(&self, steps: &Steps, b: usize, list: &'l mut [*const T]) -> Rows<'l, T> {
        match self {
            Left::Matrix(matrix) => matrix.below(b).list(list),
            Left::Step(rows, t) => rows.list(steps, *t, b, list),
        }
    }
}

impl<'a, T: Scalar> Link<'a, T> {
    /// C is `y`, of N columns for W of N columns.
    pub(crate) fn new<'l: 'a, 'y: 'a>(
        ctx: &'a Context,
        steps: &Steps,
        weights: &'a Packed<'a, T>,
        base: ChainBase<'l, T>, // views have lifetimes of their own: they do not take a shorter one
        epilogue: Epilogue<'l, T>,
        y: &mut Target<'y, T>,
    ) -> Self {
        let (width, batch) = (y.array.ncols(), steps.batch());
        assert_eq!(weights.n(), width, "chain: y must have as many columns as W");
        let c = y.rows(steps);
        let many = batch >= WORTH_A_COPY;
        let wide = |m: Placed<'l, T>| {
            assert_eq!(m.array.ncols(), width, "chain: a matrix beside y must have as many columns");
            let rows = m.rows(steps);
            Read { rows, room: if many && rows.paged() { Room::new(ctx, 1, batch, width) } else { None } }
        };
        let same = |row: &[T]| {
            assert_eq!(row.len(), width, "chain: a row must have as many elements as y columns");
            Base::Row(row.as_ptr())
        };
        let mut projection = None;
        let base = match base {
            ChainBase::InPlace => LinkBase::InPlace,
            ChainBase::Matrix(matrix) => LinkBase::Read(wide(matrix)),
            ChainBase::Row(row) => LinkBase::Same(same(row)),
            ChainBase::Zero => LinkBase::Same(Base::Zero),
            ChainBase::Product { x, weights, bias } => {
                assert_eq!(x.array.ncols(), weights.k(), "chain: x must have a column for each row of W'");
                assert_eq!(weights.n(), width, "chain: x W' must have the shape of y");
                let rows = x.rows(steps);
                let members = if by_rows(ctx, batch) { 1 } else { ctx.threads() };
                // Rows of x and of C are read for panel after panel.
                let slow = many && rows.scattered();
                let room = if slow { Room::new(ctx, members, batch, weights.k()) } else { None };
                projection = Some(Projection { x: Read { rows, room }, weights });
                LinkBase::Same(bias.map_or(Base::Zero, same))
            }
        };
        let finish = match epilogue {
            Epilogue::Tanh => Finish::Tanh,
            Epilogue::Relu => Finish::Relu,
            Epilogue::Sigmoid => Finish::Sigmoid,
            Epilogue::Identity => Finish::Nothing,
            // Each step has rows of its own.
            Epilogue::TanhGrad(_) => Finish::TanhGrad(&[]),
            Epilogue::ReluGrad(_) => Finish::ReluGrad(&[]),
            Epilogue::SigmoidGrad(_) => Finish::SigmoidGrad(&[]),
        };
        let again = many && c.scattered() && steps.len() > 1;
        let mut link = Self {
            weights,
            base,
            projection,
            finish,
            beside: epilogue.matrix().map(wide),
            c,
            halves: if again { Room::new(ctx, 1, 2 * batch, width) } else { None },
            far: false,
        };
        let arrays = link.arrays().into_iter().flatten().count();
        let size = steps.rows().saturating_mul(width).saturating_mul(size_of::<T>());
        link.far = size.saturating_mul(arrays) >= FAR;
        link
    }

    /// What each step reads and writes in memory, of the shape of C.
    fn arrays(&self) -> [Option<&StepRows<'a, T>>; 3] {
        let base = match &self.base {
            LinkBase::Read(read) => Some(&read.rows),
            LinkBase::InPlace | LinkBase::Same(_) => None,
        };
        [Some(&self.c), base, self.beside.as_ref().map(|beside| &beside.rows)]
    }

    /// What the sequences `rows` of step `t` will read and write; no more than the lists have.
    pub(crate) fn ahead<'l>(
        &self,
        steps: &Steps,
        t: usize,
        rows: &Range<usize>,
        lists: &mut FreeLists<'l, T>,
    ) -> Ahead<'l, T> {
        let list = |array: Option<&StepRows<'a, T>>| -> Rows<'l, T> {
            array.map_or(&[], |array| array.list(steps, t, rows.start, &mut lists.next()[..rows.len()]))
        };
        Ahead { matrices: self.arrays().map(list) }
    }

    /// What a part of a step reads beside A, without a `product` only what C holds: C = f(C).
    ///
    /// # Safety
    ///
    /// The rows of the part are readable, and nobody else uses these rows and columns of the rooms.
    #[inline(always)]
    pub(crate) unsafe fn beside<'l, S: Simd<T>>(
        &'l self,
        s: S,
        at: &Span<'_>,
        product: bool,
        lists: &mut FreeLists<'l, T>,
    ) -> Beside<'l, T> {
        let base = match &self.base {
            // SAFETY: the caller vouches for it.
            LinkBase::Read(read) if product => Base::Rows(unsafe { read.list(s, at, lists) }),
            LinkBase::Same(base) if product => *base,
            _ => Base::Rows(self.c.list(at.steps, at.t, at.first, lists.next())),
        };
        let finish = match &self.beside {
            // SAFETY: as above.
            Some(read) => self.finish.with(unsafe { read.list(s, at, lists) }),
            None => self.finish,
        };
        let before = self.projection.as_ref().filter(|_| product).map(|Projection { x, weights }| {
            let at = Span { columns: &(0..weights.k()), ..*at };
            // SAFETY: as above; of these rows each member reads all columns, in a room of its own.
            let a = unsafe { x.list(s, &at, lists) };
            Before { a, w: weights.data.as_ptr(), k: weights.k() }
        });
        Beside { base, finish, before }
    }

    /// Where C of the `turn`-th step, which is `t`, is made and read as the next link's A.
    #[inline(always)]
    pub(crate) fn made(&self, steps: &Steps, turn: usize, t: usize) -> Left<'_, T> {
        match &self.halves {
            Some(halves) => Left::Matrix(halves.matrix.below(turn % 2 * steps.batch())),
            None => Left::Step(&self.c, t),
        }
    }
}
