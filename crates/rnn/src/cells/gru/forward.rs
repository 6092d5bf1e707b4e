//! The forward pass of the GRU cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + b                    all rows at once, into what is kept; or in each step of `recur`
//! recur     Z_t + h_{t-1} W_hhᵀ, then the gates and h_t
//!           h_n = h at the last step of each sequence
//! ```
//!
//! Z has the four sums of a step: r, z, the input's part of n, which has no part of h, and the state's part of n, which has
//! none of x but its bias.

use elman_kernels::{
    Context, Gates, InitialC, MappedRows, Recurrence, Scalar, Start, Steps, gemm_mapped, recurrence,
};
use ndarray::Axis;

use super::super::gates::{LoopWeights, bias, kept, packed};
use super::super::projection::projects_in_steps;
use super::{Gru, OF_H, OF_X};
use crate::Error;
use crate::cell::{CellForward, CellInputs, CellOutputs};

impl<T: Scalar> CellForward<T> for Gru {
    /// As memory for the projection of all rows.
    fn needs_saved(&self, steps: &Steps) -> bool {
        !projects_in_steps(steps)
    }

    fn project(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error> {
        if projects_in_steps(inputs.pass.steps) {
            return Ok(());
        }
        let units = self.hidden_size;
        let w_ih = packed(ctx, self.weights(inputs.parameters).w_ih, units, OF_X)?;
        let bias = bias(ctx, units, self.biases(inputs.parameters))?;
        for (sum, w) in w_ih.iter().enumerate() {
            let x = inputs.x.reborrow();
            let x =
                if w.k() > 0 { x } else { MappedRows { array: x.array.split_at(Axis(1), 0).0, map: x.map } };
            let initial = InitialC::Row(&bias[sum * units..][..units]);
            let z = outputs.saved.slice_axis_mut(Axis(1), (sum * units..(sum + 1) * units).into());
            gemm_mapped(ctx, inputs.pass.steps, x, w, initial, z);
        }
        Ok(())
    }

    fn recur(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error> {
        let (pass, units) = (inputs.pass, self.hidden_size);
        let weights = self.weights(inputs.parameters);
        let each = [(weights.w_ih, OF_X), (weights.w_hh, OF_H)];
        let weights = LoopWeights::new(ctx, inputs, units, each, self.biases(inputs.parameters))?;
        let start = Start::State(inputs.states[0]);
        let terms = Recurrence { steps: pass.steps, order: pass.order(), start };
        let gates = Gates::GruForward { kept: kept(&mut outputs.saved), h: outputs.y.reborrow() };
        recurrence(ctx, &terms, [weights.product(inputs, gates)])?;
        pass.final_rows(&outputs.y.view(), outputs.states_n[0].view_mut());
        Ok(())
    }
}
