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

use crate::error::expect_length;
use crate::exp::exp_nonpositive;
use crate::lanes::{self, LANES};
use crate::{Error, Reduction};
use elman_kernels::{Context, Scalar, multiversion};

/// About how many elements a block of rows has.
const BLOCK: usize = 4096;

/// The most rows of a block.
const MAX_BLOCK: usize = 64;

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
    /// [`Error::Target`], [`Error::Length`], [`Error::TooLarge`], [`Error::OutOfMemory`].
    pub fn forward<T: Scalar>(
        &self,
        ctx: &Context,
        logits: &[T],
        targets: &[i32],
        out: &mut [T],
    ) -> Result<(), Error> {
        expect_length("out", &[self.reduction.outputs(self.rows)], out.len())?;
        let counted = self.check(logits, targets)?;

        let mut exps = ctx.scratch(self.block().min(self.rows) * self.classes)?;
        let total = forward_rows(ctx.isa(), *self, logits, targets, &mut exps, out);
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
        ctx: &Context,
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

        backward_rows(ctx.isa(), *self, logits, targets, scale, d_out, d_logits);
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
    #[inline(always)]
    fn class(&self, target: i32) -> Option<usize> {
        if i64::from(target) == self.ignore_index { None } else { Some(target.unsigned_abs() as usize) }
    }

    /// Rows that go through all stages together: their exponentials stay in the cache.
    #[inline(always)]
    fn block(&self) -> usize {
        (BLOCK / self.classes.max(1)).clamp(1, MAX_BLOCK)
    }

    #[inline(always)]
    fn row<'a, T>(&self, logits: &'a [T], r: usize) -> &'a [T] {
        &logits[r * self.classes..][..self.classes]
    }
}

multiversion! {
    /// The sum of all rows' losses; each in `out` too, without a reduction. `exps`: memory for a block of rows.
    fn forward_rows<T: Scalar>(
        shape: CrossEntropy,
        logits: &[T],
        targets: &[i32],
        exps: &mut [T],
        out: &mut [T],
    ) -> f64 {
        let mut total = 0.0;
        let mut maxima = [T::zero(); MAX_BLOCK];
        for (block, targets) in targets.chunks(shape.block()).enumerate() {
            let first = block * shape.block();
            let logits = &logits[first * shape.classes..][..targets.len() * shape.classes];
            let exps = &mut exps[..logits.len()];
            fill_exps(&shape, logits, targets, &mut maxima, exps);
            for (r, (&target, &maximum)) in targets.iter().zip(&maxima).enumerate() {
                let loss = match shape.class(target) {
                    Some(class) => (maximum - shape.row(logits, r)[class]) + sum(shape.row(exps, r)).ln(),
                    None => T::zero(),
                };
                total += loss.widen();
                if shape.reduction == Reduction::None {
                    out[first + r] = loss;
                }
            }
        }
        total
    }

    /// The gradients of all rows. `scale`: what the gradient of a reduced loss is multiplied by.
    fn backward_rows<T: Scalar>(
        shape: CrossEntropy,
        logits: &[T],
        targets: &[i32],
        scale: T,
        d_out: &[T],
        d_logits: &mut [T],
    ) {
        let mut maxima = [T::zero(); MAX_BLOCK];
        for (block, targets) in targets.chunks(shape.block()).enumerate() {
            let first = block * shape.block();
            let place = first * shape.classes..(first + targets.len()) * shape.classes;
            let d_logits = &mut d_logits[place.clone()];
            fill_exps(&shape, &logits[place], targets, &mut maxima, d_logits);
            for (r, &target) in targets.iter().enumerate() {
                let d_row = &mut d_logits[r * shape.classes..][..shape.classes];
                let Some(class) = shape.class(target) else {
                    d_row.fill(T::zero());
                    continue;
                };
                let d_loss = match shape.reduction {
                    Reduction::None => d_out[first + r],
                    Reduction::Mean | Reduction::Sum => d_out[0] * scale,
                };
                let inverse = T::one() / sum(d_row);
                for slot in &mut *d_row {
                    *slot = *slot * inverse * d_loss;
                }
                d_row[class] -= d_loss;
            }
        }
    }
}

/// The maxima of a block's rows, and exp(x - maximum) of their elements: in one loop over the whole block, so that
/// few elements are left over after whole vectors. Rows that do not count get a 1 everywhere.
#[inline(always)]
fn fill_exps<T: Scalar>(
    shape: &CrossEntropy,
    logits: &[T],
    targets: &[i32],
    maxima: &mut [T; MAX_BLOCK],
    exps: &mut [T],
) {
    for (r, (&target, maximum)) in targets.iter().zip(maxima).enumerate() {
        let slots = &mut exps[r * shape.classes..][..shape.classes];
        if shape.class(target).is_none() {
            slots.fill(T::zero());
            continue;
        }
        let row = shape.row(logits, r);
        let largest = largest(row);
        for (slot, &x) in slots.iter_mut().zip(row) {
            *slot = x - largest;
        }
        *maximum = largest;
    }
    for slot in exps {
        *slot = exp_nonpositive(*slot);
    }
}

/// The largest element; NaN ones are passed over (their exponential brings them back).
#[inline(always)]
fn largest<T: Scalar>(row: &[T]) -> T {
    let mut largest = [T::neg_infinity(); LANES];
    for chunk in row.as_chunks::<LANES>().0 {
        larger_of_each(&mut largest, chunk);
    }
    match row.last_chunk::<LANES>() {
        Some(last) => larger_of_each(&mut largest, last),
        None => larger_of_each(&mut largest, row),
    }
    lanes::fold(largest, larger)
}

