//! The graph of a stack, node by node.

use prost::Message;

use super::proto::{
    Attribute, AttributeKind, Dimension, ElementKind, Graph, Model, Node, OperatorSet, Shape, Size, Tensor,
    TensorKind, ValueInfo, ValueKind,
};

/// The format's version that came with the operators of [`OPERATORS`].
const IR_VERSION: i64 = 7;

/// The set of operators in which `RNN` got its present form (2021).
const OPERATORS: i64 = 14;

/// The largest file that readers of the format's encoding take.
const MAX_LENGTH: usize = (1 << 31) - 1;

/// A stack of recurrent layers with one state, and its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rnn<'a> {
    /// The operator of a layer: `RNN`, `GRU`.
    pub operator: &'a str,
    /// Its activations, of one direction.
    pub activations: &'a [&'a str],
    /// The number of each of ONNX's G gates among those of the parameters, in ONNX's order.
    pub gates: &'a [usize],
    /// Further attributes of the operator.
    pub attributes: &'a [(&'a str, i64)],
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
    let mut builder = Builder::new(rnn);
    builder.build()?;
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "@elman/rnn".into(),
        producer_version: producer_version.into(),
        graph: Some(builder.graph),
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
    /// Parameters of a layer and direction.
    fn each(&self) -> usize {
        if self.bias { 4 } else { 2 }
    }

    /// Features that layer `l` reads.
    fn features(&self, l: usize) -> usize {
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

/// A graph that grows node by node.
struct Builder<'a> {
    rnn: &'a Rnn<'a>,
    graph: Graph,
}

impl<'a> Builder<'a> {
    fn new(rnn: &'a Rnn<'a>) -> Self {
        Self { rnn, graph: Graph { name: "RNN".into(), ..Graph::default() } }
    }

    fn build(&mut self) -> Result<(), Error> {
        let rnn = self.rnn;
        let (h, groups) = (rnn.hidden_size, rnn.layers * rnn.directions);
        let [first, second] = if rnn.batch_first { ["batch", "sequence"] } else { ["sequence", "batch"] };
        let rows = |columns| [named(first), named(second), fixed(columns)];
        let states = |batch| [fixed(groups), named(batch), fixed(h)];
        self.graph.input = vec![value("input", &rows(rnn.input_size)), value("h0", &states("h0_batch"))];
        self.graph.output = vec![value("output", &rows(rnn.directions * h)), value("hN", &states("batch"))];

        self.initial_states();
        let mut x = "input".to_owned();
        if rnn.batch_first {
            self.add("Transpose", &[&x], &["input_time_first"], vec![ints("perm", &[1, 0, 2])]);
            x = "input_time_first".into();
        }
        for l in 0..rnn.layers {
            x = self.layer(l, &x)?;
        }
        if rnn.batch_first {
            self.add("Transpose", &["output_time_first"], &["output"], vec![ints("perm", &[1, 0, 2])]);
        }
        if rnn.layers > 1 {
            let finals: Vec<_> = (0..rnn.layers).map(|l| format!("hN_l{l}")).collect();
            let finals: Vec<_> = finals.iter().map(String::as_str).collect();
            self.add("Concat", &finals, &["hN"], vec![int("axis", 0)]);
        }
        Ok(())
    }

    /// `h0`, brought to the batch, as `h0_l0`, `h0_l1`, …: (D, B, H) each.
    fn initial_states(&mut self) {
        let Rnn { layers, directions, hidden_size, batch_first, .. } = *self.rnn;
        let groups = layers * directions;
        self.integers("groups", &[groups]);
        self.integers("hidden_size", &[hidden_size]);
        self.integers("batch_axis", &[usize::from(!batch_first)]);
        self.add("Shape", &["input"], &["input_shape"], vec![]);
        self.add("Gather", &["input_shape", "batch_axis"], &["batch_size"], vec![int("axis", 0)]);
        self.add("Concat", &["groups", "batch_size", "hidden_size"], &["h0_shape"], vec![int("axis", 0)]);
        let whole = if layers == 1 { "h0_l0" } else { "h0_expanded" };
        self.add("Expand", &["h0", "h0_shape"], &[whole], vec![]);
        if layers > 1 {
            self.integers("directions_of_layers", &vec![directions; layers]);
            let parts: Vec<_> = (0..layers).map(|l| format!("h0_l{l}")).collect();
            let parts: Vec<_> = parts.iter().map(String::as_str).collect();
            self.add("Split", &[whole, "directions_of_layers"], &parts, vec![int("axis", 0)]);
        }
    }

