//! The exponential function for softmax and the logistic loss, and a logarithm for the latter: plain arithmetic, so that loops
//! over it become vector instructions.
//!
//! ```text
//! x = n ln 2 + r,  n integral,  |r| ≤ ln 2 / 2;   eˣ = 2ⁿ eʳ,   eʳ = Σ rᵏ / k!
//! ```
//!
//! The logarithm for the binary cross entropy: `ln(1 + y) = 2 artanh z`, `artanh z = Σ z²ᵏ⁺¹ / (2k + 1)`, `z = y / (2 + y)`,
//! which is at most 1/3. The first term left out is below 1.4e-9 of the sum in float32, 1.7e-18 in float64.
//!
//! `n` is rounded by adding and subtracting 1.5 · 2^(mantissa bits). ln 2 is subtracted in two parts, the larger one
//! with enough trailing zeros for exact products with n. The first term left out is below a quarter of a unit in the
//! last place: 0.3466⁸ / 8! = 5e-9 in float32, 0.3466¹⁴ / 14! = 4e-18 in float64. Measured over the whole range: at
//! most 1.13 units in the last place in float32, and one unit away from the C library's result in float64 (see the tests).

use elman_kernels::Scalar;

/// eˣ for x ≤ 0; 0 where that is below the normal numbers, NaN for NaN.
#[inline(always)]
pub(crate) fn exp_nonpositive<T: Scalar>(x: T) -> T {
    let table = const { Table::of::<T>() };
    let constant = T::from_f64;
    let magic = constant(table.magic);
    let n = (x * constant(std::f64::consts::LOG2_E) + magic) - magic;
    let r = (x - n * constant(table.ln2_high)) - n * constant(table.ln2_low);

    let mut sum = constant(INVERSE_FACTORIALS[table.degree]);
    for k in (0..table.degree).rev() {
        sum = sum * r + constant(INVERSE_FACTORIALS[k]);
    }
    // NaN compares false and so keeps its sum.
    if x < constant(table.smallest) { T::zero() } else { sum * T::exp2i(n) }
}

/// ln(1 + y) for y from 0 to 1; NaN for NaN.
#[inline(always)]
pub(crate) fn ln_1p_unit<T: Scalar>(y: T) -> T {
    let z = y / (y + T::from_f64(2.0));
    let square = z * z;
    let degree = const { Table::of::<T>().artanh_degree };
    let mut sum = T::from_f64(INVERSE_ODD[degree]);
    for k in (0..degree).rev() {
        sum = sum * square + T::from_f64(INVERSE_ODD[k]);
    }
    (z + z) * sum
}

/// 1 / (1 + e^-x), from e^-|x|, which does not overflow.
#[inline(always)]
pub(crate) fn logistic<T: Scalar>(x: T) -> T {
    let exp = exp_nonpositive(-x.abs());
    // NaN goes through the exponential.
    let numerator = if x < T::zero() { exp } else { T::one() };
    numerator / (T::one() + exp)
}

struct Table {
    /// The last power of r.
    degree: usize,
    /// 1.5 · 2^(mantissa bits).
    magic: f64,
    ln2_high: f64,
    ln2_low: f64,
    /// The smallest whole x whose n is still the exponent of a normal number.
    smallest: f64,
    /// The last power of z² in artanh z / z.
    artanh_degree: usize,
}

impl Table {
    const fn of<T: Scalar>() -> Self {
        if size_of::<T>() == size_of::<f32>() {
            Self {
                degree: 7,
                magic: 12_582_912.0,
                ln2_high: 0.693_359_375,
                ln2_low: -2.121_944_400_546_905_8e-4,
                smallest: -87.0,
                artanh_degree: 7,
            }
        } else {
            Self {
                degree: 13,
                magic: 6_755_399_441_055_744.0,
                ln2_high: 0.693_147_180_369_123_8,
                ln2_low: 1.908_214_929_270_587_7e-10,
                smallest: -708.0,
                artanh_degree: 16,
            }
        }
    }
}

/// 1 / k!.
const INVERSE_FACTORIALS: [f64; 14] = {
    let mut values = [1.0; 14];
    let mut factorial = 1.0;
    let mut k = 1;
    while k < 14 {
        factorial *= k as f64;
        values[k] = 1.0 / factorial;
        k += 1;
    }
    values
};

/// 1 / (2k + 1).
const INVERSE_ODD: [f64; 17] = {
    let mut values = [1.0; 17];
    let mut k = 1;
    while k < 17 {
        values[k] = 1.0 / (2 * k + 1) as f64;
        k += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float32_is_within_1_2_units_in_the_last_place() {
        let mut worst = 0f64;
        for bits in (0x8000_0000..(-87f32).to_bits()).step_by(997) {
            let x = f32::from_bits(bits);
            let exact = f64::from(x).exp();
            let nearest = exact as f32;
            let unit = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
            worst = worst.max((f64::from(exp_nonpositive(x)) - exact).abs() / unit);
        }
        assert!(worst <= 1.2, "{worst}");
    }

    #[test]
    fn float64_is_within_two_units_in_the_last_place() {
        let mut worst = 0f64;
        for i in 0..1_000_000 {
            let x = -f64::from(i) * 7.08e-4;
            let exact = x.exp(); // itself within a unit
            let unit = f64::from_bits(exact.to_bits() + 1) - exact;
            worst = worst.max((exp_nonpositive(x) - exact).abs() / unit);
        }
        assert!(worst <= 2.0, "{worst}");
    }

    #[test]
    fn logarithms_are_within_two_units_in_the_last_place() {
        fn worst<T: Scalar>(count: u32) -> f64 {
            let units = (0..=count).map(|i| {
                // Close to 0 as well as all over the range.
                let y = T::from_f64((f64::from(i) / f64::from(count)).powi(4));
                let exact = y.widen().ln_1p(); // itself within a unit of float64
                (ln_1p_unit(y).widen() - exact).abs() / (exact * T::epsilon().widen()).max(f64::MIN_POSITIVE)
            });
            units.fold(0.0, f64::max)
        }
        let (single, double) = (worst::<f32>(1_000_000), worst::<f64>(1_000_000));
        assert!(single <= 2.0 && double <= 2.0, "{single} {double}");
        assert!(ln_1p_unit(f32::NAN).is_nan());
    }

    #[test]
    fn ends_of_the_range() {
        fn check<T: Scalar>() {
            let value = T::from_f64;
            assert_eq!(exp_nonpositive(T::zero()), T::one());
            assert_eq!(exp_nonpositive(-T::zero()), T::one());
            assert_eq!(exp_nonpositive(T::neg_infinity()), T::zero());
            assert_eq!(exp_nonpositive(T::min_value()), T::zero());
            assert_eq!(exp_nonpositive(value(-1e4)), T::zero());
            assert!(exp_nonpositive(T::nan()).is_nan());
            assert!((exp_nonpositive(-T::min_positive_value()) - T::one()).abs() <= T::epsilon());
        }
        check::<f32>();
        check::<f64>();
    }
}
