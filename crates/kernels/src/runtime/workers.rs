//! Threads that wait for jobs, and are inside one within a microsecond.
//!
//! ```text
//! caller    closure, job number -> open       its own part     closed      waits until no worker is inside
//! worker    reads a new number, enters, checks again that the job is open, does its part, leaves
//! ```
//!
//! A worker that enters after the job is closed does nothing. Between jobs a worker spins for a short while before it sleeps.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::runtime::barrier::{SPINS_PER_LOOK, spin_until};
use crate::runtime::denormals::Mode;

/// How long a waiting worker spins before it sleeps: about the price of waking it.
pub(crate) const SPIN_TIME: Duration = Duration::from_micros(50);

/// The members of a job are counted in the low bits of its number.
const MEMBER_BITS: u32 = 16;

/// The most threads that a pool can have.
pub(crate) const MAX_THREADS: usize = (1 << MEMBER_BITS) - 1;

/// What a member of a team runs. The pointer of a job is erased to this.
type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// The threads of a job other than its caller.
#[derive(Default)]
pub(crate) struct Workers {
    state: Arc<JobState>,
    threads: Vec<Worker>,
}

struct Worker {
    thread: Thread,
    handle: Option<JoinHandle<()>>,
    asleep: Arc<AtomicBool>,
}

/// The state of a job, which the caller and the workers share.
#[derive(Default)]
struct JobState {
    /// (number of the job) << 16 | members of its team. A worker whose index is below the members enters the
    /// job. Closed, a job has no members.
    job: AtomicUsize,
    /// Points to the caller's `Job`, valid while that job is open or a worker is inside.
    closure: AtomicPtr<Job<'static>>,
    /// Workers that are inside a job, or about to find that it is closed.
    inside: AtomicUsize,
    stop: AtomicBool,
}

impl Workers {
    /// Ends all threads if they, and a caller, are more than `threads`; the next team makes what it needs.
    pub(crate) fn keep(&mut self, threads: usize) {
        if self.len() > threads {
            *self = Self::default();
        }
    }

    /// Threads, a caller included.
    pub(crate) fn len(&self) -> usize {
        self.threads.len() + 1
    }

    /// Adds threads until they, and a caller, are `threads`, or the system gives no more.
    pub(crate) fn grow(&mut self, threads: usize) {
        while self.len() < threads && self.spawn() {}
    }

    /// Adds a thread; false if the system has none.
    fn spawn(&mut self) -> bool {
        let index = self.len();
        let asleep = Arc::new(AtomicBool::new(false));
        let (state, sleeping) = (Arc::clone(&self.state), Arc::clone(&asleep));
        let seen = self.state.job.load(Ordering::Acquire);
        let spawned = thread::Builder::new()
            .name(format!("elman-{index}"))
            .spawn(move || work(&state, &sleeping, index, seen));
        match spawned {
            Ok(handle) => {
                self.threads.push(Worker { thread: handle.thread().clone(), handle: Some(handle), asleep });
                true
            }
            Err(_) => false,
        }
    }

