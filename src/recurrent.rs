//! Layers of a recurrent cell over whole sequences. Nothing here knows a cell: [`cells::build`] makes one by its name.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use elman_kernels::{Context, Scalar, fingerprint};
use elman_rnn::cells::{self, Config, Value};
use elman_rnn::{Backward, Dropout, Forward, Gradients, Inputs, Layout, List, Shape, Stack};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Source, Target, optional, optional_mut, required, required_mut};
use crate::fingerprint::{changed, number};
use crate::js::arrays::{Ints, disjoint};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::{constructed, export};
use crate::js::memory::{Dtype, Element, Memory};
use crate::js::numbers::{integer, size};
use crate::js::variadic::{Arguments, variadic_function};
use crate::sequences::Sequences;

/// Layers of a recurrent cell, of one shape and dtype. It holds no parameters: each call reads them where JavaScript keeps
/// them.
#[napi]
pub struct RecurrentCore {
    layers: Layers,
}

impl RecurrentCore {
    /// The layers.
    pub(crate) fn stack(&self) -> &AnyStack {
        &self.layers.stack
    }
}

/// A stack of one of the element types.
pub(crate) enum AnyStack {
    F32(Stack<f32>),
    F64(Stack<f64>),
}

/// Runs `$body` with `$stack` the stack of an [`AnyStack`].
macro_rules! for_stack {
    ($any:expr, $stack:ident => $body:expr) => {
        match &*$any {
            $crate::recurrent::AnyStack::F32($stack) => $body,
            $crate::recurrent::AnyStack::F64($stack) => $body,
        }
    };
}
pub(crate) use for_stack;

