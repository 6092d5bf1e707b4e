//! Pointers to rows: a tile reads and writes rows anywhere in memory, so nothing is copied to bring them together. (XNNPACK
//! calls such a list an indirection buffer.)

use std::ops::Range;

use crate::rows::matrix::Matrix;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd, load, store};

/// Where rows begin, one by one.
pub(crate) type RowPointers<'a, T> = &'a [*const T];

/// Memory for pointers to rows, for some slots of them.
pub(crate) struct IndirectionBuffer<T>(Vec<*const T>);

impl<T> IndirectionBuffer<T> {
    /// For `count` slots of up to `rows` rows.
    pub(crate) fn new(count: usize, rows: usize) -> Self {
        Self(vec![std::ptr::null(); count * rows])
    }

    /// All slots, each for `rows` rows.
    #[inline(always)]
    pub(crate) fn slots(&mut self, rows: usize) -> IndirectionSlots<'_, T> {
        IndirectionSlots { free: &mut self.0, rows }
    }
}

/// The slots of an [`IndirectionBuffer`] that are not in use.
pub(crate) struct IndirectionSlots<'l, T> {
    free: &'l mut [*const T],
    rows: usize,
}

impl<'l, T> IndirectionSlots<'l, T> {
    /// One of them.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> &'l mut [*const T] {
        self.free.split_off_mut(..self.rows).expect("there are slots for all pointers")
    }
}

impl<T> Matrix<T> {
    /// Points to its first rows, as many as the slot holds.
    #[inline(always)]
    pub(crate) fn pointers<'l>(&self, slot: &'l mut [*const T]) -> RowPointers<'l, T> {
        if let [only] = slot {
            *only = self.data; // at each step of one sequence
            return slot;
        }
        let mut row = self.data;
        for to in &mut *slot {
            *to = row;
            row = row.wrapping_add(self.stride);
        }
        slot
    }
}

/// Copies the columns of one row.
///
/// # Safety
///
/// `from` is readable and `to` writable there.
#[inline(always)]
pub(crate) unsafe fn copy_row<T: Element, S: Simd<T>>(
    s: S,
    from: *const T,
    to: *mut T,
    columns: &Range<usize>,
) {
    let mut j = columns.start;
    while columns.end - j >= 4 * S::LANES {
        let place = |i: usize| j + i * S::LANES;
        // SAFETY: the caller vouches for these columns of the row.
        let v = [0, 1, 2, 3].map(|i| unsafe { load(s, from.wrapping_add(place(i)), S::LANES) });
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: and for these.
            unsafe { store(s, to.wrapping_add(place(i)), v, S::LANES) };
        }
        j += 4 * S::LANES;
    }
    while j < columns.end {
        let count = (columns.end - j).min(S::LANES);
        // SAFETY: the caller vouches for these columns of the row.
        let v = unsafe { load(s, from.wrapping_add(j), count) };
        // SAFETY: and for these.
        unsafe { store(s, to.wrapping_add(j), v, count) };
        j += S::LANES;
    }
}

/// Copies the columns of rows.
///
/// # Safety
///
/// `from` is readable and `to` writable there.
#[inline(always)]
pub(crate) unsafe fn copy_rows<T: Element, S: Simd<T>>(
    s: S,
    from: RowPointers<'_, T>,
    to: RowPointers<'_, T>,
    columns: &Range<usize>,
) {
    s.vectorize(CopyRows { from, to, columns });
}

/// A copy whose conditions the caller of [`copy_rows`] vouched for.
struct CopyRows<'a, T> {
    from: RowPointers<'a, T>,
    to: RowPointers<'a, T>,
    columns: &'a Range<usize>,
}

impl<T: Element> Kernel<T> for CopyRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for (&from, to) in self.from.iter().zip(self.to) {
            // SAFETY: the caller of `copy_rows` vouches for all rows.
            unsafe { copy_row(s, from, to.cast_mut(), self.columns) };
        }
    }
}
