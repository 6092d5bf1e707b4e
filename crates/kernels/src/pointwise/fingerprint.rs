//! A hash of the bits of some arrays, at the speed at which they are read.
//!
//! It is compared with one that was taken before in the same process, to see whether anything has been written in
//! between; it does not withstand a search for collisions. Memory is taken in stripes of 1 KB. Each
//! 64 bits v of a stripe are added up, with a key k for their place in the stripe,
//!
//! ```text
//! a ← a + v + lo(v ⊕ k) · hi(v ⊕ k)      lo, hi: the 32-bit halves
//! ```
//!
//! (the form of XXH3 and of UMAC's NH: the product makes any change of v change a by an amount that depends on the place,
//! and v is added for where the other factor is zero). After each stripe the sums go through the same step
//! themselves, so that the order of stripes counts. Pieces of 64 KB are hashed apart, each from its own number, and
//! added up: threads share them out, and the result does not depend on their number. It does depend on the
//! instruction set, whose vectors have more or fewer sums.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::pointwise::mix::{GOLDEN, split_mix};
use crate::runtime::context::{Context, MACS_PER_ELEMENT};
use crate::simd::dispatch::dispatch;
use crate::simd::element::Element;
use crate::simd::isa::Isa;
use crate::simd::vector::{Kernel, Simd, load};

/// Bytes in a stripe.
const STRIPE: usize = 1024;
/// Bytes in a piece.
const PIECE: usize = 64 * STRIPE;
/// Bytes of what the vectors take for an element.
const LANE: usize = size_of::<f32>();
/// Independent sums: a step must not wait for the one before.
const SUMS: usize = 4;
/// Bytes of the widest vector.
const WIDEST: usize = 64;

/// A hash of the contents and lengths of `arrays`.
pub fn fingerprint<'a, T: Element>(ctx: &Context, arrays: impl IntoIterator<Item = &'a [T]>) -> u64 {
    arrays.into_iter().fold(GOLDEN, |before, array| {
        let data = bytes(array);
        let pieces = data.len().div_ceil(PIECE);
        let mut team = ctx.team((data.len() / LANE).saturating_mul(MACS_PER_ELEMENT), pieces);
        let hash = if team.size() == 1 {
            hash_pieces(ctx.isa(), Pieces { data, first: 0 })
        } else {
            let sum = AtomicU64::new(0);
            team.share(pieces, |piece| {
                let start = piece * PIECE;
                let data = &data[start..data.len().min(start + PIECE)];
                sum.fetch_add(hash_pieces(ctx.isa(), Pieces { data, first: piece }), Ordering::Relaxed);
            });
            sum.into_inner()
        };
        joined(joined(before, hash), data.len() as u64)
    })
}

/// The memory of `data`.
fn bytes<T: Element>(data: &[T]) -> &[u8] {
    // SAFETY: the same memory; every byte of an element is initialised.
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), size_of_val(data)) }
}

/// The sum of the hashes of some pieces.
fn hash_pieces(isa: Isa, pieces: Pieces<'_>) -> u64 {
    dispatch!(isa, pieces, f32) // the element type of the vectors does not matter to their bits
}

/// Neighbouring pieces, the first of which is number `first`.
#[derive(Debug)]
struct Pieces<'a> {
    data: &'a [u8],
    first: usize,
}

impl Kernel<f32> for Pieces<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> u64 {
        let mut sum = 0u64;
        for (number, piece) in self.data.chunks(PIECE).enumerate() {
            sum = sum.wrapping_add(hash_piece(s, piece, (self.first + number) as u64));
        }
        sum
    }
}

/// A key for each 64 bits of a stripe: the numbers of `SplitMix64`.
static KEYS: [u64; STRIPE / size_of::<u64>()] = {
    let mut keys = [0; STRIPE / size_of::<u64>()];
    let mut i = 0;
    while i < keys.len() {
        keys[i] = split_mix(i as u64);
        i += 1;
    }
    keys
};

/// The keys of the vector at `place` of a stripe.
#[inline(always)]
fn key<S: Simd<f32>>(s: S, place: usize) -> S::V {
    debug_assert!(place + S::LANES * LANE <= STRIPE);
    let keys: *const u8 = KEYS.as_ptr().cast();
    // SAFETY: the keys are as long as a stripe.
    unsafe { s.load(keys.wrapping_add(place).cast()) }
}

#[inline(always)]
fn hash_piece<S: Simd<f32>>(s: S, piece: &[u8], number: u64) -> u64 {
    let mut sums = [s.splat(0.0); SUMS];
    for stripe in piece.chunks(STRIPE) {
        add_stripe(s, &mut sums, stripe);
    }
    let [a, b, c, d] = sums;
    let sum = s.hash_accumulate(
        s.hash_accumulate(a, b, key(s, 0)),
        s.hash_accumulate(c, d, key(s, STRIPE / 4)),
        key(s, STRIPE / 2),
    );
    let mut words = [0u64; WIDEST / size_of::<u64>()];
    // SAFETY: the words have room for the widest vector.
    unsafe { s.store(words.as_mut_ptr().cast(), sum) };
    words[..S::LANES * LANE / size_of::<u64>()].iter().fold(number, |hash, &word| joined(hash, word))
}

