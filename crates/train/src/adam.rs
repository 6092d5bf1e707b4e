//! Adam and `AdamW`, as `torch.optim.Adam` and `torch.optim.AdamW`.
//!
//! ```text
//! g ← ±g + λ p                              λ weight decay
//! g ← ±g,  p ← (1 - η λ) p                  the same for AdamW, whose decay does not go through the means
//! m ← m + (1 - β₁)(g - m)                   the gradient's running mean
//! v ← β₂ v + (1 - β₂) g²                    the running mean of its square
//! v̂ = v,  or  v̂ ← max(v̂, v)                 with AMSGrad
//! p ← p - η/(1 - β₁ᵗ) · m / (√v̂ / √(1 - β₂ᵗ) + ε)      t = 1, 2, …
//! ```
//!
//! Coefficients are computed in float64 and rounded to the element type once, as PyTorch does.

use crate::Error;
use crate::error::expect_length;
use crate::stages::{BLOCK, Lerp, accumulate_square, decayed};
use elman_kernels::{Context, Scalar, multiversion};

/// The options.
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
    /// Whether the decay is decoupled from the gradient: `AdamW`.
    pub decoupled: bool,
    /// Whether to maximize.
    pub maximize: bool,
}

/// The state of Adam for one parameter: arrays of its length, zero before the first step.
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
        ctx: &Context,
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
        update(ctx.isa(), *self, param, grad, moments, step);
        Ok(())
    }
}

multiversion! {
    /// The step, with lengths that are checked.
    fn update<T: Scalar>(adam: Adam, param: &mut [T], grad: &[T], moments: Moments<'_, T>, step: f64) {
        let Moments { exp_avg, exp_avg_sq, mut max_exp_avg_sq } = moments;
        let minus_step_size = T::from_f64(-adam.lr / (1.0 - adam.beta1.powf(step)));
        let correction = T::from_f64((1.0 - adam.beta2.powf(step)).sqrt());
        let eps = T::from_f64(adam.eps);
        let mean = Lerp::new(1.0 - adam.beta1);
        let squares = [T::from_f64(adam.beta2), T::from_f64(1.0 - adam.beta2)];
        let shrink = T::from_f64(1.0 - adam.lr * adam.weight_decay);
        let [coupled, decoupled] = if adam.decoupled { [0.0, adam.weight_decay] } else { [adam.weight_decay, 0.0] };

        let mut gradient = [T::zero(); BLOCK];
        let blocks = param
            .chunks_mut(BLOCK)
            .zip(grad.chunks(BLOCK))
            .zip(exp_avg.chunks_mut(BLOCK))
            .zip(exp_avg_sq.chunks_mut(BLOCK));
        for (i, (((param, grad), exp_avg), exp_avg_sq)) in blocks.enumerate() {
            let gradient = &mut gradient[..param.len()];
            decayed(grad, param, adam.maximize, coupled, gradient);
            if decoupled != 0.0 {
                for p in &mut *param {
                    *p *= shrink;
                }
            }
            mean.apply(exp_avg, gradient);
            accumulate_square(exp_avg_sq, gradient, squares);
            let mut denominators = &*exp_avg_sq;
            if let Some(maxima) = &mut max_exp_avg_sq {
                let maxima = &mut maxima[i * BLOCK..][..param.len()];
                for (maximum, &v) in maxima.iter_mut().zip(&*exp_avg_sq) {
                    *maximum = if v > *maximum || v.is_nan() { v } else { *maximum };
                }
                denominators = maxima;
            }
            for ((p, &m), &v) in param.iter_mut().zip(&*exp_avg).zip(denominators) {
                *p += minus_step_size * m / (v.sqrt() / correction + eps);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contexts;

    const OPTIONS: Adam = Adam {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.01,
        decoupled: false,
        maximize: false,
    };

    #[test]
    fn a_lost_number_stays_lost() {
        let mut state = [[0f64; 2]; 4];
        let [param, exp_avg, exp_avg_sq, maximum] = &mut state;
        let moments = Moments { exp_avg, exp_avg_sq, max_exp_avg_sq: Some(maximum) };
        OPTIONS.step(&contexts()[0], param, &[f64::NAN, 1.0], moments, 1.0).unwrap();
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
            let error = OPTIONS.step(&contexts()[0], &mut param, &vec![0.0; grad], moments, 1.0).unwrap_err();
            assert_eq!(param, [1.0; 2]);
            error.to_string()
        };
        assert_eq!(refuse(1, 2, 2, 2), "grad: expected 2 elements, got 1");
        assert_eq!(refuse(2, 1, 2, 2), "exp_avg: expected 2 elements, got 1");
        assert_eq!(refuse(2, 2, 1, 2), "exp_avg_sq: expected 2 elements, got 1");
        assert_eq!(refuse(2, 2, 2, 1), "max_exp_avg_sq: expected 2 elements, got 1");
    }
}
