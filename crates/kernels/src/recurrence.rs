//! The loop over time that [`chain()`](crate::chain()) and [`relay()`](crate::relay()) run.
//!
//! ```text
//! for t in the order of the steps
//!   for each link:  C[t] = f(base[t] + A W)      A is what the link before made at t, for the first link what the last
//!                                                one made a step before, or a state where a sequence begins
//! ```
//!
//! # Threads
//!
//! Sequences are independent, so a team shares out the batch and never waits. Where the batch is too small
//! for that, it shares out the columns and meets at a barrier after each step.
//!
//! # Rows in other places
//!
//! What is read beside the product, and y itself, may have [`Places`](crate::Places): each step fetches and delivers its
//! own rows, on the thread that computes them. Of a y with places only the rows of two steps are in the order of the
//! steps, the one that is computed and the one that it continues: they never leave the first caches.

use std::ops::Range;

use crate::isa::{FAR, Simd, Task};
use crate::matrix::{Matrix, copy_rows, crowded, roomy, row_stride};
use crate::pack::Packed;
use crate::places::{Far, Placed, Target};
use crate::pool::Member;
use crate::terms::{ChainBase, Epilogue, Order};
use crate::tile::{Ahead, Base, Before, Block, Finish};
use crate::{AllocError, Context, Scalar, Scratch, Steps};

/// Multiply-adds that a thread must have before each barrier to make it worth it: 1 µs of work.
const WORTH_A_BARRIER: usize = 1 << 15;

/// The same if the weights are too large for one core's first cache: shared out they are read from there at each step,
/// and not from the second.
const WORTH_A_BARRIER_FOR_CACHES: usize = 1 << 12;

/// Bytes of a first cache: 32 KB on Zen 3 and 4, 48 KB on Zen 5.
const FIRST_CACHE: usize = 48 << 10;

/// Sequences that a thread must have to share out the batch: a tile of fewer rows is slower.
const ROWS_OF_A_THREAD: usize = 4;

/// Sequences from which on a copy of a step's rows in a better place is worth it.
const WORTH_A_COPY: usize = 6;

/// Room for the rows of a step of a link's base and of its function's matrix, as far as these have places; for those
/// of x, likewise or if they are read more slowly where they are; and for those of two steps of what the link makes.
pub(crate) struct Room<'c, T: Scalar> {
    base: Option<Scratch<'c, T>>,
    beside: Option<Scratch<'c, T>>,
    x: Option<Scratch<'c, T>>,
    made: Option<Scratch<'c, T>>,
}

impl<'c, T: Scalar> Room<'c, T> {
    /// For a link that makes `y`.
    pub(crate) fn new(
        ctx: &'c Context,
        steps: &Steps,
        base: ChainBase<'_, T>,
        epilogue: Epilogue<'_, T>,
        y: &Target<'_, T>,
    ) -> Result<Self, AllocError> {
        let ((rows, width), batch) = (y.array.dim(), steps.batch());
        let beside = |m: Option<Placed<'_, T>>| {
            m.filter(|m| m.places.is_some()).map(|_| ctx.scratch(batch * width)).transpose()
        };
        let slow = |rows, columns, strides: &[isize]| {
            batch >= WORTH_A_COPY && crowded::<T>(row_stride(rows, columns, strides))
        };
        let x = match base {
            ChainBase::Product { x: Placed { array, places }, .. } => {
                let (rows, columns) = array.dim();
                let each = batch * roomy::<T>(columns);
                let members = if by_rows(ctx, batch) { 1 } else { ctx.threads() };
                let moved = places.is_some() || slow(rows, columns, array.strides());
                moved.then(|| ctx.scratch(members * each)).transpose()?
            }
            _ => None,
        };
        let again = slow(rows, width, y.array.strides()) && steps.len() > 1;
        let made = y.places.is_some() || again;
        Ok(Self {
            base: beside(base.matrix())?,
            beside: beside(epilogue.matrix())?,
            x,
            made: made.then(|| ctx.scratch(2 * batch * roomy::<T>(width))).transpose()?,
        })
    }
}

