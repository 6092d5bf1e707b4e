//! Stochastic gradient descent, as `torch.optim.SGD`.
//!
//! ```text
//! g ← ±g                          minus if the objective is to be maximized
//! g ← g + λ p                     λ weight decay
//! m ← μ m + (1 - τ) g             μ momentum, τ dampening; m ← g at the first step
//! g ← g + μ m  (Nesterov)  or  m
//! p ← p - η g                     η learning rate
//! ```
//!
//! Terms whose factor is zero are left out, not added as zeros. Coefficients are computed in float64 and rounded to
//! the element type once, as PyTorch does.

use crate::Error;
use crate::error::expect_length;
use crate::stages::{BLOCK, decayed};
use elman_kernels::{Context, Scalar, multiversion};

/// The options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// η, the learning rate.
    pub lr: f64,
    /// μ
    pub momentum: f64,
    /// τ
    pub dampening: f64,
    /// λ
    pub weight_decay: f64,
    /// Whether to look ahead along the momentum.
    pub nesterov: bool,
    /// Whether to maximize.
    pub maximize: bool,
}

impl Sgd {
    /// One step of one parameter.
    ///
    /// * `param`: p, updated
    /// * `grad`: g, of the same length
    /// * `momentum_buffer`: m, of the same length, updated; not needed without momentum
    /// * `first`: whether `momentum_buffer` holds nothing yet
    ///
    /// # Errors
    ///
    /// [`Error::Length`], [`Error::MissingBuffer`].
    pub fn step<T: Scalar>(
        &self,
        ctx: &Context,
        param: &mut [T],
        grad: &[T],
        momentum_buffer: Option<&mut [T]>,
        first: bool,
    ) -> Result<(), Error> {
        expect_length("grad", &[param.len()], grad.len())?;
        let buffer = match momentum_buffer {
            Some(buffer) if self.momentum != 0.0 => {
                expect_length("momentum_buffer", &[param.len()], buffer.len())?;
                Some(buffer)
            }
            None if self.momentum != 0.0 => {
                return Err(Error::MissingBuffer {
                    optimizer: "SGD",
                    option: "momentum",
                    array: "momentum_buffer",
                });
            }
            _ => None,
        };
        update(ctx.isa(), *self, param, grad, buffer, first);
        Ok(())
    }
}

multiversion! {
    /// The step, with lengths that are checked; `buffer` is there if there is momentum.
    fn update<T: Scalar>(
        sgd: Sgd,
        param: &mut [T],
        grad: &[T],
        buffer: Option<&mut [T]>,
        first: bool,
    ) {
        let momentum = T::from_f64(sgd.momentum);
        let undamped = T::from_f64(1.0 - sgd.dampening);
        let minus_lr = T::from_f64(-sgd.lr);
        let mut buffer = buffer;
        let mut gradient = [T::zero(); BLOCK];
        for (i, (param, grad)) in param.chunks_mut(BLOCK).zip(grad.chunks(BLOCK)).enumerate() {
            let gradient = &mut gradient[..param.len()];
            decayed(grad, param, sgd.maximize, sgd.weight_decay, gradient);
            if let Some(buffer) = &mut buffer {
                let buffer = &mut buffer[i * BLOCK..][..param.len()];
                if first {
                    buffer.copy_from_slice(gradient);
                } else {
                    for (m, &g) in buffer.iter_mut().zip(&*gradient) {
                        *m = *m * momentum + undamped * g;
                    }
                }
                if sgd.nesterov {
                    for (g, &m) in gradient.iter_mut().zip(&*buffer) {
                        *g += momentum * m;
                    }
                } else {
                    gradient.copy_from_slice(buffer);
                }
            }
            for (p, &g) in param.iter_mut().zip(&*gradient) {
                *p += minus_lr * g;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contexts;

    const PLAIN: Sgd =
        Sgd { lr: 0.1, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };

    #[test]
    fn zero_factors_leave_their_terms_out() {
        // With the terms added as zeros, 0 · ∞ would be NaN.
        let mut param = [f32::INFINITY, 1.0];
        PLAIN.step(&contexts()[0], &mut param, &[1.0, 2.0], Some(&mut []), false).unwrap();
        assert_eq!(param, [f32::INFINITY, 0.8]);
    }

    #[test]
    fn what_is_refused() {
        let mut param = [1f64; 2];
        let error = PLAIN.step(&contexts()[0], &mut param, &[0.0; 3], None, true).unwrap_err();
        assert_eq!(error.to_string(), "grad: expected 2 elements, got 3");
        let momentum = Sgd { momentum: 0.9, ..PLAIN };
        let error = momentum.step(&contexts()[0], &mut param, &[0.0; 2], None, true).unwrap_err();
        assert_eq!(error.to_string(), "SGD: momentum needs momentum_buffer");
        let error = momentum.step(&contexts()[0], &mut param, &[0.0; 2], Some(&mut [0.0]), true).unwrap_err();
        assert_eq!(error.to_string(), "momentum_buffer: expected 2 elements, got 1");
        assert_eq!(param, [1.0; 2]);
    }
}
