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
    Context, Epilogue, GatedProduct, Gates, InitialC, Order, Packed, Product, Recurrence, Scalar, Scratch,
    Start, StepProduct, Steps, gemm_mapped, recurrence,
};
use ndarray::Axis;

use super::super::gates::{bias, gate_of_bias, kept, packed, projects_in_steps};
use super::super::projection::matrix;
use super::Lstm;
use crate::Error;
use crate::cell::{CellForward, CellInputs, CellOutputs, List};

/// Every gate reads x and s.
const GATES: [Option<usize>; 4] = [Some(0), Some(1), Some(2), Some(3)];

impl Lstm {
    /// `b_ih` + `b_hh`.
    fn summed_bias<'a, T: Scalar>(
        self,
        ctx: &'a Context,
        inputs: &CellInputs<'_, T>,
    ) -> Result<Option<Scratch<'a, T>>, Error> {
        let units = self.hidden_size;
        let of = |biases: [_; 2]| {
            let gates =
                [0, 1, 2, 3].map(|gate| biases.iter().map(|&b| gate_of_bias(b, units, gate)).collect());
            bias(ctx, units, gates)
        };
        self.weights(inputs.parameters).biases.map(of).transpose()
    }
}

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
        let bias = self.summed_bias(ctx, inputs)?;
        let initial = bias.as_deref().map_or(InitialC::Zero, InitialC::Row);
        let z = outputs.saved.view_mut().split_at(Axis(1), 4 * self.hidden_size).0;
        gemm_mapped(ctx, inputs.pass.steps, inputs.x.reborrow(), &w_ih, initial, z);
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
        let w_hh = packed(ctx, weights.w_hh, units, GATES)?;
        let in_steps = projects_in_steps(inputs.pass.steps);
        let w_ih = if in_steps { packed(ctx, weights.w_ih, units, GATES)? } else { List::new() };
        let bias = if in_steps { self.summed_bias(ctx, inputs)? } else { None };
        let order = if pass.reverse { Order::Descending } else { Order::Ascending };
        let terms = Recurrence { steps: pass.steps, order, start: Start::State(inputs.states[0]) };
        let [s_n, c_n] = &mut outputs.states_n[..] else { unreachable!("two states") };
        c_n.assign(&inputs.states[1]);
        let initial = match &bias {
            Some(bias) => InitialC::Row(bias),
            None if in_steps => InitialC::Zero,
            None => InitialC::InPlace,
        };
        let projection = in_steps.then(|| (inputs.x.reborrow(), &w_ih[..]));
        let (c, kept) = (c_n.view_mut(), kept(&mut outputs.saved));
        match weights.w_hr {
            None => {
                let gates = Gates::LstmForward { c, kept, h: outputs.y.reborrow() };
                recurrence(ctx, &terms, [GatedProduct { weights: &w_hh, initial, projection, gates }])?;
            }
            Some(w_hr) => {
                let w_hr = Packed::new(ctx, w_hr.t())?;
                let rows = pass.steps.rows();
                let mut m = ctx.scratch(rows * units)?;
                let gates = Gates::LstmForward { c, kept, h: matrix(&mut m, rows, units).into() };
                let to_m = GatedProduct { weights: &w_hh, initial, projection, gates };
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
