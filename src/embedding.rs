//! An embedding: rows of a table.

use elman_kernels::Context;
use elman_train::embedding::Embedding;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, done};
use crate::js::arrays::{Floats, FloatsMut, Ints, disjoint};
use crate::js::error::BindingResult;
use crate::js::exports::export;
use crate::js::memory::for_dtype;
use crate::js::numbers::{integer, size};

fn table(num_embeddings: f64, embedding_dim: f64) -> BindingResult<Embedding> {
    Ok(Embedding {
        rows: size(num_embeddings, "num_embeddings")?,
        features: size(embedding_dim, "embedding_dim")?,
    })
}

/// Writes the rows that `indices` name into `out`.
#[napi(catch_unwind)]
pub fn embedding_forward(
    env: Env,
    weight: Floats<'_>,
    indices: Ints<'_>,
    num_embeddings: f64,
    embedding_dim: f64,
    out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&weight, &indices])?;
        let table = table(num_embeddings, embedding_dim)?;
        for_dtype!(weight.dtype(), T => Ok(table.forward::<T>(weight.get()?, indices.get()?, out.get()?)?))
    })
}

/// Writes the gradient of the table; the row `paddingIdx` gets none (-1: every row gets one).
#[napi(catch_unwind)]
pub fn embedding_backward(
    env: Env,
    grad_out: Floats<'_>,
    indices: Ints<'_>,
    num_embeddings: f64,
    embedding_dim: f64,
    padding_idx: f64,
    grad_weight: FloatsMut<'_>,
) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&grad_weight], &[&grad_out, &indices])?;
        let table = table(num_embeddings, embedding_dim)?;
        // A row beyond the numbers of an index is named by none.
        let padding = i32::try_from(integer(padding_idx, "padding_idx")?).ok();
        let dtype = grad_out.dtype()?;
        let (grad_out, indices, mut grad_weight) = (grad_out.take()?, indices.take()?, grad_weight.take()?);
        Ok(move |_: &Context| {
            done(for_dtype!(dtype, T => {
                Ok(table.backward::<T>(grad_out.get()?, indices.get()?, padding, grad_weight.get()?)?)
            }))
        })
    })
}
