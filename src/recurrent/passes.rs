//! The forward and the backward pass, as variadic functions.

use std::num::NonZeroUsize;
use std::sync::Arc;

use elman_kernels::{Context, Scalar, fingerprint};
use elman_rnn::{Backward, Dropout, Forward, Gradients, Inputs, Layout, List, Stack};

use super::slots::{Counts, GradientSlots, InputSlots, ResultSlots, UpstreamSlots};
use super::stack::{AnyStack, for_stack};
use crate::background::work::{self, Source, Target, optional, optional_mut, required, required_mut};
use crate::fingerprint::number;
use crate::js::arrays::disjoint;
use crate::js::error::{BindingError, BindingResult};
use crate::js::memory::{Element, Memory};
use crate::js::numbers::{integer, size};
use crate::js::variadic::Arguments;
use crate::sequences::Sequences;

/// What the functions of a core hold.
#[derive(Clone)]
pub(super) struct Layers {
    pub(super) stack: Arc<AnyStack>,
    /// The message of the error of a backward pass whose inputs have changed.
    pub(super) changed: Arc<str>,
    pub(super) counts: Counts,
}

/// What a call has in addition to its arrays.
struct Options {
    layout: Arc<Layout>,
    dropout: Dropout,
    checkpoint_every: Option<NonZeroUsize>,
}

/// A call of a pass.
struct Call {
    counts: Counts,
    options: Options,
    read: Vec<Option<Source>>,
    written: Vec<Option<Target>>,
}

/// The arrays that both passes read.
struct InputArrays<'a, T> {
    parameters: Vec<&'a [T]>,
    input: &'a [T],
    teacher: Option<&'a [T]>,
    states: List<Option<&'a [T]>>,
}

impl<'a, T: Scalar + Element> InputArrays<'a, T> {
    fn of(counts: Counts, slots: InputSlots<&'a [Option<Source>]>) -> BindingResult<Self> {
        let mut parameters = Vec::with_capacity(counts.parameters);
        for one in slots.parameters {
            parameters.push(required(one.as_ref(), "a parameter")?);
        }
        let states = slots.states.iter().map(|one| optional(one.as_ref()));
        Ok(Self {
            parameters,
            input: required(slots.input, "the input")?,
            teacher: optional(slots.teacher)?,
            states: states.collect::<BindingResult<_>>()?,
        })
    }

    fn with(&self, options: &'a Options) -> Inputs<'_, T> {
        Inputs {
            layout: &options.layout,
            parameters: &self.parameters,
            input: self.input,
            teacher: self.teacher,
            states: &self.states,
            dropout: options.dropout,
            checkpoint_every: options.checkpoint_every,
        }
    }

    /// The fingerprint of all that the backward pass will read and others can write.
    fn fingerprint(&self, ctx: &Context, output: &[T]) -> f64 {
        let states = self.states.iter().copied().flatten();
        let all = self.parameters.iter().copied().chain([self.input]).chain(states).chain(self.teacher);
        number(fingerprint(ctx, all.chain([output])))
    }
}

/// Writes the results of a forward pass; returns its fingerprint if a backward pass will follow.
fn forward<T: Scalar + Element>(stack: &Stack<T>, ctx: &Context, call: &mut Call) -> BindingResult<f64> {
    let Call { counts, options, read, written } = call;
    let (inputs, _) = InputSlots::of(*counts, read.as_slice());
    let (results, _) = ResultSlots::of(*counts, written.as_mut_slice());
    let inputs = InputArrays::of(*counts, inputs)?;
    let output = required_mut(results.output, "the output")?;
    let keeps = results.saved.is_some();
    let states_n = results.final_states.iter_mut().map(|one| required_mut(one.as_mut(), "a final state"));
    stack.forward(
        ctx,
        Forward {
            inputs: inputs.with(options),
            output: &mut *output,
            states_n: states_n.collect::<BindingResult<_>>()?,
            saved: optional_mut(results.saved)?,
        },
    )?;
    Ok(if keeps { inputs.fingerprint(ctx, output) } else { 0.0 })
}

/// Writes the gradients that are wanted, if what it reads has still the fingerprint (NaN: any).
fn backward<T: Scalar + Element>(
    stack: &Stack<T>,
    ctx: &Context,
    call: &mut Call,
    (expected, changed): (f64, &str),
) -> BindingResult<f64> {
    let Call { counts, options, read, written } = call;
    let (inputs, rest) = InputSlots::of(*counts, read.as_slice());
    let (upstream, _) = UpstreamSlots::of(*counts, rest);
    let (gradients, _) = GradientSlots::of(*counts, written.as_mut_slice());
    let inputs = InputArrays::of(*counts, inputs)?;
    let output = required(upstream.output, "the output")?;
    if !expected.is_nan() && expected != inputs.fingerprint(ctx, output) {
        return Err(BindingError::Changed(changed.to_owned()));
    }
    let dstates_n = upstream.grad_final_states.iter().map(|one| optional(one.as_ref()));
    let dstates = gradients.grad_states.iter_mut().map(|one| optional_mut(one.as_mut()));
    let mut dparameters = None;
    if gradients.grad_parameters.iter().any(Option::is_some) {
        let mut all = Vec::with_capacity(counts.parameters);
        for one in gradients.grad_parameters {
            all.push(required_mut(one.as_mut(), "the gradient of a parameter, as of another")?);
        }
        dparameters = Some(all);
    }
    stack.backward(
        ctx,
        &Backward {
            inputs: inputs.with(options),
            output,
            saved: required(upstream.saved, "what is saved")?,
            doutput: optional(upstream.grad_output)?,
            dstates_n: &dstates_n.collect::<BindingResult<List<_>>>()?,
        },
        Gradients {
            dinput: optional_mut(gradients.grad_input)?,
            dteacher: optional_mut(gradients.grad_teacher)?,
            dstates: dstates.collect::<BindingResult<_>>()?,
            dparameters,
        },
    )?;
    Ok(0.0)
}

impl Layers {
    /// The forward function.
    pub(super) fn forward(&self, mut arguments: Arguments<'_>) -> BindingResult<f64> {
        let sequences = arguments.instance::<Sequences>()?;
        let numbers = [arguments.number()?, arguments.number()?, arguments.number()?];
        let read = InputSlots::count(self.counts);
        let arrays = arguments.memories(read + ResultSlots::count(self.counts))?;
        work::call(|| {
            let (stack, mut call) = self.call(&sequences, numbers, arrays.split_at(read))?;
            Ok(move |ctx: &Context| for_stack!(&*stack, stack => forward(stack, ctx, &mut call)))
        })
    }

