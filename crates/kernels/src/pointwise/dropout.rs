//! Inverted dropout with a mask that needs no memory.
//!
//! Whether element i is kept is a function of (seed, i) alone, so the backward pass computes the same mask
//! again, and neither threads nor the order of the work change it. Kept values are scaled by 1 / (1 - p).
//!
//! ```text
//! (a, b) = the halves of split_mix(split_mix(seed) + ⌊i / 2³²⌋)
//! bits   = mix32(mix32((i mod 2³²) ^ a) ^ b)         dropped if bits < p · 2³²
//! ```
//!
//! What is done for each element takes 32 bits, so a vector of float32 has as many lanes of it.
//!
//! Hinton et al. 2012 (arXiv 1207.0580); `mix32` is the multiplications and shifts that Wellons found to have the
//! least bias (<https://nullprogram.com/blog/2018/07/31/>).

use std::ops::Range;

use crate::multiversion;
use crate::pointwise::mix::split_mix;
use crate::simd::element::Element;
use crate::simd::isa::Isa;

/// out_i = x_i · m_i / (1 - p) with m_i = 0 with probability p, else 1, for the elements `first`,
/// `first + 1`, … of the stream of `seed`. With p = 1 every factor is 0. Infinity and NaN times 0 are NaN, as
/// in torch.
///
/// # Panics
///
/// If the lengths differ.
pub fn dropout<T: Element>(isa: Isa, x: &[T], p: f64, seed: u64, first: u64, out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "dropout: x and out differ in length");
    for (places, mask) in masks(p, seed, first, x.len()) {
        masked(isa, &x[places.clone()], mask, &mut out[places]);
    }
}

/// The same in place.
pub fn dropout_in_place<T: Element>(isa: Isa, x: &mut [T], p: f64, seed: u64, first: u64) {
    for (places, mask) in masks(p, seed, first, x.len()) {
        masked_in_place(isa, mask, &mut x[places]);
    }
}

/// The factors of elements with successive numbers.
#[derive(Clone, Copy)]
struct Mask<T> {
    /// The low half of the first element's number.
    first: u32,
    /// What the seed and the high half of the elements' numbers make.
    keys: [u32; 2],
    /// Elements whose bits are below are dropped.
    threshold: u32,
    scale: T,
}

/// The masks of `len` elements from `first` on, one for each high half of their numbers, and for which it is.
fn masks<T: Element>(
    p: f64,
    seed: u64,
    first: u64,
    len: usize,
) -> impl Iterator<Item = (Range<usize>, Mask<T>)> {
    let p = p.clamp(0.0, 1.0);
    // Without a scale it does not matter whether an element is dropped, so 2³² need not be told from 2³² - 1.
    let scale = if p < 1.0 { T::from_f64(1.0 / (1.0 - p)) } else { T::zero() };
    let threshold = (p * 2f64.powi(32)).round() as u32;
    let mut start = 0;
    std::iter::from_fn(move || {
        let number = first.wrapping_add(start as u64);
        let before_next_half = (1 << 32) - (number & u64::from(u32::MAX));
        let count = (len - start).min(before_next_half as usize);
        let keys = split_mix(split_mix(seed).wrapping_add(number >> 32));
        let keys = [keys as u32, (keys >> 32) as u32];
        let mask = Mask { first: number as u32, keys, threshold, scale };
        let places = start..start + count;
        start = places.end;
        (count > 0).then_some((places, mask))
    })
}

impl<T: Element> Mask<T> {
    /// That of the `i`-th element.
    #[inline(always)]
    fn factor(&self, i: usize) -> T {
        let [a, b] = self.keys;
        let bits = mix32(mix32(self.first.wrapping_add(i as u32) ^ a) ^ b);
        if bits >= self.threshold { self.scale } else { T::zero() }
    }
}

