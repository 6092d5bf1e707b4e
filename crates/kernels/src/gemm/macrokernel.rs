//! The macrokernel, to which every product comes down: C = f(initial C + A · W) for a block of rows and some panels of W.
//!
//! ```text
//! for each strip of panels                   panels outside: a panel stays in the cache for all rows
//!   for each tile of R rows                  R ≤ MR, rows shared out evenly
//!     C = f(initial C + A' · W' + A · W)     the microkernel; A' and W' if there is a projection
//! ```
//!
//! Each matrix except W comes as pointers to its rows, which may be anywhere.
//!
//! The columns of W behind the last whole panel go by half vectors where one of them holds them all.
//!
//! A tile of few rows takes several panels at once, so that at least 8 accumulators hide the latency of the
//! multiply-adds (4 cycles at two a cycle).

use std::ops::Range;

use crate::gemm::arguments::{Arguments, Tile};
use crate::gemm::pack::PANEL_VECTORS;
use crate::gemm::terms::Epilogue;
use crate::pointwise::activation::{Derivative, Lanewise, Value, with_function};
use crate::pointwise::exp::Transcendental;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd, load, store};

/// The fewest rows that a thread should have of a product: a tile of fewer is slower.
pub(crate) const MIN_THREAD_ROWS: usize = 4;

/// Rows of a tile with the widest registers.
pub(crate) const MAX_MR: usize = 12;

impl<T: Transcendental, const PACKED_A: bool> Arguments<'_, T, PACKED_A> {
    /// Runs the macrokernel with instruction set `s`.
    ///
    /// # Safety
    ///
    /// - `a` has a row of K readable elements for each of `c`; but if it lies column by column, it has one entry, where a
    ///   packed tile of the R rows of `c` begins, no more than a tile takes: element k of row r is the (k R + r)-th;
    /// - so have the matrices of `initial` and `epilogue`, of N elements;
    /// - `w` holds the panels that `panels` describes, packed for the lanes of `s`, and `range` is within them;
    /// - `projection` is readable likewise: the rows of `a`, and the panels of `w`;
    /// - `c` is writable for N elements of each row; of the others only the matrix of `initial` may overlap it, and then it
    ///   must be the very same matrix.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd<T>>(self, s: S) {
        if self.c.len() == 1 { s.vectorize(OneRow(self)) } else { s.vectorize(SeveralRows(self)) }
    }
}

/// A block of several rows whose conditions the caller of [`Arguments::run`] vouched for.
struct SeveralRows<'a, T, const PACKED_A: bool>(Arguments<'a, T, PACKED_A>);

impl<T: Transcendental, const PACKED_A: bool> Kernel<T> for SeveralRows<'_, T, PACKED_A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let block = self.0;
        debug_assert_eq!(block.panels.lanes, S::LANES);
        debug_assert!(block.range.end <= block.panels.count());
        debug_assert!(!PACKED_A || block.range.len() == 1);
        match block.c.len() {
            0 => {}
            // A gradient's block is one tile and one panel, and has no time for loops over them.
            rows if PACKED_A => block.tile(s, 0, rows, block.range.start, 1),
            _ => block.rows(s),
        }
    }
}

/// A block of one row, likewise. Apart from the other, since a step of one sequence has no time for what
/// a compiler computes ahead of loops over tiles.
struct OneRow<'a, T, const PACKED_A: bool>(Arguments<'a, T, PACKED_A>);

impl<T: Transcendental, const PACKED_A: bool> Kernel<T> for OneRow<'_, T, PACKED_A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        self.0.row(s);
    }
}

