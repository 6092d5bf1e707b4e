//! The forward and the backward pass, as variadic functions.

use std::num::NonZeroUsize;
use std::sync::Arc;

use elman_kernels::{Context, Scalar, fingerprint};
use elman_rnn::{Backward, Dropout, Forward, Gradients, Inputs, Layout, List, Stack};

use super::slots::{Counts, GradientSlots, InputSlots, ResultSlots, UpstreamSlots};
use super::stack::{AnyStack, for_stack};
use crate::background::work::{self, Source, Target, optional, optional_mut, required, required_mut};
use crate::fingerprint::{changed, number};
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
    /// The operation's name in messages.
    pub(super) owner: Arc<str>,
    pub(super) counts: Counts,
}

/// What forward and backward have in common.
struct Call {
    layers: Layers,
    layout: Arc<Layout>,
    inputs: InputSlots<Source>,
    dropout: Dropout,
    checkpoint_every: Option<NonZeroUsize>,
}

/// The arrays of a call.
struct CallArrays<'a, T> {
    parameters: Vec<&'a [T]>,
    input: &'a [T],
    teacher: Option<&'a [T]>,
    states: List<Option<&'a [T]>>,
}

impl Call {
    fn arrays<T: Element>(&self) -> BindingResult<CallArrays<'_, T>> {
        let InputSlots { input, teacher, states, parameters, .. } = &self.inputs;
        let parameters = parameters.iter().map(|one| required(one.as_ref(), "a parameter"));
        Ok(CallArrays {
            parameters: parameters.collect::<BindingResult<_>>()?,
            input: required(input.as_ref(), "the input")?,
            teacher: optional(teacher.as_ref())?,
            states: states.iter().map(|one| optional(one.as_ref())).collect::<BindingResult<_>>()?,
        })
    }
}

impl<T: Scalar> CallArrays<'_, T> {
    fn inputs<'a>(&'a self, call: &'a Call) -> Inputs<'a, T> {
        Inputs {
            layout: &call.layout,
            parameters: &self.parameters,
            input: self.input,
            teacher: self.teacher,
            states: &self.states,
            dropout: call.dropout,
            checkpoint_every: call.checkpoint_every,
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
fn forward<T: Scalar + Element>(
    stack: &Stack<T>,
    ctx: &Context,
    call: &Call,
    results: &mut ResultSlots<Target>,
) -> BindingResult<f64> {
    let arrays = call.arrays()?;
    let ResultSlots { output, saved, final_states } = results;
    let states_n = final_states.iter_mut().map(|one| required_mut(one.as_mut(), "a final state"));
    let keeps = saved.is_some();
    stack.forward(
        ctx,
        Forward {
            inputs: arrays.inputs(call),
            output: required_mut(output.as_mut(), "the output")?,
            states_n: states_n.collect::<BindingResult<_>>()?,
            saved: optional_mut(saved.as_mut())?,
        },
    )?;
    if keeps { Ok(arrays.fingerprint(ctx, required_mut(output.as_mut(), "the output")?)) } else { Ok(0.0) }
}

/// What only a backward pass has.
struct BackwardCall {
    upstream: UpstreamSlots<Source>,
    gradients: GradientSlots<Target>,
    /// NaN: not checked.
    fingerprint: f64,
}

/// Writes the gradients that are wanted.
fn backward<T: Scalar + Element>(
    stack: &Stack<T>,
    ctx: &Context,
    call: &Call,
    rest: &mut BackwardCall,
) -> BindingResult<f64> {
    let BackwardCall { upstream, gradients, fingerprint } = rest;
    let arrays = call.arrays()?;
    let output = required(upstream.output.as_ref(), "the output")?;
    if !fingerprint.is_nan() && *fingerprint != arrays.fingerprint(ctx, output) {
        return Err(changed(&call.layers.owner));
    }
    let dstates_n = upstream.grad_final_states.iter().map(|one| optional(one.as_ref()));
    let dstates = gradients.grad_states.iter_mut().map(|one| optional_mut(one.as_mut()));
    let any = gradients.grad_parameters.iter().any(Option::is_some);
    let all = gradients.grad_parameters.iter_mut();
    let all = all.map(|one| required_mut(one.as_mut(), "the gradient of a parameter, if of any"));
    stack.backward(
        ctx,
        &Backward {
            inputs: arrays.inputs(call),
            output,
            saved: required(upstream.saved.as_ref(), "what is saved")?,
            doutput: optional(upstream.grad_output.as_ref())?,
            dstates_n: &dstates_n.collect::<BindingResult<List<_>>>()?,
        },
        Gradients {
            dinput: optional_mut(gradients.grad_input.as_mut())?,
            dteacher: optional_mut(gradients.grad_teacher.as_mut())?,
            dstates: dstates.collect::<BindingResult<_>>()?,
            dparameters: any.then(|| all.collect()).transpose()?,
        },
    )?;
    Ok(0.0)
}

impl Layers {
    /// The forward function.
    pub(super) fn forward(&self, mut arguments: Arguments<'_>) -> BindingResult<f64> {
        let sequences = arguments.instance::<Sequences>()?;
        let numbers = [arguments.number()?, arguments.number()?, arguments.number()?];
        let inputs = InputSlots::<()>::count(self.counts);
        let arrays = arguments.memories(inputs + ResultSlots::<()>::count(self.counts))?;
        work::call(|| {
            let (inputs, results) = arrays.split_at(inputs);
            disjoint(&[&results], &[&inputs])?;
            let call = self.call(&sequences, inputs, numbers)?;
            let mut results = ResultSlots::take(self.counts, results, Target::new)?;
            Ok(
                move |ctx: &Context| for_stack!(&*call.layers.stack, stack => forward(stack, ctx, &call, &mut results)),
            )
        })
    }

    /// The backward function.
    pub(super) fn backward(&self, mut arguments: Arguments<'_>) -> BindingResult<f64> {
        let sequences = arguments.instance::<Sequences>()?;
        let numbers = [arguments.number()?, arguments.number()?, arguments.number()?];
        let fingerprint = arguments.number()?;
        let (inputs, upstream) =
            (InputSlots::<()>::count(self.counts), UpstreamSlots::<()>::count(self.counts));
        let read = inputs + upstream;
        let arrays = arguments.memories(read + GradientSlots::<()>::count(self.counts))?;
        work::call(|| {
            let (read, gradients) = arrays.split_at(read);
            disjoint(&[&gradients], &[&read])?;
            let (inputs, upstream) = read.split_at(inputs);
            let call = self.call(&sequences, inputs, numbers)?;
            let mut rest = BackwardCall {
                upstream: UpstreamSlots::take(self.counts, upstream, Source::new)?,
                gradients: GradientSlots::take(self.counts, gradients, Target::new)?,
                fingerprint,
            };
            Ok(
                move |ctx: &Context| for_stack!(&*call.layers.stack, stack => backward(stack, ctx, &call, &mut rest)),
            )
        })
    }

    /// What both passes have in common.
    fn call(
        &self,
        sequences: &Sequences,
        inputs: &[Option<Memory>],
        [p, seed, checkpoint_every]: [f64; 3],
    ) -> BindingResult<Call> {
        let inputs = InputSlots::take(self.counts, inputs, Source::new)?;
        let lengths = inputs.lengths.as_ref().map(Source::get).transpose()?;
        Ok(Call {
            layers: self.clone(),
            layout: sequences.layout(lengths)?,
            dropout: Dropout { p, seed: integer(seed, "the seed of dropout")?.cast_unsigned() },
            checkpoint_every: segment((checkpoint_every != 0.0).then_some(checkpoint_every))?,
            inputs,
        })
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
