//! The Jordan network agrees with its equations: with its own outputs fed back and with a teacher's, every layout,
//! instruction set and number of threads; and the gradients are those of finite differences.

use elman_kernels::{Context, Isa, Scalar};
use proptest::prelude::*;

use super::{Numbers, Rows, unwritten};
use crate::jordan::{Jordan, OutputNonlinearity, TaughtBackward, TaughtForward, TaughtGradients};
use crate::{Backward, Dropout, Forward, Gradients, Layout, List, Nonlinearity, Stack};

/// Everything that a call reads, in float64: x, teacher, dy by [b][t]; `y_0`, `dy_n` by [b].
#[derive(Clone, Debug)]
struct Call {
    cell: Jordan,
    i: usize,
    p: Vec<Vec<f64>>,
    x: Vec<Rows>,
    y_0: Rows,
    teacher: Option<Vec<Rows>>,
    dy: Vec<Rows>,
    dy_n: Rows,
}

/// What a call makes, shaped as what it reads.
#[derive(Clone, Debug, PartialEq)]
struct Result {
    y: Vec<Rows>,
    y_n: Rows,
    dx: Vec<Rows>,
    dy_0: Rows,
    dteacher: Vec<Rows>,
    dp: Vec<Vec<f64>>,
}

/// (rows, columns) W · v.
fn times(w: &[f64], v: &[f64]) -> Vec<f64> {
    w.chunks(v.len()).map(|row| row.iter().zip(v).map(|(w, v)| w * v).sum()).collect()
}

/// dW += d vᵀ, dv += Wᵀ d.
fn back(w: &[f64], v: &[f64], d: &[f64], dw: &mut [f64], dv: &mut [f64]) {
    for (j, d) in d.iter().enumerate() {
        for k in 0..v.len() {
            dw[j * v.len() + k] += d * v[k];
            dv[k] += d * w[j * v.len() + k];
        }
    }
}

impl Call {
    fn bias(&self, n: usize, j: usize) -> f64 {
        self.p.get(3 + n).map_or(0.0, |b| b[j])
    }

    /// h and y of one step.
    fn step(&self, x: &[f64], fed: &[f64]) -> [Vec<f64>; 2] {
        let (from_x, from_y) = (times(&self.p[0], x), times(&self.p[1], fed));
        let h: Vec<f64> = (0..self.cell.hidden_size)
            .map(|j| {
                let z = from_x[j] + self.bias(0, j) + from_y[j] + self.bias(1, j);
                if self.cell.nonlinearity == Nonlinearity::Relu { z.max(0.0) } else { z.tanh() }
            })
            .collect();
        let y = times(&self.p[2], &h).into_iter().enumerate().map(|(j, v)| {
            let v = v + self.bias(2, j);
            match self.cell.output_nonlinearity {
                OutputNonlinearity::Identity => v,
                OutputNonlinearity::Tanh => v.tanh(),
                OutputNonlinearity::Sigmoid => 1.0 / (1.0 + (-v).exp()),
            }
        });
        let y = y.collect();
        [h, y]
    }

    /// What goes into step t of sequence b, of which `y` are the outputs before.
    fn fed<'a>(&'a self, b: usize, t: usize, y: &'a Rows) -> &'a [f64] {
        match (t.checked_sub(1), &self.teacher) {
            (None, _) => &self.y_0[b],
            (Some(before), None) => &y[before],
            (Some(before), Some(teacher)) => &teacher[b][before],
        }
    }

