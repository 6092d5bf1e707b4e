//! The forward pass of the Elman cell.
//!
//! ```text
//! project   Z = X W_ihᵀ + (b_ih + b_hh)        all rows at once, into the place of y
//! recur     h_t = act(Z_t + h_{t-1} W_hhᵀ)     step by step, in place
//!           h_n = h at the last step of each sequence
//! ```
//!
//! With few features Z costs little more than its way to memory and back, so that `recur` makes Z_t itself.

use elman_kernels::{Chain, ChainBase, Context, Epilogue, Init, Order, Packed, Scalar, Start, affine, chain};
use ndarray::ArrayView2;

use super::{Elman, Nonlinearity};
use crate::Error;
use crate::cell::{Given, Made};

/// Up to so many features, `recur` projects: Z has at least eight times as many columns where this matters.
const FEW_FEATURES: usize = 16;

/// With fewer sequences a step is one short chain of multiply-adds after the other, which a product for all rows at
/// once keeps short.
const ENOUGH_SEQUENCES: usize = 8;

/// Whether `recur` projects.
fn projects_on_the_way<T: Scalar>(given: &Given<'_, T>) -> bool {
    given.x.ncols() <= FEW_FEATURES && given.pass.steps.batch() >= ENOUGH_SEQUENCES
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
    let (packed, bias) = projection(cell, ctx, given)?;
    let init = bias.as_deref().map_or(Init::Zero, Init::Bias);
    affine(ctx, given.x, &packed, init, made.y.view_mut());
    Ok(())
}

/// W_ihᵀ, and b_ih + b_hh.
fn projection<'a, T: Scalar>(
    cell: Elman,
    ctx: &'a Context,
    given: &Given<'_, T>,
) -> Result<(Packed<'a, T>, Option<Vec<T>>), Error> {
    let weights = cell.weights(given.parameters);
    let packed = Packed::new(ctx, weights.w_ih.t())?;
    let sum = |[b_ih, b_hh]: [ArrayView2<'_, T>; 2]| b_ih.iter().zip(b_hh).map(|(&a, &b)| a + b).collect();
    Ok((packed, weights.biases.map(sum)))
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
            Some((weights, bias)) => ChainBase::Product { x: given.x, weights, bias: bias.as_deref() },
            None => ChainBase::InPlace,
        },
        epilogue: match cell.nonlinearity {
            Nonlinearity::Tanh => Epilogue::Tanh,
            Nonlinearity::Relu => Epilogue::Relu,
        },
    };
    chain(ctx, &recurrence, made.y.view_mut());
    pass.final_rows(made.y.view(), made.states_n[0].view_mut());
    Ok(())
}
