//! The loop over time of a [recurrence](crate::recurrence).
//!
//! ```text
//! for t in the order of the steps
//!   for each product:  C[t] = f(initial[t] + A W)     A is what the product before carries at t; for the first product, what
//!                                                     the last one carries from the step before, or a state where a
//!                                                     sequence begins
//! ```
//!
//! # Threads
//!
//! Sequences are independent, so the batch is divided among the threads, without barriers. Where the batch is too small
//! for that, the columns are divided, with a barrier after each product.

use std::ops::Range;
use std::time::Duration;

use arrayvec::ArrayVec;

use crate::gemm::arguments::Arguments;
use crate::gemm::gemm_nn::{GemmKernels, MC};
use crate::gemm::pack::{Packed, Panels, panel_groups};
use crate::pointwise::exp::Transcendental;
use crate::recurrence::gated_product::{GATED_SLOTS, GatedPart};
use crate::recurrence::step_product::{
    CheckedProduct, RowsOfStep, SLOTS, StepOperands, StepPart, splits_batch,
};
use crate::recurrence::terms::{Order, Product, Recurrence, Start};
use crate::rows::indirection::{IndirectionBuffer, copy_rows};
use crate::rows::matrix::{Matrix, matrix};
use crate::rows::steps::Steps;
use crate::runtime::context::Context;
use crate::runtime::pool::Member;
use crate::runtime::scratch::AllocError;
use crate::simd::cache::FIRST_CACHE;
use crate::simd::dispatch::compile_kernels;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// Multiply-adds that a thread must have before each barrier to make it worth it: 1 µs of work.
const WORTH_A_BARRIER: usize = 1 << 15;

/// The same if the weights are too large for one core's first cache: shared out they are read from there at each step,
/// and not from the second.
const WORTH_A_BARRIER_FOR_CACHES: usize = 1 << 12;

/// The latency of a barrier that both numbers above allow for, in nanoseconds.
const USUAL_LATENCY: usize = 100;

/// Multiply-adds that a thread must have more than those for each nanosecond that a barrier takes longer.
const WORTH_A_NANOSECOND: usize = 112;

/// Runs a recurrence: computes, in each step, its products one after the other.
///
/// # Errors
///
/// [`AllocError`] if there is not enough memory for the sums of gates, before anything is computed.
///
/// # Panics
///
/// If there is no product, shapes do not fit together, or rows are not contiguous.
pub fn recurrence<'a, 'p, 'c, T: RecurrenceKernels, const N: usize>(
    ctx: &Context,
    recurrence: &Recurrence<'_, T>,
    products: [impl Into<Product<'a, 'p, 'c, T>>; N],
) -> Result<(), AllocError> {
    let Recurrence { steps, order, start } = *recurrence;
    let mut first_sums = match start {
        Start::Sums(sums) => Some(sums),
        Start::State(_) | Start::Prepared => None,
    };
    let mut checked = ArrayVec::<_, N>::new();
    for product in products {
        checked.push(match product.into() {
            Product::Plain(product) => CheckedProduct::new(ctx, steps, product),
            Product::Gated(product) => CheckedProduct::gated(ctx, steps, product, first_sums.take())?,
        });
    }
    let products = &checked[..];
    let mut carried = products.last().expect("recurrence: there must be a product").carried_columns();
    let state = match start {
        Start::State(state) => {
            let shape = (steps.batch(), carried);
            assert_eq!(state.dim(), shape, "recurrence: the state must have a row for each sequence");
            Some(matrix(state))
        }
        Start::Prepared | Start::Sums(_) => None,
    };
    let prepared = products[0].gates.is_some() == matches!(start, Start::Sums(_));
    assert!(
        state.is_some() || prepared,
        "recurrence: sequences begin with sums if the first product has gates"
    );
    for product in products {
        let fits = |w: &Packed<'_, T>| w.k() == carried || (w.k() == 0 && product.gates.is_some());
        assert!(product.weights.iter().all(fits), "recurrence: weights must have a row for each column of A");
        carried = product.carried_columns();
    }
    if steps.rows() == 0 || products.iter().all(|product| product.weights[0].n() == 0) {
        return Ok(());
    }
    // Where sequences have one step each, several products are large ones over all rows.
    let together = if N == 1 { usize::MAX } else { MC };
    CheckedRecurrence { steps, order, state, products }.run(ctx, together);
    Ok(())
}

compile_kernels! {
    /// The kernel of [`recurrence`].
    RecurrenceKernels: GemmKernels {
        fn recurrence(RecurrencePart<'_, Self>);
    }
}

/// A recurrence whose shapes have been checked.
struct CheckedRecurrence<'a, T: Element> {
    steps: &'a Steps,
    order: Order,
    /// The first product's A where sequences begin; without it there is no product.
    state: Option<Matrix<T>>,
    products: &'a [CheckedProduct<'a, T>],
}
// SAFETY: the members of a team write disjoint sequences or columns of each C, and read what other members wrote
// only after a barrier.
unsafe impl<T: Element> Sync for CheckedRecurrence<'_, T> {}

