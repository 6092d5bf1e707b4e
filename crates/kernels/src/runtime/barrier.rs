//! Where the threads of a team wait for each other: a gate before a run, a barrier within it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Spins between two looks at the clock; one takes 10 to 140 cycles, depending on the processor.
pub(crate) const SPINS_PER_LOOK: usize = 32;

/// Spins before a thread that waits for others offers its processor: a few microseconds.
const SPINS_BEFORE_YIELD: usize = 500;

/// Waits by spinning, and after a while offers the processor to others.
pub(crate) fn spin_until(mut done: impl FnMut() -> bool) {
    let mut spins = 0;
    while !done() {
        spins += 1;
        if spins < SPINS_BEFORE_YIELD { std::hint::spin_loop() } else { thread::yield_now() }
    }
}

/// Where the threads of a run gather before it begins. Threads that come after it is closed are left out.
#[derive(Default)]
#[repr(align(128))] // see `Barrier`
pub(crate) struct StartGate {
    /// How many threads other than the caller have come, and [`StartGate::CLOSED`].
    came: AtomicUsize,
    /// The members of the run; 0 until the gate is closed.
    size: AtomicUsize,
}

impl StartGate {
    const CLOSED: usize = 1 << (usize::BITS - 1);

    /// Waits until `others` have come or `patience` is over; gives the number of members, the caller included.
    pub(crate) fn close(&self, others: usize, patience: Duration) -> usize {
        let complete = || self.came.load(Ordering::Acquire) == others;
        if !complete() {
            let begin = Instant::now();
            let mut looks = 0;
            spin_until(|| {
                looks += 1;
                complete() || (looks % SPINS_PER_LOOK == 0 && begin.elapsed() > patience)
            });
        }
        let size = 1 + self.came.fetch_or(Self::CLOSED, Ordering::AcqRel);
        self.size.store(size, Ordering::Release);
        size
    }

    /// Waits until the gate is closed; gives this thread's index and the number of members, or nothing if it
    /// has been closed.
    pub(crate) fn enter(&self) -> Option<(usize, usize)> {
        let before = self.came.fetch_add(1, Ordering::AcqRel);
        if before >= Self::CLOSED {
            return None;
        }
        let mut size = 0;
        spin_until(|| {
            size = self.size.load(Ordering::Acquire);
            size > 0
        });
        Some((before + 1, size))
    }
}

/// A barrier that spins. It has two lines to itself, since processors fetch pairs of them: it may lie on the stack of the
/// caller, whose writes to the same line would take it away from the threads that wait.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Barrier {
    arrived: AtomicUsize,
    round: AtomicUsize,
    /// A member has panicked and will not come.
    broken: AtomicBool,
    /// A member has ended the run and will not come.
    stopped: AtomicBool,
}

impl Barrier {
    /// Waits until all `size` members are here.
    ///
    /// # Panics
    ///
    /// If another member has panicked.
    pub(crate) fn wait(&self, size: usize) {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == size {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let gone = || self.broken.load(Ordering::Acquire) || self.stopped();
        spin_until(|| self.round.load(Ordering::Acquire) != round || gone());
        assert!(
            self.round.load(Ordering::Acquire) != round || self.stopped(),
            "another thread of the team panicked"
        );
    }

    /// Says that a member has panicked: members that wait, or will, panic too.
    pub(crate) fn break_up(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Ends the waiting: members that wait, or will, go on at once.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether a member has ended the waiting.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// How many measured latencies are kept of a team, and how often they are measured for that.
const TIMES: usize = 15;
const TRIES: usize = 60;

/// A barrier that takes as long was held up: the processors are busy with something else, or the team has only one.
const HELD_UP: Duration = Duration::from_micros(1);

/// The latency of a barrier for the members of a team.
#[derive(Default)]
pub(crate) struct BarrierLatency {
    /// Members of the team.
    size: usize,
    tries: usize,
    /// The shortest first.
    times: Vec<Duration>,
}

impl BarrierLatency {
    /// The median for teams of `size`, which the first calls find out by `measure`; `None` until that gives a time.
    pub(crate) fn median(
        &mut self,
        size: usize,
        measure: impl FnOnce() -> Option<Duration>,
    ) -> Option<Duration> {
        if self.size != size {
            *self = Self { size, ..Self::default() };
        }
        if self.times.len() < TIMES && self.tries < TRIES {
            self.tries += 1;
            if let Some(time) = measure().filter(|&time| time < HELD_UP) {
                self.times.insert(self.times.partition_point(|&shorter| shorter < time), time);
            }
        }
        self.times.get(self.times.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latency_is_a_median() {
        let nanos = |n| Some(Duration::from_nanos(n));
        let mut latency = BarrierLatency::default();
        assert_eq!(latency.median(2, || None), None);
        assert_eq!(latency.median(2, || nanos(6000)), None, "held up");
        assert_eq!(latency.median(2, || nanos(90)), nanos(90));
        assert_eq!(latency.median(2, || nanos(30)), nanos(90));
        assert_eq!(latency.median(2, || nanos(40)), nanos(40));
        for _ in 3..TIMES {
            latency.median(2, || nanos(50));
        }
        assert_eq!(latency.median(2, || panic!("enough is known")), nanos(50));
        for _ in 0..TRIES {
            assert_eq!(latency.median(3, || None), None, "another team");
        }
        assert_eq!(latency.median(3, || panic!("no thread ever came in time")), None);
    }

    #[test]
    fn late_threads_are_left_out() {
        let gate = StartGate::default();
        let in_time = thread::scope(|scope| {
            let in_time = scope.spawn(|| gate.enter());
            assert_eq!(gate.close(1, Duration::MAX), 2);
            in_time.join().unwrap()
        });
        assert_eq!(in_time, Some((1, 2)));
        assert_eq!(gate.enter(), None);

        let gate = StartGate::default();
        assert_eq!(gate.close(2, Duration::ZERO), 1);
        assert_eq!([gate.enter(), gate.enter()], [None, None]);
    }
}
