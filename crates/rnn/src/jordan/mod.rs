//! The Jordan network: its output goes into its next step.
//!
//! ```text
//! h_t = act(W_ih x_t + b_ih + W_yh y_{t-1} + b_yh)      act tanh or relu
//! y_t = g(W_hy h_t + b_hy)                              g the identity, tanh or the logistic function
//! ```
//!
//! Its output and its state are both y, of O features; h, of H features, is kept for the backward pass. From step to
//! step it remembers no more than y shows.
//!
//! *Teacher forcing* puts given outputs in the place of y_{t-1}. Then nothing waits for anything, and the rows are
//! sequences of one step each: [`Stack::forward_taught`] runs the same cell on these.
//!
//! M. I. Jordan, "Serial order: A parallel distributed processing approach", ICS report 8604, University of
//! California, San Diego (1986).

mod backward;
mod forward;
mod taught;

use elman_kernels::{Context, Scalar};
use ndarray::{ArrayView2, ArrayViewMut2};

pub use self::taught::{TaughtBackward, TaughtForward, TaughtGradients};
use crate::cell::{Above, Below, Cell, Given, List, Made, Parameter};
use crate::{Error, Nonlinearity, Stack};

/// The function of the output of a Jordan network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputNonlinearity {
    /// None.
    Identity,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-·).
    Sigmoid,
}

/// A Jordan network's cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jordan {
    /// H.
    pub hidden_size: usize,
    /// O.
    pub output_size: usize,
    /// act.
    pub nonlinearity: Nonlinearity,
    /// g.
    pub output_nonlinearity: OutputNonlinearity,
    /// Whether it has `b_ih`, `b_yh` and `b_hy`.
    pub bias: bool,
}

/// The parameters by name.
struct Weights<'a, T: Scalar> {
    /// `W_ih` (H, F).
    w_ih: ArrayView2<'a, T>,
    /// `W_yh` (H, O).
    w_yh: ArrayView2<'a, T>,
    /// `W_hy` (O, H).
    w_hy: ArrayView2<'a, T>,
    /// `b_ih`, `b_yh` (1, H) and `b_hy` (1, O).
    biases: Option<[ArrayView2<'a, T>; 3]>,
}

impl Jordan {
    /// The network that reads `input_size` features: one layer, in the order of time.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a parameter would have too many elements.
    pub fn network<T: Scalar>(self, input_size: usize) -> Result<Stack<Self>, Error> {
        for (name, size) in [("hidden_size", self.hidden_size), ("output_size", self.output_size)] {
            if size == 0 {
                return Err(Error::Zero { name });
            }
        }
        // The gradients of a row are H + O numbers.
        self.hidden_size.checked_add(self.output_size).ok_or(Error::TooLarge { what: "the output" })?;
        Stack::new::<T>(self, input_size, 1, false)
    }

    /// The parameters that [`Cell::parameters`] lists.
    fn weights<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> Weights<'a, T> {
        let biases = self.bias.then(|| [parameters[3], parameters[4], parameters[5]]);
        Weights { w_ih: parameters[0], w_yh: parameters[1], w_hy: parameters[2], biases }
    }
}

impl<T: Scalar> Cell<T> for Jordan {
    fn parameters(&self, input_size: usize) -> List<Parameter> {
        let (h, o) = (self.hidden_size, self.output_size);
        let mut all = List::from_iter([
            Parameter { name: "weight_ih", rows: h, columns: input_size },
            Parameter { name: "weight_yh", rows: h, columns: o },
            Parameter { name: "weight_hy", rows: o, columns: h },
        ]);
        if self.bias {
            all.push(Parameter { name: "bias_ih", rows: 1, columns: h });
            all.push(Parameter { name: "bias_yh", rows: 1, columns: h });
            all.push(Parameter { name: "bias_hy", rows: 1, columns: o });
        }
        all
    }

    fn output_size(&self) -> usize {
        self.output_size
    }

    fn state_sizes(&self) -> List<usize> {
        List::from_iter([self.output_size])
    }

    fn saved_size(&self) -> usize {
        self.hidden_size
    }

    fn gate_size(&self) -> usize {
        self.hidden_size + self.output_size
    }

    fn project(&self, ctx: &Context, given: &Given<'_, T>, made: &mut Made<'_, T>) -> Result<(), Error> {
        forward::project(*self, ctx, given, made)
    }

    fn recur(&self, ctx: &Context, given: &Given<'_, T>, made: &mut Made<'_, T>) -> Result<(), Error> {
        forward::recur(*self, ctx, given, made)
    }

    fn recur_backward(
        &self,
        ctx: &Context,
        given: &Given<'_, T>,
        above: &Above<'_, T>,
        dz: ArrayViewMut2<'_, T>,
        dstates: Option<List<ArrayViewMut2<'_, T>>>,
    ) -> Result<(), Error> {
        backward::recur(*self, ctx, given, above, dz, dstates)
    }

    fn project_backward(
        &self,
        ctx: &Context,
        given: &Given<'_, T>,
        above: &Above<'_, T>,
        dz: ArrayView2<'_, T>,
        below: Below<'_, T>,
    ) -> Result<(), Error> {
        backward::project(*self, ctx, given, above, dz, below)
    }
}
