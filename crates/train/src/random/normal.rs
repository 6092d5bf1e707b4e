//! Normal numbers by Box and Muller's transform, of PyTorch's two kinds.
//!
//! ```text
//! radius = √(-2 ln(1 - u)),  angle = 2π v      for u, v uniform in [0, 1)
//! radius · cos(angle) and radius · sin(angle)  are independent, of mean 0 and deviation 1
//!
//! fewer than 16   one at a time in float64 (angle from the first draw, radius from the second); the sine is kept for
//!                 the next call
//! 16 or more      the array is filled with uniform numbers, then transformed in blocks of 16, elements j and j + 8 by
//!                 each other; if the length is no multiple of 16, the last 16 are drawn and transformed anew
//! ```
//!
//! In float32 the second kind evaluates logarithm, sine and cosine by the polynomials of Cephes (S. Moshier), with a
//! fused operation wherever PyTorch's compiler makes one, so the numbers are those of PyTorch on x86-64 bit for bit.
//! The others use the platform's float64 functions, as PyTorch does: its bits where both have the same C library.

use super::Generator;
use crate::Error;
use elman_kernels::Scalar;
use std::f64::consts::{PI, TAU};

/// Elements that are transformed together, and the length from which on they are.
const WIDTH: usize = 16;
const HALF: usize = WIDTH / 2;

impl Generator {
    /// Fills `out` as `torch.Tensor.normal_(mean, std)` does.
    ///
    /// # Errors
    ///
    /// [`Error::StandardDeviation`] if `std` is negative or NaN.
    pub fn normal<T: Scalar>(&mut self, out: &mut [T], mean: f64, std: f64) -> Result<(), Error> {
        if std.is_nan() || std < 0.0 {
            return Err(Error::StandardDeviation { std });
        }
        if out.len() < WIDTH {
            for slot in out {
                *slot = T::from_f64(self.normal_f64().mul_add(std, mean));
            }
            return Ok(());
        }

        let (mean, std) = (T::from_f64(mean), T::from_f64(std));
        out.fill_with(|| self.unit());
        let (blocks, rest) = out.as_chunks_mut::<WIDTH>();
        for block in blocks {
            transform(block, mean, std);
        }
        if !rest.is_empty()
            && let Some(last) = out.last_chunk_mut::<WIDTH>()
        {
            last.fill_with(|| self.unit());
            transform(last, mean, std);
        }
        Ok(())
    }

