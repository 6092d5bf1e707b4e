//! The product at the bottom of everything: C = init + A · W for a block of rows and some panels of W.
//!
//! ```text
//! for each strip of panels              panels outside: a panel stays in the cache for all rows
//!   for each tile of R rows             R ≤ MAX_ROWS, rows shared out evenly
//!     C = f(init + A' · W' + A · W)     `product`; A' and W' if there is such a pair
//! ```
//!
//! Each matrix but W comes as a list of where its rows begin, which may be anywhere.
//!
//! What is left of W's columns behind the last whole panel goes by half vectors where one of them holds it all.
//!
//! A tile of few rows takes several panels at once, so that at least 8 accumulators hide the latency of the
//! multiply-adds (4 cycles at two a cycle); 16 where four begin in a cycle ([`Simd::LEAST_SUMS`]).

use std::ops::Range;

use crate::Scalar;
use crate::activation::{Lanewise, Relu, Sigmoid, SigmoidGrad, Tanh, lanewise};
use crate::block::{Block, Finish, Tile};
use crate::isa::{Simd, Task};
use crate::pack::PANEL_VECTORS;

/// The fewest rows that a thread should have of a product: a tile of fewer is slower.
pub(crate) const LEAST_ROWS: usize = 4;

/// Rows of a tile with the widest registers.
pub(crate) const MOST_ROWS: usize = 12;

/// Panels that a tile of so many rows takes at once, where there are so many: enough for [`Simd::LEAST_SUMS`] accumulators,
/// but for no more than the largest tile has.
const fn panels_together<T: Scalar, S: Simd<T>>(rows: usize) -> usize {
    let mut panels = 1;
    while rows * panels * PANEL_VECTORS < S::LEAST_SUMS && 2 * rows * panels <= S::MAX_ROWS {
        panels *= 2;
    }
    panels
}

/// The most rows of a tile that takes so many panels at once; 0 if none does.
const fn most_rows<T: Scalar, S: Simd<T>>(panels: usize) -> usize {
    let mut rows = MOST_ROWS;
    while rows > 0 && panels_together::<T, S>(rows) < panels {
        rows -= 1;
    }
    rows
}

impl<T: Scalar, const COLUMNS: bool> Block<'_, T, COLUMNS> {
    /// Computes the block with instruction set `s`.
    ///
    /// # Safety
    ///
    /// - `a` has a row of K readable elements for each of `c`; but if it lies column by column, it has one entry, where a
    ///   packed tile of the R rows of `c` begins, no more than a tile takes: element k of row r is the (k R + r)-th;
    /// - so have `base`, if it has rows, and the matrix of `finish`, of N elements;
    /// - `w` holds the panels that `panels` describes, packed for the lanes of `s`, and `range` is within them;
    /// - `before` is readable likewise: the rows of `a`, and the panels of `w`;
    /// - `c` is writable for N elements of each row; of the others only `base` may overlap it, and then it must be the
    ///   very same matrix.
    #[inline(always)]
    pub(crate) unsafe fn compute<S: Simd<T>>(self, s: S) {
        if self.c.len() == 1 { s.vectorize(ComputeRow(self)) } else { s.vectorize(Compute(self)) }
    }
}

/// The task of a block whose conditions the caller of [`Block::compute`] vouched for.
struct Compute<'a, T, const COLUMNS: bool>(Block<'a, T, COLUMNS>);

impl<T: Scalar, const COLUMNS: bool> Task<T> for Compute<'_, T, COLUMNS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let block = self.0;
        debug_assert_eq!(block.panels.lanes, S::LANES);
        debug_assert!(block.range.end <= block.panels.count());
        debug_assert!(!COLUMNS || block.range.len() == 1);
        match block.c.len() {
            0 => {}
            // A gradient's block is one tile and one panel, and has no time for loops over them.
            rows if COLUMNS => block.tile(s, 0, rows, block.range.start, 1),
            _ => block.rows(s),
        }
    }
}

/// The task of a block of one row, likewise. Apart from the other, since a step of one sequence has no time for what a
/// compiler works out before loops over tiles.
struct ComputeRow<'a, T, const COLUMNS: bool>(Block<'a, T, COLUMNS>);

impl<T: Scalar, const COLUMNS: bool> Task<T> for ComputeRow<'_, T, COLUMNS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        self.0.row(s);
    }
}

