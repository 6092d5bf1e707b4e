//! What LSTM and GRU have in common: weights and biases that hold several gates, H rows each.

use std::ops::Range;

use elman_kernels::{Context, GatedProduct, Gates, InitialC, Packed, Scalar, Scratch};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::projection::projects_in_steps;
use crate::Error;
use crate::cell::{CellInputs, List};

/// The gate of a weight that each sum of a step reads, if it reads one.
pub(super) type SumGates = [Option<usize>; 4];

/// Where to keep, if anything is kept.
pub(super) fn kept<'a, T>(saved: &'a mut ArrayViewMut2<'_, T>) -> Option<ArrayViewMut2<'a, T>> {
    (saved.ncols() > 0).then(|| saved.view_mut())
}

/// These columns.
pub(super) fn columns<'a, T>(all: ArrayView2<'a, T>, range: Range<usize>) -> ArrayView2<'a, T> {
    all.slice_axis_move(Axis(1), range.into())
}

/// The rows of a gate.
pub(super) fn gate<'a, T>(all: ArrayView2<'a, T>, units: usize, gate: usize) -> ArrayView2<'a, T> {
    all.slice_axis_move(Axis(0), (gate * units..(gate + 1) * units).into())
}

/// Wᵀ of each gate (K, H), packed; of no rows where there is none.
pub(super) fn packed<'a, T: Scalar>(
    ctx: &'a Context,
    w: ArrayView2<'_, T>,
    units: usize,
    gates: SumGates,
) -> Result<List<Packed<'a, T>>, Error> {
    let of_gate = |index: Option<usize>| match index {
        Some(index) => Packed::new(ctx, gate(w.reborrow(), units, index).t()),
        None => Packed::new(ctx, gate(w.reborrow(), units, 0).split_at(Axis(1), 0).0.t()),
    };
    Ok(gates.into_iter().map(of_gate).collect::<Result<_, _>>()?)
}

/// A bias for each sum of a step: of each gate the sum of these biases.
pub(super) fn bias<'a, T: Scalar>(
    ctx: &'a Context,
    units: usize,
    gates: [List<ArrayView2<'_, T>>; 4],
) -> Result<Scratch<'a, T>, Error> {
    let mut all = ctx.scratch(4 * units)?;
    add_biases(&mut all, units, gates);
    Ok(all)
}

/// The sum of the biases (1, H) of each gate.
pub(super) fn add_biases<T: Scalar>(sums: &mut [T], units: usize, gates: [List<ArrayView2<'_, T>>; 4]) {
    for (sums, biases) in sums.chunks_mut(units).zip(gates) {
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = biases.iter().map(|bias| bias[[0, j]]).reduce(|a, b| a + b).unwrap_or(T::zero());
        }
    }
}

/// The biases (1, H) of each sum: its gates of `b_ih` and `b_hh` (1, G·H).
pub(super) fn biases<'a, T: Scalar>(
    both: Option<[ArrayView2<'a, T>; 2]>,
    units: usize,
    of_x: SumGates,
    of_h: SumGates,
) -> [List<ArrayView2<'a, T>>; 4] {
    let of_gate =
        |(b, gate): (_, Option<usize>)| gate.map(|gate| columns(b, gate * units..(gate + 1) * units));
    [0, 1, 2, 3]
        .map(|sum| both.into_iter().flatten().zip([of_x[sum], of_h[sum]]).filter_map(of_gate).collect())
}

/// What the loop over time multiplies and adds: W_hhᵀ of each sum, and W_ihᵀ with the biases if it projects the input.
pub(super) struct LoopWeights<'w, T: Scalar> {
    w_hh: List<Packed<'w, T>>,
    projection: Option<(List<Packed<'w, T>>, Scratch<'w, T>)>,
}

impl<'w, T: Scalar> LoopWeights<'w, T> {
    /// From `W_ih` (G·H, F) and `W_hh` (G·H, K) with the gates of their sums, and the biases.
    pub(super) fn new(
        ctx: &'w Context,
        inputs: &CellInputs<'_, T>,
        units: usize,
        [(w_ih, of_x), (w_hh, of_h)]: [(ArrayView2<'_, T>, SumGates); 2],
        biases: [List<ArrayView2<'_, T>>; 4],
    ) -> Result<Self, Error> {
        let w_hh = packed(ctx, w_hh, units, of_h)?;
        let projection = match projects_in_steps(inputs.pass.steps) {
            true => Some((packed(ctx, w_ih, units, of_x)?, bias(ctx, units, biases)?)),
            false => None,
        };
        Ok(Self { w_hh, projection })
    }

    /// The product of a step. Sums that are not projected in it stand in what is kept.
    pub(super) fn product<'a, 'p, 'c>(
        &'p self,
        inputs: &'a CellInputs<'_, T>,
        gates: Gates<'a, 'c, T>,
    ) -> GatedProduct<'a, 'p, 'c, T>
    where
        'p: 'a,
    {
        let projection = self.projection.as_ref();
        GatedProduct {
            weights: &self.w_hh,
            initial: projection.map_or(InitialC::InPlace, |(_, bias)| InitialC::Row(bias)),
            projection: projection.map(|(w_ih, _)| (inputs.x.reborrow(), &w_ih[..])),
            gates,
        }
    }
}
