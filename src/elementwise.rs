//! Arithmetic of the tensor type, and its strided views.

use elman_kernels::{Activation, Context, Element};
use elman_train::{elementwise, strided::View};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, done};
use crate::env::context::context;
use crate::js::arrays::{Array, Floats, FloatsMut, disjoint};
use crate::js::error::BindingResult;
use crate::js::exports::compute;
use crate::js::memory::for_dtype;
use crate::js::numbers::size;

/// out = a + b.
#[napi(catch_unwind)]
pub fn add(env: Env, a: Floats<'_>, b: Floats<'_>, out: FloatsMut<'_>) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&a, &b])?;
        for_dtype!(a.dtype(), T => Ok(elementwise::add::<T>(&context()?, a.get()?, b.get()?, out.get()?)?))
    })
}

/// out = a + value.
#[napi(catch_unwind)]
pub fn add_scalar(env: Env, a: Floats<'_>, value: f64, out: FloatsMut<'_>) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&a])?;
        for_dtype!(a.dtype(), T => Ok(elementwise::add_scalar::<T>(&context()?, a.get()?, value, out.get()?)?))
    })
}

/// out = a · b.
#[napi(catch_unwind)]
pub fn mul(env: Env, a: Floats<'_>, b: Floats<'_>, out: FloatsMut<'_>) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&out], &[&a, &b])?;
        let dtype = a.dtype()?;
        let (a, b, mut out) = (a.take()?, b.take()?, out.take()?);
        Ok(move |ctx: &Context| {
            done(for_dtype!(dtype, T => Ok(elementwise::mul::<T>(ctx, a.get()?, b.get()?, out.get()?)?)))
        })
    })
}

/// out = a · value; `out` may be `a` itself.
#[napi(catch_unwind)]
pub fn mul_scalar(env: Env, a: Floats<'_>, value: f64, out: FloatsMut<'_>) -> Result<f64> {
    let same = a.memory().is_ok_and(|place| out.memory().is_ok_and(|memory| memory == place));
    if same {
        return compute(env, || {
            for_dtype!(a.dtype(), T => {
                elementwise::scale(&context()?, out.get::<T>()?, value);
                Ok(0.0)
            })
        });
    }
    work::run(env, || {
        disjoint(&[&out], &[&a])?;
        let dtype = a.dtype()?;
        let (a, mut out) = (a.take()?, out.take()?);
        Ok(move |ctx: &Context| {
            done(for_dtype!(dtype, T => Ok(elementwise::mul_scalar::<T>(ctx, a.get()?, value, out.get()?)?)))
        })
    })
}

/// target ← target + source.
#[napi(catch_unwind)]
pub fn accumulate(env: Env, target: FloatsMut<'_>, source: Floats<'_>) -> Result<()> {
    compute(env, || {
        disjoint(&[&target], &[&source])?;
        for_dtype!(source.dtype(), T => Ok(elementwise::accumulate::<T>(&context()?, target.get()?, source.get()?)?))
    })
}

/// Limits every element of `values` to the range from `-limit` to `limit`; NaN stays.
#[napi(catch_unwind)]
pub fn clip(env: Env, values: FloatsMut<'_>, limit: f64) -> Result<()> {
    compute(env, || {
        for_dtype!(values.dtype(), T => {
            elementwise::clip::<T>(&context()?, values.get()?, limit);
            Ok(())
        })
    })
}

/// out = tanh x.
#[napi(catch_unwind)]
pub fn tanh(env: Env, x: Floats<'_>, out: FloatsMut<'_>) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&x])?;
        for_dtype!(x.dtype(), T => Ok(elementwise::activate::<T>(&context()?, Activation::Tanh, x.get()?, out.get()?)?))
    })
}

/// out = max(x, 0).
#[napi(catch_unwind)]
pub fn relu(env: Env, x: Floats<'_>, out: FloatsMut<'_>) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&x])?;
        for_dtype!(x.dtype(), T => Ok(elementwise::activate::<T>(&context()?, Activation::Relu, x.get()?, out.get()?)?))
    })
}

/// out = 1 / (1 + e^-x).
#[napi(catch_unwind)]
pub fn sigmoid(env: Env, x: Floats<'_>, out: FloatsMut<'_>) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&x])?;
        for_dtype!(x.dtype(), T => Ok(elementwise::activate::<T>(&context()?, Activation::Sigmoid, x.get()?, out.get()?)?))
    })
}

