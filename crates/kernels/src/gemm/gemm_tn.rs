//! Aᵀ B over many rows: the gradients of weights, dW = Σ over rows of dzᵀ x, and of a bias, db = Σ over rows of dz.
//!
//! ```text
//! for each chunk of rows                              Y[chunk] = A[chunk] W, if it goes along
//!                                                     B[chunk] is packed into panels, of all B that are multiplied by A
//!   for COLUMNS_TOGETHER of A's columns               A[chunk, columns] is packed, and added to the sums
//!     for each panel, for each tile                   out[tile, panel] += A[chunk, tile]ᵀ B[chunk, panel]
//! ```
//!
//! The rows are taken in chunks of [`CHUNK`], in order. Both operands are packed by the thread that uses them; the products
//! of all chunks go into one chain of multiply-adds per element, so neither the chunks nor the threads change a bit.
//!
//! Because B is packed anyway, its rows may come from anywhere: [`Rows::Picked`] gives the recurrent weight's
//! gradient the state before each step without a copy of all states.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::gemm::arguments::{Base, Block, Finish};
use crate::gemm::gemm_nn::{self, Init, ROWS_TOGETHER};
use crate::gemm::macrokernel::MOST_ROWS;
use crate::gemm::operand::{Rows, Source};
use crate::gemm::pack::{PANEL_VECTORS, Packed, Panels};
use crate::gemm::row_sums::{SUMMED_TOGETHER, add_rows};
use crate::rows::matrix::{Matrix, row_stride};
use crate::rows::row_map::Target;
use crate::runtime::context::MULTIPLY_ADDS_OF_AN_ELEMENT;
use crate::runtime::pool::Member;
use crate::simd::{CACHE_LINE, FAR, Simd, Task, packs_early_rows_faster};
use crate::{AllocError, Context, Scalar, Scratch, Steps};

/// Rows in a chunk. Each chunk adds to all of `out` and so reads and writes it; at 1024 by 1024 that is 4 MB, and chunks
/// four times as long save 4 % of a training step. A panel of a chunk takes 128 KB of the second cache. No power of two:
/// the tiles that a row is packed into would be multiples of 4 KB apart and push each other out of the first cache.
const CHUNK: usize = 1008;
const _: () =
    assert!(CHUNK.is_multiple_of(SUMMED_TOGETHER), "sums over chunks have the bits of sums over all rows");

/// Most columns of the left operand that are packed, and multiplied by all panels, before the next ones: a chunk of them
/// takes 774 KB in float32, and stays in a second cache of 1 or 2 MB.
const COLUMNS_TOGETHER: usize = 16 * MOST_ROWS;

/// Bytes of a chunk of A up to which a product along with the others finds it in the second cache, or leaves it there. With
/// twice as many a training step of 512 units takes 4 % longer than if A is read once more.
const READ_ONCE: usize = 1 << 20;

/// One of the products of [`gram`]: out = Aᵀ B.
#[derive(Debug)]
pub struct Product<'a, 'o, T> {
    /// B (K, N).
    pub b: Rows<'a, T>,
    /// Aᵀ B (M, N).
    pub out: ArrayViewMut2<'o, T>,
}

/// A product of A itself, made by the way: Y = init + A W. The gradient of a layer's input, which else would read all of A
/// from memory once more.
#[derive(Debug)]
pub struct Along<'a, 'y, T: Scalar> {
    /// In which order A's rows are.
    pub steps: &'a Steps,
    /// W, of M rows.
    pub weights: &'a Packed<'a, T>,
    /// What Y starts from.
    pub init: Init<'a, T>,
    /// Y, of K rows.
    pub out: Target<'y, T>,
}

