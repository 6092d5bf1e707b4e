//! The tensor type's arithmetic, element by element.
//!
//! ```text
//! tanh     dx = dy (1 - y²)          sigmoid  y = 1 / (1 + e^-x),  dx = dy y (1 - y)
//! relu     y = x > 0 ? x : 0,  dx = y > 0 ? dy : 0
//! ```
//!
//! Derivatives are written in the output y. NaN passes through all of them.

use crate::Error;
use crate::error::expect_length;
use crate::lanes;
use elman_kernels::{Binary, Context, Scalar, Unary};

/// out = a + b.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn add<T: Scalar>(a: &[T], b: &[T], out: &mut [T]) -> Result<(), Error> {
    zip(["b", "out"], a, b, out, |a, b| a + b)
}

/// out = a · b.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn mul<T: Scalar>(a: &[T], b: &[T], out: &mut [T]) -> Result<(), Error> {
    zip(["b", "out"], a, b, out, |a, b| a * b)
}

/// out = a + value, with the value rounded to the element type.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn add_scalar<T: Scalar>(a: &[T], value: f64, out: &mut [T]) -> Result<(), Error> {
    let value = T::from_f64(value);
    map(a, out, |a| a + value)
}

/// out = a · value, with the value rounded to the element type.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn mul_scalar<T: Scalar>(a: &[T], value: f64, out: &mut [T]) -> Result<(), Error> {
    let value = T::from_f64(value);
    map(a, out, |a| a * value)
}

/// a ← a · value, with the value rounded to the element type.
pub fn scale<T: Scalar>(a: &mut [T], value: f64) {
    let value = T::from_f64(value);
    for slot in a {
        *slot *= value;
    }
}

/// target ← target + source.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn accumulate<T: Scalar>(target: &mut [T], source: &[T]) -> Result<(), Error> {
    expect_length("source", &[target.len()], source.len())?;
    for (slot, &value) in target.iter_mut().zip(source) {
        *slot += value;
    }
    Ok(())
}

/// out = tanh x, within 2 units in the last place.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn tanh<T: Scalar>(ctx: &Context, x: &[T], out: &mut [T]) -> Result<(), Error> {
    expect_length("out", &[x.len()], out.len())?;
    elman_kernels::map(ctx, Unary::Tanh, x, out);
    Ok(())
}

/// out = max(x, 0).
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn relu<T: Scalar>(ctx: &Context, x: &[T], out: &mut [T]) -> Result<(), Error> {
    expect_length("out", &[x.len()], out.len())?;
    elman_kernels::map(ctx, Unary::Relu, x, out);
    Ok(())
}

/// out = 1 / (1 + e^-x).
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn sigmoid<T: Scalar>(x: &[T], out: &mut [T]) -> Result<(), Error> {
    map(x, out, |x| T::one() / (T::one() + (-x).exp()))
}

/// dx = dy (1 - y²) for y = tanh x.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn tanh_backward<T: Scalar>(ctx: &Context, y: &[T], dy: &[T], dx: &mut [T]) -> Result<(), Error> {
    gradient_lengths(y, dy, dx)?;
    elman_kernels::zip(ctx, Binary::TanhGrad, dy, y, dx);
    Ok(())
}

/// dx = dy where y > 0, else 0, for y = max(x, 0).
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn relu_backward<T: Scalar>(ctx: &Context, y: &[T], dy: &[T], dx: &mut [T]) -> Result<(), Error> {
    gradient_lengths(y, dy, dx)?;
    elman_kernels::zip(ctx, Binary::ReluGrad, dy, y, dx);
    Ok(())
}

/// dx = dy y (1 - y) for y = 1 / (1 + e^-x).
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn sigmoid_backward<T: Scalar>(y: &[T], dy: &[T], dx: &mut [T]) -> Result<(), Error> {
    zip(["grad_y", "grad_x"], y, dy, dx, |y, dy| dy * (T::one() - y) * y)
}

/// Σ x, added up in float64.
pub fn sum<T: Scalar>(x: &[T]) -> f64 {
    lanes::sum_of(x, T::widen)
}

fn gradient_lengths<T>(y: &[T], dy: &[T], dx: &[T]) -> Result<(), Error> {
    expect_length("grad_y", &[y.len()], dy.len())?;
    expect_length("grad_x", &[y.len()], dx.len())?;
    Ok(())
}

#[inline(always)]
fn map<T: Scalar>(x: &[T], out: &mut [T], f: impl Fn(T) -> T) -> Result<(), Error> {
    expect_length("out", &[x.len()], out.len())?;
    for (slot, &x) in out.iter_mut().zip(x) {
        *slot = f(x);
    }
    Ok(())
}

