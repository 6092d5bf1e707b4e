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

use elman_kernels::{Context, Placed, Places, Scalar, Target, dropout_in_place};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::buffers::{Lent, Place, deliver_states, inner_states, matrix, matrix_mut, placed};
use super::forward::{Layer, group, rouse};
use super::{Dropout, Stack};
use crate::cell::{Above, Below, Cell, Given, List};
use crate::pass::Pass;
use crate::{Error, Layout};

/// What a backward pass reads: the arguments and results of the forward pass, and the gradients from above.
#[derive(Debug)]
pub struct Backward<'a, T: Scalar> {
    /// As in the forward pass.
    pub layout: &'a Layout,
    /// As in the forward pass.
    pub parameters: &'a [&'a [T]],
    /// As in the forward pass.
    pub input: &'a [T],
    /// As in the forward pass.
    pub states: &'a [Option<&'a [T]>],
    /// As in the forward pass.
    pub dropout: Dropout,
    /// What the forward pass wrote.
    pub output: &'a [T],
    /// What the forward pass kept.
    pub saved: &'a [T],
    /// The gradient of the output, or `None` if it is 0. What it holds in the padding is not read.
    pub doutput: Option<&'a [T]>,
    /// The gradients of the final states, each `None` if it is 0.
    pub dstates_n: &'a [Option<&'a [T]>],
}

/// Where a backward pass writes. What is `None` is not wanted, and not computed.
#[derive(Debug)]
pub struct Gradients<'a, T: Scalar> {
    /// Shaped as the input, of which the rows in the padding become 0.
    pub dinput: Option<&'a mut [T]>,
    /// Shaped as the states.
    pub dstates: List<Option<&'a mut [T]>>,
    /// In the order of the parameters.
    pub dparameters: Option<Vec<&'a mut [T]>>,
}