/// Adds at most a stripe.
#[inline(always)]
fn add_stripe<S: Simd<f32>>(s: S, sums: &mut [S::V; SUMS], stripe: &[u8]) {
    let vector = S::LANES * LANE;
    let from = stripe.as_ptr();
    let mut place = 0;
    while place + SUMS * vector <= stripe.len() {
        for sum in sums.iter_mut() {
            // SAFETY: the stripe has whole vectors for all sums here.
            let v = unsafe { s.load(from.wrapping_add(place).cast()) };
            *sum = s.hash_accumulate(*sum, v, key(s, place));
            place += vector;
        }
    }
    if place < stripe.len() {
        for sum in sums.iter_mut() {
            let rest = &stripe[place..];
            let count = rest.len().min(vector);
            if count == 0 {
                break;
            }
            // Zeros behind: the length goes into the hash too.
            let v = if count.is_multiple_of(LANE) {
                // SAFETY: the stripe has that many more.
                unsafe { load(s, rest.as_ptr().cast(), count / LANE) }
            } else {
                let mut tail = [0u8; WIDEST];
                tail[..count].copy_from_slice(&rest[..count]);
                // SAFETY: the tail has a whole vector.
                unsafe { s.load(tail.as_ptr().cast()) }
            };
            *sum = s.hash_accumulate(*sum, v, key(s, place));
            place += count;
        }
    }
    // The sums go through a step themselves, so that the order of stripes counts.
    for (j, sum) in sums.iter_mut().enumerate() {
        *sum = s.hash_accumulate(key(s, j * vector), *sum, key(s, (j + SUMS) * vector % STRIPE));
    }
}

/// A hash of what came before and of one more word.
#[inline(always)]
fn joined(before: u64, word: u64) -> u64 {
    let x = (before.rotate_left(23) ^ word).wrapping_mul(GOLDEN);
    x ^ (x >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Scalar;
    use crate::testing::random;

    fn one<T: Scalar>(data: &[T]) -> u64 {
        fingerprint(&Context::new(crate::Isa::detect(), 1), [data])
    }

    fn values<T: Scalar>(len: usize) -> Vec<T> {
        random::<T>((1, len), 7).into_raw_vec_and_offset().0
    }

    #[test]
    fn does_not_depend_on_threads() {
        for len in [0, 1, 2, 15, 255, 256, 257, 20_000, 70_001] {
            let (a, b) = (values::<f32>(len), values::<f64>(len));
            for isa in crate::Isa::testable() {
                let with = |threads| {
                    let ctx = Context::new(isa, threads);
                    (fingerprint(&ctx, [&a[..], &a]), fingerprint(&ctx, [&b[..]]))
                };
                assert_eq!(with(1), with(3), "{len} elements, {isa:?}");
            }
        }
    }

    #[test]
    fn any_bit_of_any_element_counts() {
        let mut data = values::<f32>(600);
        let mut seen = HashSet::from([one(&data)]);
        for i in 0..data.len() {
            let before = data[i];
            for bit in 0..32 {
                data[i] = f32::from_bits(before.to_bits() ^ 1 << bit);
                assert!(seen.insert(one(&data)), "bit {bit} of element {i}");
            }
            data[i] = before;
        }
    }

    /// As elements of two bytes would have them.
    #[test]
    fn odd_tails_and_any_alignment() {
        let data: Vec<u8> = (0..3000u32).map(|i| ((i * i) >> 3) as u8).collect();
        for isa in Isa::testable() {
            let hash = |data: &[u8]| hash_pieces(isa, Pieces { data, first: 0 });
            for len in [1, 2, 3, 6, 30, 63, 65, 1022, 1027, 2999] {
                let mut copy = data[1..=len].to_vec();
                assert_eq!(hash(&copy), hash(&data[1..=len]), "{len} bytes, {isa:?}");
                copy[len - 1] ^= 1;
                assert_ne!(hash(&copy), hash(&data[1..=len]), "{len} bytes, {isa:?}");
            }
        }
    }

    fn changes<T: Scalar>(len: usize) {
        let data = values::<T>(len);
        let zeros = vec![T::zero(); len];
        let map = |f: &dyn Fn(T) -> T| data.iter().map(|&x| f(x)).collect::<Vec<_>>();
        let mut all = vec![data.clone(), zeros.clone(), zeros[1..].to_vec(), data[1..].to_vec()];
        all.push(map(&|x| -x));
        all.push(map(&|x| x + x));
        all.push(map(&|x| x / (T::one() + T::one())));
        all.push(map(&|_| T::one()));
        all.push(map(&|_| -T::one()));
        all.push(zeros.iter().map(|&x| -x).collect());
        for distance in [1, 2, 8, 16, 128, 256, 4096, 16_384] {
            if distance < len {
                let mut moved = data.clone();
                moved.rotate_left(distance);
                all.push(moved);
                let mut swapped = data.clone();
                swapped.swap(0, distance);
                all.push(swapped);
            }
        }
        let hashes: HashSet<_> = all.iter().map(|data| one(data)).collect();
        assert_eq!(hashes.len(), all.len(), "{len} elements");
    }

    #[test]
    fn changes_of_all_elements_and_of_their_order_count() {
        for len in [64, 4096, 40_000] {
            changes::<f32>(len);
            changes::<f64>(len);
        }
    }

    #[test]
    fn where_one_array_ends_counts() {
        let ctx = Context::new(crate::Isa::detect(), 1);
        let data = values::<f32>(8);
        let cut = |i: usize| fingerprint(&ctx, [&data[..i], &data[i..]]);
        let all: HashSet<_> = (0..=8).map(cut).chain([one(&data)]).collect();
        assert_eq!(all.len(), 10);
    }
}
