//! Reductions in lanes.
//!
//! ```text
//! s_j = x_j + x_{j+L} + x_{j+2L} + …   for L lanes j,   then   Σ = (s_0 + s_{L/2}) + … halving by halving
//! ```
//!
//! One chain of additions would forbid the compiler to use vectors, as it may not reorder them. A fixed number of
//! lanes gives the same bits on every instruction set, and an error that grows with n / L instead of n.

use elman_kernels::Scalar;

/// Lanes of a reduction: a vector of AVX-512 in float32.
pub(crate) const LANES: usize = 16;

/// Σ f(x), each term in float64.
#[inline(always)]
pub(crate) fn sum_of<T: Scalar>(values: &[T], f: impl Fn(T) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += f(value);
    }
    fold(lanes, |a, b| a + b)
}

/// The lanes combined, halving by halving.
#[inline(always)]
pub(crate) fn fold<T: Copy>(mut lanes: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for j in 0..width {
            lanes[j] = combine(lanes[j], lanes[j + width]);
        }
    }
    lanes[0]
}
