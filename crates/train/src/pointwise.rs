//! Losses that compare each element of the input with one of the target.
//!
//! ```text
//! squared   ℓ = (x - t)²                                 dx = 2 (x - t) dℓ       dt = -dx
//! absolute  ℓ = |x - t|                                  dx = sgn(x - t) dℓ      dt = -dx
//! logistic  ℓ = (1 - t) x - ln σ(x),  t in [0, 1]        dx = (σ(x) - t) dℓ      dt = -x dℓ
//!
//! σ(x) = 1 / (1 + e^-x),   ln σ(x) = min(x, 0) - ln(1 + e^-|x|);   dℓ = d / N under the mean
//! ```
//!
//! The logistic loss is the binary cross entropy of logits x; in this form no exponential overflows. The sign of 0 is 0,
//! and so is that of NaN, as in PyTorch.

use crate::error::expect_length;
use crate::exp::{exp_nonpositive, ln_1p_unit, logistic};
use crate::lanes::{self, LANES};
use crate::{Error, Reduction};
use elman_kernels::{Context, Scalar, multiversion};

/// A loss of one element x against its target t, and its derivatives times d.
///
/// A trait and no closures, so that it is inlined for certain (see [`multiversion!`]).
pub trait Pointwise: Copy {
    /// ℓ
    fn loss<T: Scalar>(self, x: T, t: T) -> T;

    /// ℓ in float64, as a term of a sum.
    fn term<T: Scalar>(self, x: T, t: T) -> f64;

    /// ∂ℓ/∂x · d
    fn d_input<T: Scalar>(self, x: T, t: T, d: T) -> T;

    /// ∂ℓ/∂t · d
    fn d_target<T: Scalar>(self, x: T, t: T, d: T) -> T;
}

/// (x - t)²
#[derive(Clone, Copy, Debug)]
pub struct Squared;

impl Pointwise for Squared {
    #[inline(always)]
    fn loss<T: Scalar>(self, x: T, t: T) -> T {
        (x - t) * (x - t)
    }
    #[inline(always)]
    fn term<T: Scalar>(self, x: T, t: T) -> f64 {
        let difference = (x - t).widen();
        difference * difference
    }
    #[inline(always)]
    fn d_input<T: Scalar>(self, x: T, t: T, d: T) -> T {
        T::from_f64(2.0) * (x - t) * d
    }
    #[inline(always)]
    fn d_target<T: Scalar>(self, x: T, t: T, d: T) -> T {
        -self.d_input(x, t, d)
    }
}

/// |x - t|
#[derive(Clone, Copy, Debug)]
pub struct Absolute;

impl Pointwise for Absolute {
    #[inline(always)]
    fn loss<T: Scalar>(self, x: T, t: T) -> T {
        (x - t).abs()
    }
    #[inline(always)]
    fn term<T: Scalar>(self, x: T, t: T) -> f64 {
        self.loss(x, t).widen()
    }
    #[inline(always)]
    fn d_input<T: Scalar>(self, x: T, t: T, d: T) -> T {
        let above = if x > t { T::one() } else { T::zero() };
        let below = if x < t { T::one() } else { T::zero() };
        (above - below) * d
    }
    #[inline(always)]
    fn d_target<T: Scalar>(self, x: T, t: T, d: T) -> T {
        -self.d_input(x, t, d)
    }
}

/// The binary cross entropy of the logit x.
#[derive(Clone, Copy, Debug)]
pub struct LogisticCrossEntropy;

impl Pointwise for LogisticCrossEntropy {
    #[inline(always)]
    fn loss<T: Scalar>(self, x: T, t: T) -> T {
        let negative = if x > T::zero() { T::zero() } else { x }; // NaN stays
        (T::one() - t) * x - (negative - ln_1p_unit(exp_nonpositive(-x.abs())))
    }
    #[inline(always)]
    fn term<T: Scalar>(self, x: T, t: T) -> f64 {
        self.loss(x, t).widen()
    }
    #[inline(always)]
    fn d_input<T: Scalar>(self, x: T, t: T, d: T) -> T {
        (logistic(x) - t) * d
    }
    #[inline(always)]
    fn d_target<T: Scalar>(self, x: T, _: T, d: T) -> T {
        -x * d
    }
}

/// The loss.
///
/// * `input`, `target`: of equal length N
/// * `out`: N elements without a reduction, else one (the mean of nothing is NaN)
///
/// # Errors
///
/// [`Error::Length`].
pub fn forward<T: Scalar>(
    ctx: &Context,
    loss: impl Pointwise,
    input: &[T],
    target: &[T],
    reduction: Reduction,
    out: &mut [T],
) -> Result<(), Error> {
    let count = input.len();
    expect_length("target", &[count], target.len())?;
    expect_length("out", &[reduction.outputs(count)], out.len())?;
    match reduction {
        Reduction::None => each_loss(ctx.isa(), loss, input, target, out),
        Reduction::Sum => out[0] = T::from_f64(sum(ctx.isa(), loss, input, target)),
        Reduction::Mean => out[0] = T::from_f64(sum(ctx.isa(), loss, input, target) / count as f64),
    }
    Ok(())
}

