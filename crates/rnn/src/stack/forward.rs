//! The forward pass of the stack.

use elman_kernels::{Context, Placed, Places, Scalar, Steps, Target};
use ndarray::ArrayView2;

use super::buffers::{Place, deliver_states, inner_states, matrix, matrix_mut, placed};
use super::{Dropout, Stack};
use crate::cell::{Cell, Given, List, Made};
use crate::pass::Pass;
use crate::{Error, Layout};

/// A forward pass: what it reads and where it writes.
#[derive(Debug)]
pub struct Forward<'a, T: Scalar> {
    /// How the caller's arrays lie.
    pub layout: &'a Layout,
    /// The parameters in the order of [`Stack::parameters`].
    pub parameters: &'a [&'a [T]],
    /// The input, I columns.
    pub input: &'a [T],
    /// For each state of the cell, the initial states (L·D, B, size), or `None` for zeros.
    pub states: &'a [Option<&'a [T]>],
    /// Dropout between layers.
    pub dropout: Dropout,
    /// The output, D·S columns, of which the rows in the padding become 0.
    pub output: &'a mut [T],
    /// For each state of the cell, the final states (L·D, B, size).
    pub states_n: List<&'a mut [T]>,
    /// Of [`Stack::saved_len`] elements, if a backward pass will follow.
    pub saved: Option<&'a mut [T]>,
}

impl<C> Stack<C> {
    /// Runs a forward pass; what it writes is unspecified if the context is cancelled meanwhile.
    ///
    /// # Errors
    ///
    /// If an array's length is not what layout and stack say, before anything is written; or if there is
    /// not enough memory.
    pub fn forward<T: Scalar>(&self, ctx: &Context, call: Forward<'_, T>) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        self.check_forward(&call, self.saved_len(call.layout)?)?;
        let Forward { layout, parameters, input, states, dropout, output, mut states_n, saved } = call;
        rouse(ctx, layout, parameters);
        layout.clear_padding(ctx, output);
        let parameters = self.views(parameters);
        let sizes = self.cell.state_sizes();

        let rows = layout.steps().rows();
        let (of_layer, of_cell) = self.kept_sizes(rows);
        let keeps = saved.is_some();
        let (mut kept_layers, mut kept_cells) =
            saved.unwrap_or_default().split_at_mut(if keeps { of_layer * (self.layers - 1) } else { 0 });
        let groups = self.layers * self.directions;
        let initial = states
            .iter()
            .zip(&sizes)
            .map(|(&outer, &size)| inner_states(ctx, layout, outer, groups, size))
            .collect::<Result<List<_>, _>>()?;
        let initial: List<_> = initial.iter().zip(&sizes).map(|(s, &size)| (&**s, size)).collect();
        let mut output = Some(output);
        let mut below: Option<Place<'_, T>> = None;

        for l in 0..self.layers {
            if ctx.cancelled() {
                return Ok(());
            }
            let last = l + 1 == self.layers;
            let mut dropped = None;
            let x: Placed<'_, T> = match &below {
                None => placed(layout, input, self.input_size),
                Some(y) if dropout.p > 0.0 => {
                    let mut x = ctx.scratch(of_layer)?;
                    elman_kernels::dropout(ctx.isa(), y, dropout.p, dropout.seed, Dropout::first(l), &mut x);
                    matrix(dropped.insert(x), self.width()).into()
                }
                Some(y) => matrix(y, self.width()).into(),
            };
            let mut y = if let Some(output) = output.take_if(|_| last) {
                Place::Theirs(output)
            } else if keeps && !last {
                let (this, rest) = std::mem::take(&mut kept_layers).split_at_mut(of_layer);
                kept_layers = rest;
                Place::Theirs(this)
            } else {
                Place::Ours(ctx.scratch(of_layer)?)
            };
            let mut cells = if keeps {
                let (this, rest) = std::mem::take(&mut kept_cells).split_at_mut(of_cell * self.directions);
                kept_cells = rest;
                Place::Theirs(this)
            } else {
                Place::Ours(ctx.scratch(of_cell * self.directions)?)
            };
            let layer = Layer {
                steps: layout.steps(),
                x,
                parameters: &parameters[l * self.directions..][..self.directions],
                initial: &initial,
                first_group: l * self.directions,
            };
            let made = LayerMade {
                places: layout.places().filter(|_| last),
                ..LayerMade::new(&mut y, &mut cells, &mut states_n)
            };
            self.forward_layer(ctx, &layer, made)?;
            below = Some(y);
        }
        for (states, &size) in states_n.iter_mut().zip(&sizes) {
            deliver_states(layout, states, size);
        }
        Ok(())
    }

    /// Both directions of one layer.
    pub(super) fn forward_layer<T: Scalar>(
        &self,
        ctx: &Context,
        layer: &Layer<'_, T>,
        made: LayerMade<'_, '_, T>,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let LayerMade { y, places, cells, states_n } = made;
        let sizes = self.cell.state_sizes();
        let batch = layer.steps.batch();
        let saved_size = self.cell.saved_size();
        let states: List<_> = (0..self.directions).map(|d| layer.states(d)).collect();
        let given = |d: usize| Given {
            pass: Pass { steps: layer.steps, reverse: d == 1 },
            parameters: &layer.parameters[d],
            x: layer.x.reborrow(),
            states: &states[d],
        };
        let mut rest = Target { array: matrix_mut(y, self.width()), places };
        let mut cells = cells.chunks_mut((cells.len() / self.directions).max(1));
        let mut finals: List<_> = states_n
            .iter_mut()
            .zip(&sizes)
            .map(|(all, &size)| {
                let one = batch * size;
                (all[layer.first_group * one..][..self.directions * one].chunks_mut(one.max(1)), size)
            })
            .collect();
        let mut directions = List::new();
        for d in 0..self.directions {
            let (y, other) = rest.split_at(self.cell.output_size());
            rest = other;
            let mut made = Made {
                y,
                saved: kept_matrix_mut(cells.next(), layer.steps.rows(), saved_size),
                states_n: finals
                    .iter_mut()
                    .map(|(parts, size)| matrix_mut(parts.next().unwrap_or_default(), *size))
                    .collect(),
            };
            self.cell.project(ctx, &given(d), &mut made)?;
            directions.push((d, made));
        }
        ctx.each(self.recurrent_work(layer.steps), directions, |ctx, (d, mut made)| {
            self.cell.recur(ctx, &given(d), &mut made)
        })
    }

    /// Multiply-adds of the loops over time of one layer, as far as the stack can tell.
    pub(super) fn recurrent_work<T: Scalar>(&self, steps: &Steps) -> usize
    where
        C: Cell<T>,
    {
        let width = self.cell.output_size();
        steps.rows().saturating_mul(width).saturating_mul(width * self.directions)
    }

    /// Checks a forward pass that keeps `kept` elements, if any.
    pub(super) fn check_forward<T: Scalar>(&self, call: &Forward<'_, T>, kept: usize) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        self.check_parameters::<T>(call.parameters.iter().map(|data| data.len()))?;
        self.check_input(call.layout, call.input.len(), call.states)?;
        call.dropout.check()?;
        Self::check_len("output", call.output.len(), call.layout.outer_rows(), self.width())?;
        self.check_states("final state", call.layout, call.states_n.iter().map(|s| Some(s.len())))?;
        match &call.saved {
            Some(saved) => Self::check_len("saved", saved.len(), kept, 1),
            None => Ok(()),
        }
    }

    /// Checks what forward and backward both read.
    pub(crate) fn check_input<T: Scalar>(
        &self,
        layout: &Layout,
        input: usize,
        states: &[Option<&[T]>],
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        Self::check_len("input", input, layout.outer_rows(), self.input_size)?;
        self.check_states("initial state", layout, states.iter().map(|s| s.map(<[T]>::len)))
    }

    /// Checks that there is an array (L·D, B, size), or none, for each state of the cell.
    pub(super) fn check_states<T: Scalar>(
        &self,
        what: &str,
        layout: &Layout,
        lens: impl ExactSizeIterator<Item = Option<usize>>,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let sizes = self.cell.state_sizes();
        Self::check_len(format_args!("the list of {what}s"), lens.len(), sizes.len(), 1)?;
        let groups = self.layers * self.directions * layout.steps().batch();
        lens.zip(sizes).try_for_each(|(len, size)| match len {
            Some(len) => Self::check_len(what, len, groups, size),
            None => Ok(()),
        })
    }
}

