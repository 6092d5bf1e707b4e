//! The loop over time, and one step at a time.

pub(crate) mod chain;
pub(crate) mod planned;
pub(crate) mod relay;
pub(crate) mod step;
pub(crate) mod terms;
pub(crate) mod time_loop;
