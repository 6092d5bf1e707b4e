//! What the passes of all cells have in common: the projection of the input before the recurrence, the rows where a
//! backward recurrence begins, and the gradients that are made of all rows at once after it.
//!
//! ```text
//! Z  = X W_ihᵀ + b                 the projection
//! dX = dZ W_ih                     its gradients
//! dW = dZᵀ S_{-1}                  of the weight of a state, S_{-1} that state before each row
//! db = Σ over rows of dZ
//! ```

use elman_kernels::{
    Context, FusedGemm, InitialC, MappedRows, MappedRowsMut, Operand, Packed, RowIndex, Scalar, Scratch,
    Steps, TransposedProduct, gemm_mapped, gemm_tn,
};
use ndarray::{ArrayView2, ArrayViewMut1, ArrayViewMut2, Zip};

use crate::Error;
use crate::cell::{CellGradients, CellInputs, UpstreamGradients};

/// With fewer sequences a step is one short chain of multiply-adds after the other, which a product for all rows at
/// once keeps short.
const ENOUGH_SEQUENCES: usize = 8;

/// Whether the loop over time projects the input, and not a product of all rows before it.
pub(super) fn projects_in_steps(steps: &Steps) -> bool {
    steps.batch() >= ENOUGH_SEQUENCES
}

/// The weights of the projection, packed.
pub(super) struct Projection<'a, T: Scalar> {
    /// W_ihᵀ.
    pub(super) weights: Packed<'a, T>,
    /// The sum of both biases of a step.
    pub(super) bias: Option<Scratch<'a, T>>,
}

impl<'a, T: Scalar> Projection<'a, T> {
    /// W_ih (H, F), and two biases (1, H) that always come together.
    pub(super) fn new(
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
    pub(super) fn all_rows<'z>(
        &self,
        ctx: &Context,
        steps: &Steps,
        x: MappedRows<'_, T>,
        z: impl Into<MappedRowsMut<'z, T>>,
    ) where
        T: 'z,
    {
        gemm_mapped(ctx, steps, x, &self.weights, self.bias_row(), z);
    }

    /// The bias, for a step that projects its own rows.
    pub(super) fn bias_row(&self) -> InitialC<'_, T> {
        self.bias.as_deref().map_or(InitialC::Zero, InitialC::Row)
    }

    /// The product of these rows, for such a step.
    pub(super) fn of<'x>(&'x self, x: MappedRows<'x, T>) -> elman_kernels::Projection<'x, 'x, T> {
        elman_kernels::Projection { x, weights: &self.weights }
    }
}

/// The sum of two biases (1, H).
pub(super) fn add_biases<T: Scalar>([a, b]: [ArrayView2<'_, T>; 2], sums: &mut [T]) {
    let sums = ArrayViewMut1::from(sums);
    Zip::from(sums).and(a.row(0)).and(b.row(0)).for_each(|sum, &a, &b| *sum = a + b);
}

/// A matrix (rows, columns) in a part of a step's memory.
pub(super) fn matrix<T>(part: &mut [T], rows: usize, columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((rows, columns), part).expect("the part has so many elements")
}

/// Writes the rows where a backward recurrence begins, which is where the pass ended: the sum of dy and the gradient of
/// the final state number `state`.
pub(super) fn begin<T: Scalar>(
    inputs: &CellInputs<'_, T>,
    upstream: &UpstreamGradients<'_, T>,
    state: usize,
    to: ArrayViewMut2<'_, T>,
) {
    begin_at(inputs, upstream, state, |b| inputs.pass.final_row(b), to);
}

/// The same, with the row of sequence b at `row(b)`.
pub(super) fn begin_at<T: Scalar>(
    inputs: &CellInputs<'_, T>,
    upstream: &UpstreamGradients<'_, T>,
    state: usize,
    row: impl Fn(usize) -> usize,
    mut to: ArrayViewMut2<'_, T>,
) {
    let pass = inputs.pass;
    for b in 0..pass.steps.batch() {
        let mut begin = to.row_mut(row(b));
        match upstream.dy {
            Some(dy) => begin.assign(&dy.row(pass.steps, pass.final_step(b), b)),
            None => begin.fill(T::zero()),
        }
        if let Some(dstate_n) = upstream.dstates_n[state] {
            begin += &dstate_n.row(b);
        }
    }
}

/// W_ih, packed for dX, if that is wanted.
pub(super) fn input_weights<'a, T: Scalar>(
    ctx: &'a Context,
    w_ih: ArrayView2<'_, T>,
    gradients: &CellGradients<'_, T>,
) -> Result<Option<Packed<'a, T>>, Error> {
    Ok(gradients.dx.is_some().then(|| Packed::new(ctx, w_ih)).transpose()?)
}

