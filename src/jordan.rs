//! The Jordan network.

use std::sync::Arc;

use elman_kernels::{Context, fingerprint};
use elman_rnn::jordan::{Jordan, OutputNonlinearity, TaughtBackward, TaughtForward, TaughtGradients};
use elman_rnn::{Backward, Dropout, Forward, Gradients, Layout, List, Stack};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, Source, all, optional, optional_all_mut, optional_mut};
use crate::fingerprint::{changed, number};
use crate::js::arrays::{Floats, FloatsMut, Ints, disjoint};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::{constructed, export};
use crate::js::memory::{Dtype, Element, for_dtype};
use crate::js::numbers::size;
use crate::rnn::nonlinearity;
use crate::sequences::Sequences;

/// The configuration of a Jordan network. It holds no parameters: each call reads them where JavaScript keeps them.
#[napi]
pub struct JordanCore {
    network: Stack<Jordan>,
    dtype: Dtype,
}

/// What forward and backward have in common.
struct Call {
    network: Stack<Jordan>,
    layout: Arc<Layout>,
    parameters: Vec<Source>,
    input: Source,
    y_0: Option<Source>,
    teacher: Option<Source>,
}

/// The arrays of a call.
struct Arrays<'a, T> {
    parameters: Vec<&'a [T]>,
    input: &'a [T],
    y_0: Option<&'a [T]>,
    teacher: Option<&'a [T]>,
}

impl Call {
    fn arrays<T: Element>(&self) -> BindingResult<Arrays<'_, T>> {
        Ok(Arrays {
            parameters: all(&self.parameters)?,
            input: self.input.get()?,
            y_0: optional(self.y_0.as_ref())?,
            teacher: optional(self.teacher.as_ref())?,
        })
    }
}

impl<T: elman_kernels::Scalar> Arrays<'_, T> {
    /// The fingerprint of all that the backward pass will read and others can write.
    fn fingerprint(&self, ctx: &Context, output: &[T]) -> f64 {
        let all = self.parameters.iter().copied().chain([self.input]).chain(self.y_0).chain(self.teacher);
        number(fingerprint(ctx, all.chain([output])))
    }
}

impl JordanCore {
    fn call(
        &self,
        sequences: &Sequences,
        parameters: Vec<Floats<'_>>,
        input: Floats<'_>,
        y_0: Option<Floats<'_>>,
        teacher: Option<Floats<'_>>,
        lengths: Option<Ints<'_>>,
    ) -> BindingResult<Call> {
        Ok(Call {
            network: self.network.clone(),
            layout: sequences.layout(lengths.as_ref())?,
            parameters: parameters.take()?,
            input: input.take()?,
            y_0: y_0.take()?,
            teacher: teacher.take()?,
        })
    }
}

#[napi]
impl JordanCore {
    /// H = `hiddenSize` and O = `outputSize` over I = `inputSize` features.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::too_many_arguments)] // the constructor's own list; a struct would be read property by property
    pub fn new(
        env: Env,
        this: This<'_>,
        input_size: f64,
        hidden_size: f64,
        output_size: f64,
        act: String,
        output_act: String,
        bias: bool,
        dtype: String,
    ) -> Result<Self> {
        constructed(env, &this, "JordanCore\0")?;
        export(env, || {
            let output_nonlinearity = match &*output_act {
                "identity" => OutputNonlinearity::Identity,
                "tanh" => OutputNonlinearity::Tanh,
                "sigmoid" => OutputNonlinearity::Sigmoid,
                other => {
                    return Err(BindingError::Range(format!(
                        "Unknown output_nonlinearity '{other}'. Select from 'identity', 'tanh' or 'sigmoid'."
                    )));
                }
            };
            let cell = Jordan {
                hidden_size: size(hidden_size, "hidden_size")?,
                output_size: size(output_size, "output_size")?,
                nonlinearity: nonlinearity(&act)?,
                output_nonlinearity,
                bias,
            };
            let (dtype, input_size) = (Dtype::by_name(&dtype)?, size(input_size, "input_size")?);
            let network = for_dtype!(dtype, T => cell.network::<T>(input_size).map_err(BindingError::from))?;
            Ok(Self { network, dtype })
        })
    }

    /// Elements that forward leaves for backward beside the output.
    #[napi(catch_unwind)]
    pub fn saved_length(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        lengths: Option<Ints<'_>>,
    ) -> Result<f64> {
        export(env, || {
            let layout = sequences.layout(lengths.as_ref())?;
            let len = for_dtype!(self.dtype, T => self.network.saved_len::<T>(&layout).map_err(BindingError::from))?;
            Ok(len as f64)
        })
    }

