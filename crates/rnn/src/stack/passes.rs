//! The passes of a stack as they are called: with a teacher or without, after all lengths are checked.

use std::num::NonZeroUsize;

use elman_kernels::{Context, Scalar, Steps};

use super::call::{Backward, Forward, Gradients, Inputs, check_len, check_wanted};
use super::layers::Stack;
use crate::{Error, Layout};

impl<T: Scalar> Stack<T> {
    /// Runs a forward pass; what it writes is unspecified if the context is cancelled meanwhile. With
    /// `checkpoint_every` the bits are the same, `saved` is shorter, and no scratch memory is left in use.
    ///
    /// # Errors
    ///
    /// If an array's length is not what layout and stack say, or the stack cannot run so, before anything is written; or
    /// if there is not enough memory.
    pub fn forward(&self, ctx: &Context, call: Forward<'_, T>) -> Result<(), Error> {
        self.check_forward(&call)?;
        match call.inputs.teacher {
            Some(teacher) => self.forward_taught(ctx, call, teacher),
            None => self.forward_checked(ctx, call),
        }
    }

    /// Runs a backward pass; what it writes is unspecified if the context is cancelled meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Stack::forward`].
    pub fn backward(
        &self,
        ctx: &Context,
        call: &Backward<'_, T>,
        gradients: Gradients<'_, T>,
    ) -> Result<(), Error> {
        self.check_backward(call, &gradients)?;
        match call.inputs.teacher {
            Some(teacher) => self.backward_taught(ctx, call, gradients, teacher),
            None => self.backward_checked(ctx, call, gradients),
        }
    }

    /// Elements that forward keeps for backward in addition to the output: with checkpoints of the states if
    /// `checkpoint_every`, with a teacher if `taught`.
    ///
    /// # Errors
    ///
    /// If the stack cannot run so, or there would be too many elements.
    pub fn saved_len(
        &self,
        layout: &Layout,
        checkpoint_every: Option<NonZeroUsize>,
        taught: bool,
    ) -> Result<usize, Error> {
        let single_steps;
        let steps = if taught {
            self.check_teachable()?;
            single_steps = Steps::unordered(layout.steps().rows());
            &single_steps
        } else {
            layout.steps()
        };
        let len = match checkpoint_every {
            Some(every) => self.checkpoints_len(steps, every)?,
            None => self.kept_len(steps),
        };
        len.ok_or(Error::TooLarge { what: "what is kept for the backward pass" })
    }

    /// Checks a forward pass.
    fn check_forward(&self, call: &Forward<'_, T>) -> Result<(), Error> {
        let layout = call.inputs.layout;
        let kept = self.check_inputs(&call.inputs)?;
        check_len("output", call.output.len(), layout.outer_rows(), self.output_size())?;
        self.check_states("final state", layout, call.states_n.iter().map(|s| Some(s.len())))?;
        check_wanted("saved", call.saved.as_deref(), kept, 1)
    }

    /// Checks a backward pass.
    fn check_backward(&self, call: &Backward<'_, T>, gradients: &Gradients<'_, T>) -> Result<(), Error> {
        let (layout, output_size) = (call.inputs.layout, self.output_size());
        let kept = self.check_inputs(&call.inputs)?;
        let rows = layout.outer_rows();
        check_len("output", call.output.len(), rows, output_size)?;
        check_len("saved", call.saved.len(), kept, 1)?;
        check_wanted("gradient of the output", call.doutput, rows, output_size)?;
        let lens = call.dstates_n.iter().map(|s| s.map(<[T]>::len));
        self.check_states("gradient of a final state", layout, lens)?;
        let lens = gradients.dstates.iter().map(|s| s.as_ref().map(|s| s.len()));
        self.check_states("gradient of an initial state", layout, lens)?;
        check_wanted("gradient of the input", gradients.dinput.as_deref(), rows, self.input_size())?;
        if gradients.dteacher.is_some() && call.inputs.teacher.is_none() {
            return Err(Error::NoTeacher);
        }
        check_wanted("gradient of the teacher", gradients.dteacher.as_deref(), rows, output_size)?;
        match &gradients.dparameters {
            Some(all) => self.check_parameters(all.iter().map(|data| data.len())),
            None => Ok(()),
        }
    }

    /// Checks what both passes read, and returns how many elements are kept from one to the other.
    fn check_inputs(&self, inputs: &Inputs<'_, T>) -> Result<usize, Error> {
        let Inputs { layout, parameters, input, teacher, states, dropout, checkpoint_every } = *inputs;
        let kept = self.saved_len(layout, checkpoint_every, teacher.is_some())?;
        self.check_parameters(parameters.iter().map(|data| data.len()))?;
        check_len("input", input.len(), layout.outer_rows(), self.input_size())?;
        check_wanted("teacher", teacher, layout.outer_rows(), self.output_size())?;
        self.check_states("initial state", layout, states.iter().map(|s| s.map(<[T]>::len)))?;
        if (0.0..=1.0).contains(&dropout.p) { Ok(kept) } else { Err(Error::Dropout(dropout.p.to_string())) }
    }

    /// Checks that there is an array (L·D, B, size), or none, for each state of the cell.
    fn check_states(
        &self,
        what: &str,
        layout: &Layout,
        lens: impl ExactSizeIterator<Item = Option<usize>>,
    ) -> Result<(), Error> {
        let sizes = self.state_sizes();
        check_len(format_args!("the list of {what}s"), lens.len(), sizes.len(), 1)?;
        let rows = self.groups() * layout.steps().batch();
        lens.zip(sizes).try_for_each(|(len, &size)| match len {
            Some(len) => check_len(what, len, rows, size),
            None => Ok(()),
        })
    }
}