multiversion! {
    fn masked<T: Element>(x: &[T], mask: Mask<T>, out: &mut [T]) {
        for (i, (x, out)) in x.iter().zip(out).enumerate() {
            *out = *x * mask.factor(i);
        }
    }

    fn masked_in_place<T: Element>(mask: Mask<T>, x: &mut [T]) {
        for (i, x) in x.iter_mut().enumerate() {
            *x *= mask.factor(i);
        }
    }
}

/// A bijection whose outputs for successive inputs look independent.
#[inline(always)]
fn mix32(x: u32) -> u32 {
    let mut z = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
    z = (z ^ z >> 15).wrapping_mul(0x846c_a68b);
    z ^ z >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar;

    #[test]
    fn keeps_the_right_share_and_scales_it() {
        let isa = Isa::detect();
        for p in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let x = vec![1.0f64; 100_000];
            let mut out = vec![f64::NAN; x.len()];
            dropout(isa, &x, p, 3, 0, &mut out);
            let dropped = out.iter().filter(|&&y| y == 0.0).count() as f64 / x.len() as f64;
            assert!((dropped - p).abs() < 0.01, "{p}: {dropped}");
            assert!(out.iter().all(|&y| y == 0.0 || (y - 1.0 / (1.0 - p)).abs() < 1e-12));
        }
    }

    #[test]
    fn is_a_function_of_seed_and_index() {
        let isa = Isa::detect();
        let x = vec![1.0f32; 1000];
        let (mut whole, mut parts, mut other) = (x.clone(), x.clone(), x.clone());
        dropout(isa, &x, 0.5, 1, 0, &mut whole);
        dropout(isa, &x[..300], 0.5, 1, 0, &mut parts[..300]);
        dropout_in_place(isa, &mut parts[300..], 0.5, 1, 300);
        dropout(isa, &x, 0.5, 2, 0, &mut other);
        assert_eq!(whole, parts);
        assert_ne!(whole, other);
    }

    #[test]
    fn zero_times_infinity_is_nan() {
        let mut out = [0.0f32];
        dropout(Isa::detect(), &[f32::INFINITY], 1.0, 0, 0, &mut out);
        assert!(out[0].is_nan());
    }

    /// Neighbours in a row, elements of two seeds and elements 2³² apart are kept independently: two of them
    /// agree as often as by chance.
    #[test]
    fn masks_look_independent() {
        let isa = Isa::detect();
        let len = 1 << 18;
        let kept = |seed, first| {
            let mut x = vec![1.0f32; len];
            dropout_in_place(isa, &mut x, 0.5, seed, first);
            x
        };
        let mask = kept(7, 0);
        // A standard deviation of the share is 1 / 1024.
        let check = |other: &[f32], what: &str| {
            let count = mask.len().min(other.len());
            let equal = mask.iter().zip(other).filter(|(a, b)| a == b).count() as f64 / count as f64;
            assert!((equal - 0.5).abs() < 5.0 / 1024.0, "{what}: {equal}");
        };
        for shift in (0..12).map(|log| 1 << log) {
            check(&mask[shift..], &format!("shifted by {shift}"));
        }
        for seed in [0, 6, 8, 7 + (1 << 32), u64::MAX] {
            check(&kept(seed, 0), &format!("seed {seed}"));
        }
        for high in [1 << 32, 1 << 48, 5 << 48] {
            check(&kept(7, high), &format!("first {high}"));
        }
    }

    /// The mask goes on beyond 2³² elements, in both dtypes and on every instruction set.
    #[test]
    fn a_stream_is_long() {
        fn check<T: Scalar>(isa: Isa) {
            let first = (1 << 32) - 100;
            let mut whole = vec![T::one(); 217];
            dropout_in_place(isa, &mut whole, 0.3, 9, first);
            for (i, expected) in whole.iter().enumerate() {
                let mut one = [T::zero()];
                dropout(Isa::available()[0], &[T::one()], 0.3, 9, first + i as u64, &mut one);
                assert_eq!(one[0], *expected, "{isa:?}, element {i}");
            }
        }
        for isa in Isa::available() {
            check::<f32>(isa);
            check::<f64>(isa);
        }
    }
}