    fn normal_f64(&mut self) -> f64 {
        if let Some(normal) = self.spare_normal.take() {
            return normal;
        }
        let (v, u): (f64, f64) = (self.unit(), self.unit());
        let radius = (-2.0 * (-u).ln_1p()).sqrt();
        let angle = 2.0 * PI * v;
        self.spare_normal = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// Uniform numbers become normal ones.
fn transform<T: Scalar>(block: &mut [T; WIDTH], mean: T, std: T) {
    for j in 0..HALF {
        let u = T::one() - block[j]; // in (0, 1]
        let v = block[j + HALF];
        let angle = T::from_f64(TAU) * v;
        let (ln, sin, cos) = if size_of::<T>() == size_of::<f32>() {
            let (u, angle) = (u.widen() as f32, angle.widen() as f32);
            let (sin, cos) = cephes::sin_cos(angle);
            let widen = |x: f32| T::from_f64(f64::from(x));
            (widen(cephes::ln(u)), widen(sin), widen(cos))
        } else {
            (u.ln(), angle.sin(), angle.cos())
        };
        let radius = (T::from_f64(-2.0) * ln).sqrt();
        block[j] = (radius * cos).mul_add(std, mean);
        block[j + HALF] = (radius * sin).mul_add(std, mean);
    }
}

/// Logarithm, sine and cosine in float32 for the arguments that occur here.
mod cephes {
    /// ln x for a positive normal x.
    ///
    /// ```text
    /// x = 2ᵉ (1 + f), √½ ≤ 1 + f < √2;   ln x = e ln 2 + f - f²/2 + f³ P(f)
    /// ```
    pub(super) fn ln(x: f32) -> f32 {
        const P: [f32; 9] = [
            7.037_683_6e-2,
            -0.115_146_1,
            0.116_769_984,
            -0.124_201_41,
            0.142_493_23,
            -0.166_680_58,
            0.200_007_14,
            -0.249_999_94,
            0.333_333_3,
        ];
        // ln 2 in two parts, the larger one with few bits.
        const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

        let bits = x.to_bits();
        let mut exponent = ((bits >> 23) as i32 - 126) as f32;
        let mut f = f32::from_bits(bits & 0x007f_ffff | 0x3f00_0000); // in [½, 1)
        if f < std::f32::consts::FRAC_1_SQRT_2 {
            exponent -= 1.0;
            f += f;
        }
        f -= 1.0;

        let square = f * f;
        let p = P[1..].iter().fold(P[0], |sum, &coefficient| sum.mul_add(f, coefficient));
        let tail = (p * f).mul_add(square, exponent * LN2[1]);
        let tail = square.mul_add(-0.5, tail);
        exponent.mul_add(LN2[0], f + tail)
    }

    /// (sin x, cos x) for 0 ≤ x ≤ 2π.
    ///
    /// ```text
    /// x = y + j π/4, j even, |y| ≤ π/4;   sin y = y + y³ S(y²),   cos y = 1 - y²/2 + y⁴ C(y²)
    /// the octants j = 2, 6 exchange the two, j ≥ 4 changes the sine's sign, j = 2, 4 the cosine's
    /// ```
    pub(super) fn sin_cos(x: f32) -> (f32, f32) {
        const S: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -0.166_666_55];
        const C: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];
        // π/4 in three parts, the larger ones with few bits.
        const QUARTER_PI: [f32; 3] = [0.785_156_25, 2.418_756_5e-4, 3.774_895e-8];

        let octant = (x * (4.0 / std::f32::consts::PI)) as i32;
        let octant = (octant + 1) & !1;
        let y = QUARTER_PI.iter().fold(x, |y, &part| (octant as f32).mul_add(-part, y));

        let square = y * y;
        let horner = |p: [f32; 3]| p[0].mul_add(square, p[1]).mul_add(square, p[2]);
        let cos = (horner(C) * square).mul_add(square, -(square * 0.5)) + 1.0;
        let sin = (horner(S) * square).mul_add(y, y);

        let (sin, cos) = if octant & 2 == 0 { (sin, cos) } else { (cos, sin) };
        let flip = |x: f32, negative: bool| if negative { -x } else { x };
        (flip(sin, octant & 4 != 0), flip(cos, (octant - 2) & 4 == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn<T: Scalar, const N: usize>(seed: u64, mean: f64, std: f64) -> [T; N] {
        let mut out = [T::nan(); N];
        Generator::new(seed).normal(&mut out, mean, std).unwrap();
        out
    }

    /// Bit for bit where the C library is that of the golden values, within its error elsewhere.
    fn assert_same(actual: &[f64], expected: &[u64]) {
        for (&actual, &bits) in actual.iter().zip(expected) {
            let expected = f64::from_bits(bits);
            let same_library = cfg!(all(target_os = "linux", target_env = "gnu"));
            let tolerance = if same_library { 0.0 } else { 1e-15 * (1.0 + expected.abs()) };
            assert!((actual - expected).abs() <= tolerance, "got {actual}, expected {expected}");
        }
    }

    /// `torch.manual_seed(0); torch.empty(5, dtype=…).normal_(0.5, 2)`, torch 2.13.
    #[test]
    fn pytorchs_numbers_one_at_a_time() {
        let expected = [0x4065_3f5c, 0xbdb1_e282, 0xc076_e292, 0x3fd1_84b6, 0xbfd5_a342];
        assert_eq!(drawn::<f32, 5>(0, 0.5, 2.0).map(f32::to_bits), expected);
        let expected = [
            0x400c_a7eb_8902_be3a,
            0xbfb6_3c50_43e3_7f50,
            0xc00e_dc52_414e_1dca,
            0x3ffa_3096_ca3e_350d,
            0xbffa_b468_330f_c26c,
        ];
        assert_same(&drawn::<f64, 5>(0, 0.5, 2.0), &expected);
    }

    /// `torch.manual_seed(0); torch.empty(16, dtype=…).normal_()` and
    /// `torch.manual_seed(1); torch.empty(19, dtype=…).normal_(-1, 3)`, torch 2.13 on x86-64 with AVX2.
    #[test]
    fn pytorchs_numbers_in_blocks() {
        let expected = [
            0xbf90_1b85,
            0xbf93_808a,
            0xbe80_4bd6,
            0xbede_255d,
            0x3f59_4515,
            0x3f31_2783,
            0xbea1_cc6d,
            0xc007_5fc1,
            0x3ea5_0138,
            0xbfa1_b4f4,
            0x3eb3_30ff,
            0x3e9d_c3bb,
            0x3df5_6f77,
            0x3f9e_6b93,
            0x3f8e_f28e,
            0xbe7d_367c,
        ];
        assert_eq!(drawn::<f32, 16>(0, 0.0, 1.0).map(f32::to_bits), expected);
        let expected = [
            0xc0b2_750c,
            0xc050_0b65,
            0xc03d_9078,
            0xbece_35eb,
            0x3fcc_6d06,
            0xbe88_987a,
            0xc03f_476b,
            0x3fb6_01a2,
            0x3ea2_857e,
            0x4020_dedc,
            0x4089_ac4b,
            0xc0aa_dc27,
            0xbf51_0862,
            0xc036_9b60,
            0xc059_3aba,
            0xbfb2_8b16,
            0xc059_4cea,
            0x3beb_a740,
            0xbe32_2ce8,
        ];
        assert_eq!(drawn::<f32, 19>(1, -1.0, 3.0).map(f32::to_bits), expected);
        let expected = [
            0xc002_7bb9_2e92_62dc,
            0xbfd7_e357_9493_9460,
            0xbff0_f91a_e8d6_85b6,
            0x3fef_fbfb_0ada_994b,
            0xbfec_49ee_ce71_0105,
            0xbff4_68a3_e5dc_9291,
            0xbfe3_f174_ac92_d21f,
            0xbfeb_b9e3_bd03_77c5,
            0xbff4_bae3_8638_4915,
            0x3ff8_60cb_8d86_4a6e,
            0x3fd4_b6da_cf07_61e0,
            0x4000_244d_8bac_2a66,
            0x3ff2_2c00_28f1_2ffa,
            0xbff3_a14e_53b1_5145,
            0x3fb2_4683_cd23_2da0,
            0x3fd5_a213_bee5_3bb6,
        ];
        assert_same(&drawn::<f64, 16>(0, 0.0, 1.0), &expected);
        let expected = [
            0xbffe_f120_4447_f715,
            0xc009_1cdb_a742_110e,
            0xc009_7f65_0d1d_c746,
            0x400d_ac59_a9e3_dab4,
            0x3ff9_ece6_3ba7_e402,
            0xc028_3a5d_14b3_655a,
            0xc019_c514_c049_c252,
            0xc01a_1c61_0432_0f16,
            0xbfe6_f6b6_ac5a_75ec,
            0x3fe1_2583_d5c2_3ecd,
            0x3fe9_3cb1_53f3_2e8a,
            0xbff7_8167_dc5f_d35c,
            0xc01d_3649_e234_a75d,
            0x400d_e9ed_ef85_2d62,
            0x4002_0025_b29a_3b65,
            0x3ffa_b452_090b_51a6,
            0xc01b_249b_aa0c_e56f,
            0xbffd_0225_4e8b_0921,
            0xbff6_8631_079e_acd6,
        ];
        assert_same(&drawn::<f64, 19>(1, -1.0, 3.0), &expected);
    }

    #[test]
    fn the_spare_number_is_kept_between_calls_and_types() {
        let expected: [f64; 5] = drawn(9, 0.0, 1.0);
        let mut generator = Generator::new(9);
        let (mut one, mut three, mut last) = ([0f64; 1], [0f64; 3], [0f32; 1]);
        generator.normal(&mut one, 0.0, 1.0).unwrap();
        generator.normal(&mut three, 0.0, 1.0).unwrap();
        generator.normal(&mut last, 0.0, 1.0).unwrap();
        assert_eq!([one[0], three[0], three[1], three[2], f64::from(last[0])], {
            let mut all = expected;
            all[4] = f64::from(all[4] as f32);
            all
        });
    }

    #[test]
    fn polynomials_agree_with_the_standard_library() {
        for i in 0..1 << 16 {
            let u = (f32::from(u16::try_from(i).unwrap()) + 1.0) / 65536.0;
            let (x, exact) = (cephes::ln(u), f64::from(u).ln());
            assert!((f64::from(x) - exact).abs() <= 1.2e-7 * exact.abs(), "ln {u}");
            let angle = u * std::f32::consts::TAU;
            let ((sin, cos), (exact_sin, exact_cos)) = (cephes::sin_cos(angle), f64::from(angle).sin_cos());
            assert!((f64::from(sin) - exact_sin).abs() <= 9e-8, "sin {angle}");
            assert!((f64::from(cos) - exact_cos).abs() <= 9e-8, "cos {angle}");
        }
    }

    #[test]
    fn moments_of_a_large_sample() {
        fn check<T: Scalar>() {
            let mut sample = vec![T::nan(); 1_000_003];
            Generator::new(5).normal(&mut sample, 2.0, 3.0).unwrap();
            let count = sample.len() as f64;
            let mean = sample.iter().map(|x| x.widen()).sum::<f64>() / count;
            let variance = sample.iter().map(|x| (x.widen() - 2.0).powi(2)).sum::<f64>() / count;
            let fourth = sample.iter().map(|x| ((x.widen() - 2.0) / 3.0).powi(4)).sum::<f64>() / count;
            // Five standard errors of each.
            assert!((mean - 2.0).abs() < 5.0 * 3.0 / count.sqrt(), "{mean}");
            assert!((variance - 9.0).abs() < 5.0 * 9.0 * (2.0 / count).sqrt(), "{variance}");
            assert!((fourth - 3.0).abs() < 5.0 * (96.0 / count).sqrt(), "{fourth}");
        }
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn a_deviation_that_is_none() {
        let mut generator = Generator::new(0);
        let state = generator.state();
        assert_eq!(
            generator.normal(&mut [0f32], 0.0, -1.0).unwrap_err().to_string(),
            "normal expects std >= 0.0, but found std -1"
        );
        assert!(generator.normal(&mut [0f32], 0.0, f64::NAN).is_err());
        assert_eq!(generator.state(), state);
        assert_eq!(drawn::<f64, 20>(0, 4.0, 0.0), [4.0; 20]);
    }
}
