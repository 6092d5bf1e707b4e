//! Adam, as `torch.optim.Adam`.
//!
//! ```text
//! g ← ±g + λ p                              λ weight decay
//! m ← m + (1 - β₁)(g - m)                   the gradient's running mean
//! v ← β₂ v + (1 - β₂) g²                    the running mean of its square
//! v̂ = v,  or  v̂ ← max(v̂, v)                 with AMSGrad
//! p ← p - η/(1 - β₁ᵗ) · m / (√v̂ / √(1 - β₂ᵗ) + ε)      t = 1, 2, …
//! ```
//!
//! Coefficients are computed in float64 and rounded to the element type once, as PyTorch does.

use crate::Error;
use crate::error::expect_length;
use crate::sgd::{BLOCK, decayed};
use elman_kernels::Scalar;

/// The self.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// η, the learning rate.
    pub lr: f64,
    /// β₁
    pub beta1: f64,
    /// β₂
    pub beta2: f64,
    /// ε
    pub eps: f64,
    /// λ
    pub weight_decay: f64,
    /// Whether to climb.
    pub maximize: bool,
}

/// What Adam remembers of one parameter; all of its length, zero before the first step.
#[derive(Debug)]
pub struct Moments<'a, T> {
    /// m
    pub exp_avg: &'a mut [T],
    /// v
    pub exp_avg_sq: &'a mut [T],
    /// v̂; its presence turns AMSGrad on.
    pub max_exp_avg_sq: Option<&'a mut [T]>,
}

impl Adam {
    /// One step of one parameter.
    ///
    /// * `param`: p, updated
    /// * `grad`: g, of the same length
    /// * `moments`: updated
    /// * `step`: t, the number of this step, from 1
    ///
    /// # Errors
    ///
    /// [`Error::Length`].
    pub fn step<T: Scalar>(
        &self,
        param: &mut [T],
        grad: &[T],
        moments: Moments<'_, T>,
        step: f64,
    ) -> Result<(), Error> {
        let size = [param.len()];
        expect_length("grad", &size, grad.len())?;
        expect_length("exp_avg", &size, moments.exp_avg.len())?;
        expect_length("exp_avg_sq", &size, moments.exp_avg_sq.len())?;
        if let Some(maximum) = &moments.max_exp_avg_sq {
            expect_length("max_exp_avg_sq", &size, maximum.len())?;
        }

        let Moments { exp_avg, exp_avg_sq, mut max_exp_avg_sq } = moments;
        let minus_step_size = T::from_f64(-self.lr / (1.0 - self.beta1.powf(step)));
        let correction = T::from_f64((1.0 - self.beta2.powf(step)).sqrt());
        let eps = T::from_f64(self.eps);
        let mean = Lerp::new(1.0 - self.beta1);
        let [keep, take] = [self.beta2, 1.0 - self.beta2].map(T::from_f64);

        let mut gradient = [T::zero(); BLOCK];
        let blocks = param
            .chunks_mut(BLOCK)
            .zip(grad.chunks(BLOCK))
            .zip(exp_avg.chunks_mut(BLOCK))
            .zip(exp_avg_sq.chunks_mut(BLOCK));
        for (i, (((param, grad), exp_avg), exp_avg_sq)) in blocks.enumerate() {
            let gradient = &mut gradient[..param.len()];
            decayed(grad, param, self.maximize, self.weight_decay, gradient);
            mean.apply(exp_avg, gradient);
            for (v, &g) in exp_avg_sq.iter_mut().zip(&*gradient) {
                *v = *v * keep + take * g * g;
            }
            let squares = match max_exp_avg_sq.as_deref_mut() {
                Some(all) => {
                    let maxima = &mut all[i * BLOCK..][..param.len()];
                    for (maximum, &v) in maxima.iter_mut().zip(&*exp_avg_sq) {
                        *maximum = if v > *maximum || v.is_nan() { v } else { *maximum };
                    }
                    maxima
                }
                None => exp_avg_sq,
            };
            for ((p, &m), &v) in param.iter_mut().zip(&*exp_avg).zip(&*squares) {
                *p += minus_step_size * m / (v.sqrt() / correction + eps);
            }
        }
        Ok(())
    }
}

/// `torch.lerp`: start + w (end - start), from whichever end is nearer.
struct Lerp<T> {
    near_start: bool,
    /// w if near the start, else 1 - w.
    weight: T,
}

impl<T: Scalar> Lerp<T> {
    fn new(weight: f64) -> Self {
        let weight = T::from_f64(weight);
        let near_start = weight.abs() < T::from_f64(0.5);
        Self { near_start, weight: if near_start { weight } else { T::one() - weight } }
    }

    #[inline(always)]
    fn apply(&self, start: &mut [T], end: &[T]) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Adam =
        Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, maximize: false };

    #[test]
    fn a_lost_number_stays_lost() {
        let mut state = [[0f64; 2]; 4];
        let [param, exp_avg, exp_avg_sq, maximum] = &mut state;
        let moments = Moments { exp_avg, exp_avg_sq, max_exp_avg_sq: Some(maximum) };
        OPTIONS.step(param, &[f64::NAN, 1.0], moments, 1.0).unwrap();
        for array in state {
            assert!(array[0].is_nan() && array[1].is_finite());
        }
    }

    #[test]
    fn what_is_refused() {
        let mut param = [1f32; 2];
        let mut refuse = |grad: usize, exp_avg: usize, exp_avg_sq: usize, maximum: usize| {
            let mut buffers = [exp_avg, exp_avg_sq, maximum].map(|len| vec![0f32; len]);
            let [exp_avg, exp_avg_sq, maximum] = &mut buffers;
            let moments = Moments { exp_avg, exp_avg_sq, max_exp_avg_sq: Some(maximum) };
            let error = OPTIONS.step(&mut param, &vec![0.0; grad], moments, 1.0).unwrap_err();
            assert_eq!(param, [1.0; 2]);
            error.to_string()
        };
        assert_eq!(refuse(1, 2, 2, 2), "grad: expected 2 elements, got 1");
        assert_eq!(refuse(2, 1, 2, 2), "exp_avg: expected 2 elements, got 1");
        assert_eq!(refuse(2, 2, 1, 2), "exp_avg_sq: expected 2 elements, got 1");
        assert_eq!(refuse(2, 2, 2, 1), "max_exp_avg_sq: expected 2 elements, got 1");
    }
}
