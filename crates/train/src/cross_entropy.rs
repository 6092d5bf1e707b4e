//! Cross entropy of logits against class indices.
//!
//! ```text
//! x: (R, C) logits, t: R classes
//! ℓ_r  = ln Σ_c exp(x_rc) - x_{r,t_r}  = (m - x_{r,t_r}) + ln Σ_c exp(x_rc - m),   m = max_c x_rc
//! dx_rc = dℓ_r · (exp(x_rc - m) / Σ - [c = t_r])
//! ```
//!
//! Rows whose target is `ignore_index` count for nothing: their loss and their gradient are zero, and the mean is over
//! the other rows (NaN if there is none, as in PyTorch). The maximum is subtracted so that no exponential overflows.
//!
//! A row is read in chunks of a fixed number of columns, the last one filled up with -∞, whose exponential is zero.

use crate::error::expect_length;
use crate::exp::exp_nonpositive;
use crate::lanes::{LANES, fold};
use crate::{Error, Reduction};
use elman_kernels::Scalar;

/// The shape and the options of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossEntropy {
    /// R, the number of predictions.
    pub rows: usize,
    /// C, the number of classes.
    pub classes: usize,
    /// The target that marks a row as not counting; PyTorch's default is -100.
    pub ignore_index: i64,
    /// What becomes of the rows' losses.
    pub reduction: Reduction,
}

impl CrossEntropy {
    /// The loss.
    ///
    /// * `logits`: (R, C)
    /// * `targets`: (R), each in `0..C` or `ignore_index`
    /// * `out`: (R) without a reduction, else one element
    ///
    /// # Errors
    ///
    /// [`Error::Target`], [`Error::Length`], [`Error::TooLarge`].
    pub fn forward<T: Scalar>(&self, logits: &[T], targets: &[i32], out: &mut [T]) -> Result<(), Error> {
        expect_length("out", &[self.reduction.outputs(self.rows)], out.len())?;
        let counted = self.check(logits, targets)?;

        let mut total = 0.0;
        for (r, &target) in targets.iter().enumerate() {
            let loss = self.class(target).map_or(T::zero(), |class| {
                let row = self.row(logits, r);
                let maximum = maximum(row);
                (maximum - row[class]) + exp_sum(row, maximum, |_, _| ()).ln()
            });
            total += loss.widen();
            if self.reduction == Reduction::None {
                out[r] = loss;
            }
        }
        match self.reduction {
            Reduction::None => {}
            Reduction::Sum => out[0] = T::from_f64(total),
            Reduction::Mean => out[0] = T::from_f64(total / counted as f64),
        }
        Ok(())
    }

    /// The gradient of the logits.
    ///
    /// * `logits`, `targets`: as in [`CrossEntropy::forward`]
    /// * `d_out`: of the shape of the loss
    /// * `d_logits`: (R, C), overwritten
    ///
    /// # Errors
    ///
    /// As [`CrossEntropy::forward`].
    pub fn backward<T: Scalar>(
        &self,
        logits: &[T],
        targets: &[i32],
        d_out: &[T],
        d_logits: &mut [T],
    ) -> Result<(), Error> {
        expect_length("grad_out", &[self.reduction.outputs(self.rows)], d_out.len())?;
        expect_length("grad_logits", &[self.rows, self.classes], d_logits.len())?;
        let counted = self.check(logits, targets)?;
        let scale = match self.reduction {
            Reduction::Mean => T::from_f64(1.0 / counted as f64),
            Reduction::None | Reduction::Sum => T::one(),
        };

        for (r, &target) in targets.iter().enumerate() {
            let d_row = &mut d_logits[r * self.classes..][..self.classes];
            let Some(class) = self.class(target) else {
                d_row.fill(T::zero());
                continue;
            };
            let d_loss = match self.reduction {
                Reduction::None => d_out[r],
                Reduction::Mean | Reduction::Sum => d_out[0] * scale,
            };
            let row = self.row(logits, r);
            let sum = exp_sum(row, maximum(row), |start, exps| {
                let part = &mut d_row[start..];
                let count = part.len().min(LANES);
                part[..count].copy_from_slice(&exps[..count]);
            });
            let inverse = T::one() / sum;
            for slot in &mut *d_row {
                *slot = *slot * inverse * d_loss;
            }
            d_row[class] -= d_loss;
        }
        Ok(())
    }

    /// Checks lengths and targets; the number of rows that count.
    fn check<T: Scalar>(&self, logits: &[T], targets: &[i32]) -> Result<usize, Error> {
        expect_length("logits", &[self.rows, self.classes], logits.len())?;
        expect_length("targets", &[self.rows], targets.len())?;
        let mut counted = 0;
        for &target in targets {
            if i64::from(target) == self.ignore_index {
                continue;
            }
            if usize::try_from(target).is_ok_and(|class| class < self.classes) {
                counted += 1;
            } else {
                return Err(Error::Target { target, classes: self.classes });
            }
        }
        Ok(counted)
    }

