//! The forward pass of the LSTM cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_hh)        all rows at once, into what is kept; or in each step of `recur`
//! recur     Z_t + s_{t-1} W_hhᵀ, then the gates, c_t and m_t
//!           s_t = m_t W_hrᵀ                    if the cell projects
//!           s_n, c_n = s and c at the last step of each sequence
//! ```
//!
//! Where no backward pass will follow, few sequences use scratch memory for what is kept, and others keep nothing.

use elman_kernels::{
    Context, Epilogue, Gates, InitialC, Packed, Product, Recurrence, Scalar, Start, StepProduct, Steps,
    gemm_mapped, recurrence,
};
use ndarray::Axis;

use super::super::gates::{LoopWeights, bias, kept};
use super::super::projection::{matrix, projects_in_steps};
use super::{GATES, Lstm};
use crate::Error;
use crate::cell::{CellForward, CellInputs, CellOutputs};

impl<T: Scalar> CellForward<T> for Lstm {
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
        let w_ih = Packed::new(ctx, self.weights(inputs.parameters).w_ih.t())?;
        let bias = bias(ctx, self.hidden_size, self.biases(inputs.parameters))?;
        let z = outputs.saved.view_mut().split_at(Axis(1), 4 * self.hidden_size).0;
        gemm_mapped(ctx, inputs.pass.steps, inputs.x.reborrow(), &w_ih, InitialC::Row(&bias), z);
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
        let each = [(weights.w_ih, GATES), (weights.w_hh, GATES)];
        let gated = LoopWeights::new(ctx, inputs, units, each, self.biases(inputs.parameters))?;
        let start = Start::State(inputs.states[0]);
        let terms = Recurrence { steps: pass.steps, order: pass.order(), start };
        let [s_n, c_n] = &mut outputs.states_n[..] else { unreachable!("two states") };
        c_n.assign(&inputs.states[1]);
        let (c, kept) = (c_n.view_mut(), kept(&mut outputs.saved));
        match weights.w_hr {
            None => {
                let gates = Gates::LstmForward { c, kept, h: outputs.y.reborrow() };
                recurrence(ctx, &terms, [gated.product(inputs, gates)])?;
            }
            Some(w_hr) => {
                let w_hr = Packed::new(ctx, w_hr.t())?;
                let rows = pass.steps.rows();
                let mut m = ctx.scratch(rows * units)?;
                let gates = Gates::LstmForward { c, kept, h: matrix(&mut m, rows, units).into() };
                let to_m = gated.product(inputs, gates);
                let to_s = StepProduct {
                    weights: &w_hr,
                    initial: InitialC::Zero,
                    projection: None,
                    epilogue: Epilogue::None,
                    target: outputs.y.reborrow(),
                };
                recurrence(ctx, &terms, [Product::Gated(to_m), Product::Plain(to_s)])?;
            }
        }
        pass.final_rows(&outputs.y.view(), s_n.view_mut());
        Ok(())
    }
}
