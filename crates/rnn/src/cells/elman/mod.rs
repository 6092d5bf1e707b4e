//! The Elman cell: h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), act tanh or relu.
//!
//! Its output and its state are both h; it keeps nothing else for the backward pass, because the derivatives
//! of both activations can be written in h.
//!
//! J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990) 179–211; torch's `torch.nn.RNN`.

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

/// An Elman cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elman {
    /// H.
    hidden_size: usize,
    /// act.
    activation: Activation,
    /// Whether it has `b_ih` and `b_hh`.
    bias: bool,
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
    pub(super) fn from_config(config: &mut Config) -> Result<Self, Error> {
        Ok(Self {
            hidden_size: config.size("hiddenSize")?,
            activation: config
                .choice("nonlinearity", &[("tanh", Activation::Tanh), ("relu", Activation::Relu)])?,
            bias: config.flag("bias")?,
        })
    }

    /// The parameters that [`Cell::spec`] lists.
    fn weights<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> Weights<'a, T> {
        let biases = self.bias.then(|| [parameters[2], parameters[3]]);
        Weights { w_ih: parameters[0], w_hh: parameters[1], biases }
    }
}

impl<T: Scalar> Cell<T> for Elman {
    fn spec(&self, input_size: usize) -> CellSpec {
        let h = self.hidden_size;
        let weights = [Parameter::matrix("weight_ih", h, input_size), Parameter::matrix("weight_hh", h, h)];
        let biases = self.bias.then(|| [Parameter::bias("bias_ih", h), Parameter::bias("bias_hh", h)]);
        CellSpec {
            parameters: weights.into_iter().chain(biases.into_iter().flatten()).collect(),
            states: List::from_iter([h]),
            output_size: h,
            saved_size: 0,
            gate_size: h,
            macs: h.saturating_mul(h),
            teachable: true,
        }
    }

    fn onnx(&self) -> Option<OnnxOperator> {
        Some(OnnxOperator {
            name: "RNN",
            hidden_size: self.hidden_size,
            activations: List::from_iter([if self.activation == Activation::Relu { "Relu" } else { "Tanh" }]),
            gates: List::from_iter([0]),
            attributes: List::new(),
            bias: self.bias,
        })
    }
}
