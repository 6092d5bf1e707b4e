//! The forward pass of the Elman cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_hh)        all rows at once, into the place of y
//! recur     h_t = act(Z_t + h_{t-1} W_hhᵀ)     step by step, in place
//!           h_n = h at the last step of each sequence
//! ```
//!
//! Where a step has rows enough for a product of its own, `recur` makes Z_t itself: Z is as large as y, and would go to
//! memory and back.

use super::{Elman, Nonlinearity};
use crate::Error;
use crate::batched::Projection;
use crate::cell::{Given, Made};
use elman_kernels::{Chain, ChainBase, Context, Epilogue, Order, Packed, Scalar, Start, chain};

/// With fewer sequences a step is one short chain of multiply-adds after the other, which a product for all rows at
/// once keeps short.
const ENOUGH_SEQUENCES: usize = 8;

/// Whether `recur` projects.
fn projects_on_the_way<T: Scalar>(given: &Given<'_, T>) -> bool {
    given.pass.steps.batch() >= ENOUGH_SEQUENCES
}

pub(super) fn project<T: Scalar>(
    cell: Elman,
    ctx: &Context,
    given: &Given<'_, T>,
    made: &mut Made<'_, T>,
) -> Result<(), Error> {
    if projects_on_the_way(given) {
        return Ok(());
    }
    projection(cell, ctx, given)?.all_rows(ctx, given.pass.steps, given.x, made.y.reborrow());
    Ok(())
}

/// The projection with b_ih + b_hh.
fn projection<'a, T: Scalar>(
    cell: Elman,
    ctx: &'a Context,
    given: &Given<'_, T>,
) -> Result<Projection<'a, T>, Error> {
    let weights = cell.weights(given.parameters);
    Projection::new(ctx, weights.w_ih, weights.biases)
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
    let projection = if projects_on_the_way(given) { Some(projection(cell, ctx, given)?) } else { None };
    let recurrence = Chain {
        steps: pass.steps,
        order: if pass.reverse { Order::Descending } else { Order::Ascending },
        weights: &packed,
        start: Start::State(given.states[0]),
        base: match &projection {
            Some(Projection { weights, bias }) => {
                ChainBase::Product { x: given.x.reborrow(), weights, bias: bias.as_deref() }
            }
            None => ChainBase::InPlace,
        },
        epilogue: match cell.nonlinearity {
            Nonlinearity::Tanh => Epilogue::Tanh,
            Nonlinearity::Relu => Epilogue::Relu,
        },
    };
    chain(ctx, &recurrence, made.y.reborrow());
    pass.final_rows(&made.y.view(), made.states_n[0].view_mut());
    Ok(())
}