    /// One layer over `x` (T, B, F); the name of its output (T, B, D·H).
    fn layer(&mut self, l: usize, x: &str) -> Result<String, Error> {
        let rnn = self.rnn;
        let (h, directions, last) = (rnn.hidden_size, rnn.directions, l + 1 == rnn.layers);
        let of_layer = &rnn.parameters[l * directions * rnn.each()..][..directions * rnn.each()];
        // The parameters with these numbers, of each direction, gate by gate.
        let parts = |numbers: &[usize]| -> Vec<&[f32]> {
            let of_directions = of_layer.chunks(rnn.each());
            let all = of_directions.flat_map(|of_direction| numbers.iter().map(|&n| of_direction[n]));
            all.flat_map(|parameter| {
                let of_gate = parameter.len() / rnn.gates.len();
                rnn.gates.iter().map(move |&gate| &parameter[gate * of_gate..][..of_gate])
            })
            .collect()
        };
        let [w, r, b] = ["W", "R", "B"].map(|name| format!("{name}_l{l}"));
        let columns = rnn.gates.len() * h;
        self.floats(&w, &[directions, columns, rnn.features(l)], &parts(&[0]))?;
        self.floats(&r, &[directions, columns, h], &parts(&[1]))?;
        if rnn.bias {
            self.floats(&b, &[directions, 2 * columns], &parts(&[2, 3]))?;
        }
        let mut attributes = vec![
            int("hidden_size", h),
            text("direction", if directions == 2 { "bidirectional" } else { "forward" }),
            texts("activations", &rnn.activations.repeat(directions)),
        ];
        attributes.extend(rnn.attributes.iter().map(|&(name, value)| integer(name, value)));
        let (y, h0) = (format!("Y_l{l}"), format!("h0_l{l}"));
        let h_n = if rnn.layers == 1 { "hN".to_owned() } else { format!("hN_l{l}") };
        self.add(
            rnn.operator,
            // Every sequence is as long as the input: there is no list of lengths.
            &[x, &w, &r, if rnn.bias { &b } else { "" }, "", &h0],
            &[&y, &h_n],
            attributes,
        );
        let output = match (last, rnn.batch_first) {
            (true, false) => "output".to_owned(),
            (true, true) => "output_time_first".to_owned(),
            (false, _) => format!("output_l{l}"),
        };
        let by_row = format!("Y_by_row_l{l}");
        self.add("Transpose", &[&y], &[&by_row], vec![ints("perm", &[0, 2, 1, 3])]);
        if l == 0 {
            self.integers("row_shape", &[0, 0, directions * h]); // 0: as it is
        }
        self.add("Reshape", &[&by_row, "row_shape"], &[&output], vec![]);
        Ok(output)
    }

    /// Adds a node, named after its first output.
    fn add(&mut self, op_type: &str, input: &[&str], output: &[&str], attribute: Vec<Attribute>) {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.graph.node.push(Node {
            input: own(input),
            output: own(output),
            name: format!("{op_type}_{}", output[0]),
            op_type: op_type.into(),
            attribute,
        });
    }

    /// Adds a constant of float32, whose elements are those of `parts` one after the other.
    fn floats(&mut self, name: &str, dims: &[usize], parts: &[&[f32]]) -> Result<(), Error> {
        let bytes = parts.iter().map(|part| size_of_val(*part)).sum();
        let mut raw_data = Vec::new();
        raw_data.try_reserve_exact(bytes).map_err(|_| Error::Alloc(bytes))?;
        raw_data.extend(parts.iter().flat_map(|part| part.iter().flat_map(|v| v.to_le_bytes())));
        self.constant(name, dims, ElementKind::Float, raw_data);
        Ok(())
    }

    /// Adds a list of integers.
    fn integers(&mut self, name: &str, values: &[usize]) {
        let raw_data = values.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect();
        self.constant(name, &[values.len()], ElementKind::Int64, raw_data);
    }

    fn constant(&mut self, name: &str, dims: &[usize], kind: ElementKind, raw_data: Vec<u8>) {
        let dims = dims.iter().map(|&d| d as i64).collect();
        self.graph.initializer.push(Tensor { dims, data_type: kind.into(), name: name.into(), raw_data });
    }
}

fn attribute(name: &str, kind: AttributeKind) -> Attribute {
    Attribute { name: name.into(), kind: kind.into(), ..Attribute::default() }
}

fn integer(name: &str, i: i64) -> Attribute {
    Attribute { i, ..attribute(name, AttributeKind::Int) }
}

fn int(name: &str, i: usize) -> Attribute {
    integer(name, i as i64)
}

fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute { ints: ints.to_vec(), ..attribute(name, AttributeKind::Ints) }
}

fn text(name: &str, s: &str) -> Attribute {
    Attribute { s: s.into(), ..attribute(name, AttributeKind::String) }
}

fn texts(name: &str, strings: &[&str]) -> Attribute {
    let strings = strings.iter().map(|&s| s.into()).collect();
    Attribute { strings, ..attribute(name, AttributeKind::Strings) }
}

fn fixed(size: usize) -> Dimension {
    Dimension { size: Some(Size::Fixed(size as i64)) }
}

fn named(name: &str) -> Dimension {
    Dimension { size: Some(Size::Named(name.into())) }
}

/// An input or output of float32.
fn value(name: &str, dim: &[Dimension]) -> ValueInfo {
    let tensor = TensorKind { element: ElementKind::Float.into(), shape: Some(Shape { dim: dim.to_vec() }) };
    ValueInfo { name: name.into(), kind: Some(ValueKind { tensor: Some(tensor) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RNN: Rnn<'_> = Rnn {
        operator: "RNN",
        activations: &["Tanh"],
        gates: &[0],
        attributes: &[],
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
    fn what_does_not_fit_is_refused() {
        let error = |rnn: Rnn<'_>| serialize(&rnn, "").unwrap_err().to_string();
        assert_eq!(error(Rnn { layers: 1, ..RNN }), "expected 8 parameters, got 16");
        assert_eq!(error(Rnn { bias: false, ..RNN }), "expected 8 parameters, got 16");
        assert_eq!(error(Rnn { hidden_size: 3, ..RNN }), "parameter 0 must have 6 elements, got 2");
        let huge = Rnn { hidden_size: usize::MAX, ..RNN };
        assert_eq!(error(huge), format!("parameter 0 must have {} elements, got 2", usize::MAX));
    }
}
