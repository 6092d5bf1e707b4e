//! What a kernel call works with: instruction set, threads and scratch memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::runtime::pool::{Pool, Team};
use crate::runtime::scratch::{AllocError, Arena, Scratch};
use crate::runtime::workers::MAX_THREADS;
use crate::simd::element::Element;
use crate::simd::isa::Isa;

/// How many multiply-adds take as long as going through one element: moving it, adding it up or hashing it.
pub(crate) const MACS_PER_ELEMENT: usize = 16;

/// Multiply-adds below which a call stays on its thread: about 10 µs of work.
const WORTH_A_TEAM: usize = 1 << 19;

/// Multiply-adds for which a thread that sleeps is woken. That costs up to 50 µs; and where calls are so short and so
/// far apart that threads fall asleep, the time between them is a JavaScript engine's, whose own threads use the
/// other processors.
const WORTH_WAKING: usize = 1 << 21;

/// Multiply-adds of a pass before which sleeping threads are woken, so that they are ready when they are needed.
const WORTH_ROUSING: usize = 1 << 24;

/// An instruction set, a pool of threads and an arena of scratch memory, shared by all clones.
///
/// The threads start when the first call needs them and are joined when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Context {
    resources: Arc<Resources>,
    /// Whether calls stay on their own thread.
    alone: bool,
    /// Set by another thread when the results are no longer wanted.
    cancel: Option<Arc<AtomicBool>>,
}

#[derive(Debug)]
struct Resources {
    isa: Isa,
    threads: AtomicUsize,
    pool: Pool,
    arena: Arena,
}

impl Context {
    /// A context of its own for `isa`, with up to `threads` threads (at least 1), the caller's included.
    pub fn new(isa: Isa, threads: usize) -> Self {
        let threads = AtomicUsize::new(threads.clamp(1, MAX_THREADS));
        let resources = Resources { isa, threads, pool: Pool::default(), arena: Arena::default() };
        Self { resources: Arc::new(resources), alone: false, cancel: None }
    }

    /// The same context for calls that must stay on their own thread.
    #[must_use]
    pub fn single(&self) -> Self {
        Self { alone: true, ..self.clone() }
    }

    /// The same context for calls that end early once `flag` is set: every kernel looks at it after each
    /// step, block of rows or chunk, and leaves what it has not written yet as it is.
    #[must_use]
    pub fn cancellable(&self, flag: Arc<AtomicBool>) -> Self {
        Self { cancel: Some(flag), ..self.clone() }
    }

    /// Whether results are no longer wanted: those of kernels that have run since are unspecified.
    pub fn cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.resources.isa
    }

    /// The most threads that a call uses, its own included.
    pub fn threads(&self) -> usize {
        if self.alone { 1 } else { self.resources.threads.load(Ordering::Relaxed) }
    }

    /// Sets the number of threads (at least 1) for all clones; surplus ones are joined, at once or when the
    /// call that uses them ends.
    pub fn set_threads(&self, threads: usize) {
        let threads = threads.clamp(1, MAX_THREADS);
        self.resources.threads.store(threads, Ordering::Relaxed);
        self.resources.pool.shrink(threads);
    }

    /// `len` elements of scratch memory with unspecified contents.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is not enough memory.
    pub fn scratch<T: Element>(&self, len: usize) -> Result<Scratch<'_, T>, AllocError> {
        self.resources.arena.take(len)
    }

    /// Gives scratch memory that is not in use back to the system, for calls that are to leave little behind.
    pub fn free_scratch(&self) {
        self.resources.arena.clear();
    }

    /// A team for at most `parts` parts of work: of one, if `work`, in multiply-adds, is too little to share.
    pub fn team(&self, work: usize, parts: usize) -> Team<'_> {
        let wanted = if work < WORTH_A_TEAM { 1 } else { parts.min(self.threads()) };
        self.resources.pool.team(wanted, work >= WORTH_WAKING)
    }

    /// Wakes sleeping threads if a pass of `work` multiply-adds begins that will need them.
    pub fn rouse(&self, work: usize) {
        let threads = self.threads();
        if threads > 1 && work >= WORTH_ROUSING {
            self.resources.pool.rouse(threads);
        }
    }

    /// Calls `body` with each item. With at least as many items as threads, each item stays on one thread
    /// and items run in parallel; otherwise, or if `work` (multiply-adds of all items) is too little to
    /// share, they run one after the other, each with all threads.
    ///
    /// # Errors
    ///
    /// The first item's error, after all have ended.
    pub fn each<I: Send, E: Send>(
        &self,
        work: usize,
        items: impl IntoIterator<Item = I, IntoIter: ExactSizeIterator>,
        body: impl Fn(&Self, I) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let mut items = items.into_iter();
        let count = items.len();
        let mut team = self.team(work, if count >= self.threads() { count } else { 1 });
        if team.size() == 1 {
            drop(team);
            return items.try_for_each(|item| body(self, item));
        }
        let slots: Vec<_> = items.map(|item| Mutex::new(Some(item))).collect();
        let results: Vec<_> = slots.iter().map(|_| Mutex::new(Ok(()))).collect();
        let single = self.single();
        team.share(count, |i| {
            let item = slots[i].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(item) = item {
                let result = body(&single, item);
                *results[i].lock().unwrap_or_else(PoisonError::into_inner) = result;
            }
        });
        results.into_iter().try_for_each(|r| r.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runs_every_item_and_reports_the_first_error() {
        for threads in [1, 2, 3] {
            let ctx = Context::new(Isa::detect(), threads);
            let ran = AtomicUsize::new(0);
            let result = ctx.each(usize::MAX, vec![1, 2, 3, 4], |_, item| {
                ran.fetch_add(item, Ordering::SeqCst);
                if item % 2 == 0 { Err(item) } else { Ok(()) }
            });
            assert_eq!(result, Err(2));
            if threads > 1 {
                assert_eq!(ran.into_inner(), 10);
            }
        }
    }

    #[test]
    fn threads_can_be_changed() {
        let ctx = Context::new(Isa::detect(), 0);
        assert_eq!((ctx.threads(), ctx.team(usize::MAX, 9).size()), (1, 1));
        ctx.set_threads(3);
        assert_eq!((ctx.threads(), ctx.team(usize::MAX, 9).size()), (3, 3));
        assert_eq!(ctx.team(usize::MAX, 2).size(), 2);
        assert_eq!((ctx.single().threads(), ctx.single().team(usize::MAX, 3).size()), (1, 1));
        ctx.set_threads(1);
        assert_eq!(ctx.team(usize::MAX, 9).size(), 1);
    }
}
