//! Segments: dropout, how much is kept, what is refused. That the gradients are the bits of those without segments, for
//! every cell and layout, is part of [`super::agreement`].

use std::num::NonZeroUsize;

use elman_kernels::{Context, Isa};

use super::Net;
use super::call::Arrays;
use super::{Numbers, Values};
use crate::{Backward, Dropout, Error, Forward, Gradients, Inputs, Layout, List};

const NET: Net = Net { cell: 0, choice: 0, i: 3, h: 5, o: 4, layers: 3, directions: 1 };

fn every(n: usize) -> Option<NonZeroUsize> {
    NonZeroUsize::new(n)
}

#[test]
fn masks_of_dropout_are_those_without_segments() {
    for net in NET.each_cell() {
        let stack = net.stack::<f64>();
        let ctx = Context::new(Isa::detect(), 2);
        for layout in [
            Layout::padded(7, 3, false, None).unwrap(),
            Layout::padded(7, 3, true, Some(&[2, 7, 5])).unwrap(),
            Layout::packed(&[3, 3, 2, 1, 1, 1, 1], Some(&[2, 0, 1])).unwrap(),
        ] {
            let mut numbers = Numbers(3);
            let p = Values::random(net, &[], false, &mut numbers).p;
            let mut some = |len: usize| -> Vec<f64> { (0..len).map(|_| numbers.next()).collect() };
            let rows = layout.outer_rows();
            let plain = Arrays {
                layout,
                p,
                x: some(rows * net.i),
                teacher: None,
                states: stack.state_sizes().iter().map(|size| Some(some(3 * 3 * size))).collect(),
                dropout: Dropout::default(),
                every: None,
                dy: Some(some(rows * net.width())),
                dstates_n: stack.state_sizes().iter().map(|_| None).collect(),
            };
            for p in [0.0, 0.4, 1.0] {
                let plain = Arrays { dropout: Dropout { p, seed: 5 }, ..plain.clone() };
                let results = plain.run(&stack, &ctx, |_| true);
                assert!(results.iter().flat_map(|(_, array)| array).all(|v| v.is_finite()));
                for n in 1..9 {
                    let with = Arrays { every: every(n), ..plain.clone() };
                    assert_eq!(
                        with.run(&stack, &ctx, |_| true),
                        results,
                        "segments of {n}, p = {p}, {net:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn states_before_each_segment_but_the_first_are_kept() {
    for net in NET.each_cell() {
        let len = |net: Net, layout: &Layout, n: usize| net.stack::<f32>().saved_len(layout, every(n), false);
        // Layers run again whose outputs the caller does not have, or all if the cell keeps values of its own.
        let single = Net { layers: 1, ..net };
        let keeps = single.stack::<f32>().saved_len(&Layout::padded(1, 1, false, None).unwrap(), None, false);
        let above = usize::from(keeps != Ok(0));
        let states: usize = net.stack::<f32>().state_sizes().iter().sum();
        let layout = Layout::padded(10, 4, false, None).unwrap();
        for (n, kept) in [(1, 9), (2, 4), (3, 3), (4, 2), (5, 1), (9, 1), (10, 0), (usize::MAX, 0)] {
            assert_eq!(len(net, &layout, n), Ok(kept * 4 * states * (2 + above)), "segments of {n}");
        }
        assert_eq!(len(single, &layout, 1), Ok(9 * 4 * states * above));
        // Steps 2 and 4 have 3 sequences and 1.
        let layout = Layout::padded(6, 4, false, Some(&[1, 3, 3, 6])).unwrap();
        assert_eq!(len(net, &layout, 2), Ok((3 + 1) * states * (2 + above)));
        // No sequences of any length take no time.
        assert_eq!(len(net, &Layout::padded(1 << 52, 0, false, None).unwrap(), 1), Ok(0));
        // Nor does a teacher leave a state between two steps.
        if single.teachable() {
            assert_eq!(single.stack::<f32>().saved_len(&layout, every(1), true), Ok(0));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let layout = Layout::padded(4, 1, false, None).unwrap();
    let two = Net { directions: 2, ..NET }.stack::<f64>();
    let error = two.saved_len(&layout, every(2), false).unwrap_err().to_string();
    assert_eq!(error, "checkpoints: expected 1 direction, got 3 layers in 2 directions");
    let stack = NET.stack::<f64>();
    let ctx = Context::new(Isa::detect(), 1);
    let p = Values::random(NET, &[], false, &mut Numbers(3)).p;
    let parameters: Vec<&[f64]> = p.iter().map(|p| &p[..]).collect();
    let (input, mut output, mut h_n) = (vec![0.0; 12], vec![7.0; 20], vec![7.0; 15]);
    let mut saved = vec![7.0; 11];
    let inputs = Inputs {
        layout: &layout,
        parameters: &parameters,
        input: &input,
        teacher: None,
        states: &[None],
        dropout: Dropout::default(),
        checkpoint_every: every(2),
    };
    let call = Forward {
        inputs,
        output: &mut output,
        states_n: List::from_iter([&mut h_n[..]]),
        saved: Some(&mut saved),
    };
    let expected = Error::Length { what: "saved".to_owned(), expected: 10, actual: 11 };
    assert_eq!(stack.forward(&ctx, call), Err(expected.clone()));
    let mut dinput = vec![7.0; 12];
    let call = Backward { inputs, output: &output, saved: &saved, doutput: None, dstates_n: &[None] };
    let dstates = List::from_iter([None]);
    let wanted = Gradients { dinput: Some(&mut dinput), dteacher: None, dstates, dparameters: None };
    assert_eq!(stack.backward(&ctx, &call, wanted), Err(expected));
    assert!([output, h_n, saved, dinput].iter().flatten().all(|&v| v == 7.0));
}
