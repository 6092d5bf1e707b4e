//! The LSTM cell.
//!
//! ```text
//! i, f, o = sigmoid(W_i* x_t + b_i* + W_h* s_{t-1} + b_h*)      each with rows of its own of W_ih and W_hh
//! g       = tanh(W_ig x_t + b_ig + W_hg s_{t-1} + b_hg)
//! c_t     = f ⊙ c_{t-1} + i ⊙ g
//! m_t     = o ⊙ tanh(c_t)
//! s_t     = m_t, or W_hr m_t if the cell projects
//! ```
//!
//! Its output is s, of P features (H if it does not project); its states are s and c. For the backward pass it keeps i, f,
//! g, o and c_{t-1}, 5 H numbers a row: what avoids a second product. All else is computed from them again.
//!
//! S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997) 1735–1780; H. Sak et al.,
//! arXiv 1402.1128, for the projection; torch's `torch.nn.LSTM`.

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

/// An LSTM cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lstm {
    /// H.
    hidden_size: usize,
    /// P, if it projects.
    proj_size: Option<usize>,
    /// Whether it has `b_ih` and `b_hh`.
    bias: bool,
}

/// The parameters by name.
struct Weights<'a, T: Scalar> {
    /// `W_ih` (4 H, F).
    w_ih: ArrayView2<'a, T>,
    /// `W_hh` (4 H, P).
    w_hh: ArrayView2<'a, T>,
    /// `b_ih` and `b_hh`, (1, 4 H) each.
    biases: Option<[ArrayView2<'a, T>; 2]>,
    /// `W_hr` (P, H).
    w_hr: Option<ArrayView2<'a, T>>,
}

/// The gate that each sum of a step reads, of both weights: i, f, g and o.
const GATES: SumGates = [Some(0), Some(1), Some(2), Some(3)];

impl Lstm {
    pub(super) fn from_config(config: &mut Config) -> Result<Self, Error> {
        let (hidden_size, proj_size) = (config.size("hiddenSize")?, config.size_or_none("projSize")?);
        // The gradients of a row are 4 H + P numbers, and 5 H are kept.
        hidden_size.checked_mul(5).ok_or(Error::TooLarge { what: "the gates" })?;
        if let Some(proj_size) = proj_size.filter(|&size| size >= hidden_size) {
            return Err(Error::ConfigValue {
                key: "projSize",
                expected: format!("a size below hiddenSize={hidden_size}"),
                actual: proj_size.to_string(),
            });
        }
        Ok(Self { hidden_size, proj_size, bias: config.flag("bias")? })
    }

    /// P.
    fn output_size(self) -> usize {
        self.proj_size.unwrap_or(self.hidden_size)
    }

    /// The parameters that [`Cell::spec`] lists.
    fn weights<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> Weights<'a, T> {
        let biases = self.bias.then(|| [parameters[2], parameters[3]]);
        let w_hr = self.proj_size.and(parameters.last().copied());
        Weights { w_ih: parameters[0], w_hh: parameters[1], biases, w_hr }
    }

    /// The biases of each sum.
    fn biases<'a, T: Scalar>(self, parameters: &[ArrayView2<'a, T>]) -> [List<ArrayView2<'a, T>>; 4] {
        biases(self.weights(parameters).biases, self.hidden_size, GATES, GATES)
    }
}

impl<T: Scalar> Cell<T> for Lstm {
    fn spec(&self, input_size: usize) -> CellSpec {
        let (h, p) = (self.hidden_size, self.output_size());
        let gates = 4 * h;
        let mut parameters = List::from_iter([
            Parameter::matrix("weight_ih", gates, input_size),
            Parameter::matrix("weight_hh", gates, p),
        ]);
        if self.bias {
            parameters.extend(["bias_ih", "bias_hh"].map(|name| Parameter::bias(name, gates)));
        }
        if self.proj_size.is_some() {
            parameters.push(Parameter::matrix("weight_hr", p, h));
        }
        let projection = if self.proj_size.is_some() { p } else { 0 };
        CellSpec {
            parameters,
            states: List::from_iter([p, h]),
            output_size: p,
            saved_size: 5 * h,
            gate_size: gates + projection,
            macs: h.saturating_mul(p).saturating_mul(4).saturating_add(projection.saturating_mul(h)),
            teachable: false,
        }
    }

    fn onnx(&self) -> Option<OnnxOperator> {
        self.proj_size.is_none().then(|| OnnxOperator {
            name: "LSTM",
            hidden_size: self.hidden_size,
            activations: List::from_iter(["Sigmoid", "Tanh", "Tanh"]),
            gates: List::from_iter([0, 3, 1, 2]), // iofc
            attributes: List::new(),
            bias: self.bias,
        })
    }
}