/// dx = dy (1 - y²) for y = tanh x.
#[napi(catch_unwind)]
pub fn tanh_backward(env: Env, y: Floats<'_>, dy: Floats<'_>, dx: FloatsMut<'_>) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&dx], &[&y, &dy])?;
        let dtype = y.dtype()?;
        let (y, dy, mut dx) = (y.take()?, dy.take()?, dx.take()?);
        Ok(move |ctx: &Context| {
            done(
                for_dtype!(dtype, T => Ok(elementwise::activate_backward::<T>(ctx, Activation::Tanh, y.get()?, dy.get()?, dx.get()?)?)),
            )
        })
    })
}

/// dx = dy where y > 0, else 0, for y = max(x, 0).
#[napi(catch_unwind)]
pub fn relu_backward(env: Env, y: Floats<'_>, dy: Floats<'_>, dx: FloatsMut<'_>) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&dx], &[&y, &dy])?;
        let dtype = y.dtype()?;
        let (y, dy, mut dx) = (y.take()?, dy.take()?, dx.take()?);
        Ok(move |ctx: &Context| {
            done(
                for_dtype!(dtype, T => Ok(elementwise::activate_backward::<T>(ctx, Activation::Relu, y.get()?, dy.get()?, dx.get()?)?)),
            )
        })
    })
}

/// dx = dy y (1 - y) for y = 1 / (1 + e^-x).
#[napi(catch_unwind)]
pub fn sigmoid_backward(env: Env, y: Floats<'_>, dy: Floats<'_>, dx: FloatsMut<'_>) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&dx], &[&y, &dy])?;
        let dtype = y.dtype()?;
        let (y, dy, mut dx) = (y.take()?, dy.take()?, dx.take()?);
        Ok(move |ctx: &Context| {
            done(
                for_dtype!(dtype, T => Ok(elementwise::activate_backward::<T>(ctx, Activation::Sigmoid, y.get()?, dy.get()?, dx.get()?)?)),
            )
        })
    })
}

/// Every element becomes `value`.
#[napi(catch_unwind)]
pub fn fill(env: Env, out: FloatsMut<'_>, value: f64) -> Result<f64> {
    work::run(env, || {
        let dtype = out.dtype()?;
        let mut out = out.take()?;
        Ok(move |_: &Context| {
            done(for_dtype!(dtype, T => {
                out.get::<T>()?.fill(T::from_f64(value));
                Ok(())
            }))
        })
    })
}

/// Σ x.
#[napi(catch_unwind)]
pub fn sum(env: Env, x: Floats<'_>) -> Result<f64> {
    compute(env, || for_dtype!(x.dtype(), T => Ok(elementwise::sum::<T>(&context()?, x.get()?))))
}

/// Copies a strided view of `source` into the row-major array `out`. Strides are in elements.
#[napi(catch_unwind)]
pub fn copy_strided(
    env: Env,
    source: Floats<'_>,
    offset: f64,
    shape: Vec<f64>,
    strides: Vec<f64>,
    out: FloatsMut<'_>,
) -> Result<()> {
    compute(env, || {
        disjoint(&[&out], &[&source])?;
        let (offset, shape, strides) = (size(offset, "offset")?, sizes(&shape)?, sizes(&strides)?);
        let view = View { offset, shape: &shape, strides: &strides };
        for_dtype!(source.dtype(), T => Ok(view.copy::<T>(source.get()?, out.get()?)?))
    })
}

/// Adds the row-major array `source` to a strided view of `target`: the adjoint of `copyStrided`. In the background
/// the target begins with zeros.
#[napi(catch_unwind)]
pub fn add_strided(
    env: Env,
    target: FloatsMut<'_>,
    offset: f64,
    shape: Vec<f64>,
    strides: Vec<f64>,
    source: Floats<'_>,
) -> Result<f64> {
    work::run(env, || {
        disjoint(&[&target], &[&source])?;
        let (offset, shape, strides) = (size(offset, "offset")?, sizes(&shape)?, sizes(&strides)?);
        let dtype = source.dtype()?;
        let (mut target, source) = (target.take()?, source.take()?);
        Ok(move |_: &Context| {
            let view = View { offset, shape: &shape, strides: &strides };
            done(for_dtype!(dtype, T => {
            target.begin_with_zeros::<T>()?;
            Ok(view.add::<T>(target.get()?, source.get()?)?)
            }))
        })
    })
}

fn sizes(values: &[f64]) -> BindingResult<Vec<usize>> {
    values.iter().map(|&value| size(value, "a dimension or stride")).collect()
}
