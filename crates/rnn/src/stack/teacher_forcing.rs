//! Teacher forcing: given outputs in the place of the network's own.
//!
//! ```text
//! y_t = cell(x_t, s_t)
//! s_t = y_0, the initial state, at the first step of a sequence, else the teacher's output of the step before
//! ```
//!
//! No step waits for another one. So the N rows are N sequences of one step each, whose initial states are S (N, S),
//! and the stack runs on these as on any others: all of time in large products. The gradient of S goes back to where
//! its rows came from; the teacher's outputs of last steps are never fed back. With checkpoints nothing is kept, since
//! sequences of one step have no state in between.

use elman_kernels::{Context, RowIndex, Scalar, Scratch};

use super::buffers::{inner_rows, matrix, matrix_mut, outer_states};
use super::call::{Backward, Forward, Gradients, Inputs};
use super::layers::Stack;
use crate::cell::List;
use crate::pass::Pass;
use crate::{Error, Layout};

impl<T: Scalar> Stack<T> {
    /// Checks that a teacher's outputs can replace the states.
    pub(super) fn check_teachable(&self) -> Result<(), Error> {
        self.check_single("teacher forcing")?;
        if self.spec(0).teachable { Ok(()) } else { Err(Error::NotTeachable) }
    }

    /// The forward pass with a teacher; lengths have been checked.
    pub(super) fn forward_taught(
        &self,
        ctx: &Context,
        call: Forward<'_, T>,
        teacher: &[T],
    ) -> Result<(), Error> {
        let Forward { inputs, output, mut states_n, saved } = call;
        let (layout, size) = (inputs.layout, self.output_size());
        let flat = Flat::new(layout)?;
        let input = inner_rows(ctx, layout, inputs.input, self.input_size)?;
        let states = self.fed_states(ctx, &flat, &inputs, teacher)?;
        let rows = flat.fed.len();
        let mut inner = (!layout.rows_in_place()).then(|| ctx.scratch(rows * size)).transpose()?;
        let y = inner.as_deref_mut().unwrap_or(&mut *output);
        let mut ends = ctx.scratch(rows * size)?;
        let states = [Some(&*states)];
        let all = Forward {
            inputs: flat.inputs(&inputs, &input, &states),
            output: &mut *y,
            states_n: List::from_iter([&mut *ends]),
            saved,
        };
        self.forward_checked(ctx, all)?;
        for y_n in &mut states_n {
            Flat::pass(layout).final_rows(&matrix(y, size).into(), matrix_mut(y_n, size));
            outer_states(layout, y_n, size);
        }
        if let Some(y) = inner {
            layout.scatter_rows(ctx, size, &y, T::zero(), output);
        }
        Ok(())
    }