/// The gradients; each may be left out.
///
/// * `input`, `target`: as in [`forward`]
/// * `d_out`: of the length of the loss
/// * `d_input`, `d_target`: N elements, overwritten
///
/// # Errors
///
/// [`Error::Length`].
#[allow(clippy::too_many_arguments)] // two arrays, their gradients, and how to get there
pub fn backward<T: Scalar>(
    ctx: &Context,
    loss: impl Pointwise,
    input: &[T],
    target: &[T],
    reduction: Reduction,
    d_out: &[T],
    d_input: Option<&mut [T]>,
    d_target: Option<&mut [T]>,
) -> Result<(), Error> {
    let count = input.len();
    expect_length("target", &[count], target.len())?;
    expect_length("grad_out", &[reduction.outputs(count)], d_out.len())?;
    for (array, gradient) in [("grad_input", &d_input), ("grad_target", &d_target)] {
        if let Some(gradient) = gradient {
            expect_length(array, &[count], gradient.len())?;
        }
    }
    let mean;
    let d_out = if reduction == Reduction::Mean {
        mean = [T::from_f64(d_out[0].widen() / count as f64)];
        &mean
    } else {
        d_out
    };
    if let Some(gradient) = d_input {
        fill_gradient(ctx.isa(), OfInput(loss), input, target, d_out, gradient);
    }
    if let Some(gradient) = d_target {
        fill_gradient(ctx.isa(), OfTarget(loss), input, target, d_out, gradient);
    }
    Ok(())
}

/// One of the two derivatives.
trait Derivative: Copy {
    fn of<T: Scalar>(self, x: T, t: T, d: T) -> T;
}

#[derive(Clone, Copy)]
struct OfInput<L>(L);

impl<L: Pointwise> Derivative for OfInput<L> {
    #[inline(always)]
    fn of<T: Scalar>(self, x: T, t: T, d: T) -> T {
        self.0.d_input(x, t, d)
    }
}

#[derive(Clone, Copy)]
struct OfTarget<L>(L);

impl<L: Pointwise> Derivative for OfTarget<L> {
    #[inline(always)]
    fn of<T: Scalar>(self, x: T, t: T, d: T) -> T {
        self.0.d_target(x, t, d)
    }
}