    /// Writes `output` and `yN`, and `saved` if a backward pass will follow; then it returns a fingerprint of what
    /// that will read. With a `teacher`, its rows are fed back in the place of the output's.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // an options object would be read property by property
    pub fn forward(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        parameters: Vec<Floats<'_>>,
        input: Floats<'_>,
        y0: Option<Floats<'_>>,
        teacher: Option<Floats<'_>>,
        output: FloatsMut<'_>,
        y_n: FloatsMut<'_>,
        saved: Option<FloatsMut<'_>>,
        lengths: Option<Ints<'_>>,
    ) -> Result<f64> {
        work::run(env, || {
            disjoint(&[&output, &y_n, &saved], &[&parameters, &input, &y0, &teacher, &lengths])?;
            let call = self.call(&sequences, parameters, input, y0, teacher, lengths)?;
            let (mut output, mut y_n, mut saved) = (output.take()?, y_n.take()?, saved.take()?);
            let dtype = self.dtype;
            Ok(move |ctx: &Context| {
                for_dtype!(dtype, T => {
                    let arrays = call.arrays::<T>()?;
                    let saved = optional_mut(saved.as_mut())?;
                    let keeps = saved.is_some();
                    let Call { layout, network, .. } = &call;
                    match arrays.teacher {
                        Some(teacher) => network.forward_taught(ctx, TaughtForward {
                            layout,
                            parameters: &arrays.parameters,
                            input: arrays.input,
                            y_0: arrays.y_0,
                            teacher,
                            output: output.get()?,
                            y_n: y_n.get()?,
                            saved,
                        })?,
                        None => network.forward(ctx, Forward {
                            layout,
                            parameters: &arrays.parameters,
                            input: arrays.input,
                            states: &[arrays.y_0],
                            dropout: Dropout::default(),
                            output: output.get()?,
                            states_n: List::from_iter([y_n.get()?]),
                            saved,
                        })?,
                    }
                    Ok(if keeps { arrays.fingerprint(ctx, output.get()?) } else { 0.0 })
                })
            })
        })
    }

    /// Backpropagation through time: writes the gradients that are wanted. Throws unless what it reads has still
    /// the `fingerprint` that forward returned (null: not checked).
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // as forward
    pub fn backward(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        parameters: Vec<Floats<'_>>,
        input: Floats<'_>,
        y0: Option<Floats<'_>>,
        teacher: Option<Floats<'_>>,
        output: Floats<'_>,
        saved: Floats<'_>,
        grad_output: Option<Floats<'_>>,
        grad_y_n: Option<Floats<'_>>,
        grad_input: Option<FloatsMut<'_>>,
        grad_y0: Option<FloatsMut<'_>>,
        grad_teacher: Option<FloatsMut<'_>>,
        grad_parameters: Option<Vec<FloatsMut<'_>>>,
        fingerprint: Option<f64>,
        lengths: Option<Ints<'_>>,
    ) -> Result<f64> {
        work::run(env, || {
            disjoint(
                &[&grad_input, &grad_y0, &grad_teacher, &grad_parameters],
                &[&parameters, &input, &y0, &teacher, &output, &saved, &grad_output, &grad_y_n, &lengths],
            )?;
            let call = self.call(&sequences, parameters, input, y0, teacher, lengths)?;
            let (output, saved) = (output.take()?, saved.take()?);
            let (grad_output, grad_y_n) = (grad_output.take()?, grad_y_n.take()?);
            let (mut grad_input, mut grad_y0) = (grad_input.take()?, grad_y0.take()?);
            let (mut grad_teacher, mut grad_parameters) = (grad_teacher.take()?, grad_parameters.take()?);
            let dtype = self.dtype;
            Ok(move |ctx: &Context| {
                for_dtype!(dtype, T => {
                    let arrays = call.arrays::<T>()?;
                    let output = output.get()?;
                    if fingerprint.is_some_and(|expected| expected != arrays.fingerprint(ctx, output)) {
                        return Err(changed("JordanBackward0"));
                    }
                    let Call { layout, network, .. } = &call;
                    let (doutput, dy_n) = (optional(grad_output.as_ref())?, optional(grad_y_n.as_ref())?);
                    let (dinput, dy_0) = (optional_mut(grad_input.as_mut())?, optional_mut(grad_y0.as_mut())?);
                    let dteacher = optional_mut(grad_teacher.as_mut())?;
                    let dparameters = optional_all_mut(grad_parameters.as_mut())?;
                    match arrays.teacher {
                        Some(teacher) => network.backward_taught(
                            ctx,
                            &TaughtBackward {
                                layout,
                                parameters: &arrays.parameters,
                                input: arrays.input,
                                y_0: arrays.y_0,
                                teacher,
                                output,
                                saved: saved.get()?,
                                doutput,
                                dy_n,
                            },
                            TaughtGradients { dinput, dy_0, dteacher, dparameters },
                        )?,
                        None if dteacher.is_some() => {
                            return Err(BindingError::Range("there is no teacher to have a gradient".into()));
                        }
                        None => network.backward(
                            ctx,
                            &Backward {
                                layout,
                                parameters: &arrays.parameters,
                                input: arrays.input,
                                states: &[arrays.y_0],
                                dropout: Dropout::default(),
                                output,
                                saved: saved.get()?,
                                doutput,
                                dstates_n: &[dy_n],
                            },
                            Gradients { dinput, dstates: List::from_iter([dy_0]), dparameters },
                        )?,
                    }
                    Ok(0.0)
                })
            })
        })
    }
}
