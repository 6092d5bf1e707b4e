//! The forward pass of the stack, layer by layer.

use elman_kernels::{Context, MappedRows, MappedRowsMut, Scalar, Scratch, Steps, dropout};
use ndarray::ArrayView2;

use super::buffers::{
    Buffer, ReadBuffer, WriteBuffer, inner_state, matrix, matrix_mut, outer_rows, outer_states, rows_of_mut,
};
use super::call::{Dropout, Forward, Inputs};
use super::layers::Stack;
use crate::Error;
use crate::cell::{CellInputs, CellOutputs, List};
use crate::pass::Pass;

impl<T: Scalar> Stack<T> {
    /// The forward pass layer by layer.
    pub(super) fn forward_layers(&self, ctx: &Context, call: Forward<'_, T>) -> Result<(), Error> {
        let Forward { inputs, output, mut states_n, saved } = call;
        let Inputs { layout, dropout, .. } = inputs;
        rouse(ctx, &inputs);
        layout.clear_padding(ctx, output);
        let parameters = self.views(inputs.parameters);
        let initial = self.initial_states(ctx, &inputs)?;
        let initial: List<_> = initial.iter().map(|states| &**states).collect();

        let rows = layout.steps().rows();
        let (of_layer, of_cell) = self.kept_sizes(rows);
        let of_cells = of_cell * self.directions;
        let keeps = saved.is_some();
        let (mut kept_layers, mut kept_cells) =
            saved.unwrap_or_default().split_at_mut(if keeps { of_layer * (self.layers - 1) } else { 0 });
        let mut room = self.room_for_dropped(ctx, dropout, rows)?;
        let mut output = Some(output);
        let mut below: Option<WriteBuffer<'_, T>> = None;

        for l in 0..self.layers {
            if ctx.cancelled() {
                return Ok(());
            }
            let last = l + 1 == self.layers;
            let x: MappedRows<'_, T> = match &below {
                None => outer_rows(layout, inputs.input, self.input_size),
                Some(y) => self.drop_out(ctx, dropout, (l, 0), y, &mut room).into(),
            };
            let mut y = if let Some(output) = output.take_if(|_| last) {
                Buffer::Borrowed(output)
            } else {
                part_or_scratch(ctx, keeps.then_some(&mut kept_layers), of_layer)?
            };
            let needed = if keeps || self.cell.needs_saved(layout.steps()) { of_cells } else { 0 };
            let mut cells = part_or_scratch(ctx, keeps.then_some(&mut kept_cells), needed)?;
            let layer = Layer {
                steps: layout.steps(),
                x,
                parameters: &parameters[l * self.directions..][..self.directions],
                initial: &initial,
                first_group: l * self.directions,
            };
            let outputs = LayerOutputs {
                y: MappedRowsMut {
                    array: matrix_mut(&mut y, self.output_size()),
                    map: layout.row_map().filter(|_| last),
                },
                cells: &mut cells,
                states_n: &mut states_n,
            };
            self.forward_layer(ctx, &layer, outputs)?;
            below = Some(y);
        }
        for (states, &size) in states_n.iter_mut().zip(self.state_sizes()) {
            outer_states(layout, states, size);
        }
        Ok(())
    }

    /// Both directions of one layer.
    pub(super) fn forward_layer(
        &self,
        ctx: &Context,
        layer: &Layer<'_, T>,
        outputs: LayerOutputs<'_, '_, T>,
    ) -> Result<(), Error> {
        let LayerOutputs { y: mut rest, cells, states_n } = outputs;
        let (spec, rows) = (self.spec(0), layer.steps.rows());
        let states: List<_> = (0..self.directions).map(|d| self.states_of(layer, d)).collect();
        let inputs = |d: usize| layer.inputs(d, &states[d]);
        let keeps = cells.len() >= rows * spec.saved_size * self.directions;
        let saved_size = if keeps { spec.saved_size } else { 0 };
        let mut cells = cells.chunks_mut((rows * saved_size).max(1));
        let mut finals: List<_> = states_n
            .iter_mut()
            .zip(&spec.states)
            .map(|(all, &size)| layer.parts_mut(all, self.directions, size))
            .collect();
        let mut directions = List::new();
        for d in 0..self.directions {
            let (y, other) = rest.split_at(spec.output_size);
            rest = other;
            let states_n = finals.iter_mut().zip(&spec.states);
            let mut outputs = CellOutputs {
                y,
                saved: rows_of_mut(cells.next().unwrap_or_default(), rows, saved_size),
                states_n: states_n
                    .map(|(parts, &size)| matrix_mut(parts.next().unwrap_or_default(), size))
                    .collect(),
            };
            self.cell.project(ctx, &inputs(d), &mut outputs)?;
            directions.push((d, outputs));
        }
        ctx.each(self.recurrent_work(layer.steps), directions, |ctx, (d, mut outputs)| {
            self.cell.recur(ctx, &inputs(d), &mut outputs)
        })
    }

    /// Multiply-adds of the loops over time of one layer.
    pub(super) fn recurrent_work(&self, steps: &Steps) -> usize {
        steps.rows().saturating_mul(self.spec(0).macs).saturating_mul(self.directions)
    }

    /// The initial states of direction `d` of a layer.
    pub(super) fn states_of<'a>(&self, layer: &Layer<'a, T>, d: usize) -> List<ArrayView2<'a, T>> {
        let pairs = layer.initial.iter().zip(self.state_sizes());
        pairs.map(|(all, &size)| layer.part(all, d, size)).collect()
    }

    /// The initial states in inner order; zeros where the caller gives none.
    pub(super) fn initial_states<'a>(
        &self,
        ctx: &'a Context,
        inputs: &Inputs<'a, T>,
    ) -> Result<List<ReadBuffer<'a, T>>, Error> {
        let layout = inputs.layout;
        let initial = |(&outer, &size): (&Option<&'a [T]>, &usize)| match outer {
            Some(outer) => inner_state(ctx, layout, outer, size),
            None => {
                let mut zeros = ctx.scratch(self.groups() * layout.steps().batch() * size)?;
                zeros.fill(T::zero());
                Ok(Buffer::Owned(zeros))
            }
        };
        inputs.states.iter().zip(self.state_sizes()).map(initial).collect()
    }

    /// What layer `l` > 0 reads of some rows `y` of the layer below, the first of which is row number `row`: `y` itself,
    /// or what dropout leaves of it in `dropped`.
    pub(super) fn drop_out<'a>(
        &self,
        ctx: &Context,
        Dropout { p, seed }: Dropout,
        (l, row): (usize, usize),
        y: &'a [T],
        dropped: &'a mut Option<Scratch<'_, T>>,
    ) -> ArrayView2<'a, T> {
        let width = self.output_size();
        let Some(dropped) = dropped else { return matrix(y, width) };
        let dropped = &mut dropped[..y.len()];
        dropout(ctx.isa(), y, p, seed, Dropout::first(l) + (row * width) as u64, dropped);
        matrix(dropped, width)
    }

    /// Room for what dropout, if there is any, leaves of `rows` rows of a layer's output.
    pub(super) fn room_for_dropped<'a>(
        &self,
        ctx: &'a Context,
        dropout: Dropout,
        rows: usize,
    ) -> Result<Option<Scratch<'a, T>>, Error> {
        let drops = dropout.p > 0.0 && self.layers > 1;
        Ok(drops.then(|| ctx.scratch(rows * self.output_size())).transpose()?)
    }
}

