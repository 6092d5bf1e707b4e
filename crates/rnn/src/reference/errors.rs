//! Arrays that do not fit are refused.

use elman_kernels::{Context, Isa};

use super::Net;
use crate::{Dropout, Elman, Error, Forward, Layout, List, Nonlinearity, Stack};

#[test]
fn wrong_lengths_are_refused_before_anything_is_written() {
    let net = Net { i: 2, h: 3, layers: 1, directions: 1, bias: false, relu: false };
    let stack = net.stack::<f32>();
    let layout = Layout::padded(2, 1, false, None).unwrap();
    let ctx = Context::new(Isa::detect(), 1);
    let (w_ih, w_hh, input) = (vec![0f32; 6], vec![0f32; 9], vec![0f32; 4]);
    let run = |parameters: &[&[f32]], input: &[f32], hx: Option<&[f32]>, p: f64, len: usize| {
        let mut output = vec![7f32; len];
        let mut h_n = vec![7f32; 3];
        let call = Forward {
            layout: &layout,
            parameters,
            input,
            states: &[hx],
            dropout: Dropout { p, seed: 0 },
            output: &mut output,
            states_n: List::from_iter([&mut h_n[..]]),
            saved: None,
        };
        let result = stack.forward(&ctx, call);
        assert!(result.is_ok() || output.iter().chain(&h_n).all(|&v| v == 7.0));
        result.map_err(|error| error.to_string())
    };
    let all: [&[f32]; 2] = [&w_ih, &w_hh];
    assert_eq!(run(&all, &input, None, 0.0, 6), Ok(()));
    let error = |result: Result<(), String>| result.unwrap_err();
    assert_eq!(error(run(&all[..1], &input, None, 0.0, 6)), "expected 2 parameters, got 1");
    assert_eq!(error(run(&[&w_ih, &w_ih], &input, None, 0.0, 6)), "weight_hh_l0 must have 9 elements, got 6");
    assert_eq!(error(run(&all, &input[..3], None, 0.0, 6)), "input must have 4 elements, got 3");
    assert_eq!(error(run(&all, &input, Some(&input), 0.0, 6)), "initial state must have 3 elements, got 4");
    assert_eq!(error(run(&all, &input, None, 0.0, 5)), "output must have 6 elements, got 5");
    assert_eq!(error(run(&all, &input, None, f64::NAN, 6)), "dropout must be in the range [0, 1], got NaN");
    let too_large = Stack::new::<f64>(
        Elman { hidden_size: 1 << 40, nonlinearity: Nonlinearity::Tanh, bias: true },
        1 << 40,
        1,
        false,
    );
    assert_eq!(too_large.unwrap_err(), Error::TooLarge { what: "weight_ih" });
}
