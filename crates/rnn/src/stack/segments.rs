//! Checkpointed backpropagation through time: less memory between forward and backward, for one more pass over
//! the lower layers.
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
//! The gradients are the same bits as without: a row's output depends neither on the rows beside it nor on where
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

use super::buffers::{Lent, Place, deliver_states, inner_rows, inner_states, matrix};
use super::forward::{Layer, LayerMade};
use super::{Backward, Dropout, Forward, Gradients, Stack};
use crate::cell::{Cell, List};
use crate::{Error, Layout};

/// Some steps that follow each other.
struct Segment {
    /// Their rows among all.
    rows: Range<usize>,
    /// The same rows, counted from 0.
    steps: Steps,
}

/// Cuts the steps into segments of `every`; the last may be shorter.
fn segments(steps: &Steps, every: NonZeroUsize) -> impl Iterator<Item = Result<Segment, Error>> + '_ {
    starts(steps, every).map(move |start| {
        let end = start.saturating_add(every.get()).min(steps.len());
        let rows = steps.offset(start)..steps.offset(end);
        Ok(Segment { rows, steps: Steps::new((start..end).map(|t| steps.size(t)))? })
    })
}

/// The first step of each segment.
fn starts(steps: &Steps, every: NonZeroUsize) -> impl Iterator<Item = usize> + use<> {
    // Without rows there may be more steps than one would like to count.
    (0..if steps.rows() == 0 { 0 } else { steps.len() }).step_by(every.get())
}

/// Rows of the first segment: no other has more.
fn most_rows(steps: &Steps, every: NonZeroUsize) -> usize {
    steps.offset(every.get().min(steps.len()))
}

/// What the layers of a pass by segments read.
struct Net<'a, T: Scalar> {
    dropout: Dropout,
    /// x (N, I).
    x_0: &'a [T],
    /// For each state of the cell, the initial states (L, B, size).
    initial: &'a [Lent<'a, T>],
    /// B.
    batch: usize,
}

impl<C> Stack<C> {
    /// Elements of what [`Stack::forward_checkpointed`] keeps with segments of `every` steps.
    ///
    /// # Errors
    ///
    /// [`Error::BidirectionalCheckpoints`] if the stack has two directions, [`Error::TooLarge`] if that is no
    /// number of elements.
    pub fn checkpoints_len<T: Scalar>(&self, layout: &Layout, every: NonZeroUsize) -> Result<usize, Error>
    where
        C: Cell<T>,
    {
        if self.directions > 1 {
            return Err(Error::BidirectionalCheckpoints);
        }
        let steps = layout.steps();
        let rows: usize = starts(steps, every).skip(1).map(|t| steps.size(t)).sum();
        let columns = self.cell.state_sizes().into_iter().try_fold(0usize, usize::checked_add);
        columns
            .and_then(|columns| columns.checked_mul(self.run_again::<T>()))
            .and_then(|columns| columns.checked_mul(rows))
            .ok_or(Error::TooLarge { what: "what is kept for the backward pass" })
    }

    /// As [`Stack::forward`], the same bits; but `saved` is of [`Stack::checkpoints_len`] elements, for
    /// [`Stack::backward_checkpointed`] with the same `every`. It leaves no scratch memory behind.
    ///
    /// # Errors
    ///
    /// As [`Stack::forward`], and if the stack has two directions.
    pub fn forward_checkpointed<T: Scalar>(
        &self,
        ctx: &Context,
        every: NonZeroUsize,
        call: Forward<'_, T>,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let kept = self.checkpoints_len(call.layout, every)?;
        if call.saved.is_none() {
            return self.forward(ctx, call);
        }
        self.check_forward(&call, kept)?;
        let done = self.forward_segments(ctx, every, call);
        ctx.free_scratch();
        done
    }

    /// As [`Stack::backward`], the same bits, from what [`Stack::forward_checkpointed`] has kept. It leaves no
    /// scratch memory behind.
    ///
    /// # Errors
    ///
    /// As [`Stack::backward`], and if the stack has two directions.
    pub fn backward_checkpointed<T: Scalar>(
        &self,
        ctx: &Context,
        every: NonZeroUsize,
        call: &Backward<'_, T>,
        gradients: Gradients<'_, T>,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let kept = self.checkpoints_len(call.layout, every)?;
        self.check_backward(call, &gradients, kept)?;
        let run = || {
            let mut saved = ctx.scratch(self.saved_len(call.layout)?)?;
            self.run_segments_again(ctx, every, call, &mut saved)?;
            self.backward(ctx, &Backward { saved: &saved, ..*call }, gradients)
        };
        let done = run();
        ctx.free_scratch();
        done
    }

