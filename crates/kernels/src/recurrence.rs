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
//! What is read beside the product, and y itself, may have [`Places`](crate::Places): a tile reads and writes rows
//! wherever they are. Where they are far from each other, each step fetches and delivers its own, on the thread that
//! computes them; of y then only two steps are in such a room, the one that is computed and the one that it continues:
//! they never leave the first caches.

use std::ops::Range;
use std::time::Duration;

use crate::block::Block;
use crate::isa::{Simd, Task};
use crate::link::{Beside, LISTS, Left, Link, Span, by_rows};
use crate::matrix::{Lists, Matrix, copy_rows};
use crate::pack::{Panels, groups};
use crate::pool::Member;
use crate::terms::Order;
use crate::{Context, Scalar, Steps};

/// Multiply-adds that a thread must have before each barrier to make it worth it: 1 µs of work.
const WORTH_A_BARRIER: usize = 1 << 15;

/// The same if the weights are too large for one core's first cache: shared out they are read from there at each step,
/// and not from the second.
const WORTH_A_BARRIER_FOR_CACHES: usize = 1 << 12;

/// A meeting at a barrier that takes no longer than this, in nanoseconds, is in both numbers above.
const USUAL_MEETING: usize = 100;

/// Multiply-adds that a thread must have more than those for each nanosecond that a meeting takes longer.
const WORTH_A_NANOSECOND: usize = 112;

/// Bytes of a first cache: 32 KB on Zen 3 and 4, 48 KB on Zen 5; 64 KB on Arm's Neoverse cores; 128 KB on those of Apple
/// silicon that compute fast (`hw.perflevel0.l1dcachesize`).
const FIRST_CACHE: usize = match (cfg!(target_arch = "aarch64"), cfg!(target_vendor = "apple")) {
    (true, true) => 128 << 10,
    (true, false) => 64 << 10,
    _ => 48 << 10,
};

impl<T: Scalar> Plan<'_, T> {
    /// Runs the recurrence, with at most `together` sequences at a time where threads share out the batch.
    pub(crate) fn run(&self, ctx: &Context, together: usize) {
        let steps = self.steps;
        let macs = self.links.iter().fold(0usize, |sum, Link { weights, .. }| {
            sum.saturating_add(weights.k().saturating_mul(weights.n()))
        });
        let batch = steps.batch();
        let threads = ctx.threads();
        let by_rows = by_rows(ctx, batch);
        let work = macs.saturating_mul(steps.rows());
        let fits = macs.saturating_mul(size_of::<T>()) <= FIRST_CACHE; // a multiply-add of a row is a weight
        let part = macs.saturating_mul(batch) / (threads * self.links.len());
        let worth = by_rows || worth_a_barrier(part, fits, Duration::ZERO);
        let mut team = ctx.team(work, if worth { usize::MAX } else { 1 });
        // Tests share out the columns on any machine, however small or busy.
        let meeting = if by_rows || cfg!(test) { None } else { team.meeting() };
        if meeting.is_some_and(|meeting| !worth_a_barrier(part, fits, meeting)) {
            drop(team); // it has the threads
            team = ctx.team(work, 1);
        }
        if by_rows {
            let parts = team.size().max(batch.div_ceil(together));
            let bounds = even_bounds(steps, parts);
            team.share(parts, |part| {
                let batch = bounds[part]..bounds[part + 1];
                T::chain(ctx.isa(), Run { ctx, plan: self, batch, barrier: None });
            });
        } else {
            team.run(work, |member| {
                let barrier = (member.size > 1).then_some(member);
                T::chain(ctx.isa(), Run { ctx, plan: self, batch: 0..batch, barrier });
            });
        }
    }
}

