//! The process: what all calls work with, and the memory of results.

pub(crate) mod context;
pub(crate) mod denormals;
pub(crate) mod malloc;
mod processors;
