//! Activations and their derivatives, elementwise.
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
//! # The exponential
//!
//! e^y = 2ⁿ e^r with n = round(y / ln 2) and r = y - n ln 2, ln 2 in two parts so that r keeps its bits.
//! NaN passes through: every minimum and selection keeps the operand that holds it. The coefficients are
//! this project's own, fitted by `fit/tanh.py`, which states their errors.
//!
//! # Derivatives
//!
//! Written in the output h = f(x): tanh' = 1 - h², relu' = 1 where h > 0 and 0 elsewhere, at 0 too;
//! sigmoid' = h (1 - h).

#![allow(clippy::excessive_precision)] // coefficients with the digits that fit/tanh.py prints

use crate::isa::{Simd, Task};
use crate::{Context, Scalar};

/// Coefficients of tanh for one element type.
#[derive(Debug)]
pub struct TanhTable<T: 'static> {
    /// P and Q in rising powers of x²; fitted up to |x| = 1.25.
    p: &'static [T],
    q: &'static [T],
    /// e^r in rising powers of r, for |r| ≤ ln 2 / 2.
    exp: &'static [T],
    /// From here on tanh is 1 in this type: half the distance to the number below 1 exceeds 1 - tanh.
    saturated: T,
    /// ln 2 = `ln2_high` + `ln2_low`, the first with enough trailing zeros for exact products with n.
    ln2_high: T,
    ln2_low: T,
    /// The smallest |x| from which e^-|x| counts as 0: a whole number, below which its exponent is a normal one.
    vanished: T,
    /// 1.5 · 2^(mantissa bits): adding and subtracting it rounds to an integer.
    magic: T,
}

/// Errors relative to tanh before rounding: fit 1.3e-9, exponential 3.1e-9 (a unit in the last place is
/// 6e-8 to 1.2e-7).
pub(crate) static TANH_F32: TanhTable<f32> = TanhTable {
    p: &[-0.333_333_302_018_207_34, -0.014_615_911_564_683_309],
    q: &[1.0, 0.443_847_051_287_841_6, 0.015_635_690_826_771_235],
    exp: &[
        1.0,
        1.0,
        0.499_999_934_451_554_56,
        0.166_665_206_276_328_06,
        0.041_668_388_694_271_61,
        0.008_368_715_598_028_53,
        0.001_381_454_870_901_040_7,
    ],
    saturated: 9.2,
    ln2_high: 0.693_359_375,
    ln2_low: -2.121_944_4e-4,
    vanished: 87.0,
    magic: 12_582_912.0,
};

/// Errors relative to tanh before rounding: fit 1.7e-17, exponential 3.6e-18 (a unit in the last place is
/// 1.1e-16 to 2.2e-16).
pub(crate) static TANH_F64: TanhTable<f64> = TanhTable {
    p: &[
        -0.333_333_333_333_332_35,
        -0.021_393_406_520_917_827,
        -0.000_242_499_918_116_652_47,
        -1.696_351_947_179_750_6e-8,
    ],
    q: &[1.0, 0.464_180_219_562_700_4, 0.024_494_825_674_996_355, 0.000_253_458_838_836_732_48],
    exp: &[
        1.0,
        1.0,
        0.500_000_000_000_001_06,
        0.166_666_666_666_664_14,
        0.041_666_666_666_530_22,
        0.008_333_333_333_493_35,
        0.001_388_888_894_360_754_5,
        0.000_198_412_695_089_333_08,
        0.000_024_801_493_128_091_15,
        2.755_758_431_837_436_5e-6,
        2.763_023_615_768_817_7e-7,
        2.500_069_644_112_616e-8,
    ],
    saturated: 19.5,
    ln2_high: 0.693_147_180_369_123_8,
    ln2_low: 1.908_214_929_270_587_7e-10,
    vanished: 708.0,
    magic: 6_755_399_441_055_744.0,
};

/// Up to here tanh is x plus a correction. The fit holds up to 1.25, but the errors of the correction grow with it: from
/// 0.79 on it falls back by a unit in the last place here and there, and beyond 1 it errs by more than 2. With this
/// bound the largest error is 1.10 units (`tanh_f32_of_every_float`).
const NEAR: f64 = 0.75;

/// Σ c_i x^i.
#[inline(always)]
fn polynomial<T: Scalar, S: Simd<T>>(s: S, c: &[T], x: S::V) -> S::V {
    let mut sum = s.splat(c[c.len() - 1]);
    for &c in c[..c.len() - 1].iter().rev() {
        sum = s.mul_add(sum, x, s.splat(c));
    }
    sum
}

