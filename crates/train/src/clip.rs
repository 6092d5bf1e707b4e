//! The norm by which gradients are clipped, as `torch.nn.utils.get_total_norm`.
//!
//! ```text
//! ‖x‖_p = (Σ |x_i|ᵖ)^(1/p),   ‖x‖_∞ = max |x_i|,   ‖x‖_-∞ = min |x_i|,   ‖x‖_0 = number of x_i ≠ 0
//! total = ‖(‖g_1‖_p, ‖g_2‖_p, …)‖_p
//! ```
//!
//! Powers are summed in float64, so float32 gradients cannot overflow. A NaN in any gradient makes the norm NaN.

use crate::lanes::{Term, sum_of};
use elman_kernels::{Context, Scalar};

/// The norm of some gradients taken together.
///
/// * `gradients`: any number of arrays; the norm of none is 0
/// * `p`: which norm, 2 for the Euclidean one; may be infinite
pub fn total_norm<T: Scalar>(ctx: &Context, gradients: &[&[T]], p: f64) -> f64 {
    let norms: Vec<f64> = gradients.iter().map(|gradient| norm(ctx, gradient, p)).collect();
    norm(ctx, &norms, p)
}

/// ‖x‖_p.
pub fn norm<T: Scalar>(ctx: &Context, x: &[T], p: f64) -> f64 {
    let isa = ctx.isa();
    if p == 2.0 {
        sum_of(isa, x, Square).sqrt()
    } else if p == 1.0 {
        sum_of(isa, x, Size)
    } else if p == 0.0 {
        sum_of(isa, x, NonZero)
    } else if p == f64::INFINITY {
        x.iter().map(|&x| size(x)).fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
    } else if p == f64::NEG_INFINITY {
        x.iter().map(|&x| size(x)).reduce(|a, b| if b < a || b.is_nan() { b } else { a }).unwrap_or(0.0)
    } else {
        sum_of(isa, x, Power(p)).powf(1.0 / p)
    }
}

#[inline(always)]
fn size<T: Scalar>(x: T) -> f64 {
    x.widen().abs()
}

/// |x|²
#[derive(Clone, Copy)]
struct Square;

impl<T: Scalar> Term<T> for Square {
    #[inline(always)]
    fn of(self, x: T) -> f64 {
        size(x) * size(x)
    }
}

/// |x|
#[derive(Clone, Copy)]
struct Size;

impl<T: Scalar> Term<T> for Size {
    #[inline(always)]
    fn of(self, x: T) -> f64 {
        size(x)
    }
}

/// 1 where x ≠ 0.
#[derive(Clone, Copy)]
struct NonZero;

impl<T: Scalar> Term<T> for NonZero {
    #[inline(always)]
    fn of(self, x: T) -> f64 {
        if x == T::zero() { 0.0 } else { 1.0 }
    }
}

/// |x|ᵖ
#[derive(Clone, Copy)]
struct Power(f64);

impl<T: Scalar> Term<T> for Power {
    #[inline(always)]
    fn of(self, x: T) -> f64 {
        size(x).powf(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{contexts, random};

    /// The norm, which must be the same on every instruction set.
    fn norm<T: Scalar>(x: &[T], p: f64) -> f64 {
        let of_all: Vec<f64> = contexts().iter().map(|ctx| super::norm(ctx, x, p)).collect();
        assert!(of_all.iter().all(|norm| norm.to_bits() == of_all[0].to_bits()));
        of_all[0]
    }

    fn total_norm<T: Scalar>(gradients: &[&[T]], p: f64) -> f64 {
        super::total_norm(&contexts()[0], gradients, p)
    }

    #[test]
    fn norms_by_their_definition() {
        for count in [1, 5, 16, 100] {
            let x: Vec<f32> = random(count, 6);
            let sizes: Vec<f64> = x.iter().map(|&x| f64::from(x).abs()).collect();
            for p in [1.0, 2.0, 3.0, 0.5, -1.0] {
                let expected = sizes.iter().map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p);
                let actual = norm(&x, p);
                assert!((actual - expected).abs() <= 1e-13 * expected, "{p}: {actual} {expected}");
            }
            assert_eq!(norm(&x, f64::INFINITY), sizes.iter().copied().fold(0.0, f64::max));
            assert_eq!(norm(&x, f64::NEG_INFINITY), sizes.iter().copied().fold(f64::MAX, f64::min));
            assert_eq!(norm(&x, 0.0), count as f64);
        }
        assert_eq!(norm(&[0f64, 3.0, -0.0, 4.0], 0.0), 2.0);
    }

    #[test]
    fn the_total_is_that_of_all_together() {
        let all: Vec<f64> = random(60, 7);
        let parts = [&all[..7], &all[7..7], &all[7..40], &all[40..]];
        for p in [1.0, 2.0, 3.0, f64::INFINITY] {
            assert!((total_norm(&parts, p) - norm(&all, p)).abs() < 1e-12);
        }
        assert_eq!(total_norm::<f64>(&[], 2.0), 0.0);
    }

    #[test]
    fn nan_infinity_and_large_numbers() {
        for p in [1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
            for position in 0..40 {
                let mut x = [1f32; 40];
                x[position] = f32::NAN;
                assert!(total_norm(&[&[1.0; 3], &x, &[1.0; 3]], p).is_nan(), "{p} {position}");
            }
        }
        assert_eq!(norm(&[f32::MAX; 4], 2.0), 2.0 * f64::from(f32::MAX));
        assert_eq!(norm(&[f32::INFINITY, 1.0], 2.0), f64::INFINITY);
    }
}
