//! The activations and their derivatives: one list, which every kernel and every caller uses.
//!
//! # tanh
//!
//! With one division for both of its forms, chosen before the division:
//!
//! - |x| ≤ 0.75: tanh x = x + x³ P(x²) / Q(x²);
//! - beyond: tanh |x| = 1 - 2 / (e^{2|x|} + 1), which is exactly 1 where the element type has no number
//!   between.
//!
//! Both work on |x|; the sign of x is put back at the end, so the function is odd and keeps -0.
//!
//! # sigmoid
//!
//! 1 / (1 + e^-x) = e^-|x| / (1 + e^-|x|) for x < 0, else 1 / (1 + e^-|x|): nothing overflows, and small results keep
//! all their digits. Where e^-|x| is below the normal numbers it counts as 0.
//!
//! # Derivatives
//!
//! Written in the output y = f(x): tanh' = 1 - y², relu' = 1 where y > 0 and 0 elsewhere, at 0 too;
//! sigmoid' = y (1 - y).
//!
//! NaN passes through all of them: every minimum and selection keeps the operand that holds it.

use crate::pointwise::exp::{Transcendental, exponential, polynomial};
use crate::runtime::context::Context;
use crate::simd::dispatch::compile_kernels;
use crate::simd::element::Element;
use crate::simd::vector::{Kernel, Simd};

/// An activation f.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x.
    Identity,
    /// The hyperbolic tangent, within 2 units in the last place.
    Tanh,
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e^-x), within 3 units in the last place where that is a normal number.
    Sigmoid,
}

/// Runs `$body` with `$f` the [`Function`] of an [`Activation`]. The body is compiled once for each of them, so the choice
/// stays outside its loops.
macro_rules! with_function {
    ($activation:expr, $f:ident => $body:expr) => {{
        use $crate::pointwise::activation as list;
        match $activation {
            list::Activation::Identity => {
                let $f = list::Identity;
                $body
            }
            list::Activation::Tanh => {
                let $f = list::Tanh;
                $body
            }
            list::Activation::Relu => {
                let $f = list::Relu;
                $body
            }
            list::Activation::Sigmoid => {
                let $f = list::Sigmoid;
                $body
            }
        }
    }};
}
pub(crate) use with_function;

/// An activation by the vector.
///
/// A trait and no closure: a closure that the compiler does not inline would lose the target features of the
/// kernel around it, and with them all speed.
pub(crate) trait Function<T: Element>: Copy {
    /// Whether f is short enough to be compiled into every form of the microkernel, and whether f' is.
    const SHORT: [bool; 2];

    /// f(x).
    fn value<S: Simd<T>>(self, s: S, x: S::V) -> S::V;

    /// dy · f'(x), for y = f(x).
    fn derivative<S: Simd<T>>(self, s: S, dy: S::V, y: S::V) -> S::V;
}

/// x.
#[derive(Clone, Copy)]
pub(crate) struct Identity;

impl<T: Transcendental> Function<T> for Identity {
    const SHORT: [bool; 2] = [true, true];

    #[inline(always)]
    fn value<S: Simd<T>>(self, _s: S, x: S::V) -> S::V {
        x
    }

    #[inline(always)]
    fn derivative<S: Simd<T>>(self, _s: S, dy: S::V, _y: S::V) -> S::V {
        dy
    }
}

/// Up to here tanh is x plus a correction. The fit holds up to 1.25, but the errors of the correction grow with it: from
/// 0.79 on it falls back by a unit in the last place here and there, and beyond 1 it errs by more than 2. With this
/// bound the largest error is 1.10 units (`tanh_f32_of_every_float`).
const NEAR: f64 = 0.75;

/// tanh x.
#[derive(Clone, Copy)]
pub(crate) struct Tanh;

impl<T: Transcendental> Function<T> for Tanh {
    const SHORT: [bool; 2] = [false, true];

    #[inline(always)]
    fn value<S: Simd<T>>(self, s: S, x: S::V) -> S::V {
        let table = T::coefficients();
        let [one, minus_two] = [s.splat(T::one()), s.splat(T::from_f64(-2.0))];
        let size = s.abs(x);
        let small = s.le(size, s.splat(T::from_f64(NEAR)));

        let square = s.mul(size, size);
        let p = s.mul(s.mul(square, size), polynomial(s, table.p, square));
        let q = polynomial(s, table.q, square);

        let bounded = s.min(s.splat(table.saturated), size);
        let (exp, power) = exponential(s, table, s.add(bounded, bounded));
        let exp_plus_one = s.mul_add(exp, power, one);

        let base = s.select(small, size, one);
        let numerator = s.select(small, p, minus_two);
        let denominator = s.select(small, q, exp_plus_one);
        s.copysign(s.add(base, s.div(numerator, denominator)), x)
    }