/// e^y as a pair (e^r, 2ⁿ) whose product it is, for y whose n is the exponent of a normal number.
#[inline(always)]
fn exponential<T: Scalar, S: Simd<T>>(s: S, table: &TanhTable<T>, y: S::V) -> (S::V, S::V) {
    let magic = s.splat(table.magic);
    let n = s.sub(s.mul_add(y, s.splat(T::from_f64(std::f64::consts::LOG2_E)), magic), magic);
    let r = s.neg_mul_add(n, s.splat(table.ln2_high), y);
    let r = s.neg_mul_add(n, s.splat(table.ln2_low), r);
    (polynomial(s, table.exp, r), s.exp2i(n))
}

/// A function of two vectors, lane by lane.
///
/// A trait and no closure: a closure that the compiler does not inline would lose the target features of the
/// kernel around it, and with them all speed.
pub(crate) trait Lanewise<T: Scalar>: Copy {
    /// f(x, h).
    fn apply<S: Simd<T>>(self, s: S, x: S::V, h: S::V) -> S::V;
}

/// tanh x, whatever h.
#[derive(Clone, Copy)]
pub(crate) struct Tanh;

impl<T: Scalar> Lanewise<T> for Tanh {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, _: S::V) -> S::V {
        let table = T::tanh_table();
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
}

/// max(x, 0), whatever h; NaN stays NaN.
#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl<T: Scalar> Lanewise<T> for Relu {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, _: S::V) -> S::V {
        s.max(s.splat(T::zero()), x)
    }
}

/// 1 / (1 + e^-x), whatever h.
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl<T: Scalar> Lanewise<T> for Sigmoid {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, _: S::V) -> S::V {
        let table = T::tanh_table();
        let [zero, one] = [s.splat(T::zero()), s.splat(T::one())];
        let size = s.abs(x);
        let (exp, power) = exponential(s, table, s.sub(zero, size));
        // NaN compares false and so stays in the product.
        let exp = s.select(s.le(s.splat(table.vanished), size), zero, s.mul(exp, power));
        s.div(s.select(s.le(x, zero), exp, one), s.add(one, exp))
    }
}

/// x · sigmoid'(z) for h = sigmoid z.
#[derive(Clone, Copy)]
pub(crate) struct SigmoidGrad;

impl<T: Scalar> Lanewise<T> for SigmoidGrad {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, h: S::V) -> S::V {
        s.mul(s.mul(x, s.sub(s.splat(T::one()), h)), h)
    }
}

/// x · tanh'(z) for h = tanh z.
#[derive(Clone, Copy)]
pub(crate) struct TanhGrad;

impl<T: Scalar> Lanewise<T> for TanhGrad {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, h: S::V) -> S::V {
        s.mul(x, s.neg_mul_add(h, h, s.splat(T::one())))
    }
}

/// x · relu'(z) for h = relu z.
#[derive(Clone, Copy)]
pub(crate) struct ReluGrad;

impl<T: Scalar> Lanewise<T> for ReluGrad {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, h: S::V) -> S::V {
        let zero = s.splat(T::zero());
        s.select(s.le(h, zero), zero, x)
    }
}

/// A function of one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// The hyperbolic tangent, within 2 units in the last place.
    Tanh,
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e^-x), within 3 units in the last place where that is a normal number.
    Sigmoid,
}

/// A function of two arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// g · (1 - h²): the gradient before a tanh whose output is h.
    TanhGrad,
    /// g where h > 0, else 0: the gradient before a relu whose output is h.
    ReluGrad,
    /// g · h (1 - h): the gradient before a sigmoid whose output is h.
    SigmoidGrad,
}

/// out = f(x), elementwise.
///
/// # Panics
///
/// If the lengths differ.
pub fn map<T: Scalar>(ctx: &Context, f: Unary, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "map: x and out differ in length");
    T::map(ctx.isa(), Map { f, x, out });
}

/// out = f(g, h), elementwise.
///
/// # Panics
///
/// If the lengths differ.
pub fn zip<T: Scalar>(ctx: &Context, f: Binary, g: &[T], h: &[T], out: &mut [T]) {
    assert!(g.len() == h.len() && h.len() == out.len(), "zip: g, h and out differ in length");
    T::zip(ctx.isa(), Zip { f, g, h, out });
}

pub struct Map<'a, T> {
    f: Unary,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Scalar> Task<T> for Map<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        match self.f {
            Unary::Tanh => zip_with(s, self.x, self.x, self.out, Tanh),
            Unary::Relu => zip_with(s, self.x, self.x, self.out, Relu),
            Unary::Sigmoid => zip_with(s, self.x, self.x, self.out, Sigmoid),
        }
    }
}

pub struct Zip<'a, T> {
    f: Binary,
    g: &'a [T],
    h: &'a [T],
    out: &'a mut [T],
}

