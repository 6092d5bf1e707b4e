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
    ChainBase, Context, Epilogue, Init, Leg, Order, Packed, Product, Relay, Rows, Scalar, Start, affine,
    relay,
};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::{Jordan, OutputNonlinearity};
use crate::batched::{begin, gradients, input_gradient, input_weights, recurrent_gradients};
use crate::cell::{Above, Below, Given, List};
use crate::{Error, Nonlinearity};

pub(super) fn recur<T: Scalar>(
    cell: Jordan,
    ctx: &Context,
    given: &Given<'_, T>,
    above: &Above<'_, T>,
    dz: ArrayViewMut2<'_, T>,
    dstates: Option<List<ArrayViewMut2<'_, T>>>,
) -> Result<(), Error> {
    let weights = cell.weights(given.parameters);
    let w_yh = Packed::new(ctx, weights.w_yh.view())?;
    let w_hy = Packed::new(ctx, weights.w_hy.view())?;
    let pass = given.pass;
    let (mut dz, mut dv) = dz.split_at(Axis(1), cell.hidden_size);

    begin(given, above, dv.view_mut());
    let recurrence = Relay {
        steps: pass.steps,
        order: if pass.reverse { Order::Ascending } else { Order::Descending },
        start: Start::Prepared,
        first: Leg {
            weights: &w_yh,
            base: above.dy.as_ref().map_or(ChainBase::Zero, |dy| ChainBase::Matrix(dy.reborrow())),
            epilogue: match cell.output_nonlinearity {
                OutputNonlinearity::Identity => Epilogue::Identity,
                OutputNonlinearity::Tanh => Epilogue::TanhGrad(above.y.reborrow()),
                OutputNonlinearity::Sigmoid => Epilogue::SigmoidGrad(above.y.reborrow()),
            },
        },
        second: Leg {
            weights: &w_hy,
            base: ChainBase::Zero,
            epilogue: match cell.nonlinearity {
                Nonlinearity::Tanh => Epilogue::TanhGrad(above.saved.into()),
                Nonlinearity::Relu => Epilogue::ReluGrad(above.saved.into()),
            },
        },
    };
    relay(ctx, &recurrence, dv.view_mut(), dz.view_mut());

    if let Some(dy_0) = dstates.and_then(|mut all| all.pop()) {
        pass.with_first_rows(dz.view(), |dz| affine(ctx, dz, &w_yh, Init::Zero, dy_0));
    }
    Ok(())
}

pub(super) fn project<T: Scalar>(
    cell: Jordan,
    ctx: &Context,
    given: &Given<'_, T>,
    above: &Above<'_, T>,
    dz: ArrayView2<'_, T>,
    mut below: Below<'_, T>,
) -> Result<(), Error> {
    let (dz, dv) = dz.split_at(Axis(1), cell.hidden_size);
    let w_ih = input_weights(ctx, cell.weights(given.parameters).w_ih, &below)?;
    let mut dparameters = below.dparameters.take().unwrap_or_default();
    // Of each there may be none.
    let (weights, biases) = dparameters.split_at_mut_checked(3).unwrap_or_default();
    let (recurrent, output) = weights.split_at_mut_checked(2).unwrap_or_default();
    let (of_dz, of_dv) = biases.split_at_mut_checked(2).unwrap_or_default();
    let along = input_gradient(given, w_ih.as_ref(), &mut below);
    recurrent_gradients(ctx, given, above, dz, along, recurrent, of_dz)?;
    let products = output.iter_mut().map(|dw| Product { b: Rows::All(above.saved), out: dw.view_mut() });
    gradients(ctx, dv, None, products, of_dv)
}
