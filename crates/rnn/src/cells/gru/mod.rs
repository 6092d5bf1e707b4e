//! The GRU cell.
//!
//! ```text
//! r, z = sigmoid(W_i* x_t + b_i* + W_h* h_{t-1} + b_h*)         each with rows of its own of W_ih and W_hh
//! n    = tanh(W_in x_t + b_in + r ⊙ (W_hn h_{t-1} + b_hn))
//! h_t  = (1 - z) ⊙ n + z ⊙ h_{t-1}
//! ```
//!
//! Its output and its state are both h. For the backward pass it keeps r, z, n and W_hn h_{t-1} + b_hn, 4 H numbers a row:
//! what avoids a second product. The biases b_in and b_hn have different gradients, since r multiplies the second one alone.
//!
//! K. Cho et al., arXiv 1406.1078, in the form of torch's `torch.nn.GRU`.

mod backward;
mod forward;
#[cfg(test)]
pub(super) mod reference;
mod step;

use elman_kernels::Scalar;
use ndarray::ArrayView2;

use super::config::Config;
use super::gates::{SumGates, biases};
use crate::Error;
use crate::cell::{Cell, CellSpec, List, OnnxOperator, Parameter};

/// A GRU cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gru {
    /// H.
    hidden_size: usize,
    /// Whether it has `b_ih` and `b_hh`.
    bias: bool,
}

/// The parameters by name.
struct Weights<'a, T: Scalar> {
    /// `W_ih` (3 H, F): r, z and n.
    w_ih: ArrayView2<'a, T>,
    /// `W_hh` (3 H, H).
    w_hh: ArrayView2<'a, T>,
    /// `b_ih` and `b_hh`, (1, 3 H) each.
    biases: Option<[ArrayView2<'a, T>; 2]>,
}

/// The gate of `W_ih` that each sum of a step reads: r, z, the input's part of n and the state's part of n.
const OF_X: SumGates = [Some(0), Some(1), Some(2), None];

/// The gate of `W_hh`.
const OF_H: SumGates = [Some(0), Some(1), None, Some(2)];

impl Gru {
    pub(super) fn from_config(config: &mut Config) -> Result<Self, Error> {
        let hidden_size = config.size("hiddenSize")?;
        // The gradients of a row are 4 H numbers, and as many are kept.
        hidden_size.checked_mul(4).ok_or(Error::TooLarge { what: "the gates" })?;
        Ok(Self { hidden_size, bias: config.flag("bias")? })
    }

    /// The parameters that [`Cell::spec`] lists.
    fn weights<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> Weights<'a, T> {
        let biases = self.bias.then(|| [parameters[2], parameters[3]]);
        Weights { w_ih: parameters[0], w_hh: parameters[1], biases }
    }

    /// The biases of each sum.
    fn biases<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> [List<ArrayView2<'a, T>>; 4] {
        biases(self.weights(parameters).biases, self.hidden_size, OF_X, OF_H)
    }
}

impl<T: Scalar> Cell<T> for Gru {
    fn spec(&self, input_size: usize) -> CellSpec {
        let h = self.hidden_size;
        let mut parameters = List::from_iter([
            Parameter::matrix("weight_ih", 3 * h, input_size),
            Parameter::matrix("weight_hh", 3 * h, h),
        ]);
        if self.bias {
            parameters.extend(["bias_ih", "bias_hh"].map(|name| Parameter::bias(name, 3 * h)));
        }
        CellSpec {
            parameters,
            states: List::from_iter([h]),
            output_size: h,
            saved_size: 4 * h,
            gate_size: 4 * h,
            macs: h.saturating_mul(h).saturating_mul(3),
            teachable: false,
        }
    }

    fn onnx(&self) -> Option<OnnxOperator> {
        Some(OnnxOperator {
            name: "GRU",
            hidden_size: self.hidden_size,
            activations: List::from_iter(["Sigmoid", "Tanh"]),
            gates: List::from_iter([1, 0, 2]), // zrh
            attributes: List::from_iter([("linear_before_reset", 1)]),
            bias: self.bias,
        })
    }
}