impl<T: RecurrenceKernels> CheckedRecurrence<'_, T> {
    /// Runs it, with at most `together` sequences at a time where threads share out the batch.
    fn run(&self, ctx: &Context, together: usize) {
        let steps = self.steps;
        let macs = self.products.iter().map(CheckedProduct::macs).fold(0, usize::saturating_add);
        let batch = steps.batch();
        let threads = ctx.threads();
        let splits_batch = splits_batch(ctx, batch);
        let work = macs.saturating_mul(steps.rows());
        let fits = macs.saturating_mul(size_of::<T>()) <= FIRST_CACHE; // a multiply-add of a row is a weight
        let part = macs.saturating_mul(batch) / (threads * self.products.len());
        let worth = splits_batch || worth_a_barrier(part, fits, Duration::ZERO);
        let mut team = ctx.team(work, if worth { usize::MAX } else { 1 });
        // Tests share out the columns on any machine, however small or busy.
        let latency = if splits_batch || cfg!(test) { None } else { team.barrier_latency() };
        if latency.is_some_and(|latency| !worth_a_barrier(part, fits, latency)) {
            drop(team); // it has the threads
            team = ctx.team(work, 1);
        }
        if splits_batch {
            let parts = team.size().max(batch.div_ceil(together));
            let bounds = even_bounds(steps, parts);
            team.share(parts, |part| {
                let batch = bounds[part]..bounds[part + 1];
                T::recurrence(ctx.isa(), RecurrencePart { ctx, recurrence: self, batch, barrier: None });
            });
        } else {
            team.run(work, |member| {
                let barrier = (member.size > 1).then_some(member);
                T::recurrence(ctx.isa(), RecurrencePart { ctx, recurrence: self, batch: 0..batch, barrier });
            });
        }
    }
}

/// Whether a barrier of this latency is worth it after each `part` multiply-adds of a thread, of weights that may fit into
/// one core's first cache.
fn worth_a_barrier(part: usize, fits: bool, latency: Duration) -> bool {
    let least = if fits { WORTH_A_BARRIER } else { WORTH_A_BARRIER_FOR_CACHES };
    let longer = (latency.as_nanos() as usize).saturating_sub(USUAL_LATENCY);
    part >= longer.saturating_mul(WORTH_A_NANOSECOND).saturating_add(least)
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

/// One thread's part of a recurrence.
pub struct RecurrencePart<'a, T: Element> {
    ctx: &'a Context,
    recurrence: &'a CheckedRecurrence<'a, T>,
    batch: Range<usize>,
    /// Where to wait after each product: the members share out its panels. Without it all are this thread's.
    barrier: Option<Member<'a>>,
}

