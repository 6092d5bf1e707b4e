//! The stack agrees with the reference: every layout, instruction set and number of threads.

use std::num::NonZeroUsize;

use elman_kernels::{Context, Isa, Scalar};
use proptest::prelude::*;

use super::{Net, Numbers, Rows, reference, unwritten};
use crate::{Backward, Dropout, Forward, Gradients, Layout, List};

/// The caller's arrays.
#[derive(Clone, Copy, Debug)]
enum Form {
    TimeFirst,
    BatchFirst,
    Packed,
}

/// Rows [b][t] as the caller lays them out; the padding holds NaN.
fn lay<T: Scalar>(form: Form, steps: usize, columns: usize, rows: &[Rows]) -> Vec<T> {
    let nan = vec![f64::NAN; columns];
    let at = |b: usize, t: usize| rows[b].get(t).unwrap_or(&nan).clone();
    let batch = rows.len();
    let flat: Rows = match form {
        Form::TimeFirst => {
            (0..steps).flat_map(|t| (0..batch).map(move |b| (b, t))).map(|(b, t)| at(b, t)).collect()
        }
        Form::BatchFirst => {
            (0..batch).flat_map(|b| (0..steps).map(move |t| (b, t))).map(|(b, t)| at(b, t)).collect()
        }
        Form::Packed => {
            let mut order: Vec<usize> = (0..batch).collect();
            order.sort_by_key(|&b| std::cmp::Reverse(rows[b].len()));
            let mut flat = Vec::new();
            for t in 0..steps {
                flat.extend(order.iter().filter(|&&b| rows[b].len() > t).map(|&b| at(b, t)));
            }
            flat
        }
    };
    flat.concat().into_iter().map(T::from_f64).collect()
}

fn flat<T: Scalar>(states: &[Rows]) -> Vec<T> {
    states.concat().concat().into_iter().map(T::from_f64).collect()
}

#[track_caller]
fn close<T: Scalar>(what: &str, actual: &[T], expected: &[T], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        // The reference marks the padding as NaN; the stack must have written 0 there.
        let e = if e.is_nan() { 0.0 } else { e.widen() };
        let error = (a.widen() - e).abs();
        assert!(error <= tolerance * (1.0 + e.abs()), "{what}[{i}]: {a} instead of {e}");
    }
}

struct Case {
    net: Net,
    lengths: Vec<usize>,
    form: Form,
    with_hx: bool,
    upstream: [bool; 2],
    seed: u64,
}

