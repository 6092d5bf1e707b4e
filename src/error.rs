//! Rust errors to JavaScript errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::*;
use napi::{JsError, JsRangeError, JsTypeError, JsValue};

use crate::work::refuse_while_recording;

/// Why a call failed, by the kind of JavaScript error that it becomes.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A value or a shape: `RangeError`.
    Range(String),
    /// A kind of value: `TypeError`.
    Kind(String),
    /// A value that must not have changed has: `Error`.
    Changed(String),
    /// The result is no longer wanted: `Error`.
    Cancelled,
    /// A bug of ours, caught as a panic: `Error`.
    Internal(String),
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

impl From<elman_formats::onnx::Error> for Failure {
    fn from(error: elman_formats::onnx::Error) -> Self {
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
            Self::Changed(message) => return Error::new(Status::GenericFailure, message),
            Self::Cancelled => return Error::new(Status::Cancelled, "the task was cancelled".to_owned()),
            Self::Internal(message) => {
                return Error::new(Status::GenericFailure, format!("internal error: {message}"));
            }
        }
        Error::new(Status::PendingException, String::new())
    }
}

/// Runs the body of an export, which cannot be kept for later as [`crate::work::run`] can. A failure is thrown as
/// the JavaScript error of its kind.
pub(crate) fn export<R>(env: Env, body: impl FnOnce() -> Checked<R>) -> Result<R> {
    let checked = || refuse_while_recording().and_then(|()| body());
    caught(checked).map_err(|failure| failure.throw(env.raw()))
}

/// Refuses a constructor's receiver that is no new object of its class: the class was called without `new`.
pub(crate) fn constructed(env: Env, this: &This<'_>, class: &'static str) -> Result<()> {
    export(env, || {
        let is = class_of(env, class).is_some_and(|class| {
            let mut is = false;
            // SAFETY: values of this environment, and a pointer to a local.
            let status = unsafe { sys::napi_instanceof(env.raw(), this.raw(), class, &raw mut is) };
            status == sys::Status::napi_ok && is
        });
        let name = class.trim_end_matches('\0');
        if is {
            Ok(())
        } else {
            Err(Failure::Kind(format!("Class constructor {name} cannot be invoked without 'new'")))
        }
    })
}

/// The class that is registered as `name`, which ends with a zero.
fn class_of(env: Env, name: &'static str) -> Option<sys::napi_value> {
    let reference = get_class_constructor(name)?;
    let mut class = std::ptr::null_mut();
    // SAFETY: a reference that napi-rs keeps as long as the environment, and a pointer to a local.
    let status = unsafe { sys::napi_get_reference_value(env.raw(), reference, &raw mut class) };
    (status == sys::Status::napi_ok && !class.is_null()).then_some(class)
}

/// Runs the body of a function that Node calls without napi-rs in between; a failure, and a panic too, is
/// thrown.
pub(crate) fn export_raw(env: sys::napi_env, body: impl FnOnce() -> Checked<()>) {
    let thrown = caught(|| {
        if let Err(failure) = caught(body) {
            match failure {
                Failure::Internal(message) => {
                    let error = Error::new(Status::GenericFailure, format!("internal error: {message}"));
                    // SAFETY: Node calls us with a live environment.
                    unsafe { JsError::from(error).throw_into(env) };
                }
                failure => drop(failure.throw(env)),
            }
        }
        Ok(())
    });
    drop(thrown); // if even throwing has panicked, nothing is left to do
}

/// Runs `body`; a panic becomes a failure, so that it never reaches the C frames of Node.
pub(crate) fn caught<R>(body: impl FnOnce() -> Checked<R>) -> Checked<R> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(Failure::Internal(text(&*panic).into())))
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
        let internal = |result: Checked<()>| match result {
            Err(Failure::Internal(message)) => message,
            other => format!("{other:?}"),
        };
        assert_eq!(internal(caught(|| panic!("a literal"))), "a literal");
        assert_eq!(internal(caught(|| panic!("number {}", 7))), "number 7");
        assert_eq!(internal(caught(|| std::panic::panic_any(7))), "unknown panic");
        assert!(matches!(caught(|| Ok(7)), Ok(7)));
        assert!(matches!(caught(|| Err::<(), _>(Failure::Range("r".into()))), Err(Failure::Range(_))));
    }

    #[test]
    fn a_panic_on_another_thread_of_a_team_becomes_a_failure() {
        // Sizes that do not fit together panic inside a kernel, which runs on all threads.
        let context = elman_kernels::Context::new(elman_kernels::Isa::detect(), 2);
        let result = caught(|| {
            context.each(usize::MAX, vec![0, 1], |_, item| {
                assert_eq!(item, 0, "the second item");
                Ok::<(), Failure>(())
            })
        });
        assert!(matches!(result, Err(Failure::Internal(_))));
    }
}
