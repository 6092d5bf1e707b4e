//! The right operand of a product in the order in which the tiles read it.
//!
//! W of shape (K, N) is cut into panels of NR columns, NR two vectors wide; a panel stores its K rows one
//! after the other: `[panel][k][NR]`. The last panel is as narrow as whole vectors allow, so that N = 200
//! costs 200 columns and not 224.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::isa::{Simd, Task};
use crate::{AllocError, Context, Scalar, Scratch};

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

    /// Stored width of panel `p`: its columns in whole vectors.
    pub(crate) fn stored(&self, p: usize) -> usize {
        self.columns(p).len().next_multiple_of(self.lanes)
    }

    /// Where panel `p` starts.
    pub(crate) fn offset(&self, p: usize) -> usize {
        p * self.width() * self.k
    }

    /// Elements of all panels; `None` if that is no number of elements.
    fn len(&self) -> Option<usize> {
        self.n.checked_next_multiple_of(self.lanes)?.checked_mul(self.k)
    }
}

/// A matrix W of shape (K, N) in column panels.
#[derive(Debug)]
pub struct Packed<'a, T: Scalar> {
    pub(crate) panels: Panels,
    pub(crate) data: Scratch<'a, T>,
}

impl<'a, T: Scalar> Packed<'a, T> {
    /// Packs `w`, of shape (K, N) and any strides: pass `weight.t()` to multiply by Wᵀ.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if there is not enough memory.
    pub fn new(ctx: &'a Context, w: ArrayView2<'_, T>) -> Result<Self, AllocError> {
        let (k, n) = w.dim();
        let panels = Panels { k, n, lanes: T::lanes(ctx.isa()) };
        let len = panels.len().ok_or(AllocError { bytes: usize::MAX })?;
        let mut data = ctx.scratch(len)?;
        for p in 0..panels.count() {
            let columns = panels.columns(p);
            let (width, stored) = (columns.len(), panels.stored(p));
            let panel = &mut data[panels.offset(p)..][..k * stored];
            let part = w.slice(ndarray::s![.., columns]);
            if w.strides()[1] == 1 || w.strides()[0] != 1 {
                for (row, out) in part.rows().into_iter().zip(panel.chunks_exact_mut(stored)) {
                    for (value, slot) in row.iter().zip(&mut *out) {
                        *slot = *value;
                    }
                    out[width..].fill(T::zero());
                }
            } else {
                // The columns are contiguous: read along them, a block of rows at a time.
                for (j, column) in part.columns().into_iter().enumerate() {
                    for (value, out) in column.iter().zip(panel.chunks_exact_mut(stored)) {
                        out[j] = *value;
                    }
                }
                for out in panel.chunks_exact_mut(stored) {
                    out[width..].fill(T::zero());
                }
            }
        }
        Ok(Self { panels, data })
    }

    /// K, the length of the inner product.
    pub fn k(&self) -> usize {
        self.panels.k
    }

    /// N, the number of output columns.
    pub fn n(&self) -> usize {
        self.panels.n
    }
}

/// Asks an instruction set for its number of lanes.
pub(crate) struct Lanes;

impl<T: Scalar> Task<T> for Lanes {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> usize {
        S::LANES
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::Isa;

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