    fn reference(&self) -> Result {
        let zeros = |of: &Rows| -> Rows { of.iter().map(|row| vec![0.0; row.len()]).collect() };
        let mut made = Result {
            y: Vec::new(),
            y_n: Vec::new(),
            dx: self.x.iter().map(zeros).collect(),
            dy_0: zeros(&self.y_0),
            dteacher: self.dy.iter().map(zeros).collect(),
            dp: zeros(&self.p),
        };
        for (b, x) in self.x.iter().enumerate() {
            let (mut h, mut y): (Rows, Rows) = (Vec::new(), Vec::new());
            for (t, x) in x.iter().enumerate() {
                let [h_t, y_t] = self.step(x, self.fed(b, t, &y));
                h.push(h_t);
                y.push(y_t);
            }
            let mut carried = self.dy_n[b].clone();
            for t in (0..x.len()).rev() {
                let dv: Vec<f64> = (0..self.cell.output_size)
                    .map(|j| {
                        let slope = match self.cell.output_nonlinearity {
                            OutputNonlinearity::Identity => 1.0,
                            OutputNonlinearity::Tanh => 1.0 - y[t][j] * y[t][j],
                            OutputNonlinearity::Sigmoid => y[t][j] * (1.0 - y[t][j]),
                        };
                        (self.dy[b][t][j] + carried[j]) * slope
                    })
                    .collect();
                let mut dh = vec![0.0; h[t].len()];
                back(&self.p[2], &h[t], &dv, &mut made.dp[2], &mut dh);
                let dz: Vec<f64> = (0..dh.len())
                    .map(|j| match self.cell.nonlinearity {
                        Nonlinearity::Relu => dh[j] * f64::from(h[t][j] > 0.0),
                        Nonlinearity::Tanh => dh[j] * (1.0 - h[t][j] * h[t][j]),
                    })
                    .collect();
                back(&self.p[0], &x[t], &dz, &mut made.dp[0], &mut made.dx[b][t]);
                let mut dfed = vec![0.0; self.cell.output_size];
                back(&self.p[1], self.fed(b, t, &y), &dz, &mut made.dp[1], &mut dfed);
                for (n, d) in [&dz, &dz, &dv].into_iter().enumerate() {
                    if let Some(db) = made.dp.get_mut(3 + n) {
                        db.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
                    }
                }
                carried = vec![0.0; self.cell.output_size];
                match (t.checked_sub(1), &self.teacher) {
                    (None, _) => made.dy_0[b] = dfed,
                    (Some(_), None) => carried = dfed,
                    (Some(before), Some(_)) => made.dteacher[b][before] = dfed,
                }
            }
            made.y_n.push(y[y.len() - 1].clone());
            made.y.push(y);
        }
        made
    }
}

fn any_call() -> impl Strategy<Value = (Call, bool)> {
    let sizes = (1usize..6, 1usize..20, 1usize..8);
    let lengths = prop_oneof![
        prop::collection::vec(1usize..7, 0..10),
        (1usize..7, 0usize..10).prop_map(|(steps, batch)| vec![steps; batch]),
    ];
    (sizes, lengths, 0usize..3, any::<[bool; 4]>(), any::<u32>())
        .prop_map(|(sizes, lengths, g, flags, seed)| (call(sizes, &lengths, g, flags, seed), seed % 2 == 0))
}

fn call(
    (i, hidden_size, output_size): (usize, usize, usize),
    lengths: &[usize],
    g: usize,
    [relu, bias, taught, last_only]: [bool; 4],
    seed: u32,
) -> Call {
    use OutputNonlinearity::{Identity, Sigmoid, Tanh};
    let mut numbers = Numbers(seed.into());
    let cell = Jordan {
        hidden_size,
        output_size,
        nonlinearity: if relu { Nonlinearity::Relu } else { Nonlinearity::Tanh },
        output_nonlinearity: [Identity, Tanh, Sigmoid][g],
        bias,
    };
    let scale = 1.0 / (hidden_size.max(output_size) as f64).sqrt();
    let shapes = cell.network::<f64>(i).unwrap().parameters::<f64>();
    let p = shapes
        .iter()
        .map(|(_, s)| (0..s.rows * s.columns).map(|_| f64::from((numbers.next() * scale) as f32)).collect())
        .collect();
    let mut each = |columns| -> Vec<Rows> { lengths.iter().map(|&len| numbers.rows(len, columns)).collect() };
    let (x, teacher, mut dy) = (each(i), each(output_size), each(output_size));
    if last_only {
        dy.iter_mut().flatten().flatten().for_each(|v| *v = 0.0);
    }
    let y_0 = numbers.rows(lengths.len(), output_size);
    let dy_n = numbers.rows(lengths.len(), output_size);
    Call { cell, i, p, x, y_0, teacher: taught.then_some(teacher), dy, dy_n }
}

