//! Teams of threads.
//!
//! A recurrence passes a barrier after each time step, every few microseconds, so the barrier spins. The pool belongs to
//! one [`crate::Context`], never to the process: dropping the context joins its threads.
//!
//! One team works at a time. A caller that finds the pool taken gets a team of one and works alone, which
//! changes no bit of its results.
//!
//! The other threads may be late, because they sleep or their processor is busy with something else: a
//! JavaScript engine has threads of its own, and each may run for milliseconds. Work without barriers is
//! claimed part by part ([`Team::share`]), so the caller goes on alone meanwhile. Work with barriers
//! ([`Team::run`]) begins with the threads that come in time, and leaves the others out.

use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::runtime::barrier::{Barrier, BarrierLatency, StartGate};
use crate::runtime::workers::{MAX_THREADS, SPIN_TIME, Workers};

/// How many multiply-adds a processor does in a nanosecond, at most: f32, two products of 512 bits a cycle.
const WORK_OF_A_NANOSECOND: usize = 128;

/// Barriers of a burst that is timed.
const BURST: u32 = 16;

/// The worker threads, made when first needed.
pub(crate) struct Pool {
    workers: Mutex<Workers>,
    /// The most threads that stay, the caller of a team counted as one.
    limit: AtomicUsize,
    /// The latency of a barrier for its teams.
    barrier_latency: Mutex<BarrierLatency>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            workers: Mutex::default(),
            limit: AtomicUsize::new(MAX_THREADS),
            barrier_latency: Mutex::default(),
        }
    }
}

impl Pool {
    /// A team of at most `wanted` members, the caller included; fewer if the pool is busy or the system
    /// gives no more threads. With `wake` false, sleeping threads are left asleep, and all but the caller with them.
    pub(crate) fn team(&self, wanted: usize, wake: bool) -> Team<'_> {
        let wanted = wanted.min(MAX_THREADS);
        let alone = || Team { workers: None, size: 1, pool: self };
        if wanted <= 1 {
            return alone();
        }
        let Some(mut workers) = self.free() else { return alone() };
        workers.keep(self.limit.load(Ordering::Relaxed).max(wanted));
        workers.grow(wanted);
        let size = wanted.min(workers.len());
        if !wake && workers.asleep(size) {
            return alone();
        }
        Team { workers: Some(workers), size, pool: self }
    }

    /// Wakes sleeping threads, as many as a team of `wanted` needs, for work that is about to come.
    pub(crate) fn rouse(&self, wanted: usize) {
        if let Some(workers) = self.free() {
            workers.wake(wanted.clamp(1, workers.len()));
        }
    }

    /// Ends the threads beyond `threads` (the caller counts as one); those of a team that is at work when that
    /// has ended, so this does not wait.
    pub(crate) fn shrink(&self, threads: usize) {
        self.limit.store(threads, Ordering::Relaxed);
        if let Some(mut workers) = self.free() {
            workers.keep(threads);
        }
    }

    /// The workers, if no team has them.
    fn free(&self) -> Option<MutexGuard<'_, Workers>> {
        match self.workers.try_lock() {
            Ok(workers) => Some(workers),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// Some threads of a pool, held by one caller.
pub struct Team<'a> {
    workers: Option<MutexGuard<'a, Workers>>,
    size: usize,
    pool: &'a Pool,
}

impl Drop for Team<'_> {
    fn drop(&mut self) {
        if let Some(workers) = &mut self.workers {
            workers.keep(self.pool.limit.load(Ordering::Relaxed));
        }
    }
}

/// One thread's place in a running team.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    /// 0 is the caller.
    pub(crate) index: usize,
    /// Members of the team.
    pub(crate) size: usize,
    barrier: &'a Barrier,
}

impl Member<'_> {
    /// Waits until all members are here.
    #[inline]
    pub(crate) fn wait(&self) {
        if self.size > 1 {
            self.barrier.wait(self.size);
        }
    }

    /// Ends the run for all: members that wait, or will, go on at once.
    pub(crate) fn stop(&self) {
        self.barrier.stop();
    }

    /// Whether a member has ended the run.
    pub(crate) fn stopped(&self) -> bool {
        self.barrier.stopped()
    }

    /// This member's [`share`] of `0..len`.
    pub(crate) fn share(&self, len: usize, grain: usize) -> Range<usize> {
        share(len, grain, self.size, self.index)
    }
}

/// Share number `i` of `count` of `0..len`, in multiples of `grain`: whole, disjoint, in order, and as even as the grain
/// allows.
pub(crate) fn share(len: usize, grain: usize, count: usize, i: usize) -> Range<usize> {
    let grains = len.div_ceil(grain);
    let bound = |i: usize| (grains * i / count * grain).min(len);
    bound(i)..bound(i + 1)
}

impl Team<'_> {
    /// Members, the caller included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Runs `body` once for each member, member 0 on this thread, and returns when all have ended. Members may
    /// wait for each other. They are those that come in time, at most [`Team::size`]: no longer than `work`,
    /// in multiply-adds, takes at least, and than a thread needs to wake. So waiting at most doubles the time.
    ///
    /// # Panics
    ///
    /// With the panic of a member, after all have ended.
    pub(crate) fn run(&mut self, work: usize, body: impl Fn(Member<'_>) + Sync) {
        let barrier = Barrier::default();
        let gate = StartGate::default();
        let others = self.size - 1;
        let patience = SPIN_TIME + Duration::from_nanos((work / WORK_OF_A_NANOSECOND) as u64);
        self.start(|index| {
            let place = if index == 0 { Some((0, gate.close(others, patience))) } else { gate.enter() };
            let Some((index, size)) = place else { return };
            let member = Member { index, size, barrier: &barrier };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(member))) {
                barrier.break_up();
                resume_unwind(panic);
            }
        });
    }

    /// The latency of a barrier of the team: tens of nanoseconds where the processors share a cache, hundreds
    /// where a line goes through a network. The first calls for teams of a size measure it, each in some microseconds.
    /// `None` for a team of one, or as long as the others have not been in time.
    pub(crate) fn barrier_latency(&mut self) -> Option<Duration> {
        if self.size == 1 {
            return None;
        }
        let mut latency = self.pool.barrier_latency.lock().unwrap_or_else(PoisonError::into_inner);
        latency.median(self.size, || self.measure_barrier())
    }

    /// The latency of a barrier in the mean of a burst, if all members come in time.
    fn measure_barrier(&mut self) -> Option<Duration> {
        let size = self.size;
        let measured = OnceLock::new();
        self.run(0, |member| {
            if member.size < size {
                return;
            }
            member.wait();
            let begin = Instant::now();
            for _ in 0..BURST {
                member.wait();
            }
            if member.index == 0 {
                measured.get_or_init(|| begin.elapsed() / BURST);
            }
        });
        measured.into_inner()
    }

    /// Runs `body` once for each of `parts`, each on whichever thread is free first, and returns when all have
    /// ended. Parts must not wait for each other.
    ///
    /// # Panics
    ///
    /// With the panic of a part; parts that have not begun are then left out.
    pub(crate) fn share(&mut self, parts: usize, body: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        self.start(|_| {
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts {
                    return;
                }
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(part))) {
                    next.store(parts, Ordering::Relaxed);
                    resume_unwind(panic);
                }
            }
        });
    }

    /// Runs `body` for each member that comes in time, and returns when all have ended.
    fn start(&mut self, body: impl Fn(usize) + Sync) {
        match &mut self.workers {
            Some(workers) if self.size > 1 => workers.run(self.size, body),
            _ => body(0),
        }
    }
}

impl fmt::Debug for Team<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Team").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
