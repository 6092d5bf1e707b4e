//! Aᵀ B over many rows: the gradients of weights, dW = Σ over rows of dzᵀ x, and of a bias, db = Σ over rows of dz.
//!
//! ```text
//! for each chunk of KC rows                    Y[chunk] = A[chunk] W, the fused product, if there is one
//!                                              B[chunk] is packed into panels, for each B
//!   for each block of MC columns of A          A[chunk, block] is packed, and added to the sums
//!     for each panel, for each tile            out[tile, panel] += A[chunk, tile]ᵀ B[chunk, panel]
//! ```
//!
//! Chunks follow each other in order. Both operands are packed by the thread that uses them; the products of all chunks go
//! into one chain of multiply-adds per element, so neither the chunks nor the threads change a bit.
//!
//! Because B is packed anyway, its rows may come from anywhere: [`Operand::Gathered`] gives the gradient of the recurrent
//! weights the state before each step without a copy of all states.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::gemm::arguments::Arguments;
use crate::gemm::gemm_nn::{self, Gemm, GemmKernels};
use crate::gemm::macrokernel::MAX_MR;
use crate::gemm::operand::{Operand, OperandRows, prefetch_helps_packing};
use crate::gemm::pack::{PANEL_VECTORS, Packed, Panels};
use crate::gemm::row_sums::{ROWS_OF_A_SUM, add_rows};
use crate::gemm::terms::{Epilogue, InitialC};
use crate::pointwise::exp::Transcendental;
use crate::rows::matrix::{Matrix, row_stride};
use crate::rows::row_map::MappedRowsMut;
use crate::rows::steps::Steps;
use crate::runtime::context::{Context, MACS_PER_ELEMENT};
use crate::runtime::pool::Member;
use crate::runtime::scratch::{AllocError, Scratch};
use crate::simd::cache::{CACHE_LINE, FAR};
use crate::simd::dispatch::compile_kernels;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// Rows in a chunk. Each chunk adds to all of `out` and so reads and writes it; at 1024 by 1024 that is 4 MB, and chunks
/// four times as long save 4 % of a training step. A panel of a chunk takes 128 KB of the second cache. No power of two:
/// the tiles that a row is packed into would alias at 4 KB and evict each other from the first cache.
const KC: usize = 1008;
const _: () =
    assert!(KC.is_multiple_of(ROWS_OF_A_SUM), "sums over chunks have the bits of sums over all rows");

/// Most columns of A that are packed, and multiplied by all panels, before the next ones: a chunk of them takes 774 KB in
/// float32, and stays in a second cache of 1 or 2 MB.
const MC: usize = 16 * MAX_MR;

/// Bytes of a chunk of A up to which the fused product finds it in the second cache, or leaves it there. With twice as many a
/// training step of 512 units takes 4 % longer than if A is read once more.
const READ_ONCE: usize = 1 << 20;

/// One of the products of [`gemm_tn`]: out = Aᵀ B.
#[derive(Debug)]
pub struct TransposedProduct<'a, 'o, T> {
    /// B (K, N).
    pub b: Operand<'a, T>,
    /// Aᵀ B (M, N).
    pub out: ArrayViewMut2<'o, T>,
}

/// A product of A itself, fused with the others: Y = initial C + A W. It is the gradient of a layer's input; computed apart it
/// would read all of A from memory once more.
#[derive(Debug)]
pub struct FusedGemm<'a, 'y, T: Element> {
    /// In which order A's rows are.
    pub steps: &'a Steps,
    /// W, of M rows.
    pub weights: &'a Packed<'a, T>,
    /// What Y starts from.
    pub initial: InitialC<'a, T>,
    /// Y, of K rows.
    pub out: MappedRowsMut<'y, T>,
}

