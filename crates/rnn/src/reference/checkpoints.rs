//! Segments: dropout, a cell that keeps values of its own, how much is kept, what is refused. That the gradients are
//! the bits of those without segments, for every layout, is seen beside the reference ([`super::agreement`]).

use std::num::NonZeroUsize;

use elman_kernels::{Context, Isa};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::{Net, Numbers, unwritten};
use crate::cell::{Above, Below, Cell, Given, Made, Parameter};
use crate::{Backward, Dropout, Elman, Error, Forward, Gradients, Layout, List, Nonlinearity, Stack};

const NET: Net = Net { i: 3, h: 5, layers: 3, directions: 1, bias: true, relu: false };

fn every(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

/// Elman, but it keeps the first columns of its output, and looks for them in its backward pass.
struct Keeping(Elman);

impl Cell<f64> for Keeping {
    fn parameters(&self, input_size: usize) -> List<Parameter> {
        Cell::<f64>::parameters(&self.0, input_size)
    }
    fn output_size(&self) -> usize {
        Cell::<f64>::output_size(&self.0)
    }
    fn state_sizes(&self) -> List<usize> {
        Cell::<f64>::state_sizes(&self.0)
    }
    fn saved_size(&self) -> usize {
        2
    }
    fn gate_size(&self) -> usize {
        Cell::<f64>::gate_size(&self.0)
    }
    fn project(&self, ctx: &Context, given: &Given<'_, f64>, made: &mut Made<'_, f64>) -> Result<(), Error> {
        self.0.project(ctx, given, made)
    }
    fn recur(&self, ctx: &Context, given: &Given<'_, f64>, made: &mut Made<'_, f64>) -> Result<(), Error> {
        self.0.recur(ctx, given, made)?;
        let (steps, y) = (given.pass.steps, made.y.view());
        for (mut saved, (t, b)) in made.saved.rows_mut().into_iter().zip(steps.each()) {
            saved.assign(&y.row(steps, t, b).slice_axis(Axis(0), (..2).into()));
        }
        Ok(())
    }
    fn recur_backward(
        &self,
        ctx: &Context,
        given: &Given<'_, f64>,
        above: &Above<'_, f64>,
        dz: ArrayViewMut2<'_, f64>,
        dstates: Option<List<ArrayViewMut2<'_, f64>>>,
    ) -> Result<(), Error> {
        let steps = given.pass.steps;
        assert_eq!(above.saved.nrows(), steps.rows());
        for (saved, (t, b)) in above.saved.rows().into_iter().zip(steps.each()) {
            assert_eq!(saved, above.y.row(steps, t, b).split_at(Axis(0), 2).0);
        }
        self.0.recur_backward(ctx, given, above, dz, dstates)
    }
    fn project_backward(
        &self,
        ctx: &Context,
        given: &Given<'_, f64>,
        above: &Above<'_, f64>,
        dz: ArrayView2<'_, f64>,
        below: Below<'_, f64>,
    ) -> Result<(), Error> {
        self.0.project_backward(ctx, given, above, dz, below)
    }
}

/// Output, final states and all gradients of a step; with segments, if `segment` says so.
fn step<C: Cell<f64>>(
    stack: &Stack<C>,
    layout: &Layout,
    dropout: Dropout,
    segment: Option<NonZeroUsize>,
) -> Vec<Vec<f64>> {
    let ctx = Context::new(Isa::detect(), 2);
    let mut numbers = Numbers(3);
    let mut some = |len: usize| -> Vec<f64> { (0..len).map(|_| numbers.next()).collect() };
    let batch = layout.steps().batch();
    let p: Vec<Vec<f64>> = stack.parameters().iter().map(|(_, s)| some(s.rows * s.columns)).collect();
    let parameters: Vec<&[f64]> = p.iter().map(|p| &p[..]).collect();
    let input = some(layout.outer_rows() * NET.i);
    let states = some(NET.layers * batch * NET.h);
    let doutput = some(layout.outer_rows() * NET.h);
    let nan = |len: usize| vec![f64::NAN; len];
    let (mut output, mut h_n) = (unwritten(layout, NET.h), nan(states.len()));
    let mut saved = nan(match segment {
        Some(every) => stack.checkpoints_len(layout, every).unwrap(),
        None => stack.saved_len(layout).unwrap(),
    });
    let states = [Some(&states[..])];
    let forward = Forward {
        layout,
        parameters: &parameters,
        input: &input,
        states: &states,
        dropout,
        output: &mut output,
        states_n: List::from_iter([&mut h_n[..]]),
        saved: Some(&mut saved),
    };
    match segment {
        Some(every) => stack.forward_checkpointed(&ctx, every, forward).unwrap(),
        None => stack.forward(&ctx, forward).unwrap(),
    }
    let mut gradients: Vec<Vec<f64>> = p.iter().map(|p| nan(p.len())).collect();
    let (mut dinput, mut dhx) = (unwritten(layout, NET.i), nan(h_n.len()));
    let backward = Backward {
        layout,
        parameters: &parameters,
        input: &input,
        states: &states,
        dropout,
        output: &output,
        saved: &saved,
        doutput: Some(&doutput),
        dstates_n: &[None],
    };
    let wanted = Gradients {
        dinput: Some(&mut dinput),
        dstates: List::from_iter([Some(&mut dhx[..])]),
        dparameters: Some(gradients.iter_mut().map(|d| &mut d[..]).collect()),
    };
    match segment {
        Some(every) => stack.backward_checkpointed(&ctx, every, &backward, wanted).unwrap(),
        None => stack.backward(&ctx, &backward, wanted).unwrap(),
    }
    gradients.extend([output, h_n, dinput, dhx]);
    gradients
}

#[test]
fn masks_of_dropout_are_those_without_segments() {
    let stack = NET.stack::<f64>();
    for layout in [
        Layout::padded(7, 3, false, None).unwrap(),
        Layout::padded(7, 3, true, Some(&[2, 7, 5])).unwrap(),
        Layout::packed(&[3, 3, 2, 1, 1, 1, 1], Some(&[2, 0, 1])).unwrap(),
    ] {
        for p in [0.4, 1.0] {
            let dropout = Dropout { p, seed: 5 };
            let plain = step(&stack, &layout, dropout, None);
            assert!(plain.iter().flatten().all(|v| v.is_finite()));
            for n in 1..9 {
                assert_eq!(step(&stack, &layout, dropout, Some(every(n))), plain, "segments of {n}, p = {p}");
            }
        }
    }
}

#[test]
fn a_cell_that_keeps_values_finds_them_again() {
    let cell = Elman { hidden_size: NET.h, nonlinearity: Nonlinearity::Tanh, bias: true };
    let stack = Stack::new(Keeping(cell), NET.i, NET.layers, false).unwrap();
    let layout = Layout::padded(7, 3, true, Some(&[2, 7, 5])).unwrap();
    let plain = step(&stack, &layout, Dropout::default(), None);
    assert_eq!(step(&NET.stack::<f64>(), &layout, Dropout::default(), None), plain);
    for n in 1..9 {
        assert_eq!(step(&stack, &layout, Dropout::default(), Some(every(n))), plain, "segments of {n}");
    }
}

#[test]
fn states_before_each_segment_but_the_first_are_kept() {
    let len =
        |net: Net, layout: &Layout, n: usize| net.stack::<f32>().checkpoints_len::<f32>(layout, every(n));
    let layout = Layout::padded(10, 4, false, None).unwrap();
    for (n, kept) in [(1, 9), (2, 4), (3, 3), (4, 2), (5, 1), (9, 1), (10, 0), (usize::MAX, 0)] {
        assert_eq!(len(NET, &layout, n), Ok(kept * 4 * NET.h * 2), "segments of {n}");
    }
    assert_eq!(len(Net { layers: 1, ..NET }, &layout, 1), Ok(0));
    // Steps 2 and 4 have 3 sequences and 1.
    let layout = Layout::padded(6, 4, false, Some(&[1, 3, 3, 6])).unwrap();
    assert_eq!(len(NET, &layout, 2), Ok((3 + 1) * NET.h * 2));
    // No sequences of any length take no time.
    assert_eq!(len(NET, &Layout::padded(1 << 52, 0, false, None).unwrap(), 1), Ok(0));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let layout = Layout::padded(4, 1, false, None).unwrap();
    let two = Net { directions: 2, ..NET }.stack::<f64>();
    assert_eq!(two.checkpoints_len::<f64>(&layout, every(2)), Err(Error::BidirectionalCheckpoints));
    let stack = NET.stack::<f64>();
    let ctx = Context::new(Isa::detect(), 1);
    let p: Vec<Vec<f64>> =
        stack.parameters::<f64>().iter().map(|(_, s)| vec![0.0; s.rows * s.columns]).collect();
    let parameters: Vec<&[f64]> = p.iter().map(|p| &p[..]).collect();
    let (input, mut output, mut h_n) = (vec![0.0; 12], vec![7.0; 20], vec![7.0; 15]);
    let mut saved = vec![7.0; 11];
    let call = Forward {
        layout: &layout,
        parameters: &parameters,
        input: &input,
        states: &[None],
        dropout: Dropout::default(),
        output: &mut output,
        states_n: List::from_iter([&mut h_n[..]]),
        saved: Some(&mut saved),
    };
    let expected = Error::Length { what: "saved".to_owned(), expected: 10, actual: 11 };
    assert_eq!(stack.forward_checkpointed(&ctx, every(2), call), Err(expected.clone()));
    let mut dinput = vec![7.0; 12];
    let call = Backward {
        layout: &layout,
        parameters: &parameters,
        input: &input,
        states: &[None],
        dropout: Dropout::default(),
        output: &output,
        saved: &saved,
        doutput: None,
        dstates_n: &[None],
    };
    let wanted = Gradients { dinput: Some(&mut dinput), dstates: List::from_iter([None]), dparameters: None };
    assert_eq!(stack.backward_checkpointed(&ctx, every(2), &call, wanted), Err(expected));
    assert!([output, h_n, saved, dinput].iter().flatten().all(|&v| v == 7.0));
}