/// Whether a barrier is worth it after each `part` multiply-adds of a thread, of weights that may fit into one core's first
/// cache, if the threads take this long to meet.
fn worth_a_barrier(part: usize, fits: bool, meeting: Duration) -> bool {
    let least = if fits { WORTH_A_BARRIER } else { WORTH_A_BARRIER_FOR_CACHES };
    let longer = (meeting.as_nanos() as usize).saturating_sub(USUAL_MEETING);
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

/// A recurrence whose shapes have been checked: in each step the links follow each other, and the first one's A is
/// what the last one made in the step before.
pub(crate) struct Plan<'a, T: Scalar> {
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
pub struct Run<'a, T: Scalar> {
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
        let mut lists = Lists::new(LISTS, self.batch.len());
        let shares: Vec<_> = links.iter().map(|link| self.share(link)).collect(); // divisions are too slow for each step
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
            for (n, (link, share)) in links.iter().zip(&shares).enumerate() {
                let at = |a, next| LinkStep { link, share, turn: i, t, a, next };
                match n.checked_sub(1).map(|n| links[n].made(steps, i, t)) {
                    Some(made) => self.rows(s, &mut lists, 0..size, &at(Some(made), next)),
                    None => {
                        let continuing = before.map_or(0, |before| steps.size(before).min(size));
                        if let Some(before) = before {
                            let previous = links[links.len() - 1].made(steps, i - 1, before);
                            self.rows(s, &mut lists, 0..continuing, &at(Some(previous), next));
                        }
                        if continuing < size {
                            self.rows(s, &mut lists, continuing..size, &at(state.map(Left::Matrix), None));
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

/// What a thread computes of a link.
struct Share {
    panels: Range<usize>,
    columns: Range<usize>,
    /// Panels of one row that are multiplied before the next ones, and begun with in the step after, if any come so: one
    /// row reads each weight once and does little with it, and what it read last is there yet.
    there_and_back: Option<usize>,
}

/// One link of one step.
struct LinkStep<'l, T: Scalar> {
    link: &'l Link<'l, T>,
    share: &'l Share,
    /// Its number in the order of the steps.
    turn: usize,
    /// Its time.
    t: usize,
    /// What is multiplied: row b belongs to sequence b. Without it there is no product.
    a: Option<Left<'l, T>>,
    /// The step that will follow.
    next: Option<usize>,
}

impl<T: Scalar> Run<'_, T> {
    fn share(&self, link: &Link<'_, T>) -> Share {
        let w = link.weights;
        let all = w.panels.count();
        let panels = self.barrier.as_ref().map_or(0..all, |member| member.share(all, 1));
        let columns = w.panels.span(&panels);
        let large = w.k().saturating_mul(columns.len() * size_of::<T>()) > FIRST_CACHE;
        Share { panels, columns, there_and_back: large.then(|| w.panels.group::<T>()) }
    }

    /// The sequences `batch` of a link, as far as they are this thread's.
    #[inline(always)]
    fn rows<S: Simd<T>>(&self, s: S, lists: &mut Lists<T>, batch: Range<usize>, step: &LinkStep<'_, T>) {
        let batch = batch.start.max(self.batch.start)..batch.end.min(self.batch.end);
        if batch.is_empty() {
            return;
        }
        let LinkStep { link, share, turn, t, a, next } = *step;
        let (steps, w, first) = (self.plan.steps, link.weights, batch.start);
        let Share { panels, columns, there_and_back } = share;
        let mut lists = lists.of(batch.len());
        let member = self.barrier.as_ref().map_or(0, |member| member.index);
        let at = Span { steps, t, first, columns, member };
        let made = link.made(steps, turn, t).list(steps, first, lists.next());
        // SAFETY: `Link::new` has checked the matrices and their places, and each room is for all sequences, of which
        // this thread has these rows and columns.
        let Beside { base, finish, before } = unsafe { link.beside(s, &at, a.is_some(), &mut lists) };
        let ahead = next.filter(|_| link.far).map(|t| {
            let rows = first..batch.end.min(steps.size(t)).max(first);
            link.ahead(steps, t, &rows, &mut lists)
        });
        let mut ahead = ahead.as_ref();
        let left = a.map_or(made, |a| a.list(steps, first, lists.next()));
        let there_and_back = there_and_back.filter(|_| batch.len() == 1);
        let group = there_and_back.unwrap_or(panels.len());
        for range in groups(panels.clone(), group, there_and_back.is_some() && turn % 2 == 1) {
            let block = Block::<T, false> {
                a: left,
                w: w.data.as_ptr(),
                panels: Panels { k: if a.is_some() { w.k() } else { 0 }, ..w.panels },
                range,
                base,
                c: made,
                finish,
                ahead: ahead.take(),
                before: before.as_ref(),
            };
            // SAFETY: shapes that `Link::new` and those who make a plan have checked; the rows of `a` are finished:
            // this thread wrote them, or the barrier was passed since.
            unsafe { block.compute(s) };
        }
        if link.halves.is_some() {
            // SAFETY: these rows and columns were made above; what is read in this step is the other half.
            unsafe { copy_rows(s, made, link.c.list(steps, t, first, lists.next()), columns) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_is_worth_less_where_threads_meet_slowly() {
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
