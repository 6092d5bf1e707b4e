//! What a product of some rows and some panels is made of: operands, what it starts from, what is done to it, and where a
//! tile of it lies. [`crate::gemm::macrokernel`] goes through the tiles of a block, [`crate::gemm::microkernel`] computes one.

use std::ops::Range;

use crate::Scalar;
use crate::gemm::pack::Panels;
use crate::rows::matrix::Rows;
use crate::simd::{CACHE_LINE, INTO_SECOND_CACHE, prefetch};

/// What the accumulators start from.
#[derive(Clone, Copy)]
pub(crate) enum Base<'a, T> {
    /// 0.
    Zero,
    /// One row for all.
    Row(*const T),
    /// A matrix of the shape of C.
    Rows(Rows<'a, T>),
}

/// What is done to a tile after its product.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a, T> {
    /// Nothing.
    Nothing,
    /// C = tanh C.
    Tanh,
    /// C = relu C.
    Relu,
    /// C = C ⊙ (1 - H²), H of the shape of C.
    TanhGrad(Rows<'a, T>),
    /// C = C where H > 0, else 0, H of the shape of C.
    ReluGrad(Rows<'a, T>),
    /// C = sigmoid C.
    Sigmoid,
    /// C = C ⊙ H (1 - H), H of the shape of C.
    SigmoidGrad(Rows<'a, T>),
}

impl<'a, T: Copy> Finish<'a, T> {
    /// The same function, which reads `h` if it reads a matrix.
    #[inline(always)]
    pub(crate) fn with(self, h: Rows<'a, T>) -> Self {
        match self {
            Self::TanhGrad(_) => Self::TanhGrad(h),
            Self::ReluGrad(_) => Self::ReluGrad(h),
            Self::SigmoidGrad(_) => Self::SigmoidGrad(h),
            Self::Nothing | Self::Tanh | Self::Relu | Self::Sigmoid => self,
        }
    }
}

/// A block of rows times a range of panels. `COLUMNS` tells how A lies: false, row by row (k is contiguous); true, as one
/// packed tile, column by column (rows are contiguous).
#[derive(Clone)]
pub(crate) struct Block<'a, T, const COLUMNS: bool> {
    pub(crate) a: Rows<'a, T>,
    pub(crate) w: *const T,
    pub(crate) panels: Panels,
    pub(crate) range: Range<usize>,
    pub(crate) base: Base<'a, T>,
    /// C, which is written to: as many rows as are computed.
    pub(crate) c: Rows<'a, T>,
    pub(crate) finish: Finish<'a, T>,
    pub(crate) ahead: Option<&'a Ahead<'a, T>>,
    /// A product that comes before that of `a` and `w`.
    pub(crate) before: Option<&'a Before<'a, T>>,
}

/// A product A' W' that is added to the base ahead of the block's own: for a short A', which would else be an array
/// of the shape of C that goes to memory and back.
pub(crate) struct Before<'a, T> {
    /// A', row by row.
    pub(crate) a: Rows<'a, T>,
    /// The panels of W', cut as those of W.
    pub(crate) w: *const T,
    /// Columns of A'.
    pub(crate) k: usize,
}

/// What the next block will use beside its product, in N columns: each tile asks for its share of the lines, so that
/// they come from memory while this block is computed. A tile's part of a row is too short for the processor to
/// foresee the next.
#[derive(Clone, Copy)]
pub(crate) struct Ahead<'a, T> {
    /// As many rows of each, or none.
    pub(crate) matrices: [Rows<'a, T>; 3],
}

impl<T: Scalar> Ahead<'_, T> {
    /// Asks for the lines, `width` columns wide, that are due with `count` of the `parts` parts from `part` on.
    #[inline(never)] // it needs no target features, and its divisions stay off the path of others
    pub(crate) fn prefetch(&self, width: usize, part: usize, count: usize, parts: usize) {
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

/// Where a tile lies: its first row and column, its first panel, and that panel's width as stored and in columns of W.
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