/// Whether threads share out the batch, else the columns.
fn by_rows(ctx: &Context, batch: usize) -> bool {
    batch >= ROWS_OF_A_THREAD * ctx.threads()
}

/// One product of a step: C = f(base + A W) for all rows; A comes from the link before.
pub(crate) struct Link<'a, T> {
    /// What each step uses beside its product, where that comes from memory.
    beside: [Option<Matrix<T>>; 3],
    /// The whole of C, if its rows are in order; parts of it are computed.
    block: Block<'a, T, false>,
    /// The product ahead of the block's own, where A' is.
    before: Option<Before<T>>,
    /// Where the rows of the base and of the function's matrix come from, and the room for those of a step.
    fetch: [Option<(Far<'a, T>, Matrix<T>)>; 2],
    /// Where those of A' are read, if not where they are.
    x: Option<Nearby<'a, T>>,
    /// The places of C.
    far: Option<Far<'a, T>>,
    /// Whether C starts from what is there.
    in_place: bool,
    /// Where C is read as the next link's A, for two steps in turn, if not where it goes. A C with places is made
    /// there, any other copied.
    halves: Option<[Matrix<T>; 2]>,
}

/// Room for the rows of a step that each member of a team has for itself.
struct Nearby<'a, T> {
    /// Their places, if they are not in order.
    far: Option<Far<'a, T>>,
    /// The room of the first member.
    room: Matrix<T>,
    /// Rows from a member's to the next.
    rows: usize,
}

impl<'a, T: Scalar> Link<'a, T> {
    /// C is `y`, of N columns for W of N columns.
    pub(crate) fn new<'l: 'a, 'y: 'a>(
        steps: &Steps,
        w: &Packed<'_, T>,
        base: ChainBase<'l, T>, // views have lifetimes of their own: they do not take a shorter one
        epilogue: Epilogue<'l, T>,
        y: &mut Target<'y, T>,
        room: &'a mut Room<'_, T>,
    ) -> Self {
        let (rows, width) = (steps.rows(), y.array.ncols());
        assert_eq!(w.n(), width, "chain: y must have as many columns as W");
        let in_place = matches!(base, ChainBase::InPlace);
        let (own, places) = y.matrix(steps);
        let (before, x_places) = base.before(steps).unzip();
        // Where a matrix is read, and whether its rows have to be fetched there.
        let read = |m: Placed<'l, T>, room: &'a mut Option<Scratch<'_, T>>| {
            assert_eq!(m.array.ncols(), width, "chain: a matrix beside y must have as many columns");
            let (array, places) = m.matrix(steps);
            let near = room.as_mut().map(|room| Matrix::over(room, width));
            (near.unwrap_or(array), places.zip(near).map(|(places, near)| (Far { array, places }, near)))
        };
        let base_read = base.matrix().map(|m| read(m, &mut room.base));
        let base = match base {
            ChainBase::InPlace => Base::Matrix(own),
            ChainBase::Matrix(_) => base_read.as_ref().map_or(Base::Zero, |read| Base::Matrix(read.0)),
            ChainBase::Row(row) | ChainBase::Product { bias: Some(row), .. } => {
                assert_eq!(row.len(), width, "chain: a row must have as many elements as y columns");
                Base::Matrix(Matrix { data: row.as_ptr(), stride: 0 })
            }
            ChainBase::Zero | ChainBase::Product { bias: None, .. } => Base::Zero,
        };
        if let Some(before) = &before {
            assert_eq!(before.n, width, "chain: x W' must have the shape of y");
        }
        let x = before.as_ref().zip(room.x.as_mut()).map(|(before, room)| Nearby {
            far: x_places.flatten().map(|places| Far { array: before.a, places }),
            room: Matrix::over(room, roomy::<T>(before.k)),
            rows: steps.batch(),
        });
        let finish_read = epilogue.matrix().map(|m| read(m, &mut room.beside));
        let h = finish_read.as_ref().map_or(own, |read| read.0);
        let finish = match epilogue {
            Epilogue::Tanh => Finish::Tanh,
            Epilogue::Relu => Finish::Relu,
            Epilogue::Sigmoid => Finish::Sigmoid,
            Epilogue::Identity => Finish::Nothing,
            Epilogue::TanhGrad(_) => Finish::TanhGrad(h),
            Epilogue::ReluGrad(_) => Finish::ReluGrad(h),
            Epilogue::SigmoidGrad(_) => Finish::SigmoidGrad(h),
        };
        // Rows that are fetched are read from end to end, which the processor foresees.
        let beside = |read: &Option<(Matrix<T>, Option<_>)>| {
            read.as_ref().and_then(|(matrix, fetch)| fetch.is_none().then_some(*matrix))
        };
        let beside = [places.is_none().then_some(own), beside(&base_read), beside(&finish_read)];
        let size = rows.saturating_mul(width).saturating_mul(size_of::<T>());
        let far = size.saturating_mul(beside.iter().flatten().count()) >= FAR;
        Self {
            beside: if far { beside } else { [None; 3] },
            block: Block {
                rows,
                a: own, // each step has its own
                w: w.data.as_ptr(),
                panels: w.panels,
                range: 0..w.panels.count(),
                base,
                c: own.data.cast_mut(),
                c_stride: own.stride,
                finish,
                ahead: None,
                before: None, // each step has its own
            },
            before,
            fetch: [base_read, finish_read].map(|read| read.and_then(|(_, fetch)| fetch)),
            x,
            far: places.map(|places| Far { array: own, places }),
            in_place,
            halves: room.made.as_mut().map(|made| {
                let first = Matrix::over(made, roomy::<T>(width));
                [first, first.below(steps.batch())]
            }),
        }
    }

    /// C of a step as the next link's A: that of the `turn`-th step, whose first row is `offset`.
    fn read(&self, turn: usize, offset: usize) -> Matrix<T> {
        self.halves.map_or_else(|| self.block.made().below(offset), |halves| halves[turn % 2])
    }
}

