//! A file that Python's `safetensors.torch` wrote (`golden/make.py`).

use elman_formats::safetensors::{Values, deserialize};

#[test]
fn every_kind_that_python_writes() {
    let archive = deserialize(include_bytes!("golden/python.safetensors")).unwrap();
    assert_eq!(archive.metadata["format"], "pt");
    assert_eq!(archive.metadata["epoch"], "5");
    let read = |name: &str| {
        let entry = archive.entries.iter().find(|entry| entry.name == name).unwrap();
        (entry.shape.clone(), entry.values().unwrap())
    };
    assert_eq!(archive.entries.len(), 7);
    assert_eq!(
        read("rnn.weight_ih_l0"),
        (vec![2, 2], Values::Float32(vec![0.5, -1.25, 3e38, f32::from_bits(1)]))
    );
    let bias = Values::Float64(vec![0.1, f64::NEG_INFINITY, -0.0]);
    assert_eq!(read("rnn.bias_ih_l0"), (vec![3], bias));
    assert_eq!(read("half"), (vec![3], Values::Float32(vec![1.0, 65504.0, 2f32.powi(-24)])));
    // -3e38 in the eight bits that bfloat16 has.
    assert_eq!(read("brain"), (vec![2, 1], Values::Float32(vec![1.0, f32::from_bits(0xff62_0000)])));
    assert_eq!(read("num_batches"), (vec![], Values::Int32(vec![123_456])));
    assert_eq!(read("indices"), (vec![2], Values::Int32(vec![-1, 7])));
    assert_eq!(read("empty"), (vec![2, 0], Values::Float32(vec![])));
}
