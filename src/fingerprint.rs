//! Whether arrays still hold what they held.

use elman_kernels::{Context, fingerprint as hash};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{Checked, Failure, export};
use crate::runtime::context;
use crate::slice::{Floats, for_dtype};
use crate::work::{self, Portable, Source};

/// The number of bits of an integer that a double holds.
const BITS: u32 = 53;

/// A hash as a number of JavaScript.
pub(crate) fn number(hash: u64) -> f64 {
    (hash >> (u64::BITS - BITS)) as f64
}

/// Adds the hash of another array to that of those before it.
fn joined(before: u64, hash: u64) -> u64 {
    (before.rotate_left(17) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The error of a graph whose saved values are not what they were.
pub(crate) fn changed(owner: &str) -> Failure {
    Failure::Changed(format!(
        "one of the variables needed for gradient computation has been modified by an inplace operation: \
         something was written into the data of a tensor that {owner} has kept since its forward pass"
    ))
}

/// A number that tells (with probability 1 - 2⁻⁵³) whether any of the arrays has changed.
#[napi(catch_unwind)]
pub fn fingerprint(
    env: Env,
    #[napi(ts_arg_type = "(Float32Array | Float64Array)[]")] arrays: Vec<Floats<'_>>,
) -> Result<f64> {
    export(env, || {
        let ctx = context()?;
        let mut all = 0;
        for array in &arrays {
            all = joined(all, for_dtype!(array.dtype(), T => Ok(hash::<T>(&ctx, [array.get()?])))?);
        }
        Ok(number(all))
    })
}

/// Throws unless the arrays' fingerprint is `expected`; `owner` is the operation that has kept them.
#[napi(catch_unwind)]
pub fn verify(
    env: Env,
    #[napi(ts_arg_type = "(Float32Array | Float64Array)[]")] arrays: Vec<Floats<'_>>,
    expected: f64,
    owner: String,
) -> Result<f64> {
    work::run(env, || {
        let dtypes = arrays.iter().map(Floats::dtype).collect::<Checked<Vec<_>>>()?;
        let arrays: Vec<Source> = arrays.take()?;
        Ok(move |ctx: &Context| {
            let mut all = 0;
            for (array, dtype) in arrays.iter().zip(dtypes) {
                all = joined(all, for_dtype!(dtype, T => Ok(hash::<T>(ctx, [array.get()?])))?);
            }
            if number(all) == expected || ctx.cancelled() { Ok(0.0) } else { Err(changed(&owner)) }
        })
    })
}