    /// The forward pass, segment by segment; lengths have been checked.
    fn forward_segments<T: Scalar>(
        &self,
        ctx: &Context,
        every: NonZeroUsize,
        call: Forward<'_, T>,
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let Forward { layout, parameters, input, states, dropout, output, mut states_n, saved } = call;
        let (parameters, steps) = (self.views(parameters), layout.steps());
        let initial = self.initial_states(ctx, layout, states)?;
        let x_0 = inner_rows(ctx, layout, input, self.input_size)?;
        let net = Net { dropout, x_0: &x_0, initial: &initial, batch: steps.batch() };
        let sizes = self.cell.state_sizes();
        let width = self.width::<T>();

        let most = most_rows(steps, every);
        // The outputs of a layer and of the one below, on the rows of a segment.
        let [mut above, mut below] = [ctx.scratch(most * width)?, ctx.scratch(most * width)?];
        let mut dropped = self.room_for_dropped(ctx, dropout, most)?;
        let mut cells = ctx.scratch(most * self.cell.saved_size())?;
        let mut before =
            sizes.iter().map(|&size| ctx.scratch(steps.batch() * size)).collect::<Result<Vec<_>, _>>()?;
        let mut rest = saved.unwrap_or_default();
        let mut output = Some(output);
        let mut y = if layout.rows_in_place() {
            Place::Theirs(output.take().unwrap_or_default())
        } else {
            Place::Ours(ctx.scratch(steps.rows() * width)?)
        };
        for (s, segment) in segments(steps, every).enumerate() {
            let Segment { rows, steps } = segment?;
            for l in 0..self.layers {
                if ctx.cancelled() {
                    return Ok(());
                }
                for ((before, states_n), &size) in before.iter_mut().zip(&states_n).zip(&sizes) {
                    let len = steps.batch() * size;
                    let (before, all) = (&mut before[..len], l * net.batch * size);
                    if s > 0 {
                        before.copy_from_slice(&states_n[all..][..len]);
                    }
                    if s > 0 && l < self.run_again::<T>() {
                        let (this, other) = std::mem::take(&mut rest).split_at_mut(len);
                        this.copy_from_slice(before);
                        rest = other;
                    }
                }
                let initial = net.states(l, &steps, &sizes, (s > 0).then(|| before.iter().map(|h| &**h)));
                let to = if l + 1 == self.layers {
                    &mut y[rows.start * width..rows.end * width]
                } else {
                    &mut above[..rows.len() * width]
                };
                let layer = Layer {
                    steps: &steps,
                    x: self.input_of(ctx, &net, l, &rows, &below, &mut dropped).into(),
                    parameters: &parameters[l..=l],
                    initial: &initial,
                    first_group: 0,
                };
                let cells = &mut cells[..rows.len() * self.cell.saved_size()];
                let mut finals: Vec<&mut [T]> = states_n
                    .iter_mut()
                    .zip(&sizes)
                    .map(|(all, size)| &mut all[l * net.batch * size..][..steps.batch() * size])
                    .collect();
                self.forward_layer(ctx, &layer, LayerMade::new(to, cells, &mut finals))?;
                std::mem::swap(&mut above, &mut below);
            }
        }
        if let Some(output) = output {
            layout.scatter_rows(ctx, width, &y, T::zero(), output);
        }
        for (states, &size) in states_n.iter_mut().zip(&sizes) {
            deliver_states(layout, states, size);
        }
        Ok(())
    }

    /// Writes to `saved` what [`Stack::forward`] would have kept; lengths have been checked.
    fn run_segments_again<T: Scalar>(
        &self,
        ctx: &Context,
        every: NonZeroUsize,
        call: &Backward<'_, T>,
        saved: &mut [T],
    ) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        if self.run_again::<T>() == 0 {
            return Ok(());
        }
        let (parameters, steps) = (self.views(call.parameters), call.layout.steps());
        let initial = self.initial_states(ctx, call.layout, call.states)?;
        let x_0 = inner_rows(ctx, call.layout, call.input, self.input_size)?;
        let net = Net { dropout: call.dropout, x_0: &x_0, initial: &initial, batch: steps.batch() };
        let sizes = self.cell.state_sizes();
        let (width, kept) = (self.width::<T>(), self.cell.saved_size());

