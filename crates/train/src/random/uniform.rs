//! Uniform numbers.
//!
//! ```text
//! float32   x = (random   mod 2²⁴) · 2⁻²⁴
//! float64   x = (random64 mod 2⁵³) · 2⁻⁵³
//! value     = x · (high - low) + low, with low and high rounded to the element type; low instead of high
//! ```
//!
//! What is left of a block of draws becomes numbers in one loop, at the full width of the machine's vectors: the initial
//! weights of a large network are millions of them.

use super::Generator;
use crate::Error;
use elman_kernels::{Isa, Scalar, multiversion};

impl Generator {
    /// Fills `out` as `torch.Tensor.uniform_(low, high)` does, bit for bit on every instruction set.
    ///
    /// # Errors
    ///
    /// [`Error::UniformBounds`] if `low > high`, or if they or their distance are not finite.
    pub fn uniform<T: Scalar>(&mut self, isa: Isa, out: &mut [T], low: f64, high: f64) -> Result<(), Error> {
        let (from, to) = (T::from_f64(low), T::from_f64(high));
        let ordered = low <= high && from.is_finite() && to.is_finite() && (to - from).is_finite();
        if !ordered {
            return Err(Error::UniformBounds { low, high });
        }
        let each = draws_for::<T>();
        let mut rest = out;
        while !rest.is_empty() {
            let in_block = (self.left - 1) / each;
            let count = in_block.clamp(1, rest.len());
            let (values, later) = rest.split_at_mut(count);
            if in_block == 0 {
                // The block is used up, or one draw is left of the two that a number needs.
                let mut draws = [0; 2];
                let draws = &mut draws[..each];
                draws.fill_with(|| self.random());
                spread(isa, draws, from, to, values);
            } else {
                spread(isa, &self.block[self.next..][..count * each], from, to, values);
                self.next += count * each;
                self.left -= count * each;
            }
            rest = later;
        }
        Ok(())
    }

    /// A number in [0, 1), a multiple of 2⁻²⁴ in float32 and of 2⁻⁵³ in float64: exact in its type.
    pub(super) fn unit<T: Scalar>(&mut self) -> T {
        let mut draws = [0; 2];
        let draws = &mut draws[..draws_for::<T>()];
        draws.fill_with(|| self.random());
        unit(draws)
    }
}

/// How many draws make a number.
fn draws_for<T>() -> usize {
    size_of::<T>() / size_of::<u32>()
}

/// The number in [0, 1) that one number's draws make.
#[inline(always)]
fn unit<T: Scalar>(draws: &[u32]) -> T {
    T::from_f64(match *draws {
        [high, low] => {
            let bits = u64::from(high) << 32 | u64::from(low);
            (bits % (1 << 53)) as f64 * 2f64.powi(-53)
        }
        _ => f64::from(draws[0] % (1 << 24)) * 2f64.powi(-24),
    })
}

multiversion! {
    /// Turns draws into numbers from `from` up to `to`.
    fn spread<T: Scalar>(draws: &[u32], from: T, to: T, out: &mut [T]) {
        for (slot, draws) in out.iter_mut().zip(draws.chunks_exact(draws_for::<T>())) {
            // One rounding: PyTorch's compiler fuses this multiplication and addition.
            let value = unit::<T>(draws).mul_add(to - from, from);
            *slot = if value == to { from } else { value };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `torch.manual_seed(0); torch.empty(4, dtype=…).uniform_(-3 ** -0.5, 3 ** -0.5)`, torch 2.13.
    #[test]
    fn pytorchs_numbers_bit_for_bit() {
        let bound = 0.577_350_269_189_625_8;
        let mut single = [0f32; 4];
        Generator::new(0).uniform(Isa::detect(), &mut single, -bound, bound).unwrap();
        let expected = [0xbb8d_a3e8, 0x3e9e_9313, 0xbef3_4b7e, 0xbed9_8bc9];
        assert_eq!(single.map(f32::to_bits), expected);

        let mut double = [0f64; 4];
        Generator::new(0).uniform(Isa::detect(), &mut double, -bound, bound).unwrap();
        let expected =
            [0x3fe1_5e60_24c8_073e, 0x3fce_b753_d2c1_45b2, 0xbfa8_0358_e4ec_4c4e, 0x3fdf_17f6_7e80_41e1];
        assert_eq!(double.map(f64::to_bits), expected);
    }

    /// Whatever is drawn before, and on every instruction set, a long array holds the numbers that come one at a time.
    #[test]
    fn long_arrays_are_single_numbers_in_a_row() {
        fn check<T: Scalar>(isa: Isa, before: usize) {
            let mut generator = Generator::new(5);
            for _ in 0..before {
                generator.random();
            }
            let mut single = generator.clone();
            let mut values = vec![T::nan(); 1500];
            generator.uniform(isa, &mut values, -0.25, 0.5).unwrap();
            let (from, width) = (T::from_f64(-0.25), T::from_f64(0.75));
            for (i, &value) in values.iter().enumerate() {
                let expected = single.unit::<T>().mul_add(width, from);
                assert!(value == expected, "number {i} on {}: {value}, not {expected}", isa.name());
            }
            assert_eq!(generator.state(), single.state());
        }
        for isa in Isa::available() {
            for before in [0, 1, 2, 622, 623, 624] {
                check::<f32>(isa, before);
                check::<f64>(isa, before);
            }
        }
    }

    #[test]
    fn bounds_that_are_none() {
        let mut generator = Generator::new(0);
        let state = generator.state();
        for (low, high) in [
            (1.0, 0.0),
            (f64::NAN, 1.0),
            (0.0, f64::NAN),
            (0.0, f64::INFINITY),
            (-f64::MAX, f64::MAX),
            (f64::NEG_INFINITY, 0.0),
        ] {
            let error = generator.uniform(Isa::detect(), &mut [0f64], low, high).unwrap_err();
            assert!(matches!(error, Error::UniformBounds { .. }));
        }
        // In range for float64, not for float32.
        assert!(generator.uniform(Isa::detect(), &mut [0f32], -1e300, 1e300).is_err());
        assert_eq!(generator.state(), state);
        assert_eq!(
            generator.uniform(Isa::detect(), &mut [0f32], 1.0, 0.0).unwrap_err().to_string(),
            "uniform_ expects to return a [from, to) range, but found from=1 > to=0"
        );
    }

    proptest! {
        #[test]
        fn numbers_stay_below_the_upper_bound(seed: u64, low in -1e3..1e3, width in 0.0..1e-3) {
            let mut single = [f32::NAN; 100];
            let mut double = [f64::NAN; 100];
            let mut generator = Generator::new(seed);
            generator.uniform(Isa::detect(), &mut single, low, low + width).unwrap();
            generator.uniform(Isa::detect(), &mut double, low, low + width).unwrap();
            let (from, to) = (low as f32, (low + width) as f32);
            prop_assert!(single.iter().all(|&x| x == from || (from..to).contains(&x)));
            prop_assert!(double.iter().all(|&x| x == low || (low..low + width).contains(&x)));
        }
    }
}
