//! Streams: a stack that goes on by one time step at each call.

use elman_kernels::Scalar;
use elman_rnn::{Elman, Stream};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::env::context::context;
use crate::js::arrays::{Floats, FloatsMut, disjoint};
use crate::js::bound::{Bound, ToKeep, bound_function};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::export;
use crate::js::memory::{Element, for_dtype};
use crate::js::numbers::size;
use crate::rnn::RnnCore;

impl RnnCore {
    /// A stream of `batch_size` sequences.
    fn stream_of<T: Scalar>(&self, batch_size: f64) -> BindingResult<Stream<Elman>> {
        let batch = size(batch_size, "batch_size")?;
        Ok(Stream::new::<T>(context()?, self.stack.clone(), batch)?)
    }
}

#[napi]
impl RnnCore {
    /// Elements of the memory that a stream of `batchSize` sequences works in.
    #[napi(catch_unwind)]
    pub fn stream_length(&self, env: Env, batch_size: f64) -> Result<f64> {
        export(env, || {
            let len = for_dtype!(self.dtype, T => self.stream_of::<T>(batch_size).map(|s| s.memory_len()))?;
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
        export(*env, || {
            disjoint(&[&memory, &input, &output], &[&parameters])?;
            for_dtype!(self.dtype, T => {
                let stream = self.stream_of::<T>(batch_size)?;
                let parameters: Vec<&[T]> = parameters.iter().map(Floats::get).collect::<BindingResult<_>>()?;
                stream.check_lens::<T>(input.len::<T>()?, output.len::<T>()?)?;
                memory.len::<T>()?; // of this kind
                let step = bound_function::<T, _, 3>(env, [&input, &output, &memory], Step(stream.clone()))?;
                stream.pack(&parameters, memory.get()?)?;
                Ok(step)
            })
        })
    }

    /// Sets the states of a stream of `batchSize` sequences to `hx`, or to 0.
    #[napi(catch_unwind)]
    pub fn reset_stream(
        &self,
        env: Env,
        batch_size: f64,
        memory: FloatsMut<'_>,
        hx: Option<Floats<'_>>,
    ) -> Result<()> {
        export(env, || {
            disjoint(&[&memory], &[&hx])?;
            for_dtype!(self.dtype, T => {
                let hx = hx.map(|hx| hx.get()).transpose()?;
                self.stream_of::<T>(batch_size)?.reset::<T>(&[hx], memory.get()?).map_err(BindingError::from)
            })
        })
    }
}

/// What the function of a stream calls.
struct Step(Stream<Elman>);

impl<T: Scalar + Element> Bound<T, 3> for Step {
    fn call(&mut self, [input, output, memory]: [&mut [T]; 3]) -> BindingResult<()> {
        Ok(self.0.step(input, output, memory)?)
    }
}
