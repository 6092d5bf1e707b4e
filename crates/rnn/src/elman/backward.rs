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

use elman_kernels::{Chain, ChainBase, Context, Epilogue, Init, Order, Packed, Scalar, Start, affine, chain};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::{Elman, Nonlinearity};
use crate::Error;
use crate::batched::{begin, input_gradient, input_weights, recurrent_gradients};
use crate::cell::{Above, Below, Given, List};

pub(super) fn recur<T: Scalar>(
    cell: Elman,
    ctx: &Context,
    given: &Given<'_, T>,
    above: &Above<'_, T>,
    mut dz: ArrayViewMut2<'_, T>,
    dstates: Option<List<ArrayViewMut2<'_, T>>>,
) -> Result<(), Error> {
    let weights = cell.weights(given.parameters);
    let packed = Packed::new(ctx, weights.w_hh.view())?;
    let pass = given.pass;

    begin(given, above, dz.view_mut());
    let recurrence = Chain {
        steps: pass.steps,
        order: if pass.reverse { Order::Ascending } else { Order::Descending },
        weights: &packed,
        start: Start::Prepared,
        base: above.dy.as_ref().map_or(ChainBase::Zero, |dy| ChainBase::Matrix(dy.reborrow())),
        epilogue: match cell.nonlinearity {
            Nonlinearity::Tanh => Epilogue::TanhGrad(above.y.reborrow()),
            Nonlinearity::Relu => Epilogue::ReluGrad(above.y.reborrow()),
        },
    };
    chain(ctx, &recurrence, dz.view_mut());

    if let Some(dh_0) = dstates.and_then(|mut all| all.pop()) {
        pass.with_first_rows(dz.view(), |dz| affine(ctx, dz, &packed, Init::Zero, dh_0));
    }
    Ok(())
}

pub(super) fn project<T: Scalar>(
    cell: Elman,
    ctx: &Context,
    given: &Given<'_, T>,
    above: &Above<'_, T>,
    dz: ArrayView2<'_, T>,
    mut below: Below<'_, T>,
) -> Result<(), Error> {
    let w_ih = input_weights(ctx, cell.weights(given.parameters).w_ih, &below)?;
    let mut gradients = below.dparameters.take().unwrap_or_default();
    let (weights, biases) = gradients.split_at_mut_checked(2).unwrap_or_default(); // there may be none
    let along = input_gradient(given, w_ih.as_ref(), &mut below);
    recurrent_gradients(ctx, given, above, dz, along, weights, biases)
}