fn check<T: Scalar>(case: &Case, tolerance: f64) {
    let Case { net, lengths, form, with_hx, upstream, seed } = case;
    let (net, form) = (*net, *form);
    let mut numbers = Numbers(*seed);
    let (batch, steps) = (lengths.len(), lengths.iter().copied().max().unwrap_or(3));
    let groups = net.layers * net.directions;
    let stack = net.stack::<T>();
    let scale = 1.0 / (net.h as f64).sqrt();
    let p: Vec<Vec<f64>> = stack
        .parameters::<T>()
        .iter()
        .map(|(_, shape)| {
            (0..shape.rows * shape.columns).map(|_| f64::from((numbers.next() * scale) as f32)).collect()
        })
        .collect();
    let width = net.directions * net.h;
    let x: Vec<Rows> = lengths.iter().map(|&len| numbers.rows(len, net.i)).collect();
    let mut dy: Vec<Rows> = lengths.iter().map(|&len| numbers.rows(len, width)).collect();
    let mut hx: Vec<Rows> = (0..groups).map(|_| numbers.rows(batch, net.h)).collect();
    let mut dh_n: Vec<Rows> = (0..groups).map(|_| numbers.rows(batch, net.h)).collect();
    let clear = |rows: &mut Vec<Rows>| rows.iter_mut().flatten().flatten().for_each(|v| *v = 0.0);
    if !with_hx {
        clear(&mut hx);
    }
    if !upstream[0] {
        clear(&mut dy);
    }
    if !upstream[1] {
        clear(&mut dh_n);
    }
    let expected = reference(net, &p, &x, &hx, &dy, &dh_n);

    let mut order: Vec<usize> = (0..batch).collect();
    order.sort_by_key(|&b| std::cmp::Reverse(lengths[b]));
    let as_i32 = |values: &[usize]| values.iter().map(|&v| i32::try_from(v).unwrap()).collect::<Vec<_>>();
    let layout = match form {
        Form::Packed => {
            let sizes: Vec<usize> =
                (0..steps).map(|t| lengths.iter().filter(|&&len| len > t).count()).collect();
            let sizes = if batch == 0 { Vec::new() } else { sizes };
            Layout::packed(&as_i32(&sizes), Some(&as_i32(&order))).unwrap()
        }
        form => {
            let uniform = lengths.iter().all(|&len| len == steps);
            let lengths = as_i32(lengths);
            let lengths = (!uniform || seed % 2 == 0).then_some(&lengths[..]);
            Layout::padded(steps, batch, matches!(form, Form::BatchFirst), lengths).unwrap()
        }
    };
    let parameters: Vec<Vec<T>> = p.iter().map(|p| p.iter().map(|&v| T::from_f64(v)).collect()).collect();
    let parameters: Vec<&[T]> = parameters.iter().map(|p| &p[..]).collect();
    let (input, states) = (lay::<T>(form, steps, net.i, &x), flat::<T>(&hx));
    let (doutput, dstates_n) = (lay::<T>(form, steps, width, &dy), flat::<T>(&dh_n));
    let states = [with_hx.then_some(&states[..])];
    let mut first: Option<(bool, Vec<Vec<T>>)> = None;
    for isa in Isa::testable() {
        for threads in [1, 2, 3] {
            let ctx = Context::new(isa, threads);
            let what = format!("{} with {threads} threads, {net:?}, {lengths:?}, {form:?}", isa.name());
            let nan = |len: usize| vec![T::nan(); len];
            let mut output = unwritten(&layout, width);
            let mut h_n = nan(groups * batch * net.h);
            let mut saved = nan(stack.saved_len::<T>(&layout).unwrap());
            for keep in [false, true] {
                output = unwritten(&layout, width);
                h_n.fill(T::nan());
                let call = Forward {
                    layout: &layout,
                    parameters: &parameters,
                    input: &input,
                    states: &states,
                    dropout: Dropout::default(),
                    output: &mut output,
                    states_n: List::from_iter([&mut h_n[..]]),
                    saved: keep.then_some(&mut saved[..]),
                };
                stack.forward(&ctx, call).unwrap();
                close(
                    &format!("output, {what}"),
                    &output,
                    &lay(form, steps, width, &expected.output),
                    tolerance,
                );
                close(&format!("h_n, {what}"), &h_n, &flat(&expected.h_n), tolerance);
            }
            let mut dinput = unwritten(&layout, net.i);
            let mut dhx = nan(h_n.len());
            let mut dparameters: Vec<Vec<T>> = parameters.iter().map(|p| nan(p.len())).collect();
            let backward = Backward {
                layout: &layout,
                parameters: &parameters,
                input: &input,
                states: &states,
                dropout: Dropout::default(),
                output: &output,
                saved: &saved,
                doutput: upstream[0].then_some(&doutput[..]),
                dstates_n: &[upstream[1].then_some(&dstates_n[..])],
            };
            let gradients = Gradients {
                dinput: Some(&mut dinput),
                dstates: List::from_iter([Some(&mut dhx[..])]),
                dparameters: Some(dparameters.iter_mut().map(|d| &mut d[..]).collect()),
            };
            stack.backward(&ctx, &backward, gradients).unwrap();
            let tolerance = 4.0 * tolerance;
            close(&format!("dinput, {what}"), &dinput, &lay(form, steps, net.i, &expected.dinput), tolerance);
            close(&format!("dhx, {what}"), &dhx, &flat(&expected.dhx), tolerance);
            for ((actual, expected), (name, _)) in
                dparameters.iter().zip(&expected.dparameters).zip(stack.parameters::<T>())
            {
                let expected: Vec<T> = expected.iter().map(|&v| T::from_f64(v)).collect();
                close(&format!("d{name}, {what}"), actual, &expected, tolerance);
            }
            if net.directions == 1 {
                let plain =
                    [vec![output.clone(), h_n.clone(), dinput.clone(), dhx.clone()], dparameters.clone()];
                for every in [1, 2, 3, steps, steps + 1, usize::MAX].map(|n| NonZeroUsize::new(n).unwrap()) {
                    let mut all = plain.concat();
                    all.iter_mut().for_each(|array| array.fill(T::nan()));
                    let [output, h_n, dinput, dhx, dparameters @ ..] = &mut all[..] else { unreachable!() };
                    (*output, *dinput) = (unwritten(&layout, width), unwritten(&layout, net.i));
                    let mut kept = nan(stack.checkpoints_len::<T>(&layout, every).unwrap());
                    let call = Forward {
                        layout: &layout,
                        parameters: &parameters,
                        input: &input,
                        states: &states,
                        dropout: Dropout::default(),
                        output,
                        states_n: List::from_iter([&mut h_n[..]]),
                        saved: Some(&mut kept),
                    };
                    stack.forward_checkpointed(&ctx, every, call).unwrap();
                    let call = Backward { output, saved: &kept, ..backward };
                    let gradients = Gradients {
                        dinput: Some(dinput),
                        dstates: List::from_iter([Some(&mut dhx[..])]),
                        dparameters: Some(dparameters.iter_mut().map(|d| &mut d[..]).collect()),
                    };
                    stack.backward_checkpointed(&ctx, every, &call, gradients).unwrap();
                    assert_eq!(all, plain.concat(), "segments of {every}, {what}");
                }
            }
            // Any number of threads and, with fused multiply-adds, any width of vectors: the same bits.
            let fused = isa.name().starts_with("avx") || cfg!(target_arch = "aarch64");
            let all = [vec![output, h_n, dinput, dhx], dparameters].concat();
            match &first {
                Some((f, first)) if *f == fused => assert_eq!(first, &all, "{what}"),
                _ => first = Some((fused, all)),
            }
        }
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let net = (1usize..6, 1usize..20, 1usize..4, 1usize..3, any::<bool>(), any::<bool>())
        .prop_map(|(i, h, layers, directions, bias, relu)| Net { i, h, layers, directions, bias, relu });
    let form = prop_oneof![Just(Form::TimeFirst), Just(Form::BatchFirst), Just(Form::Packed)];
    let lengths = prop_oneof![
        prop::collection::vec(1usize..7, 0..10),
        (1usize..7, 0usize..10).prop_map(|(steps, batch)| vec![steps; batch]),
    ];
    let upstream = prop_oneof![Just([true, true]), Just([true, false]), Just([false, true])];
    (net, lengths, form, any::<bool>(), upstream, any::<u32>()).prop_map(
        |(net, lengths, form, with_hx, upstream, seed)| Case {
            net,
            lengths,
            form,
            with_hx,
            upstream,
            seed: seed.into(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn agrees_with_the_reference(case in any_case()) {
        // Sums of up to 60 rows and 20 products, through up to 18 steps and layers.
        check::<f64>(&case, 1e-12);
        check::<f32>(&case, 2e-4);
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { net, lengths, form, with_hx, upstream, seed } = self;
        write!(f, "{net:?} {lengths:?} {form:?} hx {with_hx} upstream {upstream:?} seed {seed}")
    }
}

#[test]
fn sizes_that_use_a_team() {
    let net = Net { i: 40, h: 96, layers: 2, directions: 2, bias: true, relu: false };
    for (lengths, form) in
        [(vec![6; 20], Form::TimeFirst), ((1..20).collect(), Form::BatchFirst), (vec![30, 3], Form::Packed)]
    {
        let case = Case { net, lengths, form, with_hx: true, upstream: [true, true], seed: 7 };
        check::<f64>(&case, 1e-12);
        check::<f32>(&case, 2e-4);
    }
}

/// Rows of a multiple of 4 KB, which are read and made elsewhere.
#[test]
fn sizes_whose_rows_would_crowd_each_other() {
    let net = |h| Net { i: 3, h, layers: 1, directions: 2, bias: true, relu: false };
    let case = |h| Case {
        net: net(h),
        lengths: vec![3, 1, 2, 2, 3, 1, 2],
        form: Form::Packed,
        with_hx: true,
        upstream: [true, true],
        seed: 3,
    };
    check::<f64>(&case(512), 1e-12);
    check::<f32>(&case(1024), 2e-4);
}
