//! The product at the bottom of everything: C = init + A · W for a block of rows and some panels of W.
//!
//! ```text
//! for each strip of panels              panels outside: a panel stays in the cache for all rows
//!   for each tile of R rows             R ≤ MAX_ROWS, rows shared out evenly
//!     acc[R][vectors] = init
//!     for k in 0..K                     one chain of fused multiply-adds an element, k ascending
//!       acc[r][v] += A[r, k] · W[k, v]  (before it the same for a second pair A', W', if there is one)
//!     C = f(acc)
//! ```
//!
//! Each matrix but W comes as a list of where its rows begin, which may be anywhere.
//!
//! What is left of W's columns behind the last whole panel goes by half vectors where one of them holds it all.
//!
//! A panel of 1024 rows takes 128 KB with the widest vectors, more than a first cache: each tile reads it from the second
//! one, and asks for its lines some rows ahead. A tile of so few rows that it has more vectors does not: it would be slower.
//!
//! A tile of few rows takes several panels at once, so that at least 8 accumulators hide the latency of the
//! multiply-adds (4 cycles at two a cycle).

use std::hint::black_box;
use std::ops::Range;

use crate::Scalar;
use crate::activation::{Lanewise, Relu, ReluGrad, Sigmoid, SigmoidGrad, Tanh, TanhGrad};
use crate::isa::{CACHE_LINE, INTO_FIRST_CACHE, INTO_SECOND_CACHE, Simd, Task, prefetch};
use crate::matrix::{Rows, load, store};
use crate::pack::{PANEL_VECTORS, Panels};

/// The fewest rows that a thread should have of a product: a tile of fewer is slower.
pub(crate) const LEAST_ROWS: usize = 4;

/// Rows of a tile with the widest registers.
pub(crate) const MOST_ROWS: usize = 12;

