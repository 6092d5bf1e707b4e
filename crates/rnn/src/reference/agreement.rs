//! The stack agrees with the reference: every cell, layout, instruction set and number of threads, with a teacher and
//! with checkpoints.

use std::num::NonZeroUsize;

use elman_kernels::{Context, Isa, Scalar};
use proptest::prelude::*;

use super::call::{Arrays, Results};
use super::{Net, Numbers, Rows, TESTED, Values};
use crate::{Dropout, Layout};

/// The caller's arrays.
#[derive(Clone, Copy, Debug)]
enum Form {
    TimeFirst,
    BatchFirst,
    Packed,
}

#[derive(Debug)]
struct Case {
    net: Net,
    lengths: Vec<usize>,
    form: Form,
    taught: bool,
    /// Whether there is each of dy, the initial states and the gradients of the final states, by bit.
    given: u8,
    /// Which gradients are wanted in a second run, by bit.
    wanted: u8,
    seed: u64,
}

impl Case {
    fn steps(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(3)
    }

    /// The sequences in the order of falling length.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(self.lengths[b]));
        order
    }

    fn layout(&self) -> Layout {
        let (lengths, steps) = (&self.lengths, self.steps());
        let as_i32 = |values: &[usize]| values.iter().map(|&v| i32::try_from(v).unwrap()).collect::<Vec<_>>();
        let batch_first = match self.form {
            Form::Packed => {
                let longest = lengths.iter().copied().max().unwrap_or(0);
                let size = |t| lengths.iter().filter(|&&len| len > t).count();
                let sizes: Vec<usize> = (0..longest).map(size).collect();
                return Layout::packed(&as_i32(&sizes), Some(&as_i32(&self.order()))).unwrap();
            }
            Form::TimeFirst => false,
            Form::BatchFirst => true,
        };
        let uniform = lengths.iter().all(|&len| len == steps);
        let list = as_i32(lengths);
        let list = (!uniform || self.seed % 2 == 1).then_some(&list[..]);
        Layout::padded(steps, lengths.len(), batch_first, list).unwrap()
    }

    /// Rows [b][t] as the caller lays them out, `padding` beyond the ends.
    fn lay<T: Scalar>(&self, columns: usize, rows: &[Rows], padding: f64) -> Vec<T> {
        let (batch, steps, nothing) = (rows.len(), self.steps(), vec![padding; columns]);
        let order = match self.form {
            Form::Packed => self.order(),
            _ => (0..batch).collect(),
        };
        let mut places: Vec<_> = (0..steps).flat_map(|t| order.iter().map(move |&b| (b, t))).collect();
        match self.form {
            Form::TimeFirst => {}
            Form::BatchFirst => places.sort_unstable(),
            Form::Packed => places.retain(|&(b, t)| t < rows[b].len()),
        }
        let values = places.into_iter().flat_map(|(b, t)| rows[b].get(t).unwrap_or(&nothing).clone());
        values.map(T::from_f64).collect()
    }

    fn arrays<T: Scalar>(&self, values: &Values) -> Arrays<T> {
        let (net, nan) = (self.net, f64::NAN);
        Arrays {
            layout: self.layout(),
            p: values.p.iter().map(|p| p.iter().map(|&v| T::from_f64(v)).collect()).collect(),
            x: self.lay(net.i, &values.x, nan),
            teacher: values.teacher.as_ref().map(|teacher| self.lay(net.width(), teacher, nan)),
            states: values.states.iter().map(|all| self.given(1).then(|| flat(all))).collect(),
            dropout: Dropout::default(),
            every: None,
            dy: self.given(0).then(|| self.lay(net.width(), &values.dy, nan)),
            dstates_n: (values.dstates_n.iter().enumerate())
                .map(|(n, all)| self.given(2 + n).then(|| flat(all)))
                .collect(),
        }
    }

    fn given(&self, bit: usize) -> bool {
        self.given >> bit & 1 == 1
    }

    /// What the reference expects, in the order of [`Arrays::run`].
    fn expected<T: Scalar>(&self, values: &Values) -> Vec<Vec<T>> {
        let net = self.net;
        let expected = values.reference(net);
        let mut all = vec![self.lay(net.width(), &expected.y, 0.0)];
        all.extend(expected.states_n.iter().map(|state| flat(state)));
        all.push(self.lay(net.i, &expected.dx, 0.0));
        all.push(if self.taught { self.lay(net.width(), &expected.dteacher, 0.0) } else { Vec::new() });
        all.extend(expected.dstates.iter().map(|state| flat(state)));
        all.extend(expected.dp.iter().map(|p| p.iter().map(|&v| T::from_f64(v)).collect::<Vec<_>>()));
        all
    }
}

