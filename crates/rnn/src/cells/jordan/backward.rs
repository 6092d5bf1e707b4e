//! The backward pass of the Jordan cell.
//!
//! ```text
//! recur     dv_t = (dy_t + dz_{t+1} W_yh) ⊙ g'(y_t)          step by step, against the order of the pass;
//!           dz_t = (dv_t W_hy) ⊙ act'(h_t)
//!           at the last step of each sequence dy_n takes the place of dz_{t+1} W_yh
//!           dy_0 = dz W_yh at the first step of each sequence
//! project   dX    = dZ W_ih                                   all rows at once
//!           dW_ih = dZᵀ X
//!           dW_yh = dZᵀ Y_{-1}, Y_{-1} what was fed back before each row
//!           dW_hy = dVᵀ H
//!           db_ih = db_yh = Σ over rows of dZ;  db_hy = Σ over rows of dV
//! ```
//!
//! dZ (N, H) and dV (N, O) stand side by side in the array that the stack calls dz.

use elman_kernels::{
    Context, Epilogue, InitialC, Operand, Packed, Recurrence, Scalar, Start, StepProduct, TransposedProduct,
    gemm, gemm_tn, recurrence,
};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::projection::{begin, input_gradient, input_weights, recurrent_gradients};
use super::Jordan;
use crate::Error;
use crate::cell::{CellBackward, CellGradients, CellInputs, CellResults, List, UpstreamGradients};

impl<T: Scalar> CellBackward<T> for Jordan {
    fn recur_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        upstream: &UpstreamGradients<'_, T>,
        dz: ArrayViewMut2<'_, T>,
        mut dstates: List<Option<ArrayViewMut2<'_, T>>>,
    ) -> Result<(), Error> {
        let weights = self.weights(inputs.parameters);
        let w_yh = Packed::new(ctx, weights.w_yh.view())?;
        let w_hy = Packed::new(ctx, weights.w_hy.view())?;
        let pass = inputs.pass;
        let (mut dz, mut dv) = dz.split_at(Axis(1), self.hidden_size);

        begin(inputs, upstream, 0, dv.view_mut());
        let terms = Recurrence { steps: pass.steps, order: pass.backward_order(), start: Start::Prepared };
        let output = StepProduct {
            weights: &w_yh,
            initial: upstream.dy.as_ref().map_or(InitialC::Zero, |dy| InitialC::Matrix(dy.reborrow())),
            projection: None,
            epilogue: Epilogue::Derivative(self.output_activation, results.y.reborrow()),
            target: dv.view_mut().into(),
        };
        let hidden = StepProduct {
            weights: &w_hy,
            initial: InitialC::Zero,
            projection: None,
            epilogue: Epilogue::Derivative(self.activation, results.saved.reborrow().into()),
            target: dz.view_mut().into(),
        };
        recurrence(ctx, &terms, [output, hidden])?;

        if let Some(dy_0) = dstates.pop().flatten() {
            pass.with_first_rows(dz.view(), |dz| gemm(ctx, dz, &w_yh, InitialC::Zero, dy_0));
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
        let (dz, dv) = dz.split_at(Axis(1), self.hidden_size);
        let w_ih = input_weights(ctx, self.weights(inputs.parameters).w_ih, &gradients)?;
        let mut dparameters = gradients.dparameters.take().unwrap_or_default();
        // Of each there may be none.
        let (weights, biases) = dparameters.split_at_mut_checked(3).unwrap_or_default();
        let (recurrent, output) = weights.split_at_mut_checked(2).unwrap_or_default();
        let (of_dz, of_dv) = biases.split_at_mut_checked(2).unwrap_or_default();
        let fused = input_gradient(inputs, w_ih.as_ref(), &mut gradients);
        recurrent_gradients(ctx, inputs, (0, results.y.reborrow()), dz, fused, recurrent, of_dz)?;
        let products = output
            .iter_mut()
            .map(|dw| TransposedProduct { b: Operand::Matrix(results.saved), out: dw.view_mut() });
        let sums = of_dv.first_mut().and_then(|db| db.as_slice_mut());
        Ok(gemm_tn(ctx, dv, products, sums, None)?)
    }
}
