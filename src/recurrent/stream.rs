//! Streams: layers that go on by one time step at each call.

use elman_kernels::Scalar;
use elman_rnn::{Stack, Stream};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use super::core::RecurrentCore;
use super::stack::for_stack;
use crate::env::context::context;
use crate::js::arrays::{Floats, FloatsMut, disjoint};
use crate::js::bound::{Bound, ToKeep, bound_function};
use crate::js::error::BindingResult;
use crate::js::exports::{compute, export};
use crate::js::memory::Element;
use crate::js::numbers::size;

/// A stream of `batch_size` sequences.
fn stream_of<T: Scalar>(stack: &Stack<T>, batch_size: f64) -> BindingResult<Stream<T>> {
    let batch = size(batch_size, "batch_size")?;
    Ok(Stream::new(context()?, stack.clone(), batch)?)
}

/// Lays the parameters out in `memory`, and makes the function of the stream.
fn start<'env, T: Scalar + Element>(
    env: &'env Env,
    stream: Stream<T>,
    parameters: &[Floats<'_>],
    [memory, input, output]: [ToKeep<'_>; 3],
) -> BindingResult<Unknown<'env>> {
    let parameters: Vec<&[T]> = parameters.iter().map(Floats::get).collect::<BindingResult<_>>()?;
    stream.check_lens(input.len::<T>()?, output.len::<T>()?)?;
    memory.len::<T>()?; // of this kind
    let step = bound_function::<T, _, 3>(env, [&input, &output, &memory], Step(stream.clone()))?;
    stream.pack(&parameters, memory.get()?)?;
    Ok(step)
}

#[napi]
impl RecurrentCore {
    /// Elements of the memory that a stream of `batchSize` sequences works in.
    #[napi(catch_unwind)]
    pub fn stream_length(&self, env: Env, batch_size: f64) -> Result<f64> {
        export(env, || {
            let len = for_stack!(self.stack(), stack => stream_of(stack, batch_size)?.memory_len());
            Ok(len as f64)
        })
    }

    /// Lays the parameters out in `memory` and sets the states to 0. The function that comes back goes on by one
    /// step at each call: it reads `input`, writes `output`, and keeps the states in `memory`. It holds the three
    /// arrays.
    #[napi(catch_unwind, ts_return_type = "() => void")]
    pub fn stream<'env>(
        &self,
        env: &'env Env,
        batch_size: f64,
        parameters: Vec<Floats<'_>>,
        memory: ToKeep<'_>,
        input: ToKeep<'_>,
        output: ToKeep<'_>,
    ) -> Result<Unknown<'env>> {
        compute(*env, || {
            disjoint(&[&memory, &input, &output], &[&parameters])?;
            for_stack!(self.stack(), stack => {
                start(env, stream_of(stack, batch_size)?, &parameters, [memory, input, output])
            })
        })
    }

    /// Sets the states of a stream of `batchSize` sequences, each to an array of `states` or, where that is null, to 0.
    #[napi(catch_unwind)]
    pub fn reset_stream(
        &self,
        env: Env,
        batch_size: f64,
        memory: FloatsMut<'_>,
        states: Vec<Option<Floats<'_>>>,
    ) -> Result<()> {
        export(env, || {
            disjoint(&[&memory], &[&states])?;
            for_stack!(self.stack(), stack => {
                let states = states.iter().map(|state| state.as_ref().map(Floats::get).transpose());
                let states = states.collect::<BindingResult<Vec<_>>>()?;
                Ok(stream_of(stack, batch_size)?.reset(&states, memory.get()?)?)
            })
        })
    }
}

#[napi]
impl RecurrentCore {
    /// Writes the states of a stream of `batchSize` sequences, as they are now, each into an array of `states`.
    #[napi(catch_unwind)]
    pub fn stream_states(
        &self,
        env: Env,
        batch_size: f64,
        memory: FloatsMut<'_>,
        states: Vec<FloatsMut<'_>>,
    ) -> Result<()> {
        export(env, || {
            disjoint(&[&memory, &states], &[])?;
            for_stack!(self.stack(), stack => {
                let mut states = states.into_iter().map(FloatsMut::get).collect::<BindingResult<Vec<_>>>()?;
                Ok(stream_of(stack, batch_size)?.read_states(&mut states, memory.get()?)?)
            })
        })
    }
}

/// What the function of a stream calls.
struct Step<T: Scalar>(Stream<T>);

impl<T: Scalar + Element> Bound<T, 3> for Step<T> {
    fn call(&mut self, [input, output, memory]: [&mut [T]; 3]) -> BindingResult<()> {
        Ok(self.0.step(input, output, memory)?)
    }
}
