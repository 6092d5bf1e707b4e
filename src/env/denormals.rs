//! Whether arithmetic takes denormal numbers as zero: a setting of the process, off at first.
//!
//! It holds for the arithmetic of exports only. The thread of JavaScript gets its own mode back before JavaScript runs.

use std::sync::atomic::{AtomicBool, Ordering};

use elman_kernels::FlushDenormals;

static FLUSH: AtomicBool = AtomicBool::new(false);

/// Sets it; false, and no change, on a processor that cannot flush.
pub(crate) fn set_flush(on: bool) -> bool {
    if FlushDenormals::SUPPORTED {
        FLUSH.store(on, Ordering::Relaxed);
    }
    FlushDenormals::SUPPORTED
}

/// Whether arithmetic that begins now flushes.
pub(crate) fn flushes() -> bool {
    FLUSH.load(Ordering::Relaxed)
}

/// Does arithmetic on this thread, flushing if `flush`.
pub(crate) fn flushing<R>(flush: bool, arithmetic: impl FnOnce() -> R) -> R {
    let _guard = flush.then(FlushDenormals::begin);
    arithmetic()
}
