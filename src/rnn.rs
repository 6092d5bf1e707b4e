//! The stack of Elman layers.

use elman_kernels::Scalar;
use elman_rnn::{Backward, Dropout, Elman, Forward, Gradients, Nonlinearity, Stack};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{Checked, Failure, export};
use crate::runtime::context;
use crate::sequences::Sequences;
use crate::slice::{Dtype, Element, Floats, FloatsMut, disjoint, for_dtype, integer, size};

/// The configuration of an RNN. It holds no parameters: each call reads them where JavaScript keeps them.
#[napi]
pub struct RnnCore {
    pub(crate) stack: Stack<Elman>,
    pub(crate) dtype: Dtype,
}

/// What forward and backward have in common.
struct Call<'a, T> {
    parameters: Vec<&'a [T]>,
    input: &'a [T],
    states: [Option<&'a [T]>; 1],
    dropout: Dropout,
}

impl<'a, T: Scalar + Element> Call<'a, T> {
    fn new(
        parameters: &[Floats<'a>],
        input: Floats<'a>,
        hx: Option<Floats<'a>>,
        dropout: f64,
        seed: f64,
    ) -> Checked<Self> {
        let seed = integer(seed, "the seed of dropout")?;
        Ok(Self {
            parameters: parameters.iter().map(Floats::get).collect::<Checked<_>>()?,
            input: input.get()?,
            states: [hx.map(|hx| hx.get()).transpose()?],
            dropout: Dropout { p: dropout, seed: seed.cast_unsigned() },
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
        input_size: f64,
        hidden_size: f64,
        num_layers: f64,
        nonlinearity: String,
        bias: bool,
        bidirectional: bool,
        dtype: String,
    ) -> Result<Self> {
        export(env, || {
            let nonlinearity = match &*nonlinearity {
                "tanh" => Nonlinearity::Tanh,
                "relu" => Nonlinearity::Relu,
                other => {
                    return Err(Failure::Range(format!(
                        "Unknown nonlinearity '{other}'. Select from 'tanh' or 'relu'."
                    )));
                }
            };
            let cell = Elman { hidden_size: size(hidden_size, "hidden_size")?, nonlinearity, bias };
            let dtype = Dtype::by_name(&dtype)?;
            let (input_size, num_layers) = (size(input_size, "input_size")?, size(num_layers, "num_layers")?);
            let stack = for_dtype!(dtype, T => {
                Stack::new::<T>(cell, input_size, num_layers, bidirectional).map_err(Failure::from)
            })?;
            Ok(Self { stack, dtype })
        })
    }

    /// Elements that forward leaves for backward beside the output.
    #[napi(catch_unwind)]
    pub fn saved_length(&self, env: Env, sequences: &Sequences) -> Result<f64> {
        export(env, || {
            let len = for_dtype!(self.dtype, T => {
                self.stack.saved_len::<T>(&*sequences.layout()?).map_err(Failure::from)
            })?;
            Ok(len as f64)
        })
    }

    /// Writes `output` and `hN`, and `saved` if a backward pass will follow.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        env: Env,
        sequences: &Sequences,
        #[napi(ts_arg_type = "(Float32Array | Float64Array)[]")] parameters: Vec<Floats<'_>>,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] input: Floats<'_>,
        #[napi(ts_arg_type = "Float32Array | Float64Array | null")] hx: Option<Floats<'_>>,
        dropout: f64,
        seed: f64,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] output: FloatsMut<'_>,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] h_n: FloatsMut<'_>,
        #[napi(ts_arg_type = "Float32Array | Float64Array | null")] saved: Option<FloatsMut<'_>>,
    ) -> Result<()> {
        export(env, || {
            disjoint(&[&output, &h_n, &saved], &[&parameters, &input, &hx])?;
            for_dtype!(self.dtype, T => {
                let layout = sequences.layout()?;
                let call = Call::<T>::new(&parameters, input, hx, dropout, seed)?;
                let forward = Forward {
                    layout: &layout,
                    parameters: &call.parameters,
                    input: call.input,
                    states: &call.states,
                    dropout: call.dropout,
                    output: output.get()?,
                    states_n: vec![h_n.get()?],
                    saved: saved.map(FloatsMut::get).transpose()?,
                };
                self.stack.forward(&context()?, forward).map_err(Failure::from)
            })
        })
    }

    /// Backpropagation through time: writes the gradients that are wanted.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        env: Env,
        sequences: &Sequences,
        #[napi(ts_arg_type = "(Float32Array | Float64Array)[]")] parameters: Vec<Floats<'_>>,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] input: Floats<'_>,
        #[napi(ts_arg_type = "Float32Array | Float64Array | null")] hx: Option<Floats<'_>>,
        dropout: f64,
        seed: f64,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] output: Floats<'_>,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] saved: Floats<'_>,
        #[napi(ts_arg_type = "Float32Array | Float64Array | null")] grad_output: Option<Floats<'_>>,
        #[napi(ts_arg_type = "Float32Array | Float64Array | null")] grad_h_n: Option<Floats<'_>>,
        #[napi(ts_arg_type = "Float32Array | Float64Array | null")] grad_input: Option<FloatsMut<'_>>,
        #[napi(ts_arg_type = "Float32Array | Float64Array | null")] grad_hx: Option<FloatsMut<'_>>,
        #[napi(ts_arg_type = "(Float32Array | Float64Array)[] | null")] grad_parameters: Option<
            Vec<FloatsMut<'_>>,
        >,
    ) -> Result<()> {
        export(env, || {
            disjoint(
                &[&grad_input, &grad_hx, &grad_parameters],
                &[&parameters, &input, &hx, &output, &saved, &grad_output, &grad_h_n],
            )?;
            for_dtype!(self.dtype, T => {
                let layout = sequences.layout()?;
                let call = Call::<T>::new(&parameters, input, hx, dropout, seed)?;
                let backward = Backward {
                    layout: &layout,
                    parameters: &call.parameters,
                    input: call.input,
                    states: &call.states,
                    dropout: call.dropout,
                    output: output.get()?,
                    saved: saved.get()?,
                    doutput: grad_output.map(|g| g.get()).transpose()?,
                    dstates_n: &[grad_h_n.map(|g| g.get()).transpose()?],
                };
                let gradients = Gradients {
                    dinput: grad_input.map(FloatsMut::get).transpose()?,
                    dstates: vec![grad_hx.map(FloatsMut::get).transpose()?],
                    dparameters: grad_parameters
                        .map(|all| all.into_iter().map(FloatsMut::get).collect::<Checked<_>>())
                        .transpose()?,
                };
                self.stack.backward(&context()?, &backward, gradients).map_err(Failure::from)
            })
        })
    }
}
