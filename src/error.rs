//! Rust errors to JavaScript errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::*;
use napi::{JsRangeError, JsTypeError};

/// Why a call failed, by the kind of JavaScript error that it becomes.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A value or a shape: `RangeError`.
    Range(String),
    /// A kind of value: `TypeError`.
    Kind(String),
}

/// The result of code whose failures [`export`] throws.
pub(crate) type Checked<T> = std::result::Result<T, Failure>;

impl From<elman_rnn::Error> for Failure {
    fn from(error: elman_rnn::Error) -> Self {
        Self::Range(error.to_string())
    }
}

impl From<elman_kernels::AllocError> for Failure {
    fn from(error: elman_kernels::AllocError) -> Self {
        Self::Range(error.to_string())
    }
}

impl From<elman_train::Error> for Failure {
    fn from(error: elman_train::Error) -> Self {
        Self::Range(error.to_string())
    }
}

impl From<elman_formats::safetensors::Error> for Failure {
    fn from(error: elman_formats::safetensors::Error) -> Self {
        use elman_formats::safetensors::Error;
        match error {
            Error::UnsupportedDtype { .. } => Self::Kind(error.to_string()),
            _ => Self::Range(error.to_string()),
        }
    }
}

impl Failure {
    /// Throws in `env`; the returned error tells napi-rs that an exception is pending.
    pub(crate) fn throw(self, env: sys::napi_env) -> Error {
        let error = |message| Error::new(Status::InvalidArg, message);
        match self {
            // SAFETY: napi-rs calls us with a live environment.
            Self::Range(message) => unsafe { JsRangeError::from(error(message)).throw_into(env) },
            // SAFETY: as above.
            Self::Kind(message) => unsafe { JsTypeError::from(error(message)).throw_into(env) },
        }
        Error::new(Status::PendingException, String::new())
    }
}

/// Runs the body of an export. A failure is thrown as the JavaScript error of its kind, a panic as `Error`.
pub(crate) fn export<R>(env: Env, body: impl FnOnce() -> Checked<R>) -> Result<R> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result.map_err(|failure| failure.throw(env.raw())),
        Err(panic) => Err(Error::new(Status::GenericFailure, format!("internal error: {}", text(&*panic)))),
    }
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown panic")
}
