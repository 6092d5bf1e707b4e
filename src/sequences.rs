//! The geometry of a batch of sequences.

use elman_rnn::Layout;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::export;
use crate::slice::{Ints, size};

/// How the rows of a batch of sequences lie; made once for a shape and set of lengths.
#[napi]
pub struct Sequences {
    pub(crate) layout: Layout,
}

#[napi]
impl Sequences {
    /// Arrays of shape (T, B, F), or (B, T, F) if `batchFirst`; sequence b is `lengths[b]` steps long, or T.
    #[napi(factory, catch_unwind)]
    pub fn padded(
        env: Env,
        steps: f64,
        batch: f64,
        batch_first: bool,
        #[napi(ts_arg_type = "Int32Array | null")] lengths: Option<Ints<'_>>,
    ) -> Result<Self> {
        export(env, || {
            let (steps, batch) = (size(steps, "the sequence length")?, size(batch, "the batch size")?);
            let lengths = lengths.as_ref().map(Ints::get);
            Ok(Self { layout: Layout::padded(steps, batch, batch_first, lengths)? })
        })
    }

    /// Packed arrays: step t has `batchSizes[t]` rows; `sortedIndices[b]` is the caller's number of sequence b.
    #[napi(factory, catch_unwind)]
    pub fn packed(
        env: Env,
        #[napi(ts_arg_type = "Int32Array")] batch_sizes: Ints<'_>,
        #[napi(ts_arg_type = "Int32Array | null")] sorted_indices: Option<Ints<'_>>,
    ) -> Result<Self> {
        export(env, || {
            let indices = sorted_indices.as_ref().map(Ints::get);
            Ok(Self { layout: Layout::packed(batch_sizes.get(), indices)? })
        })
    }
}
