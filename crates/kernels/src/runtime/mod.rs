//! What a call runs on: instruction set, threads and scratch memory.

mod barrier;
pub(crate) mod context;
pub(crate) mod denormals;
pub(crate) mod pool;
pub(crate) mod scratch;
mod workers;