#[inline(always)]
fn larger_of_each<T: Scalar>(largest: &mut [T; LANES], values: &[T]) {
    for (lane, &x) in largest.iter_mut().zip(values) {
        *lane = larger(*lane, x);
    }
}

/// The sum, in lanes; what is left over after whole chunks is taken from the last LANES elements.
#[inline(always)]
fn sum<T: Scalar>(row: &[T]) -> T {
    let mut sums = [T::zero(); LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for chunk in whole {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    let (last, counted) = match row.last_chunk::<LANES>() {
        Some(last) => (&last[..], LANES - rest.len()),
        None => (row, 0),
    };
    for (lane, (sum, &x)) in sums.iter_mut().zip(last).enumerate() {
        *sum += if lane >= counted { x } else { T::zero() };
    }
    lanes::sum(sums)
}

/// The larger of two; the first where they are equal or either is NaN.
#[inline(always)]
fn larger<T: Scalar>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, bits, contexts, numeric_gradient, random};
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
        let mut first = None;
        for ctx in contexts() {
            let mut out = vec![T::nan(); losses.len()];
            let mut d_logits = vec![T::nan(); logits.len()];
            shape.forward(&ctx, logits, targets, &mut out).unwrap();
            shape.backward(&ctx, logits, targets, &d_out, &mut d_logits).unwrap();
            assert_close(&out, &losses, tolerance);
            assert_close(&d_logits, &gradient, tolerance);
            // Every instruction set gives the same bits.
            let bits = [bits(&out), bits(&d_logits)];
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits);
        }
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
        let ctx = &contexts()[0];
        let (rows, classes) = (3, 5);
        let logits: Vec<f64> = random(rows * classes, 1);
        let targets = [4, -100, 0];
        for reduction in REDUCTIONS {
            let shape = CrossEntropy { rows, classes, ignore_index: -100, reduction };
            let d_out: Vec<f64> = random(reduction.outputs(rows), 2);
            let mut gradient = vec![f64::NAN; logits.len()];
            shape.backward(ctx, &logits, &targets, &d_out, &mut gradient).unwrap();
            let numeric = numeric_gradient(&logits, |logits| {
                let mut out = vec![f64::NAN; d_out.len()];
                shape.forward(ctx, logits, &targets, &mut out).unwrap();
                out.iter().zip(&d_out).map(|(loss, d)| loss * d).sum()
            });
            assert_close(&gradient, &numeric, 1e-8);
        }
    }

    #[test]
    fn rows_that_do_not_count() {
        let ctx = &contexts()[0];
        let logits = [f32::NAN, f32::INFINITY, 1.0, 2.0];
        let all = CrossEntropy { rows: 2, classes: 2, ignore_index: -100, reduction: Reduction::Mean };
        let (mut out, mut gradient) = ([0f32], [1f32; 4]);
        all.forward(ctx, &logits, &[-100, -100], &mut out).unwrap();
        assert!(out[0].is_nan());
        all.backward(ctx, &logits, &[-100, -100], &[1.0], &mut gradient).unwrap();
        assert_eq!(gradient, [0.0; 4]);

        let sum = CrossEntropy { reduction: Reduction::Sum, ..all };
        sum.forward(ctx, &logits, &[-100, -100], &mut out).unwrap();
        assert_eq!(out, [0.0]);
        sum.forward(ctx, &logits, &[-100, 1], &mut out).unwrap();
        assert_close(&out, &[(1.0 + (-1f64).exp()).ln()], 1e-7);

        let none = CrossEntropy { rows: 0, ..all };
        none.forward::<f32>(ctx, &[], &[], &mut out).unwrap();
        assert!(out[0].is_nan());
    }

    #[test]
    fn extreme_logits() {
        let shape = CrossEntropy { rows: 1, classes: 3, ignore_index: -100, reduction: Reduction::Sum };
        let loss = |logits: [f32; 3], target| {
            let mut out = [f32::NAN];
            shape.forward(&contexts()[0], &logits, &[target], &mut out).unwrap();
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
        let ctx = &contexts()[0];
        let shape = CrossEntropy { rows: 2, classes: 3, ignore_index: -1, reduction: Reduction::None };
        let logits = [0f64; 6];
        let mut out = [5.0; 2];
        let mut refuse = |logits: &[f64], targets: &[i32], count: usize| {
            let error = shape.forward(ctx, logits, targets, &mut out[..count]).unwrap_err().to_string();
            assert_eq!(out, [5.0; 2]);
            error
        };
        assert_eq!(refuse(&logits, &[0, 3], 2), "expected 0 ≤ target < 3, got 3");
        assert_eq!(refuse(&logits, &[0, -2], 2), "expected 0 ≤ target < 3, got -2");
        assert_eq!(refuse(&logits, &[0], 2), "targets: expected 2 elements, got 1");
        assert_eq!(refuse(&logits[1..], &[0, 0], 2), "logits: expected 6 elements, got 5");
        assert_eq!(refuse(&logits, &[0, 0], 1), "out: expected 2 elements, got 1");
        let huge = CrossEntropy { rows: usize::MAX, ..shape };
        assert!(matches!(
            huge.backward(ctx, &logits, &[0, 0], &[0.0; 2], &mut [0.0; 6]),
            Err(Error::Length { .. } | Error::TooLarge { .. })
        ));
        let no_classes = CrossEntropy { classes: 0, ..shape };
        assert_eq!(
            no_classes.forward::<f64>(ctx, &[], &[0, -1], &mut [0.0; 2]).unwrap_err().to_string(),
            "expected 0 ≤ target < 0, got 0"
        );
        no_classes.forward::<f64>(ctx, &[], &[-1, -1], &mut [0.0; 2]).unwrap();
        no_classes.backward::<f64>(ctx, &[], &[-1, -1], &[0.0; 2], &mut []).unwrap();
    }
}
