//! A stack of layers, of one of the element types.

use std::collections::HashMap;

use elman_rnn::Stack;
use elman_rnn::cells::{self, Config, Value};
use napi::bindgen_prelude::Either3;

use crate::js::error::{BindingError, BindingResult};
use crate::js::memory::Dtype;
use crate::js::numbers::size;

/// What a cell is made with, by name: sizes, flags and names.
pub(super) type Entries = HashMap<String, Either3<f64, bool, String>>;

/// A stack of one of the element types.
pub(crate) enum AnyStack {
    F32(Stack<f32>),
    F64(Stack<f64>),
}

/// Runs `$body` with `$stack` the stack of an [`AnyStack`].
macro_rules! for_stack {
    ($any:expr, $stack:ident => $body:expr) => {
        match $any {
            $crate::recurrent::stack::AnyStack::F32($stack) => $body,
            $crate::recurrent::stack::AnyStack::F64($stack) => $body,
        }
    };
}
pub(crate) use for_stack;

impl AnyStack {
    /// Layers of the cell called `cell`.
    pub(super) fn build(cell: &str, entries: Entries, dtype: Dtype) -> BindingResult<Self> {
        let config = entries.into_iter().map(entry).collect::<BindingResult<Config>>()?;
        match dtype {
            Dtype::F32 => Ok(Self::F32(cells::build(cell, &config)?)),
            Dtype::F64 => Ok(Self::F64(cells::build(cell, &config)?)),
            Dtype::I32 => Err(BindingError::Kind("expected a dtype of floating point, got int32".into())),
        }
    }
}

fn entry((key, value): (String, Either3<f64, bool, String>)) -> BindingResult<(String, Value)> {
    let value = match value {
        Either3::A(number) => Value::Size(size(number, &key)?),
        Either3::B(flag) => Value::Flag(flag),
        Either3::C(name) => Value::Name(name),
    };
    Ok((key, value))
}
