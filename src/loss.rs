//! Losses.

use elman_kernels::Context;
use elman_train::Reduction;
use elman_train::cross_entropy::CrossEntropy;
use elman_train::pointwise::{self, Absolute, LogisticCrossEntropy, Squared};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, done, optional_mut};
use crate::env::context::context;
use crate::js::arrays::{Floats, FloatsMut, Ints, disjoint};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::compute;
use crate::js::memory::for_dtype;
use crate::js::numbers::{integer, size};

fn reduction(name: &str) -> BindingResult<Reduction> {
    match name {
        "none" => Ok(Reduction::None),
        "mean" => Ok(Reduction::Mean),
        "sum" => Ok(Reduction::Sum),
        other => Err(BindingError::Range(format!("{other} is not a valid value for reduction"))),
    }
}

fn cross_entropy(
    rows: f64,
    classes: f64,
    ignore_index: f64,
    reduction_name: &str,
) -> BindingResult<CrossEntropy> {
    Ok(CrossEntropy {
        rows: size(rows, "rows")?,
        classes: size(classes, "classes")?,
        ignore_index: integer(ignore_index, "ignore_index")?,
        reduction: reduction(reduction_name)?,
    })
}

/// Writes `-log softmax(logits)[target]` of each row, its mean or its sum into `out`.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)] // two arrays, two sizes and two options
pub fn cross_entropy_forward(
    env: Env,
    logits: Floats<'_>,
    targets: Ints<'_>,
    rows: f64,
    classes: f64,
    ignore_index: f64,
    reduction: String,
    out: FloatsMut<'_>,
) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&logits, &targets])?;
        let loss = cross_entropy(rows, classes, ignore_index, &reduction)?;
        for_dtype!(logits.dtype()?, T => Ok(loss.forward::<T>(&context()?, logits.get()?, targets.get()?, out.get()?)?))
    })
}

/// Writes the gradient of the logits.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)] // the arrays, their sizes and the options of the loss
pub fn cross_entropy_backward(
    env: Env,
    logits: Floats<'_>,
    targets: Ints<'_>,
    rows: f64,
    classes: f64,
    ignore_index: f64,
    reduction: String,
    grad_out: Floats<'_>,
    grad_logits: FloatsMut<'_>,
) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&grad_logits], &[&logits, &targets, &grad_out])?;
        let loss = cross_entropy(rows, classes, ignore_index, &reduction)?;
        let dtype = logits.dtype()?;
        let (logits, targets) = (logits.take()?, targets.take()?);
        let (grad_out, mut grad_logits) = (grad_out.take()?, grad_logits.take()?);
        Ok(move |ctx: &Context| {
            done(for_dtype!(dtype, T => {
                Ok(loss.backward::<T>(ctx, logits.get()?, targets.get()?, grad_out.get()?, grad_logits.get()?)?)
            }))
        })
    })
}

/// Runs `$body` with `$loss` the loss of this name.
macro_rules! for_loss {
    ($name:expr, $loss:ident => $body:expr) => {
        match $name {
            "squared" => {
                let $loss = Squared;
                $body
            }
            "absolute" => {
                let $loss = Absolute;
                $body
            }
            "logistic" => {
                let $loss = LogisticCrossEntropy;
                $body
            }
            other => Err(BindingError::Range(format!("there is no loss called {other}"))),
        }
    };
}

/// Writes the loss of each element against its target, their mean or their sum into `out`. `loss` is `squared`,
/// `absolute` or `logistic`.
#[napi(catch_unwind)]
pub fn pointwise_forward(
    env: Env,
    loss: String,
    input: Floats<'_>,
    target: Floats<'_>,
    reduction: String,
    out: FloatsMut<'_>,
) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&input, &target])?;
        let reduction = self::reduction(&reduction)?;
        for_loss!(loss.as_str(), loss => for_dtype!(input.dtype(), T => {
            let (input, target, out) = (input.get::<T>()?, target.get()?, out.get()?);
            Ok(pointwise::forward(&context()?, loss, input, target, reduction, out)?)
        }))
    })
}

/// Writes the gradients that are wanted.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)] // two arrays, their gradients and the options of the loss
pub fn pointwise_backward(
    env: Env,
    loss: String,
    input: Floats<'_>,
    target: Floats<'_>,
    reduction: String,
    grad_out: Floats<'_>,
    grad_input: Option<FloatsMut<'_>>,
    grad_target: Option<FloatsMut<'_>>,
) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&grad_input, &grad_target], &[&input, &target, &grad_out])?;
        let reduction = self::reduction(&reduction)?;
        let dtype = input.dtype()?;
        let (input, target, grad_out) = (input.take()?, target.take()?, grad_out.take()?);
        let (mut grad_input, mut grad_target) = (grad_input.take()?, grad_target.take()?);
        Ok(move |ctx: &Context| {
            done(for_loss!(loss.as_str(), loss => for_dtype!(dtype, T => {
                let grad_input = optional_mut(grad_input.as_mut())?;
                let grad_target = optional_mut(grad_target.as_mut())?;
                let (input, target, grad_out) = (input.get::<T>()?, target.get()?, grad_out.get()?);
                Ok(pointwise::backward(ctx, loss, input, target, reduction, grad_out, grad_input, grad_target)?)
            })))
        })
    })
}
