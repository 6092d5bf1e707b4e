//! The graph of a stack, node by node.

use super::model::{Error, Rnn};
use super::proto::{
    Attribute, AttributeKind, Dimension, ElementKind, Graph, Node, Shape, Size, Tensor, TensorKind,
    ValueInfo, ValueKind,
};

/// The graph of a stack whose parameters fit its sizes.
///
/// # Errors
///
/// If there is not enough memory.
pub(super) fn graph(rnn: &Rnn<'_>) -> Result<Graph, Error> {
    let mut builder = Builder { rnn, graph: Graph { name: "RNN".into(), ..Graph::default() } };
    builder.build()?;
    Ok(builder.graph)
}

/// A graph that grows node by node.
struct Builder<'a> {
    rnn: &'a Rnn<'a>,
    graph: Graph,
}

impl Builder<'_> {
    fn build(&mut self) -> Result<(), Error> {
        let rnn = self.rnn;
        let (h, groups) = (rnn.hidden_size, rnn.layers * rnn.directions);
        let [first, second] = if rnn.batch_first { ["batch", "sequence"] } else { ["sequence", "batch"] };
        let rows = |columns| [named(first), named(second), fixed(columns)];
        let state = |name: String, batch: &str| value(&name, &[fixed(groups), named(batch), fixed(h)]);
        self.graph.input = vec![value("input", &rows(rnn.input_size))];
        self.graph.output = vec![value("output", &rows(rnn.directions * h))];
        for s in rnn.state_names() {
            self.graph.input.push(state(format!("{s}0"), &format!("{s}0_batch")));
            self.graph.output.push(state(format!("{s}N"), "batch"));
        }

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
            for s in rnn.state_names() {
                let finals: Vec<_> = (0..rnn.layers).map(|l| format!("{s}N_l{l}")).collect();
                let finals: Vec<_> = finals.iter().map(String::as_str).collect();
                self.add("Concat", &finals, &[&format!("{s}N")], vec![int("axis", 0)]);
            }
        }
        Ok(())
    }

    /// `h0`, brought to the batch, as `h0_l0`, `h0_l1`, …: (D, B, H) each; and `c0` in the same way.
    fn initial_states(&mut self) {
        let Rnn { layers, directions, hidden_size, batch_first, .. } = *self.rnn;
        let groups = layers * directions;
        self.integers("groups", &[groups]);
        self.integers("hidden_size", &[hidden_size]);
        self.integers("batch_axis", &[usize::from(!batch_first)]);
        self.add("Shape", &["input"], &["input_shape"], vec![]);
        self.add("Gather", &["input_shape", "batch_axis"], &["batch_size"], vec![int("axis", 0)]);
        self.add("Concat", &["groups", "batch_size", "hidden_size"], &["h0_shape"], vec![int("axis", 0)]);
        if layers > 1 {
            self.integers("directions_of_layers", &vec![directions; layers]);
        }
        for s in self.rnn.state_names() {
            let whole = format!("{s}0_{}", if layers == 1 { "l0" } else { "expanded" });
            self.add("Expand", &[&format!("{s}0"), "h0_shape"], &[&whole], vec![]);
            if layers > 1 {
                let parts: Vec<_> = (0..layers).map(|l| format!("{s}0_l{l}")).collect();
                let parts: Vec<_> = parts.iter().map(String::as_str).collect();
                self.add("Split", &[&whole, "directions_of_layers"], &parts, vec![int("axis", 0)]);
            }
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
        let y = format!("Y_l{l}");
        let of_layer = if rnn.layers == 1 { String::new() } else { format!("_l{l}") };
        let first: Vec<_> = rnn.state_names().iter().map(|s| format!("{s}0_l{l}")).collect();
        let last_states: Vec<_> = rnn.state_names().iter().map(|s| format!("{s}N{of_layer}")).collect();
        // Every sequence is as long as the input: there is no list of lengths.
        let mut read = vec![x, &w, &r, if rnn.bias { &b } else { "" }, ""];
        read.extend(first.iter().map(String::as_str));
        let mut written = vec![&*y];
        written.extend(last_states.iter().map(String::as_str));
        self.add(rnn.operator, &read, &written, attributes);
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
