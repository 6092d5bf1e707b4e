//! The backward pass of the LSTM cell.
//!
//! ```text
//! recur     ds_t = dy_t + dz_{t+1} W_hh                       step by step, against the order of the pass;
//!           at the last step of each sequence ds_n takes the place of dz_{t+1} W_hh, and dc_n is dc
//!           dm_t = ds_t, or ds_t W_hr if the cell projects
//!           dc_t = dc + dm_t ⊙ o ⊙ (1 - tanh²(c_t))
//!           dz_t = (dc_t ⊙ g, dc_t ⊙ c_{t-1}, dc_t ⊙ i, dm_t ⊙ tanh(c_t)) ⊙ the derivatives of the gates i, f, g, o
//!           dc   = dc_t ⊙ f
//!           ds_0 = dz W_hh at the first step of each sequence; dc_0 = dc after it
//! project   dX    = dZ W_ih                                   all rows at once
//!           dW_ih = dZᵀ X,  dW_hh = dZᵀ S_{-1},  db_ih = db_hh = Σ over rows of dZ
//!           dW_hr = dSᵀ M, M computed from what was kept
//! ```
//!
//! dZ (N, 4 H) and, if the cell projects, dS (N, P) stand side by side in the array that the stack calls dz.

use elman_kernels::{
    Activation, Context, Epilogue, GatedProduct, Gates, InitialC, Operand, Packed, Product, Recurrence,
    Scalar, Start, StepProduct, TransposedProduct, activate, gemm, gemm_tn, recurrence,
};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Zip};

use super::super::gates::columns;
use super::super::projection::{begin, begin_at, input_gradient, input_weights, matrix, recurrent_gradients};
use super::Lstm;
use crate::Error;
use crate::cell::{CellBackward, CellGradients, CellInputs, CellResults, List, UpstreamGradients};

impl<T: Scalar> CellBackward<T> for Lstm {
    fn recur_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        upstream: &UpstreamGradients<'_, T>,
        dz: ArrayViewMut2<'_, T>,
        mut dstates: List<Option<ArrayViewMut2<'_, T>>>,
    ) -> Result<(), Error> {
        let (pass, units) = (inputs.pass, self.hidden_size);
        let weights = self.weights(inputs.parameters);
        let w_hh = [Packed::new(ctx, weights.w_hh)?];
        let (mut dz, mut ds) = dz.split_at(Axis(1), 4 * units);
        let batch = pass.steps.batch();
        let mut dc = ctx.scratch(batch * units)?;
        let mut dc = matrix(&mut dc, batch, units);
        match upstream.dstates_n[1] {
            Some(dc_n) => dc.assign(&dc_n),
            None => dc.fill(T::zero()),
        }
        let initial = || upstream.dy.as_ref().map_or(InitialC::Zero, |dy| InitialC::Matrix(dy.reborrow()));
        match weights.w_hr {
            None => {
                let mut first = ctx.scratch(batch * units)?;
                let mut first = matrix(&mut first, batch, units);
                begin_at(inputs, upstream, 0, |b| b, first.view_mut());
                let product = GatedProduct {
                    weights: &w_hh,
                    initial: initial(),
                    projection: None,
                    gates: Gates::LstmBackward {
                        kept: results.saved.reborrow(),
                        dc: dc.view_mut(),
                        dz: dz.view_mut(),
                    },
                };
                let terms = Recurrence {
                    steps: pass.steps,
                    order: pass.backward_order(),
                    start: Start::Sums(first.view()),
                };
                recurrence(ctx, &terms, [product])?;
            }
            Some(w_hr) => {
                let w_hr = [Packed::new(ctx, w_hr)?];
                begin(inputs, upstream, 0, ds.view_mut());
                let to_ds = StepProduct {
                    weights: &w_hh[0],
                    initial: initial(),
                    projection: None,
                    epilogue: Epilogue::None,
                    target: ds.view_mut().into(),
                };
                let to_dz = GatedProduct {
                    weights: &w_hr,
                    initial: InitialC::Zero,
                    projection: None,
                    gates: Gates::LstmBackward {
                        kept: results.saved.reborrow(),
                        dc: dc.view_mut(),
                        dz: dz.view_mut(),
                    },
                };
                let terms =
                    Recurrence { steps: pass.steps, order: pass.backward_order(), start: Start::Prepared };
                recurrence(ctx, &terms, [Product::Plain(to_ds), Product::Gated(to_dz)])?;
            }
        }
        if let Some(mut dc_0) = dstates.pop().flatten() {
            dc_0.assign(&dc);
        }
        if let Some(ds_0) = dstates.pop().flatten() {
            pass.with_first_rows(dz.view(), |dz| gemm(ctx, dz, &w_hh[0], InitialC::Zero, ds_0));
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
        let units = self.hidden_size;
        let (dz, ds) = dz.split_at(Axis(1), 4 * units);
        let w_ih = input_weights(ctx, self.weights(inputs.parameters).w_ih, &gradients)?;
        let mut dparameters = gradients.dparameters.take().unwrap_or_default();
        let mut dw_hr = self.proj_size.and_then(|_| dparameters.pop());
        let (weights, biases) = dparameters.split_at_mut_checked(2).unwrap_or_default(); // there may be none
        let fused = input_gradient(inputs, w_ih.as_ref(), &mut gradients);
        recurrent_gradients(ctx, inputs, (0, results.y.reborrow()), dz, fused, weights, biases)?;
        if let Some(dw_hr) = &mut dw_hr {
            let mut m = ctx.scratch(ds.nrows() * units)?;
            let mut m = matrix(&mut m, ds.nrows(), units);
            let kept = |plane: usize| columns(results.saved, plane * units..(plane + 1) * units);
            let [i, f, g, o, c] = [0, 1, 2, 3, 4].map(kept);
            Zip::from(&mut m).and(&i).and(&g).for_each(|m, &i, &g| *m = i * g);
            Zip::from(&mut m).and(&f).and(&c).for_each(|m, &f, &c| *m = f * c + *m);
            if let Some(m) = m.as_slice_mut() {
                let mut c = ctx.scratch(m.len())?;
                c.copy_from_slice(m);
                activate(ctx, Activation::Tanh, &c, m);
            }
            Zip::from(&mut m).and(&o).for_each(|m, &o| *m *= o);
            let product = TransposedProduct { b: Operand::Matrix(m.view()), out: dw_hr.view_mut() };
            gemm_tn(ctx, ds, [product], None, None)?;
        }
        Ok(())
    }
}
