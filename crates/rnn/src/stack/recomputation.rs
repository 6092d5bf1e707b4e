//! Recomputation (gradient checkpointing): less memory between forward and backward, for one more pass over the lower
//! layers.
//!
//! ```text
//! time is cut into segments of n steps; h_l(s) are the states of layer l before segment s
//! forward    for each segment s, for each layer l:
//!                keep h_l(s)                                   where a layer will run again, and s > 0
//!                y_l = cell(x_l, h_l(s))                       on the rows of s; h_l(s + 1) is where it ends
//! backward   for each segment s, for each lower layer l:
//!                y_l = cell(x_l, h_l(s))                       again, into scratch memory for all rows
//!            backward pass from these y_l, as if they had been kept
//! ```
//!
//! The layers that run again are those whose outputs the caller does not have, all but the last; if the cell keeps
//! values of its own, all of them. With ⌈T/n⌉ - 1 states of (B, S) in the place of outputs of (T, B, S), about
//! 1/n is kept; forward needs scratch memory for two segments. Backward takes as much scratch memory as would
//! have been kept, so the peak within it is what it was.
//!
//! The gradients are the same bits as without: a row's output depends neither on the other rows nor on where
//! its sequence is cut, the masks of dropout are computed from an element's place among all rows, and the sums
//! over all rows (dW, db) are made at once, as they are without segments.
//!
//! Sequences are in order of falling length, so those that are still running at a segment's start are the first
//! ones of the batch. Final states are written by the segment in which a sequence ends and then left alone; until
//! then their place holds the states between the segments.
//!
//! A direction that begins at the end has its states in the other order, and a layer above both directions needs
//! both at once: a stack in two directions has no segments.
//!
//! Gruslys et al., "Memory-efficient backpropagation through time" (arXiv 1606.03401).

use std::num::NonZeroUsize;
use std::ops::Range;

use elman_kernels::{Context, Scalar, Scratch, Steps};
use ndarray::ArrayView2;

use super::buffers::{Buffer, ReadBuffer, WriteBuffer, inner_rows, matrix, matrix_mut, outer_states};
use super::call::{Backward, Forward, Gradients, Inputs};
use super::forward::{Layer, LayerOutputs};
use super::layers::Stack;
use crate::Error;
use crate::cell::List;

/// Some steps that follow each other.
struct Segment {
    /// Whether it is the first one.
    first: bool,
    /// Its rows among all.
    rows: Range<usize>,
    /// The same rows, counted from 0.
    steps: Steps,
}

/// Cuts the steps into segments of `every`; the last may be shorter.
fn segments(steps: &Steps, every: NonZeroUsize) -> impl Iterator<Item = Result<Segment, Error>> + '_ {
    starts(steps, every).map(move |start| {
        let end = start.saturating_add(every.get()).min(steps.len());
        let rows = steps.offset(start)..steps.offset(end);
        let steps = Steps::new((start..end).map(|t| steps.size(t)))?;
        Ok(Segment { first: start == 0, rows, steps })
    })
}

/// The first step of each segment.
fn starts(steps: &Steps, every: NonZeroUsize) -> impl Iterator<Item = usize> + use<> {
    // Without rows there may be more steps than can be counted in reasonable time.
    (0..if steps.rows() == 0 { 0 } else { steps.len() }).step_by(every.get())
}

impl<T: Scalar> Stack<T> {
    /// Elements that a pass with checkpoints keeps, or `None` if they are too many.
    pub(super) fn checkpoints_len(&self, steps: &Steps, every: NonZeroUsize) -> Result<Option<usize>, Error> {
        self.check_one_direction("checkpoints")?;
        let rows: usize = starts(steps, every).skip(1).map(|t| steps.size(t)).sum();
        let columns = self.state_sizes().iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        let columns = columns.and_then(|columns| columns.checked_mul(self.recomputed()));
        Ok(columns.and_then(|columns| columns.checked_mul(rows)))
    }

    /// The forward pass, in segments or layer by layer; lengths have been checked.
    pub(super) fn forward_checked(&self, ctx: &Context, call: Forward<'_, T>) -> Result<(), Error> {
        match call.inputs.checkpoint_every {
            Some(every) if call.saved.is_some() => self.forward_segments(ctx, every, call),
            _ => self.forward_layers(ctx, call),
        }
    }

    /// The forward pass, segment by segment.
    fn forward_segments(
        &self,
        ctx: &Context,
        every: NonZeroUsize,
        call: Forward<'_, T>,
    ) -> Result<(), Error> {
        let done = self.run_segments(ctx, every, call);
        ctx.free_scratch();
        done
    }