multiversion! {
    /// ℓ of each element.
    fn each_loss<T: Scalar, L: Pointwise>(loss: L, input: &[T], target: &[T], out: &mut [T]) {
        for ((slot, &x), &t) in out.iter_mut().zip(input).zip(target) {
            *slot = loss.loss(x, t);
        }
    }

    /// Σ ℓ, in lanes (see `lanes`).
    fn sum<T: Scalar, L: Pointwise>(loss: L, input: &[T], target: &[T]) -> f64 {
        let mut sums = [0.0; LANES];
        let (inputs, last_inputs) = input.as_chunks::<LANES>();
        let (targets, last_targets) = target.as_chunks::<LANES>();
        for (x, t) in inputs.iter().zip(targets) {
            for ((sum, &x), &t) in sums.iter_mut().zip(x).zip(t) {
                *sum += loss.term(x, t);
            }
        }
        for ((sum, &x), &t) in sums.iter_mut().zip(last_inputs).zip(last_targets) {
            *sum += loss.term(x, t);
        }
        lanes::sum(sums)
    }

    /// Writes a gradient; `d_out` has one element for each, or one for all.
    fn fill_gradient<T: Scalar, D: Derivative>(
        derivative: D,
        input: &[T],
        target: &[T],
        d_out: &[T],
        gradient: &mut [T],
    ) {
        let pairs = gradient.iter_mut().zip(input).zip(target);
        if let &[d] = d_out {
            for ((slot, &x), &t) in pairs {
                *slot = derivative.of(x, t, d);
            }
        } else {
            for (((slot, &x), &t), &d) in pairs.zip(d_out) {
                *slot = derivative.of(x, t, d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, bits, contexts, numeric_gradient, random};

    /// Losses and gradients of all reductions against the definition, and the same bits on every instruction set.
    fn check(loss: impl Pointwise, definition: fn(f64, f64) -> f64) {
        for count in [1, 2, 15, 16, 17, 100] {
            let (input, target): (Vec<f64>, Vec<f64>) = (random(count, 1), random(count, 2));
            let each: Vec<f64> = input.iter().zip(&target).map(|(&x, &t)| definition(x, t)).collect();
            let total: f64 = each.iter().sum();
            for (reduction, expected) in [
                (Reduction::None, each.clone()),
                (Reduction::Sum, vec![total]),
                (Reduction::Mean, vec![total / count as f64]),
            ] {
                let d_out: Vec<f64> = random(expected.len(), 3);
                let mut first = None;
                for ctx in contexts() {
                    let run = |input: &[f64], target: &[f64]| {
                        let mut out = vec![f64::NAN; expected.len()];
                        forward(&ctx, loss, input, target, reduction, &mut out).unwrap();
                        out
                    };
                    let out = run(&input, &target);
                    assert_close(&out, &expected, 1e-14);
                    let weighted =
                        |out: Vec<f64>| out.iter().zip(&d_out).map(|(loss, d)| loss * d).sum::<f64>();
                    let (mut d_input, mut d_target) = (vec![f64::NAN; count], vec![f64::NAN; count]);
                    backward(
                        &ctx,
                        loss,
                        &input,
                        &target,
                        reduction,
                        &d_out,
                        Some(&mut d_input),
                        Some(&mut d_target),
                    )
                    .unwrap();
                    let bits = [&out, &d_input, &d_target].map(|array| bits(array));
                    if first.get_or_insert_with(|| bits.clone()) != &bits {
                        panic!("{} differs", ctx.isa().name());
                    }
                    assert_close(&d_input, &numeric_gradient(&input, |x| weighted(run(x, &target))), 1e-7);
                    assert_close(&d_target, &numeric_gradient(&target, |t| weighted(run(&input, t))), 1e-7);

                    let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
                    let mut out = vec![f32::NAN; expected.len()];
                    forward(&ctx, loss, &single(&input), &single(&target), reduction, &mut out).unwrap();
                    assert_close(&out, &expected, 1e-6);
                }
            }
        }
    }

    #[test]
    fn squared_error_agrees_with_its_definition() {
        check(Squared, |x, t| (x - t).powi(2));
    }

    #[test]
    fn absolute_error_agrees_with_its_definition() {
        check(Absolute, |x, t| (x - t).abs());
    }

    #[test]
    fn logistic_cross_entropy_agrees_with_its_definition() {
        check(LogisticCrossEntropy, |x, t| {
            let sigma = 1.0 / (1.0 + (-x).exp());
            -t * sigma.ln() - (1.0 - t) * (1.0 - sigma).ln()
        });
    }

    #[test]
    fn logits_of_any_size() {
        let x = [1e30, -1e30, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0];
        let t = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.5, 0.5];
        for ctx in contexts() {
            let (mut out, mut d) = ([9f32; 8], [9f32; 8]);
            forward(&ctx, LogisticCrossEntropy, &x, &t, Reduction::None, &mut out).unwrap();
            backward(&ctx, LogisticCrossEntropy, &x, &t, Reduction::None, &[1.0; 8], Some(&mut d), None)
                .unwrap();
            assert_eq!(out[..5], [0.0, 0.0, 1e30, 1e30, f32::INFINITY]);
            // (1 - t) x is 0 · ∞, as in PyTorch.
            assert!(out[5].is_nan() && out[6].is_nan());
            assert_eq!(out[7], std::f32::consts::LN_2);
            assert_eq!(d[..6], [0.0, 0.0, 1.0, -1.0, 1.0, -1.0]);
            assert!(d[6].is_nan());
            assert_eq!(d[7], 0.0);
        }
    }

    #[test]
    fn the_sign_at_zero_is_zero() {
        let mut d = [9f64; 3];
        let ctx = &contexts()[0];
        backward(
            ctx,
            Absolute,
            &[1.0, 0.0, f64::NAN],
            &[1.0, -0.0, 1.0],
            Reduction::Sum,
            &[3.0],
            Some(&mut d),
            None,
        )
        .unwrap();
        assert_eq!(d, [0.0; 3]);
    }

    #[test]
    fn nothing_has_no_mean() {
        let ctx = &contexts()[0];
        let mut out = [0f32];
        forward(ctx, Squared, &[], &[], Reduction::Mean, &mut out).unwrap();
        assert!(out[0].is_nan());
        forward(ctx, Squared, &[], &[], Reduction::Sum, &mut out).unwrap();
        assert_eq!(out, [0.0]);
        backward::<f32>(ctx, Squared, &[], &[], Reduction::Mean, &[1.0], Some(&mut []), None).unwrap();
    }

    #[test]
    fn lengths_that_differ() {
        let ctx = &contexts()[0];
        let error = forward(ctx, Squared, &[0f32; 2], &[0.0; 3], Reduction::Sum, &mut [0.0]).unwrap_err();
        assert_eq!(error.to_string(), "target: expected 2 elements, got 3");
        let error = forward(ctx, Squared, &[0f32; 2], &[0.0; 2], Reduction::Sum, &mut []).unwrap_err();
        assert_eq!(error.to_string(), "out: expected 1 elements, got 0");
        let (zeros, mut kept) = ([0f32; 2], [7f32; 2]);
        let gradients = (Some(&mut kept[..]), Some(&mut [][..]));
        let error = backward(ctx, Squared, &zeros, &zeros, Reduction::Sum, &[1.0], gradients.0, gradients.1)
            .unwrap_err();
        assert_eq!(error.to_string(), "grad_target: expected 2 elements, got 0");
        assert_eq!(kept, [7.0; 2]);
    }
}
