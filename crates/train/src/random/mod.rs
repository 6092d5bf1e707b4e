//! PyTorch's stream of random numbers.
//!
//! ```text
//! source    MT19937 seeded with the low 32 bits of the seed
//! random    one 32-bit draw
//! random64  two draws, the first one is the high word
//! ```
//!
//! The Mersenne Twister is the crate `rand_mt`'s. It does not give its state away, but any 624 of its outputs in a row
//! determine all later ones, and each is a bijection of a word of the state: so numbers are drawn in blocks of 624, and
//! a block holds the state (see `state`).

mod normal;
mod state;
mod uniform;

use rand_mt::Mt;

/// Outputs that determine the generator: the size of its state in words.
const BLOCK: usize = 624;

/// The seed of a generator that was not given one; PyTorch's.
pub const DEFAULT_SEED: u64 = 67_280_421_310_721;

/// A source of random numbers that gives PyTorch's on the CPU, for the same seed and the same calls.
#[derive(Clone, Debug)]
pub struct Generator {
    /// What it was seeded with last.
    seed: u64,
    /// Stands at the end of `block`.
    twister: Mt,
    /// The last 624 outputs; after seeding, what the outputs before the first one would have been.
    block: [u32; BLOCK],
    /// Where in `block` the next output is, unless `left` is 1.
    next: usize,
    /// One more than the outputs that `block` still has.
    left: usize,
    /// The second half of a Box–Muller pair whose first half has been handed out.
    spare_normal: Option<f64>,
}

impl Default for Generator {
    fn default() -> Self {
        Self::new(DEFAULT_SEED)
    }
}

impl Generator {
    /// A generator as after `torch.manual_seed(seed)`.
    pub fn new(seed: u64) -> Self {
        let block = state::seeded_words(seed as u32).map(state::temper);
        Self { seed, twister: Mt::from(block), block, next: 0, left: 1, spare_normal: None }
    }

    /// Starts anew from a seed, as `torch.manual_seed`; a negative seed is its two's complement.
    pub fn manual_seed(&mut self, seed: u64) {
        *self = Self::new(seed);
    }

    /// An integer in [0, 2⁵³), from two draws: the seed of a dropout mask.
    pub fn seed53(&mut self) -> u64 {
        self.random64() & ((1 << 53) - 1)
    }

    /// The next 32 bits.
    fn random(&mut self) -> u32 {
        self.left -= 1;
        if self.left == 0 {
            self.block = std::array::from_fn(|_| self.twister.next_u32());
            (self.next, self.left) = (0, BLOCK);
        }
        self.next += 1;
        self.block[self.next - 1]
    }

    /// The next 64 bits.
    fn random64(&mut self) -> u64 {
        let high = u64::from(self.random());
        high << 32 | u64::from(self.random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the reference implementation of MT19937 for its default seed 5489, and its 10 000th, which
    /// the C++ standard fixes for `std::mt19937`.
    #[test]
    fn the_source_is_mt19937() {
        let mut generator = Generator::new(5489);
        assert_eq!(generator.random(), 3_499_211_612);
        assert_eq!(generator.random(), 581_869_302);
        for _ in 2..9_999 {
            generator.random();
        }
        assert_eq!(generator.random(), 4_123_659_995);
    }

    #[test]
    fn only_the_low_half_of_the_seed_counts() {
        let first = |seed: u64| Generator::new(seed).random64();
        assert_eq!(first(1 << 32 | 5), first(5));
        assert_eq!(first((-1i64).cast_unsigned()), first(0xffff_ffff));
        assert_ne!(first(5), first(6));
    }

    #[test]
    fn seeding_forgets_everything() {
        let mut generator = Generator::default();
        let mut one = [0f64];
        generator.normal(&mut one, 0.0, 1.0).unwrap();
        assert!(generator.spare_normal.is_some());
        generator.manual_seed(7);
        assert!(generator.spare_normal.is_none());
        assert_eq!(generator.random64(), Generator::new(7).random64());
    }

    #[test]
    fn seeds_of_masks_have_53_bits() {
        let mut generator = Generator::new(0);
        let mut bits = Generator::new(0);
        for _ in 0..1000 {
            let seed = generator.seed53();
            assert!(seed < 1 << 53);
            assert_eq!(seed, bits.random64() % (1 << 53));
        }
    }
}
