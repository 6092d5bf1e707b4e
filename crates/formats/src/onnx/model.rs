//! A stack as a model: what it is made of, its checks, and the file.

use prost::Message;

use super::graph::graph;
use super::proto::{Model, OperatorSet};

/// The format's version that came with the operators of [`OPERATORS`].
const IR_VERSION: i64 = 7;

/// The set of operators in which `RNN` got its present form (2021).
const OPERATORS: i64 = 14;

/// The largest file that readers of the format's encoding take.
const MAX_LENGTH: usize = (1 << 31) - 1;

/// A stack of recurrent layers, and its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rnn<'a> {
    /// The operator of a layer: `RNN`, `GRU` or `LSTM`.
    pub operator: &'a str,
    /// Its activations, of one direction.
    pub activations: &'a [&'a str],
    /// The number of each of ONNX's G gates among those of the parameters, in ONNX's order.
    pub gates: &'a [usize],
    /// Further attributes of the operator.
    pub attributes: &'a [(&'a str, i64)],
    /// How many states it has: h, or h and c.
    pub states: usize,
    /// I.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
    /// L.
    pub layers: usize,
    /// D, 1 or 2.
    pub directions: usize,
    /// Whether there are biases.
    pub bias: bool,
    /// Whether input and output are (B, T, …).
    pub batch_first: bool,
    /// For each layer and, in it, direction: `W_ih`, `W_hh` and, if there are biases, `b_ih` and `b_hh`.
    pub parameters: &'a [&'a [f32]],
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are too many or too few parameters.
    #[error("expected {expected} parameters, got {actual}")]
    ParameterCount {
        /// What the stack has.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// A parameter has another number of elements than the sizes say.
    #[error("parameter {index} must have {expected} elements, got {actual}")]
    Length {
        /// Which one.
        index: usize,
        /// What the sizes say.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// The encoding ends at 2 GiB.
    #[error("an ONNX file holds at most 2 GiB, the parameters take {0} bytes")]
    TooLarge(usize),
    /// There is not enough memory.
    #[error("cannot allocate {0} bytes for the file")]
    Alloc(usize),
}

/// Writes a stack as an ONNX file.
///
/// # Errors
///
/// If the parameters do not fit the sizes, the file would be too large, or there is not enough memory.
pub fn serialize(rnn: &Rnn<'_>, producer_version: &str) -> Result<Vec<u8>, Error> {
    rnn.check()?;
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "@elman/rnn".into(),
        producer_version: producer_version.into(),
        graph: Some(graph(rnn)?),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPERATORS }],
    };
    let len = model.encoded_len();
    if len > MAX_LENGTH {
        return Err(Error::TooLarge(len));
    }
    let mut file = Vec::new();
    file.try_reserve_exact(len).map_err(|_| Error::Alloc(len))?;
    model.encode(&mut file).map_err(|_| Error::Alloc(len))?;
    Ok(file)
}