    fn run_segments(&self, ctx: &Context, every: NonZeroUsize, call: Forward<'_, T>) -> Result<(), Error> {
        let Forward { inputs, output, mut states_n, saved } = call;
        let (layout, sizes, width) = (inputs.layout, self.state_sizes(), self.output_size());
        let steps = layout.steps();
        let mut passes = Passes::new(self, ctx, inputs, every)?;
        // The outputs of a layer and of the one below, on the rows of a segment.
        let len = passes.most_rows * width;
        let [mut above, mut below] = [ctx.scratch(len)?, ctx.scratch(len)?];
        let mut cells = ctx.scratch(passes.most_rows * self.spec(0).saved_size)?;
        let mut before = self.scratch_states(ctx, steps.batch())?;
        let mut rest = saved.unwrap_or_default();
        let mut output = Some(output);
        let mut y: WriteBuffer<'_, T> = if layout.rows_in_place() {
            Buffer::Borrowed(output.take().unwrap_or_default())
        } else {
            Buffer::Owned(ctx.scratch(steps.rows() * width)?)
        };
        for segment in segments(steps, every) {
            let segment = segment?;
            for l in 0..self.layers {
                if ctx.cancelled() {
                    return Ok(());
                }
                let mut finals = List::<&mut [T]>::new();
                let mut initial = List::<&[T]>::new();
                for ((before, states_n), &size) in before.iter_mut().zip(&mut states_n).zip(sizes) {
                    let states_n = segment.states_mut(states_n, l * steps.batch() * size, size);
                    let before = &mut before[..states_n.len()];
                    if !segment.first {
                        before.copy_from_slice(states_n);
                    }
                    if !segment.first && l < self.recomputed() {
                        let (this, other) = std::mem::take(&mut rest).split_at_mut(before.len());
                        this.copy_from_slice(before);
                        rest = other;
                    }
                    initial.push(before);
                    finals.push(states_n);
                }
                let to = if l + 1 == self.layers {
                    &mut y[segment.rows.start * width..segment.rows.end * width]
                } else {
                    &mut above[..segment.rows.len() * width]
                };
                let cells = &mut cells[..segment.rows.len() * self.spec(0).saved_size];
                let outputs = LayerOutputs { y: matrix_mut(to, width).into(), cells, states_n: &mut finals };
                passes.layer(l, &segment, initial, &below, outputs)?;
                std::mem::swap(&mut above, &mut below);
            }
        }
        if let Some(output) = output {
            layout.scatter_rows(ctx, width, &y, T::zero(), output);
        }
        for (states, &size) in states_n.iter_mut().zip(sizes) {
            outer_states(layout, states, size);
        }
        Ok(())
    }

    /// The backward pass, in segments or layer by layer; lengths have been checked.
    pub(super) fn backward_checked(
        &self,
        ctx: &Context,
        call: &Backward<'_, T>,
        gradients: Gradients<'_, T>,
    ) -> Result<(), Error> {
        match call.inputs.checkpoint_every {
            Some(every) => self.backward_segments(ctx, every, call, gradients),
            None => self.backward_layers(ctx, call, gradients),
        }
    }

    /// The backward pass, from what [`Stack::forward_segments`] has kept.
    fn backward_segments(
        &self,
        ctx: &Context,
        every: NonZeroUsize,
        call: &Backward<'_, T>,
        gradients: Gradients<'_, T>,
    ) -> Result<(), Error> {
        let run = || {
            let len = self.kept_len(call.inputs.layout.steps());
            let mut saved =
                ctx.scratch(len.ok_or(Error::TooLarge { what: "what is kept for the backward pass" })?)?;
            self.recompute(ctx, every, call, &mut saved)?;
            self.backward_layers(ctx, &Backward { saved: &saved, ..*call }, gradients)
        };
        let done = run();
        ctx.free_scratch();
        done
    }

    /// Writes to `saved` what the forward pass would have kept without checkpoints.
    fn recompute(
        &self,
        ctx: &Context,
        every: NonZeroUsize,
        call: &Backward<'_, T>,
        saved: &mut [T],
    ) -> Result<(), Error> {
        if self.recomputed() == 0 {
            return Ok(());
        }
        let steps = call.inputs.layout.steps();
        let (sizes, width, kept) = (self.state_sizes(), self.output_size(), self.spec(0).saved_size);
        let mut passes = Passes::new(self, ctx, call.inputs, every)?;
        let mut states_n = self.scratch_states(ctx, steps.batch())?;
        // The last layer's output is there already; it runs again only for what its cell keeps.
        let mut last = ctx.scratch(if kept > 0 { passes.most_rows * width } else { 0 })?;
        let of_layer = steps.rows() * width;
        let (layers, cells) = saved.split_at_mut(of_layer * (self.layers - 1));
        let mut rest = call.saved;
        for segment in segments(steps, every) {
            let segment = segment?;
            let rows = segment.rows.clone();
            for l in 0..self.recomputed() {
                if ctx.cancelled() {
                    return Ok(());
                }
                let mut initial = List::new();
                for &size in sizes {
                    let len = if segment.first { 0 } else { segment.steps.batch() * size };
                    let (this, other) = rest.split_at(len);
                    rest = other;
                    initial.push(this);
                }
                let (below, this) = layers.split_at_mut(l * of_layer);
                let below = match l.checked_sub(1) {
                    None => &[][..],
                    Some(l) => &below[l * of_layer + rows.start * width..],
                };
                let to = match this.get_mut(rows.start * width..rows.end * width) {
                    Some(to) if l + 1 < self.layers => to,
                    _ => &mut last[..rows.len() * width],
                };
                let cells = &mut cells[(l * steps.rows() + rows.start) * kept..][..rows.len() * kept];
                let pairs = states_n.iter_mut().zip(sizes);
                let mut finals: List<_> =
                    pairs.map(|(all, &size)| segment.states_mut(all, 0, size)).collect();
                let outputs = LayerOutputs { y: matrix_mut(to, width).into(), cells, states_n: &mut finals };
                passes.layer(l, &segment, initial, below, outputs)?;
            }
        }
        Ok(())
    }

    /// How many layers, from the lowest, run again in the backward pass.
    fn recomputed(&self) -> usize {
        if self.spec(0).saved_size == 0 { self.layers - 1 } else { self.layers }
    }

    /// Room for the states of one layer.
    fn scratch_states<'a>(&self, ctx: &'a Context, batch: usize) -> Result<List<Scratch<'a, T>>, Error> {
        self.state_sizes().iter().map(|&size| Ok(ctx.scratch(batch * size)?)).collect()
    }
}