    /// The backward function.
    pub(super) fn backward(&self, mut arguments: Arguments<'_>) -> BindingResult<f64> {
        let sequences = arguments.instance::<Sequences>()?;
        let numbers = [arguments.number()?, arguments.number()?, arguments.number()?];
        let fingerprint = arguments.number()?;
        let read = InputSlots::count(self.counts) + UpstreamSlots::count(self.counts);
        let arrays = arguments.memories(read + GradientSlots::count(self.counts))?;
        work::call(|| {
            let (stack, mut call) = self.call(&sequences, numbers, arrays.split_at(read))?;
            let changed = Arc::clone(&self.changed);
            Ok(
                move |ctx: &Context| for_stack!(&*stack, stack => backward(stack, ctx, &mut call, (fingerprint, &changed))),
            )
        })
    }

    /// A call on arrays that are read and written.
    fn call(
        &self,
        sequences: &Sequences,
        [p, seed, checkpoint_every]: [f64; 3],
        (read, written): (&[Option<Memory>], &[Option<Memory>]),
    ) -> BindingResult<(Arc<AnyStack>, Call)> {
        disjoint(&[&written], &[&read])?;
        let mut sources = Vec::with_capacity(read.len());
        for &memory in read {
            sources.push(memory.map(Source::new).transpose()?);
        }
        let mut targets = Vec::with_capacity(written.len());
        for &memory in written {
            targets.push(memory.map(Target::new).transpose()?);
        }
        let (InputSlots { lengths, .. }, _) = InputSlots::of(self.counts, sources.as_slice());
        let options = Options {
            layout: sequences.layout(lengths.map(Source::get).transpose()?)?,
            dropout: Dropout { p, seed: integer(seed, "the seed of dropout")?.cast_unsigned() },
            checkpoint_every: segment((checkpoint_every != 0.0).then_some(checkpoint_every))?,
        };
        let call = Call { counts: self.counts, options, read: sources, written: targets };
        Ok((Arc::clone(&self.stack), call))
    }
}

/// Steps of a segment, if only the states at the segments' starts are kept.
pub(super) fn segment(checkpoint_every: Option<f64>) -> BindingResult<Option<NonZeroUsize>> {
    let Some(every) = checkpoint_every else { return Ok(None) };
    let every = NonZeroUsize::new(size(every, "checkpoint_every")?);
    every
        .map(Some)
        .ok_or_else(|| BindingError::Range("checkpoint_every must be greater than zero".to_owned()))
}