/// Declares arrays among the arguments of a call, in their order: each name stands for `one` array, or for as many as the
/// cell has `states` or `parameters`. Any may be missing.
macro_rules! slots {
    ($($(#[$doc:meta])* $name:ident { $($slot:ident: $count:ident),* })*) => {$(
        $(#[$doc])*
        struct $name<A> {
            $($slot: slots!(@type $count A)),*
        }

        impl<A> $name<A> {
            const ORDER: &[&str] = &[$(stringify!($slot)),*];

            /// The number of arrays.
            fn count(layers: &Layers) -> usize {
                0 $(+ slots!(@count $count layers))*
            }

            /// Takes that many arrays.
            fn take(
                layers: &Layers,
                arrays: &[Option<Memory>],
                take: impl Fn(Memory) -> BindingResult<A>,
            ) -> BindingResult<Self> {
                let mut arrays = arrays.iter().map(|memory| memory.map(&take).transpose());
                Ok(Self { $($slot: slots!(@take $count layers arrays)),* })
            }
        }
    )*};
    (@type one $a:ident) => { Option<$a> };
    (@type states $a:ident) => { List<Option<$a>> };
    (@type parameters $a:ident) => { Vec<Option<$a>> };
    (@count one $layers:ident) => { 1 };
    (@count $count:ident $layers:ident) => { $layers.$count };
    (@take one $layers:ident $arrays:ident) => { $arrays.next().transpose()?.flatten() };
    (@take $count:ident $layers:ident $arrays:ident) => {
        $arrays.by_ref().take($layers.$count).collect::<BindingResult<_>>()?
    };
}

slots! {
    /// What both passes read.
    InputSlots { lengths: one, input: one, teacher: one, states: states, parameters: parameters }

    /// What forward writes.
    ResultSlots { output: one, saved: one, final_states: states }

    /// What backward reads too.
    UpstreamSlots { output: one, saved: one, grad_output: one, grad_final_states: states }

    /// What backward writes.
    GradientSlots { grad_input: one, grad_teacher: one, grad_states: states, grad_parameters: parameters }
}

/// The first arguments of the forward function.
const FORWARD: [&str; 4] = ["sequences", "dropout", "seed", "checkpoint_every"];

/// The first arguments of the backward function.
const BACKWARD: [&str; 5] = ["sequences", "dropout", "seed", "checkpoint_every", "fingerprint"];

/// The arguments of both functions of a `RecurrentCore`, in their order.
#[napi(object, object_from_js = false)]
pub struct RecurrentSlots {
    /// Those of the forward function.
    pub forward: Vec<&'static str>,
    /// Those of the backward function.
    pub backward: Vec<&'static str>,
}

/// The order of the arguments of the functions of a `RecurrentCore`: the one table of it. `checkpoint_every` is 0 for none,
/// and `fingerprint` is NaN where it is not checked. From `lengths` on there are arrays, or null: first what is read, then
/// what is written. The names of states and parameters stand for as many arrays as the cell has; where these are too many
/// for arguments, those of a name come as a list.
#[napi(catch_unwind)]
pub fn recurrent_slots(env: Env) -> Result<RecurrentSlots> {
    export(env, || {
        let inputs = InputSlots::<()>::ORDER;
        Ok(RecurrentSlots {
            forward: [&FORWARD, inputs, ResultSlots::<()>::ORDER].concat(),
            backward: [&BACKWARD, inputs, UpstreamSlots::<()>::ORDER, GradientSlots::<()>::ORDER].concat(),
        })
    })
}

/// A parameter of a cell.
#[napi(object, object_from_js = false)]
pub struct ParameterSpec {
    /// Its key in the state dict.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<f64>,
}

/// What the functions of a core hold.
#[derive(Clone)]
struct Layers {
    stack: Arc<AnyStack>,
    /// The operation's name in messages.
    owner: Arc<str>,
    /// The number of states.
    states: usize,
    /// The number of parameters.
    parameters: usize,
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
    fn forward(&self, mut arguments: Arguments<'_>) -> BindingResult<f64> {
        let sequences = arguments.instance::<Sequences>()?;
        let numbers = [arguments.number()?, arguments.number()?, arguments.number()?];
        let inputs = InputSlots::<()>::count(self);
        let arrays = arguments.memories(inputs + ResultSlots::<()>::count(self))?;
        work::call(|| {
            let (inputs, results) = arrays.split_at(inputs);
            disjoint(&[&results], &[&inputs])?;
            let call = self.call(&sequences, inputs, numbers)?;
            let mut results = ResultSlots::take(self, results, Target::new)?;
            Ok(
                move |ctx: &Context| for_stack!(call.layers.stack, stack => forward(stack, ctx, &call, &mut results)),
            )
        })
    }

    /// The backward function.
    fn backward(&self, mut arguments: Arguments<'_>) -> BindingResult<f64> {
        let sequences = arguments.instance::<Sequences>()?;
        let numbers = [arguments.number()?, arguments.number()?, arguments.number()?];
        let fingerprint = arguments.number()?;
        let (inputs, upstream) = (InputSlots::<()>::count(self), UpstreamSlots::<()>::count(self));
        let read = inputs + upstream;
        let arrays = arguments.memories(read + GradientSlots::<()>::count(self))?;
        work::call(|| {
            let (read, gradients) = arrays.split_at(read);
            disjoint(&[&gradients], &[&read])?;
            let (inputs, upstream) = read.split_at(inputs);
            let call = self.call(&sequences, inputs, numbers)?;
            let mut rest = BackwardCall {
                upstream: UpstreamSlots::take(self, upstream, Source::new)?,
                gradients: GradientSlots::take(self, gradients, Target::new)?,
                fingerprint,
            };
            Ok(
                move |ctx: &Context| for_stack!(call.layers.stack, stack => backward(stack, ctx, &call, &mut rest)),
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
        let inputs = InputSlots::take(self, inputs, Source::new)?;
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
fn segment(checkpoint_every: Option<f64>) -> BindingResult<Option<NonZeroUsize>> {
    let Some(every) = checkpoint_every else { return Ok(None) };
    let every = NonZeroUsize::new(size(every, "checkpoint_every")?);
    every
        .map(Some)
        .ok_or_else(|| BindingError::Range("checkpoint_every must be greater than zero".to_owned()))
}

/// Sizes, flags and names as the crate takes them.
fn config(values: HashMap<String, Either3<f64, bool, String>>) -> BindingResult<Config> {
    let entry = |(key, value): (String, Either3<f64, bool, String>)| {
        let value = match value {
            Either3::A(number) => Value::Size(size(number, &key)?),
            Either3::B(flag) => Value::Flag(flag),
            Either3::C(name) => Value::Name(name),
        };
        Ok((key, value))
    };
    values.into_iter().map(entry).collect()
}

#[napi]
impl RecurrentCore {
    /// Layers of the cell called `cell`, with the sizes, flags and names that it needs. `owner` is the operation's name in
    /// messages.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        this: This<'_>,
        cell: String,
        config: HashMap<String, Either3<f64, bool, String>>,
        dtype: String,
        owner: String,
    ) -> Result<Self> {
        constructed(env, &this, "RecurrentCore\0")?;
        export(env, || {
            let config = self::config(config)?;
            let stack = match Dtype::by_name(&dtype)? {
                Dtype::F64 => AnyStack::F64(cells::build(&cell, &config)?),
                _ => AnyStack::F32(cells::build(&cell, &config)?),
            };
            let (states, parameters) =
                for_stack!(&stack, stack => (stack.state_sizes().len(), stack.parameters().len()));
            Ok(Self { layers: Layers { stack: Arc::new(stack), owner: owner.into(), states, parameters } })
        })
    }

    /// Names and shapes of the parameters, in the order of the state dict.
    #[napi(catch_unwind)]
    pub fn parameters(&self, env: Env) -> Result<Vec<ParameterSpec>> {
        export(env, || {
            let parameters = for_stack!(self.stack(), stack => stack.parameters());
            let spec = |(name, shape): (String, Shape)| ParameterSpec {
                name,
                shape: shape.iter().map(|&size| size as f64).collect(),
            };
            Ok(parameters.into_iter().map(spec).collect())
        })
    }

    /// Features of each state.
    #[napi(catch_unwind)]
    pub fn state_sizes(&self, env: Env) -> Result<Vec<f64>> {
        export(env, || {
            let sizes = for_stack!(self.stack(), stack => stack.state_sizes());
            Ok(sizes.iter().map(|&size| size as f64).collect())
        })
    }

    /// Features of the output, of both directions together.
    #[napi(catch_unwind)]
    pub fn output_size(&self, env: Env) -> Result<f64> {
        export(env, || Ok(for_stack!(self.stack(), stack => stack.output_size()) as f64))
    }

    /// Elements that forward leaves for backward beside the output: with a teacher if `taught`; with `checkpointEvery`,
    /// the states before each segment of so many steps.
    #[napi(catch_unwind)]
    pub fn saved_length(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        lengths: Option<Ints<'_>>,
        taught: bool,
        checkpoint_every: Option<f64>,
    ) -> Result<f64> {
        export(env, || {
            let layout = sequences.layout(lengths.as_ref().map(Ints::get).transpose()?)?;
            let every = segment(checkpoint_every)?;
            Ok(for_stack!(self.stack(), stack => stack.saved_len(&layout, every, taught))? as f64)
        })
    }

    /// The forward function, whose arguments `recurrentSlots` lists: writes the results, and what is saved if a backward
    /// pass will follow; then it returns a fingerprint of what that will read. With a teacher, its rows are fed back in the
    /// place of the output's.
    #[napi(catch_unwind, ts_return_type = "RecurrentPass")]
    pub fn forward<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        let layers = self.layers.clone();
        export(*env, || variadic_function(env, move |arguments| layers.forward(arguments)))
    }

    /// The backward function: backpropagation through time, which writes the gradients that are wanted. Throws if the
    /// fingerprint is not that of what it reads.
    #[napi(catch_unwind, ts_return_type = "RecurrentPass")]
    pub fn backward<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        let layers = self.layers.clone();
        export(*env, || variadic_function(env, move |arguments| layers.backward(arguments)))
    }
}
