//! Reductions in lanes.
//!
//! ```text
//! s_j = x_j + x_{j+L} + x_{j+2L} + …   for L lanes j,   then   Σ = (s_0 + s_{L/2}) + … halving by halving
//! ```
//!
//! One chain of additions would forbid the compiler to use vectors, as it may not reorder them. A fixed number of
//! lanes gives the same bits on every instruction set, and an error that grows with n / L instead of n.

use std::ops::Add;

use elman_kernels::{Scalar, multiversion};

/// Lanes of a reduction: a vector of AVX-512 in float32.
pub(crate) const LANES: usize = 16;

/// A term of a sum. A trait and no closure, so that it is inlined for certain (see [`elman_kernels::multiversion!`]).
pub(crate) trait Term<T>: Copy {
    /// f(x), in float64.
    fn of(self, x: T) -> f64;
}

/// x itself.
#[derive(Clone, Copy)]
pub(crate) struct Value;

impl<T: Scalar> Term<T> for Value {
    #[inline(always)]
    fn of(self, x: T) -> f64 {
        x.widen()
    }
}

multiversion! {
    /// Σ f(x), each term in float64.
    pub(crate) fn sum_of<T: Scalar, F: Term<T>>(values: &[T], f: F) -> f64 {
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane += f.of(value);
            }
        }
        for (lane, &value) in lanes.iter_mut().zip(rest) {
            *lane += f.of(value);
        }
        sum(lanes)
    }
}

/// The lanes added up.
#[inline(always)]
pub(crate) fn sum<T: Copy + Add<Output = T>>(lanes: [T; LANES]) -> T {
    fold(lanes, T::add)
}

/// The lanes combined, halving by halving; `combine` is a function that is inlined.
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
