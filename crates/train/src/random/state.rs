//! The state of a generator as bytes, laid out as PyTorch does: either can go on from where the other one was.
//!
//! ```text
//!     0  seed                                  u64
//!     8  left, 1…624                           i32
//!    12  seeded, always 1                      i32
//!    16  next, 0…624                           u64
//!    24  the 624 words of the Mersenne Twister u64 each, of 32 bits
//!  5016  0                                     f64
//!  5024  the normal number kept for later      f64, 0 if there is none
//!  5032  0                                     f64
//!  5040  whether there is one                  i32
//!  5044  0                                     12 bytes
//! ```
//!
//! All numbers are little endian. Word `next` gives the next output; with `left` = 1 a new block of words comes first.
//! Otherwise `left` is 625 - `next`. An output is its word tempered:
//!
//! ```text
//! y = x ⊕ (x ≫ 11);   y ← y ⊕ (y ≪ 7 ∧ 9d2c5680);   y ← y ⊕ (y ≪ 15 ∧ efc60000);   y ← y ⊕ (y ≫ 18)
//! ```
//!
//! Each step is undone by repeating it until the bits that it mixed in have fallen out.

use super::{BLOCK, Generator, Mt};
use crate::Error;

const LENGTH: usize = 5056;
const WORDS: usize = 24;
const NORMAL: usize = 5024;
const NORMAL_KEPT: usize = 5040;

/// The mask of the second step of tempering, and that of the third.
const MASKS: [u32; 2] = [0x9d2c_5680, 0xefc6_0000];

impl Generator {
    /// The state, to be given to [`Generator::set_state`]: the bytes of `torch.get_rng_state()`.
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend((self.left as u32).to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend((self.next as u64).to_le_bytes());
        bytes.extend(self.block.iter().flat_map(|&output| u64::from(untemper(output)).to_le_bytes()));
        bytes.resize(NORMAL, 0);
        bytes.extend(self.spare_normal.unwrap_or(0.0).to_le_bytes());
        bytes.resize(NORMAL_KEPT, 0);
        bytes.push(u8::from(self.spare_normal.is_some()));
        bytes.resize(LENGTH, 0);
        bytes
    }

    /// Goes on from where `state` was taken.
    ///
    /// # Errors
    ///
    /// [`Error::RandomState`] if the bytes are no state; the generator is unchanged then.
    pub fn set_state(&mut self, state: &[u8]) -> Result<(), Error> {
        *self = parse(state).map_err(|reason| Error::RandomState { reason })?;
        Ok(())
    }
}

fn parse(state: &[u8]) -> Result<Generator, String> {
    if state.len() != LENGTH {
        return Err(format!("expected {LENGTH} bytes, got {}", state.len()));
    }
    let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| state[at + i]));
    let short = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| state[at + i]));
    let (left, next) = (short(8) as usize, long(16));
    let position = usize::try_from(next).ok().filter(|&next| {
        short(12) == 1
            && next <= BLOCK
            && (left == 1 || (1..=BLOCK).contains(&left) && left + next == BLOCK + 1)
    });
    let Some(next) = position else {
        return Err(format!("{left} words left after word {next} is no position"));
    };

    let mut block = [0; BLOCK];
    for (i, output) in block.iter_mut().enumerate() {
        let word = long(WORDS + 8 * i);
        *output = u32::try_from(word)
            .map(temper)
            .map_err(|_| format!("word {i} is {word:#x}, expected 32 bits"))?;
    }
    if block == [0; BLOCK] {
        return Err("all words are zero, which no seed leads to".to_owned());
    }

    let normal = f64::from_bits(long(NORMAL));
    let spare_normal = match short(NORMAL_KEPT) {
        0 => None,
        1 if normal.is_finite() => Some(normal),
        kept => return Err(format!("expected a normal number that is kept or none, got {kept} of {normal}")),
    };
    Ok(Generator { seed: long(0), twister: Mt::from(block), block, next, left, spare_normal })
}

/// The words of a Mersenne Twister that was just seeded.
pub(super) fn seeded_words(seed: u32) -> [u32; BLOCK] {
    let mut words = [seed; BLOCK];
    for i in 1..BLOCK {
        let before = words[i - 1];
        words[i] = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
    }
    words
}

/// A word's output.
pub(super) fn temper(word: u32) -> u32 {
    let y = word ^ (word >> 11);
    let y = y ^ (y << 7 & MASKS[0]);
    let y = y ^ (y << 15 & MASKS[1]);
    y ^ (y >> 18)
}

