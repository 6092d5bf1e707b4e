//! Stages of a step that several optimizers have in common, each over a block of elements.
//!
//! ```text
//! decayed            g = ±g + λ p           minus if the objective is to be maximized; λ weight decay
//! Lerp               m ← m + w (g - m)      a running mean
//! accumulate_square  v ← β v + (1 - β) g²   the running mean of the square
//! ```
//!
//! Coefficients are computed in float64 and rounded to the element type once, as PyTorch does. All of this is inlined
//! into loops that [`elman_kernels::multiversion!`] compiles.

use elman_kernels::Scalar;

/// Elements that go through all stages together: they stay in the cache.
pub(crate) const BLOCK: usize = 256;

/// out = ±grad + `weight_decay` · param. Without a decay there is no such term, not one of zeros.
#[inline(always)]
pub(crate) fn decayed<T: Scalar>(grad: &[T], param: &[T], maximize: bool, weight_decay: f64, out: &mut [T]) {
    if maximize {
        for (slot, &g) in out.iter_mut().zip(grad) {
            *slot = -g;
        }
    } else {
        out.copy_from_slice(grad);
    }
    if weight_decay != 0.0 {
        let decay = T::from_f64(weight_decay);
        for (slot, &p) in out.iter_mut().zip(param) {
            *slot += decay * p;
        }
    }
}

/// `torch.lerp`: start + w (end - start), from whichever end is nearer.
#[derive(Clone, Copy)]
pub(crate) struct Lerp<T> {
    near_start: bool,
    /// w if near the start, else 1 - w.
    weight: T,
}

impl<T: Scalar> Lerp<T> {
    pub(crate) fn new(weight: f64) -> Self {
        let weight = T::from_f64(weight);
        let near_start = weight.abs() < T::from_f64(0.5);
        Self { near_start, weight: if near_start { weight } else { T::one() - weight } }
    }

    #[inline(always)]
    pub(crate) fn apply(self, start: &mut [T], end: &[T]) {
        if self.near_start {
            for (s, &e) in start.iter_mut().zip(end) {
                *s += self.weight * (e - *s);
            }
        } else {
            for (s, &e) in start.iter_mut().zip(end) {
                *s = e - (e - *s) * self.weight;
            }
        }
    }
}

/// v ← `keep` · v + `take` · g².
#[inline(always)]
pub(crate) fn accumulate_square<T: Scalar>(squares: &mut [T], gradient: &[T], [keep, take]: [T; 2]) {
    for (v, &g) in squares.iter_mut().zip(gradient) {
        *v = *v * keep + take * g * g;
    }
}
