//! Instruction set, threads and denormal numbers, as a program reads and sets them.

use elman_kernels::Isa;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::env::context::{MAX_THREADS, context};
use crate::env::denormals::{flushes, set_flush};
use crate::js::error::BindingError;
use crate::js::exports::export;
use crate::js::numbers::size;

/// Version, instruction set, threads and denormal numbers.
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
    /// Whether arithmetic takes denormal numbers as zero.
    pub flush_denormal: bool,
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
            flush_denormal: flushes(),
        })
    })
}

/// Sets the most threads that a call uses, its own included.
#[napi(catch_unwind)]
pub fn set_num_threads(env: Env, threads: f64) -> Result<()> {
    export(env, || {
        let threads = size(threads, "the number of threads")?;
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(BindingError::Range(format!(
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

/// Sets whether arithmetic that this thread begins takes denormal numbers as zero; false, and no change, on a processor
/// that cannot.
#[napi(catch_unwind)]
pub fn set_flush_denormal(env: Env, on: bool) -> Result<bool> {
    export(env, || Ok(set_flush(on)))
}

/// Whether arithmetic that this thread begins takes denormal numbers as zero.
#[napi(catch_unwind)]
pub fn get_flush_denormal(env: Env) -> Result<bool> {
    export(env, || Ok(flushes()))
}