/// out = Aᵀ B for each of `products`, the `sums` of A's columns, and a `fused` product A W, the latter two if they are wanted:
/// what a layer's backward pass needs of the gradients before its activation. a (K, M), each b (K, N), its out (M, N), M
/// sums; rows must be contiguous, with any row stride.
///
/// # Errors
///
/// [`AllocError`] if there is not enough scratch memory; the results are then unspecified.
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn gemm_tn<'a, 'o, T: GemmTnKernels>(
    ctx: &Context,
    a: ArrayView2<'_, T>,
    products: impl IntoIterator<Item = TransposedProduct<'a, 'o, T>>,
    sums: Option<&mut [T]>,
    mut fused: Option<FusedGemm<'_, '_, T>>,
) -> Result<(), AllocError> {
    let (k, m) = a.dim();
    let lanes = ctx.isa().lanes::<T>();
    let (mut panels, mut stored) = (0, 0);
    let right = products.into_iter().map(|TransposedProduct { b, mut out }| {
        let (b_rows, n) = b.dim();
        assert_eq!(b_rows, k, "gemm_tn: a and b must have the same number of rows");
        assert_eq!(out.dim(), (m, n), "gemm_tn: out must be (M, N)");
        if k == 0 {
            out.fill(T::zero());
        }
        let c = Matrix { data: out.as_mut_ptr().cast_const(), stride: row_stride(m, n, out.strides()) };
        let cut = Panels { k: k.min(KC), n, lanes };
        let right = RightOperand { rows: b.rows(), panels: cut, before: panels, stored, c };
        panels += cut.count();
        stored += n.next_multiple_of(lanes);
        right
    });
    let right: Vec<_> = right.collect();
    let sums = sums.map(|sums| {
        assert_eq!(sums.len(), m, "gemm_tn: there must be M sums");
        sums.fill(T::zero());
        sums.as_mut_ptr()
    });
    let nothing = m == 0 || k == 0 || (panels == 0 && sums.is_none());
    let bytes_of_chunk = k.min(KC).saturating_mul(m).saturating_mul(size_of::<T>());
    let fused = fused.as_mut().map(|FusedGemm { steps, weights, initial, out }| {
        assert_eq!(steps.rows(), k, "gemm_tn: the steps must have as many rows as a");
        Gemm::new(steps, a.into(), weights, *initial, out)
    });
    let fused = match fused {
        Some(product) if nothing || bytes_of_chunk > READ_ONCE => {
            product.run(ctx);
            None
        }
        fused => fused,
    };
    if nothing {
        return Ok(());
    }
    let n: usize = right.iter().map(|right| right.panels.n).sum();
    let of_sums = if sums.is_some() { MACS_PER_ELEMENT } else { 0 };
    let work = m.saturating_mul(k).saturating_mul(n + of_sums);
    let work = work.saturating_add(fused.as_ref().map_or(0, Gemm::work));
    let mut team = ctx.team(work, usize::MAX);
    let scratch = (0..team.size())
        .map(|_| {
            let left = ctx.scratch(m.min(MC) * k.min(KC))?;
            let right = ctx.scratch(stored * k.min(KC))?;
            let copy = fused.as_ref().and_then(|fused| fused.copy_buffer(ctx, gemm_nn::MC));
            Ok(Mutex::new((left, right, copy)))
        })
        .collect::<Result<Vec<_>, AllocError>>()?;
    let widest = right.iter().map(|right| right.panels.n).max().unwrap_or(0);
    let bytes = (m + widest).saturating_mul(k).saturating_mul(size_of::<T>());
    let checked = GemmTn {
        k,
        m,
        left: Operand::Matrix(a).rows(),
        right,
        panels,
        n,
        sums,
        fused,
        prefetches: prefetch_helps_packing() && bytes >= FAR,
    };
    team.run(work, |member| {
        let mut scratch = scratch[member.index].lock().unwrap_or_else(PoisonError::into_inner);
        let (left, right, copy) = &mut *scratch;
        T::gemm_tn(ctx.isa(), GemmTnPart { ctx, gemm: &checked, member, left, right, copy: copy.as_mut() });
    });
    Ok(())
}

/// A right operand and where its product goes.
struct RightOperand<'a, T> {
    rows: OperandRows<'a, T>,
    /// The panels of a full chunk.
    panels: Panels,
    /// Panels of the operands before it.
    before: usize,
    /// Their columns, as stored.
    stored: usize,
    /// Its product, which is written to.
    c: Matrix<T>,
}

compile_kernels! {
    /// The kernel of [`gemm_tn`].
    GemmTnKernels: GemmKernels {
        fn gemm_tn(GemmTnPart<'_, '_, Self>);
    }
}