    /// The backward pass with a teacher; lengths have been checked.
    pub(super) fn backward_taught(
        &self,
        ctx: &Context,
        call: &Backward<'_, T>,
        gradients: Gradients<'_, T>,
        teacher: &[T],
    ) -> Result<(), Error> {
        let (inputs, layout, size) = (&call.inputs, call.inputs.layout, self.output_size());
        let Gradients { dinput, dteacher, mut dstates, dparameters } = gradients;
        let flat = Flat::new(layout)?;
        let rows = flat.fed.len();
        let input = inner_rows(ctx, layout, inputs.input, self.input_size)?;
        let output = inner_rows(ctx, layout, call.output, size)?;
        let states = self.fed_states(ctx, &flat, inputs, teacher)?;
        let doutput = call.doutput.map(|dy| inner_rows(ctx, layout, dy, size)).transpose()?;
        // The gradients of the last outputs, as gradients of all rows.
        let dstates_n = self.final_gradients(ctx, layout, call.dstates_n)?;
        let dends = dstates_n.iter().flatten().next().map(|dy_n| -> Result<_, Error> {
            let mut ends = ctx.scratch(rows * size)?;
            ends.fill(T::zero());
            for (b, from) in dy_n.chunks_exact(size).enumerate() {
                ends[Flat::pass(layout).final_row(b) * size..][..size].copy_from_slice(from);
            }
            Ok(ends)
        });
        let dends = dends.transpose()?;
        let dy_0 = dstates.pop().flatten();
        let fed_wanted = dy_0.is_some() || dteacher.is_some();
        let mut dfed = fed_wanted.then(|| ctx.scratch(rows * size)).transpose()?;
        let (in_place, mut moved) = if layout.rows_in_place() { (dinput, None) } else { (None, dinput) };
        let mut inner = moved.as_ref().map(|_| ctx.scratch(rows * self.input_size)).transpose()?;
        let states = [Some(&*states)];
        let all = Backward {
            inputs: flat.inputs(inputs, &input, &states),
            output: &output,
            saved: call.saved,
            doutput: doutput.as_deref(),
            dstates_n: &[dends.as_deref()],
        };
        let wanted = Gradients {
            dinput: in_place.or(inner.as_deref_mut()),
            dteacher: None,
            dstates: List::from_iter([dfed.as_deref_mut()]),
            dparameters,
        };
        self.backward_checked(ctx, &all, wanted)?;
        if let (Some(outer), Some(inner)) = (&mut moved, &inner) {
            layout.scatter_rows(ctx, self.input_size, inner, T::zero(), outer);
        }
        let Some(dfed) = dfed else { return Ok(()) };
        if let Some(dy_0) = dy_0 {
            flat.give_back(
                &dfed,
                size,
                dy_0,
                |fed| if let RowIndex::Second(b) = fed { Some(b) } else { None },
            );
            outer_states(layout, dy_0, size);
        }
        if let Some(dteacher) = dteacher {
            let mut inner = ctx.scratch(rows * size)?;
            inner.fill(T::zero());
            flat.give_back(&dfed, size, &mut inner, |fed| {
                if let RowIndex::First(n) = fed { Some(n) } else { None }
            });
            layout.scatter_rows(ctx, size, &inner, T::zero(), dteacher);
        }
        Ok(())
    }

    /// S (N, S).
    fn fed_states<'c>(
        &self,
        ctx: &'c Context,
        flat: &Flat<'_>,
        inputs: &Inputs<'c, T>,
        teacher: &'c [T],
    ) -> Result<Scratch<'c, T>, Error> {
        let size = self.output_size();
        let y_0 = self.initial_states(ctx, inputs)?;
        let teacher = inner_rows(ctx, flat.layout, teacher, size)?;
        let mut states = ctx.scratch(flat.fed.len() * size)?;
        for (to, from) in states.chunks_exact_mut(size).zip(&flat.fed) {
            to.copy_from_slice(match *from {
                RowIndex::First(row) => &teacher[row * size..][..size],
                RowIndex::Second(b) => &y_0[0][b * size..][..size],
            });
        }
        Ok(states)
    }
}

/// The rows of a layout as sequences of one step each.
struct Flat<'a> {
    layout: &'a Layout,
    /// N rows.
    rows: Layout,
    /// Where what is fed into each row comes from: the teacher or the initial state.
    fed: Vec<RowIndex>,
}

impl<'a> Flat<'a> {
    fn new(layout: &'a Layout) -> Result<Self, Error> {
        let rows = Layout::padded(1, layout.steps().rows(), false, None)?;
        let fed = Self::pass(layout).previous(|t, b| layout.steps().offset(t) + b)?;
        Ok(Self { layout, rows, fed })
    }

    fn pass(layout: &Layout) -> Pass<'_> {
        Pass { steps: layout.steps(), reverse: false }
    }

    /// What a pass over the rows reads, from input and states in inner order.
    fn inputs<'c, T>(
        &'c self,
        inputs: &Inputs<'c, T>,
        input: &'c [T],
        states: &'c [Option<&'c [T]>],
    ) -> Inputs<'c, T> {
        let Inputs { parameters, dropout, checkpoint_every, .. } = *inputs;
        Inputs { layout: &self.rows, parameters, input, teacher: None, states, dropout, checkpoint_every }
    }

    /// Copies the rows of `dfed` for which `place` names one to that row of `to`.
    fn give_back<T: Scalar>(
        &self,
        dfed: &[T],
        size: usize,
        to: &mut [T],
        place: impl Fn(RowIndex) -> Option<usize>,
    ) {
        for (from, &fed) in dfed.chunks_exact(size).zip(&self.fed) {
            if let Some(row) = place(fed) {
                to[row * size..][..size].copy_from_slice(from);
            }
        }
    }
}