    /// The class of a checked target, `None` for an ignored row.
    fn class(&self, target: i32) -> Option<usize> {
        if i64::from(target) == self.ignore_index { None } else { usize::try_from(target).ok() }
    }

    fn row<'a, T>(&self, logits: &'a [T], r: usize) -> &'a [T] {
        &logits[r * self.classes..][..self.classes]
    }
}

/// The largest element; NaN ones are passed over (their exponential brings them back).
#[inline(always)]
fn maximum<T: Scalar>(row: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let mut lanes = [T::neg_infinity(); LANES];
    chunks(row, |_, chunk| {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, x);
        }
    });
    fold(lanes, larger)
}

/// Σ exp(x - maximum). `each` is given the exponentials of every chunk and the column at which it starts.
#[inline(always)]
fn exp_sum<T: Scalar>(row: &[T], maximum: T, mut each: impl FnMut(usize, &[T; LANES])) -> T {
    let mut lanes = [T::zero(); LANES];
    chunks(row, |start, chunk| {
        let exps: [T; LANES] = std::array::from_fn(|j| exp_nonpositive(chunk[j] - maximum));
        for (lane, &exp) in lanes.iter_mut().zip(&exps) {
            *lane += exp;
        }
        each(start, &exps);
    });
    fold(lanes, |a, b| a + b)
}