/// Products whose shapes have been checked.
struct GemmTn<'a, T: Element> {
    k: usize,
    m: usize,
    left: OperandRows<'a, T>,
    right: Vec<RightOperand<'a, T>>,
    /// Panels of all right operands.
    panels: usize,
    /// Columns of all right operands.
    n: usize,
    /// M sums of the columns of the left operand, if they are wanted.
    sums: Option<*mut T>,
    fused: Option<Gemm<'a, T>>,
    /// Whether rows are prefetched before they are packed.
    prefetches: bool,
}

impl<T: Element> GemmTn<'_, T> {
    /// The right operands that have some of these panels of all, and which of their own.
    #[inline(always)]
    fn right(&self, all: &Range<usize>) -> impl Iterator<Item = (&RightOperand<'_, T>, Range<usize>)> {
        self.right.iter().filter_map(|right| {
            let own = |panel: usize| panel.saturating_sub(right.before).min(right.panels.count());
            let panels = own(all.start)..own(all.end);
            (!panels.is_empty()).then_some((right, panels))
        })
    }

    /// Whether `members` split the tiles of `width` columns of the left operand, or else the panels of the right ones:
    /// the choice that gives them more equal shares, or the longer side, so that they pack less of the same.
    fn splits_left(&self, members: usize, width: usize) -> bool {
        let tiles = self.m.div_ceil(width);
        let left = tiles.next_multiple_of(members) * self.panels;
        let right = self.panels.next_multiple_of(members) * tiles;
        left < right || (left == right && self.m >= self.n)
    }
}
// SAFETY: members write disjoint rows or columns of each C, and disjoint sums, and only read the rest.
unsafe impl<T: Element> Sync for GemmTn<'_, T> {}

/// One thread's part, with scratch for its packed operands.
pub struct GemmTnPart<'a, 's, T: Element> {
    ctx: &'a Context,
    gemm: &'a GemmTn<'a, T>,
    member: Member<'a>,
    left: &'a mut Scratch<'s, T>,
    right: &'a mut Scratch<'s, T>,
    /// Where the fused product reads a copy of A's rows, if not A itself.
    copy: Option<&'a mut Scratch<'s, T>>,
}