    /// Runs `body` for 0 on this thread, and for each of the workers below `members` that comes in time. Returns when all
    /// have ended.
    ///
    /// # Panics
    ///
    /// With the panic of one of them; or if there are fewer than `members`, the caller one of them.
    pub(crate) fn run(&mut self, members: usize, body: impl Fn(usize) + Sync) {
        // Before the job is open: nothing may unwind while a worker can be inside.
        assert!((1..=self.len()).contains(&members), "a job has members that are there");
        let failure: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
        let mode = Mode::of_thread();
        let guarded = |index: usize| {
            let _mode = (index > 0).then(|| mode.enter());
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(index))) {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
            }
        };
        let closure: Job<'_> = &guarded;
        let state = &self.state;
        let pointer: *const Job<'_> = ptr::from_ref(&closure);
        state.closure.store(pointer.cast::<Job<'static>>().cast_mut(), Ordering::Release);
        let number = ((state.job.load(Ordering::Relaxed) >> MEMBER_BITS) + 1) << MEMBER_BITS;
        state.job.store(number | members, Ordering::SeqCst);
        self.wake(members);
        guarded(0);
        state.job.store(number, Ordering::SeqCst);
        spin_until(|| state.inside.load(Ordering::SeqCst) == 0);
        if let Some(panic) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }

    /// Whether one of the workers sleeps that a job of `members` would have, the caller one of them.
    pub(crate) fn asleep(&self, members: usize) -> bool {
        self.threads[..members - 1].iter().any(|worker| worker.asleep.load(Ordering::Relaxed))
    }

    /// Wakes the workers that sleep of those that a job of `members` would have.
    pub(crate) fn wake(&self, members: usize) {
        for worker in &self.threads[..members - 1] {
            if worker.asleep.load(Ordering::SeqCst) {
                worker.thread.unpark();
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        for worker in &mut self.threads {
            worker.thread.unpark();
            if let Some(handle) = worker.handle.take() {
                // A worker catches the panics of its jobs, so it has nothing to report here.
                let _ = handle.join();
            }
        }
    }
}

/// Waits for another job than `seen`, or for the end.
fn next_job(state: &JobState, asleep: &AtomicBool, seen: usize) -> usize {
    let changed = || {
        let job = state.job.load(Ordering::SeqCst);
        (job != seen || state.stop.load(Ordering::SeqCst)).then_some(job)
    };
    loop {
        let begin = Instant::now();
        while begin.elapsed() < SPIN_TIME {
            for _ in 0..SPINS_PER_LOOK {
                if let Some(job) = changed() {
                    return job;
                }
                std::hint::spin_loop();
            }
        }
        // The flag is set before the job is read again, and the caller writes the job before it reads the
        // flag: one of the two sees the other.
        asleep.store(true, Ordering::SeqCst);
        if let Some(job) = changed() {
            asleep.store(false, Ordering::SeqCst);
            return job;
        }
        thread::park();
        asleep.store(false, Ordering::SeqCst);
    }
}

/// The loop of worker `index`.
fn work(state: &JobState, asleep: &AtomicBool, index: usize, mut seen: usize) {
    loop {
        let job = next_job(state, asleep, seen);
        if state.stop.load(Ordering::Relaxed) {
            return;
        }
        seen = job;
        if index < job & MAX_THREADS {
            // First inside, then a second look at the job: the caller closes it first and then looks
            // for workers inside, so one of the two sees the other.
            state.inside.fetch_add(1, Ordering::SeqCst);
            if state.job.load(Ordering::SeqCst) == job {
                let closure = state.closure.load(Ordering::Acquire);
                // SAFETY: the job was open when this worker was inside already, so `Workers::run` keeps the
                // closure alive until the worker has left.
                let closure = unsafe { *closure };
                closure(index);
            }
            state.inside.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_done_by_the_caller_and_by_workers_that_come_in_time() {
        let mut workers = Workers::default();
        workers.grow(3);
        assert_eq!(workers.len(), 3);
        let done: [AtomicUsize; 3] = Default::default();
        let mut runs = 0;
        while done.iter().any(|done| done.load(Ordering::SeqCst) == 0) {
            workers.run(3, |index| {
                done[index].fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_micros(100)); // open long enough for the others
            });
            runs += 1;
        }
        let [caller, others @ ..] = done.map(AtomicUsize::into_inner);
        assert_eq!(caller, runs);
        assert!(others.iter().all(|&other| other <= runs));
    }

    #[test]
    fn fewer_members_than_there_are_threads() {
        let mut workers = Workers::default();
        workers.grow(3);
        for _ in 0..1000 {
            workers.run(2, |index| assert!(index < 2));
        }
        workers.keep(2);
        assert_eq!(workers.len(), 1, "all are ended, since there were too many");
    }

    #[test]
    #[should_panic(expected = "members that are there")]
    fn more_members_than_there_are() {
        Workers::default().run(2, |_| {});
    }
}
