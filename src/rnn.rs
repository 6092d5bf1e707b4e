//! The stack of Elman layers.

use std::num::NonZeroUsize;
use std::sync::Arc;

use elman_kernels::{Context, Scalar, fingerprint};
use elman_rnn::{Backward, Dropout, Elman, Forward, Gradients, Layout, List, Nonlinearity, Stack};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, Source, all, optional, optional_all_mut, optional_mut};
use crate::fingerprint::{changed, number};
use crate::js::arrays::{Floats, FloatsMut, Ints, disjoint};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::{constructed, export};
use crate::js::memory::{Dtype, Element, for_dtype};
use crate::js::numbers::{integer, size};
use crate::sequences::Sequences;

/// The configuration of an RNN. It holds no parameters: each call reads them where JavaScript keeps them.
#[napi]
pub struct RnnCore {
    pub(crate) stack: Stack<Elman>,
    pub(crate) dtype: Dtype,
}

/// What forward and backward have in common.
struct Call {
    stack: Stack<Elman>,
    layout: Arc<Layout>,
    parameters: Vec<Source>,
    input: Source,
    hx: Option<Source>,
    dropout: Dropout,
    checkpoint_every: Option<NonZeroUsize>,
}

/// The arrays of a call.
struct Arrays<'a, T> {
    parameters: Vec<&'a [T]>,
    input: &'a [T],
    states: [Option<&'a [T]>; 1],
}

impl Call {
    fn arrays<T: Element>(&self) -> BindingResult<Arrays<'_, T>> {
        Ok(Arrays {
            parameters: all(&self.parameters)?,
            input: self.input.get()?,
            states: [optional(self.hx.as_ref())?],
        })
    }
}

impl<T: Scalar> Arrays<'_, T> {
    /// The fingerprint of all that the backward pass will read and others can write.
    fn fingerprint(&self, ctx: &Context, output: &[T]) -> f64 {
        let all = self.parameters.iter().copied().chain([self.input]).chain(self.states[0]).chain([output]);
        number(fingerprint(ctx, all))
    }
}

/// The activation called `name`.
pub(crate) fn nonlinearity(name: &str) -> BindingResult<Nonlinearity> {
    match name {
        "tanh" => Ok(Nonlinearity::Tanh),
        "relu" => Ok(Nonlinearity::Relu),
        other => {
            Err(BindingError::Range(format!("Unknown nonlinearity '{other}'. Select from 'tanh' or 'relu'.")))
        }
    }
}

/// Steps of a segment, if only the states at the segments' starts are kept.
fn segment(checkpoint_every: Option<f64>) -> BindingResult<Option<NonZeroUsize>> {
    let Some(every) = checkpoint_every else { return Ok(None) };
    let every = NonZeroUsize::new(size(every, "checkpoint_every")?);
    every
        .map(Some)
        .ok_or_else(|| BindingError::Range("checkpoint_every must be greater than zero".to_owned()))
}

impl RnnCore {
    #[allow(clippy::too_many_arguments)] // what forward and backward are both given
    fn call(
        &self,
        sequences: &Sequences,
        parameters: Vec<Floats<'_>>,
        input: Floats<'_>,
        hx: Option<Floats<'_>>,
        dropout: f64,
        seed: f64,
        checkpoint_every: Option<f64>,
        lengths: Option<Ints<'_>>,
    ) -> BindingResult<Call> {
        let seed = integer(seed, "the seed of dropout")?;
        Ok(Call {
            stack: self.stack.clone(),
            layout: sequences.layout(lengths.as_ref())?,
            parameters: parameters.take()?,
            input: input.take()?,
            hx: hx.take()?,
            dropout: Dropout { p: dropout, seed: seed.cast_unsigned() },
            checkpoint_every: segment(checkpoint_every)?,
        })
    }
}

#[napi]
impl RnnCore {
    /// `numLayers` layers of H = `hiddenSize` over I = `inputSize` features, in both directions if
    /// `bidirectional`.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::too_many_arguments)] // torch's own list; a struct would be read property by property
    pub fn new(
        env: Env,
        this: This<'_>,
        input_size: f64,
        hidden_size: f64,
        num_layers: f64,
        nonlinearity: String,
        bias: bool,
        bidirectional: bool,
        dtype: String,
    ) -> Result<Self> {
        constructed(env, &this, "RnnCore\0")?;
        export(env, || {
            let nonlinearity = self::nonlinearity(&nonlinearity)?;
            let cell = Elman { hidden_size: size(hidden_size, "hidden_size")?, nonlinearity, bias };
            let dtype = Dtype::by_name(&dtype)?;
            let (input_size, num_layers) = (size(input_size, "input_size")?, size(num_layers, "num_layers")?);
            let stack = for_dtype!(dtype, T => {
                Stack::new::<T>(cell, input_size, num_layers, bidirectional).map_err(BindingError::from)
            })?;
            Ok(Self { stack, dtype })
        })
    }

