//! Recurrences with one product a step, as those of an Elman layer.

use ndarray::{Array2, s};
use proptest::prelude::*;

use super::run;
use crate::testing::{assert_close, contexts, random};
use crate::{
    Activation, Context, Epilogue, InitialC, Isa, Order, Packed, Projection, Recurrence, Scalar, Start,
    Steps, gemm,
};

/// The recurrence as its definition says, in float64, one sequence at a time.
fn naive(
    steps: &Steps,
    order: Order,
    w: &Array2<f64>,
    state: Option<&Array2<f64>>,
    base: &Array2<f64>,
    f: impl Fn(f64, f64) -> f64,
    h: &Array2<f64>,
) -> Array2<f64> {
    let width = w.nrows();
    let mut y = Array2::from_elem((steps.rows(), width), f64::NAN);
    for b in 0..steps.batch() {
        let mut previous: Option<Vec<f64>> = state.map(|s| s.row(b).to_vec());
        for i in 0..steps.length(b) {
            let t = if order == Order::Ascending { i } else { steps.length(b) - 1 - i };
            let row = steps.offset(t) + b;
            let next: Vec<f64> = (0..width)
                .map(|j| {
                    let product: f64 =
                        previous.iter().flat_map(|p| (0..width).map(|k| p[k] * w[[k, j]])).sum();
                    f(base[[row, j]] + product, h[[row, j]])
                })
                .collect();
            for (j, value) in next.iter().enumerate() {
                y[[row, j]] = *value;
            }
            previous = Some(next);
        }
    }
    y
}

