//! The operands of [`gram`](crate::gram()): rows from anywhere, packed into the order in which tiles read them.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::Scalar;
use crate::rows::matrix::{Matrix, load, matrix, store};
use crate::simd::{CACHE_LINE, INTO_SECOND_CACHE, Simd, prefetch};

/// K rows of N elements.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a, T> {
    /// Those of a matrix (K, N).
    All(ArrayView2<'a, T>),
    /// Row k is the one that `index[k]` names.
    Picked {
        /// The matrix that [`Pick::First`] picks from, (any, N).
        first: ArrayView2<'a, T>,
        /// The matrix that [`Pick::Second`] picks from, (any, N).
        second: ArrayView2<'a, T>,
        /// One entry for each of the K rows.
        index: &'a [Pick],
    },
}

/// A row of one of two matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This row of the first matrix.
    First(usize),
    /// This row of the second matrix.
    Second(usize),
}

impl<'a, T: Scalar> Rows<'a, T> {
    /// (K, N).
    pub(crate) fn dim(&self) -> (usize, usize) {
        match self {
            Self::All(matrix) => matrix.dim(),
            Self::Picked { first, index, .. } => (index.len(), first.ncols()),
        }
    }

    /// Checks that every picked row is there.
    pub(crate) fn source(self) -> Source<'a, T> {
        match self {
            Self::All(all) => Source::of(matrix(all)),
            Self::Picked { first, second, index } => {
                assert_eq!(first.ncols(), second.ncols(), "gram: both matrices must have N columns");
                let there = |pick: &Pick| match *pick {
                    Pick::First(row) => row < first.nrows(),
                    Pick::Second(row) => row < second.nrows(),
                };
                assert!(index.iter().all(there), "gram: a picked row is not there");
                Source { first: matrix(first), second: matrix(second), index: Some(index) }
            }
        }
    }
}

/// Rows whose indices have been checked.
pub(crate) struct Source<'a, T> {
    first: Matrix<T>,
    second: Matrix<T>,
    index: Option<&'a [Pick]>,
}

impl<T> Source<'_, T> {
    /// Where row `k` starts.
    #[inline(always)]
    pub(crate) fn row(&self, k: usize) -> *const T {
        match self.index.map(|index| index[k]) {
            None => self.first.at(k, 0),
            Some(Pick::First(row)) => self.first.at(row, 0),
            Some(Pick::Second(row)) => self.second.at(row, 0),
        }
    }

    /// Asks for the columns of a row that will be packed later.
    #[inline(always)]
    pub(crate) fn prefetch(&self, k: usize, columns: &Range<usize>) {
        let row = self.row(k);
        for column in columns.clone().step_by(CACHE_LINE / size_of::<T>()) {
            prefetch::<INTO_SECOND_CACHE, _>(row.wrapping_add(column));
        }
    }
}

impl<T: Scalar> Source<'_, T> {
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
unsafe fn pack_part<T: Scalar, S: Simd<T>>(s: S, from: *const T, len: usize, whole: bool, to: *mut T) {
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
