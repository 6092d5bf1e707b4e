//! What the kernels' tests share: contexts, random matrices, the naive product, tolerances.

use ndarray::{Array2, ArrayView2};

use crate::pointwise::mix::{GOLDEN, mix};
use crate::{Context, Isa, Scalar};

/// One context for each instruction set and each of 1, 2 and 3 threads.
pub(crate) fn contexts() -> impl Iterator<Item = Context> {
    Isa::testable().into_iter().flat_map(|isa| [1, 2, 3].map(|threads| Context::new(isa, threads)))
}

/// Numbers in (-1, 1) from a 64-bit mix of seed and position.
pub(crate) fn random<T: Scalar>(shape: (usize, usize), seed: u64) -> Array2<T> {
    Array2::from_shape_fn(shape, |(i, j)| {
        let z = mix(seed ^ ((i as u64) << 32 | j as u64).wrapping_mul(GOLDEN));
        T::from_f64((z >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    })
}

/// A B in float64, one element at a time.
pub(crate) fn naive_product<T: Scalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| {
        (0..a.ncols()).map(|k| a[[i, k]].widen() * b[[k, j]].widen()).sum()
    })
}

/// Checks against a float64 reference whose inner products have `terms` terms of size at most 1: each adds
/// at most one rounding of the sum so far.
#[track_caller]
pub(crate) fn assert_close<T: Scalar>(
    actual: ArrayView2<'_, T>,
    expected: ArrayView2<'_, f64>,
    terms: usize,
    what: &str,
) {
    assert_eq!(actual.dim(), expected.dim());
    let bound = T::epsilon().widen() * (terms.max(1) as f64) * (terms as f64).sqrt().max(1.0);
    for ((index, actual), expected) in actual.indexed_iter().zip(expected) {
        let error = (actual.widen() - expected).abs();
        assert!(error <= bound, "{what} at {index:?}: {actual} instead of {expected}, bound {bound:e}");
    }
}