    #[inline(always)]
    fn derivative<S: Simd<T>>(self, s: S, dy: S::V, y: S::V) -> S::V {
        s.mul(dy, s.neg_mul_add(y, y, s.splat(T::one())))
    }
}

/// max(x, 0); NaN stays NaN.
#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl<T: Transcendental> Function<T> for Relu {
    const SHORT: [bool; 2] = [false, true];

    #[inline(always)]
    fn value<S: Simd<T>>(self, s: S, x: S::V) -> S::V {
        s.max(s.splat(T::zero()), x)
    }

    #[inline(always)]
    fn derivative<S: Simd<T>>(self, s: S, dy: S::V, y: S::V) -> S::V {
        let zero = s.splat(T::zero());
        s.select(s.le(y, zero), zero, dy)
    }
}

/// 1 / (1 + e^-x).
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl<T: Transcendental> Function<T> for Sigmoid {
    const SHORT: [bool; 2] = [false, false];

    #[inline(always)]
    fn value<S: Simd<T>>(self, s: S, x: S::V) -> S::V {
        let table = T::coefficients();
        let [zero, one] = [s.splat(T::zero()), s.splat(T::one())];
        let size = s.abs(x);
        let (exp, power) = exponential(s, table, s.sub(zero, size));
        // NaN compares false and so stays in the product.
        let exp = s.select(s.le(s.splat(table.vanished), size), zero, s.mul(exp, power));
        s.div(s.select(s.le(x, zero), exp, one), s.add(one, exp))
    }

    #[inline(always)]
    fn derivative<S: Simd<T>>(self, s: S, dy: S::V, y: S::V) -> S::V {
        s.mul(s.mul(dy, s.sub(s.splat(T::one()), y)), y)
    }
}

/// A function of two vectors: a [`Function`]'s value, or its derivative.
pub(crate) trait Lanewise<T: Element>: Copy {
    /// Whether it is short, as [`Function::SHORT`] says.
    const SHORT: bool;

    /// Of the vectors a and b.
    fn apply<S: Simd<T>>(self, s: S, a: S::V, b: S::V) -> S::V;
}

/// f(a), whatever b.
#[derive(Clone, Copy)]
pub(crate) struct Value<F>(pub(crate) F);

impl<T: Element, F: Function<T>> Lanewise<T> for Value<F> {
    const SHORT: bool = F::SHORT[0];

    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, a: S::V, _: S::V) -> S::V {
        self.0.value(s, a)
    }
}

/// a · f'(x), for b = f(x).
#[derive(Clone, Copy)]
pub(crate) struct Derivative<F>(pub(crate) F);

impl<T: Element, F: Function<T>> Lanewise<T> for Derivative<F> {
    const SHORT: bool = F::SHORT[1];

    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, a: S::V, b: S::V) -> S::V {
        self.0.derivative(s, a, b)
    }
}

/// out = f(x), elementwise.
///
/// # Panics
///
/// If the lengths differ.
pub fn activate<T: ActivationKernels>(ctx: &Context, f: Activation, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "activate: x and out differ in length");
    T::activate(ctx.isa(), Activate { f, x, out });
}

/// dx = dy f'(x), elementwise, for y = f(x).
///
/// # Panics
///
/// If the lengths differ.
pub fn activate_backward<T: ActivationKernels>(
    ctx: &Context,
    f: Activation,
    dy: &[T],
    y: &[T],
    dx: &mut [T],
) {
    assert!(dy.len() == y.len() && y.len() == dx.len(), "activate_backward: dy, y and dx differ in length");
    T::activate_backward(ctx.isa(), ActivateBackward { f, dy, y, dx });
}

compile_kernels! {
    /// The kernels of [`activate`] and [`activate_backward`].
    ActivationKernels: Transcendental {
        fn activate(Activate<'_, Self>);
        fn activate_backward(ActivateBackward<'_, Self>);
    }
}

/// out = f(x).
pub struct Activate<'a, T> {
    f: Activation,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Transcendental> Kernel<T> for Activate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        with_function!(self.f, f => zip_with(s, self.x, self.x, self.out, Value(f)));
    }
}

