//! Memory that Rust owns, for work on another thread.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::env::context::context;
use crate::js::error::{BindingError, BindingResult};
use crate::js::memory::{Dtype, Memory};

/// The alignment of a cache line.
const ALIGN: usize = 64;

/// Bytes from which memory is kept for the next task: fresh memory costs a page fault for every page, on the thread of
/// JavaScript.
const LARGE: usize = 1 << 20;

/// The most bytes that are kept. A backward pass at (T, B, H) = (128, 64, 512) copies 50 MB.
const KEEP: usize = 256 << 20;

/// Bytes that one thread copies at a time where several do.
const PART: usize = 1 << 18;

/// An array that belongs to a task: JavaScript can neither move nor detach it. Its contents are unspecified at first.
pub(crate) struct Block {
    data: *mut u8,
    /// There until it is dropped.
    raw: Option<Raw>,
    dtype: Dtype,
    len: usize,
}

/// Memory that is initialised.
struct Raw {
    data: NonNull<u8>,
    layout: Layout,
}

// SAFETY: plain memory that is not in use.
unsafe impl Send for Raw {}
// SAFETY: plain memory. `Block::memory`, which hands its pointer out, says when it may be used.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.data.as_ptr(), self.layout) };
    }
}

/// What is kept.
static FREE: Mutex<Vec<Raw>> = Mutex::new(Vec::new());

fn free() -> MutexGuard<'static, Vec<Raw>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees what is kept.
pub(crate) fn free_all() {
    *free() = Vec::new();
}

impl Raw {
    fn new(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(ALIGN), ALIGN).ok()?;
        if bytes >= LARGE {
            let mut free = free();
            let fits = |raw: &Self| (bytes..=2 * bytes).contains(&raw.layout.size());
            let sizes = free.iter().enumerate().filter(|(_, raw)| fits(raw));
            if let Some((place, _)) = sizes.min_by_key(|(_, raw)| raw.layout.size()) {
                return Some(free.swap_remove(place));
            }
        }
        // SAFETY: the layout is not empty.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { data, layout })
    }
}

impl Block {
    pub(crate) fn new(dtype: Dtype, len: usize) -> BindingResult<Self> {
        let raw = len.checked_mul(dtype.size()).and_then(Raw::new).ok_or_else(|| {
            BindingError::Range(format!("cannot allocate {len} elements for work in the background"))
        })?;
        Ok(Self { data: raw.data.as_ptr(), raw: Some(raw), dtype, len })
    }

    /// A copy of an array.
    pub(crate) fn copy_of(memory: Memory) -> BindingResult<Self> {
        let mut block = Self::new(memory.dtype, memory.len)?;
        block.copy_from(memory, 0, memory.len)?;
        Ok(block)
    }

    /// Copies the elements `from..from + count` of an array that is like this one.
    pub(crate) fn copy_from(&mut self, array: Memory, from: usize, count: usize) -> BindingResult<()> {
        self.assert_like(array, from, count);
        copy(array, self.memory(), from, count)
    }

    /// Copies the elements `from..from + count` into an array that is like this one.
    pub(crate) fn copy_to(&self, array: Memory, from: usize, count: usize) -> BindingResult<()> {
        self.assert_like(array, from, count);
        copy(self.memory(), array, from, count)
    }

    fn assert_like(&self, array: Memory, from: usize, count: usize) {
        assert!(array.dtype == self.dtype && array.len == self.len && from <= self.len);
        assert!(count <= self.len - from);
    }

    /// The memory, which lives as long as the block. While a task waits or runs, what it reads must not be written, and
    /// what it writes must not be read.
    pub(crate) fn memory(&self) -> Memory {
        Memory { dtype: self.dtype, data: self.data, len: self.len }
    }
}

/// Copies elements between two arrays that both have them: one of a block, and one of JavaScript on its thread.
fn copy(source: Memory, to: Memory, from: usize, count: usize) -> BindingResult<()> {
    let (start, bytes) = (from * source.dtype.size(), count * source.dtype.size());
    // SAFETY: the array has these elements, which are not written meanwhile.
    let source = unsafe { std::slice::from_raw_parts(source.data.wrapping_add(start), bytes) };
    // SAFETY: as above, nor read elsewhere; a block's memory is no array's.
    let to = unsafe { std::slice::from_raw_parts_mut(to.data.wrapping_add(start), bytes) };
    if bytes < LARGE {
        to.copy_from_slice(source);
        return Ok(());
    }
    let parts = to.chunks_mut(PART).zip(source.chunks(PART));
    context()?.each(usize::MAX, parts, |_, (to, source)| {
        to.copy_from_slice(source);
        Ok(())
    })
}

impl Drop for Block {
    fn drop(&mut self) {
        let Some(raw) = self.raw.take().filter(|raw| raw.layout.size() >= LARGE) else { return };
        let mut free = free();
        let kept: usize = free.iter().map(|raw| raw.layout.size()).sum();
        if kept + raw.layout.size() <= KEEP {
            free.push(raw);
        }
    }
}