/// The row in chunks with the column at which each starts, the last chunk filled up with -∞.
#[inline(always)]
fn chunks<T: Scalar>(row: &[T], mut each: impl FnMut(usize, &[T; LANES])) {
    let (whole, rest) = row.as_chunks::<LANES>();
    for (i, chunk) in whole.iter().enumerate() {
        each(i * LANES, chunk);
    }
    if !rest.is_empty() {
        let mut last = [T::neg_infinity(); LANES];
        last[..rest.len()].copy_from_slice(rest);
        each(row.len() - rest.len(), &last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, numeric_gradient, random};
    use proptest::prelude::*;

    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

    /// The definition, in float64: losses and gradients of every row.
    fn naive<T: Scalar>(shape: &CrossEntropy, logits: &[T], targets: &[i32], d_out: &[T]) -> [Vec<f64>; 2] {
        let counted = targets.iter().filter(|&&t| i64::from(t) != shape.ignore_index).count() as f64;
        let (mut losses, mut gradient) = (vec![], vec![]);
        for (row, &target) in logits.chunks(shape.classes).zip(targets) {
            let row: Vec<f64> = row.iter().map(|x| x.widen()).collect();
            let maximum = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - maximum).exp()).sum();
            let ignored = i64::from(target) == shape.ignore_index;
            let r = losses.len();
            losses.push(if ignored { 0.0 } else { sum.ln() + maximum - row[target as usize] });
            let d = match shape.reduction {
                Reduction::None => d_out[r].widen(),
                Reduction::Sum => d_out[0].widen(),
                Reduction::Mean => d_out[0].widen() / counted,
            };
            gradient.extend(row.iter().enumerate().map(|(c, x)| {
                let one = if c == target as usize { 1.0 } else { 0.0 };
                if ignored { 0.0 } else { ((x - maximum).exp() / sum - one) * d }
            }));
        }
        let losses = match shape.reduction {
            Reduction::None => losses,
            Reduction::Sum => vec![losses.iter().sum()],
            Reduction::Mean => vec![losses.iter().sum::<f64>() / counted],
        };
        [losses, gradient]
    }

    fn check<T: Scalar>(shape: CrossEntropy, logits: &[T], targets: &[i32], tolerance: f64) {
        let d_out: Vec<T> = random(shape.reduction.outputs(shape.rows), 7);
        let [losses, gradient] = naive(&shape, logits, targets, &d_out);
        let mut out = vec![T::nan(); losses.len()];
        let mut d_logits = vec![T::nan(); logits.len()];
        shape.forward(logits, targets, &mut out).unwrap();
        shape.backward(logits, targets, &d_out, &mut d_logits).unwrap();
        assert_close(&out, &losses, tolerance);
        assert_close(&d_logits, &gradient, tolerance);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_the_definition(
            rows in 1usize..9,
            classes in 1usize..70,
            reduction in prop::sample::select(&REDUCTIONS[..]),
            ignore_index in -1i64..3,
            scale in prop::sample::select(&[1.0, 50.0][..]),
            seed: u64,
        ) {
            let shape = CrossEntropy { rows, classes, ignore_index, reduction };
            let logits: Vec<f64> = random::<f64>(rows * classes, seed).iter().map(|x| x * scale).collect();
            let targets: Vec<i32> = random::<f64>(rows, !seed)
                .iter()
                .map(|x| ((x + 2.0) / 4.0 * classes as f64) as i32)
                .collect();
            let single: Vec<f32> = logits.iter().map(|&x| x as f32).collect();
            check(shape, &single, &targets, 1e-6 * scale);
            check(shape, &logits, &targets, 1e-14 * scale);
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (rows, classes) = (3, 5);
        let logits: Vec<f64> = random(rows * classes, 1);
        let targets = [4, -100, 0];
        for reduction in REDUCTIONS {
            let shape = CrossEntropy { rows, classes, ignore_index: -100, reduction };
            let d_out: Vec<f64> = random(reduction.outputs(rows), 2);
            let mut gradient = vec![f64::NAN; logits.len()];
            shape.backward(&logits, &targets, &d_out, &mut gradient).unwrap();
            let numeric = numeric_gradient(&logits, |logits| {
                let mut out = vec![f64::NAN; d_out.len()];
                shape.forward(logits, &targets, &mut out).unwrap();
                out.iter().zip(&d_out).map(|(loss, d)| loss * d).sum()
            });
            assert_close(&gradient, &numeric, 1e-8);
        }
    }

    #[test]
    fn rows_that_do_not_count() {
        let logits = [f32::NAN, f32::INFINITY, 1.0, 2.0];
        let all = CrossEntropy { rows: 2, classes: 2, ignore_index: -100, reduction: Reduction::Mean };
        let (mut out, mut gradient) = ([0f32], [1f32; 4]);
        all.forward(&logits, &[-100, -100], &mut out).unwrap();
        assert!(out[0].is_nan());
        all.backward(&logits, &[-100, -100], &[1.0], &mut gradient).unwrap();
        assert_eq!(gradient, [0.0; 4]);

        let sum = CrossEntropy { reduction: Reduction::Sum, ..all };
        sum.forward(&logits, &[-100, -100], &mut out).unwrap();
        assert_eq!(out, [0.0]);
        sum.forward(&logits, &[-100, 1], &mut out).unwrap();
        assert_close(&out, &[(1.0 + (-1f64).exp()).ln()], 1e-7);

        let none = CrossEntropy { rows: 0, ..all };
        none.forward::<f32>(&[], &[], &mut out).unwrap();
        assert!(out[0].is_nan());
    }

    #[test]
    fn extreme_logits() {
        let shape = CrossEntropy { rows: 1, classes: 3, ignore_index: -100, reduction: Reduction::Sum };
        let loss = |logits: [f32; 3], target| {
            let mut out = [f32::NAN];
            shape.forward(&logits, &[target], &mut out).unwrap();
            out[0]
        };
        assert_eq!(loss([1e30, -1e30, 0.0], 0), 0.0);
        assert_eq!(loss([1e30, -1e30, 0.0], 2), 1e30);
        assert_eq!(loss([f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY], 1), 0.0);
        assert_eq!(loss([f32::NEG_INFINITY, 0.0, 0.0], 0), f32::INFINITY);
        assert!(loss([f32::INFINITY, 0.0, 0.0], 0).is_nan());
        assert!(loss([f32::NEG_INFINITY; 3], 0).is_nan());
        for lane in 0..3 {
            let mut logits = [1.0; 3];
            logits[lane] = f32::NAN;
            assert!(loss(logits, 1).is_nan(), "{lane}");
        }
    }

    #[test]
    fn what_is_refused() {
        let shape = CrossEntropy { rows: 2, classes: 3, ignore_index: -1, reduction: Reduction::None };
        let logits = [0f64; 6];
        let mut out = [5.0; 2];
        let mut refuse = |logits: &[f64], targets: &[i32], count: usize| {
            let error = shape.forward(logits, targets, &mut out[..count]).unwrap_err().to_string();
            assert_eq!(out, [5.0; 2]);
            error
        };
        assert_eq!(refuse(&logits, &[0, 3], 2), "Target 3 is out of bounds.");
        assert_eq!(refuse(&logits, &[0, -2], 2), "Target -2 is out of bounds.");
        assert_eq!(refuse(&logits, &[0], 2), "targets: expected 2 elements, got 1");
        assert_eq!(refuse(&logits[1..], &[0, 0], 2), "logits: expected 6 elements, got 5");
        assert_eq!(refuse(&logits, &[0, 0], 1), "out: expected 2 elements, got 1");
        let huge = CrossEntropy { rows: usize::MAX, ..shape };
        assert!(matches!(
            huge.backward(&logits, &[0, 0], &[0.0; 2], &mut [0.0; 6]),
            Err(Error::Length { .. } | Error::TooLarge { .. })
        ));
        let no_classes = CrossEntropy { classes: 0, ..shape };
        assert_eq!(
            no_classes.forward::<f64>(&[], &[0, -1], &mut [0.0; 2]).unwrap_err().to_string(),
            "Target 0 is out of bounds."
        );
        no_classes.forward::<f64>(&[], &[-1, -1], &mut [0.0; 2]).unwrap();
        no_classes.backward::<f64>(&[], &[-1, -1], &[0.0; 2], &mut []).unwrap();
    }
}