impl<T: Scalar, const COLUMNS: bool> Block<'_, T, COLUMNS> {
    /// The block if it has one row.
    #[inline(always)]
    fn row<S: Simd<T>>(&self, s: S) {
        let full = self.full::<S>();
        let mut panel = self.range.start;
        while panel < self.range.end {
            let together = match full.saturating_sub(panel) {
                8.. if const { !COLUMNS && panels_together::<T, S>(1) >= 8 } => 8,
                4.. if const { panels_together::<T, S>(1) >= 4 } => 4,
                2.. => 2,
                _ => 1,
            };
            if let Some(ahead) = self.ahead {
                ahead.prefetch(self.panels.n, panel - self.range.start, together, self.range.len());
            }
            let tile = Tile::new(&self.panels, 0, panel);
            match together {
                8 if const { !COLUMNS && panels_together::<T, S>(1) >= 8 } => self.product::<S, 1, 8, 2>(s, &tile, S::LANES),
                4 if const { panels_together::<T, S>(1) >= 4 } => self.product::<S, 1, 4, 2>(s, &tile, S::LANES),
                2 => self.product::<S, 1, 2, 2>(s, &tile, S::LANES),
                _ => self.panel::<S, 1>(s, &tile),
            }
            panel += together;
        }
    }

    /// The block if it has several rows.
    #[inline(always)]
    fn rows<S: Simd<T>>(&self, s: S) {
        let rows = self.c.len();
        let tiles = rows.div_ceil(S::MAX_ROWS);
        // A division takes as long as ten rows of a small tile.
        let (rows, larger) = if tiles == 1 { (rows, 0) } else { (rows / tiles, rows % tiles) };
        let most = rows + usize::from(larger > 0);
        let full = self.full::<S>();
        let mut panel = self.range.start;
        while panel < self.range.end {
            let together = match full.saturating_sub(panel) {
                4.. if const { most_rows::<T, S>(4) } > 1 && most <= const { most_rows::<T, S>(4) } => 4,
                2.. if const { most_rows::<T, S>(2) } > 1 && most <= const { most_rows::<T, S>(2) } => 2,
                _ => 1,
            };
            let mut row = 0;
            for i in 0..tiles {
                let rows = rows + usize::from(i < larger);
                if let Some(ahead) = self.ahead {
                    let part = (panel - self.range.start) * tiles + i * together;
                    ahead.prefetch(self.panels.n, part, together, self.range.len() * tiles);
                }
                self.tile(s, row, rows, panel, together);
                row += rows;
            }
            panel += together;
        }
    }

    /// Full panels up to the end of the range.
    #[inline(always)]
    fn full<S: Simd<T>>(&self) -> usize {
        (self.panels.n / (PANEL_VECTORS * S::LANES)).min(self.range.end)
    }

    /// One tile: `rows` rows, more than one, from `row`, at `together` panels from `panel`.
    #[inline(always)]
    fn tile<S: Simd<T>>(&self, s: S, row: usize, rows: usize, panel: usize, together: usize) {
        let tile = Tile::new(&self.panels, row, panel);
        macro_rules! rows {
            ($([$r:literal by $p:literal])* $($n:literal)*) => {
                match (rows, together) {
                    $(($r, $p) if const { panels_together::<T, S>($r) >= $p } => {
                        self.product::<S, $r, $p, 2>(s, &tile, S::LANES);
                    })*
                    $(($n, _) if $n <= S::MAX_ROWS => self.panel::<S, $n>(s, &tile),)*
                    _ => unreachable!("a tile has at most MAX_ROWS rows"),
                }
            };
        }
        rows!([2 by 2] [3 by 2] [4 by 2] [5 by 2] [6 by 2] [2 by 4] [3 by 4] 2 3 4 5 6 7 8 9 10 11 12);
        if !COLUMNS {
            self.finish(s, row..row + rows, panel..panel + together);
        }
    }

    /// A tile of one panel.
    #[inline(always)]
    fn panel<S: Simd<T>, const R: usize>(&self, s: S, tile: &Tile) {
        let Tile { stored, columns, .. } = *tile;
        if stored == PANEL_VECTORS * S::LANES {
            self.product::<S, R, 1, 2>(s, tile, columns - S::LANES);
        } else if S::Half::LANES < S::LANES && columns <= S::Half::LANES {
            self.product::<S::Half, R, 1, 1>(s.half(), tile, columns);
        } else {
            self.product::<S, R, 1, 1>(s, tile, columns);
        }
    }

    /// The activation of several rows, as a second pass over the tile, which is in the first cache: inside the products
    /// it would be compiled once for each of their forms.
    #[inline(always)]
    fn finish<S: Simd<T>>(&self, s: S, rows: Range<usize>, panels: Range<usize>) {
        let columns = self.panels.span(&panels);
        for r in rows {
            let c = self.c[r].wrapping_add(columns.start).cast_mut();
            let width = columns.len();
            match self.finish {
                Finish::Nothing | Finish::TanhGrad(_) | Finish::ReluGrad(_) => {}
                Finish::SigmoidGrad(h) => {
                    let h = h[r].wrapping_add(columns.start);
                    finish(s, c, h, width, SigmoidGrad);
                }
                Finish::Tanh => finish(s, c, c, width, Tanh),
                Finish::Relu => finish(s, c, c, width, Relu),
                Finish::Sigmoid => finish(s, c, c, width, Sigmoid),
            }
        }
    }
}

/// c = f(c, h) for `width` elements, which the block's conditions cover.
#[inline(always)]
fn finish<T: Scalar, S: Simd<T>>(s: S, c: *mut T, h: *const T, width: usize, f: impl Lanewise<T>) {
    // SAFETY: C and the matrix of `finish` have `width` elements from there on, by the conditions of the block.
    unsafe { lanewise(s, c.cast_const(), h, c, width, f) };
}