impl<T: Transcendental, const PACKED_A: bool> Arguments<'_, T, PACKED_A> {
    /// The block if it has one row.
    #[inline(always)]
    fn row<S: Simd<T>>(&self, s: S) {
        let full = self.full::<S>();
        let mut panel = self.range.start;
        while panel < self.range.end {
            let together = match full.saturating_sub(panel) {
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            if let Some(prefetch) = self.prefetch {
                prefetch.run(self.panels.n, panel - self.range.start, together, self.range.len());
            }
            let tile = Tile::new(&self.panels, 0, panel);
            match together {
                4 => self.microkernel::<S, 1, 4, 2>(s, &tile, S::LANES),
                2 => self.microkernel::<S, 1, 2, 2>(s, &tile, S::LANES),
                _ => self.panel::<S, 1>(s, &tile),
            }
            panel += together;
        }
    }

    /// The block if it has several rows.
    #[inline(always)]
    fn rows<S: Simd<T>>(&self, s: S) {
        let rows = self.c.len();
        let tiles = rows.div_ceil(S::MR);
        // A division takes as long as ten rows of a small tile.
        let (rows, larger) = if tiles == 1 { (rows, 0) } else { (rows / tiles, rows % tiles) };
        let most = rows + usize::from(larger > 0);
        let full = self.full::<S>();
        let mut panel = self.range.start;
        while panel < self.range.end {
            let together = if most <= 3 && full.saturating_sub(panel) >= 2 { 2 } else { 1 };
            let mut row = 0;
            for i in 0..tiles {
                let rows = rows + usize::from(i < larger);
                if let Some(prefetch) = self.prefetch {
                    let part = (panel - self.range.start) * tiles + i * together;
                    prefetch.run(self.panels.n, part, together, self.range.len() * tiles);
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
            ($($n:literal)*) => {
                match (rows, together) {
                    (2, 2) => self.microkernel::<S, 2, 2, 2>(s, &tile, S::LANES),
                    (3, 2) => self.microkernel::<S, 3, 2, 2>(s, &tile, S::LANES),
                    $(($n, _) if $n <= S::MR => self.panel::<S, $n>(s, &tile),)*
                    _ => unreachable!("a tile has at most MR rows"),
                }
            };
        }
        rows!(2 3 4 5 6 7 8 9 10 11 12);
        if !PACKED_A {
            self.epilogue(s, row..row + rows, panel..panel + together);
        }
    }

    /// A tile of one panel.
    #[inline(always)]
    fn panel<S: Simd<T>, const R: usize>(&self, s: S, tile: &Tile) {
        let Tile { stored, columns, .. } = *tile;
        if stored == PANEL_VECTORS * S::LANES {
            self.microkernel::<S, R, 1, 2>(s, tile, columns - S::LANES);
        } else if S::Half::LANES < S::LANES && columns <= S::Half::LANES {
            self.microkernel::<S::Half, R, 1, 1>(s.half(), tile, columns);
        } else {
            self.microkernel::<S, R, 1, 1>(s, tile, columns);
        }
    }

    /// The epilogue of several rows where the microkernel leaves it out: as a second pass over the tile, which is in the first
    /// cache. Inside the microkernel it would be compiled once for each of its forms.
    #[inline(always)]
    fn epilogue<S: Simd<T>>(&self, s: S, rows: Range<usize>, panels: Range<usize>) {
        let columns = self.panels.span(&panels);
        for r in rows {
            let c = self.c[r].wrapping_add(columns.start).cast_mut();
            let width = columns.len();
            match self.epilogue {
                Epilogue::None => {}
                Epilogue::Activation(f) => with_function!(f, f => second_pass(s, c, c, width, Value(f))),
                Epilogue::Derivative(f, y) => {
                    let y = y[r].wrapping_add(columns.start);
                    with_function!(f, f => second_pass(s, c, y, width, Derivative(f)));
                }
            }
        }
    }
}

/// c = f(c, y) for `width` elements, which the conditions of the block cover, unless the microkernel has done it.
#[inline(always)]
fn second_pass<T: Element, S: Simd<T>, F: Lanewise<T>>(s: S, c: *mut T, y: *const T, width: usize, f: F) {
    if F::SHORT {
        return;
    }
    let mut i = 0;
    while i < width {
        let count = (width - i).min(S::LANES);
        let to = c.wrapping_add(i);
        // SAFETY: C has `width` elements from `c` on, by the conditions of the block.
        let x = unsafe { load(s, to.cast_const(), count) };
        // SAFETY: so has the matrix of the epilogue.
        let y = unsafe { load(s, y.wrapping_add(i), count) };
        // SAFETY: as for `x`; C is writable.
        unsafe { store(s, to, f.apply(s, x, y), count) };
        i += S::LANES;
    }
}
