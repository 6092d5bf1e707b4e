//! Exports whose arithmetic runs at once or later.
//!
//! Such an export does two things: on the thread of JavaScript it looks at its arguments ([`Floats`] to a [`Source`],
//! [`FloatsMut`] to a [`Target`]) and makes a [`Job`] of them; the job does the arithmetic. Normally it runs at once, on
//! the memory of the arrays. While a `Task` is recording, it is kept for later,
//! and works on memory of its own: a source is copied, or was copied before ([`Recording::copy`]); a target is
//! memory with unspecified contents, which is copied into the array when the task has run. So no job in the background ever
//! touches memory of JavaScript.

use std::cell::RefCell;
use std::sync::Arc;

use elman_kernels::Context;
use napi::bindgen_prelude::*;

use crate::background::block::Block;
use crate::env::context::context;
use crate::env::denormals::{flushes, flushing};
use crate::env::malloc;
use crate::js::arrays::{Array, Floats, FloatsMut, Ints};
use crate::js::error::{BindingError, BindingResult, caught};
use crate::js::exports::{Calls, set_calls};
use crate::js::memory::{Element, Memory};

/// Arithmetic with everything that it needs; the number that the export returns.
pub(crate) type Job = Box<dyn FnOnce(&Context) -> BindingResult<f64> + Send>;

/// An array of JavaScript and the block that stands for it.
pub(crate) struct Pair {
    pub(crate) array: Memory,
    pub(crate) block: Arc<Block>,
}

impl Pair {
    /// The block that stands for `array`, the latest if there are several.
    fn find(pairs: &[Self], array: Memory) -> Option<&Self> {
        pairs.iter().rev().find(|pair| array.len > 0 && pair.array == array)
    }
}

/// What a task will do.
#[derive(Default)]
pub(crate) struct Recording {
    /// Copies of arrays that the jobs read.
    pub(crate) copies: Vec<Pair>,
    /// What the jobs write.
    pub(crate) results: Vec<Pair>,
    pub(crate) jobs: Vec<Job>,
}

// SAFETY: the pointers to arrays of JavaScript are compared on its thread, and never followed elsewhere.
unsafe impl Send for Recording {}

thread_local! {
    /// The task that is recording on this thread of JavaScript.
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

/// Begins to record.
pub(crate) fn begin(next: Recording) {
    RECORDING.set(Some(next));
    set_calls(Calls::Recorded);
}

/// Ends it: what was recorded, and whether an export was called that cannot run later.
pub(crate) fn end() -> (Option<Recording>, bool) {
    (RECORDING.take(), set_calls(Calls::Run) == Calls::Refused)
}

/// Runs the body of an export that can run later: `prepare` looks at the arguments and gives the job.
pub(crate) fn run<J>(env: Env, prepare: impl FnOnce() -> BindingResult<J>) -> Result<f64>
where
    J: FnOnce(&Context) -> BindingResult<f64> + Send + 'static,
{
    caught(|| call(prepare)).map_err(|failure| failure.throw(env.raw()))
}

/// The same within [`caught`]. Whether the job flushes denormal numbers is decided now, if it runs later too.
pub(crate) fn call<J>(prepare: impl FnOnce() -> BindingResult<J>) -> BindingResult<f64>
where
    J: FnOnce(&Context) -> BindingResult<f64> + Send + 'static,
{
    let job = prepare()?;
    let flush = flushes();
    let job = move |ctx: &Context| flushing(flush, || job(ctx));
    if RECORDING.with_borrow(Option::is_none) {
        return job(&context()?);
    }
    RECORDING.with_borrow_mut(|recording| recording.get_or_insert_default().jobs.push(Box::new(job)));
    Ok(0.0)
}

/// The result of a job that returns nothing.
pub(crate) fn done(result: BindingResult<()>) -> BindingResult<f64> {
    result.map(|()| 0.0)
}

/// An array that a job reads.
pub(crate) struct Source {
    memory: Memory,
    /// Keeps the memory, unless the job runs at once.
    _block: Option<Arc<Block>>,
}

/// An array that a job writes.
pub(crate) struct Target {
    memory: Memory,
    /// As for a source.
    block: Option<Arc<Block>>,
}

// SAFETY: the memory is a block's of the task, see `Block::memory`; or the job runs on this very thread.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Send for Target {}

impl Source {
    /// The array with this memory; to be called in the body of the export.
    pub(crate) fn new(memory: Memory) -> BindingResult<Self> {
        RECORDING.with_borrow(|recording| {
            let Some(recording) = recording else { return Ok(Self { memory, _block: None }) };
            if Pair::find(&recording.results, memory).is_some() {
                return Err(BindingError::Internal(
                    "a result of the background is read before it is there".into(),
                ));
            }
            let block = match Pair::find(&recording.copies, memory) {
                Some(copy) => Arc::clone(&copy.block),
                None => Arc::new(Block::copy_of(memory)?),
            };
            Ok(Self { memory: block.memory(), _block: Some(block) })
        })
    }

    /// Its elements, of type `T`.
    pub(crate) fn get<T: Element>(&self) -> BindingResult<&[T]> {
        self.memory.expect(T::DTYPE)?;
        // SAFETY: memory of a block, which lives as long as this handle and is not written; or that of an argument of
        // the running call, which is not in use elsewhere and disjoint from all that is written (`disjoint`).
        Ok(unsafe { std::slice::from_raw_parts(self.memory.data.cast(), self.memory.len) })
    }
}

impl Target {
    /// The array with this memory; to be called in the body of the export.
    pub(crate) fn new(memory: Memory) -> BindingResult<Self> {
        malloc::expect(memory.bytes());
        RECORDING.with_borrow_mut(|recording| {
            let Some(recording) = recording else { return Ok(Self { memory, block: None }) };
            let block = Arc::new(Block::new(memory.dtype, memory.len)?);
            recording.results.push(Pair { array: memory, block: Arc::clone(&block) });
            Ok(Self { memory: block.memory(), block: Some(block) })
        })
    }

    /// Its elements, of type `T`.
    pub(crate) fn get<T: Element>(&mut self) -> BindingResult<&mut [T]> {
        self.memory.expect(T::DTYPE)?;
        // SAFETY: as for a source; `disjoint` has shown that no other array of the call overlaps, and each
        // recorded target has a block of its own.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.memory.data.cast(), self.memory.len) })
    }

    /// For exports that add to an array of zeros: makes it one, if it is not the array itself.
    pub(crate) fn begin_with_zeros<T: Element + Default>(&mut self) -> BindingResult<()> {
        if self.block.is_some() {
            self.get()?.fill(T::default());
        }
        Ok(())
    }
}

/// An argument that a job can take along.
pub(crate) trait Portable {
    /// What the job takes.
    type Taken;
    /// Takes it; to be called in the body of the export.
    fn take(self) -> BindingResult<Self::Taken>;
}

impl Portable for Floats<'_> {
    type Taken = Source;
    fn take(self) -> BindingResult<Source> {
        Source::new(self.memory()?)
    }
}