        let most = most_rows(steps, every);
        let mut dropped = self.room_for_dropped(ctx, call.dropout, most)?;
        let mut finals =
            sizes.iter().map(|&size| ctx.scratch(steps.batch() * size)).collect::<Result<Vec<_>, _>>()?;
        // The last layer's output is there already; it runs again only for what its cell keeps.
        let mut last = ctx.scratch(if kept > 0 { most * width } else { 0 })?;
        let of_layer = steps.rows() * width;
        let (layers, cells) = saved.split_at_mut(of_layer * (self.layers - 1));
        let mut rest = call.saved;
        for (s, segment) in segments(steps, every).enumerate() {
            let Segment { rows, steps } = segment?;
            for l in 0..self.run_again::<T>() {
                if ctx.cancelled() {
                    return Ok(());
                }
                let checkpoints: Vec<&[T]> = sizes
                    .iter()
                    .map(|&size| {
                        let (this, other) = rest.split_at(if s > 0 { steps.batch() * size } else { 0 });
                        rest = other;
                        this
                    })
                    .collect();
                let (below, this) = layers.split_at_mut(l * of_layer);
                let below = match l.checked_sub(1) {
                    None => &[][..],
                    Some(l) => &below[l * of_layer + rows.start * width..][..rows.len() * width],
                };
                let to = match this.get_mut(rows.start * width..rows.end * width) {
                    Some(to) if l + 1 < self.layers => to,
                    _ => &mut last[..rows.len() * width],
                };
                let layer = Layer {
                    steps: &steps,
                    x: self.input_of(ctx, &net, l, &rows, below, &mut dropped).into(),
                    parameters: &parameters[l..=l],
                    initial: &net.states(l, &steps, &sizes, (s > 0).then(|| checkpoints.iter().copied())),
                    first_group: 0,
                };
                let all_rows = call.layout.steps().rows();
                let cells = &mut cells[(l * all_rows + rows.start) * kept..][..rows.len() * kept];
                let mut finals: Vec<&mut [T]> = finals
                    .iter_mut()
                    .zip(&sizes)
                    .map(|(all, size)| &mut all[..steps.batch() * size])
                    .collect();
                self.forward_layer(ctx, &layer, LayerMade::new(to, cells, &mut finals))?;
            }
        }
        Ok(())
    }

    /// How many layers, from the lowest, run again in the backward pass.
    fn run_again<T: Scalar>(&self) -> usize
    where
        C: Cell<T>,
    {
        if self.cell.saved_size() == 0 { self.layers - 1 } else { self.layers }
    }

    /// The initial states in inner order.
    fn initial_states<'a, T: Scalar>(
        &self,
        ctx: &'a Context,
        layout: &Layout,
        states: &[Option<&'a [T]>],
    ) -> Result<Vec<Lent<'a, T>>, Error>
    where
        C: Cell<T>,
    {
        let sizes = self.cell.state_sizes();
        let groups = self.layers * self.directions;
        states.iter().zip(sizes).map(|(&all, size)| inner_states(ctx, layout, all, groups, size)).collect()
    }

    /// Room for what dropout leaves of an output of `rows` rows.
    fn room_for_dropped<'a, T: Scalar>(
        &self,
        ctx: &'a Context,
        dropout: Dropout,
        rows: usize,
    ) -> Result<Scratch<'a, T>, Error>
    where
        C: Cell<T>,
    {
        let drops = dropout.p > 0.0 && self.layers > 1;
        Ok(ctx.scratch(if drops { rows * self.width::<T>() } else { 0 })?)
    }

    /// What layer `l` reads on some of all rows; `below` is the output of the layer below there.
    fn input_of<'a, T: Scalar>(
        &self,
        ctx: &Context,
        net: &Net<'a, T>,
        l: usize,
        rows: &Range<usize>,
        below: &'a [T],
        dropped: &'a mut [T],
    ) -> ArrayView2<'a, T>
    where
        C: Cell<T>,
    {
        let Dropout { p, seed } = net.dropout;
        if l == 0 {
            let i = self.input_size;
            return matrix(&net.x_0[rows.start * i..rows.end * i], i);
        }
        let width = self.width::<T>();
        let below = &below[..rows.len() * width];
        if p == 0.0 {
            return matrix(below, width);
        }
        let dropped = &mut dropped[..below.len()];
        let first = Dropout::first(l) + (rows.start * width) as u64;
        elman_kernels::dropout(ctx.isa(), below, p, seed, first, dropped);
        matrix(dropped, width)
    }
}

impl<'a, T: Scalar> Net<'a, T> {
    /// The states that layer `l` begins a segment with, and their columns: those `before` it, or the initial ones.
    fn states<'s>(
        &self,
        l: usize,
        steps: &Steps,
        sizes: &[usize],
        before: Option<impl Iterator<Item = &'s [T]>>,
    ) -> List<(&'s [T], usize)>
    where
        'a: 's,
    {
        let of_segment = |all: &'s [T], size: usize| (&all[..steps.batch() * size], size);
        match before {
            Some(before) => before.zip(sizes).map(|(all, &size)| of_segment(all, size)).collect(),
            None => {
                let initial = self.initial.iter().zip(sizes);
                initial.map(|(all, &size)| of_segment(&all[l * self.batch * size..], size)).collect()
            }
        }
    }
}