/// The word of an output.
fn untemper(output: u32) -> u32 {
    let undone = |y: u32, step: &dyn Fn(u32) -> u32| (0..4).fold(y, |x, _| y ^ step(x));
    let y = undone(output, &|x| x >> 18);
    let y = undone(y, &|x| x << 15 & MASKS[1]);
    let y = undone(y, &|x| x << 7 & MASKS[0]);
    undone(y, &|x| x >> 11)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elman_kernels::Isa;
    use proptest::prelude::*;

    fn numbers(generator: &mut Generator) -> (u64, [u64; 5], [u64; 700]) {
        let mut normals = [0f64; 5];
        generator.normal(&mut normals, 0.0, 1.0).unwrap();
        (generator.seed53(), normals.map(f64::to_bits), std::array::from_fn(|_| generator.random64()))
    }

    proptest! {
        #[test]
        fn a_restored_generator_goes_on_with_the_same_numbers(
            seed: u64,
            draws in 0usize..2000,
            normals in 0usize..4,
        ) {
            let mut generator = Generator::new(seed);
            for _ in 0..draws {
                generator.random();
            }
            generator.normal(&mut vec![0f32; normals], 0.0, 1.0).unwrap();
            let state = generator.state();
            let mut restored = Generator::new(seed ^ 1);
            restored.set_state(&state).unwrap();
            prop_assert_eq!(restored.state(), state);
            prop_assert_eq!(numbers(&mut restored), numbers(&mut generator));
        }

        #[test]
        fn tempering_is_undone(word: u32) {
            prop_assert_eq!(untemper(temper(word)), word);
        }
    }

    /// FNV-1a of the bytes of `torch.get_rng_state()`, torch 2.13.
    #[test]
    fn the_bytes_are_pytorchs() {
        let hash = |generator: &Generator| {
            let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            generator.state().iter().fold(0xcbf2_9ce4_8422_2325, step)
        };
        // manual_seed(7)
        let mut generator = Generator::new(7);
        assert_eq!(hash(&generator), 0x7f4e_d5c4_4183_ee68);
        // manual_seed(-1); rand(624)
        generator.manual_seed(u64::MAX);
        generator.uniform(Isa::detect(), &mut [0f32; 624], 0.0, 1.0).unwrap();
        assert_eq!(hash(&generator), 0x3b05_f4f9_763d_4f73);
        // manual_seed(2 ** 40 + 5); rand(700); randn(3), whose spare number is the C library's.
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            generator.manual_seed((1 << 40) + 5);
            generator.uniform(Isa::detect(), &mut [0f32; 700], 0.0, 1.0).unwrap();
            generator.normal(&mut [0f32; 3], 0.0, 1.0).unwrap();
            assert_eq!(hash(&generator), 0x0770_7c24_f7d3_0ffd);
        }
    }

    #[test]
    fn what_is_no_state_is_refused_and_changes_nothing() {
        let mut generator = Generator::new(4);
        generator.random();
        let good = generator.state();
        let mut refuse = |bytes: &[u8]| {
            let before = generator.state();
            let error = generator.set_state(bytes).unwrap_err().to_string();
            assert_eq!(generator.state(), before);
            error.strip_prefix("not a state of this random number generator: ").unwrap().to_owned()
        };
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(refuse(&[]), "expected 5056 bytes, got 0");
        assert_eq!(refuse(&good[8..]), "expected 5056 bytes, got 5048");
        assert_eq!(refuse(&changed(12, 0)), "624 words left after word 1 is no position");
        assert_eq!(refuse(&changed(16, 2)), "624 words left after word 2 is no position");
        assert_eq!(refuse(&changed(23, 1)), "624 words left after word 72057594037927937 is no position");
        assert_eq!(refuse(&changed(11, 1)), "16777840 words left after word 1 is no position");
        assert!(refuse(&changed(28, 1)).starts_with("word 0 is 0x1"));
        assert_eq!(refuse(&changed(5040, 2)), "expected a normal number that is kept or none, got 2 of 0");
        let mut infinite = changed(5040, 1);
        infinite[5024..5032].copy_from_slice(&f64::INFINITY.to_le_bytes());
        assert_eq!(refuse(&infinite), "expected a normal number that is kept or none, got 1 of inf");
        let mut zeros = good.clone();
        zeros[24..5016].fill(0);
        assert_eq!(refuse(&zeros), "all words are zero, which no seed leads to");
    }
}