impl Segment {
    /// The states of its sequences in `all`, from element `start` on.
    fn states_mut<'a, T>(&self, all: &'a mut [T], start: usize, size: usize) -> &'a mut [T] {
        &mut all[start..][..self.steps.batch() * size]
    }
}

/// The forward passes of the layers over segments.
struct Passes<'a, T: Scalar> {
    stack: &'a Stack<T>,
    ctx: &'a Context,
    inputs: Inputs<'a, T>,
    parameters: Vec<List<ArrayView2<'a, T>>>,
    /// x (N, I) in inner order.
    x: ReadBuffer<'a, T>,
    /// For each state of the cell, the initial states (L, B, size).
    initial: List<ReadBuffer<'a, T>>,
    /// Room for what dropout leaves of a layer's output.
    dropped: Option<Scratch<'a, T>>,
    /// Rows of the first segment: no other has more.
    most_rows: usize,
}

impl<'a, T: Scalar> Passes<'a, T> {
    fn new(
        stack: &'a Stack<T>,
        ctx: &'a Context,
        inputs: Inputs<'a, T>,
        every: NonZeroUsize,
    ) -> Result<Self, Error> {
        let steps = inputs.layout.steps();
        let most_rows = steps.offset(every.get().min(steps.len()));
        Ok(Self {
            stack,
            ctx,
            inputs,
            parameters: stack.views(inputs.parameters),
            x: inner_rows(ctx, inputs.layout, inputs.input, stack.input_size)?,
            initial: stack.initial_states(ctx, &inputs)?,
            dropped: stack.room_for_dropped(ctx, inputs.dropout, most_rows)?,
            most_rows,
        })
    }

    /// Layer `l` on the rows of a segment. It starts from the states `before`, in the first segment from the initial
    /// ones; `below` begins with the output of the layer below.
    fn layer(
        &mut self,
        l: usize,
        segment: &Segment,
        before: List<&[T]>,
        below: &[T],
        outputs: LayerOutputs<'_, '_, T>,
    ) -> Result<(), Error> {
        let Segment { first, rows, steps } = segment;
        let (stack, batch) = (self.stack, self.inputs.layout.steps().batch());
        let pairs = self.initial.iter().zip(stack.state_sizes());
        let initial: List<&[T]> = match first {
            true => pairs.map(|(all, &size)| &all[l * batch * size..][..steps.batch() * size]).collect(),
            false => before,
        };
        let (columns, dropout) = (stack.features(l), self.inputs.dropout);
        let x = match l {
            0 => matrix(&self.x[rows.start * columns..rows.end * columns], columns),
            l => {
                let below = &below[..rows.len() * columns];
                stack.drop_out(self.ctx, dropout, (l, rows.start), below, &mut self.dropped)
            }
        };
        let parameters = &self.parameters[l..=l];
        let layer = Layer { steps, x: x.into(), parameters, initial: &initial, first_group: 0 };
        stack.forward_layer(self.ctx, &layer, outputs)
    }
}
