//! Matrices in memory, and how far their rows are apart.

use ndarray::ArrayView2;

use crate::simd::cache::CACHE_LINE;

/// A matrix in memory: where it starts and how far its rows are apart.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub(crate) data: *const T,
    pub(crate) stride: usize,
}

impl<T> Matrix<T> {
    /// One to be written to and read, over `buffer`.
    pub(crate) fn over(buffer: &mut [T], stride: usize) -> Self {
        Self { data: buffer.as_mut_ptr().cast_const(), stride }
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

/// Rows a multiple of so many bytes apart come into the same set of the first cache (64 sets of 64 bytes): those of a
/// tile evict each other before their lines are used up.
const ALIASING_DISTANCE: usize = 4096;

/// Whether rows that are so far apart alias: a tile reads them more slowly than others.
pub(crate) fn aliases_4k<T>(stride: usize) -> bool {
    stride > 0 && (stride * size_of::<T>()).is_multiple_of(ALIASING_DISTANCE)
}

/// A leading dimension at which rows of `columns` columns do not alias: a line more if need be.
pub(crate) fn padded_leading_dimension<T>(columns: usize) -> usize {
    if aliases_4k::<T>(columns) { columns + CACHE_LINE / size_of::<T>() } else { columns }
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
