//! The backward pass of the stack.
//!
//! ```text
//! dy = doutput
//! for l in L-1..=0
//!   for each direction d:  dz_d, dstates = cell backward in time (dy[.., d], dh_n[l·D + d])
//!   dx = Σ_d cell's dx(dz_d);  gradients of the parameters of (l, d) from dz_d
//!   dy = dx ⊙ the mask of layer l            for l > 0
//! dinput = dx
//! ```

use elman_kernels::{Context, MappedRows, MappedRowsMut, RowMap, Scalar, dropout_in_place};
use ndarray::{ArrayView2, Axis};

use super::buffers::{
    Buffer, ReadBuffer, WriteBuffer, inner_state, matrix, matrix_mut, outer_rows, outer_states, rows_of,
};
use super::call::{Backward, Dropout, Gradients, Inputs};
use super::forward::{Layer, rouse};
use super::layers::Stack;
use crate::cell::{CellGradients, CellResults, List, UpstreamGradients};
use crate::{Error, Layout};

impl<T: Scalar> Stack<T> {
    /// The backward pass layer by layer.
    pub(super) fn backward_layers(
        &self,
        ctx: &Context,
        call: &Backward<'_, T>,
        gradients: Gradients<'_, T>,
    ) -> Result<(), Error> {
        let Inputs { layout, dropout, .. } = call.inputs;
        let parameters = self.views(call.inputs.parameters);
        let Gradients { mut dinput, mut dstates, dparameters, .. } = gradients;
        rouse(ctx, &call.inputs);
        if let Some(dinput) = &mut dinput {
            layout.clear_padding(ctx, dinput);
        }
        let (width, rows) = (self.output_size(), layout.steps().rows());
        let (of_layer, of_cell) = self.kept_sizes(rows);
        let (kept_layers, kept_cells) = call.saved.split_at(of_layer * (self.layers - 1));
        let initial = self.initial_states(ctx, &call.inputs)?;
        let initial: List<_> = initial.iter().map(|states| &**states).collect();
        let dstates_n = self.final_gradients(ctx, layout, call.dstates_n)?;
        let mut dparameters = dparameters.map(Vec::into_iter);
        let mut per_group: Vec<Option<List<&mut [T]>>> = parameters
            .iter()
            .map(|group| dparameters.as_mut().map(|all| all.take(group.len()).collect()))
            .collect();

        let mut room = self.room_for_dropped(ctx, dropout, rows)?;
        let mut from_above: Option<WriteBuffer<'_, T>> = None;
        for l in (0..self.layers).rev() {
            if ctx.cancelled() {
                return Ok(());
            }
            let kept = |l: usize| &kept_layers[l * of_layer..][..of_layer];
            let x: MappedRows<'_, T> = match l.checked_sub(1).map(kept) {
                None => outer_rows(layout, call.inputs.input, self.input_size),
                Some(y) => self.drop_out(ctx, dropout, (l, 0), y, &mut room).into(),
            };
            let last = l + 1 == self.layers;
            let y = if last { outer_rows(layout, call.output, width) } else { matrix(kept(l), width).into() };
            let dy = match &from_above {
                Some(dy) => Some(matrix(dy, width).into()),
                None => call.doutput.map(|dy| outer_rows(layout, dy, width)),
            };
            let mut dx = match l {
                0 => dinput.take().map(Buffer::Borrowed),
                _ => Some(Buffer::Owned(ctx.scratch(of_layer)?)),
            };
            let first_group = l * self.directions;
            let layer = Layer {
                steps: layout.steps(),
                x,
                parameters: &parameters[first_group..][..self.directions],
                initial: &initial,
                first_group,
            };
            let results = LayerResults {
                y,
                cells: &kept_cells[first_group * of_cell..][..self.directions * of_cell],
                dy,
                dstates_n: &dstates_n,
            };
            let gradients = LayerGradients {
                dx: dx.as_deref_mut(),
                map: layout.row_map().filter(|_| l == 0),
                dstates: &mut dstates,
                dparameters: &mut per_group[first_group..][..self.directions],
            };
            self.backward_layer(ctx, &layer, &results, gradients)?;
            if let Some(mut dx) = dx.filter(|_| l > 0) {
                let Dropout { p, seed } = dropout;
                if p > 0.0 {
                    dropout_in_place(ctx.isa(), &mut dx, p, seed, Dropout::first(l));
                }
                from_above = Some(dx);
            }
        }
        for (states, &size) in dstates.iter_mut().zip(self.state_sizes()) {
            if let Some(states) = states {
                outer_states(layout, states, size);
            }
        }
        Ok(())
    }

    /// Both directions of one layer.
    fn backward_layer(
        &self,
        ctx: &Context,
        layer: &Layer<'_, T>,
        results: &LayerResults<'_, T>,
        gradients: LayerGradients<'_, '_, T>,
    ) -> Result<(), Error> {
        let LayerGradients { mut dx, map, dstates, dparameters } = gradients;
        let (spec, rows) = (self.spec(0), layer.steps.rows());
        let gates = spec.gate_size;
        let mut dz = ctx.scratch(rows * gates * self.directions)?;
        let states: List<_> = (0..self.directions).map(|d| self.states_of(layer, d)).collect();
        let inputs = |d: usize| layer.inputs(d, &states[d]);
        let of: List<_> = (0..self.directions).map(|d| self.results_of(layer, results, d)).collect();

        let mut dstates: List<_> = dstates
            .iter_mut()
            .zip(&spec.states)
            .map(|(all, &size)| all.as_mut().map(|all| layer.parts_mut(all, self.directions, size)))
            .collect();
        let mut directions = List::new();
        for (d, dz) in dz.chunks_mut((rows * gates).max(1)).enumerate() {
            let pairs = dstates.iter_mut().zip(&spec.states);
            let dstates: List<_> = pairs
                .map(|(parts, &size)| {
                    parts.as_mut().map(|parts| matrix_mut(parts.next().unwrap_or_default(), size))
                })
                .collect();
            directions.push((d, matrix_mut(dz, gates), dstates));
        }
        ctx.each(self.recurrent_work(layer.steps), directions, |ctx, (d, dz, dstates)| {
            let (results, upstream) = &of[d];
            self.cell.recur_backward(ctx, &inputs(d), results, upstream, dz, dstates)
        })?;

        for (d, dparameters) in dparameters.iter_mut().enumerate() {
            let dz = rows_of(&dz[d * rows * gates..][..rows * gates], rows, gates);
            let dparameters = dparameters.as_mut().map(|all| {
                let shapes = layer.parameters[d].iter().map(ArrayView2::ncols);
                all.iter_mut().zip(shapes).map(|(data, columns)| matrix_mut(data, columns)).collect()
            });
            let features = layer.x.array.ncols();
            let dx = dx.as_mut().map(|dx| MappedRowsMut { array: matrix_mut(dx, features), map });
            let gradients = CellGradients { dx, add_dx: d > 0, dparameters };
            self.cell.project_backward(ctx, &inputs(d), &of[d].0, dz, gradients)?;
        }
        Ok(())
    }

    /// Direction `d` of the results of a layer and of their gradients.
    fn results_of<'a>(
        &self,
        layer: &Layer<'_, T>,
        results: &'a LayerResults<'_, T>,
        d: usize,
    ) -> (CellResults<'a, T>, UpstreamGradients<'a, T>) {
        let spec = self.spec(0);
        let half = |m: &'a MappedRows<'_, T>| {
            let size = spec.output_size;
            let array = m.array.reborrow().split_at(Axis(1), d * size).1.split_at(Axis(1), size).0;
            MappedRows { array, map: m.map }
        };
        let (rows, kept) = (layer.steps.rows(), spec.saved_size);
        let saved = rows_of(&results.cells[d * rows * kept..][..rows * kept], rows, kept);
        let pairs = results.dstates_n.iter().zip(&spec.states);
        let dstates_n = pairs.map(|(all, &size)| all.as_ref().map(|all| layer.part(all, d, size))).collect();
        let upstream = UpstreamGradients { dy: results.dy.as_ref().map(half), dstates_n };
        (CellResults { y: half(&results.y), saved }, upstream)
    }

    /// The gradients of the final states in inner order.
    pub(super) fn final_gradients<'a>(
        &self,
        ctx: &'a Context,
        layout: &Layout,
        dstates_n: &[Option<&'a [T]>],
    ) -> Result<List<Option<ReadBuffer<'a, T>>>, Error> {
        let pairs = dstates_n.iter().zip(self.state_sizes());
        pairs
            .map(|(outer, &size)| outer.map(|outer| inner_state(ctx, layout, outer, size)).transpose())
            .collect()
    }
}

/// What a layer's forward passes have left and the gradients of these, for both directions.
struct LayerResults<'a, T: Scalar> {
    y: MappedRows<'a, T>,
    cells: &'a [T],
    dy: Option<MappedRows<'a, T>>,
    /// Of all layers and directions.
    dstates_n: &'a [Option<ReadBuffer<'a, T>>],
}

/// Where a layer's gradients go, for both directions.
struct LayerGradients<'a, 'p, T: Scalar> {
    dx: Option<&'a mut [T]>,
    /// Where its rows are, if not in inner order.
    map: Option<&'a RowMap>,
    /// Of all layers and directions.
    dstates: &'a mut [Option<&'p mut [T]>],
    dparameters: &'a mut [Option<List<&'p mut [T]>>],
}
