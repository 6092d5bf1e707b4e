//! Rows of a matrix where they lie, and their elements by the vector.

use ndarray::ArrayView2;

use std::ops::Range;

use crate::simd::element::Scalar;
use crate::simd::{CACHE_LINE, Simd, Task};

/// A matrix in memory: where it starts and how far its rows are apart.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub(crate) data: *const T,
    pub(crate) stride: usize,
}

impl<T> Matrix<T> {
    /// One to be written to and read, over `room`.
    pub(crate) fn over(room: &mut [T], stride: usize) -> Self {
        Self { data: room.as_mut_ptr().cast_const(), stride }
    }

    #[inline(always)]
    pub(crate) fn at(&self, row: usize, column: usize) -> *const T {
        self.data.wrapping_add(row * self.stride + column)
    }

    /// The matrix from `row` on.
    #[inline(always)]
    pub(crate) fn below(self, row: usize) -> Self {
        Self { data: self.at(row, 0), ..self }
    }
}

/// Where the rows of a matrix begin, one by one: a tile takes rows from anywhere.
pub(crate) type Rows<'a, T> = &'a [*const T];

/// Room for lists of rows.
pub(crate) struct Lists<T>(Vec<*const T>);

impl<T> Lists<T> {
    /// For `count` lists of up to `rows` rows.
    pub(crate) fn new(count: usize, rows: usize) -> Self {
        Self(vec![std::ptr::null(); count * rows])
    }

    /// Lists of `rows` rows.
    #[inline(always)]
    pub(crate) fn of(&mut self, rows: usize) -> FreeLists<'_, T> {
        FreeLists { room: &mut self.0, rows }
    }
}

/// Those that are not in use.
pub(crate) struct FreeLists<'l, T> {
    room: &'l mut [*const T],
    rows: usize,
}

impl<'l, T> FreeLists<'l, T> {
    /// One of them.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> &'l mut [*const T] {
        self.room.split_off_mut(..self.rows).expect("there is room for all lists")
    }
}

impl<T> Matrix<T> {
    /// Lists its first rows.
    #[inline(always)]
    pub(crate) fn list<'l>(&self, list: &'l mut [*const T]) -> Rows<'l, T> {
        if let [only] = list {
            *only = self.data; // at each step of one sequence
            return list;
        }
        let mut row = self.data;
        for to in &mut *list {
            *to = row;
            row = row.wrapping_add(self.stride);
        }
        list
    }
}

/// Rows a multiple of so many bytes apart come into the same set of the first cache (64 sets of 64 bytes): those of a
/// tile push each other out before their lines are used up.
const CROWDED: usize = 4096;

/// Whether a tile reads rows that are so far apart more slowly than others.
pub(crate) fn crowded<T>(stride: usize) -> bool {
    stride > 0 && (stride * size_of::<T>()).is_multiple_of(CROWDED)
}

/// A distance at which rows of `columns` columns are not crowded: a line more if need be.
pub(crate) fn roomy<T>(columns: usize) -> usize {
    if crowded::<T>(columns) { columns + CACHE_LINE / size_of::<T>() } else { columns }
}

/// Copies the columns of one row.
///
/// # Safety
///
/// `from` is readable and `to` writable there.
#[inline(always)]
pub(crate) unsafe fn copy_row<T: Scalar, S: Simd<T>>(
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
pub(crate) unsafe fn copy_rows<T: Scalar, S: Simd<T>>(
    s: S,
    from: Rows<'_, T>,
    to: Rows<'_, T>,
    columns: &Range<usize>,
) {
    s.vectorize(CopyRows { from, to, columns });
}

/// A copy whose conditions the caller of [`copy_rows`] vouched for.
struct CopyRows<'a, T> {
    from: Rows<'a, T>,
    to: Rows<'a, T>,
    columns: &'a Range<usize>,
}

impl<T: Scalar> Task<T> for CopyRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for (&from, to) in self.from.iter().zip(self.to) {
            // SAFETY: the caller of `copy_rows` vouches for all rows.
            unsafe { copy_row(s, from, to.cast_mut(), self.columns) };
        }
    }
}

/// The distance between rows that are contiguous in themselves.
pub(crate) fn row_stride(rows: usize, columns: usize, strides: &[isize]) -> usize {
    assert!(
        rows == 0 || columns <= 1 || strides[1] == 1,
        "rows must be contiguous, but columns are {} apart",
        strides[1]
    );
    // With one row or none, the stride is never used.
    if rows <= 1 { columns } else { usize::try_from(strides[0]).expect("rows must follow each other") }
}

/// A view as the tiles take it.
pub(crate) fn matrix<T>(view: ArrayView2<'_, T>) -> Matrix<T> {
    let (rows, columns) = view.dim();
    Matrix { data: view.as_ptr(), stride: row_stride(rows, columns, view.strides()) }
}

/// Reads `count` lanes.
///
/// # Safety
///
/// - `count` is at most `LANES`, and `from` is readable for `count` elements.
#[inline(always)]
pub(crate) unsafe fn load<T: Scalar, S: Simd<T>>(s: S, from: *const T, count: usize) -> S::V {
    if count == S::LANES {
        // SAFETY: the caller vouches for all lanes.
        unsafe { s.load(from) }
    } else {
        // SAFETY: the caller vouches for `count` lanes.
        unsafe { s.load_first(from, count) }
    }
}

/// Writes `count` lanes.
///
/// # Safety
///
/// - `count` is at most `LANES`, and `to` is writable for `count` elements.
#[inline(always)]
pub(crate) unsafe fn store<T: Scalar, S: Simd<T>>(s: S, to: *mut T, v: S::V, count: usize) {
    if count == S::LANES {
        // SAFETY: the caller vouches for all lanes.
        unsafe { s.store(to, v) }
    } else {
        // SAFETY: the caller vouches for `count` lanes.
        unsafe { s.store_first(to, v, count) }
    }
}
