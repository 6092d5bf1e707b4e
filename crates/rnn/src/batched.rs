//! What the passes of all cells do alike: the projection of the input ahead of the recurrence, where a backward
//! recurrence begins, and the gradients that are made of all rows at once behind it.
//!
//! ```text
//! Z  = X W_ihᵀ + b                 the projection
//! dX = dZ W_ih                     the gradients behind it
//! dW = dZᵀ S_{-1}                  of the weight of a state, S_{-1} that state before each row
//! db = Σ over rows of dZ
//! ```

use elman_kernels::{
    Context, Init, Packed, Pick, Placed, Rows, Scalar, Scratch, Steps, Target, affine_placed, column_sums,
    gram,
};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Error;
use crate::cell::{Above, Below, Given};

/// The weights of the projection, in panels.
pub(crate) struct Projection<'a, T: Scalar> {
    /// W_ihᵀ.
    pub(crate) weights: Packed<'a, T>,
    /// The sum of both biases of a step.
    pub(crate) bias: Option<Scratch<'a, T>>,
}

impl<'a, T: Scalar> Projection<'a, T> {
    /// W_ih (H, F), and two biases (1, H) that always come together.
    pub(crate) fn new(
        ctx: &'a Context,
        w_ih: ArrayView2<'_, T>,
        biases: Option<[ArrayView2<'_, T>; 2]>,
    ) -> Result<Self, Error> {
        let sum = |[a, b]: [ArrayView2<'_, T>; 2]| -> Result<_, Error> {
            let mut bias = ctx.scratch(a.len())?;
            let terms = a.iter().zip(b);
            bias.iter_mut().zip(terms).for_each(|(sum, (&a, &b))| *sum = a + b);
            Ok(bias)
        };
        Ok(Self { weights: Packed::new(ctx, w_ih.t())?, bias: biases.map(sum).transpose()? })
    }

    /// Z of all rows.
    pub(crate) fn all_rows<'z>(
        &self,
        ctx: &Context,
        steps: &Steps,
        x: Placed<'_, T>,
        z: impl Into<Target<'z, T>>,
    ) where
        T: 'z,
    {
        let init = self.bias.as_deref().map_or(Init::Zero, Init::Bias);
        affine_placed(ctx, steps, x, &self.weights, init, z);
    }
}

/// The rows of a backward recurrence where it begins, which is where the pass ended: dy and the gradient of the final
/// state meet there.
pub(crate) fn begin<T: Scalar>(given: &Given<'_, T>, above: &Above<'_, T>, mut to: ArrayViewMut2<'_, T>) {
    for b in 0..given.pass.steps.batch() {
        let row = given.pass.final_row(b);
        let mut begin = to.row_mut(row);
        match above.dy {
            Some(dy) => begin.assign(&dy.row(given.pass.steps, given.pass.final_step(b), b)),
            None => begin.fill(T::zero()),
        }
        if let Some(dstate_n) = above.dstates_n[0] {
            begin += &dstate_n.row(b);
        }
    }
}

/// dX, if wanted.
pub(crate) fn input_gradient<T: Scalar>(
    ctx: &Context,
    given: &Given<'_, T>,
    dz: ArrayView2<'_, T>,
    w_ih: ArrayView2<'_, T>,
    below: &mut Below<'_, T>,
) -> Result<(), Error> {
    if let Some(dx) = &mut below.dx {
        let packed = Packed::new(ctx, w_ih)?;
        let init = if below.add_dx { Init::Accumulate } else { Init::Zero };
        affine_placed(ctx, given.pass.steps, dz.into(), &packed, init, dx.reborrow());
    }
    Ok(())
}

/// dW of the weight of the input.
pub(crate) fn input_weight_gradient<T: Scalar>(
    ctx: &Context,
    given: &Given<'_, T>,
    dz: ArrayView2<'_, T>,
    dw: ArrayViewMut2<'_, T>,
) -> Result<(), Error> {
    let x = given.x.array;
    let index = match given.x.places {
        None => return Ok(gram(ctx, dz, Rows::All(x), dw)?),
        Some(places) => given.pass.picks(|t, b| Pick::First(places.row(t, b)))?,
    };
    Ok(gram(ctx, dz, Rows::Picked { first: x, second: x, index: &index }, dw)?)
}

/// dW of the weight that the state before each row went through; the output is that state after it.
pub(crate) fn state_gradient<T: Scalar>(
    ctx: &Context,
    dz: ArrayView2<'_, T>,
    given: &Given<'_, T>,
    above: &Above<'_, T>,
    dw: ArrayViewMut2<'_, T>,
) -> Result<(), Error> {
    let steps = given.pass.steps;
    let index = given.pass.previous(|t, b| above.y.index(steps, t, b))?;
    Ok(gram(ctx, dz, Rows::Picked { first: above.y.array, second: given.states[0], index: &index }, dw)?)
}

/// db, the same for each of `biases`.
pub(crate) fn bias_gradients<T: Scalar>(
    ctx: &Context,
    dz: ArrayView2<'_, T>,
    biases: &mut [ArrayViewMut2<'_, T>],
) -> Result<(), Error> {
    let mut sums = ctx.scratch(dz.ncols())?;
    column_sums(ctx, dz, &mut sums);
    for db in biases {
        db.iter_mut().zip(&*sums).for_each(|(db, &sum)| *db = sum);
    }
    Ok(())
}