/// dx = dy f'(x).
pub struct ActivateBackward<'a, T> {
    f: Activation,
    dy: &'a [T],
    y: &'a [T],
    dx: &'a mut [T],
}

impl<T: Transcendental> Kernel<T> for ActivateBackward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        with_function!(self.f, f => zip_with(s, self.dy, self.y, self.dx, Derivative(f)));
    }
}

/// out = f(a, b).
#[inline(always)]
fn zip_with<T: Element, S: Simd<T>>(s: S, a: &[T], b: &[T], out: &mut [T], f: impl Lanewise<T>) {
    let parts = a.chunks(S::LANES).zip(b.chunks(S::LANES)).zip(out.chunks_mut(S::LANES));
    for ((a, b), out) in parts {
        let count = out.len();
        // SAFETY: a chunk is readable for its own length, which is that of `out`.
        let a = unsafe { s.load_first(a.as_ptr(), count) };
        // SAFETY: as above.
        let b = unsafe { s.load_first(b.as_ptr(), count) };
        // SAFETY: a chunk is writable for its own length.
        unsafe { s.store_first(out.as_mut_ptr(), f.apply(s, a, b), count) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isa, Scalar};

    fn on_every_isa<T: Scalar>(f: Activation, x: &[T], mut check: impl FnMut(&str, &[T])) {
        for isa in Isa::testable() {
            let mut out = vec![T::nan(); x.len()];
            activate(&Context::new(isa, 1), f, x, &mut out);
            check(isa.name(), &out);
        }
    }

    /// Distance from `exact` in units in the last place of an f32.
    fn ulp_f32(y: f32, exact: f64) -> f64 {
        let unit =
            f64::from(f32::from_bits((exact.abs() as f32).to_bits() + 1)) - f64::from(exact.abs() as f32);
        (f64::from(y) - exact).abs() / unit
    }

    fn check_tanh_f32(bits: impl Iterator<Item = u32>) {
        let x: Vec<f32> = bits.map(f32::from_bits).collect();
        on_every_isa(Activation::Tanh, &x, |isa, y| {
            for (&x, &y) in x.iter().zip(y) {
                if x.is_nan() {
                    assert!(y.is_nan(), "{isa}: tanh({x}) = {y}");
                    continue;
                }
                let error = ulp_f32(y, f64::from(x).tanh());
                assert!(error <= 2.0, "{isa}: tanh({x:e}) = {y:e}, {error} ulp");
                assert!(y.abs() <= 1.0 && y.is_sign_negative() == x.is_sign_negative(), "{isa}: {x} {y}");
            }
        });
    }

    #[test]
    fn tanh_f32_on_a_sample_of_all_floats() {
        check_tanh_f32((0..=u32::MAX / 4099).map(|i| i * 4099));
    }

    /// The whole proof; a minute or two: `cargo test --release -p elman-kernels -- --ignored every_float`.
    #[test]
    #[ignore = "all 2³² floats take minutes"]
    fn tanh_f32_of_every_float() {
        const CHUNK: u32 = 1 << 20;
        let contexts: Vec<_> = Isa::testable().into_iter().map(|isa| Context::new(isa, 1)).collect();
        let mut largest = 0.0f64;
        let mut before = vec![0.0f32; contexts.len()];
        let (mut y, mut mirrored) = (vec![f32::NAN; CHUNK as usize], vec![f32::NAN; CHUNK as usize]);
        for start in (0..1 << 31).step_by(CHUNK as usize) {
            let x: Vec<f32> = (start..start + CHUNK).map(f32::from_bits).collect();
            let exact: Vec<f64> = x.iter().map(|&x| f64::from(x).tanh()).collect();
            let negative: Vec<f32> = x.iter().map(|x| -x).collect();
            for (ctx, before) in contexts.iter().zip(&mut before) {
                let isa = ctx.isa().name();
                activate(ctx, Activation::Tanh, &x, &mut y);
                activate(ctx, Activation::Tanh, &negative, &mut mirrored);
                for (((&x, &exact), &y), &mirrored) in x.iter().zip(&exact).zip(&y).zip(&mirrored) {
                    if x.is_nan() {
                        assert!(y.is_nan() && mirrored.is_nan(), "{isa}: tanh({x}) = {y}, {mirrored}");
                        continue;
                    }
                    largest = largest.max(ulp_f32(y, exact));
                    assert_eq!(mirrored.to_bits(), (-y).to_bits(), "{isa}: odd at {x:e}");
                    assert!((*before..=1.0).contains(&y), "{isa}: tanh({x:e}) = {y:e} after {before:e}");
                    *before = y;
                }
            }
        }
        println!("largest error: {largest} units in the last place");
        assert!(largest <= 2.0, "{largest} units in the last place");
        assert!(before.iter().all(|&y| y == 1.0), "saturates at 1");
    }

    #[test]
    fn tanh_f64_is_within_three_ulp() {
        let x: Vec<f64> = (0..200_000).map(|i| (f64::from(i) - 1e5) * 2.1e-4).collect();
        on_every_isa(Activation::Tanh, &x, |isa, y| {
            for (&x, &y) in x.iter().zip(y) {
                let exact = x.tanh();
                let unit = f64::from_bits(exact.abs().to_bits() + 1) - exact.abs();
                assert!((y - exact).abs() <= 3.0 * unit, "{isa}: tanh({x}) = {y}, libm {exact}");
            }
        });
    }

    #[test]
    fn sigmoid_is_within_three_ulp() {
        let exact = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
        let x: Vec<f32> = (0..200_001).map(|i| (i as f32 - 1e5) * 8.6e-4).collect();
        on_every_isa(Activation::Sigmoid, &x, |isa, y| {
            for (&x, &y) in x.iter().zip(y) {
                let error = ulp_f32(y, exact(f64::from(x)));
                assert!(error <= 3.0, "{isa}: sigmoid({x:e}) = {y:e}, {error} ulp");
            }
        });
        let x: Vec<f64> = (0..200_001).map(|i| (f64::from(i) - 1e5) * 7e-3).collect();
        on_every_isa(Activation::Sigmoid, &x, |isa, y| {
            for (&x, &y) in x.iter().zip(y) {
                let exact = exact(x);
                let unit = f64::from_bits(exact.to_bits() + 1) - exact;
                assert!((y - exact).abs() <= 3.0 * unit, "{isa}: sigmoid({x}) = {y}, libm {exact}");
            }
        });
    }

    #[test]
    fn special_values_at_every_lane() {
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-45, -1e-40, f32::MAX];
        for position in 0..33 {
            for value in special {
                let mut x = vec![0.5f32; 33];
                x[position] = value;
                on_every_isa(Activation::Tanh, &x, |isa, y| {
                    let expected = value.tanh();
                    let same = y[position].to_bits() == expected.to_bits()
                        || expected.is_nan() && y[position].is_nan();
                    assert!(same, "{isa} lane {position}: tanh({value}) = {}", y[position]);
                });
                on_every_isa(Activation::Sigmoid, &x, |isa, y| {
                    let expected = 1.0 / (1.0 + (-value).exp());
                    let same = y[position] == expected || expected.is_nan() && y[position].is_nan();
                    assert!(same, "{isa} lane {position}: sigmoid({value}) = {}", y[position]);
                });
                on_every_isa(Activation::Relu, &x, |isa, y| {
                    let expected = if value.is_nan() || value > 0.0 { value } else { 0.0 };
                    let same = y[position] == expected || expected.is_nan() && y[position].is_nan();
                    assert!(same, "{isa} lane {position}: relu({value}) = {}", y[position]);
                });
            }
        }
    }

    #[test]
    fn gradients_follow_the_output() {
        let h: Vec<f64> = vec![-0.5, 0.0, 0.25, 1.0, f64::NAN, -1.0, 2.0, 3.0, 4.0];
        let g: Vec<f64> = (1..=9).map(f64::from).collect();
        for isa in Isa::testable() {
            let ctx = Context::new(isa, 1);
            let mut out = vec![f64::NAN; 9];
            activate_backward(&ctx, Activation::Relu, &g, &h, &mut out);
            assert_eq!(out, [0.0, 0.0, 3.0, 4.0, 5.0, 0.0, 7.0, 8.0, 9.0], "{}", isa.name());
            activate_backward(&ctx, Activation::Tanh, &g, &h, &mut out);
            for i in [0, 1, 2, 3, 5, 6] {
                assert!((out[i] - g[i] * (1.0 - h[i] * h[i])).abs() < 1e-15);
            }
            assert!(out[4].is_nan());
            activate_backward(&ctx, Activation::Sigmoid, &g, &h, &mut out);
            for i in [0, 1, 2, 3, 5, 6, 7, 8] {
                assert!((out[i] - g[i] * h[i] * (1.0 - h[i])).abs() < 1e-13);
            }
            assert!(out[4].is_nan());
        }
    }
}