impl Rnn<'_> {
    /// What the states are called.
    pub(super) fn state_names(&self) -> &'static [&'static str] {
        if self.states == 1 { &["h"] } else { &["h", "c"] }
    }

    /// Parameters of a layer and direction.
    pub(super) fn each(&self) -> usize {
        if self.bias { 4 } else { 2 }
    }

    /// Features that layer `l` reads.
    pub(super) fn features(&self, l: usize) -> usize {
        if l == 0 { self.input_size } else { self.directions * self.hidden_size }
    }

    fn check(&self) -> Result<(), Error> {
        let (expected, actual) = (self.layers * self.directions * self.each(), self.parameters.len());
        if expected != actual {
            return Err(Error::ParameterCount { expected, actual });
        }
        let h = self.hidden_size;
        for (index, parameter) in self.parameters.iter().enumerate() {
            let rows = match index % self.each() {
                0 => self.features(index / self.each() / self.directions),
                1 => h,
                _ => 1,
            };
            let columns = h.saturating_mul(self.gates.len());
            let (expected, actual) = (rows.saturating_mul(columns), parameter.len());
            if expected != actual {
                return Err(Error::Length { index, expected, actual });
            }
        }
        let bytes = self.parameters.iter().map(|p| size_of_val(*p)).fold(0usize, usize::saturating_add);
        if bytes > MAX_LENGTH { Err(Error::TooLarge(bytes)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::proto::{Graph, ValueInfo};
    use super::*;

    const RNN: Rnn<'_> = Rnn {
        operator: "RNN",
        activations: &["Tanh"],
        gates: &[0],
        attributes: &[],
        states: 1,
        input_size: 2,
        hidden_size: 1,
        layers: 2,
        directions: 2,
        bias: true,
        batch_first: true,
        parameters: &[
            &[1.0, 2.0],
            &[3.0],
            &[4.0],
            &[5.0],
            &[6.0, 7.0],
            &[8.0],
            &[9.0],
            &[10.0],
            &[11.0, 12.0],
            &[13.0],
            &[14.0],
            &[15.0],
            &[16.0, 17.0],
            &[18.0],
            &[19.0],
            &[20.0],
        ],
    };

    /// Shape and elements of a constant.
    fn constant<'a>(graph: &'a Graph, name: &str) -> (&'a [i64], Vec<f32>) {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == name).unwrap();
        let values = tensor.raw_data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        (&tensor.dims, values.collect())
    }

    #[test]
    fn a_file_can_be_read_back_and_holds_the_parameters() {
        let file = serialize(&RNN, "1.2.3").unwrap();
        let model = Model::decode(&file[..]).unwrap();
        assert_eq!((model.ir_version, model.opset_import[0].version), (7, 14));
        assert_eq!((&*model.producer_name, &*model.producer_version), ("@elman/rnn", "1.2.3"));
        let graph = model.graph.unwrap();
        let constant = |name: &str| constant(&graph, name);
        assert_eq!(constant("W_l0"), (&[2, 1, 2][..], vec![1.0, 2.0, 6.0, 7.0]));
        assert_eq!(constant("R_l1"), (&[2, 1, 1][..], vec![13.0, 18.0]));
        assert_eq!(constant("B_l1"), (&[2, 2][..], vec![14.0, 15.0, 19.0, 20.0]));
        // Nodes read what inputs, constants and earlier nodes give.
        let mut known: Vec<&str> = graph.input.iter().map(|value| &*value.name).collect();
        known.extend(graph.initializer.iter().map(|tensor| &*tensor.name));
        for node in &graph.node {
            assert!(node.input.iter().all(|name| name.is_empty() || known.contains(&&**name)), "{node:?}");
            known.extend(node.output.iter().map(|name| &**name));
        }
        assert!(graph.output.iter().all(|value| known.contains(&&*value.name)));
    }

    #[test]
    fn gates_are_written_in_the_order_of_the_operator() {
        let gru = Rnn {
            operator: "GRU",
            activations: &["Sigmoid", "Tanh"],
            gates: &[1, 0, 2],
            attributes: &[("linear_before_reset", 1)],
            layers: 1,
            directions: 1,
            parameters: &[
                &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                &[1.0, 2.0, 3.0],
                &[4.0, 5.0, 6.0],
                &[7.0, 8.0, 9.0],
            ],
            ..RNN
        };
        let graph = Model::decode(&serialize(&gru, "").unwrap()[..]).unwrap().graph.unwrap();
        let constant = |name: &str| constant(&graph, name);
        assert_eq!(constant("W_l0"), (&[1, 3, 2][..], vec![3.0, 4.0, 1.0, 2.0, 5.0, 6.0]));
        assert_eq!(constant("R_l0"), (&[1, 3, 1][..], vec![2.0, 1.0, 3.0]));
        assert_eq!(constant("B_l0"), (&[1, 6][..], vec![5.0, 4.0, 6.0, 8.0, 7.0, 9.0]));
        let node = graph.node.iter().find(|node| node.op_type == "GRU").unwrap();
        assert!(node.attribute.iter().any(|one| one.name == "linear_before_reset" && one.i == 1));
    }

    #[test]
    fn a_second_state_goes_through_every_layer() {
        let four = [[1.0f32, 2.0, 3.0, 4.0].as_slice(); 4];
        let lstm = Rnn {
            operator: "LSTM",
            activations: &["Sigmoid", "Tanh", "Tanh"],
            gates: &[0, 3, 1, 2],
            states: 2,
            input_size: 1,
            directions: 1,
            parameters: &[four, four].concat(),
            ..RNN
        };
        let graph = Model::decode(&serialize(&lstm, "").unwrap()[..]).unwrap().graph.unwrap();
        assert_eq!(constant(&graph, "W_l0"), (&[1, 4, 1][..], vec![1.0, 4.0, 2.0, 3.0]));
        let names = |values: &[ValueInfo]| values.iter().map(|value| value.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&graph.input), ["input", "h0", "c0"]);
        assert_eq!(names(&graph.output), ["output", "hN", "cN"]);
        let nodes: Vec<_> = graph.node.iter().filter(|node| node.op_type == "LSTM").collect();
        for (l, node) in nodes.iter().enumerate() {
            assert_eq!(node.input[5..], [format!("h0_l{l}"), format!("c0_l{l}")]);
            assert_eq!(node.output[1..], [format!("hN_l{l}"), format!("cN_l{l}")]);
        }
        assert_eq!(nodes.len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = |rnn: Rnn<'_>| serialize(&rnn, "").unwrap_err().to_string();
        assert_eq!(error(Rnn { layers: 1, ..RNN }), "expected 8 parameters, got 16");
        assert_eq!(error(Rnn { bias: false, ..RNN }), "expected 8 parameters, got 16");
        assert_eq!(error(Rnn { hidden_size: 3, ..RNN }), "parameter 0 must have 6 elements, got 2");
        let huge = Rnn { hidden_size: usize::MAX, ..RNN };
        assert_eq!(error(huge), format!("parameter 0 must have {} elements, got 2", usize::MAX));
    }
}
