//! The calls of a stack: what they read, where they write, and the checks of both.

use std::fmt::Display;
use std::num::NonZeroUsize;

use elman_kernels::Scalar;

use super::Stack;
use crate::cell::List;
use crate::{Error, Layout};

/// Dropout between layers: each element of the input of a layer above the first is zero with probability
/// `p`, else scaled by 1 / (1 - p). The mask is a function of seed, layer and element.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropout {
    /// The probability, in [0, 1]; 0 switches dropout off.
    pub p: f64,
    /// Seed of the masks of one call.
    pub seed: u64,
}

impl Dropout {
    /// The first element of layer `l`'s stream: streams of 2⁴⁸ elements do not overlap.
    pub(super) fn first(l: usize) -> u64 {
        (l as u64) << 48
    }
}

/// What forward and backward passes both read.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T> {
    /// How the caller's arrays lie.
    pub layout: &'a Layout,
    /// The parameters in the order of [`Stack::parameters`].
    pub parameters: &'a [&'a [T]],
    /// The input, I columns. The padding is not read, here and in every other array.
    pub input: &'a [T],
    /// Outputs that are fed back in the place of the stack's own, shaped as the output: a step reads those of the
    /// step before it, the first step of a sequence reads the initial state.
    pub teacher: Option<&'a [T]>,
    /// For each state of the cell, the initial states (L·D, B, size), or `None` for zeros.
    pub states: &'a [Option<&'a [T]>],
    /// Dropout between layers.
    pub dropout: Dropout,
    /// Steps of a segment, if only the states before each segment are kept for the backward pass.
    pub checkpoint_every: Option<NonZeroUsize>,
}

/// A forward pass.
#[derive(Debug)]
pub struct Forward<'a, T> {
    /// What it reads.
    pub inputs: Inputs<'a, T>,
    /// The output, D·S columns, of which the rows in the padding become 0.
    pub output: &'a mut [T],
    /// For each state of the cell, the final states (L·D, B, size).
    pub states_n: List<&'a mut [T]>,
    /// Of [`Stack::saved_len`] elements, if a backward pass will follow.
    pub saved: Option<&'a mut [T]>,
}

/// What a backward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, T> {
    /// As in the forward pass.
    pub inputs: Inputs<'a, T>,
    /// What the forward pass wrote.
    pub output: &'a [T],
    /// What the forward pass kept.
    pub saved: &'a [T],
    /// The gradient of the output, or `None` if it is 0.
    pub doutput: Option<&'a [T]>,
    /// The gradients of the final states, each `None` if it is 0.
    pub dstates_n: &'a [Option<&'a [T]>],
}

/// Where a backward pass writes. What is `None` is not wanted, and not computed.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// Shaped as the input, of which the rows in the padding become 0.
    pub dinput: Option<&'a mut [T]>,
    /// Shaped as the teacher, of which the last step of each sequence and the rows in the padding become 0.
    pub dteacher: Option<&'a mut [T]>,
    /// Shaped as the states.
    pub dstates: List<Option<&'a mut [T]>>,
    /// In the order of the parameters.
    pub dparameters: Option<Vec<&'a mut [T]>>,
}

impl<T: Scalar> Stack<T> {
    /// Checks a forward pass.
    pub(super) fn check_forward(&self, call: &Forward<'_, T>) -> Result<(), Error> {
        let layout = call.inputs.layout;
        let kept = self.check_inputs(&call.inputs)?;
        check_len("output", call.output.len(), layout.outer_rows(), self.output_size())?;
        self.check_states("final state", layout, call.states_n.iter().map(|s| Some(s.len())))?;
        check_wanted("saved", call.saved.as_deref(), kept, 1)
    }

    /// Checks a backward pass.
    pub(super) fn check_backward(
        &self,
        call: &Backward<'_, T>,
        gradients: &Gradients<'_, T>,
    ) -> Result<(), Error> {
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

    /// Checks that there is an array for each parameter, of as many elements.
    pub(super) fn check_parameters(
        &self,
        mut lens: impl ExactSizeIterator<Item = usize>,
    ) -> Result<(), Error> {
        let expected = self.groups().saturating_mul(self.spec(0).parameters.len());
        if lens.len() != expected {
            return Err(Error::ParameterCount { expected, actual: lens.len() });
        }
        for group in 0..self.groups() {
            for (parameter, actual) in self.parameters_of(group).iter().zip(&mut lens) {
                if parameter.elements() != Some(actual) {
                    let expected = parameter.elements().unwrap_or(usize::MAX);
                    return Err(Error::Length { what: self.name(parameter, group), expected, actual });
                }
            }
        }
        Ok(())
    }
}

/// Checks that an array has `rows` · `columns` elements.
pub(super) fn check_len(what: impl Display, actual: usize, rows: usize, columns: usize) -> Result<(), Error> {
    match rows.checked_mul(columns) {
        Some(expected) if expected == actual => Ok(()),
        expected => {
            let expected = expected.unwrap_or(usize::MAX);
            Err(Error::Length { what: what.to_string(), expected, actual })
        }
    }
}

/// The same for an array that there may be none of.
fn check_wanted<T>(what: &str, array: Option<&[T]>, rows: usize, columns: usize) -> Result<(), Error> {
    array.map_or(Ok(()), |array| check_len(what, array.len(), rows, columns))
}
