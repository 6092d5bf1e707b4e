//! Arrays, configurations and calls that do not fit are refused.

use elman_kernels::{Context, Isa};

use crate::cells::{Config, Value, build};
use crate::{Backward, Dropout, Error, Forward, Gradients, Inputs, Layout, List, Stack};

/// A configuration of a small network; `changes` replace its values or remove them.
fn config(cell: &str, changes: &[(&str, Option<Value>)]) -> Config {
    let name = |name: &str| Value::Name(name.to_owned());
    let mut values = vec![
        ("inputSize", Value::Size(2)),
        ("hiddenSize", Value::Size(3)),
        ("numLayers", Value::Size(1)),
        ("bias", Value::Flag(false)),
        ("bidirectional", Value::Flag(false)),
        ("bare", Value::Flag(false)),
        ("nonlinearity", name("tanh")),
    ];
    if cell == "jordan" {
        values.extend([("outputSize", Value::Size(4)), ("outputNonlinearity", name("identity"))]);
    }
    for (key, value) in changes {
        values.retain(|(k, _)| k != key);
        values.extend(value.clone().map(|value| (*key, value)));
    }
    values.into_iter().collect()
}

fn stack(cell: &str, changes: &[(&str, Option<Value>)]) -> Result<Stack<f32>, Error> {
    build(cell, &config(cell, changes))
}

#[test]
fn configurations_are_checked() {
    let error = |cell: &str, key, value| stack(cell, &[(key, value)]).unwrap_err().to_string();
    let size = |size| Some(Value::Size(size));
    assert_eq!(error("hopfield", "bias", None), "expected the name of a cell, got 'hopfield'");
    assert_eq!(error("elman", "bias", None), "expected a value for bias in the configuration, got none");
    let unknown = error("elman", "outputSize", size(1));
    assert_eq!(unknown, "expected no value for outputSize in the configuration, got one");
    for (cell, key) in
        [("elman", "inputSize"), ("jordan", "hiddenSize"), ("jordan", "outputSize"), ("elman", "numLayers")]
    {
        assert_eq!(error(cell, key, size(0)), format!("{key} must be a positive integer, got 0"));
    }
    assert_eq!(error("jordan", "bias", size(1)), "bias must be true or false, got 1");
    let name = Some(Value::Name("TANH".to_owned()));
    assert_eq!(error("elman", "nonlinearity", name.clone()), "nonlinearity must be tanh or relu, got 'TANH'");
    let output = error("jordan", "outputNonlinearity", name);
    assert_eq!(output, "outputNonlinearity must be identity or tanh or sigmoid, got 'TANH'");
    assert_eq!(error("jordan", "outputSize", size(usize::MAX)), "the output would have too many elements");
    let large = stack("elman", &[("inputSize", size(1 << 40)), ("hiddenSize", size(1 << 40))]);
    let text = "a tensor of shape [1099511627776, 1099511627776] has too many elements";
    assert_eq!(large.unwrap_err().to_string(), text);
    let layers = |count| stack("elman", &[("numLayers", size(count))]);
    assert_eq!(layers(65536).unwrap().layers(), 65536);
    let most = "numLayers must be at most 65536, got";
    for count in [65537, usize::MAX] {
        assert_eq!(layers(count).unwrap_err().to_string(), format!("{most} {count}"));
    }
    let bare = stack("elman", &[("bare", Some(Value::Flag(true))), ("numLayers", size(2))]).unwrap_err();
    let text = "bare names of parameters: expected 1 layer in 1 direction, got 2 layers in 1 directions";
    assert_eq!(bare.to_string(), text);
}

#[test]
fn parameters_have_the_names_and_shapes_of_torch() {
    let flag = |flag| Some(Value::Flag(flag));
    let changes = [("bias", flag(true)), ("bidirectional", flag(true)), ("numLayers", Some(Value::Size(2)))];
    let parameters = stack("elman", &changes).unwrap().parameters();
    let text: Vec<_> = parameters.iter().map(|(name, shape)| format!("{name} {:?}", &shape[..])).collect();
    assert_eq!(
        text[..8],
        [
            "weight_ih_l0 [3, 2]",
            "weight_hh_l0 [3, 3]",
            "bias_ih_l0 [3]",
            "bias_hh_l0 [3]",
            "weight_ih_l0_reverse [3, 2]",
            "weight_hh_l0_reverse [3, 3]",
            "bias_ih_l0_reverse [3]",
            "bias_hh_l0_reverse [3]",
        ]
    );
    assert_eq!((text.len(), &*text[12]), (16, "weight_ih_l1_reverse [3, 6]"));
    let bare = stack("jordan", &[("bias", flag(true)), ("bare", flag(true))]).unwrap().parameters();
    let text: Vec<_> = bare.iter().map(|(name, shape)| format!("{name} {:?}", &shape[..])).collect();
    let weights = ["weight_ih [3, 2]", "weight_yh [3, 4]", "weight_hy [4, 3]"];
    assert_eq!(text, [&weights[..], &["bias_ih [3]", "bias_yh [3]", "bias_hy [4]"]].concat());
}