/// out = Aᵀ B for each of `products`, the sums of A's columns if there is room for them, and a product `along` with these:
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
pub fn gram<'a, 'o, T: Scalar>(
    ctx: &Context,
    a: ArrayView2<'_, T>,
    products: impl IntoIterator<Item = Product<'a, 'o, T>>,
    sums: Option<&mut [T]>,
    mut along: Option<Along<'_, '_, T>>,
) -> Result<(), AllocError> {
    let (k, m) = a.dim();
    let lanes = T::lanes(ctx.isa());
    let (mut panels, mut stored) = (0, 0);
    let right = products.into_iter().map(|Product { b, mut out }| {
        let (b_rows, n) = b.dim();
        assert_eq!(b_rows, k, "gram: a and b must have the same number of rows");
        assert_eq!(out.dim(), (m, n), "gram: out must be (M, N)");
        if k == 0 {
            out.fill(T::zero());
        }
        let c = Matrix { data: out.as_mut_ptr().cast_const(), stride: row_stride(m, n, out.strides()) };
        let cut = Panels { k: k.min(CHUNK), n, lanes };
        let right = Right { source: b.source(), panels: cut, before: panels, stored, c };
        panels += cut.count();
        stored += n.next_multiple_of(lanes);
        right
    });
    let right: Vec<_> = right.collect();
    let sums = sums.map(|sums| {
        assert_eq!(sums.len(), m, "gram: there must be M sums");
        sums.fill(T::zero());
        sums.as_mut_ptr()
    });
    let nothing = m == 0 || k == 0 || (panels == 0 && sums.is_none());
    let bytes_of_chunk = k.min(CHUNK).saturating_mul(m).saturating_mul(size_of::<T>());
    let along = along.as_mut().map(|Along { steps, weights, init, out }| {
        assert_eq!(steps.rows(), k, "gram: the steps must have as many rows as a");
        gemm_nn::Product::new(steps, a.into(), weights, *init, out)
    });
    let along = match along {
        Some(product) if nothing || bytes_of_chunk > READ_ONCE => {
            product.run(ctx);
            None
        }
        along => along,
    };
    if nothing {
        return Ok(());
    }
    let n: usize = right.iter().map(|right| right.panels.n).sum();
    let of_sums = if sums.is_some() { MULTIPLY_ADDS_OF_AN_ELEMENT } else { 0 };
    let work = m.saturating_mul(k).saturating_mul(n + of_sums);
    let work = work.saturating_add(along.as_ref().map_or(0, gemm_nn::Product::work));
    let mut team = ctx.team(work, usize::MAX);
    let scratch = (0..team.size())
        .map(|_| {
            let left = ctx.scratch(m.min(COLUMNS_TOGETHER) * k.min(CHUNK))?;
            let right = ctx.scratch(stored * k.min(CHUNK))?;
            let near = along.as_ref().and_then(|along| along.room(ctx, ROWS_TOGETHER));
            Ok(Mutex::new((left, right, near)))
        })
        .collect::<Result<Vec<_>, AllocError>>()?;
    let widest = right.iter().map(|right| right.panels.n).max().unwrap_or(0);
    let bytes = (m + widest).saturating_mul(k).saturating_mul(size_of::<T>());
    let plan = Plan {
        k,
        m,
        left: Rows::All(a).source(),
        right,
        panels,
        n,
        sums,
        along,
        early: packs_early_rows_faster() && bytes >= FAR,
    };
    team.run(work, |member| {
        let mut scratch = scratch[member.index].lock().unwrap_or_else(PoisonError::into_inner);
        let (left, right, near) = &mut *scratch;
        T::gram(ctx.isa(), Gram { ctx, plan: &plan, member, left, right, near: near.as_mut() });
    });
    Ok(())
}

/// A right operand and where its product goes.
struct Right<'a, T> {
    source: Source<'a, T>,
    /// The panels of a full chunk.
    panels: Panels,
    /// Panels of the operands before it.
    before: usize,
    /// Their columns, as stored.
    stored: usize,
    /// Its product, which is written to.
    c: Matrix<T>,
}

/// Products whose shapes have been checked.
struct Plan<'a, T: Scalar> {
    k: usize,
    m: usize,
    left: Source<'a, T>,
    right: Vec<Right<'a, T>>,
    /// Panels of all right operands.
    panels: usize,
    /// Columns of all right operands.
    n: usize,
    /// M sums of the columns of the left operand, if they are wanted.
    sums: Option<*mut T>,
    along: Option<gemm_nn::Product<'a, T>>,
    /// Whether rows are asked for before they are packed.
    early: bool,
}

impl<T: Scalar> Plan<'_, T> {
    /// The right operands that have some of these panels of all, and which of their own.
    #[inline(always)]
    fn right(&self, all: &Range<usize>) -> impl Iterator<Item = (&Right<'_, T>, Range<usize>)> {
        self.right.iter().filter_map(|right| {
            let own = |panel: usize| panel.saturating_sub(right.before).min(right.panels.count());
            let panels = own(all.start)..own(all.end);
            (!panels.is_empty()).then_some((right, panels))
        })
    }

    /// Whether `members` split the tiles of `width` columns of the left operand, or else the panels of the right ones:
    /// what gives them more equal shares, or the longer side, so that they pack less of the same.
    fn splits_left(&self, members: usize, width: usize) -> bool {
        let tiles = self.m.div_ceil(width);
        let left = tiles.next_multiple_of(members) * self.panels;
        let right = self.panels.next_multiple_of(members) * tiles;
        left < right || (left == right && self.m >= self.n)
    }
}
// SAFETY: members write disjoint rows or columns of each C, and disjoint sums, and only read the rest.
unsafe impl<T: Scalar> Sync for Plan<'_, T> {}

