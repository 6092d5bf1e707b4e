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
    ($activation:expr, $f:ident => $body:expr) => {
        $crate::pointwise::activation::with_function!($activation, $f => $body, Identity Tanh Relu Sigmoid)
    };
    ($activation:expr, $f:ident => $body:expr, $($name:ident)+) => {
        match $activation {
            $($crate::pointwise::activation::Activation::$name => {
                let $f = $crate::pointwise::activation::$name;
                $body
            })+
        }
    };
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
mod tests;
