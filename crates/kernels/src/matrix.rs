//! Rows of a matrix where they lie, and their elements by the vector.

use ndarray::ArrayView2;

use crate::isa::Simd;
use crate::scalar::Scalar;

/// A matrix in memory: where it starts and how far its rows are apart.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub(crate) data: *const T,
    pub(crate) stride: usize,
}

impl<T> Matrix<T> {
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

/// The distance between rows that are contiguous in themselves.
pub(crate) fn row_stride(rows: usize, columns: usize, strides: &[isize]) -> usize {
    assert!(columns <= 1 || strides[1] == 1, "rows must be contiguous, but columns are {} apart", strides[1]);
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
