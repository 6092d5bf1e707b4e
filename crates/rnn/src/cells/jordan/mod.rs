//! The Jordan network: its output goes into its next step.
//!
//! ```text
//! h_t = act(W_ih x_t + b_ih + W_yh y_{t-1} + b_yh)      act tanh or relu
//! y_t = g(W_hy h_t + b_hy)                              g the identity, tanh or the logistic function
//! ```
//!
//! Its output and its state are both y, of O features; h, of H features, is kept for the backward pass.
//!
//! M. I. Jordan, "Serial order: A parallel distributed processing approach", ICS report 8604, University of
//! California, San Diego (1986).

mod backward;
mod forward;
#[cfg(test)]
pub(super) mod reference;
mod step;

use elman_kernels::{Activation, Scalar};
use ndarray::ArrayView2;

use super::config::Config;
use crate::Error;
use crate::cell::{Cell, CellSpec, List, OnnxOperator, Parameter};

/// A Jordan network's cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jordan {
    /// H.
    hidden_size: usize,
    /// O.
    output_size: usize,
    /// act.
    activation: Activation,
    /// g.
    output_activation: Activation,
    /// Whether it has `b_ih`, `b_yh` and `b_hy`.
    bias: bool,
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
    pub(super) fn from_config(config: &mut Config) -> Result<Self, Error> {
        use Activation::{Identity, Relu, Sigmoid, Tanh};
        let (hidden_size, output_size) = (config.size("hiddenSize")?, config.size("outputSize")?);
        // The gradients of a row are H + O numbers.
        hidden_size.checked_add(output_size).ok_or(Error::TooLarge { what: "the output" })?;
        let choices = [("identity", Identity), ("tanh", Tanh), ("sigmoid", Sigmoid)];
        Ok(Self {
            hidden_size,
            output_size,
            activation: config.choice("nonlinearity", &[("tanh", Tanh), ("relu", Relu)])?,
            output_activation: config.choice("outputNonlinearity", &choices)?,
            bias: config.flag("bias")?,
        })
    }

    /// The parameters that [`Cell::spec`] lists.
    fn weights<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> Weights<'a, T> {
        let biases = self.bias.then(|| [parameters[3], parameters[4], parameters[5]]);
        Weights { w_ih: parameters[0], w_yh: parameters[1], w_hy: parameters[2], biases }
    }
}

impl<T: Scalar> Cell<T> for Jordan {
    fn spec(&self, input_size: usize) -> CellSpec {
        let (h, o) = (self.hidden_size, self.output_size);
        let weights = [
            Parameter::matrix("weight_ih", h, input_size),
            Parameter::matrix("weight_yh", h, o),
            Parameter::matrix("weight_hy", o, h),
        ];
        let biases =
            || [("bias_ih", h), ("bias_yh", h), ("bias_hy", o)].map(|(name, len)| Parameter::bias(name, len));
        CellSpec {
            parameters: weights.into_iter().chain(self.bias.then(biases).into_iter().flatten()).collect(),
            states: List::from_iter([o]),
            output_size: o,
            saved_size: h,
            gate_size: h + o,
            macs: h.saturating_mul(o).saturating_mul(2),
            teachable: true,
        }
    }

    fn onnx(&self) -> Option<OnnxOperator> {
        None
    }
}
