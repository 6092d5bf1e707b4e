//! The class of JavaScript.

use std::sync::Arc;

use elman_rnn::Shape;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use super::passes::{Layers, segment};
use super::slots::Counts;
use super::stack::{AnyStack, Entries, for_stack};
use crate::js::arrays::Ints;
use crate::js::exports::{constructed, export};
use crate::js::memory::Dtype;
use crate::js::variadic::variadic_function;
use crate::sequences::Sequences;

/// Layers of a recurrent cell, of one shape and dtype. It holds no parameters: each call reads them where JavaScript keeps
/// them.
#[napi]
pub struct RecurrentCore {
    layers: Layers,
}

impl RecurrentCore {
    /// The layers.
    pub(crate) fn stack(&self) -> &AnyStack {
        &self.layers.stack
    }
}

/// A parameter of a cell.
#[napi(object, object_from_js = false)]
pub struct ParameterSpec {
    /// Its key in the state dict.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<f64>,
}

#[napi]
impl RecurrentCore {
    /// Layers of the cell called `cell`, with the sizes, flags and names that it needs. `changed` is the message of the error
    /// of a backward pass whose inputs have changed since the forward pass.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        this: This<'_>,
        cell: String,
        #[napi(ts_arg_type = "Record<string, number | boolean | string>")] config: Entries,
        dtype: String,
        changed: String,
    ) -> Result<Self> {
        constructed(env, &this, "RecurrentCore\0")?;
        export(env, || {
            let stack = AnyStack::build(&cell, config, Dtype::by_name(&dtype)?)?;
            let counts = for_stack!(&stack, stack => Counts {
                states: stack.state_sizes().len(),
                parameters: stack.parameters().len(),
            });
            Ok(Self { layers: Layers { stack: Arc::new(stack), changed: changed.into(), counts } })
        })
    }

    /// Names and shapes of the parameters, in the order of the state dict.
    #[napi(catch_unwind)]
    pub fn parameters(&self, env: Env) -> Result<Vec<ParameterSpec>> {
        export(env, || {
            let parameters = for_stack!(self.stack(), stack => stack.parameters());
            let spec = |(name, shape): (String, Shape)| ParameterSpec {
                name,
                shape: shape.iter().map(|&size| size as f64).collect(),
            };
            Ok(parameters.into_iter().map(spec).collect())
        })
    }

    /// Features of each state.
    #[napi(catch_unwind)]
    pub fn state_sizes(&self, env: Env) -> Result<Vec<f64>> {
        export(env, || {
            let sizes = for_stack!(self.stack(), stack => stack.state_sizes());
            Ok(sizes.iter().map(|&size| size as f64).collect())
        })
    }

    /// Features of the output, of both directions together.
    #[napi(catch_unwind)]
    pub fn output_size(&self, env: Env) -> Result<f64> {
        export(env, || Ok(for_stack!(self.stack(), stack => stack.output_size()) as f64))
    }

    /// Elements that forward keeps for backward in addition to the output: with a teacher if `taught`; with `checkpointEvery`,
    /// the states before each segment of so many steps.
    #[napi(catch_unwind)]
    pub fn saved_length(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        lengths: Option<Ints<'_>>,
        taught: bool,
        checkpoint_every: Option<f64>,
    ) -> Result<f64> {
        export(env, || {
            let layout = sequences.layout(lengths.as_ref().map(Ints::get).transpose()?)?;
            let every = segment(checkpoint_every)?;
            Ok(for_stack!(self.stack(), stack => stack.saved_len(&layout, every, taught))? as f64)
        })
    }

    /// The forward function, whose arguments `recurrentSlots` lists: writes the results, and what is saved if a backward
    /// pass will follow; then it returns a fingerprint of what that will read. With a teacher, its rows are fed back in the
    /// place of the output's.
    #[napi(catch_unwind, ts_return_type = "RecurrentPass")]
    pub fn forward<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        let layers = self.layers.clone();
        export(*env, || variadic_function(env, move |arguments| layers.forward(arguments)))
    }

    /// The backward function: backpropagation through time, which writes the gradients that are wanted. Throws if the
    /// fingerprint is not that of what it reads.
    #[napi(catch_unwind, ts_return_type = "RecurrentPass")]
    pub fn backward<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        let layers = self.layers.clone();
        export(*env, || variadic_function(env, move |arguments| layers.backward(arguments)))
    }
}