#[inline(always)]
fn zip<T: Scalar>(
    [b_name, out_name]: [&'static str; 2],
    a: &[T],
    b: &[T],
    out: &mut [T],
    f: impl Fn(T, T) -> T,
) -> Result<(), Error> {
    expect_length(b_name, &[a.len()], b.len())?;
    expect_length(out_name, &[a.len()], out.len())?;
    for ((slot, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *slot = f(a, b);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, bits, contexts, numeric_gradient, random};

    const COUNTS: [usize; 7] = [0, 1, 3, 15, 16, 17, 1000];

    #[test]
    fn arithmetic() {
        for count in COUNTS {
            let (a, b): (Vec<f32>, Vec<f32>) = (random(count, 1), random(count, 2));
            let mut out = vec![f32::NAN; count];
            let mut check = |expected: &dyn Fn(f32, f32) -> f32, run: &dyn Fn(&mut [f32])| {
                run(&mut out);
                let expected: Vec<f32> = a.iter().zip(&b).map(|(&a, &b)| expected(a, b)).collect();
                assert_eq!(bits(&out), bits(&expected));
            };
            check(&|a, b| a + b, &|out| add(&a, &b, out).unwrap());
            check(&|a, b| a * b, &|out| mul(&a, &b, out).unwrap());
            check(&|a, _| a + 0.1, &|out| add_scalar(&a, 0.1, out).unwrap());
            check(&|a, _| a * 0.1, &|out| mul_scalar(&a, 0.1, out).unwrap());
            check(&|a, b| a + b, &|out| {
                out.copy_from_slice(&a);
                accumulate(out, &b).unwrap();
            });
            check(&|a, _| a * 0.1, &|out| {
                out.copy_from_slice(&a);
                scale(out, 0.1);
            });
        }
    }

    #[test]
    fn activations_and_their_derivatives() {
        for ctx in contexts() {
            for count in COUNTS {
                // Away from 0, where relu has no derivative.
                let x: Vec<f64> = random::<f64>(count, 3).iter().map(|x| x + 1e-3f64.copysign(*x)).collect();
                let dy: Vec<f64> = random(count, 4);
                type Forward<'a> = &'a dyn Fn(&[f64], &mut [f64]) -> Result<(), Error>;
                type Backward<'a> = &'a dyn Fn(&[f64], &[f64], &mut [f64]) -> Result<(), Error>;
                type Function<'a> = (fn(f64) -> f64, Forward<'a>, Backward<'a>);
                let functions: [Function; 3] = [
                    (f64::tanh, &|x, y| tanh(&ctx, x, y), &|y, dy, dx| tanh_backward(&ctx, y, dy, dx)),
                    (|x| x.max(0.0), &|x, y| relu(&ctx, x, y), &|y, dy, dx| relu_backward(&ctx, y, dy, dx)),
                    (|x| 1.0 / (1.0 + (-x).exp()), &sigmoid, &sigmoid_backward),
                ];
                for (definition, forward, backward) in functions {
                    let (mut y, mut dx) = (vec![f64::NAN; count], vec![f64::NAN; count]);
                    forward(&x, &mut y).unwrap();
                    assert_close(&y, &x.iter().map(|&x| definition(x)).collect::<Vec<_>>(), 1e-15);
                    backward(&y, &dy, &mut dx).unwrap();
                    let numeric =
                        numeric_gradient(&x, |x| x.iter().zip(&dy).map(|(&x, d)| definition(x) * d).sum());
                    assert_close(&dx, &numeric, 1e-6);
                    assert!(forward(&x, &mut vec![0.0; count + 1]).is_err());
                    assert!(backward(&y, &vec![0.0; count + 1], &mut dx).is_err());
                    assert!(backward(&y, &dy, &mut vec![0.0; count + 1]).is_err());
                }
            }
        }
    }

    #[test]
    fn special_values_of_the_activations() {
        let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 200.0, -200.0];
        let mut y = [5f32; 6];
        sigmoid(&x, &mut y).unwrap();
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [1.0, 0.0, 0.5, 1.0, 0.0]);
        for ctx in contexts() {
            relu(&ctx, &x, &mut y).unwrap();
            assert!(y[0].is_nan());
            assert_eq!(y[1..], [f32::INFINITY, 0.0, 0.0, 200.0, 0.0]);
            let mut dx = [5f32; 6];
            relu_backward(&ctx, &y, &[3.0; 6], &mut dx).unwrap();
            assert_eq!(dx, [3.0, 3.0, 0.0, 0.0, 3.0, 0.0]);
            tanh(&ctx, &x, &mut y).unwrap();
            assert!(y[0].is_nan());
            assert_eq!(y[1..], [1.0, -1.0, 0.0, 1.0, -1.0]);
        }
    }

    #[test]
    fn sums_are_exact_where_float64_is() {
        for count in COUNTS {
            let x: Vec<f32> = random(count, 5);
            // Products with 2²² are integers below 2²⁴: their sum is exact.
            let exact: i64 = x.iter().map(|&x| (x * 4_194_304.0) as i64).sum();
            assert_eq!(sum(&x), exact as f64 / 4_194_304.0);
        }
        assert_eq!(sum(&[16_777_216f32, 1.0, 2.0]), 16_777_219.0); // which float32 does not hold
        assert!(sum(&[1.0, f64::NAN]).is_nan());
        assert_eq!(sum::<f32>(&[f32::MAX; 4]), 4.0 * f64::from(f32::MAX));
    }

    #[test]
    fn lengths_that_differ() {
        assert_eq!(
            add(&[0f32; 2], &[0.0; 3], &mut [0.0; 2]).unwrap_err().to_string(),
            "b: expected 2 elements, got 3"
        );
        assert_eq!(
            mul(&[0f32; 2], &[0.0; 2], &mut []).unwrap_err().to_string(),
            "out: expected 2 elements, got 0"
        );
        assert!(add_scalar(&[0f32; 2], 1.0, &mut [0.0]).is_err());
        assert!(accumulate(&mut [0f32; 2], &[0.0]).is_err());
    }
}