/// Rows [b][t] as the caller lays them out, `fill` in the padding.
fn lay<T: Scalar>(batch_first: bool, steps: usize, columns: usize, rows: &[Rows], fill: f64) -> Vec<T> {
    let (batch, nothing) = (rows.len(), vec![fill; columns]);
    let place = |n: usize| if batch_first { (n / steps, n % steps) } else { (n % batch, n / batch) };
    (0..batch * steps)
        .map(place)
        .flat_map(|(b, t)| rows[b].get(t).unwrap_or(&nothing).clone())
        .map(T::from_f64)
        .collect()
}

fn flat<T: Scalar>(rows: &Rows) -> Vec<T> {
    rows.concat().into_iter().map(T::from_f64).collect()
}

fn check<T: Scalar>(call: &Call, batch_first: bool, tolerance: f64) {
    let (batch, size) = (call.x.len(), call.cell.output_size);
    let lengths: Vec<usize> = call.x.iter().map(Vec::len).collect();
    let steps = lengths.iter().copied().max().unwrap_or(3);
    let lay = |columns, rows: &[Rows], fill| lay::<T>(batch_first, steps, columns, rows, fill);
    let stack: Stack<Jordan> = call.cell.network::<T>(call.i).unwrap();
    let parameters: Vec<Vec<T>> =
        call.p.iter().map(|p| p.iter().map(|&v| T::from_f64(v)).collect()).collect();
    let parameters: Vec<&[T]> = parameters.iter().map(|p| &p[..]).collect();
    let (x, y_0) = (lay(call.i, &call.x, f64::NAN), flat::<T>(&call.y_0));
    let teacher = call.teacher.as_ref().map(|teacher| lay(size, teacher, f64::NAN));
    let (dy, dy_n) = (lay(size, &call.dy, f64::NAN), flat::<T>(&call.dy_n));
    let expected = call.reference();
    let expected: Vec<(&str, Vec<T>)> = vec![
        ("output", lay(size, &expected.y, 0.0)),
        ("y_n", flat(&expected.y_n)),
        ("dinput", lay(call.i, &expected.dx, 0.0)),
        ("dy_0", flat(&expected.dy_0)),
        ("dteacher", lay(size, &expected.dteacher, 0.0)),
    ];
    let expected_p: Vec<Vec<T>> =
        call.reference().dp.iter().map(|p| p.iter().map(|&v| T::from_f64(v)).collect()).collect();
    let as_i32: Vec<i32> = lengths.iter().map(|&len| i32::try_from(len).unwrap()).collect();
    let uniform = lengths.iter().all(|&len| len == steps);
    let layout = Layout::padded(steps, batch, batch_first, (!uniform).then_some(&as_i32[..])).unwrap();

    let mut first: Option<(bool, Vec<Vec<T>>)> = None;
    for isa in Isa::testable() {
        for threads in [1, 2, 3] {
            let ctx = Context::new(isa, threads);
            let what = format!("{} with {threads} threads, {:?}, {lengths:?}", isa.name(), call.cell);
            let nan = |len: usize| vec![T::nan(); len];
            let (mut output, mut y_n) = (unwritten(&layout, size), nan(dy_n.len()));
            let mut saved = nan(stack.saved_len::<T>(&layout).unwrap());
            for keep in [false, true] {
                output = unwritten(&layout, size);
                y_n.fill(T::nan());
                let saved = keep.then_some(&mut saved[..]);
                let done = match &teacher {
                    Some(teacher) => stack.forward_taught(
                        &ctx,
                        TaughtForward {
                            layout: &layout,
                            parameters: &parameters,
                            input: &x,
                            y_0: Some(&y_0),
                            teacher,
                            output: &mut output,
                            y_n: &mut y_n,
                            saved,
                        },
                    ),
                    None => stack.forward(
                        &ctx,
                        Forward {
                            layout: &layout,
                            parameters: &parameters,
                            input: &x,
                            states: &[Some(&y_0)],
                            dropout: Dropout::default(),
                            output: &mut output,
                            states_n: List::from_iter([&mut y_n[..]]),
                            saved,
                        },
                    ),
                };
                done.unwrap();
            }
            let (mut dx, mut dy_0) = (unwritten(&layout, call.i), nan(y_0.len()));
            let mut dteacher = unwritten(&layout, size);
            let mut dp: Vec<Vec<T>> = parameters.iter().map(|p| nan(p.len())).collect();
            let dparameters = Some(dp.iter_mut().map(|d| &mut d[..]).collect());
            let done = match &teacher {
                Some(teacher) => stack.backward_taught(
                    &ctx,
                    &TaughtBackward {
                        layout: &layout,
                        parameters: &parameters,
                        input: &x,
                        y_0: Some(&y_0),
                        teacher,
                        output: &output,
                        saved: &saved,
                        doutput: Some(&dy),
                        dy_n: Some(&dy_n),
                    },
                    TaughtGradients {
                        dinput: Some(&mut dx),
                        dy_0: Some(&mut dy_0),
                        dteacher: Some(&mut dteacher),
                        dparameters,
                    },
                ),
                None => {
                    dteacher.fill(T::zero());
                    stack.backward(
                        &ctx,
                        &Backward {
                            layout: &layout,
                            parameters: &parameters,
                            input: &x,
                            states: &[Some(&y_0)],
                            dropout: Dropout::default(),
                            output: &output,
                            saved: &saved,
                            doutput: Some(&dy),
                            dstates_n: &[Some(&dy_n)],
                        },
                        Gradients {
                            dinput: Some(&mut dx),
                            dstates: List::from_iter([Some(&mut dy_0[..])]),
                            dparameters,
                        },
                    )
                }
            };
            done.unwrap();
            let mut all = vec![output, y_n, dx, dy_0, dteacher];
            for (actual, (name, expected)) in all.iter().zip(&expected) {
                close(&format!("{name}, {what}"), actual, expected, 4.0 * tolerance);
            }
            for (n, (actual, expected)) in dp.iter().zip(&expected_p).enumerate() {
                close(&format!("parameter {n}, {what}"), actual, expected, 4.0 * tolerance);
            }
            all.append(&mut dp);
            let fused = isa.name().starts_with("avx") || cfg!(target_arch = "aarch64");
            match &first {
                Some((f, first)) if *f == fused => assert_eq!(first, &all, "{what}"),
                _ => first = Some((fused, all)),
            }
        }
    }
}

