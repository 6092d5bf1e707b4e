//! Random numbers.

use elman_train::random;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::env::context::context;
use crate::js::arrays::FloatsMut;
use crate::js::bytes::Bytes;
use crate::js::error::BindingError;
use crate::js::exports::{constructed, export};
use crate::js::memory::for_dtype;

/// PyTorch's generator: the same seed and the same calls give the same numbers.
#[napi]
#[derive(Default)]
pub struct Generator {
    source: random::Generator,
}

#[napi]
impl Generator {
    /// A generator with PyTorch's default seed.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, this: This<'_>) -> Result<Self> {
        constructed(env, &this, "Generator\0")?;
        Ok(Self::default())
    }

    /// Starts anew from an integer from -2⁶³ to 2⁶⁴ - 1; a negative one is its two's complement.
    #[napi(catch_unwind)]
    pub fn manual_seed(&mut self, env: Env, seed: BigInt) -> Result<()> {
        export(env, || {
            let (negative, magnitude) = (seed.sign_bit, seed.words[0]);
            let in_range = seed.words.len() == 1 && !(negative && magnitude > 1 << 63);
            if !in_range {
                return Err(BindingError::Range("Overflow when unpacking long long".into()));
            }
            self.source.manual_seed(if negative { magnitude.wrapping_neg() } else { magnitude });
            Ok(())
        })
    }

    /// The state, in PyTorch's format.
    #[napi(catch_unwind)]
    pub fn get_state<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>> {
        Uint8ArraySlice::copy_from(env, self.source.state())
    }

    /// Goes on from where the state was taken.
    #[napi(catch_unwind)]
    pub fn set_state(&mut self, env: Env, state: Bytes<'_>) -> Result<()> {
        export(env, || Ok(self.source.set_state(state.get())?))
    }

    /// Fills `out` evenly from [low, high).
    #[napi(catch_unwind)]
    pub fn uniform(&mut self, env: Env, out: FloatsMut<'_>, low: f64, high: f64) -> Result<()> {
        export(env, || {
            let isa = context()?.isa();
            for_dtype!(out.dtype(), T => Ok(self.source.uniform::<T>(isa, out.get()?, low, high)?))
        })
    }

    /// Fills `out` with normal numbers.
    #[napi(catch_unwind)]
    pub fn normal(&mut self, env: Env, out: FloatsMut<'_>, mean: f64, std: f64) -> Result<()> {
        export(env, || for_dtype!(out.dtype(), T => Ok(self.source.normal::<T>(out.get()?, mean, std)?)))
    }

    /// An integer in [0, 2⁵³), from two draws: the seed of a dropout mask.
    #[napi(catch_unwind)]
    pub fn seed53(&mut self) -> f64 {
        self.source.seed53() as f64
    }
}
