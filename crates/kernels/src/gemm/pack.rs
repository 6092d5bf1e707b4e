//! The right operand of a product in the order in which the tiles read it.
//!
//! W of shape (K, N) is cut into panels of NR columns, NR two vectors wide; a panel stores its K rows one
//! after the other: `[panel][k][NR]`. The last panel is as narrow as whole vectors allow, so that N = 200
//! costs 200 columns and not 224.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::gemm::operand::OperandRows;
use crate::rows::matrix::{Matrix, matrix};
use crate::runtime::context::{Context, MACS_PER_ELEMENT};
use crate::runtime::scratch::{AllocError, Scratch};
use crate::simd::cache::CACHE_LINE;
use crate::simd::dispatch::{Lanes, compile_kernels};
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// Vectors in a panel's row.
pub(crate) const PANEL_VECTORS: usize = 2;

/// How N columns are cut into panels for vectors of `lanes` elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels {
    /// Length of the inner product, K.
    pub(crate) k: usize,
    /// Columns, N.
    pub(crate) n: usize,
    /// Elements in a vector.
    pub(crate) lanes: usize,
}

impl Panels {
    /// Columns of a full panel.
    pub(crate) fn width(&self) -> usize {
        PANEL_VECTORS * self.lanes
    }

    pub(crate) fn count(&self) -> usize {
        self.n.div_ceil(self.width())
    }

    /// Columns of W in panel `p`.
    pub(crate) fn columns(&self, p: usize) -> Range<usize> {
        p * self.width()..((p + 1) * self.width()).min(self.n)
    }

    /// Columns of W in the panels `range`.
    pub(crate) fn span(&self, range: &Range<usize>) -> Range<usize> {
        match range.len() {
            0 => 0..0,
            _ => self.columns(range.start).start..self.columns(range.end - 1).end,
        }
    }

    /// Stored width of panel `p`: its columns in whole vectors.
    pub(crate) fn stored(&self, p: usize) -> usize {
        let columns = self.columns(p).len();
        // Most panels are full, and a division takes as long as ten rows of a small tile.
        if columns == self.width() { columns } else { columns.next_multiple_of(self.lanes) }
    }

    /// Where panel `p` starts.
    pub(crate) fn offset(&self, p: usize) -> usize {
        p * self.width() * self.k
    }

    /// Panels of a group in serpentine order: as few as leave enough accumulators, 64 columns of f32.
    pub(crate) fn group<T>(&self) -> usize {
        if self.lanes * size_of::<T>() == CACHE_LINE { 2 } else { 4 }
    }

    /// Elements of all panels; `None` if that is no number of elements.
    pub(crate) fn len(&self) -> Option<usize> {
        self.n.checked_next_multiple_of(self.lanes)?.checked_mul(self.k)
    }
}

/// The panels `range` in groups of `group`, the last of which may be smaller, from the first to the last or descending.
///
/// Few rows read each weight once and do little with it, so they are as fast as the cache that holds the weights. Where the
/// same weights come again and again and do not fit the first cache, the serpentine order (ascending and descending in
/// turns) finds the last group still cached.
#[inline(always)]
pub(crate) fn panel_groups(
    range: Range<usize>,
    group: usize,
    descending: bool,
) -> impl Iterator<Item = Range<usize>> {
    // Most are one group, which leaves no time for a division.
    let count =
        if range.len() <= group { usize::from(!range.is_empty()) } else { range.len().div_ceil(group) };
    (0..count).map(move |i| {
        let start = range.start + group * if descending { count - 1 - i } else { i };
        start..range.end.min(start + group)
    })
}

/// A matrix W of shape (K, N) in column panels.
#[derive(Debug)]
pub struct Packed<'a, T: Element> {
    pub(crate) panels: Panels,
    pub(crate) data: Scratch<'a, T>,
}

impl<'a, T: PackKernels> Packed<'a, T> {
    /// Packs `w`, of shape (K, N) and any strides: pass `weight.t()` to multiply by Wᵀ.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is not enough memory.
    pub fn new(ctx: &'a Context, w: ArrayView2<'_, T>) -> Result<Self, AllocError> {
        let (k, n) = w.dim();
        let panels = Panels { k, n, lanes: ctx.isa().lanes::<T>() };
        let len = panels.len().ok_or(AllocError { bytes: usize::MAX })?;
        let mut data = ctx.scratch(len)?;
        if w.is_empty() {
            return Ok(Self { panels, data });
        }
        let contiguous_k = w.strides()[0] == 1 && w.strides()[1] != 1;
        let (view, contiguous) =
            if contiguous_k { (w.t(), Contiguous::Columns) } else { (w, Contiguous::Rows) };
        let copy;
        let w = if view.ncols() <= 1 || view.strides()[1] == 1 {
            matrix(view)
        } else {
            // Neither rows nor columns are contiguous.
            copy = view.as_standard_layout();
            matrix(copy.view())
        };
        let w = ReadOnly(w);
        let parts = data.chunks_mut(panels.width() * k).enumerate();
        let work = MACS_PER_ELEMENT.saturating_mul(len);
        let packed: Result<(), AllocError> = ctx.each(work, parts, |ctx, (panel, data)| {
            T::pack(ctx.isa(), PackPanel { panels, panel, contiguous, w: &w, data });
            Ok(())
        });
        packed?;
        Ok(Self { panels, data })
    }
}

