//! Scratch memory that is reused: fresh allocations of megabytes would cost page faults at every call.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use aligned_vec::{AVec, ConstAlign};

use crate::simd::element::Element;

/// Buffers are aligned to a cache line, which is also the widest vector.
type Buffer = AVec<u64, ConstAlign<64>>;

/// Bytes in an element of a buffer.
const WORD: usize = size_of::<u64>();

/// Bytes that the arena keeps between calls; above, a buffer that comes back is freed. A training step at
/// (T, B, H) = (64, 128, 1024) needs 42 MB on one thread and 50 MB on two.
const KEEP: usize = 256 << 20;

/// There is not enough memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot allocate {bytes} bytes of scratch memory")]
pub struct AllocError {
    /// How much was asked for.
    pub bytes: usize,
}

/// Buffers that are not in use.
#[derive(Default)]
pub(crate) struct Arena {
    free: Mutex<Vec<Buffer>>,
}

impl Arena {
    /// Takes a buffer of at least `len` elements of type `T`. Its contents are unspecified (but initialised);
    /// in tests they are NaN, so that a test detects a read before the first write.
    pub(crate) fn take<T: Element>(&self, len: usize) -> Result<Scratch<'_, T>, AllocError> {
        let too_much = AllocError { bytes: len.saturating_mul(size_of::<T>()) };
        let words = len.checked_mul(size_of::<T>()).ok_or(too_much)?.div_ceil(WORD);
        let mut buffer = self.take_buffer(words).unwrap_or_else(|| AVec::new(64));
        if buffer.len() < words {
            // Nothing of the old contents is wanted: a reallocation would copy them.
            buffer = AVec::new(64);
            buffer.try_reserve_exact(words).map_err(|_| too_much)?;
            buffer.resize(words, 0);
        }
        let mut scratch = Scratch { arena: self, buffer, len, element: std::marker::PhantomData };
        if cfg!(any(test, feature = "nan-scratch")) {
            scratch.fill(T::nan());
        }
        Ok(scratch)
    }

    /// The smallest free buffer of at least `words`, else the largest one.
    fn take_buffer(&self, words: usize) -> Option<Buffer> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let best = (0..free.len()).min_by_key(|&i| {
            let len = free[i].len();
            if len >= words { (0, len) } else { (1, usize::MAX - len) }
        })?;
        Some(free.swap_remove(best))
    }

    /// Gives the buffers that are not in use back to the system.
    pub(crate) fn clear(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn give_back(&self, buffer: Buffer) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = free.iter().map(|b| b.len() * WORD).sum();
        if kept + buffer.len() * WORD <= KEEP {
            free.push(buffer);
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}

/// A slice of scratch memory; it goes back to its arena when dropped.
pub struct Scratch<'a, T: Element> {
    arena: &'a Arena,
    buffer: Buffer,
    len: usize,
    element: std::marker::PhantomData<T>,
}

impl<T: Element> fmt::Debug for Scratch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: Element> Deref for Scratch<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the buffer holds `len` elements (checked in `take`), is aligned to 64 bytes, and every bit
        // pattern is a value of T.
        unsafe { std::slice::from_raw_parts(self.buffer.as_ptr().cast(), self.len) }
    }
}

impl<T: Element> DerefMut for Scratch<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.as_mut_ptr().cast(), self.len) }
    }
}

impl<T: Element> Drop for Scratch<'_, T> {
    fn drop(&mut self) {
        self.arena.give_back(std::mem::replace(&mut self.buffer, AVec::new(64)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let arena = Arena::default();
        let first = arena.take::<f32>(1000).unwrap().as_ptr() as usize;
        assert_eq!(arena.take::<f64>(500).unwrap().as_ptr() as usize, first);
        assert_eq!(arena.take::<f32>(10).unwrap().len(), 10);
    }

    #[test]
    fn a_cleared_arena_holds_nothing_and_works_on() {
        let arena = Arena::default();
        let used = arena.take::<f32>(1000).unwrap();
        drop(arena.take::<f32>(1000).unwrap());
        arena.clear();
        assert!(arena.free.lock().unwrap().is_empty());
        assert_eq!(used.len(), 1000);
        drop(used);
        assert_eq!(arena.free.lock().unwrap().len(), 1);
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        let arena = Arena::default();
        assert!(arena.take::<f64>(usize::MAX).is_err());
        assert!(arena.take::<f64>(1 << 58).is_err());
        assert_eq!(arena.take::<f64>(0).unwrap().len(), 0);
    }
}
