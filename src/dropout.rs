//! Inverted dropout.

use elman_kernels::{Context, dropout as mask};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, done};
use crate::js::arrays::{Floats, FloatsMut, disjoint};
use crate::js::error::{BindingError, BindingResult};
use crate::js::memory::for_dtype;
use crate::js::numbers::integer;

/// Zeroes elements with probability `p` and scales the others by 1 / (1 - p). The mask is a function of the
/// seed and the elements' positions, so the same call computes the gradient from that of the output.
#[napi(catch_unwind)]
pub fn dropout(env: Env, x: Floats<'_>, p: f64, seed: f64, out: FloatsMut<'_>) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&out], &[&x])?;
        if !(0.0..=1.0).contains(&p) {
            return Err(BindingError::Range(format!(
                "dropout probability has to be between 0 and 1, but got {p}"
            )));
        }
        let seed = integer(seed, "the seed of dropout")?.cast_unsigned();
        let dtype = x.dtype()?;
        let (x, mut out) = (x.take()?, out.take()?);
        Ok(move |ctx: &Context| {
            done(for_dtype!(dtype, T => {
                let (x, out) = (x.get::<T>()?, out.get()?);
                same_length("out", x.len(), out.len())?;
                mask(ctx.isa(), x, p, seed, 0, out);
                Ok(())
            }))
        })
    })
}

fn same_length(array: &str, expected: usize, actual: usize) -> BindingResult<()> {
    if expected == actual {
        return Ok(());
    }
    Err(BindingError::Range(format!("{array}: expected {expected} elements, got {actual}")))
}
