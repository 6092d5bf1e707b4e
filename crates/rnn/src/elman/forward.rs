//! The forward pass of the Elman cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_hh)        all rows at once, into the place of y
//! recur     h_t = act(Z_t + h_{t-1} W_hhᵀ)     step by step, in place
//!           h_n = h at the last step of each sequence
//! ```
//!
//! With few features Z costs little more than its way to memory and back, so that `recur` makes Z_t itself.

use super::{Elman, Nonlinearity};
use crate::Error;
use crate::batched::{Projection, in_order};
use crate::cell::{Given, Made};
use crate::stack::buffers::matrix;
use elman_kernels::{Chain, ChainBase, Context, Epilogue, Order, Packed, Scalar, Start, chain};

/// Up to so many features, `recur` projects: Z has at least eight times as many columns where this matters.
const FEW_FEATURES: usize = 16;

/// With fewer sequences a step is one short chain of multiply-adds after the other, which a product for all rows at
/// once keeps short.
const ENOUGH_SEQUENCES: usize = 8;

/// Whether `recur` projects.
fn projects_on_the_way<T: Scalar>(given: &Given<'_, T>) -> bool {
    given.x.array.ncols() <= FEW_FEATURES && given.pass.steps.batch() >= ENOUGH_SEQUENCES
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
    projection(cell, ctx, given)?.all_rows(ctx, given.pass.steps, given.x, made.y.rows.view_mut())
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
    let room;
    let x = match projection {
        Some(_) if given.x.places.is_some() => {
            room = in_order(ctx, given)?;
            matrix(&room, given.x.array.ncols())
        }
        _ => given.x.array,
    };
    let recurrence = Chain {
        steps: pass.steps,
        order: if pass.reverse { Order::Descending } else { Order::Ascending },
        weights: &packed,
        start: Start::State(given.states[0]),
        base: match &projection {
            Some(Projection { weights, bias }) => ChainBase::Product { x, weights, bias: bias.as_deref() },
            None => ChainBase::InPlace,
        },
        epilogue: match cell.nonlinearity {
            Nonlinearity::Tanh => Epilogue::Tanh,
            Nonlinearity::Relu => Epilogue::Relu,
        },
    };
    chain(ctx, &recurrence, made.y.reborrow())?;
    pass.final_rows(made.y.rows.view(), made.states_n[0].view_mut());
    Ok(())
}
