//! Optimizers, one parameter at a time, and the norm by which gradients are clipped.

use elman_train::adam::{Adam, Moments};
use elman_train::clip::total_norm;
use elman_train::rmsprop::{Averages, RmsProp};
use elman_train::sgd::Sgd;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::env::context::context;
use crate::js::arrays::{Floats, FloatsMut, disjoint};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::compute;
use crate::js::memory::for_dtype;
use crate::js::numbers::size;

/// Options of a step of SGD.
#[napi(object, object_to_js = false)]
pub struct SgdStepOptions {
    /// Learning rate.
    pub lr: f64,
    /// Momentum.
    pub momentum: f64,
    /// Dampening: the share of a gradient that does not enter the momentum.
    pub dampening: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether to look ahead along the momentum.
    pub nesterov: bool,
    /// Whether to maximize.
    pub maximize: bool,
}

/// Options of a step of Adam.
#[napi(object, object_to_js = false)]
pub struct AdamStepOptions {
    /// Learning rate.
    pub lr: f64,
    /// How much of the gradient's running mean is kept.
    pub beta1: f64,
    /// How much of the running mean of its square is kept.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient: `AdamW`.
    pub decoupled: bool,
    /// Whether to maximize.
    pub maximize: bool,
}

/// Options of a step of `RMSprop`.
#[napi(object, object_to_js = false)]
pub struct RmspropStepOptions {
    /// Learning rate.
    pub lr: f64,
    /// How much of the running means is kept.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Momentum.
    pub momentum: f64,
    /// Whether to maximize.
    pub maximize: bool,
}

/// Updates `param` and, with momentum, `momentumBuffer`, which holds nothing yet if `first`.
#[napi(catch_unwind)]
pub fn sgd_step(
    env: Env,
    param: FloatsMut<'_>,
    grad: Floats<'_>,
    momentum_buffer: Option<FloatsMut<'_>>,
    first: bool,
    options: SgdStepOptions,
) -> Result<()> {
    compute(env, || {
        disjoint(&[&param, &momentum_buffer], &[&grad])?;
        let SgdStepOptions { lr, momentum, dampening, weight_decay, nesterov, maximize } = options;
        let sgd = Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize };
        for_dtype!(grad.dtype(), T => {
            let buffer = momentum_buffer.map(FloatsMut::get).transpose()?;
            Ok(sgd.step::<T>(&context()?, param.get()?, grad.get()?, buffer, first)?)
        })
    })
}

/// Updates `param` and the moments; `maxExpAvgSq` turns AMSGrad on. `step` counts from 1.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)] // what Adam keeps of a parameter
pub fn adam_step(
    env: Env,
    param: FloatsMut<'_>,
    grad: Floats<'_>,
    exp_avg: FloatsMut<'_>,
    exp_avg_sq: FloatsMut<'_>,
    max_exp_avg_sq: Option<FloatsMut<'_>>,
    step: f64,
    options: AdamStepOptions,
) -> Result<()> {
    compute(env, || {
        disjoint(&[&param, &exp_avg, &exp_avg_sq, &max_exp_avg_sq], &[&grad])?;
        if size(step, "step")? == 0 {
            return Err(BindingError::Range("step counts from 1, got 0".into()));
        }
        let AdamStepOptions { lr, beta1, beta2, eps, weight_decay, decoupled, maximize } = options;
        let adam = Adam { lr, beta1, beta2, eps, weight_decay, decoupled, maximize };
        for_dtype!(grad.dtype(), T => {
            let moments = Moments {
                exp_avg: exp_avg.get()?,
                exp_avg_sq: exp_avg_sq.get()?,
                max_exp_avg_sq: max_exp_avg_sq.map(FloatsMut::get).transpose()?,
            };
            Ok(adam.step::<T>(&context()?, param.get()?, grad.get()?, moments, step)?)
        })
    })
}

/// Updates `param` and the averages; `gradAvg` makes the step a centered one, `momentumBuffer` is for momentum.
#[napi(catch_unwind)]
pub fn rmsprop_step(
    env: Env,
    param: FloatsMut<'_>,
    grad: Floats<'_>,
    square_avg: FloatsMut<'_>,
    grad_avg: Option<FloatsMut<'_>>,
    momentum_buffer: Option<FloatsMut<'_>>,
    options: RmspropStepOptions,
) -> Result<()> {
    compute(env, || {
        disjoint(&[&param, &square_avg, &grad_avg, &momentum_buffer], &[&grad])?;
        let RmspropStepOptions { lr, alpha, eps, weight_decay, momentum, maximize } = options;
        let rmsprop = RmsProp { lr, alpha, eps, weight_decay, momentum, maximize };
        for_dtype!(grad.dtype(), T => {
            let averages = Averages {
                square_avg: square_avg.get()?,
                grad_avg: grad_avg.map(FloatsMut::get).transpose()?,
                momentum_buffer: momentum_buffer.map(FloatsMut::get).transpose()?,
            };
            Ok(rmsprop.step::<T>(&context()?, param.get()?, grad.get()?, averages)?)
        })
    })
}

/// The norm of some gradients taken together; 0 if there are none.
#[napi(catch_unwind)]
pub fn grad_norm(env: Env, grads: Vec<Floats<'_>>, norm_type: f64) -> Result<f64> {
    compute(env, || {
        let Some(first) = grads.first() else { return Ok(0.0) };
        for_dtype!(first.dtype(), T => {
            let grads = grads.iter().map(Floats::get).collect::<BindingResult<Vec<&[T]>>>()?;
            Ok(total_norm(&context()?, &grads, norm_type))
        })
    })
}
