//! Sums over rows: the gradient of a bias.

use std::convert::Infallible;

use ndarray::{ArrayView2, Axis};

use crate::context::MULTIPLY_ADDS_OF_AN_ELEMENT;
use crate::isa::{CACHE_LINE, Simd, Task};
use crate::{Context, Scalar};

/// out_j = Σ over rows of a_ij, for a (R, N) with contiguous rows: rows are added in order. Threads share out the
/// columns.
///
/// # Panics
///
/// If `out` has not N elements.
pub fn column_sums<T: Scalar>(ctx: &Context, a: ArrayView2<'_, T>, out: &mut [T]) {
    assert_eq!(out.len(), a.ncols(), "column_sums: out must have N elements");
    let line = CACHE_LINE / size_of::<T>();
    let width = out.len().div_ceil(ctx.threads()).next_multiple_of(line).max(line);
    let parts = a.axis_chunks_iter(Axis(1), width).zip(out.chunks_mut(width));
    let work = a.len().saturating_mul(MULTIPLY_ADDS_OF_AN_ELEMENT);
    let Ok(()) = ctx.each::<_, Infallible>(work, parts, |ctx, (a, out)| {
        T::sums(ctx.isa(), Sums { a, out });
        Ok(())
    });
}

pub struct Sums<'a, T> {
    a: ArrayView2<'a, T>,
    out: &'a mut [T],
}

/// Rows that are summed on their own before they join the total, which keeps the rounding error of long
/// sums small.
const BLOCK: usize = 64;

impl<T: Scalar> Task<T> for Sums<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        self.out.fill(T::zero());
        let mut part = vec![T::zero(); self.out.len()];
        for rows in self.a.axis_chunks_iter(Axis(0), BLOCK) {
            part.fill(T::zero());
            for row in rows.rows() {
                match row.as_slice() {
                    Some(row) => part.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x),
                    None => part.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x),
                }
            }
            self.out.iter_mut().zip(&part).for_each(|(sum, x)| *sum += *x);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;
    use crate::testing::{contexts, random};

    #[test]
    fn agrees_with_the_naive_sum() {
        for (rows, n) in [(0, 3), (1, 0), (1, 1), (63, 5), (200, 33), (700, 70)] {
            let a = random::<f32>((rows, n + 2), 7);
            let a = a.slice(s![.., 1..=n]);
            let expected: Vec<f64> =
                a.columns().into_iter().map(|c| c.iter().map(|&x| f64::from(x)).sum()).collect();
            let mut bits: Option<Vec<f32>> = None;
            for ctx in contexts() {
                let mut out = Array2::from_elem((1, n), f32::NAN).into_raw_vec_and_offset().0;
                column_sums(&ctx, a, &mut out);
                for (x, e) in out.iter().zip(&expected) {
                    assert!((f64::from(*x) - e).abs() < 1e-4, "{x} {e}");
                }
                assert_eq!(bits.get_or_insert_with(|| out.clone()), &out);
            }
        }
    }
}
