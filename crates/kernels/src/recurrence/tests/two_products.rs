//! Recurrences with two products a step, as those of a Jordan layer.

use ndarray::{Array2, s};
use proptest::prelude::*;

use crate::testing::{assert_close, contexts, random};
use crate::{
    Activation, Epilogue, InitialC, MappedRows, Order, Packed, Recurrence, Scalar, Start, StepProduct, Steps,
    recurrence,
};

type Function = fn(f64, f64) -> f64;

/// u and w as the definition says, in float64, one sequence at a time.
struct Naive<'a> {
    steps: &'a Steps,
    order: Order,
    weights: [&'a Array2<f64>; 2],
    state: Option<&'a Array2<f64>>,
    bases: [&'a Array2<f64>; 2],
    functions: [Function; 2],
    beside: [&'a Array2<f64>; 2],
}

impl Naive<'_> {
    fn run(&self) -> [Array2<f64>; 2] {
        let mut made = self.bases.map(|base| Array2::from_elem(base.dim(), f64::NAN));
        for b in 0..self.steps.batch() {
            let mut before = self.state.map(|state| state.row(b).to_vec());
            let length = self.steps.length(b);
            for i in 0..length {
                let t = if self.order == Order::Ascending { i } else { length - 1 - i };
                let row = self.steps.offset(t) + b;
                for (n, made) in made.iter_mut().enumerate() {
                    let next: Vec<f64> = (0..self.bases[n].ncols())
                        .map(|j| {
                            let terms = before.iter().flatten().enumerate();
                            let product: f64 = terms.map(|(k, a)| a * self.weights[n][[k, j]]).sum();
                            self.functions[n](self.bases[n][[row, j]] + product, self.beside[n][[row, j]])
                        })
                        .collect();
                    made.row_mut(row).assign(&ndarray::ArrayView1::from(&next));
                    before = Some(next);
                }
            }
        }
        made
    }
}

/// An epilogue that reads `h`, and its function.
fn epilogue<T: Scalar>(which: usize, h: &Array2<T>) -> (Epilogue<MappedRows<'_, T>>, Function) {
    let derivative = |f| Epilogue::Derivative(f, h.view().into());
    let all: [(Epilogue<MappedRows<'_, T>>, Function); 7] = [
        (Epilogue::Activation(Activation::Tanh), |x, _| x.tanh()),
        (Epilogue::None, |x, _| x),
        (Epilogue::Activation(Activation::Sigmoid), |x, _| 1.0 / (1.0 + (-x).exp())),
        (derivative(Activation::Sigmoid), |x, h| x * h * (1.0 - h)),
        (Epilogue::Activation(Activation::Relu), |x, _| x.max(0.0)),
        (derivative(Activation::Tanh), |x, h| x * (1.0 - h * h)),
        (derivative(Activation::Relu), |x, h| if h > 0.0 { x } else { 0.0 }),
    ];
    all[which % 7]
}

fn check<T: Scalar>(lengths: &[usize], f: usize, g: usize, seed: u64) {
    let longest = lengths.iter().max().copied().unwrap_or(0);
    let steps = Steps::new((0..longest).map(|t| lengths.iter().filter(|&&l| l > t).count())).unwrap();
    let rows = steps.rows();
    let small = |m: Array2<T>| {
        let scale = T::from_f64(1.0 / m.nrows().max(1) as f64);
        m.mapv(|v| v * scale)
    };
    let (w, v) = (small(random((g, f), seed)), small(random((f, g), seed + 1)));
    let state = random::<T>((steps.batch(), g), seed + 2);
    let bases = [random::<T>((rows, f), seed + 3), random((rows, g), seed + 4)];
    let bias = random::<T>((1, g), seed + 5);
    let beside = [random::<T>((rows, f), seed + 6), random((rows, g), seed + 7)];
    let wide = |m: &Array2<T>| m.mapv(T::widen);
    for case in 0..7 {
        let order = if case % 2 == 0 { Order::Ascending } else { Order::Descending };
        let with_state = case % 3 != 0;
        let (to_u, of_u) = epilogue(case, &beside[0]);
        let (to_w, of_w) = epilogue(case + 2, &beside[1]);
        let base_w =
            if case % 2 == 0 { bias.broadcast((rows, g)).unwrap().to_owned() } else { bases[1].clone() };
        let expected = Naive {
            steps: &steps,
            order,
            weights: [&wide(&w), &wide(&v)],
            state: with_state.then_some(&wide(&state)),
            bases: [&wide(&bases[0]), &wide(&base_w)],
            functions: [of_u, of_w],
            beside: [&wide(&beside[0]), &wide(&beside[1])],
        }
        .run();
        let mut bits: Option<(bool, [Array2<T>; 2])> = None;
        for ctx in contexts() {
            let (w, v) = (Packed::new(&ctx, w.view()).unwrap(), Packed::new(&ctx, v.view()).unwrap());
            // Side by side in one array, as gradients are.
            let mut all = Array2::from_elem((rows, f + g), T::nan());
            all.slice_mut(s![.., ..f]).assign(&bases[0]);
            let (u, to) = all.view_mut().split_at(ndarray::Axis(1), f);
            let initial_w = match case % 2 {
                0 => InitialC::Row(bias.as_slice().unwrap()),
                _ => InitialC::Matrix(bases[1].view().into()),
            };
            let start = if with_state { Start::State(state.view()) } else { Start::Prepared };
            let terms = Recurrence { steps: &steps, order, start };
            let product = |weights, initial, epilogue, target| StepProduct {
                weights,
                initial,
                projection: None,
                epilogue,
                target,
            };
            let first = product(&w, InitialC::InPlace, to_u, u.into());
            recurrence(&ctx, &terms, [first, product(&v, initial_w, to_w, to.into())]).unwrap();
            let made = [all.slice(s![.., ..f]).to_owned(), all.slice(s![.., f..]).to_owned()];
            for (made, expected) in made.iter().zip(&expected) {
                let terms = (f + g + 3) * 4;
                assert_close(made.view(), expected.view(), terms, &format!("{ctx:?} case {case}"));
            }
            let fused = ctx.isa().name().starts_with("avx") || cfg!(target_arch = "aarch64");
            match &bits {
                Some((f, first)) if *f == fused => assert_eq!(first, &made, "{ctx:?}"),
                _ => bits = Some((fused, made)),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn agrees_with_the_naive_recurrence(
        mut lengths in prop::collection::vec(1usize..6, 0..14), f in 1usize..50, g in 1usize..50, seed: u32,
    ) {
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        check::<f32>(&lengths, f, g, u64::from(seed));
        check::<f64>(&lengths, f, g, u64::from(seed));
    }
}

#[test]
fn sizes_that_use_a_team() {
    check::<f32>(&[3; 40], 130, 70, 1); // shares out the batch
    check::<f32>(&[1; 400], 60, 33, 2); // in parts: no recurrence at all
    check::<f64>(&[4, 4], 400, 300, 3); // shares out the columns
}

/// Rows that are a multiple of 4 KB apart are read from a copy of the last step.
#[test]
fn rows_that_alias_give_the_same_bits() {
    let steps = Steps::new([9, 9, 7, 2]).unwrap();
    let (f, g) = (70, 33);
    let [w, v] = [(g, f), (f, g)].map(|shape| random::<f32>(shape, 1).mapv(|v| v * 0.1));
    let (state, bases) = (random::<f32>((9, g), 2), random::<f32>((steps.rows(), f), 3));
    for ctx in contexts() {
        let [w, v] = [&w, &v].map(|w| Packed::new(&ctx, w.view()).unwrap());
        for order in [Order::Ascending, Order::Descending] {
            let run = |columns: usize| {
                let [mut u, mut w_made] =
                    [0, 1].map(|_| Array2::from_elem((steps.rows(), columns), f32::NAN));
                let terms = Recurrence { steps: &steps, order, start: Start::State(state.view()) };
                let first = StepProduct {
                    weights: &w,
                    initial: InitialC::Matrix(bases.view().into()),
                    projection: None,
                    epilogue: Epilogue::Activation(Activation::Tanh),
                    target: u.slice_mut(s![.., ..f]).into(),
                };
                let second = StepProduct {
                    weights: &v,
                    initial: InitialC::Zero,
                    projection: None,
                    epilogue: Epilogue::Activation(Activation::Identity),
                    target: w_made.slice_mut(s![.., ..g]).into(),
                };
                recurrence(&ctx, &terms, [first, second]).unwrap();
                [u.slice(s![.., ..f]).to_owned(), w_made.slice(s![.., ..g]).to_owned()]
            };
            assert_eq!(run(1024), run(100), "{ctx:?} {order:?}");
        }
    }
}
