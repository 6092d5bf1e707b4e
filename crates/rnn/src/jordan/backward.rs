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
    ChainBase, Context, Epilogue, Init, Leg, Order, Packed, Relay, Rows, Scalar, Start, affine, column_sums,
    gram, relay,
};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::{Jordan, OutputNonlinearity};
use crate::cell::{Above, Below, Given};
use crate::{Error, Nonlinearity};

pub(super) fn recur<T: Scalar>(
    cell: Jordan,
    ctx: &Context,
    given: &Given<'_, T>,
    above: &Above<'_, T>,
    dz: ArrayViewMut2<'_, T>,
    dstates: Option<Vec<ArrayViewMut2<'_, T>>>,
) -> Result<(), Error> {
    let weights = cell.weights(given.parameters);
    let w_yh = Packed::new(ctx, weights.w_yh.view())?;
    let w_hy = Packed::new(ctx, weights.w_hy.view())?;
    let pass = given.pass;
    let (mut dz, mut dv) = dz.split_at(Axis(1), cell.hidden_size);

    // The recurrence begins where the pass ended: dy and dy_n meet there.
    for b in 0..pass.steps.batch() {
        let row = pass.final_row(b);
        let mut begin = dv.row_mut(row);
        match above.dy {
            Some(dy) => begin.assign(&dy.row(row)),
            None => begin.fill(T::zero()),
        }
        if let Some(dy_n) = above.dstates_n[0] {
            begin += &dy_n.row(b);
        }
    }
    let recurrence = Relay {
        steps: pass.steps,
        order: if pass.reverse { Order::Ascending } else { Order::Descending },
        start: Start::Prepared,
        first: Leg {
            weights: &w_yh,
            base: above.dy.map_or(ChainBase::Zero, ChainBase::Matrix),
            epilogue: match cell.output_nonlinearity {
                OutputNonlinearity::Identity => Epilogue::Identity,
                OutputNonlinearity::Tanh => Epilogue::TanhGrad(above.y),
                OutputNonlinearity::Sigmoid => Epilogue::SigmoidGrad(above.y),
            },
        },
        second: Leg {
            weights: &w_hy,
            base: ChainBase::Zero,
            epilogue: match cell.nonlinearity {
                Nonlinearity::Tanh => Epilogue::TanhGrad(above.saved),
                Nonlinearity::Relu => Epilogue::ReluGrad(above.saved),
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
    below: Below<'_, T>,
) -> Result<(), Error> {
    let (dz, dv) = dz.split_at(Axis(1), cell.hidden_size);
    if let Some(dx) = below.dx {
        let packed = Packed::new(ctx, cell.weights(given.parameters).w_ih.view())?;
        affine(ctx, dz, &packed, if below.add_dx { Init::Accumulate } else { Init::Zero }, dx);
    }
    let Some(mut gradients) = below.dparameters else { return Ok(()) };
    gram(ctx, dz, Rows::All(given.x), gradients[0].view_mut())?;
    let index = given.pass.previous()?;
    let before = Rows::Picked { first: above.y, second: given.states[0], index: &index };
    gram(ctx, dz, before, gradients[1].view_mut())?;
    gram(ctx, dv, Rows::All(above.saved), gradients[2].view_mut())?;
    if let [_, _, _, db_ih, db_yh, db_hy] = &mut gradients[..] {
        let mut sums = ctx.scratch(cell.hidden_size)?;
        column_sums(ctx, dz, &mut sums);
        db_ih.iter_mut().zip(db_yh).zip(&*sums).for_each(|((ih, yh), &sum)| (*ih, *yh) = (sum, sum));
        let mut sums = ctx.scratch(cell.output_size)?;
        column_sums(ctx, dv, &mut sums);
        db_hy.iter_mut().zip(&*sums).for_each(|(hy, &sum)| *hy = sum);
    }
    Ok(())
}