impl<T: Element> Packed<'_, T> {
    /// K, the length of the inner product.
    pub fn k(&self) -> usize {
        self.panels.k
    }

    /// N, the number of output columns.
    pub fn n(&self) -> usize {
        self.panels.n
    }
}

/// Which side of W is contiguous.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contiguous {
    /// Rows: the matrix is W.
    Rows,
    /// Columns: the matrix is Wᵀ.
    Columns,
}

/// A matrix that threads only read.
struct ReadOnly<T>(Matrix<T>);
// SAFETY: it is only read.
unsafe impl<T: Element> Sync for ReadOnly<T> {}

compile_kernels! {
    /// The kernel of [`Packed::new`].
    PackKernels: Lanes {
        fn pack(PackPanel<'_, Self>);
    }
}

/// Packs one panel.
pub struct PackPanel<'a, T> {
    panels: Panels,
    panel: usize,
    contiguous: Contiguous,
    w: &'a ReadOnly<T>,
    data: &'a mut [T],
}

impl<T: Element> Kernel<T> for PackPanel<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Panels { k, .. } = self.panels;
        let columns = self.panels.columns(self.panel);
        let stored = self.panels.stored(self.panel);
        let w = &self.w.0;
        match self.contiguous {
            Contiguous::Rows => {
                assert!(self.data.len() >= k * stored, "a panel has K rows");
                // SAFETY: W has K rows with these columns; there is room for them in whole vectors.
                unsafe {
                    OperandRows::of(*w).pack(s, &(0..k), &columns, PANEL_VECTORS * S::LANES, true, self.data)
                };
            }
            Contiguous::Columns => {
                if columns.len() < stored {
                    self.data.fill(T::zero());
                }
                for j in (0..columns.len()).step_by(S::LANES) {
                    for i in (0..k).step_by(S::LANES) {
                        let (rows, width) = (S::LANES.min(k - i), S::LANES.min(columns.len() - j));
                        let from = w.at(columns.start + j, i);
                        let to = self.data[i * stored + j..].as_mut_ptr();
                        // SAFETY: Wᵀ has these columns of W as rows of K elements; the panel has K rows.
                        unsafe { transpose(s, from, w.stride, to, stored, rows, width) };
                    }
                }
            }
        }
    }
}

/// to[i, j] = from[j, i] for i < rows, j < width, both at most LANES.
///
/// # Safety
///
/// - `from` is readable for `width` rows of `rows` elements, `to` writable for `rows` rows of `width`, and they
///   do not overlap.
#[inline(always)]
unsafe fn transpose<T: Element, S: Simd<T>>(
    s: S,
    from: *const T,
    from_stride: usize,
    to: *mut T,
    to_stride: usize,
    rows: usize,
    width: usize,
) {
    if rows == S::LANES && width == S::LANES {
        // SAFETY: the caller vouches for the rows of both.
        unsafe { s.transpose(from, from_stride, to, to_stride) };
        return;
    }
    for i in 0..rows {
        for j in 0..width {
            // SAFETY: within the rows that the caller vouches for.
            let value = unsafe { from.wrapping_add(j * from_stride + i).read() };
            // SAFETY: as above.
            unsafe { to.wrapping_add(i * to_stride + j).write(value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::Isa;

    #[test]
    fn groups_ascend_and_descend() {
        let all = |range, descending| panel_groups(range, 4, descending).collect::<Vec<_>>();
        assert_eq!(all(3..13, false), [3..7, 7..11, 11..13]);
        assert_eq!(all(3..13, true), [11..13, 7..11, 3..7]);
        assert_eq!(all(2..7, true), [6..7, 2..6]);
        assert!(all(2..2, false).is_empty());
    }

    #[test]
    fn every_element_is_at_its_place() {
        for isa in Isa::testable() {
            let ctx = Context::new(isa, 1);
            for (k, n) in [(1, 1), (3, 7), (5, 16), (2, 33), (4, 50), (0, 5), (5, 0)] {
                let w = Array2::from_shape_fn((k, n), |(i, j)| (1 + i * 100 + j) as f32);
                let transposed = w.t().as_standard_layout().into_owned();
                for w_view in [w.view(), transposed.t()] {
                    let packed = Packed::new(&ctx, w_view).unwrap();
                    for p in 0..packed.panels.count() {
                        let (columns, stored) = (packed.panels.columns(p), packed.panels.stored(p));
                        for i in 0..k {
                            let row = &packed.data[packed.panels.offset(p) + i * stored..][..stored];
                            for (j, value) in row.iter().enumerate() {
                                let column = columns.start + j;
                                let expected = if column < n { w[[i, column]] } else { 0.0 };
                                assert_eq!(value.to_bits(), expected.to_bits());
                            }
                        }
                    }
                }
            }
        }
    }
}