#[track_caller]
fn close<T: Scalar>(what: &str, actual: &[T], expected: &[T], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let error = (a.widen() - e.widen()).abs();
        assert!(error <= tolerance * (1.0 + e.widen().abs()), "{what}[{i}]: {a} instead of {e}");
    }
}

/// The loss of which `dy` and `dy_n` are the gradients.
fn loss(call: &Call) -> f64 {
    let made = call.reference();
    let dot = |a: &Rows, b: &Rows| -> f64 { a.concat().iter().zip(b.concat()).map(|(a, b)| a * b).sum() };
    made.y.iter().zip(&call.dy).map(|(y, dy)| dot(y, dy)).sum::<f64>() + dot(&made.y_n, &call.dy_n)
}

/// The derivative of the loss by one number of the call.
fn difference(call: &Call, place: impl Fn(&mut Call) -> &mut f64) -> f64 {
    let at = |delta: f64| {
        let mut moved = call.clone();
        *place(&mut moved) += delta;
        loss(&moved)
    };
    (at(1e-6) - at(-1e-6)) / 2e-6
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn agrees_with_the_equations((call, batch_first) in any_call()) {
        // Sums of up to 60 rows and 20 products, through up to 7 steps of two layers.
        check::<f64>(&call, batch_first, 1e-12);
        check::<f32>(&call, batch_first, 2e-4);
    }
}

