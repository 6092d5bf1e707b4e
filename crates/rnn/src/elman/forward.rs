//! The forward pass of the Elman cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_hh)        all rows at once, into the place of y
//! recur     h_t = act(Z_t + h_{t-1} W_hhᵀ)     step by step, in place
//!           h_n = h at the last step of each sequence
//! ```

use elman_kernels::{Chain, ChainBase, Context, Epilogue, Init, Order, Packed, Scalar, Start, affine, chain};

use super::{Elman, Nonlinearity};
use crate::Error;
use crate::cell::{Given, Made};

pub(super) fn project<T: Scalar>(
    cell: Elman,
    ctx: &Context,
    given: &Given<'_, T>,
    made: &mut Made<'_, T>,
) -> Result<(), Error> {
    let weights = cell.weights(given.parameters);
    let packed = Packed::new(ctx, weights.w_ih.t())?;
    let bias = weights.biases.map(|[b_ih, b_hh]| &b_ih + &b_hh);
    let init = match bias.as_ref().and_then(|b| b.as_slice()) {
        Some(bias) => Init::Bias(bias),
        None => Init::Zero,
    };
    affine(ctx, given.x, &packed, init, made.y.view_mut());
    Ok(())
}

pub(super) fn recur<T: Scalar>(
    cell: Elman,
    ctx: &Context,
    given: &Given<'_, T>,
    made: &mut Made<'_, T>,
) -> Result<(), Error> {
    let weights = cell.weights(given.parameters);
    let packed = Packed::new(ctx, weights.w_hh.t())?;
    let pass = given.pass;
    let recurrence = Chain {
        steps: pass.steps,
        order: if pass.reverse { Order::Descending } else { Order::Ascending },
        weights: &packed,
        start: Start::State(given.states[0]),
        base: ChainBase::InPlace,
        epilogue: match cell.nonlinearity {
            Nonlinearity::Tanh => Epilogue::Tanh,
            Nonlinearity::Relu => Epilogue::Relu,
        },
    };
    chain(ctx, &recurrence, made.y.view_mut());
    pass.final_rows(made.y.view(), made.states_n[0].view_mut());
    Ok(())
}
