//! The recurrence with two products a step: u_t = f(base_t + w_{t-1} W), w_t = g(base'_t + u_t V).
//!
//! ```text
//! for t in the order of the relay
//!   rows that continue a sequence:  u[t] = f(base[t] + w[t - 1] W)        (t + 1 if descending)
//!   rows that begin one:            u[t] = f(base[t] + state W), or f(u[t]) if prepared
//!   all rows:                       w[t] = g(base'[t] + u[t] V)
//! ```
//!
//! It is [`chain()`](crate::chain()) with a second product between one step and the next, and the same code. Forward, u is
//! the hidden layer of a Jordan network and w its output; in backpropagation through time u is the gradient before
//! the output's function and w the one before the hidden layer's.
//!
//! Sequences of one step each are rows without any recurrence: then both products are large ones over all rows.

use crate::gemm::gemm_nn::ROWS_TOGETHER;
use crate::gemm::pack::Packed;
use crate::recurrence::planned::Link;
use crate::recurrence::terms::{ChainBase, Epilogue, Order, Start};
use crate::recurrence::time_loop::Plan;
use crate::rows::row_map::Target;
use crate::{Context, Scalar, Steps};

/// One of the two products of a step.
#[derive(Clone, Copy, Debug)]
pub struct Leg<'a, 'p, T: Scalar> {
    /// The matrix: W (G, F) of the first leg, V (F, G) of the second.
    pub weights: &'p Packed<'p, T>,
    /// The base.
    pub base: ChainBase<'a, T>,
    /// The function.
    pub epilogue: Epilogue<'a, T>,
}

/// A recurrence over the rows of `steps`.
#[derive(Clone, Copy, Debug)]
pub struct Relay<'a, 'p, T: Scalar> {
    /// The rows of each step.
    pub steps: &'a Steps,
    /// The order of the steps.
    pub order: Order,
    /// Where sequences begin: a state (B, G), or prepared rows of u.
    pub start: Start<'a, T>,
    /// From w to u.
    pub first: Leg<'a, 'p, T>,
    /// From u to w.
    pub second: Leg<'a, 'p, T>,
}

/// Runs the recurrence `relay` into u (rows, F) and w (rows, G), any row strides.
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn relay<'u, 'w, T: Scalar>(
    ctx: &Context,
    relay: &Relay<'_, '_, T>,
    u: impl Into<Target<'u, T>>,
    w: impl Into<Target<'w, T>>,
) {
    let (steps, Relay { first, second, .. }) = (relay.steps, relay);
    let (mut u, mut w) = (u.into(), w.into());
    let (f, g) = (u.array.ncols(), w.array.ncols());
    assert_eq!((first.weights.k(), first.weights.n()), (g, f), "relay: W must be (G, F)");
    assert_eq!((second.weights.k(), second.weights.n()), (f, g), "relay: V must be (F, G)");
    let links = [
        Link::new(ctx, steps, first.weights, first.base, first.epilogue, &mut u),
        Link::new(ctx, steps, second.weights, second.base, second.epilogue, &mut w),
    ];
    if steps.rows() == 0 {
        return;
    }
    let state = relay.start.matrix((steps.batch(), g));
    Plan { steps, order: relay.order, state, links: &links }.run(ctx, ROWS_TOGETHER);
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, contexts, random};

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
    fn epilogue<T: Scalar>(which: usize, h: &Array2<T>) -> (Epilogue<'_, T>, Function) {
        let all: [(Epilogue<'_, T>, Function); 7] = [
            (Epilogue::Tanh, |x, _| x.tanh()),
            (Epilogue::Identity, |x, _| x),
            (Epilogue::Sigmoid, |x, _| 1.0 / (1.0 + (-x).exp())),
            (Epilogue::SigmoidGrad(h.view().into()), |x, h| x * h * (1.0 - h)),
            (Epilogue::Relu, |x, _| x.max(0.0)),
            (Epilogue::TanhGrad(h.view().into()), |x, h| x * (1.0 - h * h)),
            (Epilogue::ReluGrad(h.view().into()), |x, h| if h > 0.0 { x } else { 0.0 }),
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
                let base = match case % 2 {
                    0 => ChainBase::Row(bias.as_slice().unwrap()),
                    _ => ChainBase::Matrix(bases[1].view().into()),
                };
                let run = Relay {
                    steps: &steps,
                    order,
                    start: if with_state { Start::State(state.view()) } else { Start::Prepared },
                    first: Leg { weights: &w, base: ChainBase::InPlace, epilogue: to_u },
                    second: Leg { weights: &v, base, epilogue: to_w },
                };
                relay(&ctx, &run, u, to);
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
    fn crowded_rows_give_the_same_bits() {
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
                    let run = Relay {
                        steps: &steps,
                        order,
                        start: Start::State(state.view()),
                        first: Leg {
                            weights: &w,
                            base: ChainBase::Matrix(bases.view().into()),
                            epilogue: Epilogue::Tanh,
                        },
                        second: Leg { weights: &v, base: ChainBase::Zero, epilogue: Epilogue::Identity },
                    };
                    let (u_rows, w_rows) = (u.slice_mut(s![.., ..f]), w_made.slice_mut(s![.., ..g]));
                    relay(&ctx, &run, u_rows, w_rows);
                    [u.slice(s![.., ..f]).to_owned(), w_made.slice(s![.., ..g]).to_owned()]
                };
                assert_eq!(run(1024), run(100), "{ctx:?} {order:?}");
            }
        }
    }
}