/// One thread's part, with scratch for its packed operands.
pub struct Gram<'a, 's, T: Scalar> {
    ctx: &'a Context,
    plan: &'a Plan<'a, T>,
    member: Member<'a>,
    left: &'a mut Scratch<'s, T>,
    right: &'a mut Scratch<'s, T>,
    /// Where the product along with these reads A's rows, if not where they are.
    near: Option<&'a mut Scratch<'s, T>>,
}

impl<T: Scalar> Task<T> for Gram<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, s: S) {
        let plan = self.plan;
        let member = self.member;
        let share = |len, grain| member.share(len, grain);
        let (mut rows, panels, summed) = if plan.splits_left(self.member.size, S::MAX_ROWS) {
            let rows = share(plan.m, S::MAX_ROWS);
            (rows.clone(), 0..plan.panels, rows)
        } else {
            (0..plan.m, share(plan.panels, 1), share(plan.m, CACHE_LINE / size_of::<T>()))
        };
        if panels.is_empty() && plan.sums.is_none() {
            rows = 0..0;
        }
        if rows.is_empty() && plan.along.is_none() {
            return;
        }
        let tiles = rows.len().div_ceil(S::MAX_ROWS).max(1);
        let blocks = tiles.div_ceil(COLUMNS_TOGETHER / S::MAX_ROWS);
        let together = tiles.div_ceil(blocks) * S::MAX_ROWS;
        for start in (0..plan.k).step_by(CHUNK) {
            if self.ctx.cancelled() {
                return;
            }
            let chunk = start..plan.k.min(start + CHUNK);
            if let Some(along) = &plan.along {
                let rows = share(chunk.len(), S::MAX_ROWS);
                along.compute(s, start + rows.start..start + rows.end, self.near.as_deref_mut());
            }
            if rows.is_empty() {
                continue;
            }
            self.pack_right(s, &chunk, &panels);
            let mut early = Early::new(plan, &rows, &panels, chunk.end, S::MAX_ROWS);
            for first in rows.clone().step_by(together) {
                let rows = first..rows.end.min(first + together);
                if !panels.is_empty() {
                    // SAFETY: the left operand has these rows and columns; scratch has room for so many of them.
                    unsafe { plan.left.pack(s, &chunk, &rows, S::MAX_ROWS, false, self.left) };
                }
                self.add_sums(&chunk, rows.start.max(summed.start)..rows.end.min(summed.end));
                for (right, panels) in plan.right(&panels) {
                    for p in panels {
                        for tile in rows.clone().step_by(S::MAX_ROWS) {
                            early.ask();
                            self.multiply(s, &chunk, &rows, tile, right, p);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Scalar> Gram<'_, '_, T> {
    /// Packs the `panels` of the right operands.
    #[inline(always)]
    fn pack_right<S: Simd<T>>(&mut self, s: S, chunk: &Range<usize>, panels: &Range<usize>) {
        for (right, panels) in self.plan.right(panels) {
            let columns = right.panels.span(&panels);
            let packed = Panels { k: chunk.len(), ..right.panels };
            let to = &mut self.right[right.stored * chunk.len() + packed.offset(panels.start)..];
            let width = PANEL_VECTORS * S::LANES; // a constant
            // SAFETY: the operand has these rows and columns; scratch has room for the panels of all.
            unsafe { right.source.pack(s, chunk, &columns, width, true, to) };
        }
    }

    /// Adds the rows of `chunk` to the sums of these columns of the left operand.
    #[inline(always)]
    fn add_sums(&self, chunk: &Range<usize>, columns: Range<usize>) {
        if let Some(sums) = self.plan.sums
            && !columns.is_empty()
        {
            // SAFETY: there are M sums, of which these are this thread's.
            let sums =
                unsafe { std::slice::from_raw_parts_mut(sums.wrapping_add(columns.start), columns.len()) };
            let row = |k| self.plan.left.row(k).wrapping_add(columns.start);
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
        right: &Right<'_, T>,
        p: usize,
    ) {
        let width = (packed.end - tile).min(S::MAX_ROWS);
        let mut list = [std::ptr::null(); MOST_ROWS];
        let c = right.c.below(tile).list(&mut list[..width]);
        let left = self.left[(tile - packed.start) * chunk.len()..].as_ptr();
        let block = Block::<T, true> {
            a: &[left],
            w: self.right[right.stored * chunk.len()..].as_ptr(),
            panels: Panels { k: chunk.len(), ..right.panels },
            range: p..p + 1,
            base: match chunk.start {
                0 => Base::Zero,
                _ => Base::Rows(c),
            },
            c,
            finish: Finish::Nothing,
            ahead: None,
            before: None,
        };
        // SAFETY: both operands are packed for these rows, panels and ks, the left one in tiles, of which this is one; C is
        // this thread's in these rows and columns.
        unsafe { block.compute(s) };
    }
}

/// The next chunk, which a thread asks for while it multiplies one: a few rows with each tile.
struct Early<'a, T: Scalar> {
    plan: &'a Plan<'a, T>,
    /// The thread's columns of the left operand.
    columns: &'a Range<usize>,
    /// Its panels of the right operands.
    panels: &'a Range<usize>,
    /// The rows that were not asked for yet.
    rows: Range<usize>,
    with_a_tile: usize,
}

impl<'a, T: Scalar> Early<'a, T> {
    /// For the chunk from row `next` on; tiles have up to `width` columns.
    #[inline(always)]
    fn new(
        plan: &'a Plan<'a, T>,
        columns: &'a Range<usize>,
        panels: &'a Range<usize>,
        next: usize,
        width: usize,
    ) -> Self {
        let rows = next..plan.k.min(next + CHUNK);
        let tiles = (panels.len() * columns.len().div_ceil(width)).max(1);
        let with_a_tile = if plan.early { rows.len().div_ceil(tiles) } else { 0 };
        Self { plan, columns, panels, rows, with_a_tile }
    }

    /// Asks for the rows that are due with one tile.
    #[inline(always)]
    fn ask(&mut self) {
        for k in self.rows.by_ref().take(self.with_a_tile) {
            self.plan.left.prefetch(k, self.columns);
            for (right, panels) in self.plan.right(self.panels) {
                right.source.prefetch(k, &right.panels.span(&panels));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, contexts, naive_product, random};
    use crate::{Pick, affine};

    fn one<T: Scalar>(ctx: &Context, a: ArrayView2<'_, T>, b: Rows<'_, T>, out: ArrayViewMut2<'_, T>) {
        gram(ctx, a, [Product { b, out }], None, None).unwrap();
    }

    fn check<T: Scalar>(k: usize, m: usize, n: usize, seed: u64) {
        let a = random::<T>((k, m + 2), seed);
        let b = random::<T>((k, n + 3), seed + 1);
        let (a, b) = (a.slice(s![.., 1..=m]), b.slice(s![.., 2..n + 2]));
        let expected = naive_product(a.t(), b);
        let mut bits: Option<(bool, Array2<T>)> = None;
        for ctx in contexts() {
            let mut out = Array2::from_elem((m, n), T::nan());
            one(&ctx, a, Rows::All(b), out.view_mut());
            assert_close(out.view(), expected.view(), k, &format!("{ctx:?}"));
            // The same rows, picked from two halves in which they lie backwards.
            let half = k / 2;
            let reversed = b.slice(s![..;-1, ..]).to_owned();
            let (second, first) = reversed.view().split_at(ndarray::Axis(0), k - half);
            let index: Vec<Pick> = (0..k)
                .map(|i| if i < half { Pick::First(half - 1 - i) } else { Pick::Second(k - 1 - i) })
                .collect();
            let mut picked = Array2::from_elem((m, n), T::nan());
            one(&ctx, a, Rows::Picked { first, second, index: &index }, picked.view_mut());
            assert_eq!(picked, out, "{ctx:?}");
            let fused = ctx.isa().name().starts_with("avx") || cfg!(target_arch = "aarch64");
            match &bits {
                Some((f, first)) if *f == fused => assert_eq!(first, &out, "{ctx:?}"),
                _ => bits = Some((fused, out)),
            }
        }
    }

    /// Products of the same A beside each alone, its sums, and a product along with them.
    fn check_several<T: Scalar>(k: usize, m: usize, columns: &[usize], seed: u64) {
        let a = random::<T>((k, m + 1), seed);
        let a = a.slice(s![.., 1..]);
        let rights: Vec<_> = columns.iter().map(|&n| random::<T>((k, n), seed + n as u64)).collect();
        let expected = naive_product(Array2::<T>::ones((1, k)).view(), a);
        let (w, before) = (random::<T>((m, 150), seed + 7), random::<T>((k, 152), seed + 8));
        let mut first: Option<Vec<T>> = None;
        for ctx in contexts() {
            let mut outs: Vec<_> = columns.iter().map(|&n| Array2::from_elem((m, n + 2), T::nan())).collect();
            let mut sums = vec![T::nan(); m];
            let weights = Packed::new(&ctx, w.view()).unwrap();
            for init in [Init::Zero, Init::Accumulate] {
                let products = rights.iter().zip(&mut outs).map(|(b, out)| {
                    let out = out.slice_mut(s![.., 2..]);
                    Product { b: Rows::All(b.view()), out }
                });
                let [mut along, mut alone] = [before.clone(), before.clone()];
                let steps = Steps::unordered(k);
                let out = along.slice_mut(s![.., 1..151]).into();
                let with = Along { steps: &steps, weights: &weights, init, out };
                gram(&ctx, a, products, Some(&mut sums), Some(with)).unwrap();
                affine(&ctx, a, &weights, init, alone.slice_mut(s![.., 1..151]));
                assert_eq!(along, alone, "{ctx:?} {init:?}");
            }
            for (b, out) in rights.iter().zip(&outs) {
                let mut alone = Array2::from_elem((m, b.ncols()), T::nan());
                one(&ctx, a, Rows::All(b.view()), alone.view_mut());
                assert_eq!(out.slice(s![.., 2..]), alone, "{ctx:?}");
                assert!(out.slice(s![.., ..2]).iter().all(|v| v.is_nan()), "columns outside");
            }
            assert_close(
                ArrayView2::from_shape((1, m), &sums).unwrap(),
                expected.view(),
                k,
                &format!("{ctx:?}"),
            );
            assert_eq!(first.get_or_insert_with(|| sums.clone()), &sums, "{ctx:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn several_products_have_the_bits_of_each(
            k in 0usize..40, m in 0usize..40, columns in prop::collection::vec(0usize..50, 0..4), seed: u32,
        ) {
            check_several::<f32>(k, m, &columns, u64::from(seed));
            check_several::<f64>(k, m, &columns, u64::from(seed));
        }
    }

    #[test]
    fn several_products_of_more_than_a_chunk_and_a_block_of_columns() {
        check_several::<f32>(2 * CHUNK + 70, 30, &[1, 130], 1); // splits A's columns
        check_several::<f64>(CHUNK + 1, 300, &[41, 500], 2); // splits B's
        check_several::<f32>(CHUNK + 64, COLUMNS_TOGETHER + 5, &[9], 3);
        check_several::<f32>(3000, 700, &[], 4); // sums alone
        check_several::<f32>(150, 1023, &[20], 5); // rows that the product along with them copies
        const { assert!(150 * 1023 * 4 < READ_ONCE && (CHUNK + 1) * 300 * 8 > READ_ONCE) };
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn agrees_with_the_naive_product(k in 0usize..40, m in 0usize..40, n in 0usize..80, seed: u32) {
            check::<f32>(k, m, n, u64::from(seed));
            check::<f64>(k, m, n, u64::from(seed));
        }
    }

    #[test]
    fn a_cancelled_product_ends() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};
        let rows = random::<f32>((12 * CHUNK, 70), 1);
        for threads in [1, 2, 3] {
            let flag = Arc::new(AtomicBool::new(false));
            let ctx = Context::new(crate::Isa::detect(), threads).cancellable(Arc::clone(&flag));
            let run = || {
                let mut out = Array2::from_elem((70, 70), f32::NAN);
                one(&ctx, rows.view(), Rows::All(rows.view()), out.view_mut());
                !out[[69, 69]].is_nan()
            };
            assert!(run(), "it runs to its end");
            std::thread::scope(|scope| {
                scope.spawn(|| flag.store(true, Ordering::Relaxed));
                run(); // to whatever chunk
            });
            assert!(!run(), "nothing is computed");
        }
    }

    #[test]
    fn more_rows_than_a_chunk() {
        check::<f32>(2 * CHUNK + 7, 30, 41, 1);
        check::<f64>(CHUNK + 1, 9, 70, 2);
        check::<f32>(CHUNK, 100, 40, 3);
    }
}
