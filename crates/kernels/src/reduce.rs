//! Sums over rows: the gradient of a bias.

use std::ops::Range;

use crate::Scalar;

/// Rows that are summed on their own before they join the total, which keeps the rounding error of long
/// sums small.
pub(crate) const SUMMED_TOGETHER: usize = 63;

/// Columns that are summed together: so many partial sums stay in the first cache.
const COLUMNS_TOGETHER: usize = 256;

/// sums += Σ over `rows`, of which `row` tells where they begin; in blocks of [`SUMMED_TOGETHER`] from the first on.
///
/// # Safety
///
/// Each row is readable for as many elements as there are sums.
#[inline(always)]
pub(crate) unsafe fn add_rows<T: Scalar>(
    rows: Range<usize>,
    row: impl Fn(usize) -> *const T,
    sums: &mut [T],
) {
    let mut room = [T::zero(); COLUMNS_TOGETHER];
    for (i, sums) in sums.chunks_mut(COLUMNS_TOGETHER).enumerate() {
        let part = &mut room[..sums.len()];
        for first in rows.clone().step_by(SUMMED_TOGETHER) {
            part.fill(T::zero());
            for k in first..rows.end.min(first + SUMMED_TOGETHER) {
                let from = row(k).wrapping_add(i * COLUMNS_TOGETHER);
                // SAFETY: the caller vouches for the row.
                let row = unsafe { std::slice::from_raw_parts(from, part.len()) };
                part.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
            }
            sums.iter_mut().zip(&*part).for_each(|(sum, x)| *sum += *x);
        }
    }
}
