//! What LSTM and GRU have in common: weights and biases that hold several gates, H rows each.

use std::ops::Range;

use elman_kernels::{Context, Packed, Scalar, Scratch, Steps};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use crate::Error;
use crate::cell::List;

/// With fewer sequences a step is one short chain of multiply-adds after the other, which a product for all rows at
/// once keeps short.
const ENOUGH_SEQUENCES: usize = 8;

/// Whether the loop over time projects the input, and not a product of all rows before it.
pub(super) fn projects_in_steps(steps: &Steps) -> bool {
    steps.batch() >= ENOUGH_SEQUENCES
}

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
    gates: [Option<usize>; 4],
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

/// The columns of a gate of a bias (1, G·H).
pub(super) fn gate_of_bias<'a, T>(all: ArrayView2<'a, T>, units: usize, gate: usize) -> ArrayView2<'a, T> {
    columns(all, gate * units..(gate + 1) * units)
}
