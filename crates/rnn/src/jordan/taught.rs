//! Teacher forcing: given outputs in the place of the network's own.
//!
//! ```text
//! h_t = act(W_ih x_t + b_ih + W_yh s_t + b_yh),   y_t = g(W_hy h_t + b_hy)
//! s_t = y_0 at the first step of a sequence, else the teacher's output of the step before
//! ```
//!
//! No step waits for another one. So the N rows are N sequences of one step each, whose initial states are S (N, O),
//! and the stack runs on these as on any others: all of time in two large products forward and two backward. The
//! gradient of S goes back to where its rows came from; the teacher's outputs of last steps are never fed back.

use elman_kernels::{Context, Pick, Scalar};

use super::Jordan;
use crate::pass::Pass;
use crate::stack::buffers::{Lent, deliver_states, inner_rows, inner_states, matrix, matrix_mut};
use crate::stack::{Backward, Dropout, Forward, Gradients};
use crate::{Error, Layout, List, Stack};

/// A forward pass with a teacher: what it reads and where it writes.
#[derive(Debug)]
pub struct TaughtForward<'a, T: Scalar> {
    /// How the caller's arrays lie.
    pub layout: &'a Layout,
    /// The parameters in the order of [`Stack::parameters`].
    pub parameters: &'a [&'a [T]],
    /// The input, I columns.
    pub input: &'a [T],
    /// `y_0` (B, O), or `None` for zeros.
    pub y_0: Option<&'a [T]>,
    /// What is fed back, O columns; what it holds in the padding is not read.
    pub teacher: &'a [T],
    /// The network's own outputs, O columns, of which the rows in the padding become 0.
    pub output: &'a mut [T],
    /// The last output of each sequence (B, O).
    pub y_n: &'a mut [T],
    /// Of [`Stack::saved_len`] elements, if a backward pass will follow.
    pub saved: Option<&'a mut [T]>,
}

/// A backward pass with a teacher: the arguments and results of the forward pass, and the gradients from above.
#[derive(Debug)]
pub struct TaughtBackward<'a, T: Scalar> {
    /// As in the forward pass.
    pub layout: &'a Layout,
    /// As in the forward pass.
    pub parameters: &'a [&'a [T]],
    /// As in the forward pass.
    pub input: &'a [T],
    /// As in the forward pass.
    pub y_0: Option<&'a [T]>,
    /// As in the forward pass.
    pub teacher: &'a [T],
    /// What the forward pass wrote.
    pub output: &'a [T],
    /// What the forward pass kept.
    pub saved: &'a [T],
    /// The gradient of the output, or `None` if it is 0. What it holds in the padding is not read.
    pub doutput: Option<&'a [T]>,
    /// The gradient of `y_n`, or `None` if it is 0.
    pub dy_n: Option<&'a [T]>,
}

/// Where a backward pass with a teacher writes. What is `None` is not wanted.
#[derive(Debug)]
pub struct TaughtGradients<'a, T: Scalar> {
    /// As in [`Gradients`](crate::Gradients).
    pub dinput: Option<&'a mut [T]>,
    /// (B, O).
    pub dy_0: Option<&'a mut [T]>,
    /// Shaped as the teacher; it becomes 0 at last steps and in the padding.
    pub dteacher: Option<&'a mut [T]>,
    /// In the order of the parameters.
    pub dparameters: Option<Vec<&'a mut [T]>>,
}

/// The rows of a layout as sequences of one step each.
struct Flat<'a> {
    layout: &'a Layout,
    /// N rows.
    rows: Layout,
    /// Where what is fed into each row comes from: the teacher or `y_0`.
    fed: Vec<Pick>,
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

    /// S (N, O).
    fn states<'c, T: Scalar>(
        &self,
        ctx: &'c Context,
        size: usize,
        y_0: Option<&'c [T]>,
        teacher: &'c [T],
    ) -> Result<Lent<'c, T>, Error> {
        let y_0 = inner_states(ctx, self.layout, y_0, 1, size)?;
        let teacher = inner_rows(ctx, self.layout, teacher, size)?;
        let mut states = ctx.scratch(self.fed.len() * size)?;
        for (to, from) in states.chunks_exact_mut(size).zip(&self.fed) {
            to.copy_from_slice(match *from {
                Pick::First(row) => &teacher[row * size..][..size],
                Pick::Second(b) => &y_0[b * size..][..size],
            });
        }
        Ok(Lent::Ours(states))
    }
}

impl Stack<Jordan> {
    /// Runs a forward pass with a teacher; what it writes is unspecified if the context is cancelled meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Stack::forward`].
    pub fn forward_taught<T: Scalar>(&self, ctx: &Context, call: TaughtForward<'_, T>) -> Result<(), Error> {
        let TaughtForward { layout, parameters, input, y_0, teacher, output, y_n, saved } = call;
        let size = self.cell().output_size;
        self.check_taught(layout, input, y_0, teacher)?;
        Self::check_len("output", output.len(), layout.outer_rows(), size)?;
        Self::check_len("final state", y_n.len(), layout.steps().batch(), size)?;
        let flat = Flat::new(layout)?;
        let x = inner_rows(ctx, layout, input, self.input_size())?;
        let states = flat.states(ctx, size, y_0, teacher)?;
        let rows = flat.fed.len();
        let mut ours = (!layout.rows_in_place()).then(|| ctx.scratch(rows * size)).transpose()?;
        let y = ours.as_deref_mut().unwrap_or(&mut *output);
        let mut ends = ctx.scratch(rows * size)?;
        let all = Forward {
            layout: &flat.rows,
            parameters,
            input: &x,
            states: &[Some(&*states)],
            dropout: Dropout::default(),
            output: &mut *y,
            states_n: List::from_iter([&mut *ends]),
            saved,
        };
        self.forward(ctx, all)?;
        Flat::pass(layout).final_rows(&matrix(y, size).into(), matrix_mut(y_n, size));
        deliver_states(layout, y_n, size);
        if let Some(y) = ours {
            layout.scatter_rows(ctx, size, &y, T::zero(), output);
        }
        Ok(())
    }

