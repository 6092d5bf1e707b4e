//! Arithmetic of the tensor type, and its strided views.

use elman_train::{elementwise, strided::View};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{Checked, export};
use crate::runtime::context;
use crate::slice::{Floats, FloatsMut, disjoint, for_dtype, size};

/// out = a + b.
#[napi(catch_unwind)]
pub fn add(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] a: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] b: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&a, &b])?;
        for_dtype!(a.dtype(), T => Ok(elementwise::add::<T>(&context()?, a.get()?, b.get()?, out.get()?)?))
    })
}

/// out = a + value.
#[napi(catch_unwind)]
pub fn add_scalar(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] a: Floats<'_>,
    value: f64,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&a])?;
        for_dtype!(a.dtype(), T => Ok(elementwise::add_scalar::<T>(&context()?, a.get()?, value, out.get()?)?))
    })
}

/// out = a · b.
#[napi(catch_unwind)]
pub fn mul(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] a: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] b: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&a, &b])?;
        for_dtype!(a.dtype(), T => Ok(elementwise::mul::<T>(&context()?, a.get()?, b.get()?, out.get()?)?))
    })
}

/// out = a · value; `out` may be `a` itself.
#[napi(catch_unwind)]
pub fn mul_scalar(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] a: Floats<'_>,
    value: f64,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        for_dtype!(a.dtype(), T => match disjoint(&[&out], &[&a]) {
            Ok(()) => Ok(elementwise::mul_scalar::<T>(&context()?, a.get()?, value, out.get()?)?),
            Err(overlap) => {
                let place = a.get::<T>()?.as_ptr_range();
                let out = out.get::<T>()?;
                if out.as_ptr_range() != place {
                    return Err(overlap);
                }
                elementwise::scale(&context()?, out, value);
                Ok(())
            }
        })
    })
}

/// target ← target + source.
#[napi(catch_unwind)]
pub fn accumulate(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] target: FloatsMut<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] source: Floats<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&target], &[&source])?;
        for_dtype!(source.dtype(), T => Ok(elementwise::accumulate::<T>(&context()?, target.get()?, source.get()?)?))
    })
}

/// Limits every element of `values` to the range from `-limit` to `limit`; NaN stays.
#[napi(catch_unwind)]
pub fn clip(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] values: FloatsMut<'_>,
    limit: f64,
) -> Result<()> {
    export(env, || {
        for_dtype!(values.dtype(), T => {
            elementwise::clip::<T>(&context()?, values.get()?, limit);
            Ok(())
        })
    })
}

/// out = tanh x.
#[napi(catch_unwind)]
pub fn tanh(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] x: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&x])?;
        for_dtype!(x.dtype(), T => Ok(elementwise::tanh::<T>(&context()?, x.get()?, out.get()?)?))
    })
}

/// out = max(x, 0).
#[napi(catch_unwind)]
pub fn relu(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] x: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&x])?;
        for_dtype!(x.dtype(), T => Ok(elementwise::relu::<T>(&context()?, x.get()?, out.get()?)?))
    })
}

/// out = 1 / (1 + e^-x).
#[napi(catch_unwind)]
pub fn sigmoid(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] x: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&x])?;
        for_dtype!(x.dtype(), T => Ok(elementwise::sigmoid::<T>(&context()?, x.get()?, out.get()?)?))
    })
}

/// dx = dy (1 - y²) for y = tanh x.
#[napi(catch_unwind)]
pub fn tanh_backward(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] y: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] dy: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] dx: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&dx], &[&y, &dy])?;
        for_dtype!(y.dtype(), T => {
            Ok(elementwise::tanh_backward::<T>(&context()?, y.get()?, dy.get()?, dx.get()?)?)
        })
    })
}

/// dx = dy where y > 0, else 0, for y = max(x, 0).
#[napi(catch_unwind)]
pub fn relu_backward(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] y: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] dy: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] dx: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&dx], &[&y, &dy])?;
        for_dtype!(y.dtype(), T => {
            Ok(elementwise::relu_backward::<T>(&context()?, y.get()?, dy.get()?, dx.get()?)?)
        })
    })
}

/// dx = dy y (1 - y) for y = 1 / (1 + e^-x).
#[napi(catch_unwind)]
pub fn sigmoid_backward(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] y: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] dy: Floats<'_>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] dx: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&dx], &[&y, &dy])?;
        for_dtype!(y.dtype(), T => Ok(elementwise::sigmoid_backward::<T>(&context()?, y.get()?, dy.get()?, dx.get()?)?))
    })
}

/// Σ x.
#[napi(catch_unwind)]
pub fn sum(env: Env, #[napi(ts_arg_type = "Float32Array | Float64Array")] x: Floats<'_>) -> Result<f64> {
    export(env, || for_dtype!(x.dtype(), T => Ok(elementwise::sum::<T>(&context()?, x.get()?))))
}

/// Copies a strided view of `source` into the row-major array `out`. Strides are in elements.
#[napi(catch_unwind)]
pub fn copy_strided(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] source: Floats<'_>,
    offset: f64,
    shape: Vec<f64>,
    strides: Vec<f64>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] out: FloatsMut<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&out], &[&source])?;
        let (offset, shape, strides) = (size(offset, "offset")?, sizes(&shape)?, sizes(&strides)?);
        let view = View { offset, shape: &shape, strides: &strides };
        for_dtype!(source.dtype(), T => Ok(view.copy::<T>(source.get()?, out.get()?)?))
    })
}

/// Adds the row-major array `source` to a strided view of `target`: the adjoint of `copyStrided`.
#[napi(catch_unwind)]
pub fn add_strided(
    env: Env,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] target: FloatsMut<'_>,
    offset: f64,
    shape: Vec<f64>,
    strides: Vec<f64>,
    #[napi(ts_arg_type = "Float32Array | Float64Array")] source: Floats<'_>,
) -> Result<()> {
    export(env, || {
        disjoint(&[&target], &[&source])?;
        let (offset, shape, strides) = (size(offset, "offset")?, sizes(&shape)?, sizes(&strides)?);
        let view = View { offset, shape: &shape, strides: &strides };
        for_dtype!(source.dtype(), T => Ok(view.add::<T>(target.get()?, source.get()?)?))
    })
}

fn sizes(values: &[f64]) -> Checked<Vec<usize>> {
    values.iter().map(|&value| size(value, "a dimension or stride")).collect()
}