impl Portable for Ints<'_> {
    type Taken = Source;
    fn take(self) -> BindingResult<Source> {
        Source::new(self.memory()?)
    }
}

impl Portable for FloatsMut<'_> {
    type Taken = Target;
    fn take(self) -> BindingResult<Target> {
        Target::new(self.memory()?)
    }
}

impl<P: Portable> Portable for Option<P> {
    type Taken = Option<P::Taken>;
    fn take(self) -> BindingResult<Self::Taken> {
        self.map(P::take).transpose()
    }
}

impl<P: Portable> Portable for Vec<P> {
    type Taken = Vec<P::Taken>;
    fn take(self) -> BindingResult<Self::Taken> {
        self.into_iter().map(P::take).collect()
    }
}

/// The elements of a source that may be missing.
pub(crate) fn optional<T: Element>(source: Option<&Source>) -> BindingResult<Option<&[T]>> {
    source.map(Source::get).transpose()
}

/// The elements of a target that may be missing.
pub(crate) fn optional_mut<T: Element>(target: Option<&mut Target>) -> BindingResult<Option<&mut [T]>> {
    target.map(Target::get).transpose()
}

/// The elements of a source that must not be missing.
pub(crate) fn required<'a, T: Element>(source: Option<&'a Source>, what: &str) -> BindingResult<&'a [T]> {
    source.ok_or_else(|| missing(what))?.get()
}

/// The elements of a target that must not be missing.
pub(crate) fn required_mut<'a, T: Element>(
    target: Option<&'a mut Target>,
    what: &str,
) -> BindingResult<&'a mut [T]> {
    target.ok_or_else(|| missing(what))?.get()
}

fn missing(what: &str) -> BindingError {
    BindingError::Kind(format!("expected an array for {what}, got null"))
}

impl Recording {
    /// Copies `count` elements of an array that a job will read, from `from` on. Large arrays are copied in
    /// parts, so that the thread of JavaScript can do something else in between.
    pub(crate) fn copy(&mut self, array: Memory, from: usize, count: usize) -> BindingResult<()> {
        array.check_range(from, count)?;
        if from == 0 {
            let block = Arc::new(Block::new(array.dtype, array.len)?);
            self.copies.push(Pair { array, block });
        }
        let copy = self.copies.iter_mut().rev().find(|copy| copy.array == array);
        let Some(block) = copy.and_then(|copy| Arc::get_mut(&mut copy.block)) else {
            return Err(BindingError::Range("the data of this tensor was detached or resized".into()));
        };
        block.copy_from(array, from, count)
    }
}