impl<T: Transcendental> Kernel<T> for RecurrencePart<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let CheckedRecurrence { steps, order, state, products } = *self.recurrence;
        let last = steps.len() - 1;
        let gated = products.iter().any(|product| product.gates.is_some());
        let slots = if gated { GATED_SLOTS } else { SLOTS };
        let mut indirection = IndirectionBuffer::new(slots, self.batch.len());
        // Ahead of the loop, since divisions are too slow for each step.
        let shares: Vec<_> = products.iter().map(|product| self.share(product)).collect();
        for turn in 0..steps.len() {
            if self.ctx.cancelled() || self.barrier.is_some_and(|member| member.stopped()) {
                if let Some(member) = &self.barrier {
                    member.stop();
                }
                return;
            }
            let (t, before) = match order {
                Order::Ascending => (turn, turn.checked_sub(1)),
                Order::Descending => (last - turn, (turn > 0).then(|| last - turn + 1)),
            };
            let next = match order {
                Order::Ascending => Some(t + 1).filter(|&next| next <= last),
                Order::Descending => t.checked_sub(1),
            };
            let size = steps.size(t);
            for (n, (product, share)) in products.iter().zip(&shares).enumerate() {
                let at = |a, next| ProductOfStep { product, share, turn, t, a, next };
                match n.checked_sub(1).map(|n| products[n].carried(steps, turn, t)) {
                    Some(carried) => self.rows(s, &mut indirection, 0..size, &at(Some(carried), next)),
                    None => {
                        let continuing = before.map_or(0, |before| steps.size(before).min(size));
                        if let Some(before) = before {
                            let carried = products[products.len() - 1].carried(steps, turn - 1, before);
                            self.rows(s, &mut indirection, 0..continuing, &at(Some(carried), next));
                        }
                        if continuing < size {
                            let state = state.map(RowsOfStep::Matrix);
                            self.rows(s, &mut indirection, continuing..size, &at(state, None));
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

/// What a thread computes of a product.
struct Share {
    panels: Range<usize>,
    columns: Range<usize>,
    /// Panels of a group, if one row is to go through them in serpentine order ([`panel_groups`]).
    serpentine: Option<usize>,
}

/// One product of one step.
struct ProductOfStep<'l, T: Element> {
    product: &'l CheckedProduct<'l, T>,
    share: &'l Share,
    /// Its number in the order of the steps.
    turn: usize,
    /// Its time.
    t: usize,
    /// A: row b belongs to sequence b. Without it there is no product.
    a: Option<RowsOfStep<'l, T>>,
    /// The step that will follow.
    next: Option<usize>,
}

impl<T: Transcendental> RecurrencePart<'_, T> {
    fn share(&self, product: &CheckedProduct<'_, T>) -> Share {
        let of_all = product.weights[0].panels;
        let all = of_all.count();
        let panels = self.barrier.as_ref().map_or(0..all, |member| member.share(all, 1));
        let columns = of_all.span(&panels);
        let k = product.weights.iter().fold(0, |sum: usize, w| sum.saturating_add(w.k()));
        let large = k.saturating_mul(columns.len() * size_of::<T>()) > FIRST_CACHE;
        Share { panels, columns, serpentine: large.then(|| of_all.group::<T>()) }
    }

    /// The sequences `batch` of a product, as far as they are this thread's.
    #[inline(always)]
    fn rows<S: Simd<T>>(
        &self,
        s: S,
        indirection: &mut IndirectionBuffer<T>,
        batch: Range<usize>,
        step: &ProductOfStep<'_, T>,
    ) {
        let batch = batch.start.max(self.batch.start)..batch.end.min(self.batch.end);
        if batch.is_empty() {
            return;
        }
        let ProductOfStep { product, share, turn, t, a, next } = *step;
        let (steps, w, first) = (self.recurrence.steps, &product.weights[0], batch.start);
        let Share { panels, columns, serpentine } = share;
        let mut slots = indirection.slots(batch.len());
        let member = self.barrier.as_ref().map_or(0, |member| member.index);
        let part = StepPart { steps, t, first, columns, member };
        let serpentine = serpentine.filter(|_| batch.len() == 1);
        let descending = serpentine.is_some() && turn % 2 == 1;
        if let Some(gates) = &product.gates {
            let a = a.map(|a| a.pointers(steps, first, slots.next()));
            let serpentine = serpentine.map(|group| (group, descending));
            let part = GatedPart { product, gates, part, turn, a, rows: batch.len(), panels, serpentine };
            // SAFETY: `CheckedProduct::gated` has checked the shapes; the rows of `a` are finished, as below; these rows and
            // columns are this thread's.
            unsafe { part.run(s, slots) };
            return;
        }
        let c = product.computed(steps, turn, t).pointers(steps, first, slots.next());
        // SAFETY: `CheckedProduct::new` has checked the matrices and their row maps, and each staging buffer is for all
        // sequences, of which this thread has these rows and columns.
        let operands = unsafe { product.operands(s, &part, a.is_some(), &mut slots) };
        let StepOperands { initial, epilogue, projection } = operands;
        let prefetch = next.filter(|_| product.prefetches).map(|t| {
            let rows = first..batch.end.min(steps.size(t)).max(first);
            product.prefetch(steps, t, &rows, &mut slots)
        });
        let mut prefetch = prefetch.as_ref();
        let left = a.map_or(c, |a| a.pointers(steps, first, slots.next()));
        let group = serpentine.unwrap_or(panels.len());
        for range in panel_groups(panels.clone(), group, descending) {
            let arguments = Arguments::<T, false> {
                a: left,
                w: w.data.as_ptr(),
                panels: Panels { k: if a.is_some() { w.k() } else { 0 }, ..w.panels },
                range,
                initial,
                c,
                epilogue,
                prefetch: prefetch.take(),
                projection: projection.as_ref(),
            };
            // SAFETY: the shapes have been checked; the rows of `a` are finished: this thread wrote them, or the barrier
            // was passed since.
            unsafe { arguments.run(s) };
        }
        if product.is_buffered() {
            let target = product.target.pointers(steps, t, first, slots.next());
            // SAFETY: these rows and columns were computed above; what is read in this step is the other half.
            unsafe { copy_rows(s, c, target, columns) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_is_worth_less_where_its_latency_is_high() {
        let [near, far] = [60, 170].map(Duration::from_nanos);
        // One sequence of 128 units on two threads: weights of 64 KB.
        assert!(worth_a_barrier(128 * 128 / 2, false, near));
        assert!(!worth_a_barrier(128 * 128 / 2, false, far));
        assert!(worth_a_barrier(192 * 192 / 2, false, far));
        // The same weights, were they in the cache of one core.
        assert!(!worth_a_barrier(128 * 128 / 2, true, near));
        assert!(worth_a_barrier(usize::MAX, true, Duration::from_secs(1)));
        assert!(!worth_a_barrier(1 << 20, true, Duration::MAX));
    }

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
