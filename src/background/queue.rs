//! The queue of the tasks of the process.
//!
//! At most [`AT_ONCE`] tasks run at the same time, in the order in which they were started, whichever environment they
//! belong to. They have threads of their own: libuv's threads stay free for file and DNS work. A thread ends when nothing
//! waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Tasks that run at the same time.
const AT_ONCE: usize = 2;

/// Something to run.
pub(crate) struct Entry {
    /// The environment that wants the result.
    pub(crate) environment: usize,
    /// Set when the result is no longer wanted.
    pub(crate) cancel: Arc<AtomicBool>,
    /// Does the work and stores its outcome. Must not panic.
    pub(crate) work: Box<dyn FnOnce() + Send>,
    /// Tells the environment; called after the work, or instead if that was cancelled before it began.
    pub(crate) done: Box<dyn FnOnce() + Send>,
}

/// An entry that runs.
struct Running {
    environment: usize,
    cancel: Arc<AtomicBool>,
}

struct Queue {
    waiting: VecDeque<Entry>,
    running: Vec<Running>,
    /// Threads that have not yet found the queue empty.
    threads: usize,
    handles: Vec<JoinHandle<()>>,
}

static QUEUE: Mutex<Queue> =
    Mutex::new(Queue { waiting: VecDeque::new(), running: Vec::new(), threads: 0, handles: Vec::new() });

/// Told when an entry has run.
static CHANGED: Condvar = Condvar::new();

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts an entry at the end; gives it back if the system has no thread that could ever run it.
pub(crate) fn push(entry: Entry) -> Result<(), Entry> {
    let mut queue = queue();
    if queue.threads < AT_ONCE {
        queue.handles.retain(|handle| !handle.is_finished());
        match thread::Builder::new().name("elman-task".into()).spawn(serve) {
            Ok(handle) => {
                queue.threads += 1;
                queue.handles.push(handle);
            }
            Err(_) if queue.threads == 0 => return Err(entry),
            Err(_) => {}
        }
    }
    queue.waiting.push_back(entry);
    Ok(())
}

/// Cancels the entry that has this flag: at once if it waits, else at its next cancellation point.
pub(crate) fn cancel(flag: &Arc<AtomicBool>) {
    flag.store(true, Ordering::Relaxed);
    let entry = {
        let mut queue = queue();
        let place = queue.waiting.iter().position(|entry| Arc::ptr_eq(&entry.cancel, flag));
        place.and_then(|place| queue.waiting.remove(place))
    };
    if let Some(entry) = entry {
        (entry.done)();
    }
}

/// An environment ends: drops its entries that wait, and waits for those that run.
pub(crate) fn end(environment: usize) {
    let mut queue = queue();
    let (gone, waiting) = queue.waiting.drain(..).partition(|entry| entry.environment == environment);
    queue.waiting = waiting;
    let _: VecDeque<Entry> = gone;
    loop {
        let mut its_own = queue.running.iter().filter(|one| one.environment == environment).peekable();
        if its_own.peek().is_none() {
            return;
        }
        its_own.for_each(|one| one.cancel.store(true, Ordering::Relaxed));
        queue = CHANGED.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Waits for the threads, when the last environment has ended: nothing waits or runs any more.
pub(crate) fn join() {
    let handles = std::mem::take(&mut queue().handles);
    for handle in handles {
        // The threads do not panic, so they have nothing to report.
        let _ = handle.join();
    }
}

/// Runs what waits until nothing does.
fn serve() {
    let mut queue = queue();
    loop {
        let Some(Entry { environment, cancel, work, done }) = queue.waiting.pop_front() else {
            queue.threads -= 1;
            return;
        };
        let this = Arc::clone(&cancel);
        queue.running.push(Running { environment, cancel });
        drop(queue);
        work();
        queue = self::queue();
        queue.running.retain(|one| !Arc::ptr_eq(&one.cancel, &this));
        drop(queue);
        CHANGED.notify_all();
        done();
        queue = self::queue();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    /// The tests share the queue of the process.
    static ALONE: Mutex<()> = Mutex::new(());
    const LONG: Duration = Duration::from_secs(20);

    struct Log {
        told: Sender<String>,
        heard: Receiver<String>,
    }

    impl Log {
        fn new() -> Self {
            let (told, heard) = channel();
            Self { told, heard }
        }

        fn next(&self) -> String {
            self.heard.recv_timeout(LONG).unwrap_or_else(|_| "nothing".into())
        }

        /// Starts an entry that waits for a message on the returned channel, or for its cancellation.
        fn start(&self, environment: usize, name: &'static str) -> (Sender<()>, Arc<AtomicBool>) {
            let (go, wait) = channel();
            let (began, ended) = (self.told.clone(), self.told.clone());
            let cancel = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&cancel);
            let work = move || {
                let _ = began.send(format!("{name} begins"));
                while !flag.load(Ordering::Relaxed) && wait.recv_timeout(Duration::from_millis(1)).is_err() {}
            };
            let done = move || {
                let _ = ended.send(format!("{name} ends"));
            };
            let entry = Entry {
                environment,
                cancel: Arc::clone(&cancel),
                work: Box::new(work),
                done: Box::new(done),
            };
            assert!(push(entry).is_ok());
            (go, cancel)
        }
    }

    #[test]
    fn two_run_at_once_and_the_others_in_their_order() {
        let _alone = ALONE.lock();
        let log = Log::new();
        let (a, _) = log.start(1, "a");
        assert_eq!(log.next(), "a begins");
        let (b, _) = log.start(2, "b");
        assert_eq!(log.next(), "b begins");
        let (c, d) = (log.start(1, "c").0, log.start(2, "d").0);
        assert!(log.heard.recv_timeout(Duration::from_millis(50)).is_err(), "a third one runs");
        b.send(()).unwrap();
        assert_eq!([log.next(), log.next()], ["b ends", "c begins"]);
        a.send(()).unwrap();
        assert_eq!([log.next(), log.next()], ["a ends", "d begins"]);
        for (end, name) in [(d, "d ends"), (c, "c ends")] {
            end.send(()).unwrap();
            assert_eq!(log.next(), name);
        }
        join();
    }

    #[test]
    fn what_is_cancelled_ends_at_once() {
        let _alone = ALONE.lock();
        let log = Log::new();
        let (_go, a) = log.start(1, "a");
        assert_eq!(log.next(), "a begins");
        let (b_go, _) = log.start(1, "b");
        assert_eq!(log.next(), "b begins");
        let (_go_c, c) = log.start(1, "c");
        cancel(&c);
        assert_eq!(log.next(), "c ends", "without having begun");
        cancel(&a);
        assert_eq!(log.next(), "a ends");
        b_go.send(()).unwrap();
        assert_eq!(log.next(), "b ends");
        cancel(&c); // twice does nothing
        join();
    }

    #[test]
    fn an_environment_that_ends_takes_its_entries_along() {
        let _alone = ALONE.lock();
        let log = Log::new();
        let _a = log.start(1, "a");
        assert_eq!(log.next(), "a begins");
        let b = log.start(2, "b");
        assert_eq!(log.next(), "b begins");
        let _c = log.start(1, "c");
        let d = log.start(2, "d");
        end(1);
        assert!(queue().running.iter().all(|one| one.environment == 2));
        let mut heard = [log.next(), log.next()];
        heard.sort();
        assert_eq!(heard, ["a ends", "d begins"]);
        b.0.send(()).unwrap();
        assert_eq!(log.next(), "b ends");
        d.0.send(()).unwrap();
        assert_eq!(log.next(), "d ends");
        join();
        assert!(queue().handles.is_empty());
    }
}
