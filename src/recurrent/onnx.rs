//! Layers of a recurrent cell as an ONNX file.

use elman_formats::onnx::{self, Rnn};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use super::core::RecurrentCore;
use super::stack::for_stack;
use crate::js::arrays::Floats;
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::export;
use crate::js::returned::new_array;

#[napi]
impl RecurrentCore {
    /// The ONNX operator of a layer, or null if there is none.
    #[napi(catch_unwind)]
    pub fn onnx_operator(&self, env: Env) -> Result<Option<&'static str>> {
        export(env, || Ok(for_stack!(self.stack(), stack => stack.onnx()).map(|operator| operator.name)))
    }

    /// The bytes of an ONNX file with these parameters; float32 only.
    #[napi(catch_unwind, ts_return_type = "Uint8Array")]
    pub fn serialize_onnx<'env>(
        &self,
        env: &'env Env,
        parameters: Vec<Floats<'_>>,
        batch_first: bool,
    ) -> Result<Unknown<'env>> {
        let file = export(*env, || {
            let parameters: Vec<&[f32]> = parameters.iter().map(Floats::get).collect::<BindingResult<_>>()?;
            for_stack!(self.stack(), stack => {
                let Some(operator) = stack.onnx() else {
                    return Err(BindingError::Kind("ONNX has no operator for this cell".into()));
                };
                let rnn = Rnn {
                    operator: operator.name,
                    activations: &operator.activations,
                    gates: &operator.gates,
                    attributes: &operator.attributes,
                    states: stack.state_sizes().len(),
                    input_size: stack.input_size(),
                    hidden_size: operator.hidden_size,
                    layers: stack.layers(),
                    directions: stack.directions(),
                    bias: operator.bias,
                    batch_first,
                    parameters: &parameters,
                };
                Ok(onnx::serialize(&rnn, env!("CARGO_PKG_VERSION"))?)
            })
        })?;
        new_array(env, &file)
    }
}
