//! Whether arithmetic takes denormal numbers as zero: a setting of each thread of JavaScript, off at first.
//!
//! It holds for the arithmetic of exports only. The thread of JavaScript gets its own mode back before JavaScript runs.

use std::cell::Cell;

use elman_kernels::FlushDenormals;

thread_local! {
    static FLUSH: Cell<bool> = const { Cell::new(false) };
}

/// Sets it; false, and no change, on a processor that cannot flush.
pub(crate) fn set_flush(on: bool) -> bool {
    FLUSH.set(on && FlushDenormals::SUPPORTED);
    FlushDenormals::SUPPORTED
}

/// Whether arithmetic that this thread of JavaScript begins now flushes.
pub(crate) fn flushes() -> bool {
    FLUSH.get()
}

/// Does arithmetic on the thread that runs, flushing if `flush`.
pub(crate) fn flushing<R>(flush: bool, arithmetic: impl FnOnce() -> R) -> R {
    let _guard = flush.then(FlushDenormals::begin);
    arithmetic()
}
