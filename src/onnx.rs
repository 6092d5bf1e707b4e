//! A stack of Elman layers as an ONNX file.

use elman_formats::onnx::{self, Rnn};
use elman_rnn::Nonlinearity;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::js::arrays::Floats;
use crate::js::error::BindingResult;
use crate::js::exports::export;
use crate::js::returned::new_array;
use crate::rnn::RnnCore;

#[napi]
impl RnnCore {
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
            let cell = self.stack.cell();
            let rnn = Rnn {
                input_size: self.stack.input_size(),
                hidden_size: cell.hidden_size,
                layers: self.stack.layers(),
                directions: self.stack.directions(),
                relu: cell.nonlinearity == Nonlinearity::Relu,
                bias: cell.bias,
                batch_first,
                parameters: &parameters,
            };
            Ok(onnx::serialize(&rnn, env!("CARGO_PKG_VERSION"))?)
        })?;
        new_array(env, &file)
    }
}
