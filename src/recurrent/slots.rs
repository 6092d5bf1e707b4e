//! The order of the arguments of a pass: the one table of it.

use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::js::exports::export;

/// How many states and parameters a cell has.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    pub(super) states: usize,
    pub(super) parameters: usize,
}

/// Arrays in a row: to be read, `&[Option<Source>]`, or to be written, `&mut [Option<Target>]`.
pub(super) trait Row: Sized {
    /// One array, or none.
    type One;
    /// The first, and the rest.
    fn one(self) -> (Self::One, Self);
    /// The first `count`, and the rest.
    fn several(self, count: usize) -> (Self, Self);
}

impl<'a, A> Row for &'a [Option<A>] {
    type One = Option<&'a A>;

    fn one(self) -> (Self::One, Self) {
        self.split_first().map_or((None, self), |(first, rest)| (first.as_ref(), rest))
    }

    fn several(self, count: usize) -> (Self, Self) {
        self.split_at(count)
    }
}

impl<'a, A> Row for &'a mut [Option<A>] {
    type One = Option<&'a mut A>;

    fn one(self) -> (Self::One, Self) {
        self.split_first_mut().map_or((None, &mut []), |(first, rest)| (first.as_mut(), rest))
    }

    fn several(self, count: usize) -> (Self, Self) {
        self.split_at_mut(count)
    }
}

/// Declares arrays among the arguments of a call, in their order: each name stands for `one` array, or for as many as the
/// cell has `states` or `parameters`. Any may be missing.
macro_rules! slots {
    ($($(#[$doc:meta])* $name:ident { $($slot:ident: $count:ident),* })*) => {$(
        $(#[$doc])*
        pub(super) struct $name<R: Row> {
            $(pub(super) $slot: slots!(@type $count R)),*
        }

        impl<R: Row> $name<R> {
            /// The first arrays of a row, of which there are enough; and the rest.
            pub(super) fn of(counts: Counts, row: R) -> (Self, R) {
                $(let ($slot, row) = slots!(@take $count counts row);)*
                (Self { $($slot),* }, row)
            }
        }

        impl $name<&'static [Option<()>]> {
            const ORDER: &'static [&'static str] = &[$(stringify!($slot)),*];

            /// The number of arrays.
            pub(super) fn count(counts: Counts) -> usize {
                0 $(+ slots!(@count $count counts))*
            }
        }
    )*};
    (@type one $r:ident) => { $r::One };
    (@type $count:ident $r:ident) => { $r };
    (@count one $counts:ident) => { 1 };
    (@count $count:ident $counts:ident) => { $counts.$count };
    (@take one $counts:ident $row:ident) => { $row.one() };
    (@take $count:ident $counts:ident $row:ident) => { $row.several($counts.$count) };
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
        let inputs = InputSlots::ORDER;
        Ok(RecurrentSlots {
            forward: [&FORWARD, inputs, ResultSlots::ORDER].concat(),
            backward: [&BACKWARD, inputs, UpstreamSlots::ORDER, GradientSlots::ORDER].concat(),
        })
    })
}
