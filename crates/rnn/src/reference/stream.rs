//! A stream has the bits of the forward pass, outputs and states, for every cell, on every instruction set, in every number of threads.

use elman_kernels::{Context, Isa, Scalar};
use proptest::prelude::*;

use super::call::Arrays;
use super::{Net, Numbers, TESTED, Values};
use crate::{Dropout, Error, Layout, Stream};

/// `steps` steps through a stream compared with one forward pass, from given states and then again from zeros.
fn check<T: Scalar>(net: Net, steps: usize, batch: usize, seed: u64) {
    let mut numbers = Numbers(seed);
    let stack = net.stack::<T>();
    let p = Values::random(net, &[], false, &mut numbers).p;
    let mut random = |len: usize| -> Vec<T> { (0..len).map(|_| T::from_f64(numbers.next())).collect() };
    let states: Vec<_> =
        stack.state_sizes().iter().map(|size| Some(random(net.layers * batch * size))).collect();
    let from_states = Arrays {
        layout: Layout::padded(steps, batch, false, None).unwrap(),
        p: p.iter().map(|p| p.iter().map(|&v| T::from_f64(v)).collect()).collect(),
        x: random(steps * batch * net.i),
        teacher: None,
        states,
        dropout: Dropout::default(),
        every: None,
        dy: None,
        dstates_n: Vec::new(),
    };
    let parameters: Vec<&[T]> = from_states.p.iter().map(|p| &p[..]).collect();
    let none = stack.state_sizes().iter().map(|_| None).collect();
    let from_zeros = Arrays { states: none, ..from_states.clone() };
    for isa in Isa::available() {
        for threads in [1, 2, 3] {
            let ctx = Context::new(isa, threads);
            let mut stream = Stream::new(ctx.clone(), stack.clone(), batch).unwrap();
            // Wherever the memory begins, its parts begin at cache lines.
            for first in [0, 1] {
                let mut memory = vec![T::nan(); stream.memory_len() + first];
                let memory = &mut memory[first..];
                stream.pack(&parameters, memory).unwrap();
                for arrays in [&from_zeros, &from_states, &from_zeros] {
                    let states: Vec<_> = arrays.states.iter().map(Option::as_deref).collect();
                    stream.reset(&states, memory).unwrap();
                    let (output, states_n, _) = arrays.forward(&stack, &ctx, false);
                    let rows = arrays.x.chunks(batch * net.i).zip(output.chunks(batch * net.width()));
                    for (t, (x, expected)) in rows.enumerate() {
                        let mut y = vec![T::nan(); expected.len()];
                        stream.step(x, &mut y, memory).unwrap();
                        assert_eq!(y, expected, "{ctx:?}, step {t}, {net:?}");
                    }
                    let mut read: Vec<_> = states_n.iter().map(|state| vec![T::nan(); state.len()]).collect();
                    let mut all: Vec<&mut [T]> = read.iter_mut().map(|state| &mut state[..]).collect();
                    stream.read_states(&mut all, memory).unwrap();
                    assert_eq!(read, states_n, "{ctx:?}, {net:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn has_the_bits_of_forward(
        cell in 0..TESTED.len(), choice: u8, i in 1usize..40, h in 1usize..70, o in 1usize..40, layers in 1usize..4,
        steps in 1usize..4, batch in 1usize..10, seed: u32,
    ) {
        let net = Net { cell, choice: choice.into(), i, h, o, layers, directions: 1 };
        check::<f32>(net, steps, batch, seed.into());
        check::<f64>(net, steps, batch, seed.into());
    }
}

#[test]
fn sizes_that_use_a_team() {
    let shape = Net { cell: 0, choice: 4, i: 300, h: 500, o: 400, layers: 2, directions: 1 };
    for net in shape.each_cell() {
        check::<f32>(net, 3, 2, 1);
        check::<f32>(Net { i: 100, h: 150, o: 120, ..net }, 2, 40, 2);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let net = Net { cell: 0, choice: 0, i: 2, h: 3, o: 3, layers: 2, directions: 1 };
    let new = |net: Net, batch| Stream::new(Context::new(Isa::detect(), 1), net.stack::<f32>(), batch);
    let text = |result: Result<(), Error>| result.unwrap_err().to_string();
    let both = new(Net { directions: 2, ..net }, 1).map(|_| ());
    assert_eq!(text(both), "a stream: expected 1 direction, got 2 layers in 2 directions");
    assert_eq!(new(net, 0).unwrap_err(), Error::Zero { name: "batchSize" });
    for wide in (Net { h: 1 << 20, ..net }).each_cell() {
        for batch in [1 << 42, 1 << 60, usize::MAX] {
            assert!(matches!(new(wide, batch), Err(Error::TooLarge { .. })), "{batch}");
        }
    }
    let mut stream = new(net, 4).unwrap();
    let len = stream.memory_len();
    let parameters: Vec<Vec<f32>> = [6, 9, 3, 3, 9, 9, 3, 3].map(|len| vec![0.5; len]).to_vec();
    let parameters: Vec<&[f32]> = parameters.iter().map(|p| &p[..]).collect();
    let mut memory = vec![7f32; len];
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
    assert_eq!(
        text(stream.read_states(&mut [], &mut memory)),
        "the list of states must have 1 elements, got 0"
    );
    let mut short = [7f32; 23];
    assert_eq!(
        text(stream.read_states(&mut [&mut short], &mut memory)),
        "state must have 24 elements, got 23"
    );
    let mut y = [7f32; 12];
    assert_eq!(text(stream.step(&[0.0; 7], &mut y, &mut memory)), "input must have 8 elements, got 7");
    assert_eq!(
        text(stream.step(&[0.0; 8], &mut y[1..], &mut memory)),
        "output must have 12 elements, got 11"
    );
    assert!(y.iter().chain(&memory).chain(&short).all(|&v| v == 7.0), "nothing is written");
}