fn check<T: Scalar>(lengths: &[usize], width: usize, seed: u64) {
    let longest = lengths.iter().max().copied().unwrap_or(0);
    let steps = Steps::new((0..longest).map(|t| lengths.iter().filter(|&&l| l > t).count())).unwrap();
    let shape = (steps.rows(), width);
    let small = T::from_f64(1.0 / width.max(1) as f64);
    let w = random::<T>((width, width), seed).mapv(|v| v * small);
    let state = random::<T>((steps.batch(), width), seed + 1);
    let base = random::<T>(shape, seed + 2);
    let h = random::<T>(shape, seed + 3);
    let wide = |m: &Array2<T>| m.mapv(T::widen);
    for order in [Order::Ascending, Order::Descending] {
        for case in 0..4 {
            let start = if case % 2 == 0 { Start::State(state.view()) } else { Start::Prepared };
            let expected = {
                let state = wide(&state);
                let state = (case % 2 == 0).then_some(&state);
                let f = |x: f64, h: f64| match case {
                    0 => x.tanh(),
                    1 => x * (1.0 - h * h),
                    2 => x.max(0.0),
                    _ => {
                        if h > 0.0 {
                            x
                        } else {
                            0.0
                        }
                    }
                };
                naive(&steps, order, &wide(&w), state, &wide(&base), f, &wide(&h))
            };
            let mut bits: Option<(bool, Array2<T>)> = None;
            for ctx in contexts() {
                let packed = Packed::new(&ctx, w.view()).unwrap();
                // The initial C in place, and apart from an output that holds it only where sequences begin.
                for in_place in [true, false] {
                    let mut y = Array2::from_elem((steps.rows(), width + 3), T::nan());
                    y.slice_mut(s![.., 1..=width]).assign(&base);
                    if !in_place {
                        for b in 0..steps.batch() {
                            for t in 0..steps.length(b) {
                                let begins =
                                    if order == Order::Ascending { t == 0 } else { t + 1 == steps.length(b) };
                                if !(begins && matches!(start, Start::Prepared)) {
                                    y.slice_mut(s![steps.offset(t) + b, ..]).fill(T::nan());
                                }
                            }
                        }
                    }
                    let epilogue = match case {
                        0 => Epilogue::Activation(Activation::Tanh),
                        1 => Epilogue::Derivative(Activation::Tanh, h.view().into()),
                        2 => Epilogue::Activation(Activation::Relu),
                        _ => Epilogue::Derivative(Activation::Relu, h.view().into()),
                    };
                    let initial =
                        if in_place { InitialC::InPlace } else { InitialC::Matrix(base.view().into()) };
                    let terms = Recurrence { steps: &steps, order, start };
                    run(&ctx, &terms, &packed, (initial, None), epilogue, y.slice_mut(s![.., 1..=width]));
                    let y = y.slice(s![.., 1..=width]).to_owned();
                    let terms = (width + 3) * 4;
                    assert_close(y.view(), expected.view(), terms, &format!("{ctx:?} {order:?} case {case}"));
                    // The same instruction set, or any two with fused multiply-adds: the same bits.
                    let fused = ctx.isa().name().starts_with("avx") || cfg!(target_arch = "aarch64");
                    match &bits {
                        Some((f, first)) if *f == fused => assert_eq!(first, &y, "{ctx:?}"),
                        _ => bits = Some((fused, y)),
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn agrees_with_the_naive_recurrence(
        mut lengths in prop::collection::vec(1usize..6, 0..14), width in 1usize..50, seed: u32,
    ) {
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        check::<f32>(&lengths, width, u64::from(seed));
        check::<f64>(&lengths, width, u64::from(seed));
    }
}

/// A projection, and the same product computed before.
fn check_projection<T: Scalar>(lengths: &[usize], k: usize, width: usize, seed: u64) {
    let steps = Steps::new((0..lengths[0]).map(|t| lengths.iter().filter(|&&l| l > t).count())).unwrap();
    let x = random::<T>((steps.rows(), k + 2), seed);
    let x = x.slice(s![.., 1..=k]);
    let [w, w_x] = [width, k].map(|rows| random::<T>((rows, width), seed + rows as u64));
    let (state, bias) = (random::<T>((steps.batch(), width), 1), random::<T>((1, width), 2));
    for ctx in contexts() {
        let packed = Packed::new(&ctx, w.view()).unwrap();
        let weights = Packed::new(&ctx, w_x.view()).unwrap();
        for order in [Order::Ascending, Order::Descending] {
            for bias in [None, bias.as_slice()] {
                let mut before = Array2::from_elem((steps.rows(), width), T::nan());
                let initial = bias.map_or(InitialC::Zero, InitialC::Row);
                gemm(&ctx, x, &weights, initial, before.view_mut());
                let mut projected = Array2::from_elem(before.dim(), T::nan());
                let terms = Recurrence { steps: &steps, order, start: Start::State(state.view()) };
                let tanh = Epilogue::Activation(Activation::Tanh);
                run(&ctx, &terms, &packed, (InitialC::InPlace, None), tanh, before.view_mut());
                let projection = Projection { x: x.into(), weights: &weights };
                run(&ctx, &terms, &packed, (initial, Some(projection)), tanh, projected.view_mut());
                assert_eq!(projected, before, "{ctx:?} {order:?}");
            }
        }
    }
}

#[test]
fn a_projection_has_the_bits_of_a_product_before() {
    // 1022 columns of 1024: rows 4 KB apart, which are copied
    for (k, width) in [(0, 5), (1, 130), (7, 33), (16, 200), (1022, 70)] {
        check_projection::<f32>(&[5, 4, 4, 4, 3, 1, 1], k, width, 1);
        check_projection::<f64>(&[4; 17], k, width, 2); // shares out the batch
        check_projection::<f32>(&[30, 2], k, 8 * width, 3); // shares out the columns
    }
}

#[test]
fn sizes_that_use_a_team() {
    check::<f32>(&[3; 40], 130, 1); // shares out the batch
    check::<f32>(&[40, 3, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1], 200, 2); // of very unequal lengths
    check::<f64>(&[4, 4], 400, 3); // shares out the columns
    check::<f32>(&[40], 130, 4); // does so with little work, for the sake of the caches
    check::<f32>(&[9], 220, 5); // of one sequence: groups of panels in serpentine order, the last of them smaller
    check::<f64>(&[9], 110, 6);
}

#[test]
fn a_cancelled_recurrence_ends() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    for (t, b, h) in [(2000, 1, 512), (2000, 16, 128)] {
        let steps = Steps::uniform(t, b).unwrap();
        for threads in [1, 2, 3] {
            let flag = Arc::new(AtomicBool::new(false));
            let ctx = Context::new(Isa::detect(), threads).cancellable(Arc::clone(&flag));
            let w = random::<f32>((h, h), 1).mapv(|v| v / h as f32);
            let packed = Packed::new(&ctx, w.view()).unwrap();
            let state = Array2::zeros((b, h));
            let runs_to_its_end = || {
                let mut y = random::<f32>((t * b, h), 2);
                let last = y.clone();
                let start = Start::State(state.view());
                let terms = Recurrence { steps: &steps, order: Order::Ascending, start };
                let epilogue = Epilogue::Activation(Activation::Tanh);
                run(&ctx, &terms, &packed, (InitialC::InPlace, None), epilogue, y.view_mut());
                y.row(t * b - 1) != last.row(t * b - 1)
            };
            assert!(runs_to_its_end());
            std::thread::scope(|scope| {
                scope.spawn(|| flag.store(true, Ordering::Relaxed));
                runs_to_its_end(); // or to any other step
            });
            assert!(!runs_to_its_end());
        }
    }
}

/// Rows that are a multiple of 4 KB apart are read from a copy of the last step.
#[test]
fn rows_that_alias_give_the_same_bits() {
    let w = random::<f32>((400, 400), 1).mapv(|v| v / 400.0);
    for lengths in [vec![6; 9], vec![5, 5, 5, 3, 3, 3, 1]] {
        let steps = Steps::new((0..lengths[0]).map(|t| lengths.iter().filter(|&&l| l > t).count())).unwrap();
        let state = random::<f32>((steps.batch(), 400), 2);
        let base = random::<f32>((steps.rows(), 400), 3);
        for ctx in contexts() {
            let packed = Packed::new(&ctx, w.view()).unwrap();
            for order in [Order::Ascending, Order::Descending] {
                let of_columns = |columns: usize| {
                    let mut y = Array2::from_elem((steps.rows(), columns), f32::NAN);
                    let terms = Recurrence { steps: &steps, order, start: Start::State(state.view()) };
                    let initial = InitialC::Matrix(base.view().into());
                    let epilogue = Epilogue::Activation(Activation::Tanh);
                    run(&ctx, &terms, &packed, (initial, None), epilogue, y.slice_mut(s![.., ..400]));
                    y.slice(s![.., ..400]).to_owned()
                };
                assert_eq!(of_columns(1024), of_columns(401), "{ctx:?} {order:?}");
            }
        }
    }
}
