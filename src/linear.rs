//! A linear layer: y = x Wᵀ + b.

use elman_kernels::Context;
use elman_train::linear::{Gradients, Linear};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, done, optional_mut};
use crate::env::context::context;
use crate::js::arrays::{Floats, FloatsMut, disjoint};
use crate::js::error::BindingResult;
use crate::js::exports::compute;
use crate::js::memory::for_dtype;
use crate::js::numbers::size;

fn shape(rows: f64, in_features: f64, out_features: f64) -> BindingResult<Linear> {
    Ok(Linear {
        rows: size(rows, "rows")?,
        in_features: size(in_features, "in_features")?,
        out_features: size(out_features, "out_features")?,
    })
}

/// Writes y = x Wᵀ + b into `out`.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)] // three arrays and their three sizes
pub fn linear_forward(
    env: Env,
    x: Floats<'_>,
    weight: Floats<'_>,
    bias: Option<Floats<'_>>,
    rows: f64,
    in_features: f64,
    out_features: f64,
    out: FloatsMut<'_>,
) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&x, &weight, &bias])?;
        let linear = shape(rows, in_features, out_features)?;
        for_dtype!(x.dtype(), T => {
            let bias = bias.map(|bias| bias.get()).transpose()?;
            Ok(linear.forward::<T>(&context()?, x.get()?, weight.get()?, bias, out.get()?)?)
        })
    })
}

/// Writes the gradients that are wanted.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)] // as `linear_forward`, and the gradients
pub fn linear_backward(
    env: Env,
    x: Floats<'_>,
    weight: Floats<'_>,
    grad_out: Floats<'_>,
    rows: f64,
    in_features: f64,
    out_features: f64,
    grad_x: Option<FloatsMut<'_>>,
    grad_weight: Option<FloatsMut<'_>>,
    grad_bias: Option<FloatsMut<'_>>,
) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&grad_x, &grad_weight, &grad_bias], &[&x, &weight, &grad_out])?;
        let linear = shape(rows, in_features, out_features)?;
        let dtype = x.dtype()?;
        let (x, weight, grad_out) = (x.take()?, weight.take()?, grad_out.take()?);
        let (mut grad_x, mut grad_weight, mut grad_bias) =
            (grad_x.take()?, grad_weight.take()?, grad_bias.take()?);
        Ok(move |ctx: &Context| {
            done(for_dtype!(dtype, T => {
                let gradients = Gradients::<T> {
                    input: optional_mut(grad_x.as_mut())?,
                    weight: optional_mut(grad_weight.as_mut())?,
                    bias: optional_mut(grad_bias.as_mut())?,
                };
                Ok(linear.backward(ctx, x.get()?, weight.get()?, grad_out.get()?, gradients)?)
            }))
        })
    })
}