/// dX, a product that is made together with the gradients of the weights, if `weights` are there and it is wanted.
pub(super) fn input_gradient<'a, T: Scalar>(
    inputs: &'a CellInputs<'_, T>,
    weights: Option<&'a Packed<'a, T>>,
    gradients: &'a mut CellGradients<'_, T>,
) -> Option<FusedGemm<'a, 'a, T>> {
    let initial = if gradients.add_dx { InitialC::InPlace } else { InitialC::Zero };
    input_gradient_from(inputs, weights, initial, gradients)
}

/// The same from an initial dX.
pub(super) fn input_gradient_from<'a, T: Scalar>(
    inputs: &'a CellInputs<'_, T>,
    weights: Option<&'a Packed<'a, T>>,
    initial: InitialC<'a, T>,
    gradients: &'a mut CellGradients<'_, T>,
) -> Option<FusedGemm<'a, 'a, T>> {
    let (weights, dx) = (weights?, gradients.dx.as_mut()?);
    Some(FusedGemm { steps: inputs.pass.steps, weights, initial, out: dx.reborrow() })
}

/// The right factor B of a gradient dW = dZᵀ B: rows of one or of two arrays.
pub(super) struct Factor<'a, T> {
    arrays: [ArrayView2<'a, T>; 2],
    /// Where each row is; `None` if the rows are those of the first array as they lie.
    index: Option<Vec<RowIndex>>,
}

impl<'a, T: Scalar> Factor<'a, T> {
    /// X.
    pub(super) fn input(inputs: &'a CellInputs<'_, T>) -> Result<Self, Error> {
        let x = inputs.x.reborrow();
        let index = x.map.map(|map| inputs.pass.row_indices(|t, b| RowIndex::First(map.row(t, b))));
        Ok(Self { arrays: [x.array; 2], index: index.transpose()? })
    }

    /// S₋₁: the rows of state number `state` before each row, of which `after` are those after each row.
    pub(super) fn state(
        inputs: &'a CellInputs<'_, T>,
        state: usize,
        after: MappedRows<'a, T>,
    ) -> Result<Self, Error> {
        let pass = inputs.pass;
        let index = pass.previous(|t, b| after.index(pass.steps, t, b))?;
        Ok(Self { arrays: [after.array, inputs.states[state].reborrow()], index: Some(index) })
    }

    /// dW = dZᵀ B.
    pub(super) fn product<'o>(&'o self, dw: &'o mut ArrayViewMut2<'_, T>) -> TransposedProduct<'o, 'o, T> {
        let [first, second] = [self.arrays[0].reborrow(), self.arrays[1].reborrow()];
        let b = match &self.index {
            None => Operand::Matrix(first),
            Some(index) => Operand::Gathered { first, second, index },
        };
        TransposedProduct { b, out: dw.view_mut() }
    }
}

/// dW_ih = dZᵀ X, dW = dZᵀ S₋₁ for the weights of a state, and Σ dZ for each of `biases`, with a `fused` product. Weights
/// and biases are there in pairs or not at all.
pub(super) fn recurrent_gradients<'a, T: Scalar>(
    ctx: &Context,
    inputs: &'a CellInputs<'_, T>,
    (state, after): (usize, MappedRows<'a, T>),
    dz: ArrayView2<'_, T>,
    fused: Option<FusedGemm<'_, '_, T>>,
    weights: &mut [ArrayViewMut2<'_, T>],
    biases: &mut [ArrayViewMut2<'_, T>],
) -> Result<(), Error> {
    let factors = match weights.is_empty() {
        true => None,
        false => Some([Factor::input(inputs)?, Factor::state(inputs, state, after)?]),
    };
    let products = factors.iter().flatten().zip(weights).map(|(factor, dw)| factor.product(dw));
    let mut biases = biases.iter_mut();
    let mut first = biases.next();
    gemm_tn(ctx, dz, products, first.as_mut().and_then(|db| db.as_slice_mut()), fused)?;
    if let Some(first) = first {
        biases.for_each(|db| db.assign(first));
    }
    Ok(())
}
