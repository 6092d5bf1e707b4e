//! `RMSprop`, as `torch.optim.RMSprop`.
//!
//! ```text
//! g ← ±g + λ p                  minus if the objective is to be maximized; λ weight decay
//! v ← α v + (1 - α) g²          the running mean of the square
//! a ← a + (1 - α)(g - a)        the running mean, only if centered
//! s = √v + ε,  or  √(v - a²) + ε  if centered
//! m ← μ m + g / s,  p ← p - η m     with momentum μ;  η learning rate
//! p ← p - η g / s                   without
//! ```
//!
//! Terms whose factor is zero are left out, not added as zeros. Coefficients are computed in float64 and rounded to
//! the element type once, as PyTorch does.

use crate::Error;
use crate::error::expect_length;
use crate::stages::{BLOCK, Lerp, accumulate_square, decayed};
use elman_kernels::{Context, Scalar, multiversion};

/// The options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// η, the learning rate.
    pub lr: f64,
    /// α, how much of the running means is kept.
    pub alpha: f64,
    /// ε
    pub eps: f64,
    /// λ
    pub weight_decay: f64,
    /// μ
    pub momentum: f64,
    /// Whether to maximize.
    pub maximize: bool,
}

/// The state of `RMSprop` for one parameter: arrays of its length, zero before the first step.
#[derive(Debug)]
pub struct Averages<'a, T> {
    /// v
    pub square_avg: &'a mut [T],
    /// a; its presence makes the step a centered one.
    pub grad_avg: Option<&'a mut [T]>,
    /// m; not needed without momentum.
    pub momentum_buffer: Option<&'a mut [T]>,
}

impl RmsProp {
    /// One step of one parameter.
    ///
    /// * `param`: p, updated
    /// * `grad`: g, of the same length
    /// * `averages`: updated
    ///
    /// # Errors
    ///
    /// [`Error::Length`], [`Error::MissingBuffer`].
    pub fn step<T: Scalar>(
        &self,
        ctx: &Context,
        param: &mut [T],
        grad: &[T],
        averages: Averages<'_, T>,
    ) -> Result<(), Error> {
        let size = [param.len()];
        expect_length("grad", &size, grad.len())?;
        expect_length("square_avg", &size, averages.square_avg.len())?;
        if let Some(grad_avg) = &averages.grad_avg {
            expect_length("grad_avg", &size, grad_avg.len())?;
        }
        let with_momentum = self.momentum != 0.0;
        match &averages.momentum_buffer {
            Some(buffer) if with_momentum => expect_length("momentum_buffer", &size, buffer.len())?,
            None if with_momentum => {
                return Err(Error::MissingBuffer {
                    optimizer: "RMSprop",
                    option: "momentum",
                    array: "momentum_buffer",
                });
            }
            _ => 0,
        };
        let momentum_buffer = averages.momentum_buffer.filter(|_| with_momentum);
        update(ctx.isa(), *self, param, grad, Averages { momentum_buffer, ..averages });
        Ok(())
    }
}

multiversion! {
    /// The step, with lengths that are checked; the momentum's buffer is there if there is momentum.
    fn update<T: Scalar>(rmsprop: RmsProp, param: &mut [T], grad: &[T], averages: Averages<'_, T>) {
        let Averages { square_avg, mut grad_avg, mut momentum_buffer } = averages;
        let squares = [T::from_f64(rmsprop.alpha), T::from_f64(1.0 - rmsprop.alpha)];
        let mean = Lerp::new(1.0 - rmsprop.alpha);
        let eps = T::from_f64(rmsprop.eps);
        let momentum = T::from_f64(rmsprop.momentum);
        let minus_lr = T::from_f64(-rmsprop.lr);

        let mut gradient = [T::zero(); BLOCK];
        let mut size = [T::zero(); BLOCK];
        let blocks = param.chunks_mut(BLOCK).zip(grad.chunks(BLOCK)).zip(square_avg.chunks_mut(BLOCK));
        for (i, ((param, grad), square_avg)) in blocks.enumerate() {
            let count = param.len();
            let (gradient, size) = (&mut gradient[..count], &mut size[..count]);
            decayed(grad, param, rmsprop.maximize, rmsprop.weight_decay, gradient);
            accumulate_square(square_avg, gradient, squares);
            if let Some(grad_avg) = &mut grad_avg {
                let grad_avg = &mut grad_avg[i * BLOCK..][..count];
                mean.apply(grad_avg, gradient);
                for ((s, &v), &a) in size.iter_mut().zip(&*square_avg).zip(&*grad_avg) {
                    *s = (v - a * a).sqrt() + eps;
                }
            } else {
                for (s, &v) in size.iter_mut().zip(&*square_avg) {
                    *s = v.sqrt() + eps;
                }
            }
            if let Some(buffer) = &mut momentum_buffer {
                let buffer = &mut buffer[i * BLOCK..][..count];
                for ((m, &g), &s) in buffer.iter_mut().zip(&*gradient).zip(&*size) {
                    *m = *m * momentum + g / s;
                }
                for (p, &m) in param.iter_mut().zip(&*buffer) {
                    *p += minus_lr * m;
                }
            } else {
                for ((p, &g), &s) in param.iter_mut().zip(&*gradient).zip(&*size) {
                    *p += minus_lr * g / s;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contexts;

    const OPTIONS: RmsProp =
        RmsProp { lr: 0.1, alpha: 0.75, eps: 0.5, weight_decay: 0.0, momentum: 0.0, maximize: false };

    #[test]
    fn one_step_by_hand() {
        // v = 4 / 4, √v + ε = 1.5
        let (mut param, mut square_avg) = ([1f64], [0.0]);
        let averages = Averages { square_avg: &mut square_avg, grad_avg: None, momentum_buffer: None };
        OPTIONS.step(&contexts()[0], &mut param, &[2.0], averages).unwrap();
        assert!((param[0] - (1.0 - 0.1 * 2.0 / 1.5)).abs() < 1e-15);
        assert_eq!(square_avg, [1.0]);
    }

    #[test]
    fn what_is_refused() {
        let mut param = [1f32; 2];
        let mut refuse = |momentum: f64, grad: usize, lengths: [Option<usize>; 3]| {
            let mut buffers = lengths.map(|len| len.map(|len| vec![0f32; len]));
            let [square_avg, grad_avg, momentum_buffer] = &mut buffers;
            let averages = Averages {
                square_avg: square_avg.as_mut().unwrap(),
                grad_avg: grad_avg.as_deref_mut(),
                momentum_buffer: momentum_buffer.as_deref_mut(),
            };
            let options = RmsProp { momentum, ..OPTIONS };
            let error = options.step(&contexts()[0], &mut param, &vec![0.0; grad], averages).unwrap_err();
            assert_eq!(param, [1.0; 2]);
            error.to_string()
        };
        let two = Some(2);
        assert_eq!(refuse(0.0, 1, [two, None, None]), "grad: expected 2 elements, got 1");
        assert_eq!(refuse(0.0, 2, [Some(1), None, None]), "square_avg: expected 2 elements, got 1");
        assert_eq!(refuse(0.0, 2, [two, Some(3), None]), "grad_avg: expected 2 elements, got 3");
        assert_eq!(refuse(0.9, 2, [two, two, Some(0)]), "momentum_buffer: expected 2 elements, got 0");
        assert_eq!(refuse(0.9, 2, [two, two, None]), "RMSprop: momentum needs momentum_buffer");
    }
}
