//! Inverted dropout with a mask that needs no memory.
//!
//! Whether element i is kept is a function of (seed, i) alone, so the backward pass computes the same mask
//! again, and neither threads nor the order of the work change it. Kept values are scaled by 1 / (1 - p).
//!
//! Hinton et al. 2012 (arXiv 1207.0580); the mix is `SplitMix64` (Steele et al., OOPSLA 2014).

use crate::Scalar;

/// out_i = x_i · m_i / (1 - p) with m_i = 0 with probability p, else 1, for the elements `first`,
/// `first + 1`, … of the stream of `seed`. With p = 1 every factor is 0. Infinity and NaN times 0 are NaN, as
/// in torch.
///
/// # Panics
///
/// If the lengths differ.
pub fn dropout<T: Scalar>(x: &[T], p: f64, seed: u64, first: u64, out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "dropout: x and out differ in length");
    let mask = Mask::new(p, seed);
    for ((x, out), i) in x.iter().zip(out).zip(first..) {
        *out = *x * mask.factor(i);
    }
}

/// The same in place.
pub fn dropout_in_place<T: Scalar>(x: &mut [T], p: f64, seed: u64, first: u64) {
    let mask = Mask::new(p, seed);
    for (x, i) in x.iter_mut().zip(first..) {
        *x *= mask.factor(i);
    }
}

struct Mask<T> {
    seed: u64,
    /// Elements whose 32 random bits are below are dropped.
    threshold: u64,
    scale: T,
}

impl<T: Scalar> Mask<T> {
    fn new(p: f64, seed: u64) -> Self {
        let p = p.clamp(0.0, 1.0);
        let threshold = (p * 2f64.powi(32)).round() as u64;
        let scale = if p < 1.0 { T::from_f64(1.0 / (1.0 - p)) } else { T::zero() };
        Self { seed: mix(seed), threshold, scale }
    }

    #[inline(always)]
    fn factor(&self, i: u64) -> T {
        if mix(self.seed.wrapping_add(i)) >> 32 >= self.threshold { self.scale } else { T::zero() }
    }
}

/// The `SplitMix64` step: a bijection whose outputs for successive inputs look independent.
#[inline(always)]
fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_right_share_and_scales_it() {
        for p in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let x = vec![1.0f64; 100_000];
            let mut out = vec![f64::NAN; x.len()];
            dropout(&x, p, 3, 0, &mut out);
            let dropped = out.iter().filter(|&&y| y == 0.0).count() as f64 / x.len() as f64;
            assert!((dropped - p).abs() < 0.01, "{p}: {dropped}");
            assert!(out.iter().all(|&y| y == 0.0 || (y - 1.0 / (1.0 - p)).abs() < 1e-12));
        }
    }

    #[test]
    fn is_a_function_of_seed_and_index() {
        let x = vec![1.0f32; 1000];
        let (mut whole, mut parts, mut other) = (x.clone(), x.clone(), x.clone());
        dropout(&x, 0.5, 1, 0, &mut whole);
        dropout(&x[..300], 0.5, 1, 0, &mut parts[..300]);
        dropout_in_place(&mut parts[300..], 0.5, 1, 300);
        dropout(&x, 0.5, 2, 0, &mut other);
        assert_eq!(whole, parts);
        assert_ne!(whole, other);
    }

    #[test]
    fn zero_times_infinity_is_nan() {
        let mut out = [0.0f32];
        dropout(&[f32::INFINITY], 1.0, 0, 0, &mut out);
        assert!(out[0].is_nan());
    }
}