impl<T: Scalar> Plan<'_, T> {
    /// Runs the recurrence, with at most `together` sequences at a time where threads share out the batch.
    pub(crate) fn run(&self, ctx: &Context, together: usize) {
        let steps = self.steps;
        let macs = self.links.iter().fold(0usize, |sum, Link { block, .. }| {
            sum.saturating_add(block.panels.k.saturating_mul(block.panels.n))
        });
        let batch = steps.batch();
        let threads = ctx.threads();
        let by_rows = by_rows(ctx, batch);
        let work = macs.saturating_mul(steps.rows());
        let fits = macs.saturating_mul(size_of::<T>()) <= FIRST_CACHE; // a multiply-add of a row is a weight
        let least = if fits { WORTH_A_BARRIER } else { WORTH_A_BARRIER_FOR_CACHES };
        let worth = by_rows || macs.saturating_mul(batch) / (threads * self.links.len()) >= least;
        let mut team = ctx.team(work, if worth { usize::MAX } else { 1 });
        if by_rows {
            let parts = team.size().max(batch.div_ceil(together));
            let bounds = even_bounds(steps, parts);
            team.share(parts, |part| {
                let batch = bounds[part]..bounds[part + 1];
                T::chain(ctx.isa(), Run { ctx, plan: self, batch, barrier: None });
            });
        } else {
            team.run(work, |member| {
                T::chain(ctx.isa(), Run { ctx, plan: self, batch: 0..batch, barrier: Some(member) });
            });
        }
    }
}

