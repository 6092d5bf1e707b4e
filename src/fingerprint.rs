//! Whether arrays still hold what they held.

use elman_kernels::{Context, fingerprint as hash};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, Source};
use crate::env::context::context;
use crate::js::arrays::Floats;
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::export;
use crate::js::memory::for_dtype;

/// The number of bits of an integer that a double holds.
const BITS: u32 = 53;

/// A hash as a number of JavaScript.
pub(crate) fn number(hash: u64) -> f64 {
    (hash >> (u64::BITS - BITS)) as f64
}

/// The hashes of several arrays, which may be of different kinds, as one number.
fn together(hashes: impl Iterator<Item = BindingResult<u64>>) -> BindingResult<f64> {
    let mut all = 0u64;
    for hash in hashes {
        all = (all.rotate_left(17) ^ hash?).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Ok(number(all))
}

/// A number that tells (with probability 1 - 2⁻⁵³) whether any of the arrays has changed.
#[napi(catch_unwind)]
pub fn fingerprint(env: Env, arrays: Vec<Floats<'_>>) -> Result<f64> {
    export(env, || {
        let ctx = context()?;
        together(
            arrays.iter().map(|array| for_dtype!(array.dtype(), T => Ok(hash::<T>(&ctx, [array.get()?])))),
        )
    })
}

/// Throws an error with this message unless the arrays' fingerprint is `expected`.
#[napi(catch_unwind)]
pub fn verify(env: Env, arrays: Vec<Floats<'_>>, expected: f64, message: String) -> Result<f64> {
    work::run(env, || {
        let dtypes = arrays.iter().map(Floats::dtype).collect::<BindingResult<Vec<_>>>()?;
        let arrays: Vec<Source> = arrays.take()?;
        Ok(move |ctx: &Context| {
            let pairs = arrays.iter().zip(dtypes);
            let all = together(
                pairs.map(|(array, dtype)| for_dtype!(dtype, T => Ok(hash::<T>(ctx, [array.get()?])))),
            )?;
            if all == expected || ctx.cancelled() { Ok(0.0) } else { Err(BindingError::Changed(message)) }
        })
    })
}