impl<T: Transcendental> Kernel<T> for GemmTnPart<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, s: S) {
        let gemm = self.gemm;
        let member = self.member;
        let share = |len, grain| member.share(len, grain);
        let (mut rows, panels, summed) = if gemm.splits_left(self.member.size, S::MR) {
            let rows = share(gemm.m, S::MR);
            (rows.clone(), 0..gemm.panels, rows)
        } else {
            (0..gemm.m, share(gemm.panels, 1), share(gemm.m, CACHE_LINE / size_of::<T>()))
        };
        if panels.is_empty() && gemm.sums.is_none() {
            rows = 0..0;
        }
        if rows.is_empty() && gemm.fused.is_none() {
            return;
        }
        let tiles = rows.len().div_ceil(S::MR).max(1);
        let blocks = tiles.div_ceil(MC / S::MR);
        let width = tiles.div_ceil(blocks) * S::MR;
        for start in (0..gemm.k).step_by(KC) {
            if self.ctx.cancelled() {
                return;
            }
            let chunk = start..gemm.k.min(start + KC);
            if let Some(fused) = &gemm.fused {
                let rows = share(chunk.len(), S::MR);
                fused.compute(s, start + rows.start..start + rows.end, self.copy.as_deref_mut());
            }
            if rows.is_empty() {
                continue;
            }
            self.pack_right(s, &chunk, &panels);
            let mut prefetcher = Prefetcher::new(gemm, &rows, &panels, chunk.end, S::MR);
            for first in rows.clone().step_by(width) {
                let rows = first..rows.end.min(first + width);
                if !panels.is_empty() {
                    // SAFETY: the left operand has these rows and columns; scratch has room for so many of them.
                    unsafe { gemm.left.pack(s, &chunk, &rows, S::MR, false, self.left) };
                }
                self.add_sums(&chunk, rows.start.max(summed.start)..rows.end.min(summed.end));
                for (right, panels) in gemm.right(&panels) {
                    for p in panels {
                        for tile in rows.clone().step_by(S::MR) {
                            prefetcher.run();
                            self.multiply(s, &chunk, &rows, tile, right, p);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Transcendental> GemmTnPart<'_, '_, T> {
    /// Packs the `panels` of the right operands.
    #[inline(always)]
    fn pack_right<S: Simd<T>>(&mut self, s: S, chunk: &Range<usize>, panels: &Range<usize>) {
        for (right, panels) in self.gemm.right(panels) {
            let columns = right.panels.span(&panels);
            let packed = Panels { k: chunk.len(), ..right.panels };
            let to = &mut self.right[right.stored * chunk.len() + packed.offset(panels.start)..];
            let width = PANEL_VECTORS * S::LANES; // a constant
            // SAFETY: the operand has these rows and columns; scratch has room for the panels of all.
            unsafe { right.rows.pack(s, chunk, &columns, width, true, to) };
        }
    }

    /// Adds the rows of `chunk` to the sums of these columns of the left operand.
    #[inline(always)]
    fn add_sums(&self, chunk: &Range<usize>, columns: Range<usize>) {
        if let Some(sums) = self.gemm.sums
            && !columns.is_empty()
        {
            // SAFETY: there are M sums, of which these are this thread's.
            let sums =
                unsafe { std::slice::from_raw_parts_mut(sums.wrapping_add(columns.start), columns.len()) };
            let row = |k| self.gemm.left.row(k).wrapping_add(columns.start);
            // SAFETY: the left operand has these rows and columns.
            unsafe { add_rows(chunk.clone(), row, sums) };
        }
    }

    /// C += the tile at column `tile` of the left operand, of which `packed` are packed, by panel `p` of a right one.
    #[inline(always)]
    fn multiply<S: Simd<T>>(
        &self,
        s: S,
        chunk: &Range<usize>,
        packed: &Range<usize>,
        tile: usize,
        right: &RightOperand<'_, T>,
        p: usize,
    ) {
        let width = (packed.end - tile).min(S::MR);
        let mut slot = [std::ptr::null(); MAX_MR];
        let c = right.c.below(tile).pointers(&mut slot[..width]);
        let left = self.left[(tile - packed.start) * chunk.len()..].as_ptr();
        let arguments = Arguments::<T, true> {
            a: &[left],
            w: self.right[right.stored * chunk.len()..].as_ptr(),
            panels: Panels { k: chunk.len(), ..right.panels },
            range: p..p + 1,
            initial: if chunk.start == 0 { InitialC::Zero } else { InitialC::InPlace },
            c,
            epilogue: Epilogue::None,
            prefetch: None,
            projection: None,
        };
        // SAFETY: both operands are packed for these rows, panels and ks, the left one in tiles, of which this is one; C is
        // this thread's in these rows and columns.
        unsafe { arguments.run(s) };
    }
}

/// Prefetches the next chunk while a thread multiplies one: a few rows with each tile.
struct Prefetcher<'a, T: Element> {
    gemm: &'a GemmTn<'a, T>,
    /// The thread's columns of the left operand.
    columns: &'a Range<usize>,
    /// Its panels of the right operands.
    panels: &'a Range<usize>,
    /// The rows that are left.
    rows: Range<usize>,
    rows_of_a_tile: usize,
}

impl<'a, T: Element> Prefetcher<'a, T> {
    /// For the chunk from row `next` on; tiles have up to `width` columns.
    #[inline(always)]
    fn new(
        gemm: &'a GemmTn<'a, T>,
        columns: &'a Range<usize>,
        panels: &'a Range<usize>,
        next: usize,
        width: usize,
    ) -> Self {
        let rows = next..gemm.k.min(next + KC);
        let tiles = (panels.len() * columns.len().div_ceil(width)).max(1);
        let rows_of_a_tile = if gemm.prefetches { rows.len().div_ceil(tiles) } else { 0 };
        Self { gemm, columns, panels, rows, rows_of_a_tile }
    }

    /// Prefetches the rows that are due with one tile.
    #[inline(always)]
    fn run(&mut self) {
        for k in self.rows.by_ref().take(self.rows_of_a_tile) {
            self.gemm.left.prefetch(k, self.columns);
            for (right, panels) in self.gemm.right(self.panels) {
                right.rows.prefetch(k, &right.panels.span(&panels));
            }
        }
    }
}

#[cfg(test)]
mod tests;