/// Rows of a panel by which its lines are asked for ahead. On a Xeon 4 to 16 are as good, and a training step with 512
/// units takes 7 % less time.
const ROWS_AHEAD: usize = 8;

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
    fn prefetch(&self, width: usize, part: usize, count: usize, parts: usize) {
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

impl<T: Scalar, const COLUMNS: bool> Block<'_, T, COLUMNS> {
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
            if let Some(ahead) = self.ahead {
                ahead.prefetch(self.panels.n, panel - self.range.start, together, self.range.len());
            }
            let tile = Tile::new(&self.panels, 0, panel);
            match together {
                4 => self.product::<S, 1, 4, 2>(s, &tile, S::LANES),
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
            let together = if most <= 3 && full.saturating_sub(panel) >= 2 { 2 } else { 1 };
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
            ($($n:literal)*) => {
                match (rows, together) {
                    (2, 2) => self.product::<S, 2, 2, 2>(s, &tile, S::LANES),
                    (3, 2) => self.product::<S, 3, 2, 2>(s, &tile, S::LANES),
                    $(($n, _) if $n <= S::MAX_ROWS => self.panel::<S, $n>(s, &tile),)*
                    _ => unreachable!("a tile has at most MAX_ROWS rows"),
                }
            };
        }
        rows!(2 3 4 5 6 7 8 9 10 11 12);
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
    /// below it would be compiled once for each of their forms.
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

    /// R rows by P panels of V vectors each; the last vector has `last` columns.
    #[inline(always)]
    fn product<S: Simd<T>, const R: usize, const P: usize, const V: usize>(
        &self,
        s: S,
        at: &Tile,
        last: usize,
    ) {
        let Tile { row, column, panel, stored, .. } = *at;
        // Column of vector v of panel p, from `column`; and how many lanes of it there are.
        let place = |p: usize, v: usize| (p * V + v) * S::LANES;
        let lanes = |p: usize, v: usize| if p + 1 == P && v + 1 == V { last } else { S::LANES };

        let mut acc = [[[s.splat(T::zero()); V]; P]; R];
        let from = match self.base {
            Base::Zero => None,
            Base::Row(from) => Some([from; R]),
            Base::Rows(from) => Some(part(from, row)),
        };
        if let Some(from) = from {
            for (r, acc) in acc.iter_mut().enumerate() {
                for (p, acc) in acc.iter_mut().enumerate() {
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let from = from[r].wrapping_add(column + place(p, v));
                        // SAFETY: the row has N elements, of which this vector covers the given lanes.
                        *acc = unsafe { load(s, from, lanes(p, v)) };
                    }
                }
            }
        }

        let start = panel * self.panels.width();
        let own = Factors { a: self.a, w: self.w.wrapping_add(start * self.panels.k), k: self.panels.k };
        let before = self.before.filter(|_| !COLUMNS).map(|before| Factors {
            a: before.a,
            w: before.w.wrapping_add(start * before.k),
            k: before.k,
        });
        // One loop for both products: this code is compiled for every form of a tile.
        let mut next = before.or(Some(own));
        let mut behind = before.map(|_| own);
        while let Some(Factors { a, w, k }) = next {
            let a: [_; R] = if COLUMNS { [a[row]; R] } else { part(a, row) };
            for i in 0..k {
                let w = w.wrapping_add(i * stored);
                // The shorter side of a tile stays in registers, and the other comes one by one: so 12 accumulators find
                // room beside it even among 16.
                if R < P * V {
                    let mut left = [s.splat(T::zero()); R];
                    for (r, left) in left.iter_mut().enumerate() {
                        // SAFETY: A is readable there: i < K.
                        *left = s.splat(unsafe { *element::<T, R, COLUMNS>(&a, i, r) });
                    }
                    for p in 0..P {
                        for v in 0..V {
                            // SAFETY: a packed panel holds K rows of whole vectors.
                            let right = unsafe { s.load(w.wrapping_add(p * stored * k + v * S::LANES)) };
                            for (acc, left) in acc.iter_mut().zip(&left) {
                                acc[p][v] = s.mul_add(*left, right, acc[p][v]);
                            }
                        }
                    }
                } else {
                    let mut right = [[s.splat(T::zero()); V]; P];
                    for (p, right) in right.iter_mut().enumerate() {
                        for (v, right) in right.iter_mut().enumerate() {
                            let w = w.wrapping_add(p * stored * k + v * S::LANES);
                            // SAFETY: a packed panel holds K rows of whole vectors.
                            *right = unsafe { s.load(w) };
                            if (v * size_of::<S::V>()).is_multiple_of(CACHE_LINE) {
                                prefetch::<INTO_FIRST_CACHE, _>(w.wrapping_add(ROWS_AHEAD * stored));
                            }
                        }
                    }
                    for (r, acc) in acc.iter_mut().enumerate() {
                        // SAFETY: A is readable there: i < K.
                        let left = s.splat(unsafe { *element::<T, R, COLUMNS>(&a, i, r) });
                        for (acc, right) in acc.iter_mut().zip(&right) {
                            for (acc, right) in acc.iter_mut().zip(right) {
                                *acc = s.mul_add(left, *right, *acc);
                            }
                        }
                    }
                }
            }
            next = behind.take();
        }
        // x + (-0) is x to the bit, but another value to the compiler: the loop's sums end here. Else it weighs them with
        // whatever comes before and after when it gives registers away, and with 16 of them stores some at every turn of
        // the loop, which then takes 1.1 to 1.6 times as long. `test/loops.test.ts` looks at the compiled loops. No
        // `array::map`: that may become a call, which takes its array in memory.
        let nothing = s.splat(black_box(-T::zero()));
        let last_turn = acc;
        let mut acc = last_turn;
        for (acc, last_turn) in acc.iter_mut().zip(&last_turn) {
            for (acc, last_turn) in acc.iter_mut().zip(last_turn) {
                for (acc, last_turn) in acc.iter_mut().zip(last_turn) {
                    *acc = s.add(*last_turn, nothing);
                }
            }
        }

        // Columns of A are for gradients of weights, which end with the product; the code of the others is left out.
        if !COLUMNS {
            let acc = &mut acc;
            match self.finish {
                Finish::TanhGrad(h) => self.finish_product(s, at, last, h, TanhGrad, acc),
                Finish::ReluGrad(h) => self.finish_product(s, at, last, h, ReluGrad, acc),
                // The next step of one sequence waits for its row: a second pass would have to wait for this one's stores.
                Finish::SigmoidGrad(h) if R == 1 => self.finish_product(s, at, last, h, SigmoidGrad, acc),
                Finish::Tanh if R == 1 => self.finish_product(s, at, last, self.c, Tanh, acc),
                Finish::Relu if R == 1 => self.finish_product(s, at, last, self.c, Relu, acc),
                Finish::Sigmoid if R == 1 => self.finish_product(s, at, last, self.c, Sigmoid, acc),
                _ => {}
            }
        }

        let c: [_; R] = part(self.c, row);
        for (r, acc) in acc.iter().enumerate() {
            for (p, acc) in acc.iter().enumerate() {
                for (v, acc) in acc.iter().enumerate() {
                    // SAFETY: C is writable for N columns in this row, of which the vector covers the lanes.
                    unsafe {
                        store(s, c[r].wrapping_add(column + place(p, v)).cast_mut(), *acc, lanes(p, v))
                    };
                }
            }
        }
    }

    /// acc = f(acc, h) for the accumulators of a product: a derivative is short enough to be compiled into each form.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // the place of a product, and what is done there
    fn finish_product<S: Simd<T>, const R: usize, const P: usize, const V: usize>(
        &self,
        s: S,
        at: &Tile,
        last: usize,
        h: Rows<'_, T>,
        f: impl Lanewise<T>,
        acc: &mut [[[S::V; V]; P]; R],
    ) {
        let h: [_; R] = part(h, at.row);
        for (r, acc) in acc.iter_mut().enumerate() {
            for (p, acc) in acc.iter_mut().enumerate() {
                for (v, acc) in acc.iter_mut().enumerate() {
                    let lanes = if p + 1 == P && v + 1 == V { last } else { S::LANES };
                    let h = h[r].wrapping_add(at.column + (p * V + v) * S::LANES);
                    // SAFETY: the matrix of `finish` has these lanes, by the conditions of the block.
                    *acc = f.apply(s, *acc, unsafe { load(s, h, lanes) });
                }
            }
        }
    }
}

