//! Sums over rows: the gradient of a bias.

use std::ops::Range;

use crate::simd::element::Element;

/// Rows that are summed apart before they join the total, which keeps the rounding error of long sums small.
pub(crate) const ROWS_OF_A_SUM: usize = 63;

/// Columns that are summed at once: their partial sums stay in registers.
const COLUMNS_OF_A_SUM: usize = 32;

/// sums += Σ over `rows`, of which `row` tells where they begin; in blocks of [`ROWS_OF_A_SUM`] from the first on.
///
/// # Safety
///
/// Each row is readable for as many elements as there are sums.
#[inline(always)]
pub(crate) unsafe fn add_rows<T: Element>(
    rows: Range<usize>,
    row: impl Fn(usize) -> *const T,
    sums: &mut [T],
) {
    for first in rows.clone().step_by(ROWS_OF_A_SUM) {
        let block = first..rows.end.min(first + ROWS_OF_A_SUM);
        let (whole, rest) = sums.as_chunks_mut::<COLUMNS_OF_A_SUM>();
        let done = whole.len() * COLUMNS_OF_A_SUM;
        for (i, sums) in whole.iter_mut().enumerate() {
            let mut part = [T::zero(); COLUMNS_OF_A_SUM];
            for k in block.clone() {
                // SAFETY: the caller vouches for the row.
                let row =
                    unsafe { &*row(k).wrapping_add(i * COLUMNS_OF_A_SUM).cast::<[T; COLUMNS_OF_A_SUM]>() };
                part.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
            }
            sums.iter_mut().zip(&part).for_each(|(sum, x)| *sum += *x);
        }
        for (j, sum) in rest.iter_mut().enumerate() {
            // SAFETY: as above.
            let column = |k| unsafe { *row(k).wrapping_add(done + j) };
            *sum += block.clone().map(column).fold(T::zero(), |sum, x| sum + x);
        }
    }
}
