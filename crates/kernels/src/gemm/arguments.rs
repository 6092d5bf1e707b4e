//! The arguments of the macrokernel, and where a tile of the microkernel lies in them.

use std::ops::Range;

use crate::gemm::pack::Panels;
use crate::gemm::terms::{Epilogue, InitialC};
use crate::rows::indirection::RowPointers;
use crate::simd::cache::{CACHE_LINE, INTO_SECOND_CACHE, prefetch};
use crate::simd::element::Element;

/// A block of C: some rows, times a range of panels. `PACKED_A` tells how A lies: false, row by row (k is contiguous); true,
/// as one packed tile, column by column (rows are contiguous).
#[derive(Clone)]
pub(crate) struct Arguments<'a, T, const PACKED_A: bool> {
    pub(crate) a: RowPointers<'a, T>,
    pub(crate) w: *const T,
    pub(crate) panels: Panels,
    pub(crate) range: Range<usize>,
    pub(crate) initial: InitialC<'a, T, RowPointers<'a, T>>,
    /// C, which is written to: as many rows as are computed.
    pub(crate) c: RowPointers<'a, T>,
    pub(crate) epilogue: Epilogue<RowPointers<'a, T>>,
    /// What is prefetched meanwhile.
    pub(crate) prefetch: Option<&'a Prefetch<'a, T>>,
    /// A product that comes before that of `a` and `w`.
    pub(crate) projection: Option<&'a ProjectionOperands<'a, T>>,
}

/// A product A' W' that is added to the initial C ahead of A W: for a short A'. Computed apart, it would be an array of the
/// shape of C that goes to memory and back.
pub(crate) struct ProjectionOperands<'a, T> {
    /// A', row by row.
    pub(crate) a: RowPointers<'a, T>,
    /// The panels of W', cut as those of W.
    pub(crate) w: *const T,
    /// Columns of A'.
    pub(crate) k: usize,
}

/// The matrices of N columns that the next block uses: each tile prefetches its share of their lines, so that they come
/// from memory while this block is computed. A tile's part of a row is too short for the hardware prefetchers.
#[derive(Clone, Copy)]
pub(crate) struct Prefetch<'a, T> {
    /// As many rows of each, or none.
    pub(crate) matrices: [RowPointers<'a, T>; 3],
}

impl<T: Element> Prefetch<'_, T> {
    /// Prefetches the lines, of rows of `width` columns, that are due with `count` of the `parts` parts from `part` on.
    #[inline(never)] // it needs no target features, and its divisions stay off the path of others
    pub(crate) fn run(&self, width: usize, part: usize, count: usize, parts: usize) {
        let line = CACHE_LINE / size_of::<T>();
        let lines = width.div_ceil(line);
        let rows = self.matrices.iter().map(|rows| rows.len()).max().unwrap_or(0);
        let due = |part: usize| rows * lines * part / parts;
        let (mut row, mut column) = (due(part) / lines, due(part) % lines);
        for _ in due(part)..due(part + count) {
            for row in self.matrices.iter().filter_map(|rows| rows.get(row)) {
                prefetch::<INTO_SECOND_CACHE, _>(row.wrapping_add(column * line));
            }
            column += 1;
            if column == lines {
                (row, column) = (row + 1, 0);
            }
        }
    }
}

/// Where a tile of the microkernel lies: its first row and column, its first panel, and that panel's width as stored and in
/// columns of W.
pub(crate) struct Tile {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) panel: usize,
    pub(crate) stored: usize,
    pub(crate) columns: usize,
}

impl Tile {
    #[inline(always)]
    pub(crate) fn new(panels: &Panels, row: usize, panel: usize) -> Self {
        let columns = panels.columns(panel);
        Self { row, column: columns.start, panel, stored: panels.stored(panel), columns: columns.len() }
    }
}