/// Cuts the batch into `parts` ranges with about the same number of rows over all steps.
fn even_bounds(steps: &Steps, parts: usize) -> Vec<usize> {
    let batch = steps.batch();
    let mut bounds = vec![0];
    if steps.size(steps.len() - 1) == batch {
        bounds.extend((1..=parts).map(|i| batch * i / parts));
        return bounds;
    }
    // Each bound lies as near to its share of the rows as whole sequences allow.
    let mut before = 0;
    for b in 0..batch {
        let length = steps.length(b);
        while bounds.len() < parts && (2 * before + length) * parts > 2 * steps.rows() * bounds.len() {
            bounds.push(b);
        }
        before += length;
    }
    bounds.resize(parts + 1, batch);
    bounds
}

/// A recurrence whose shapes have been checked: in each step the links follow each other, and the first one's A is
/// what the last one made in the step before.
pub(crate) struct Plan<'a, T> {
    pub(crate) steps: &'a Steps,
    pub(crate) order: Order,
    /// The first link's A where sequences begin; without it there is no product.
    pub(crate) state: Option<Matrix<T>>,
    pub(crate) links: &'a [Link<'a, T>],
}
// SAFETY: the members of a team write disjoint sequences or columns of each C, and read what other members wrote
// only after a barrier.
unsafe impl<T: Scalar> Sync for Plan<'_, T> {}

/// One thread's part of a chain.
pub struct Run<'a, T> {
    ctx: &'a Context,
    plan: &'a Plan<'a, T>,
    batch: Range<usize>,
    /// Whom to wait for after each link: the members share out its panels. Without it all are this thread's.
    barrier: Option<Member<'a>>,
}

impl<T: Scalar> Task<T> for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Plan { steps, order, state, links } = *self.plan;
        let last = steps.len() - 1;
        for i in 0..steps.len() {
            if self.ctx.cancelled() || self.barrier.is_some_and(|member| member.stopped()) {
                if let Some(member) = &self.barrier {
                    member.stop();
                }
                return;
            }
            let (t, before) = match order {
                Order::Ascending => (i, i.checked_sub(1)),
                Order::Descending => (last - i, (i > 0).then(|| last - i + 1)),
            };
            let next = match order {
                Order::Ascending => Some(t + 1).filter(|&next| next <= last),
                Order::Descending => t.checked_sub(1),
            };
            let size = steps.size(t);
            for (n, link) in links.iter().enumerate() {
                match n.checked_sub(1).map(|n| links[n].read(i, steps.offset(t))) {
                    Some(made) => self.rows(s, link, (i, t), 0..size, Some(made), next),
                    None => {
                        let continuing = before.map_or(0, |before| steps.size(before).min(size));
                        if let Some(before) = before {
                            let previous = links[links.len() - 1].read(i - 1, steps.offset(before));
                            self.rows(s, link, (i, t), 0..continuing, Some(previous), next);
                        }
                        if continuing < size {
                            self.rows(s, link, (i, t), continuing..size, state, None);
                        }
                    }
                }
                if let Some(member) = &self.barrier {
                    member.wait();
                }
            }
        }
    }
}

