//! The context of the process: instruction set and threads.
//!
//! All environments of the process (its main thread and workers) share one context. The first call makes it; it is
//! dropped, and its threads are joined, when the last environment ends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use elman_kernels::{Context, Isa};

use crate::js::error::{BindingError, BindingResult};

/// The context, and the number of environments that use it.
struct Process {
    context: Option<Context>,
    environments: usize,
}

static PROCESS: Mutex<Process> = Mutex::new(Process { context: None, environments: 0 });

/// The most threads that can be set.
pub(crate) const MAX_THREADS: usize = 1024;

fn process() -> MutexGuard<'static, Process> {
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An environment begins.
pub(crate) fn enter() {
    process().environments += 1;
}

/// An environment ends. If it was the last one: the context, if there is any, which the caller drops.
pub(crate) fn leave() -> Option<Option<Context>> {
    let mut process = process();
    process.environments -= 1;
    (process.environments == 0).then(|| process.context.take())
}

/// The context for a call.
pub(crate) fn context() -> BindingResult<Context> {
    let mut process = process();
    if let Some(context) = &process.context {
        return Ok(context.clone());
    }
    let context = Context::new(isa_from_environment()?, threads_from_environment()?);
    Ok(process.context.insert(context).clone())
}

/// The instruction set that `ELMAN_ISA` names, else the best one.
fn isa_from_environment() -> BindingResult<Isa> {
    let Ok(name) = std::env::var("ELMAN_ISA") else { return Ok(Isa::detect()) };
    if name.is_empty() {
        return Ok(Isa::detect());
    }
    Isa::by_name(&name).ok_or_else(|| {
        let available: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
        BindingError::Range(format!(
            "ELMAN_ISA must be one of {} on this machine, got {name}",
            available.join(", ")
        ))
    })
}

/// The number of threads that `ELMAN_NUM_THREADS` names, else that of the processors we may use.
fn threads_from_environment() -> BindingResult<usize> {
    let available = || thread::available_parallelism().map_or(1, Into::into);
    let Ok(text) = std::env::var("ELMAN_NUM_THREADS") else { return Ok(available()) };
    if text.is_empty() {
        return Ok(available());
    }
    text.parse().ok().filter(|n| (1..=MAX_THREADS).contains(n)).ok_or_else(|| {
        BindingError::Range(format!(
            "ELMAN_NUM_THREADS must be an integer from 1 to {MAX_THREADS}, got {text}"
        ))
    })
}