/// A product A W for a tile: the rows of A, of K elements, and the tile's panels of W.
#[derive(Clone, Copy)]
struct Factors<'a, T> {
    a: Rows<'a, T>,
    w: *const T,
    k: usize,
}

/// The R rows from `row` on.
#[inline(always)]
fn part<T, const R: usize>(rows: Rows<'_, T>, row: usize) -> [*const T; R] {
    *rows[row..].first_chunk().expect("a tile lies within its block")
}

/// Where element k of row r of a tile of R rows is: its rows may be anywhere, or lie in one packed tile, which all begin at.
#[inline(always)]
fn element<T, const R: usize, const COLUMNS: bool>(rows: &[*const T; R], k: usize, r: usize) -> *const T {
    if COLUMNS { rows[0].wrapping_add(k * R + r) } else { rows[r].wrapping_add(k) }
}

/// Where a tile lies: its first row and column, its first panel, and that panel's width as stored and in columns of W.
struct Tile {
    row: usize,
    column: usize,
    panel: usize,
    stored: usize,
    columns: usize,
}

impl Tile {
    #[inline(always)]
    fn new(panels: &Panels, row: usize, panel: usize) -> Self {
        let columns = panels.columns(panel);
        Self { row, column: columns.start, panel, stored: panels.stored(panel), columns: columns.len() }
    }
}

/// c = f(c, h) for `width` elements, which the block's conditions cover.
#[inline(always)]
fn finish<T: Scalar, S: Simd<T>>(s: S, c: *mut T, h: *const T, width: usize, f: impl Lanewise<T>) {
    let mut i = 0;
    while i < width {
        let count = (width - i).min(S::LANES);
        let to = c.wrapping_add(i);
        // SAFETY: C has `width` elements from `c` on, by the conditions of the block.
        let x = unsafe { load(s, to.cast_const(), count) };
        // SAFETY: so has the matrix of `finish`.
        let h = unsafe { load(s, h.wrapping_add(i), count) };
        // SAFETY: as for `x`; C is writable.
        unsafe { store(s, to, f.apply(s, x, h), count) };
        i += S::LANES;
    }
}
