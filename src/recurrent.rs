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
use crate::js::arrays::{ArrayList, Floats, Ints, disjoint_lists};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::{constructed, export};
use crate::js::memory::{Dtype, Element, Memory};
use crate::js::numbers::{integer, size};
use crate::sequences::Sequences;

/// Layers of a recurrent cell, of one shape and dtype. It holds no parameters: each call reads them where JavaScript keeps
/// them.
#[napi]
pub struct RecurrentCore {
    pub(crate) stack: Arc<AnyStack>,
    /// The name of the operation in messages.
    owner: Arc<str>,
    states: usize,
    parameters: usize,
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

/// Declares arrays that are handed over in a list, in their order: each name stands for `one` array, or for as many as the
/// cell has `states` or `parameters`. Any may be missing.
macro_rules! slots {
    ($($(#[$doc:meta])* $name:ident { $($slot:ident: $count:ident),* })*) => {$(
        $(#[$doc])*
        struct $name<A> {
            $($slot: slots!(@type $count A)),*
        }

        impl<A> $name<A> {
            const ORDER: &[&str] = &[$(stringify!($slot)),*];

            /// Takes the arrays from the front of a list.
            fn take(
                core: &RecurrentCore,
                list: &mut impl Iterator<Item = Option<Memory>>,
                take: impl Fn(Memory) -> BindingResult<A>,
            ) -> BindingResult<Self> {
                let mut arrays = list.map(|memory| memory.map(&take).transpose());
                Ok(Self { $($slot: slots!(@take $count core arrays)),* })
            }
        }
    )*};
    (@type one $a:ident) => { Option<$a> };
    (@type states $a:ident) => { List<Option<$a>> };
    (@type parameters $a:ident) => { Vec<Option<$a>> };
    (@take one $core:ident $arrays:ident) => { $arrays.next().transpose()?.flatten() };
    (@take $count:ident $core:ident $arrays:ident) => {
        $arrays.by_ref().take($core.$count).collect::<BindingResult<_>>()?
    };
}

slots! {
    /// What both passes read.
    InputSlots { lengths: one, input: one, teacher: one, states: states, parameters: parameters }

    /// What forward writes.
    ResultSlots { output: one, saved: one, final_states: states }

    /// What backward reads after the inputs.
    UpstreamSlots { output: one, saved: one, grad_output: one, grad_final_states: states }

    /// What backward writes.
    GradientSlots { grad_input: one, grad_teacher: one, grad_states: states, grad_parameters: parameters }
}

/// The order of the numbers of a call.
const NUMBERS: [&str; 4] = ["dropout", "seed", "checkpoint_every", "fingerprint"];

/// The arrays and numbers of the calls of a `RecurrentCore`, in their order. `states` and `parameters`, and their
/// gradients, stand for as many arrays as the cell has.
#[napi(object, object_from_js = false)]
pub struct RecurrentSlots {
    /// What forward reads.
    pub forward_read: Vec<&'static str>,
    /// What forward writes.
    pub forward_written: Vec<&'static str>,
    /// What backward reads.
    pub backward_read: Vec<&'static str>,
    /// What backward writes.
    pub backward_written: Vec<&'static str>,
    /// The numbers of both.
    pub numbers: Vec<&'static str>,
}

/// The order of arrays and numbers: the one table of it.
#[napi(catch_unwind)]
pub fn recurrent_slots(env: Env) -> Result<RecurrentSlots> {
    export(env, || {
        let inputs = InputSlots::<()>::ORDER;
        Ok(RecurrentSlots {
            forward_read: inputs.to_vec(),
            forward_written: ResultSlots::<()>::ORDER.to_vec(),
            backward_read: [inputs, UpstreamSlots::<()>::ORDER].concat(),
            backward_written: GradientSlots::<()>::ORDER.to_vec(),
            numbers: NUMBERS.to_vec(),
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

/// What forward and backward have in common.
struct Call {
    stack: Arc<AnyStack>,
    owner: Arc<str>,
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
        Ok(CallArrays {
            parameters: parameters
                .iter()
                .map(|one| required(one.as_ref(), "a parameter"))
                .collect::<BindingResult<_>>()?,
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
    if !keeps {
        return Ok(0.0);
    }
    Ok(arrays.fingerprint(ctx, required_mut(output.as_mut(), "the output")?))
}

/// Writes the gradients that are wanted, if the arrays still have the fingerprint `expected` (NaN: any).
fn backward<T: Scalar + Element>(
    stack: &Stack<T>,
    ctx: &Context,
    call: &Call,
    upstream: &UpstreamSlots<Source>,
    gradients: &mut GradientSlots<Target>,
    expected: f64,
) -> BindingResult<f64> {
    let arrays = call.arrays()?;
    let output = required(upstream.output.as_ref(), "the output")?;
    if !expected.is_nan() && expected != arrays.fingerprint(ctx, output) {
        return Err(changed(&call.owner));
    }
    let dstates_n = upstream.grad_final_states.iter().map(|one| optional(one.as_ref()));
    let dstates_n: List<_> = dstates_n.collect::<BindingResult<_>>()?;
    let GradientSlots { grad_input, grad_teacher, grad_states, grad_parameters } = gradients;
    let dstates = grad_states.iter_mut().map(|one| optional_mut(one.as_mut()));
    let any = grad_parameters.iter().any(Option::is_some);
    let dparameters =
        grad_parameters.iter_mut().map(|one| required_mut(one.as_mut(), "a parameter's gradient"));
    stack.backward(
        ctx,
        &Backward {
            inputs: arrays.inputs(call),
            output,
            saved: required(upstream.saved.as_ref(), "what is saved")?,
            doutput: optional(upstream.grad_output.as_ref())?,
            dstates_n: &dstates_n,
        },
        Gradients {
            dinput: optional_mut(grad_input.as_mut())?,
            dteacher: optional_mut(grad_teacher.as_mut())?,
            dstates: dstates.collect::<BindingResult<_>>()?,
            dparameters: any.then(|| dparameters.collect::<BindingResult<_>>()).transpose()?,
        },
    )?;
    Ok(0.0)
}

/// Steps of a segment, if only the states at the segments' starts are kept; 0 is none.
fn segment(checkpoint_every: f64) -> BindingResult<Option<NonZeroUsize>> {
    size(checkpoint_every, "checkpoint_every").map(NonZeroUsize::new)
}

/// Refuses arrays that are left in the lists of a call.
fn complete(lists: [&mut dyn Iterator<Item = Option<Memory>>; 2]) -> BindingResult<()> {
    let left: usize = lists.into_iter().map(Iterator::count).sum();
    if left == 0 { Ok(()) } else { Err(BindingError::Range(format!("expected {left} arrays less"))) }
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

impl RecurrentCore {
    /// What both passes have in common, and the fingerprint among the numbers.
    fn call(
        &self,
        sequences: &Sequences,
        read: &mut impl Iterator<Item = Option<Memory>>,
        numbers: &Floats<'_>,
    ) -> BindingResult<(Call, f64)> {
        let &[p, seed, checkpoint_every, fingerprint] = numbers.get()? else {
            return Err(BindingError::Range(format!("expected {} numbers", NUMBERS.len())));
        };
        let inputs = InputSlots::take(self, read, Source::new)?;
        let lengths = inputs.lengths.as_ref().map(Source::get).transpose()?;
        let call = Call {
            stack: Arc::clone(&self.stack),
            owner: Arc::clone(&self.owner),
            layout: sequences.layout(lengths)?,
            dropout: Dropout { p, seed: integer(seed, "the seed of dropout")?.cast_unsigned() },
            checkpoint_every: segment(checkpoint_every)?,
            inputs,
        };
        Ok((call, fingerprint))
    }
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
            Ok(Self { stack: Arc::new(stack), owner: owner.into(), states, parameters })
        })
    }

    /// Names and shapes of the parameters, in the order of the state dict.
    #[napi(catch_unwind)]
    pub fn parameters(&self, env: Env) -> Result<Vec<ParameterSpec>> {
        export(env, || {
            let parameters = for_stack!(self.stack, stack => stack.parameters());
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
            let sizes = for_stack!(self.stack, stack => stack.state_sizes());
            Ok(sizes.iter().map(|&size| size as f64).collect())
        })
    }

    /// Features of the output, of both directions together.
    #[napi(catch_unwind)]
    pub fn output_size(&self, env: Env) -> Result<f64> {
        export(env, || Ok(for_stack!(self.stack, stack => stack.output_size()) as f64))
    }

    /// Elements that forward leaves for backward beside the output: with a teacher if `taught`; with `checkpointEvery`
    /// (0: none), the states before each segment of so many steps.
    #[napi(catch_unwind)]
    pub fn saved_length(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        lengths: Option<Ints<'_>>,
        taught: bool,
        checkpoint_every: f64,
    ) -> Result<f64> {
        export(env, || {
            let layout = sequences.layout(lengths.as_ref().map(Ints::get).transpose()?)?;
            let every = segment(checkpoint_every)?;
            Ok(for_stack!(self.stack, stack => stack.saved_len(&layout, every, taught))? as f64)
        })
    }

    /// Writes the results, and what is saved if a backward pass will follow; then it returns a fingerprint of what that
    /// will read. `recurrentSlots` has the order of the arrays and numbers; with a teacher, its rows are fed back in the
    /// place of the output's.
    #[napi(catch_unwind)]
    pub fn forward(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        read: ArrayList<'_>,
        written: ArrayList<'_>,
        numbers: Floats<'_>,
    ) -> Result<f64> {
        work::run(env, || {
            let [mut read, mut written] = disjoint_lists(&read, &written)?;
            let (call, _) = self.call(&sequences, &mut read, &numbers)?;
            let mut results = ResultSlots::take(self, &mut written, Target::new)?;
            complete([&mut read, &mut written])?;
            Ok(move |ctx: &Context| for_stack!(call.stack, stack => forward(stack, ctx, &call, &mut results)))
        })
    }

    /// Backpropagation through time: writes the gradients that are wanted, of the parameters all or none. Throws if the
    /// fingerprint among the numbers is not that of what it reads (NaN: not checked).
    #[napi(catch_unwind)]
    pub fn backward(
        &self,
        env: Env,
        sequences: ClassInstance<'_, Sequences>,
        read: ArrayList<'_>,
        written: ArrayList<'_>,
        numbers: Floats<'_>,
    ) -> Result<f64> {
        work::run(env, || {
            let [mut read, mut written] = disjoint_lists(&read, &written)?;
            let (call, fingerprint) = self.call(&sequences, &mut read, &numbers)?;
            let upstream = UpstreamSlots::take(self, &mut read, Source::new)?;
            let mut gradients = GradientSlots::take(self, &mut written, Target::new)?;
            complete([&mut read, &mut written])?;
            Ok(
                move |ctx: &Context| for_stack!(call.stack, stack => backward(stack, ctx, &call, &upstream, &mut gradients, fingerprint)),
            )
        })
    }
}
