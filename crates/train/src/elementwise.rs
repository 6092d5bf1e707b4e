//! The tensor type's arithmetic, element by element.
//!
//! The activations are those of the kernels, [`Activation`], with derivatives written in the output y. NaN passes through
//! all of them.

use crate::Error;
use crate::error::expect_length;
use crate::lanes::{self, Value};
use elman_kernels::{Activation, Context, Scalar, multiversion};

/// A function of an element of each of two arrays. A trait and no closure, so that it is inlined for certain (see
/// [`multiversion!`]).
trait Function<T>: Copy {
    fn of(self, a: T, b: T) -> T;
}

/// Defines functions; one with a number is made with it.
macro_rules! functions {
    ($($name:ident$(($number:ident))?: |$a:ident, $b:ident| $value:expr;)+) => {$(
        #[derive(Clone, Copy)]
        struct $name$((functions!(@type $number)))?;

        impl<T: Scalar> Function<T> for $name {
            #[inline(always)]
            fn of(self, $a: T, $b: T) -> T {
                $(let $number = T::from_f64(self.0);)?
                $value
            }
        }
    )+};
    (@type $number:ident) => { f64 };
}

functions! {
    Sum: |a, b| a + b;
    Product: |a, b| a * b;
    Shift(value): |a, _b| a + value;
    Scale(value): |a, _b| a * value;
    // NaN compares false and so stays.
    Clip(limit): |a, _b| if a > limit { limit } else if a < -limit { -limit } else { a };
}

multiversion! {
    /// out = f(a, b).
    fn map_into<T: Scalar, F: Function<T>>(f: F, a: &[T], b: &[T], out: &mut [T]) {
        for ((slot, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *slot = f.of(a, b);
        }
    }

    /// a ← f(a, b).
    fn map_with<T: Scalar, F: Function<T>>(f: F, a: &mut [T], b: &[T]) {
        for (a, &b) in a.iter_mut().zip(b) {
            *a = f.of(*a, b);
        }
    }

    /// a ← f(a).
    fn map_in_place<T: Scalar, F: Function<T>>(f: F, a: &mut [T]) {
        for a in a {
            *a = f.of(*a, *a);
        }
    }
}

/// out = a + b.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn add<T: Scalar>(ctx: &Context, a: &[T], b: &[T], out: &mut [T]) -> Result<(), Error> {
    zip(ctx, Sum, a, b, out)
}

/// out = a · b.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn mul<T: Scalar>(ctx: &Context, a: &[T], b: &[T], out: &mut [T]) -> Result<(), Error> {
    zip(ctx, Product, a, b, out)
}

/// out = a + value, with the value rounded to the element type.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn add_scalar<T: Scalar>(ctx: &Context, a: &[T], value: f64, out: &mut [T]) -> Result<(), Error> {
    map(ctx, Shift(value), a, out)
}

/// out = a · value, with the value rounded to the element type.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn mul_scalar<T: Scalar>(ctx: &Context, a: &[T], value: f64, out: &mut [T]) -> Result<(), Error> {
    map(ctx, Scale(value), a, out)
}

/// a ← a · value, with the value rounded to the element type.
pub fn scale<T: Scalar>(ctx: &Context, a: &mut [T], value: f64) {
    map_in_place(ctx.isa(), Scale(value), a);
}

/// a ← min(max(a, -limit), limit), with the limit rounded to the element type; NaN stays NaN.
pub fn clip<T: Scalar>(ctx: &Context, a: &mut [T], limit: f64) {
    map_in_place(ctx.isa(), Clip(limit), a);
}

/// target ← target + source.
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn accumulate<T: Scalar>(ctx: &Context, target: &mut [T], source: &[T]) -> Result<(), Error> {
    expect_length("source", &[target.len()], source.len())?;
    map_with(ctx.isa(), Sum, target, source);
    Ok(())
}

/// y = f(x).
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn activate<T: Scalar>(ctx: &Context, f: Activation, x: &[T], y: &mut [T]) -> Result<(), Error> {
    expect_length("out", &[x.len()], y.len())?;
    elman_kernels::activate(ctx, f, x, y);
    Ok(())
}

/// dx = dy f'(x) for y = f(x).
///
/// # Errors
///
/// [`Error::Length`] if the lengths differ.
pub fn activate_backward<T: Scalar>(
    ctx: &Context,
    f: Activation,
    y: &[T],
    dy: &[T],
    dx: &mut [T],
) -> Result<(), Error> {
    expect_length("grad_y", &[y.len()], dy.len())?;
    expect_length("grad_x", &[y.len()], dx.len())?;
    elman_kernels::activate_backward(ctx, f, dy, y, dx);
    Ok(())
}

/// Σ x, added up in float64.
pub fn sum<T: Scalar>(ctx: &Context, x: &[T]) -> f64 {
    lanes::sum_of(ctx.isa(), x, Value)
}

fn map<T: Scalar, F: Function<T>>(ctx: &Context, f: F, x: &[T], out: &mut [T]) -> Result<(), Error> {
    expect_length("out", &[x.len()], out.len())?;
    map_into(ctx.isa(), f, x, x, out);
    Ok(())
}