#[test]
fn sizes_that_use_a_team() {
    for (lengths, taught) in
        [(vec![6; 20], false), ((1..20).collect(), true), (vec![30, 3], false), (vec![40; 9], true)]
    {
        let call = call((40, 96, 60), &lengths, 1, [false, true, taught, false], 7);
        check::<f64>(&call, taught, 1e-12);
        check::<f32>(&call, taught, 2e-4);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for (g, taught) in [(0, false), (1, true), (2, false), (2, true)] {
        let call = call((3, 5, 2), &[4, 1, 3], g, [false, true, taught, false], 3);
        let made = call.reference();
        let same = |what: &str, exact: f64, difference: f64| {
            assert!((exact - difference).abs() < 1e-8, "{what}: {exact} against {difference}");
        };
        for n in 0..call.p.len() {
            for j in 0..call.p[n].len() {
                same("parameter", made.dp[n][j], difference(&call, |call| &mut call.p[n][j]));
            }
        }
        for b in 0..3 {
            for j in 0..2 {
                same("y_0", made.dy_0[b][j], difference(&call, |call| &mut call.y_0[b][j]));
            }
            for t in 0..call.x[b].len() {
                for j in 0..3 {
                    same("x", made.dx[b][t][j], difference(&call, |call| &mut call.x[b][t][j]));
                }
                for j in 0..if taught { 2 } else { 0 } {
                    let moved = difference(&call, |call| &mut call.teacher.as_mut().unwrap()[b][t][j]);
                    same("teacher", made.dteacher[b][t][j], moved);
                }
            }
        }
    }
}

#[test]
fn a_teacher_of_its_own_outputs_changes_nothing_but_rounding() {
    let mut call = call((3, 7, 4), &[5, 2, 5], 2, [false, true, false, false], 11);
    let own = call.reference();
    call.teacher = Some(own.y.clone());
    let taught = call.reference();
    assert_eq!((taught.y, taught.y_n), (own.y, own.y_n));
    check::<f64>(&call, false, 1e-12);
}

#[test]
fn sizes_and_lengths_are_checked_before_anything_is_written() {
    let cell = call((1, 2, 3), &[1], 0, [false; 4], 0).cell;
    let error = |cell: Jordan| cell.network::<f32>(1).unwrap_err().to_string();
    assert_eq!(error(Jordan { hidden_size: 0, ..cell }), "hidden_size must be greater than zero");
    assert_eq!(error(Jordan { output_size: 0, ..cell }), "output_size must be greater than zero");
    let stack = cell.network::<f32>(1).unwrap();
    let layout = Layout::padded(2, 1, false, None).unwrap();
    let (w_ih, w_yh, w_hy) = ([0f32; 2], [0f32; 6], [0f32; 6]);
    let run = |parameters: &[&[f32]], teacher: &[f32], len: usize| {
        let (mut output, mut y_n) = (vec![7f32; len], vec![7f32; 3]);
        let call = TaughtForward {
            layout: &layout,
            parameters,
            input: &[1.0, 2.0],
            y_0: None,
            teacher,
            output: &mut output,
            y_n: &mut y_n,
            saved: None,
        };
        let ctx = Context::new(Isa::detect(), 1);
        let result = stack.forward_taught(&ctx, call);
        assert!(result.is_ok() || output.iter().chain(&y_n).all(|&v| v == 7.0));
        result.map_err(|error| error.to_string())
    };
    let all: [&[f32]; 3] = [&w_ih, &w_yh, &w_hy];
    assert_eq!(run(&all, &[0.0; 6], 6), Ok(()));
    assert_eq!(run(&all, &[0.0; 5], 6).unwrap_err(), "teacher must have 6 elements, got 5");
    assert_eq!(run(&all, &[0.0; 6], 5).unwrap_err(), "output must have 6 elements, got 5");
    assert_eq!(run(&all[..2], &[0.0; 6], 6).unwrap_err(), "expected 3 parameters, got 2");
}