/// What one layer's passes in both directions read.
pub(super) struct Layer<'a, T: Scalar> {
    pub(super) steps: &'a Steps,
    pub(super) x: MappedRows<'a, T>,
    pub(super) parameters: &'a [List<ArrayView2<'a, T>>],
    /// For each state, the initial ones of all layers and directions.
    pub(super) initial: &'a [&'a [T]],
    /// l·D.
    pub(super) first_group: usize,
}

impl<T: Scalar> Layer<'_, T> {
    /// What direction `d` reads, from these states.
    pub(super) fn inputs<'a>(&'a self, d: usize, states: &'a [ArrayView2<'a, T>]) -> CellInputs<'a, T> {
        CellInputs {
            pass: Pass { steps: self.steps, reverse: d == 1 },
            parameters: &self.parameters[d],
            x: self.x.reborrow(),
            states,
        }
    }

    /// The states (B, size) of direction `d` among those of all layers and directions.
    pub(super) fn part<'a>(&self, all: &'a [T], d: usize, size: usize) -> ArrayView2<'a, T> {
        let one = self.steps.batch() * size;
        matrix(&all[(self.first_group + d) * one..][..one], size)
    }

    /// The states of each direction, to write.
    pub(super) fn parts_mut<'a>(
        &self,
        all: &'a mut [T],
        directions: usize,
        size: usize,
    ) -> std::slice::ChunksMut<'a, T> {
        let one = self.steps.batch() * size;
        all[self.first_group * one..][..directions * one].chunks_mut(one.max(1))
    }
}

/// Where the forward passes of one layer write, for both directions.
pub(super) struct LayerOutputs<'a, 's, T: Scalar> {
    /// The output.
    pub(super) y: MappedRowsMut<'a, T>,
    /// What the cells keep.
    pub(super) cells: &'a mut [T],
    /// The final states of all layers and directions.
    pub(super) states_n: &'a mut [&'s mut [T]],
}

/// The next `len` elements of what is kept, or scratch memory if nothing is kept.
fn part_or_scratch<'a, T: Scalar>(
    ctx: &'a Context,
    kept: Option<&mut &'a mut [T]>,
    len: usize,
) -> Result<WriteBuffer<'a, T>, Error> {
    if len == 0 {
        return Ok(Buffer::Borrowed(&mut []));
    }
    let Some(kept) = kept else { return Ok(Buffer::Owned(ctx.scratch(len)?)) };
    let (this, rest) = std::mem::take(kept).split_at_mut(len);
    *kept = rest;
    Ok(Buffer::Borrowed(this))
}

/// Wakes the threads that a pass will need: each row meets each weight.
pub(super) fn rouse<T>(ctx: &Context, inputs: &Inputs<'_, T>) {
    let weights: usize = inputs.parameters.iter().map(|parameter| parameter.len()).sum();
    ctx.rouse(inputs.layout.steps().rows().saturating_mul(weights));
}