impl<C> Stack<C> {
    /// Runs a backward pass; what it writes is unspecified if the context is cancelled meanwhile.
    ///
    /// # Errors
    ///
    /// If an array's length is not what layout and stack say, before anything is written; or if there is
    /// not enough memory.
    pub fn backward<T: Scalar>(
        &self,
        ctx: &Context,
        call: &Backward<'_, T>,
        gradients: Gradients<'_, T>,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let layout = call.layout;
        self.check_backward(call, &gradients, self.saved_len(layout)?)?;
        let parameters = self.views(call.parameters);
        let Gradients { mut dinput, mut dstates, dparameters } = gradients;
        rouse(ctx, layout, call.parameters);
        if let Some(dinput) = &mut dinput {
            layout.clear_padding(ctx, dinput);
        }
        let sizes = self.cell.state_sizes();
        let rows = layout.steps().rows();
        let (of_layer, of_cell) = self.kept_sizes(rows);
        let (kept_layers, kept_cells) = call.saved.split_at(of_layer * (self.layers - 1));
        let groups = self.layers * self.directions;
        let states = |outer: &[Option<_>], zeros: bool| {
            let pairs = outer.iter().zip(&sizes);
            pairs
                .map(|(&outer, &size)| match outer {
                    None if !zeros => Ok(None),
                    outer => inner_states(ctx, layout, outer, groups, size).map(Some),
                })
                .collect::<Result<List<Option<Lent<'_, T>>>, Error>>()
        };
        let initial = states(call.states, true)?;
        let initial: List<_> =
            initial.iter().zip(&sizes).map(|(s, &size)| (s.as_deref().unwrap_or_default(), size)).collect();
        let dstates_n = states(call.dstates_n, false)?;
        let mut dparameters = dparameters.map(Vec::into_iter);
        let mut per_group: Vec<Option<List<&mut [T]>>> = parameters
            .iter()
            .map(|group| dparameters.as_mut().map(|all| all.take(group.len()).collect()))
            .collect();

        let mut from_above: Option<Place<'_, T>> = None;
        for l in (0..self.layers).rev() {
            if ctx.cancelled() {
                return Ok(());
            }
            let kept = |l: usize| &kept_layers[l * of_layer..][..of_layer];
            let mut dropped = None;
            let x: Placed<'_, T> = match l.checked_sub(1).map(kept) {
                None => placed(layout, call.input, self.input_size),
                Some(y) if call.dropout.p > 0.0 => {
                    let mut x = ctx.scratch(of_layer)?;
                    let Dropout { p, seed } = call.dropout;
                    elman_kernels::dropout(ctx.isa(), y, p, seed, Dropout::first(l), &mut x);
                    matrix(dropped.insert(x), self.width()).into()
                }
                Some(y) => matrix(y, self.width()).into(),
            };
            let last = l + 1 == self.layers;
            let y = if last {
                placed(layout, call.output, self.width())
            } else {
                matrix(kept(l), self.width()).into()
            };
            let dy = match &from_above {
                Some(dy) => Some(matrix(dy, self.width()).into()),
                None => call.doutput.map(|dy| placed(layout, dy, self.width())),
            };
            let mut dx = match l {
                0 => dinput.take().map(Place::Theirs),
                _ => Some(Place::Ours(ctx.scratch(rows * self.features::<T>(l))?)),
            };
            let first_group = l * self.directions;
            let layer = Layer {
                steps: layout.steps(),
                x,
                parameters: &parameters[first_group..][..self.directions],
                initial: &initial,
                first_group,
            };
            let above = LayerAbove {
                y,
                cells: &kept_cells[first_group * of_cell..][..self.directions * of_cell],
                dy,
                dstates_n: &dstates_n,
            };
            let below = LayerBelow {
                dx: dx.as_deref_mut(),
                places: layout.places().filter(|_| l == 0),
                dstates: &mut dstates,
                dparameters: &mut per_group[first_group..][..self.directions],
            };
            self.backward_layer(ctx, &layer, &above, below)?;
            if let Some(mut dx) = dx.filter(|_| l > 0) {
                if call.dropout.p > 0.0 {
                    let Dropout { p, seed } = call.dropout;
                    dropout_in_place(ctx.isa(), &mut dx, p, seed, Dropout::first(l));
                }
                from_above = Some(dx);
            }
        }
        for (states, &size) in dstates.iter_mut().zip(&sizes) {
            if let Some(states) = states {
                deliver_states(layout, states, size);
            }
        }
        Ok(())
    }

    /// Both directions of one layer.
    fn backward_layer<T: Scalar>(
        &self,
        ctx: &Context,
        layer: &Layer<'_, T>,
        above: &LayerAbove<'_, T>,
        below: LayerBelow<'_, '_, T>,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let LayerBelow { mut dx, places, dstates, dparameters } = below;
        let rows = layer.steps.rows();
        let batch = layer.steps.batch();
        let sizes = self.cell.state_sizes();
        let gates = self.cell.gate_size();
        let mut dz = ctx.scratch(rows * gates * self.directions)?;
        let states: List<_> = (0..self.directions).map(|d| layer.states(d)).collect();
        let given = |d: usize| Given {
            pass: Pass { steps: layer.steps, reverse: d == 1 },
            parameters: &layer.parameters[d],
            x: layer.x.reborrow(),
            states: &states[d],
        };
        let of = |d: usize| self.above(layer, above, d);

        let mut dstates: List<_> = dstates
            .iter_mut()
            .zip(&sizes)
            .map(|(all, &size)| {
                let one = batch * size;
                let this = all.as_mut().map(|all| {
                    all[layer.first_group * one..][..self.directions * one].chunks_mut(one.max(1))
                });
                (this, size)
            })
            .collect();
        let mut directions = List::new();
        for (d, dz) in dz.chunks_mut((rows * gates).max(1)).enumerate() {
            let wanted: Option<List<ArrayViewMut2<'_, T>>> = dstates
                .iter_mut()
                .map(|(parts, size)| {
                    parts.as_mut().map(|parts| matrix_mut(parts.next().unwrap_or_default(), *size))
                })
                .collect();
            directions.push((d, matrix_mut(dz, gates), wanted));
        }
        ctx.each(self.recurrent_work(layer.steps), directions, |ctx, (d, dz, dstates)| {
            self.cell.recur_backward(ctx, &given(d), &of(d), dz, dstates)
        })?;

        for d in 0..self.directions {
            let dz = ArrayView2::from_shape((rows, gates), &dz[d * rows * gates..][..rows * gates])
                .expect("rows of the cell's gates");
            let features = layer.x.array.ncols();
            let dparameters = dparameters[d].as_mut().map(|all| {
                let shapes = layer.parameters[d].iter().map(ArrayView2::ncols);
                all.iter_mut().zip(shapes).map(|(data, columns)| matrix_mut(data, columns)).collect()
            });
            let dx = dx.as_mut().map(|dx| Target { array: matrix_mut(dx, features), places });
            let below = Below { dx, add_dx: d > 0, dparameters };
            self.cell.project_backward(ctx, &given(d), &of(d), dz, below)?;
        }
        Ok(())
    }

    /// What direction `d` of a layer gets from above.
    fn above<'a, T: Scalar>(
        &self,
        layer: &Layer<'_, T>,
        above: &'a LayerAbove<'_, T>,
        d: usize,
    ) -> Above<'a, T>
    where
        C: Cell<T>,
    {
        let batch = layer.steps.batch();
        let size = self.cell.output_size();
        let half = |m: &'a Placed<'_, T>| {
            let array = m.array.reborrow().split_at(Axis(1), d * size).1.split_at(Axis(1), size).0;
            Placed { array, places: m.places }
        };
        let kept = self.cell.saved_size();
        let one = layer.steps.rows() * kept;
        Above {
            y: half(&above.y),
            saved: ArrayView2::from_shape((layer.steps.rows(), kept), &above.cells[d * one..][..one])
                .expect("rows of what the cell keeps"),
            dy: above.dy.as_ref().map(half),
            dstates_n: above
                .dstates_n
                .iter()
                .zip(self.cell.state_sizes())
                .map(|(all, size)| all.as_ref().map(|all| group(all, layer.first_group + d, batch, size)))
                .collect(),
        }
    }

    /// Checks a backward pass for which `kept` elements were kept.
    pub(super) fn check_backward<T: Scalar>(
        &self,
        call: &Backward<'_, T>,
        gradients: &Gradients<'_, T>,
        kept: usize,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let layout: &Layout = call.layout;
        self.check_parameters::<T>(call.parameters.iter().map(|data| data.len()))?;
        self.check_input(layout, call.input.len(), call.states)?;
        call.dropout.check()?;
        Self::check_len("output", call.output.len(), layout.outer_rows(), self.width())?;
        Self::check_len("saved", call.saved.len(), kept, 1)?;
        if let Some(dy) = call.doutput {
            Self::check_len("gradient of the output", dy.len(), layout.outer_rows(), self.width())?;
        }
        let lens = call.dstates_n.iter().map(|s| s.map(<[T]>::len));
        self.check_states("gradient of a final state", layout, lens)?;
        let lens = gradients.dstates.iter().map(|s| s.as_ref().map(|s| s.len()));
        self.check_states("gradient of an initial state", layout, lens)?;
        if let Some(dx) = &gradients.dinput {
            Self::check_len("gradient of the input", dx.len(), layout.outer_rows(), self.input_size)?;
        }
        if let Some(all) = &gradients.dparameters {
            self.check_parameters::<T>(all.iter().map(|data| data.len()))?;
        }
        Ok(())
    }
}

/// What a layer gets from the forward pass and from above, for both directions.
struct LayerAbove<'a, T: Scalar> {
    y: Placed<'a, T>,
    cells: &'a [T],
    dy: Option<Placed<'a, T>>,
    dstates_n: &'a [Option<Lent<'a, T>>],
}

/// Where a layer's gradients go, for both directions.
struct LayerBelow<'a, 'p, T: Scalar> {
    dx: Option<&'a mut [T]>,
    /// Where its rows are, if not in inner order.
    places: Option<&'a Places>,
    dstates: &'a mut [Option<&'p mut [T]>],
    dparameters: &'a mut [Option<List<&'p mut [T]>>],
}
