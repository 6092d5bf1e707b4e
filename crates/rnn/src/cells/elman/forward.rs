//! The forward pass of the Elman cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_hh)        all rows at once, into the place of y
//! recur     h_t = act(Z_t + h_{t-1} W_hhᵀ)     step by step, in place
//!           h_n = h at the last step of each sequence
//! ```
//!
//! Where a step has enough rows for a product of its own, `recur` computes Z_t itself: Z is as large as y, and would be
//! written to memory and read again.

use elman_kernels::{
    Context, Epilogue, InitialC, Packed, Recurrence, Scalar, Start, StepProduct, recurrence,
};

use super::super::projection::{Projection, projects_in_steps};
use super::Elman;
use crate::Error;
use crate::cell::{CellForward, CellInputs, CellOutputs};

impl Elman {
    /// The projection with b_ih + b_hh.
    fn projection<'a, T: Scalar>(
        self,
        ctx: &'a Context,
        inputs: &CellInputs<'_, T>,
    ) -> Result<Projection<'a, T>, Error> {
        let weights = self.weights(inputs.parameters);
        Projection::new(ctx, weights.w_ih, weights.biases)
    }
}

impl<T: Scalar> CellForward<T> for Elman {
    fn project(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error> {
        if projects_in_steps(inputs.pass.steps) {
            return Ok(());
        }
        let projection = self.projection(ctx, inputs)?;
        projection.all_rows(ctx, inputs.pass.steps, inputs.x, outputs.y.reborrow());
        Ok(())
    }

    fn recur(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error> {
        let packed = Packed::new(ctx, self.weights(inputs.parameters).w_hh.t())?;
        let pass = inputs.pass;
        let projection =
            projects_in_steps(inputs.pass.steps).then(|| self.projection(ctx, inputs)).transpose()?;
        let terms =
            Recurrence { steps: pass.steps, order: pass.order(), start: Start::State(inputs.states[0]) };
        let (initial, projection) = match &projection {
            Some(projection) => (projection.bias_row(), Some(projection.of(inputs.x.reborrow()))),
            None => (InitialC::InPlace, None),
        };
        let product = StepProduct {
            weights: &packed,
            initial,
            projection,
            epilogue: Epilogue::Activation(self.activation),
            target: outputs.y.reborrow(),
        };
        recurrence(ctx, &terms, [product])?;
        pass.final_rows(&outputs.y.view(), outputs.states_n[0].view_mut());
        Ok(())
    }
}