fn flat<T: Scalar>(states: &[Rows]) -> Vec<T> {
    states.concat().concat().into_iter().map(T::from_f64).collect()
}

#[track_caller]
fn close<T: Scalar>(what: &str, actual: &[T], expected: &[T], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let error = (a.widen() - e.widen()).abs();
        assert!(error <= tolerance * (1.0 + e.widen().abs()), "{what}[{i}]: {a} instead of {e}");
    }
}

fn check<T: Scalar>(case: &Case, tolerance: f64) {
    let values = Values::random(case.net, &case.lengths, case.taught, &mut Numbers(case.seed));
    check_values::<T>(case, values, tolerance);
}

fn check_values<T: Scalar>(case: &Case, mut values: Values, tolerance: f64) {
    let net = case.net;
    let clear = |rows: &mut [Rows]| rows.iter_mut().flatten().flatten().for_each(|v| *v = 0.0);
    if !case.given(0) {
        clear(&mut values.dy);
    }
    if !case.given(1) {
        values.states.iter_mut().for_each(|state| clear(state));
    }
    for (n, state) in values.dstates_n.iter_mut().enumerate() {
        if !case.given(2 + n) {
            clear(state);
        }
    }
    let (stack, arrays, expected) =
        (net.stack::<T>(), case.arrays::<T>(&values), case.expected::<T>(&values));
    let mut first: Option<(bool, Results<T>)> = None;
    for isa in Isa::available() {
        for threads in [1, 2, 3] {
            let ctx = Context::new(isa, threads);
            let what = format!("{} with {threads} threads, {case:?}", isa.name());
            let all = arrays.run(&stack, &ctx, |_| true);
            for ((name, actual), expected) in all.iter().zip(&expected) {
                let factor = if name.starts_with('d') { 4.0 } else { 1.0 };
                close(&format!("{name}, {what}"), actual, expected, factor * tolerance);
            }
            assert_eq!(all.len(), expected.len());
            let (output, states_n, _) = arrays.forward(&stack, &ctx, false);
            let kept = all.iter().map(|(_, array)| array);
            assert!(std::iter::once(&output).chain(&states_n).zip(kept).all(|(a, b)| a == b), "{what}");
            // Each gradient by itself.
            let wanted = |n: usize| case.wanted >> n & 1 == 1;
            for ((name, some), (_, all)) in arrays.run(&stack, &ctx, wanted).iter().zip(&all) {
                assert!(some.is_empty() || some == all, "{name}, some gradients, {what}");
            }
            if net.directions == 1 {
                let steps = case.steps();
                let small = [1, 2, 3, steps, steps + 1, usize::MAX];
                for &every in if net.h < 50 { &small[..] } else { &[2] } {
                    let with = Arrays { every: NonZeroUsize::new(every), ..arrays.clone() };
                    assert_eq!(with.run(&stack, &ctx, |_| true), all, "segments of {every}, {what}");
                }
            }
            // Any number of threads and, with fused multiply-adds, any width of vectors: the same bits.
            let fused = isa.name().starts_with("avx") || cfg!(target_arch = "aarch64");
            match &first {
                Some((f, first)) if *f == fused => assert_eq!(first, &all, "{what}"),
                _ => first = Some((fused, all)),
            }
        }
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let form = prop_oneof![Just(Form::TimeFirst), Just(Form::BatchFirst), Just(Form::Packed)];
    let lengths = prop_oneof![
        prop::collection::vec(1usize..7, 0..10),
        (1usize..7, 0usize..10).prop_map(|(steps, batch)| vec![steps; batch]),
    ];
    let sizes = (1usize..6, 1usize..20, 1usize..8);
    let shape = (0..TESTED.len(), any::<u8>(), 1usize..4, 1usize..3, any::<bool>());
    (sizes, shape, lengths, form, any::<[u8; 2]>(), any::<u32>()).prop_map(
        |((i, h, o), (cell, choice, layers, directions, taught), lengths, form, [given, wanted], seed)| {
            let net = Net { cell, choice: choice.into(), i, h, o, layers, directions };
            let single = Net { layers: 1, directions: 1, ..net };
            let taught = taught && single.teachable();
            let net = if taught { single } else { net };
            Case { net, lengths, form, taught, given, wanted, seed: seed.into() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn agrees_with_the_reference(case in any_case()) {
        // Sums of up to 60 rows and 20 products, through up to 18 steps and layers.
        check::<f64>(&case, 1e-12);
        check::<f32>(&case, 2e-4);
    }
}

/// Checks a shape for every cell, with a teacher where it can have one.
fn check_each(shape: Net, lengths: &[usize], form: Form) {
    for net in shape.each_cell() {
        for taught in [false, true] {
            let net = if taught { Net { layers: 1, directions: 1, ..net } } else { net };
            if taught && !net.teachable() {
                continue;
            }
            let case =
                Case { net, lengths: lengths.to_vec(), form, taught, given: !0, wanted: 0b101_0101, seed: 7 };
            check::<f64>(&case, 1e-12);
            check::<f32>(&case, 2e-4);
        }
    }
}

#[test]
fn sizes_that_use_a_team() {
    let net = Net { cell: 0, choice: 4, i: 40, h: 96, o: 60, layers: 2, directions: 2 };
    check_each(net, &[6; 20], Form::TimeFirst);
    check_each(net, &(1..20).collect::<Vec<_>>(), Form::BatchFirst);
    check_each(net, &[30, 3], Form::Packed);
    check_each(Net { directions: 1, layers: 1, ..net }, &[40; 9], Form::BatchFirst);
}

/// Rows of a multiple of 4 KB, which are read and computed in a copy.
#[test]
fn sizes_whose_rows_would_conflict_in_the_cache() {
    let shape = |h| Net { cell: 0, choice: 0, i: 3, h, o: h, layers: 1, directions: 2 };
    let case = |net| Case {
        net,
        lengths: vec![3, 1, 2, 2, 3, 1, 2],
        form: Form::Packed,
        taught: false,
        given: !0,
        wanted: !0,
        seed: 3,
    };
    shape(512).each_cell().for_each(|net| check::<f64>(&case(net), 1e-12));
    shape(1024).each_cell().for_each(|net| check::<f32>(&case(net), 2e-4));
}

#[test]
fn a_teacher_of_its_own_outputs_changes_nothing_but_rounding() {
    let net = Net { cell: 0, choice: 0, i: 3, h: 7, o: 4, layers: 1, directions: 1 };
    let lengths = [5, 2, 5];
    for net in net.each_choice().filter(Net::teachable) {
        let mut values = Values::random(net, &lengths, false, &mut Numbers(11));
        let own = values.reference(net);
        values.teacher = Some(own.y.clone());
        let taught = values.reference(net);
        assert_eq!((taught.y, taught.states_n), (own.y, own.states_n));
        let form = Form::TimeFirst;
        let case =
            Case { net, lengths: lengths.to_vec(), form, taught: true, given: !0, wanted: !0, seed: 11 };
        check_values::<f64>(&case, values, 1e-12);
    }
}
