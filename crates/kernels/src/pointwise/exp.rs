//! The exponential, and the coefficients of the functions that are made of it.
//!
//! e^y = 2ⁿ e^r with n = round(y / ln 2) and r = y - n ln 2, ln 2 in two parts so that r keeps its bits. NaN passes
//! through. The coefficients are this project's own, fitted by `fit/tanh.py`, which states their errors.

#![allow(clippy::excessive_precision)] // coefficients with the digits that fit/tanh.py prints

use crate::simd::element::Element;
use crate::simd::vector::Simd;

/// An element type that has coefficients.
pub trait Transcendental: Element {
    /// Its coefficients.
    fn coefficients() -> &'static Coefficients<Self>;
}

impl Transcendental for f32 {
    #[inline(always)]
    fn coefficients() -> &'static Coefficients<Self> {
        &F32
    }
}

impl Transcendental for f64 {
    #[inline(always)]
    fn coefficients() -> &'static Coefficients<Self> {
        &F64
    }
}

/// The coefficients for one element type.
#[derive(Debug)]
pub struct Coefficients<T: 'static> {
    /// P and Q in rising powers of x²; fitted up to |x| = 1.25.
    pub(super) p: &'static [T],
    pub(super) q: &'static [T],
    /// e^r in rising powers of r, for |r| ≤ ln 2 / 2.
    pub(super) exp: &'static [T],
    /// From here on tanh is 1 in this type: half the distance to the number below 1 exceeds 1 - tanh.
    pub(super) saturated: T,
    /// ln 2 = `ln2_high` + `ln2_low`, the first with enough trailing zeros for exact products with n.
    pub(super) ln2_high: T,
    pub(super) ln2_low: T,
    /// The smallest |x| from which e^-|x| counts as 0: a whole number, below which its exponent is a normal one.
    pub(super) vanished: T,
    /// 1.5 · 2^(mantissa bits): adding and subtracting it rounds to an integer.
    pub(super) magic: T,
}

/// Errors relative to tanh before rounding: fit 1.3e-9, exponential 3.1e-9 (a unit in the last place is
/// 6e-8 to 1.2e-7).
static F32: Coefficients<f32> = Coefficients {
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
static F64: Coefficients<f64> = Coefficients {
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

/// Σ c_i x^i.
#[inline(always)]
pub(super) fn polynomial<T: Element, S: Simd<T>>(s: S, c: &[T], x: S::V) -> S::V {
    let mut sum = s.splat(c[c.len() - 1]);
    for &c in c[..c.len() - 1].iter().rev() {
        sum = s.mul_add(sum, x, s.splat(c));
    }
    sum
}

/// e^y as a pair (e^r, 2ⁿ) whose product it is, for y whose n is the exponent of a normal number.
#[inline(always)]
pub(super) fn exponential<T: Element, S: Simd<T>>(s: S, table: &Coefficients<T>, y: S::V) -> (S::V, S::V) {
    let magic = s.splat(table.magic);
    let n = s.sub(s.mul_add(y, s.splat(T::from_f64(std::f64::consts::LOG2_E)), magic), magic);
    let r = s.neg_mul_add(n, s.splat(table.ln2_high), y);
    let r = s.neg_mul_add(n, s.splat(table.ln2_low), r);
    (polynomial(s, table.exp, r), s.exp2i(n))
}
