//! Calls of the stack by the tests.

use std::num::NonZeroUsize;

use elman_kernels::{Context, Scalar};

use crate::{Backward, Dropout, Forward, Gradients, Inputs, Layout, Stack};

/// What a call reads. A gradient from upstream that is `None` is 0.
#[derive(Clone, Debug)]
pub(super) struct Arrays<T> {
    pub(super) layout: Layout,
    pub(super) p: Vec<Vec<T>>,
    pub(super) x: Vec<T>,
    pub(super) teacher: Option<Vec<T>>,
    pub(super) states: Vec<Option<Vec<T>>>,
    pub(super) dropout: Dropout,
    pub(super) every: Option<NonZeroUsize>,
    pub(super) dy: Option<Vec<T>>,
    pub(super) dstates_n: Vec<Option<Vec<T>>>,
}

/// What a call writes, under names; arrays that are not wanted are empty.
pub(super) type Results<T> = Vec<(String, Vec<T>)>;

impl<T: Scalar> Arrays<T> {
    /// NaN in an array of the caller's layout, in the padding too.
    pub(super) fn unwritten(&self, columns: usize) -> Vec<T> {
        vec![T::nan(); self.layout.outer_rows() * columns]
    }

    /// The forward pass: the output, the final states, and what was kept.
    pub(super) fn forward(
        &self,
        stack: &Stack<T>,
        ctx: &Context,
        keep: bool,
    ) -> (Vec<T>, Vec<Vec<T>>, Vec<T>) {
        let p: Vec<&[T]> = self.p.iter().map(|p| &p[..]).collect();
        let states: Vec<_> = self.states.iter().map(Option::as_deref).collect();
        let rows = stack.layers() * stack.directions() * self.layout.steps().batch();
        let mut output = self.unwritten(stack.output_size());
        let mut states_n: Vec<_> =
            stack.state_sizes().iter().map(|size| vec![T::nan(); rows * size]).collect();
        let kept = stack.saved_len(&self.layout, self.every, self.teacher.is_some()).unwrap();
        let mut saved = vec![T::nan(); kept];
        let call = Forward {
            inputs: self.inputs(&p, &states),
            output: &mut output,
            states_n: states_n.iter_mut().map(|state| &mut state[..]).collect(),
            saved: keep.then_some(&mut saved),
        };
        stack.forward(ctx, call).unwrap();
        (output, states_n, saved)
    }

    /// Forward and backward, with all gradients or those for which `wanted` is true, by their number.
    pub(super) fn run(&self, stack: &Stack<T>, ctx: &Context, wanted: impl Fn(usize) -> bool) -> Results<T> {
        let p: Vec<&[T]> = self.p.iter().map(|p| &p[..]).collect();
        let states: Vec<_> = self.states.iter().map(Option::as_deref).collect();
        let (output, states_n, saved) = self.forward(stack, ctx, true);
        let dstates_n: Vec<_> = self.dstates_n.iter().map(Option::as_deref).collect();
        let call = Backward {
            inputs: self.inputs(&p, &states),
            output: &output,
            saved: &saved,
            doutput: self.dy.as_deref(),
            dstates_n: &dstates_n,
        };
        let nan = |array: &Vec<T>| vec![T::nan(); array.len()];
        let (mut dx, mut dteacher) = (nan(&self.x), self.teacher.as_ref().map(nan));
        let mut dstates: Vec<_> = states_n.iter().map(nan).collect();
        let mut dparameters: Vec<_> = self.p.iter().map(nan).collect();
        let of_states = dstates.iter_mut().enumerate();
        let gradients = Gradients {
            dinput: wanted(0).then_some(&mut dx),
            dparameters: wanted(1).then(|| dparameters.iter_mut().map(|d| &mut d[..]).collect()),
            dteacher: dteacher.as_deref_mut().filter(|_| wanted(2)),
            dstates: of_states.map(|(n, d)| wanted(3 + n).then_some(&mut d[..])).collect(),
        };
        stack.backward(ctx, &call, gradients).unwrap();
        let written = |number: usize, mut array: Vec<T>| {
            if !wanted(number) {
                assert!(array.drain(..).all(|v| v.is_nan()), "gradient {number} is not wanted");
            }
            array
        };
        let dx = written(0, dx);
        let dparameters = dparameters.into_iter().map(|d| written(1, d)).collect();
        let dteacher = dteacher.map_or(Vec::new(), |d| written(2, d));
        let dstates = dstates.into_iter().enumerate().map(|(n, d)| written(3 + n, d)).collect();
        let named = |name: &'static str, arrays: Vec<Vec<T>>| {
            arrays.into_iter().enumerate().map(move |(n, array)| (format!("{name} {n}"), array))
        };
        let all = [
            ("output", vec![output]),
            ("final state", states_n),
            ("dx", vec![dx]),
            ("dteacher", vec![dteacher]),
            ("dstate", dstates),
            ("dparameter", dparameters),
        ];
        all.into_iter().flat_map(|(name, arrays)| named(name, arrays)).collect()
    }

    fn inputs<'a>(&'a self, parameters: &'a [&'a [T]], states: &'a [Option<&'a [T]>]) -> Inputs<'a, T> {
        Inputs {
            layout: &self.layout,
            parameters,
            input: &self.x,
            teacher: self.teacher.as_deref(),
            states,
            dropout: self.dropout,
            checkpoint_every: self.every,
        }
    }
}
