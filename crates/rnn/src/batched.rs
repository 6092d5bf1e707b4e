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
    Along, Context, Init, Packed, Pick, Placed, Product, Rows, Scalar, Scratch, Steps, Target, affine_placed,
    gram,
};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Zip};

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
        let sum = |biases: [ArrayView2<'_, T>; 2]| -> Result<_, Error> {
            let mut bias = ctx.scratch(biases[0].len())?;
            add_biases(biases, &mut bias);
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

/// The sum of two biases (1, H).
pub(crate) fn add_biases<T: Scalar>([a, b]: [ArrayView2<'_, T>; 2], sums: &mut [T]) {
    let sums = ArrayViewMut1::from(sums);
    Zip::from(sums).and(a.row(0)).and(b.row(0)).for_each(|sum, &a, &b| *sum = a + b);
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

/// W_ih in panels for dX, if that is wanted.
pub(crate) fn input_weights<'a, T: Scalar>(
    ctx: &'a Context,
    w_ih: ArrayView2<'_, T>,
    below: &Below<'_, T>,
) -> Result<Option<Packed<'a, T>>, Error> {
    Ok(below.dx.is_some().then(|| Packed::new(ctx, w_ih)).transpose()?)
}

/// dX, a product along with the gradients of the weights, if `weights` are there and it is wanted.
pub(crate) fn input_gradient<'a, T: Scalar>(
    given: &'a Given<'_, T>,
    weights: Option<&'a Packed<'a, T>>,
    below: &'a mut Below<'_, T>,
) -> Option<Along<'a, 'a, T>> {
    let (weights, dx) = (weights?, below.dx.as_mut()?);
    let init = if below.add_dx { Init::Accumulate } else { Init::Zero };
    Some(Along { steps: given.pass.steps, weights, init, out: dx.reborrow() })
}

/// The gradients of the weights of the input and of a state that is the output, dZᵀ X and dZᵀ S₋₁, and db, with what goes
/// along; `weights` may be none.
pub(crate) fn recurrent_gradients<T: Scalar>(
    ctx: &Context,
    given: &Given<'_, T>,
    above: &Above<'_, T>,
    dz: ArrayView2<'_, T>,
    along: Option<Along<'_, '_, T>>,
    weights: &mut [ArrayViewMut2<'_, T>],
    biases: &mut [ArrayViewMut2<'_, T>],
) -> Result<(), Error> {
    if weights.is_empty() {
        return gradients(ctx, dz, along, [], biases);
    }
    let (pass, x, y) = (given.pass, given.x.array, above.y.array);
    let of_x = given.x.places.map(|places| pass.picks(|t, b| Pick::First(places.row(t, b)))).transpose()?;
    let x = match &of_x {
        None => Rows::All(x),
        Some(index) => Rows::Picked { first: x, second: x, index },
    };
    let before = pass.previous(|t, b| above.y.index(pass.steps, t, b))?;
    let state = Rows::Picked { first: y, second: given.states[0], index: &before };
    let products = [x, state].into_iter().zip(weights).map(|(b, dw)| Product { b, out: dw.view_mut() });
    gradients(ctx, dz, along, products, biases)
}

/// These products dZᵀ B, and db, the same for each of `biases`, which may be none.
pub(crate) fn gradients<'a, T: Scalar + 'a>(
    ctx: &Context,
    dz: ArrayView2<'_, T>,
    along: Option<Along<'_, '_, T>>,
    products: impl IntoIterator<Item = Product<'a, 'a, T>>,
    biases: &mut [ArrayViewMut2<'_, T>],
) -> Result<(), Error> {
    let mut sums = (!biases.is_empty()).then(|| ctx.scratch(dz.ncols())).transpose()?;
    gram(ctx, dz, products, sums.as_deref_mut(), along)?;
    if let Some(sums) = sums {
        for db in biases {
            db.row_mut(0).assign(&ArrayView1::from(&*sums));
        }
    }
    Ok(())
}