fn zip<T: Scalar, F: Function<T>>(ctx: &Context, f: F, a: &[T], b: &[T], out: &mut [T]) -> Result<(), Error> {
    expect_length("b", &[a.len()], b.len())?;
    expect_length("out", &[a.len()], out.len())?;
    map_into(ctx.isa(), f, a, b, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::testing::{assert_close, bits, contexts, numeric_gradient, random};

    const COUNTS: [usize; 7] = [0, 1, 3, 15, 16, 17, 1000];

    #[test]
    fn arithmetic() {
        for (ctx, count) in contexts().into_iter().flat_map(|ctx| COUNTS.map(|count| (ctx.clone(), count))) {
            let ctx = &ctx;
            let (a, b): (Vec<f32>, Vec<f32>) = (random(count, 1), random(count, 2));
            let mut out = vec![f32::NAN; count];
            let mut check = |expected: &dyn Fn(f32, f32) -> f32, run: &dyn Fn(&mut [f32])| {
                run(&mut out);
                let expected: Vec<f32> = a.iter().zip(&b).map(|(&a, &b)| expected(a, b)).collect();
                assert_eq!(bits(&out), bits(&expected));
            };
            check(&|a, b| a + b, &|out| add(ctx, &a, &b, out).unwrap());
            check(&|a, b| a * b, &|out| mul(ctx, &a, &b, out).unwrap());
            check(&|a, _| a + 0.1, &|out| add_scalar(ctx, &a, 0.1, out).unwrap());
            check(&|a, _| a * 0.1, &|out| mul_scalar(ctx, &a, 0.1, out).unwrap());
            check(&|a, b| a + b, &|out| {
                out.copy_from_slice(&a);
                accumulate(ctx, out, &b).unwrap();
            });
            check(&|a, _| a * 0.1, &|out| {
                out.copy_from_slice(&a);
                scale(ctx, out, 0.1);
            });
            check(&|a, _| a.clamp(-0.7, 0.7), &|out| {
                out.copy_from_slice(&a);
                clip(ctx, out, 0.7);
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
                type Definition = fn(f64) -> f64;
                let functions: [(Activation, Definition); 4] = [
                    (Activation::Identity, |x| x),
                    (Activation::Tanh, f64::tanh),
                    (Activation::Relu, |x| x.max(0.0)),
                    (Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
                ];
                for (f, definition) in functions {
                    let forward = |x: &[f64], y: &mut [f64]| activate(&ctx, f, x, y);
                    let backward =
                        |y: &[f64], dy: &[f64], dx: &mut [f64]| activate_backward(&ctx, f, y, dy, dx);
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
        for ctx in contexts() {
            activate(&ctx, Activation::Sigmoid, &x, &mut y).unwrap();
            assert!(y[0].is_nan());
            assert_eq!(y[1..], [1.0, 0.0, 0.5, 1.0, 0.0]);
            let mut clipped = x;
            clip(&ctx, &mut clipped, 2.0);
            assert!(clipped[0].is_nan());
            assert_eq!(clipped[1..], [2.0, -2.0, 0.0, 2.0, -2.0]);
            activate(&ctx, Activation::Relu, &x, &mut y).unwrap();
            assert!(y[0].is_nan());
            assert_eq!(y[1..], [f32::INFINITY, 0.0, 0.0, 200.0, 0.0]);
            let mut dx = [5f32; 6];
            activate_backward(&ctx, Activation::Relu, &y, &[3.0; 6], &mut dx).unwrap();
            assert_eq!(dx, [3.0, 3.0, 0.0, 0.0, 3.0, 0.0]);
            activate(&ctx, Activation::Tanh, &x, &mut y).unwrap();
            assert!(y[0].is_nan());
            assert_eq!(y[1..], [1.0, -1.0, 0.0, 1.0, -1.0]);
        }
    }

    #[test]
    fn sums_are_exact_where_float64_is() {
        let sum = |x: &[f32]| {
            let sums = contexts().iter().map(|ctx| super::sum(ctx, x).to_bits()).collect::<HashSet<_>>();
            assert_eq!(sums.len(), 1, "the instruction sets differ");
            f64::from_bits(*sums.iter().next().unwrap())
        };
        for count in COUNTS {
            let x: Vec<f32> = random(count, 5);
            // Products with 2²² are integers below 2²⁴: their sum is exact.
            let exact: i64 = x.iter().map(|&x| (x * 4_194_304.0) as i64).sum();
            assert_eq!(sum(&x), exact as f64 / 4_194_304.0);
        }
        assert_eq!(sum(&[16_777_216.0, 1.0, 2.0]), 16_777_219.0); // which float32 does not hold
        assert!(sum(&[1.0, f32::NAN]).is_nan());
        assert_eq!(sum(&[f32::MAX; 4]), 4.0 * f64::from(f32::MAX));
    }

    #[test]
    fn lengths_that_differ() {
        let ctx = &contexts()[0];
        assert_eq!(
            add(ctx, &[0f32; 2], &[0.0; 3], &mut [0.0; 2]).unwrap_err().to_string(),
            "b: expected 2 elements, got 3"
        );
        assert_eq!(
            mul(ctx, &[0f32; 2], &[0.0; 2], &mut []).unwrap_err().to_string(),
            "out: expected 2 elements, got 0"
        );
        assert!(add_scalar(ctx, &[0f32; 2], 1.0, &mut [0.0]).is_err());
        assert!(accumulate(ctx, &mut [0f32; 2], &[0.0]).is_err());
    }
}