    /// Runs a backward pass with a teacher; what it writes is unspecified if the context is cancelled meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Stack::backward`].
    pub fn backward_taught<T: Scalar>(
        &self,
        ctx: &Context,
        call: &TaughtBackward<'_, T>,
        gradients: TaughtGradients<'_, T>,
    ) -> Result<(), Error> {
        let layout = call.layout;
        let size = self.cell().output_size;
        let (outer_rows, batch) = (layout.outer_rows(), layout.steps().batch());
        self.check_taught(layout, call.input, call.y_0, call.teacher)?;
        Self::check_len("output", call.output.len(), outer_rows, size)?;
        let TaughtGradients { dinput, dy_0, dteacher, dparameters } = gradients;
        for (what, len, rows, columns) in [
            ("gradient of the output", call.doutput.map(<[T]>::len), outer_rows, size),
            ("gradient of a final state", call.dy_n.map(<[T]>::len), batch, size),
            ("gradient of the input", dinput.as_ref().map(|d| d.len()), outer_rows, self.input_size()),
            ("gradient of an initial state", dy_0.as_ref().map(|d| d.len()), batch, size),
            ("gradient of the teacher", dteacher.as_ref().map(|d| d.len()), outer_rows, size),
        ] {
            len.map_or(Ok(()), |len| Self::check_len(what, len, rows, columns))?;
        }
        let flat = Flat::new(layout)?;
        let rows = flat.fed.len();
        let x = inner_rows(ctx, layout, call.input, self.input_size())?;
        let output = inner_rows(ctx, layout, call.output, size)?;
        let states = flat.states(ctx, size, call.y_0, call.teacher)?;
        let doutput = call.doutput.map(|dy| inner_rows(ctx, layout, dy, size)).transpose()?;
        // The gradients of the last outputs, as gradients of all rows.
        let dends = match call.dy_n {
            None => None,
            Some(dy_n) => {
                let dy_n = inner_states(ctx, layout, Some(dy_n), 1, size)?;
                let mut ends = ctx.scratch(rows * size)?;
                ends.fill(T::zero());
                for (b, from) in dy_n.chunks_exact(size).enumerate() {
                    ends[Flat::pass(layout).final_row(b) * size..][..size].copy_from_slice(from);
                }
                Some(ends)
            }
        };
        let fed_wanted = dy_0.is_some() || dteacher.is_some();
        let mut dstates = fed_wanted.then(|| ctx.scratch(rows * size)).transpose()?;
        let in_place = layout.rows_in_place();
        let (theirs, mut dinput) = if in_place { (dinput, None) } else { (None, dinput) };
        let mut ours = dinput.as_ref().map(|_| ctx.scratch(rows * self.input_size())).transpose()?;
        let all = Backward {
            layout: &flat.rows,
            parameters: call.parameters,
            input: &x,
            states: &[Some(&*states)],
            dropout: Dropout::default(),
            output: &output,
            saved: call.saved,
            doutput: doutput.as_deref(),
            dstates_n: &[dends.as_deref()],
        };
        let wanted = Gradients {
            dinput: theirs.or(ours.as_deref_mut()),
            dstates: List::from_iter([dstates.as_deref_mut()]),
            dparameters,
        };
        self.backward(ctx, &all, wanted)?;
        if let (Some(outer), Some(inner)) = (&mut dinput, &ours) {
            layout.scatter_rows(ctx, self.input_size(), inner, T::zero(), outer);
        }
        if let Some(dstates) = dstates {
            let move_to = |teacher: bool, to: &mut [T]| {
                for (from, pick) in dstates.chunks_exact(size).zip(&flat.fed) {
                    let row = match *pick {
                        Pick::First(row) if teacher => row,
                        Pick::Second(b) if !teacher => b,
                        _ => continue,
                    };
                    to[row * size..][..size].copy_from_slice(from);
                }
            };
            if let Some(dy_0) = dy_0 {
                move_to(false, dy_0);
                deliver_states(layout, dy_0, size);
            }
            if let Some(dteacher) = dteacher {
                let mut inner = ctx.scratch(rows * size)?;
                inner.fill(T::zero());
                move_to(true, &mut inner);
                layout.scatter_rows(ctx, size, &inner, T::zero(), dteacher);
            }
        }
        Ok(())
    }

    /// Checks what both passes read.
    fn check_taught<T: Scalar>(
        &self,
        layout: &Layout,
        input: &[T],
        y_0: Option<&[T]>,
        teacher: &[T],
    ) -> Result<(), Error> {
        let size = self.cell().output_size;
        self.check_input(layout, input.len(), &[y_0])?;
        Self::check_len("teacher", teacher.len(), layout.outer_rows(), size)
    }
}
