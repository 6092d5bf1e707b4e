//! A stream has the bits of the forward pass, on every instruction set, in every number of threads.

use elman_kernels::{Context, Isa, Scalar};
use proptest::prelude::*;

use super::{Net, Numbers};
use crate::{Dropout, Error, Forward, Layout, List, Stream};

/// `steps` steps through a stream beside one forward pass, from given states and then again from zeros.
fn check<T: Scalar>(net: Net, steps: usize, batch: usize, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut random = |len: usize, scale: f64| -> Vec<T> {
        (0..len).map(|_| T::from_f64(numbers.next() * scale)).collect()
    };
    let stack = net.stack::<T>();
    let scale = 1.0 / (net.h as f64).sqrt();
    let parameters: Vec<Vec<T>> =
        stack.parameters::<T>().iter().map(|(_, shape)| random(shape.rows * shape.columns, scale)).collect();
    let parameters: Vec<&[T]> = parameters.iter().map(|p| &p[..]).collect();
    let input = random(steps * batch * net.i, 1.0);
    let hx = random(net.layers * batch * net.h, 1.0);
    let layout = Layout::padded(steps, batch, false, None).unwrap();
    for isa in Isa::testable() {
        for threads in [1, 2, 3] {
            let ctx = Context::new(isa, threads);
            let mut stream = Stream::new::<T>(ctx.clone(), stack.clone(), batch).unwrap();
            // Wherever the memory begins, its parts begin at cache lines.
            for first in [0, 1] {
                let mut memory = vec![T::nan(); stream.memory_len() + first];
                let memory = &mut memory[first..];
                stream.pack(&parameters, memory).unwrap();
                for states in [None, Some(&hx[..]), None] {
                    stream.reset(&[states], memory).unwrap();
                    let mut output = vec![T::nan(); steps * batch * net.h];
                    let mut h_n = vec![T::nan(); hx.len()];
                    let call = Forward {
                        layout: &layout,
                        parameters: &parameters,
                        input: &input,
                        states: &[states],
                        dropout: Dropout::default(),
                        output: &mut output,
                        states_n: List::from_iter([&mut h_n[..]]),
                        saved: None,
                    };
                    stack.forward(&ctx, call).unwrap();
                    let rows = input.chunks(batch * net.i).zip(output.chunks(batch * net.h));
                    for (t, (x, expected)) in rows.enumerate() {
                        let mut y = vec![T::nan(); expected.len()];
                        stream.step(x, &mut y, memory).unwrap();
                        assert_eq!(y, expected, "{ctx:?}, step {t}, {net:?}");
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn has_the_bits_of_forward(
        i in 1usize..40, h in 1usize..70, layers in 1usize..4, bias: bool, relu: bool,
        steps in 1usize..4, batch in 1usize..10, seed: u32,
    ) {
        let net = Net { i, h, layers, directions: 1, bias, relu };
        check::<f32>(net, steps, batch, seed.into());
        check::<f64>(net, steps, batch, seed.into());
    }
}

#[test]
fn sizes_that_use_a_team() {
    check::<f32>(Net { i: 300, h: 500, layers: 2, directions: 1, bias: true, relu: false }, 3, 2, 1);
    check::<f32>(Net { i: 100, h: 150, layers: 2, directions: 1, bias: true, relu: false }, 2, 40, 2);
}

#[test]
fn what_does_not_fit_is_refused() {
    let net = Net { i: 2, h: 3, layers: 2, directions: 1, bias: true, relu: false };
    let new = |net: Net, batch| Stream::new::<f32>(Context::new(Isa::detect(), 1), net.stack::<f32>(), batch);
    assert_eq!(new(Net { directions: 2, ..net }, 1).unwrap_err(), Error::BidirectionalStream);
    assert_eq!(new(net, 0).unwrap_err(), Error::Zero { name: "batch_size" });
    let wide = Net { h: 1 << 20, ..net };
    for batch in [1 << 42, 1 << 60, usize::MAX] {
        assert!(matches!(new(wide, batch), Err(Error::TooLarge { .. })), "{batch}");
    }
    let mut stream = new(net, 4).unwrap();
    let len = stream.memory_len();
    let parameters: Vec<Vec<f32>> = [6, 9, 3, 3, 9, 9, 3, 3].map(|len| vec![0.5; len]).to_vec();
    let parameters: Vec<&[f32]> = parameters.iter().map(|p| &p[..]).collect();
    let mut memory = vec![7f32; len];
    let text = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert_eq!(text(stream.pack(&parameters[..7], &mut memory)), "expected 8 parameters, got 7");
    assert_eq!(
        text(stream.pack(&parameters, &mut memory[1..])),
        format!("memory must have {len} elements, got {}", len - 1)
    );
    assert_eq!(
        text(stream.reset(&[], &mut memory)),
        "the list of initial states must have 1 elements, got 0"
    );
    assert_eq!(
        text(stream.reset(&[Some(&[0.0; 23])], &mut memory)),
        "initial state must have 24 elements, got 23"
    );
    let mut y = [7f32; 12];
    assert_eq!(text(stream.step(&[0.0; 7], &mut y, &mut memory)), "input must have 8 elements, got 7");
    assert_eq!(
        text(stream.step(&[0.0; 8], &mut y[1..], &mut memory)),
        "output must have 12 elements, got 11"
    );
    assert!(y.iter().chain(&memory).all(|&v| v == 7.0), "nothing is written");
}
