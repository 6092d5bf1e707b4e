//! The reference: the equations as they stand, one sequence, one step and one element at a time, in float64.
//! And the tests that hold the stack against it.

use elman_kernels::{Context, Isa, Scalar};
use proptest::prelude::*;

use crate::{Backward, Dropout, Elman, Error, Forward, Gradients, Layout, Nonlinearity, Stack};

/// A network's shape.
#[derive(Clone, Copy, Debug)]
struct Net {
    i: usize,
    h: usize,
    layers: usize,
    directions: usize,
    bias: bool,
    relu: bool,
}

impl Net {
    fn stack<T: Scalar>(&self) -> Stack<Elman> {
        let nonlinearity = if self.relu { Nonlinearity::Relu } else { Nonlinearity::Tanh };
        let cell = Elman { hidden_size: self.h, nonlinearity, bias: self.bias };
        Stack::new::<T>(cell, self.i, self.layers, self.directions == 2).unwrap()
    }

    fn each(&self) -> usize {
        if self.bias { 4 } else { 2 }
    }
}

type Rows = Vec<Vec<f64>>;

/// Outputs, final states [l·D + d][b] and all of a sequence batch's gradients.
struct Expected {
    output: Vec<Rows>,
    h_n: Vec<Rows>,
    dinput: Vec<Rows>,
    dhx: Vec<Rows>,
    dparameters: Vec<Vec<f64>>,
}

/// x[b][t] of each sequence at its own length; hx, dh_n: [l·D + d][b]; dy[b][t].
fn reference(net: Net, p: &[Vec<f64>], x: &[Rows], hx: &[Rows], dy: &[Rows], dh_n: &[Rows]) -> Expected {
    let (h, dirs) = (net.h, net.directions);
    let zeros = |rows: &[Rows]| rows.iter().map(|s| s.iter().map(|r| vec![0.0; r.len()]).collect()).collect();
    let mut expected = Expected {
        output: Vec::new(),
        h_n: zeros(hx),
        dinput: zeros(x),
        dhx: zeros(hx),
        dparameters: p.iter().map(|p| vec![0.0; p.len()]).collect(),
    };
    for (b, x_0) in x.iter().enumerate() {
        let len = x_0.len();
        // inputs[l][t], outputs of layer l are inputs[l + 1].
        let mut inputs = vec![x_0.clone()];
        let order =
            |d: usize| -> Vec<usize> { if d == 0 { (0..len).collect() } else { (0..len).rev().collect() } };
        for l in 0..net.layers {
            let mut y = vec![vec![0.0; dirs * h]; len];
            for d in 0..dirs {
                let g = l * dirs + d;
                let w = &p[g * net.each()..];
                let mut state = hx[g][b].clone();
                for t in order(d) {
                    let x = &inputs[l][t];
                    let next: Vec<f64> = (0..h)
                        .map(|j| {
                            let mut z: f64 = (0..x.len()).map(|k| w[0][j * x.len() + k] * x[k]).sum();
                            z += (0..h).map(|k| w[1][j * h + k] * state[k]).sum::<f64>();
                            if net.bias {
                                z += w[2][j] + w[3][j];
                            }
                            if net.relu { z.max(0.0) } else { z.tanh() }
                        })
                        .collect();
                    y[t][d * h..][..h].copy_from_slice(&next);
                    state = next;
                }
                expected.h_n[g][b] = state;
            }
            inputs.push(y);
        }
        expected.output.push(inputs[net.layers].clone());

        let mut dy = dy[b].clone();
        for l in (0..net.layers).rev() {
            let mut dx = vec![vec![0.0; inputs[l][0].len()]; len];
            for d in 0..dirs {
                let g = l * dirs + d;
                let w = &p[g * net.each()..];
                let dw = &mut expected.dparameters[g * net.each()..];
                let mut dh = dh_n[g][b].clone();
                let order = order(d);
                for (i, &t) in order.iter().enumerate().rev() {
                    let y = &inputs[l + 1][t][d * h..][..h];
                    let before: &[f64] =
                        if i == 0 { &hx[g][b] } else { &inputs[l + 1][order[i - 1]][d * h..][..h] };
                    let dz: Vec<f64> = (0..h)
                        .map(|j| {
                            let slope = match net.relu {
                                true => f64::from(y[j] > 0.0),
                                false => 1.0 - y[j] * y[j],
                            };
                            (dh[j] + dy[t][d * h + j]) * slope
                        })
                        .collect();
                    let x = &inputs[l][t];
                    dh = vec![0.0; h];
                    for j in 0..h {
                        for k in 0..x.len() {
                            dw[0][j * x.len() + k] += dz[j] * x[k];
                            dx[t][k] += dz[j] * w[0][j * x.len() + k];
                        }
                        for k in 0..h {
                            dw[1][j * h + k] += dz[j] * before[k];
                            dh[k] += dz[j] * w[1][j * h + k];
                        }
                        if net.bias {
                            dw[2][j] += dz[j];
                            dw[3][j] += dz[j];
                        }
                    }
                }
                expected.dhx[g][b] = dh;
            }
            dy = dx;
        }
        expected.dinput[b] = dy;
    }
    expected
}

/// Numbers in (-1, 1) from a 64-bit mix of a counter.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64;
        // What float32 can hold, so that both dtypes start from the same numbers.
        f64::from((2.0 * unit - 1.0) as f32)
    }

    fn rows(&mut self, rows: usize, columns: usize) -> Rows {
        (0..rows).map(|_| (0..columns).map(|_| self.next()).collect()).collect()
    }
}

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
            let mut output = nan(doutput.len());
            let mut h_n = nan(groups * batch * net.h);
            let mut saved = nan(stack.saved_len::<T>(&layout).unwrap());
            for keep in [false, true] {
                output.fill(T::nan());
                h_n.fill(T::nan());
                let call = Forward {
                    layout: &layout,
                    parameters: &parameters,
                    input: &input,
                    states: &states,
                    dropout: Dropout::default(),
                    output: &mut output,
                    states_n: vec![&mut h_n],
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
            let mut dinput = nan(input.len());
            let mut dhx = nan(h_n.len());
            let mut dparameters: Vec<Vec<T>> = parameters.iter().map(|p| nan(p.len())).collect();
            let call = Backward {
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
                dstates: vec![Some(&mut dhx)],
                dparameters: Some(dparameters.iter_mut().map(|d| &mut d[..]).collect()),
            };
            stack.backward(&ctx, &call, gradients).unwrap();
            let tolerance = 4.0 * tolerance;
            close(&format!("dinput, {what}"), &dinput, &lay(form, steps, net.i, &expected.dinput), tolerance);
            close(&format!("dhx, {what}"), &dhx, &flat(&expected.dhx), tolerance);
            for ((actual, expected), (name, _)) in
                dparameters.iter().zip(&expected.dparameters).zip(stack.parameters::<T>())
            {
                let expected: Vec<T> = expected.iter().map(|&v| T::from_f64(v)).collect();
                close(&format!("d{name}, {what}"), actual, &expected, tolerance);
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
        states_n: vec![&mut h_n],
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
        dstates: vec![None],
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
            states_n: vec![&mut h_n],
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
