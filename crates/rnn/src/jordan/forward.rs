//! The forward pass of the Jordan cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_yh)        all rows at once, into the place of h
//! recur     h_t = act(Z_t + y_{t-1} W_yhᵀ)     step by step, in place
//!           y_t = g(b_hy + h_t W_hyᵀ)
//!           y_n = y at the last step of each sequence
//! ```

use elman_kernels::{ChainBase, Context, Epilogue, Leg, Order, Packed, Relay, Scalar, Start, relay};

use super::{Jordan, OutputNonlinearity};
use crate::batched::Projection;
use crate::cell::{Given, Made};
use crate::{Error, Nonlinearity};

pub(super) fn project<T: Scalar>(
    cell: Jordan,
    ctx: &Context,
    given: &Given<'_, T>,
    made: &mut Made<'_, T>,
) -> Result<(), Error> {
    let weights = cell.weights(given.parameters);
    let biases = weights.biases.map(|[b_ih, b_yh, _]| [b_ih, b_yh]);
    let projection = Projection::new(ctx, weights.w_ih, biases)?;
    projection.all_rows(ctx, given.pass.steps, given.x, made.saved.view_mut());
    Ok(())
}

pub(super) fn recur<T: Scalar>(
    cell: Jordan,
    ctx: &Context,
    given: &Given<'_, T>,
    made: &mut Made<'_, T>,
) -> Result<(), Error> {
    let weights = cell.weights(given.parameters);
    let w_yh = Packed::new(ctx, weights.w_yh.t())?;
    let w_hy = Packed::new(ctx, weights.w_hy.t())?;
    let b_hy = weights.biases.as_ref().and_then(|[_, _, b_hy]| b_hy.to_slice());
    let pass = given.pass;
    let recurrence = Relay {
        steps: pass.steps,
        order: if pass.reverse { Order::Descending } else { Order::Ascending },
        start: Start::State(given.states[0]),
        first: Leg {
            weights: &w_yh,
            base: ChainBase::InPlace,
            epilogue: match cell.nonlinearity {
                Nonlinearity::Tanh => Epilogue::Tanh,
                Nonlinearity::Relu => Epilogue::Relu,
            },
        },
        second: Leg {
            weights: &w_hy,
            base: b_hy.map_or(ChainBase::Zero, ChainBase::Row),
            epilogue: match cell.output_nonlinearity {
                OutputNonlinearity::Identity => Epilogue::Identity,
                OutputNonlinearity::Tanh => Epilogue::Tanh,
                OutputNonlinearity::Sigmoid => Epilogue::Sigmoid,
            },
        },
    };
    relay(ctx, &recurrence, made.saved.view_mut(), made.y.reborrow());
    pass.final_rows(&made.y.view(), made.states_n[0].view_mut());
    Ok(())
}