/// Where the forward passes of one layer write, for both directions.
pub(super) struct LayerMade<'a, 's, T: Scalar> {
    /// The output.
    y: &'a mut [T],
    /// Where its rows are, if not in inner order.
    places: Option<&'a Places>,
    /// What the cells keep.
    cells: &'a mut [T],
    /// The final states of all layers and directions.
    states_n: &'a mut [&'s mut [T]],
}

impl<'a, 's, T: Scalar> LayerMade<'a, 's, T> {
    /// The output is in inner order.
    pub(super) fn new(y: &'a mut [T], cells: &'a mut [T], states_n: &'a mut [&'s mut [T]]) -> Self {
        Self { y, places: None, cells, states_n }
    }
}

/// What one layer's passes in both directions read.
pub(super) struct Layer<'a, T: Scalar> {
    pub(super) steps: &'a Steps,
    pub(super) x: Placed<'a, T>,
    pub(super) parameters: &'a [List<ArrayView2<'a, T>>],
    /// The initial states of all layers and directions, and their columns.
    pub(super) initial: &'a [(&'a [T], usize)],
    /// l·D.
    pub(super) first_group: usize,
}

impl<T: Scalar> Layer<'_, T> {
    /// The initial states of direction `d`.
    pub(super) fn states(&self, d: usize) -> List<ArrayView2<'_, T>> {
        let batch = self.steps.batch();
        let group = |all, size| group(all, self.first_group + d, batch, size);
        self.initial.iter().map(|&(all, size)| group(all, size)).collect()
    }
}

/// The states (B, size) of one layer and direction.
pub(super) fn group<T>(all: &[T], index: usize, batch: usize, size: usize) -> ArrayView2<'_, T> {
    matrix(&all[index * batch * size..][..batch * size], size)
}

/// What a cell keeps, (N, size) also where size is 0.
fn kept_matrix_mut<T>(data: Option<&mut [T]>, rows: usize, size: usize) -> ndarray::ArrayViewMut2<'_, T> {
    ndarray::ArrayViewMut2::from_shape((rows, size), data.unwrap_or_default())
        .expect("rows of the cell's size")
}

/// Wakes the threads that a pass will need: each row meets each weight.
pub(super) fn rouse<T>(ctx: &Context, layout: &Layout, parameters: &[&[T]]) {
    let weights: usize = parameters.iter().map(|parameter| parameter.len()).sum();
    ctx.rouse(layout.steps().rows().saturating_mul(weights));
}
