//! The Elman cell: h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), act tanh or relu.
//!
//! Its output and its state are both h; it keeps nothing else for the backward pass, because the derivatives
//! of both activations can be written in h.
//!
//! J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990) 179–211; torch's `torch.nn.RNN`.

mod backward;
mod forward;
mod step;

use elman_kernels::{Context, Scalar};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Error;
use crate::cell::{Above, Below, Cell, Given, List, Made, Parameter};

/// The activation of an Elman cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    /// The hyperbolic tangent.
    Tanh,
    /// max(·, 0).
    Relu,
}

/// An Elman cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elman {
    /// H.
    pub hidden_size: usize,
    /// The activation.
    pub nonlinearity: Nonlinearity,
    /// Whether it has `b_ih` and `b_hh`.
    pub bias: bool,
}

/// The parameters by name.
struct Weights<'a, T: Scalar> {
    /// `W_ih` (H, F).
    w_ih: ArrayView2<'a, T>,
    /// `W_hh` (H, H).
    w_hh: ArrayView2<'a, T>,
    /// `b_ih` and `b_hh`, (1, H) each.
    biases: Option<[ArrayView2<'a, T>; 2]>,
}

impl Elman {
    /// The parameters that [`Cell::parameters`] lists.
    fn weights<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> Weights<'a, T> {
        let biases = self.bias.then(|| [parameters[2], parameters[3]]);
        Weights { w_ih: parameters[0], w_hh: parameters[1], biases }
    }
}

impl<T: Scalar> Cell<T> for Elman {
    fn parameters(&self, input_size: usize) -> List<Parameter> {
        let h = self.hidden_size;
        let mut all = List::from_iter([
            Parameter { name: "weight_ih", rows: h, columns: input_size },
            Parameter { name: "weight_hh", rows: h, columns: h },
        ]);
        if self.bias {
            all.push(Parameter { name: "bias_ih", rows: 1, columns: h });
            all.push(Parameter { name: "bias_hh", rows: 1, columns: h });
        }
        all
    }

    fn output_size(&self) -> usize {
        self.hidden_size
    }

    fn state_sizes(&self) -> List<usize> {
        List::from_iter([self.hidden_size])
    }

    fn saved_size(&self) -> usize {
        0
    }

    fn gate_size(&self) -> usize {
        self.hidden_size
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