    /// Elements that forward leaves for backward beside the output; with `checkpointEvery`, which forward and
    /// backward are then called with too, the states before each segment of so many steps.
    #[napi(catch_unwind)]
    pub fn saved_length(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        checkpoint_every: Option<f64>,
        lengths: Option<Ints<'_>>,
    ) -> Result<f64> {
        export(env, || {
            let (layout, every) = (sequences.layout(lengths.as_ref())?, segment(checkpoint_every)?);
            let len = for_dtype!(self.dtype, T => {
                match every {
                    Some(every) => self.stack.checkpoints_len::<T>(&layout, every),
                    None => self.stack.saved_len::<T>(&layout),
                }
                .map_err(BindingError::from)
            })?;
            Ok(len as f64)
        })
    }

    /// Writes `output` and `hN`, and `saved` if a backward pass will follow; then it returns a fingerprint of what
    /// that will read.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // an options object would be read property by property
    pub fn forward(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        parameters: Vec<Floats<'_>>,
        input: Floats<'_>,
        hx: Option<Floats<'_>>,
        dropout: f64,
        seed: f64,
        output: FloatsMut<'_>,
        h_n: FloatsMut<'_>,
        saved: Option<FloatsMut<'_>>,
        checkpoint_every: Option<f64>,
        lengths: Option<Ints<'_>>,
    ) -> Result<f64> {
        work::run(env, || {
            disjoint(&[&output, &h_n, &saved], &[&parameters, &input, &hx, &lengths])?;
            let call =
                self.call(&sequences, parameters, input, hx, dropout, seed, checkpoint_every, lengths)?;
            let (mut output, mut h_n, mut saved) = (output.take()?, h_n.take()?, saved.take()?);
            let dtype = self.dtype;
            Ok(move |ctx: &Context| {
                for_dtype!(dtype, T => {
                    let arrays = call.arrays::<T>()?;
                    let saved = optional_mut(saved.as_mut())?;
                    let keeps = saved.is_some();
                    let forward = Forward {
                        layout: &call.layout,
                        parameters: &arrays.parameters,
                        input: arrays.input,
                        states: &arrays.states,
                        dropout: call.dropout,
                        output: output.get()?,
                        states_n: List::from_iter([h_n.get()?]),
                        saved,
                    };
                    match call.checkpoint_every {
                        Some(every) => call.stack.forward_checkpointed(ctx, every, forward)?,
                        None => call.stack.forward(ctx, forward)?,
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
        hx: Option<Floats<'_>>,
        dropout: f64,
        seed: f64,
        output: Floats<'_>,
        saved: Floats<'_>,
        grad_output: Option<Floats<'_>>,
        grad_h_n: Option<Floats<'_>>,
        grad_input: Option<FloatsMut<'_>>,
        grad_hx: Option<FloatsMut<'_>>,
        grad_parameters: Option<Vec<FloatsMut<'_>>>,
        fingerprint: Option<f64>,
        checkpoint_every: Option<f64>,
        lengths: Option<Ints<'_>>,
    ) -> Result<f64> {
        work::run(env, || {
            disjoint(
                &[&grad_input, &grad_hx, &grad_parameters],
                &[&parameters, &input, &hx, &output, &saved, &grad_output, &grad_h_n, &lengths],
            )?;
            let call =
                self.call(&sequences, parameters, input, hx, dropout, seed, checkpoint_every, lengths)?;
            let (output, saved) = (output.take()?, saved.take()?);
            let (grad_output, grad_h_n) = (grad_output.take()?, grad_h_n.take()?);
            let (mut grad_input, mut grad_hx) = (grad_input.take()?, grad_hx.take()?);
            let mut grad_parameters = grad_parameters.take()?;
            let dtype = self.dtype;
            Ok(move |ctx: &Context| {
                for_dtype!(dtype, T => {
                    let arrays = call.arrays::<T>()?;
                    let backward = Backward {
                        layout: &call.layout,
                        parameters: &arrays.parameters,
                        input: arrays.input,
                        states: &arrays.states,
                        dropout: call.dropout,
                        output: output.get()?,
                        saved: saved.get()?,
                        doutput: optional(grad_output.as_ref())?,
                        dstates_n: &[optional(grad_h_n.as_ref())?],
                    };
                    if fingerprint.is_some_and(|expected| expected != arrays.fingerprint(ctx, backward.output)) {
                        return Err(changed("RnnBackward0"));
                    }
                    let gradients = Gradients {
                        dinput: optional_mut(grad_input.as_mut())?,
                        dstates: List::from_iter([optional_mut(grad_hx.as_mut())?]),
                        dparameters: optional_all_mut(grad_parameters.as_mut())?,
                    };
                    match call.checkpoint_every {
                        Some(every) => call.stack.backward_checkpointed(ctx, every, &backward, gradients)?,
                        None => call.stack.backward(ctx, &backward, gradients)?,
                    }
                    Ok(0.0)
                })
            })
        })
    }
}
