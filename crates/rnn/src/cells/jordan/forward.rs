//! The forward pass of the Jordan cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_yh)        all rows at once, into the place of h
//! recur     h_t = act(Z_t + y_{t-1} W_yhᵀ)     step by step, in place
//!           y_t = g(b_hy + h_t W_hyᵀ)
//!           y_n = y at the last step of each sequence
//! ```

use elman_kernels::{
    Context, Epilogue, InitialC, Packed, Recurrence, Scalar, Start, StepProduct, recurrence,
};

use super::super::projection::Projection;
use super::Jordan;
use crate::Error;
use crate::cell::{CellForward, CellInputs, CellOutputs};

impl<T: Scalar> CellForward<T> for Jordan {
    fn project(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error> {
        let weights = self.weights(inputs.parameters);
        let biases = weights.biases.map(|[b_ih, b_yh, _]| [b_ih, b_yh]);
        let projection = Projection::new(ctx, weights.w_ih, biases)?;
        projection.all_rows(ctx, inputs.pass.steps, inputs.x, outputs.saved.view_mut());
        Ok(())
    }

    fn recur(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error> {
        let weights = self.weights(inputs.parameters);
        let w_yh = Packed::new(ctx, weights.w_yh.t())?;
        let w_hy = Packed::new(ctx, weights.w_hy.t())?;
        let b_hy = weights.biases.as_ref().and_then(|[_, _, b_hy]| b_hy.to_slice());
        let pass = inputs.pass;
        let terms =
            Recurrence { steps: pass.steps, order: pass.order(), start: Start::State(inputs.states[0]) };
        let hidden = StepProduct {
            weights: &w_yh,
            initial: InitialC::InPlace,
            projection: None,
            epilogue: Epilogue::Activation(self.activation),
            target: outputs.saved.view_mut().into(),
        };
        let output = StepProduct {
            weights: &w_hy,
            initial: b_hy.map_or(InitialC::Zero, InitialC::Row),
            projection: None,
            epilogue: Epilogue::Activation(self.output_activation),
            target: outputs.y.reborrow(),
        };
        recurrence(ctx, &terms, [hidden, output])?;
        pass.final_rows(&outputs.y.view(), outputs.states_n[0].view_mut());
        Ok(())
    }
}
