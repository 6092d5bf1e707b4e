//! Gradients through dropout, by finite differences: the mask is the same in both passes.

use elman_kernels::{Context, Isa};

use super::{Net, Numbers};
use crate::{Backward, Dropout, Forward, Gradients, Layout, List};

/// A forward pass of a two-layer network with dropout, whose loss is the sum of outputs and final states.
fn dropout_loss(
    p: &[Vec<f64>],
    input: &[f64],
    dropout: Dropout,
    threads: usize,
) -> (f64, Vec<f64>, Vec<f64>) {
    let net = Net { i: 3, h: 5, layers: 3, directions: 2, bias: true, relu: false };
    let stack = net.stack::<f64>();
    let layout = Layout::padded(4, 2, false, None).unwrap();
    let ctx = Context::new(Isa::detect(), threads);
    let parameters: Vec<&[f64]> = p.iter().map(|p| &p[..]).collect();
    let mut output = vec![f64::NAN; 4 * 2 * 10];
    let mut h_n = vec![f64::NAN; 6 * 2 * 5];
    let mut saved = vec![f64::NAN; stack.saved_len::<f64>(&layout).unwrap()];
    let call = Forward {
        layout: &layout,
        parameters: &parameters,
        input,
        states: &[None],
        dropout,
        output: &mut output,
        states_n: List::from_iter([&mut h_n[..]]),
        saved: Some(&mut saved),
    };
    stack.forward(&ctx, call).unwrap();
    let mut dinput = vec![f64::NAN; input.len()];
    let mut dparameters: Vec<Vec<f64>> = p.iter().map(|p| vec![f64::NAN; p.len()]).collect();
    let (ones_y, ones_h) = (vec![1.0; output.len()], vec![1.0; h_n.len()]);
    let call = Backward {
        layout: &layout,
        parameters: &parameters,
        input,
        states: &[None],
        dropout,
        output: &output,
        saved: &saved,
        doutput: Some(&ones_y),
        dstates_n: &[Some(&ones_h)],
    };
    let gradients = Gradients {
        dinput: Some(&mut dinput),
        dstates: List::from_iter([None]),
        dparameters: Some(dparameters.iter_mut().map(|d| &mut d[..]).collect()),
    };
    stack.backward(&ctx, &call, gradients).unwrap();
    (output.iter().chain(&h_n).sum(), dinput, dparameters.concat())
}

#[test]
fn gradients_through_dropout_agree_with_finite_differences() {
    let net = Net { i: 3, h: 5, layers: 3, directions: 2, bias: true, relu: false };
    let mut numbers = Numbers(11);
    let p: Vec<Vec<f64>> = net
        .stack::<f64>()
        .parameters::<f64>()
        .iter()
        .map(|(_, s)| (0..s.rows * s.columns).map(|_| numbers.next() * 0.4).collect())
        .collect();
    let input: Vec<f64> = (0..24).map(|_| numbers.next()).collect();
    let dropout = Dropout { p: 0.4, seed: 5 };
    let (loss, dinput, dparameters) = dropout_loss(&p, &input, dropout, 1);
    let with_threads = dropout_loss(&p, &input, dropout, 3);
    assert_eq!((loss, dinput.clone(), dparameters.clone()), with_threads);
    assert!((loss - dropout_loss(&p, &input, Dropout { p: 0.4, seed: 6 }, 1).0).abs() > 1e-3, "another mask");
    let eps = 1e-6;
    for (i, gradient) in dinput.iter().enumerate() {
        let at = |delta: f64| {
            let mut moved = input.clone();
            moved[i] += delta;
            dropout_loss(&p, &moved, dropout, 1).0
        };
        assert!(((at(eps) - at(-eps)) / (2.0 * eps) - gradient).abs() < 1e-7);
    }
    let mut flat = 0;
    for j in 0..p.len() {
        for k in 0..p[j].len() {
            let at = |delta: f64| {
                let mut moved = p.clone();
                moved[j][k] += delta;
                dropout_loss(&moved, &input, dropout, 1).0
            };
            assert!(((at(eps) - at(-eps)) / (2.0 * eps) - dparameters[flat]).abs() < 1e-7, "{j} {k}");
            flat += 1;
        }
    }
}
