//! Mean squared error.
//!
//! ```text
//! ℓ_i = (x_i - t_i)²,   dx_i = 2 (x_i - t_i) dℓ_i,   dt_i = -dx_i,   dℓ_i = d / N under the mean
//! ```

use crate::error::expect_length;
use crate::lanes::LANES;
use crate::{Error, Reduction};
use elman_kernels::Scalar;

/// The loss.
///
/// * `input`, `target`: of equal length N
/// * `out`: N elements without a reduction, else one (the mean of nothing is NaN)
///
/// # Errors
///
/// [`Error::Length`].
pub fn forward<T: Scalar>(
    input: &[T],
    target: &[T],
    reduction: Reduction,
    out: &mut [T],
) -> Result<(), Error> {
    let count = input.len();
    expect_length("target", &[count], target.len())?;
    expect_length("out", &[reduction.outputs(count)], out.len())?;
    match reduction {
        Reduction::None => {
            for ((slot, &x), &t) in out.iter_mut().zip(input).zip(target) {
                *slot = (x - t) * (x - t);
            }
        }
        Reduction::Sum => out[0] = T::from_f64(sum_of_squares(input, target)),
        Reduction::Mean => out[0] = T::from_f64(sum_of_squares(input, target) / count as f64),
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
pub fn backward<T: Scalar>(
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
    let two = T::from_f64(2.0);
    for (gradient, sign) in [(d_input, two), (d_target, -two)] {
        let Some(gradient) = gradient else { continue };
        let pairs = gradient.iter_mut().zip(input).zip(target);
        match reduction {
            Reduction::None => {
                for (((slot, &x), &t), &d) in pairs.zip(d_out) {
                    *slot = sign * (x - t) * d;
                }
            }
            Reduction::Sum | Reduction::Mean => {
                let d = if reduction == Reduction::Mean {
                    T::from_f64(d_out[0].widen() / count as f64)
                } else {
                    d_out[0]
                };
                for ((slot, &x), &t) in pairs {
                    *slot = sign * (x - t) * d;
                }
            }
        }
    }
    Ok(())
}

/// Σ (x - t)², in lanes (see `lanes`), each term in float64.
fn sum_of_squares<T: Scalar>(input: &[T], target: &[T]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (x, t) in input.chunks(LANES).zip(target.chunks(LANES)) {
        for ((lane, &x), &t) in lanes.iter_mut().zip(x).zip(t) {
            let difference = (x - t).widen();
            *lane += difference * difference;
        }
    }
    crate::lanes::fold(lanes, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, numeric_gradient, random};

    #[test]
    fn agrees_with_the_definition_and_with_finite_differences() {
        for count in [1, 2, 15, 16, 17, 100] {
            let (input, target): (Vec<f64>, Vec<f64>) = (random(count, 1), random(count, 2));
            let squares: Vec<f64> = input.iter().zip(&target).map(|(x, t)| (x - t).powi(2)).collect();
            let total: f64 = squares.iter().sum();
            for (reduction, expected) in [
                (Reduction::None, squares.clone()),
                (Reduction::Sum, vec![total]),
                (Reduction::Mean, vec![total / count as f64]),
            ] {
                let loss = |input: &[f64], target: &[f64]| {
                    let mut out = vec![f64::NAN; expected.len()];
                    forward(input, target, reduction, &mut out).unwrap();
                    out
                };
                assert_close(&loss(&input, &target), &expected, 1e-14);
                let d_out: Vec<f64> = random(expected.len(), 3);
                let weighted = |out: Vec<f64>| out.iter().zip(&d_out).map(|(loss, d)| loss * d).sum::<f64>();
                let (mut d_input, mut d_target) = (vec![f64::NAN; count], vec![f64::NAN; count]);
                backward(&input, &target, reduction, &d_out, Some(&mut d_input), Some(&mut d_target))
                    .unwrap();
                assert_close(&d_input, &numeric_gradient(&input, |x| weighted(loss(x, &target))), 1e-7);
                assert_close(&d_target, &numeric_gradient(&target, |t| weighted(loss(&input, t))), 1e-7);

                let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
                let mut out = vec![f32::NAN; expected.len()];
                forward(&single(&input), &single(&target), reduction, &mut out).unwrap();
                assert_close(&out, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn nothing_has_no_mean() {
        let mut out = [0f32];
        forward(&[], &[], Reduction::Mean, &mut out).unwrap();
        assert!(out[0].is_nan());
        forward(&[], &[], Reduction::Sum, &mut out).unwrap();
        assert_eq!(out, [0.0]);
        backward::<f32>(&[], &[], Reduction::Mean, &[1.0], Some(&mut []), None).unwrap();
    }

    #[test]
    fn lengths_that_differ() {
        let error = forward(&[0f32; 2], &[0.0; 3], Reduction::Sum, &mut [0.0]).unwrap_err();
        assert_eq!(error.to_string(), "target: expected 2 elements, got 3");
        let error = forward(&[0f32; 2], &[0.0; 2], Reduction::Sum, &mut []).unwrap_err();
        assert_eq!(error.to_string(), "out: expected 1 elements, got 0");
        let mut kept = [7f32; 2];
        let error = backward(&[0f32; 2], &[0.0; 2], Reduction::Sum, &[1.0], Some(&mut kept), Some(&mut []))
            .unwrap_err();
        assert_eq!(error.to_string(), "grad_target: expected 2 elements, got 0");
        assert_eq!(kept, [7.0; 2]);
    }
}
