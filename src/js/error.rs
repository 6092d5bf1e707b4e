//! Rust errors to JavaScript errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::*;
use napi::{JsRangeError, JsTypeError};

/// Why a call failed, by the kind of JavaScript error that it becomes.
#[derive(Debug)]
pub(crate) enum BindingError {
    /// A value or a shape: `RangeError`.
    Range(String),
    /// A kind of value: `TypeError`.
    Kind(String),
    /// A value that must not have changed has: `Error`.
    Changed(String),
    /// The result is no longer wanted: `Error`.
    Cancelled,
    /// JavaScript that ran meanwhile has thrown something.
    Thrown,
    /// A bug of ours, caught as a panic: `Error`.
    Internal(String),
}

/// The result of code whose failures `exports` throws.
pub(crate) type BindingResult<T> = std::result::Result<T, BindingError>;

impl From<elman_rnn::Error> for BindingError {
    fn from(error: elman_rnn::Error) -> Self {
        Self::Range(error.to_string())
    }
}

impl From<elman_kernels::AllocError> for BindingError {
    fn from(error: elman_kernels::AllocError) -> Self {
        Self::Range(error.to_string())
    }
}

impl From<elman_train::Error> for BindingError {
    fn from(error: elman_train::Error) -> Self {
        Self::Range(error.to_string())
    }
}

impl From<elman_formats::onnx::Error> for BindingError {
    fn from(error: elman_formats::onnx::Error) -> Self {
        Self::Range(error.to_string())
    }
}

impl From<elman_formats::safetensors::Error> for BindingError {
    fn from(error: elman_formats::safetensors::Error) -> Self {
        use elman_formats::safetensors::Error;
        match error {
            Error::UnsupportedDtype { .. } => Self::Kind(error.to_string()),
            _ => Self::Range(error.to_string()),
        }
    }
}

impl BindingError {
    /// Throws in `env`; the returned error tells napi-rs that an exception is pending.
    pub(crate) fn throw(self, env: sys::napi_env) -> Error {
        let error = |message| Error::new(Status::InvalidArg, message);
        match self {
            // SAFETY: napi-rs calls us with a live environment.
            Self::Range(message) => unsafe { JsRangeError::from(error(message)).throw_into(env) },
            // SAFETY: as above.
            Self::Kind(message) => unsafe { JsTypeError::from(error(message)).throw_into(env) },
            Self::Changed(message) => return Error::new(Status::GenericFailure, message),
            Self::Cancelled => return Error::new(Status::Cancelled, "the task was cancelled".to_owned()),
            Self::Thrown => {}
            Self::Internal(message) => {
                return Error::new(Status::GenericFailure, format!("internal error: {message}"));
            }
        }
        Error::new(Status::PendingException, String::new())
    }
}

/// Runs `body`; a panic becomes a failure, so that it never reaches the C frames of Node.
pub(crate) fn caught<R>(body: impl FnOnce() -> BindingResult<R>) -> BindingResult<R> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|panic| Err(BindingError::Internal(text(&*panic).into())))
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure() {
        let internal = |result: BindingResult<()>| match result {
            Err(BindingError::Internal(message)) => message,
            other => format!("{other:?}"),
        };
        assert_eq!(internal(caught(|| panic!("a literal"))), "a literal");
        assert_eq!(internal(caught(|| panic!("number {}", 7))), "number 7");
        assert_eq!(internal(caught(|| std::panic::panic_any(7))), "unknown panic");
        assert!(matches!(caught(|| Ok(7)), Ok(7)));
        assert!(matches!(
            caught(|| Err::<(), _>(BindingError::Range("r".into()))),
            Err(BindingError::Range(_))
        ));
    }

    #[test]
    fn a_panic_on_another_thread_of_a_team_becomes_a_failure() {
        // Sizes that do not fit together panic inside a kernel, which runs on all threads.
        let context = elman_kernels::Context::new(elman_kernels::Isa::detect(), 2);
        let result = caught(|| {
            context.each(usize::MAX, vec![0, 1], |_, item| {
                assert_eq!(item, 0, "the second item");
                Ok::<(), BindingError>(())
            })
        });
        assert!(matches!(result, Err(BindingError::Internal(_))));
    }
}
