//! Work off the event loop.
//!
//! ```text
//! const task = new Task()
//! task.copy(array, 0, array.length)      what is read, in parts if it is large
//! task.begin(); rnn.forward(…); task.end()   the calls, which are only recorded
//! await task.start()                     waits for its turn and runs
//! task.finish()                          throws what went wrong
//! task.copyBack(output, 0, output.length)   what was written, in parts if it is large
//! task.release()
//! ```

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use elman_kernels::Context;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::queue::{self, Entry};
use crate::background::work::{self, Job, Recording};
use crate::env::context::context;
use crate::js::arrays::{Array, Floats, FloatsMut};
use crate::js::error::{BindingError, BindingResult, caught};
use crate::js::exports::{constructed, export};
use crate::js::numbers::size;

/// Calls that are recorded, and then run on another thread; see `src/background/task.rs`.
#[napi]
pub struct Task {
    /// Nothing while it is recording.
    recording: Option<Recording>,
    cancel: Arc<AtomicBool>,
    /// The result; `None` before it has run.
    outcome: Arc<Mutex<Option<BindingResult<f64>>>>,
    /// Bytes that the garbage collector knows of.
    told: i64,
}

#[napi]
impl Task {
    /// A task that does nothing yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, this: This<'_>) -> Result<Self> {
        constructed(env, &this, "Task\0")?;
        Ok(Self {
            recording: Some(Recording::default()),
            cancel: Arc::default(),
            outcome: Arc::default(),
            told: 0,
        })
    }

    /// Copies `count` elements of an array that the calls will read, from `from` on; the first part begins at 0.
    #[napi(catch_unwind)]
    pub fn copy(&mut self, env: Env, array: Floats<'_>, from: f64, count: f64) -> Result<()> {
        export(env, || {
            let (from, count) = (size(from, "from")?, size(count, "count")?);
            self.recording()?.copy(array.memory()?, from, count)
        })?;
        self.tell(env)
    }

    /// From now on, calls are recorded and not run.
    #[napi(catch_unwind)]
    pub fn begin(&mut self, env: Env) -> Result<()> {
        export(env, || {
            self.recording()?;
            work::begin(self.recording.take().unwrap_or_default());
            Ok(())
        })
    }

    /// Calls run at once again. False if one was made that cannot be recorded: it threw, and the task is of no use.
    #[napi(catch_unwind)]
    pub fn end(&mut self, env: Env) -> Result<bool> {
        let (recording, refused) = work::end();
        self.recording = recording;
        self.tell(env)?;
        Ok(self.recording.is_some() && !refused)
    }

    /// Queues the task; the promise is resolved when it has run or was cancelled.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn start<'env>(&mut self, env: &'env Env) -> Result<Object<'env>> {
        let jobs = export(*env, || Ok(std::mem::take(&mut self.recording()?.jobs)))?;
        let (deferred, promise) = env.create_deferred::<(), fn(Env) -> Result<()>>()?;
        let (outcome, cancel) = (Arc::clone(&self.outcome), Arc::clone(&self.cancel));
        let entry = Entry {
            environment: env.raw() as usize,
            cancel: Arc::clone(&self.cancel),
            work: Box::new(move || {
                let result = caught(|| run(&context()?.cancellable(cancel), jobs));
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            }),
            done: Box::new(move || deferred.resolve(|_| Ok(()))),
        };
        export(*env, || {
            queue::push(entry)
                .map_err(|_| BindingError::Range("cannot start a thread for work in the background".into()))
        })?;
        Ok(promise)
    }

    /// The result is no longer wanted: the task ends at its next cancellation point.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        queue::cancel(&self.cancel);
    }

    /// What the last call returned; throws what went wrong.
    #[napi(catch_unwind)]
    pub fn finish(&mut self, env: Env) -> Result<f64> {
        export(env, || {
            let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
            outcome.unwrap_or(Err(BindingError::Internal("the task has not run".into())))
        })
    }

    /// Copies what the calls have written to an array into it: `count` elements from `from` on. False if they have
    /// not written to it.
    #[napi(catch_unwind)]
    pub fn copy_back(&mut self, env: Env, array: FloatsMut<'_>, from: f64, count: f64) -> Result<bool> {
        export(env, || {
            let (from, count) = (size(from, "from")?, size(count, "count")?);
            let array = array.memory()?;
            array.check_range(from, count)?;
            let recording = self.recording()?;
            let Some(result) = recording.results.iter_mut().rev().find(|result| result.array == array) else {
                return Ok(false);
            };
            // The jobs are gone when their work is done; before that, they hold the block.
            if Arc::get_mut(&mut result.block).is_none() {
                return Err(BindingError::Internal("the task has not run".into()));
            }
            result.block.copy_to(array, from, count)?;
            Ok(true)
        })
    }

    /// Frees all memory.
    #[napi(catch_unwind)]
    pub fn release(&mut self, env: Env) -> Result<()> {
        self.recording = None;
        self.tell(env)
    }

    fn recording(&mut self) -> BindingResult<&mut Recording> {
        self.recording
            .as_mut()
            .ok_or_else(|| BindingError::Internal("the task is recording or released".into()))
    }

    /// Reports the bytes of all memory to the garbage collector.
    fn tell(&mut self, env: Env) -> Result<()> {
        let bytes = self.recording.as_ref().map_or(0, |recording| {
            let pairs = recording.copies.iter().chain(&recording.results);
            pairs.map(|pair| pair.array.bytes()).sum::<usize>()
        });
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        env.adjust_external_memory(bytes - self.told)?;
        self.told = bytes;
        Ok(())
    }
}

/// Runs jobs in their order.
fn run(ctx: &Context, jobs: Vec<Job>) -> BindingResult<f64> {
    let mut last = 0.0;
    for job in jobs {
        if ctx.cancelled() {
            break;
        }
        last = job(ctx)?;
    }
    if ctx.cancelled() { Err(BindingError::Cancelled) } else { Ok(last) }
}