impl<T: Scalar> Task<T> for Zip<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        match self.f {
            Binary::TanhGrad => zip_with(s, self.g, self.h, self.out, TanhGrad),
            Binary::ReluGrad => zip_with(s, self.g, self.h, self.out, ReluGrad),
            Binary::SigmoidGrad => zip_with(s, self.g, self.h, self.out, SigmoidGrad),
        }
    }
}

#[inline(always)]
fn zip_with<T: Scalar, S: Simd<T>>(s: S, a: &[T], b: &[T], out: &mut [T], f: impl Lanewise<T>) {
    let len = out.len();
    assert!(a.len() == len && b.len() == len, "the lengths have been compared");
    // SAFETY: all three have `len` elements.
    unsafe { lanewise(s, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), len, f) };
}

/// out = f(a, b) for `len` elements: whole vectors in a loop of their own, then what is left.
///
/// # Safety
///
/// - `a` and `b` are readable and `out` is writable for `len` elements; `out` may be one of them.
#[inline(always)]
pub(crate) unsafe fn lanewise<T: Scalar, S: Simd<T>>(
    s: S,
    a: *const T,
    b: *const T,
    out: *mut T,
    len: usize,
    f: impl Lanewise<T>,
) {
    let whole = len - len % S::LANES;
    let mut i = 0;
    while i < whole {
        // SAFETY: the caller vouches for `len` elements, of which there are LANES from i on.
        let [x, h] = [a, b].map(|from| unsafe { s.load(from.wrapping_add(i)) });
        // SAFETY: likewise.
        unsafe { s.store(out.wrapping_add(i), f.apply(s, x, h)) };
        i += S::LANES;
    }
    if i < len {
        let count = len - i;
        // SAFETY: so many are left.
        let [x, h] = [a, b].map(|from| unsafe { s.load_first(from.wrapping_add(i), count) });
        // SAFETY: likewise.
        unsafe { s.store_first(out.wrapping_add(i), f.apply(s, x, h), count) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    fn on_every_isa<T: Scalar>(f: Unary, x: &[T], mut check: impl FnMut(&str, &[T])) {
        for isa in Isa::testable() {
            let mut out = vec![T::nan(); x.len()];
            map(&Context::new(isa, 1), f, x, &mut out);
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
        on_every_isa(Unary::Tanh, &x, |isa, y| {
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
                map(ctx, Unary::Tanh, &x, &mut y);
                map(ctx, Unary::Tanh, &negative, &mut mirrored);
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
        on_every_isa(Unary::Tanh, &x, |isa, y| {
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
        on_every_isa(Unary::Sigmoid, &x, |isa, y| {
            for (&x, &y) in x.iter().zip(y) {
                let error = ulp_f32(y, exact(f64::from(x)));
                assert!(error <= 3.0, "{isa}: sigmoid({x:e}) = {y:e}, {error} ulp");
            }
        });
        let x: Vec<f64> = (0..200_001).map(|i| (f64::from(i) - 1e5) * 7e-3).collect();
        on_every_isa(Unary::Sigmoid, &x, |isa, y| {
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
                on_every_isa(Unary::Tanh, &x, |isa, y| {
                    let expected = value.tanh();
                    let same = y[position].to_bits() == expected.to_bits()
                        || expected.is_nan() && y[position].is_nan();
                    assert!(same, "{isa} lane {position}: tanh({value}) = {}", y[position]);
                });
                on_every_isa(Unary::Sigmoid, &x, |isa, y| {
                    let expected = 1.0 / (1.0 + (-value).exp());
                    let same = y[position] == expected || expected.is_nan() && y[position].is_nan();
                    assert!(same, "{isa} lane {position}: sigmoid({value}) = {}", y[position]);
                });
                on_every_isa(Unary::Relu, &x, |isa, y| {
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
            zip(&ctx, Binary::ReluGrad, &g, &h, &mut out);
            assert_eq!(out, [0.0, 0.0, 3.0, 4.0, 5.0, 0.0, 7.0, 8.0, 9.0], "{}", isa.name());
            zip(&ctx, Binary::TanhGrad, &g, &h, &mut out);
            for i in [0, 1, 2, 3, 5, 6] {
                assert!((out[i] - g[i] * (1.0 - h[i] * h[i])).abs() < 1e-15);
            }
            assert!(out[4].is_nan());
            zip(&ctx, Binary::SigmoidGrad, &g, &h, &mut out);
            for i in [0, 1, 2, 3, 5, 6, 7, 8] {
                assert!((out[i] - g[i] * h[i] * (1.0 - h[i])).abs() < 1e-13);
            }
            assert!(out[4].is_nan());
        }
    }
}