impl<T: Scalar> Run<'_, T> {
    /// The sequences `batch` of step `t` of a link, the `turn`-th in order, as far as they are this thread's; `a` is
    /// the matrix that is multiplied, of which row b belongs to sequence b. Without one there is no product. Step
    /// `next` will follow.
    #[inline(always)]
    fn rows<S: Simd<T>>(
        &self,
        s: S,
        link: &Link<'_, T>,
        (turn, t): (usize, usize),
        batch: Range<usize>,
        a: Option<Matrix<T>>,
        next: Option<usize>,
    ) {
        let batch = batch.start.max(self.batch.start)..batch.end.min(self.batch.end);
        if batch.is_empty() {
            return;
        }
        let steps = self.plan.steps;
        let offset = steps.offset(t);
        let panels = link.block.panels.count();
        let panels = self.barrier.as_ref().map_or(0..panels, |member| member.share(panels, 1));
        let mut block = link.block.part(offset + batch.start, offset + batch.end, panels);
        let columns = block.columns();
        let half = link.halves.map(|halves| halves[turn % 2].below(batch.start));
        if let (Some(far), Some(half)) = (&link.far, half) {
            (block.c, block.c_stride) = (half.data.cast_mut(), half.stride);
            if link.in_place || a.is_none() {
                block.base = Base::Matrix(half);
                // SAFETY: `Link::new` has checked the places, and there is room for all sequences; these rows and
                // columns of both are this thread's.
                unsafe { far.move_step::<S, false>(s, t, batch.clone(), &columns, half) };
            }
        }
        for (n, fetch) in link.fetch.iter().enumerate() {
            let Some((far, room)) = fetch else { continue };
            if n == 0 && a.is_none() {
                continue; // these rows start from what C holds
            }
            let near = room.below(batch.start);
            // SAFETY: as above.
            unsafe { far.move_step::<S, false>(s, t, batch.clone(), &columns, near) };
            if n == 0 {
                block.base = Base::Matrix(near);
            } else {
                block.finish = block.finish.with(near);
            }
        }
        let before = link.before.as_ref().map(|before| {
            let there = before.a.below(offset + batch.start);
            let a = link.x.as_ref().map_or(there, |Nearby { far, room, rows }| {
                let member = self.barrier.as_ref().map_or(0, |member| member.index);
                let (near, columns) = (room.below(member * rows + batch.start), 0..before.k);
                match far {
                    // SAFETY: as above, and each member has its own room where members share out the columns.
                    Some(far) => unsafe { far.move_step::<S, false>(s, t, batch.clone(), &columns, near) },
                    // SAFETY: A' has a row for each row of the steps.
                    None => unsafe { copy_rows(s, there, near, batch.len(), &columns) },
                }
                near
            });
            Before { a, ..*before }
        });
        block.before = before.as_ref();
        match a {
            Some(a) => block.a = a.below(batch.start),
            None => block.empty_product(),
        }
        let ahead = next.filter(|_| link.beside[0].is_some()).map(|next| {
            let rows = batch.start..batch.end.min(steps.size(next)).max(batch.start);
            let first = steps.offset(next) + rows.start;
            Ahead {
                rows: rows.len(),
                matrices: link.beside.map(|matrix| matrix.map(|matrix| matrix.below(first))),
            }
        });
        block.ahead = ahead.as_ref();
        let made = block.made();
        // SAFETY: a part of the whole, whose shapes `Link::new` and those who make a plan have checked; the rows of
        // `a` are finished: this thread wrote them, or the barrier was passed since.
        unsafe { block.compute(s) };
        match (&link.far, half) {
            // SAFETY: these rows and columns were made above.
            (Some(far), _) => unsafe { far.move_step::<S, true>(s, t, batch, &columns, made) },
            // SAFETY: likewise; there is room for all sequences, and what is read in this step is the other half.
            (None, Some(half)) => unsafe { copy_rows(s, made, half, batch.len(), &columns) },
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_share_out_rows_evenly() {
        let steps = Steps::new([4, 4, 1, 1, 1, 1, 1]).unwrap(); // lengths 7 2 2 2
        assert_eq!(even_bounds(&steps, 2), [0, 1, 4]);
        let lengths = [73, 70, 67, 64, 61, 58, 55, 52, 48, 45, 42, 39, 36, 33, 30, 27];
        let steps = Steps::new((0..73).map(|t| lengths.iter().filter(|&&l| l > t).count())).unwrap();
        assert_eq!(even_bounds(&steps, 2), [0, 6, 16]); // 393 and 407 of 800 rows, not 448 and 352
        assert_eq!(even_bounds(&Steps::uniform(2, 9).unwrap(), 2), [0, 4, 9]);
        assert_eq!(even_bounds(&Steps::new([2, 1]).unwrap(), 3), [0, 1, 1, 2]);
    }
}
