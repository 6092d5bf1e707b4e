//! Operands that are packed on the way, those of [`gemm_tn`](crate::gemm_tn()): rows from anywhere, in the order in which
//! tiles read them.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::rows::matrix::{Matrix, matrix};
use crate::simd::cache::{CACHE_LINE, INTO_SECOND_CACHE, prefetch};
use crate::simd::element::Element;
use crate::simd::vector::{Simd, load, store};

/// Whether packing rows that come from memory is faster if they were prefetched a while before. It is not on an Intel Xeon:
/// there the gradients of weights gain 8 to 16 % without, since the hardware prefetchers follow contiguous rows well enough,
/// and what comes early takes the place of packed operands in the second cache.
pub(crate) fn prefetch_helps_packing() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static HELPS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *HELPS.get_or_init(|| !crate::simd::x86::made_by_intel())
    }
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// An operand: K rows of N elements.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// The rows of a matrix (K, N).
    Matrix(ArrayView2<'a, T>),
    /// Rows gathered from two matrices: row k is the one that `index[k]` names.
    Gathered {
        /// The matrix of [`RowIndex::First`], (any, N).
        first: ArrayView2<'a, T>,
        /// The matrix of [`RowIndex::Second`], (any, N).
        second: ArrayView2<'a, T>,
        /// One entry for each of the K rows.
        index: &'a [RowIndex],
    },
}

/// The index of a row of one of two matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowIndex {
    /// This row of the first matrix.
    First(usize),
    /// This row of the second matrix.
    Second(usize),
}

impl<'a, T: Element> Operand<'a, T> {
    /// (K, N).
    pub(crate) fn dim(&self) -> (usize, usize) {
        match self {
            Self::Matrix(matrix) => matrix.dim(),
            Self::Gathered { first, index, .. } => (index.len(), first.ncols()),
        }
    }

    /// Checks that every row is there.
    pub(crate) fn rows(self) -> OperandRows<'a, T> {
        match self {
            Self::Matrix(all) => OperandRows::of(matrix(all)),
            Self::Gathered { first, second, index } => {
                assert_eq!(first.ncols(), second.ncols(), "gemm_tn: both matrices must have N columns");
                let exists = |row: &RowIndex| match *row {
                    RowIndex::First(row) => row < first.nrows(),
                    RowIndex::Second(row) => row < second.nrows(),
                };
                assert!(index.iter().all(exists), "gemm_tn: a gathered row is not there");
                OperandRows { first: matrix(first), second: matrix(second), index: Some(index) }
            }
        }
    }
}

/// The rows of an operand, whose indices have been checked.
pub(crate) struct OperandRows<'a, T> {
    first: Matrix<T>,
    second: Matrix<T>,
    index: Option<&'a [RowIndex]>,
}

impl<T> OperandRows<'_, T> {
    /// Where row `k` starts.
    #[inline(always)]
    pub(crate) fn row(&self, k: usize) -> *const T {
        match self.index.map(|index| index[k]) {
            None => self.first.at(k, 0),
            Some(RowIndex::First(row)) => self.first.at(row, 0),
            Some(RowIndex::Second(row)) => self.second.at(row, 0),
        }
    }

    /// Prefetches the columns of a row that will be packed later.
    #[inline(always)]
    pub(crate) fn prefetch(&self, k: usize, columns: &Range<usize>) {
        let row = self.row(k);
        for column in columns.clone().step_by(CACHE_LINE / size_of::<T>()) {
            prefetch::<INTO_SECOND_CACHE, _>(row.wrapping_add(column));
        }
    }
}

impl<T: Element> OperandRows<'_, T> {
    /// The rows of a matrix, in order.
    pub(crate) fn of(rows: Matrix<T>) -> Self {
        Self { first: rows, second: rows, index: None }
    }

    /// Packs `columns` of the rows `chunk` into tiles of `width` columns, row after row in each:
    /// `[tile][row][width]`. The last tile is narrower; if `whole`, it has whole vectors and zeros behind.
    ///
    /// Row by row, because a tile's part of one row is short and the rows may be a page apart.
    ///
    /// # Safety
    ///
    /// - it has those rows and columns;
    /// - `width` is a multiple of the lanes if `whole`;
    /// - `to` has room for those rows of the columns, in whole vectors if `whole`.
    #[inline(always)]
    pub(crate) unsafe fn pack<S: Simd<T>>(
        &self,
        s: S,
        chunk: &Range<usize>,
        columns: &Range<usize>,
        width: usize,
        whole: bool,
        to: &mut [T],
    ) {
        let stored = |len: usize| if whole { len.next_multiple_of(S::LANES) } else { len };
        debug_assert!(to.len() >= chunk.len() * stored(columns.len()));
        let (tiles, rest) = (columns.len() / width, columns.len() % width);
        let to = to.as_mut_ptr();
        for (i, k) in chunk.clone().enumerate() {
            let (mut from, mut out) = (self.row(k).wrapping_add(columns.start), to.wrapping_add(i * width));
            for _ in 0..tiles {
                // SAFETY: the caller vouches for this row up to the end of the columns, and for the tile's.
                unsafe { pack_part(s, from, width, whole, out) };
                (from, out) = (from.wrapping_add(width), out.wrapping_add(chunk.len() * width));
            }
            if rest > 0 {
                let out = to.wrapping_add(tiles * chunk.len() * width + i * stored(rest));
                // SAFETY: as above.
                unsafe { pack_part(s, from, rest, whole, out) };
            }
        }
    }
}

/// Packs `len` elements of a row; if `whole`, with zeros up to whole vectors. Where the length is a constant, as that of
/// a full tile is, nothing of the loop is left.
///
/// # Safety
///
/// `from` is readable and `to` writable there.
#[inline(always)]
unsafe fn pack_part<T: Element, S: Simd<T>>(s: S, from: *const T, len: usize, whole: bool, to: *mut T) {
    let mut j = 0;
    while j < len {
        let count = (len - j).min(S::LANES);
        // SAFETY: the caller vouches for this row up to its end.
        let v = unsafe { load(s, from.wrapping_add(j), count) };
        // SAFETY: and for the tile, whose stored width covers the vector if `whole`.
        unsafe { store(s, to.wrapping_add(j), v, if whole { S::LANES } else { count }) };
        j += S::LANES;
    }
}
