//! The backward pass of the Elman cell.
//!
//! ```text
//! recur     dz_t = (dy_t + dz_{t+1} W_hh) ⊙ act'(h_t)        step by step, against the order of the pass;
//!           at the last step of each sequence dh_n takes the place of dz_{t+1} W_hh
//!           dh_0 = dz W_hh at the first step of each sequence
//! project   dX    = dZ W_ih                                   all rows at once
//!           dW_ih = dZᵀ X
//!           dW_hh = dZᵀ H_{-1}, H_{-1} the state before each row
//!           db_ih = db_hh = Σ over rows of dZ
//! ```

use elman_kernels::{
    Context, Epilogue, InitialC, Packed, Recurrence, Scalar, Start, StepProduct, gemm, recurrence,
};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::super::projection::{begin, input_gradient, input_weights, recurrent_gradients};
use super::Elman;
use crate::Error;
use crate::cell::{CellBackward, CellGradients, CellInputs, CellResults, List, UpstreamGradients};

impl<T: Scalar> CellBackward<T> for Elman {
    fn recur_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        upstream: &UpstreamGradients<'_, T>,
        mut dz: ArrayViewMut2<'_, T>,
        mut dstates: List<Option<ArrayViewMut2<'_, T>>>,
    ) -> Result<(), Error> {
        let packed = Packed::new(ctx, self.weights(inputs.parameters).w_hh.view())?;
        let pass = inputs.pass;

        begin(inputs, upstream, 0, dz.view_mut());
        let terms = Recurrence { steps: pass.steps, order: pass.backward_order(), start: Start::Prepared };
        let product = StepProduct {
            weights: &packed,
            initial: upstream.dy.as_ref().map_or(InitialC::Zero, |dy| InitialC::Matrix(dy.reborrow())),
            projection: None,
            epilogue: Epilogue::Derivative(self.activation, results.y.reborrow()),
            target: dz.view_mut().into(),
        };
        recurrence(ctx, &terms, [product])?;

        if let Some(dh_0) = dstates.pop().flatten() {
            pass.with_first_rows(dz.view(), |dz| gemm(ctx, dz, &packed, InitialC::Zero, dh_0));
        }
        Ok(())
    }

    fn project_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        dz: ArrayView2<'_, T>,
        mut gradients: CellGradients<'_, T>,
    ) -> Result<(), Error> {
        let w_ih = input_weights(ctx, self.weights(inputs.parameters).w_ih, &gradients)?;
        let mut dparameters = gradients.dparameters.take().unwrap_or_default();
        let (weights, biases) = dparameters.split_at_mut_checked(2).unwrap_or_default(); // there may be none
        let fused = input_gradient(inputs, w_ih.as_ref(), &mut gradients);
        recurrent_gradients(ctx, inputs, (0, results.y.reborrow()), dz, fused, weights, biases)
    }
}
