//! The calls of a stack: what they read and where they write.

use std::fmt::Display;
use std::num::NonZeroUsize;

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
    /// The parameters in the order of [`Stack::parameters`](super::Stack::parameters).
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
    /// Of [`Stack::saved_len`](super::Stack::saved_len) elements, if a backward pass will follow.
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
pub(super) fn check_wanted<T>(
    what: &str,
    array: Option<&[T]>,
    rows: usize,
    columns: usize,
) -> Result<(), Error> {
    array.map_or(Ok(()), |array| check_len(what, array.len(), rows, columns))
}
