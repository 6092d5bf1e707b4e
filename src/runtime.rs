//! Instruction set and threads.
//!
//! All environments of the process (its worker threads) share one context. It is made by the first and
//! dropped, its threads joined, when the last one ends. Before an environment ends, its tasks are cancelled.

use std::sync::{Mutex, MutexGuard, PoisonError};

use elman_kernels::{Context, Isa};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{Checked, Failure, export};
use crate::processors::default_threads;
use crate::slice::size;
use crate::{block, queue};

/// The context, and how many environments use it.
struct Shared {
    context: Option<Context>,
    environments: usize,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { context: None, environments: 0 });

/// The most threads that can be asked for.
const MAX_THREADS: usize = 1024;

fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The context for a call.
pub(crate) fn context() -> Checked<Context> {
    let mut shared = shared();
    if let Some(context) = &shared.context {
        return Ok(context.clone());
    }
    let context = Context::new(isa_from_environment()?, threads_from_environment()?);
    Ok(shared.context.insert(context).clone())
}

/// The instruction set that `ELMAN_ISA` names, else the best one.
fn isa_from_environment() -> Checked<Isa> {
    let Ok(name) = std::env::var("ELMAN_ISA") else { return Ok(Isa::detect()) };
    if name.is_empty() {
        return Ok(Isa::detect());
    }
    Isa::by_name(&name).ok_or_else(|| {
        let available: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
        Failure::Range(format!(
            "ELMAN_ISA must be one of {} on this machine, got {name}",
            available.join(", ")
        ))
    })
}

/// The number of threads that `ELMAN_NUM_THREADS` names, else [`default_threads`].
fn threads_from_environment() -> Checked<usize> {
    let Ok(text) = std::env::var("ELMAN_NUM_THREADS") else { return Ok(default_threads()) };
    if text.is_empty() {
        return Ok(default_threads());
    }
    text.parse().ok().filter(|n| (1..=MAX_THREADS).contains(n)).ok_or_else(|| {
        Failure::Range(format!("ELMAN_NUM_THREADS must be an integer from 1 to {MAX_THREADS}, got {text}"))
    })
}

/// Counts the environment in, and out when it ends. It must not fail: the loader would report that it found no
/// addon.
#[napi(module_exports)]
pub fn init(_exports: Object, env: Env) -> Result<()> {
    shared().environments += 1;
    env.add_env_cleanup_hook(env.raw() as usize, |environment| {
        queue::end(environment);
        let ended = {
            let mut shared = shared();
            shared.environments -= 1;
            (shared.environments == 0).then(|| shared.context.take())
        };
        // With the lock released: the threads of the tasks hold the context too.
        if let Some(context) = ended {
            queue::join();
            block::forget();
            drop(context); // joins the threads of its pool
        }
    })?;
    Ok(())
}

/// What the arithmetic runs on.
#[napi(object)]
pub struct BackendInfo {
    /// Version of the package.
    pub version: String,
    /// The instruction set in use.
    pub isa: String,
    /// The instruction sets of this machine, narrowest vectors first.
    pub isa_available: Vec<String>,
    /// The most threads that a call uses.
    pub threads: u32,
}

/// What the arithmetic runs on.
#[napi(catch_unwind)]
pub fn backend_info(env: Env) -> Result<BackendInfo> {
    export(env, || {
        let context = context()?;
        Ok(BackendInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            isa: context.isa().name().into(),
            isa_available: Isa::available().into_iter().map(|isa| isa.name().into()).collect(),
            threads: u32::try_from(context.threads()).unwrap_or(u32::MAX),
        })
    })
}

/// Sets the most threads that a call uses, its own included.
#[napi(catch_unwind)]
pub fn set_num_threads(env: Env, threads: f64) -> Result<()> {
    export(env, || {
        let threads = size(threads, "the number of threads")?;
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(Failure::Range(format!(
                "the number of threads must be from 1 to {MAX_THREADS}, got {threads}"
            )));
        }
        context()?.set_threads(threads);
        Ok(())
    })
}

/// The most threads that a call uses, its own included.
#[napi(catch_unwind)]
pub fn get_num_threads(env: Env) -> Result<u32> {
    export(env, || Ok(u32::try_from(context()?.threads()).unwrap_or(u32::MAX)))
}
