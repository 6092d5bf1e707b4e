//! Calls that run later, on another thread.
//!
//! | module | holds |
//! |---|---|
//! | [`work`] | exports whose arithmetic runs at once or is recorded |
//! | [`task`] | what is recorded, as a class of JavaScript |
//! | [`queue`] | the tasks of the process, and the threads that run them |
//! | [`block`] | memory of Rust's own for what a task reads and writes |

pub(crate) mod block;
pub(crate) mod queue;
pub(crate) mod task;
pub(crate) mod work;