#[test]
fn wrong_lengths_are_refused_before_anything_is_written() {
    let layout = Layout::padded(2, 1, false, None).unwrap();
    let ctx = Context::new(Isa::detect(), 1);
    let input = [0f32; 4];
    let run = |cell: &str, parameters: &[&[f32]], change: &dyn Fn(&mut Inputs<'_, f32>), len: usize| {
        let stack = stack(cell, &[]).unwrap();
        let (mut output, mut states_n) = (vec![7f32; len], vec![7f32; stack.state_sizes()[0]]);
        let mut inputs = Inputs {
            layout: &layout,
            parameters,
            input: &input,
            teacher: None,
            states: &[None],
            dropout: Dropout::default(),
            checkpoint_every: None,
        };
        change(&mut inputs);
        let call = Forward {
            inputs,
            output: &mut output,
            states_n: List::from_iter([&mut states_n[..]]),
            saved: None,
        };
        let result = stack.forward(&ctx, call);
        assert!(result.is_ok() || output.iter().chain(&states_n).all(|&v| v == 7.0));
        result.map_err(|error| error.to_string())
    };
    let error = |result: Result<(), String>| result.unwrap_err();
    let (w_ih, w_hh) = ([0f32; 6], [0f32; 9]);
    let all: [&[f32]; 2] = [&w_ih, &w_hh];
    let same = |_: &mut Inputs<'_, f32>| {};
    assert_eq!(run("elman", &all, &same, 6), Ok(()));
    assert_eq!(error(run("elman", &all[..1], &same, 6)), "expected 2 parameters, got 1");
    let two = error(run("elman", &[&w_ih, &w_ih], &same, 6));
    assert_eq!(two, "weight_hh_l0 must have 9 elements, got 6");
    let short = error(run("elman", &all, &|inputs| inputs.input = &[0.0; 3], 6));
    assert_eq!(short, "input must have 4 elements, got 3");
    let states = error(run("elman", &all, &|inputs| inputs.states = &[Some(&[0.0; 4])], 6));
    assert_eq!(states, "initial state must have 3 elements, got 4");
    assert_eq!(error(run("elman", &all, &same, 5)), "output must have 6 elements, got 5");
    let dropout = error(run("elman", &all, &|inputs| inputs.dropout.p = f64::NAN, 6));
    assert_eq!(dropout, "dropout must be in the range [0, 1], got NaN");

    let (w_yh, w_hy) = ([0f32; 12], [0f32; 12]);
    let all: [&[f32]; 3] = [&w_ih, &w_yh, &w_hy];
    let taught = |inputs: &mut Inputs<'_, f32>| inputs.teacher = Some(&[0.0; 8]);
    assert_eq!(run("jordan", &all, &taught, 8), Ok(()));
    let teacher = error(run("jordan", &all, &|inputs| inputs.teacher = Some(&[0.0; 7]), 8));
    assert_eq!(teacher, "teacher must have 8 elements, got 7");
    assert_eq!(error(run("jordan", &all, &taught, 7)), "output must have 8 elements, got 7");
    assert_eq!(error(run("jordan", &all[..2], &taught, 8)), "expected 3 parameters, got 2");
}

#[test]
fn teachers_are_refused_where_they_have_no_place() {
    let layout = Layout::padded(2, 1, false, None).unwrap();
    let deep = stack("jordan", &[("numLayers", Some(Value::Size(2)))]).unwrap();
    let error = deep.saved_len(&layout, None, true).unwrap_err().to_string();
    assert_eq!(error, "teacher forcing: expected 1 layer in 1 direction, got 2 layers in 1 directions");
    let stack = stack("jordan", &[]).unwrap();
    let parameters: [&[f32]; 3] = [&[0.0; 6], &[0.0; 12], &[0.0; 12]];
    let inputs = Inputs {
        layout: &layout,
        parameters: &parameters,
        input: &[0.0; 4],
        teacher: None,
        states: &[None],
        dropout: Dropout::default(),
        checkpoint_every: None,
    };
    let call = Backward { inputs, output: &[0.0; 8], saved: &[0.0; 6], doutput: None, dstates_n: &[None] };
    let (mut dteacher, dstates) = ([0.0; 8], List::from_iter([None]));
    let wanted = Gradients { dinput: None, dteacher: Some(&mut dteacher), dstates, dparameters: None };
    let result = stack.backward(&Context::new(Isa::detect(), 1), &call, wanted);
    assert_eq!(result, Err(Error::NoTeacher));
}
