//! The body of an export: errors and panics are thrown, and none runs while calls are recorded.

use std::cell::Cell;

use napi::bindgen_prelude::*;
use napi::{JsError, JsValue};

use super::error::{BindingError, BindingResult, caught};
use crate::env::denormals::{flushes, flushing};

/// Whether the calls of this thread run at once or are recorded (`background`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// At once.
    Run,
    /// They are recorded.
    Recorded,
    /// They are recorded, and one was refused because it cannot be.
    Refused,
}

thread_local! {
    static CALLS: Cell<Calls> = const { Cell::new(Calls::Run) };
}

/// From now on, calls run at once, or are recorded; returns what they did before.
pub(crate) fn set_calls(calls: Calls) -> Calls {
    CALLS.replace(calls)
}

/// Refuses to run an export while calls are recorded, since it would run before those.
fn refuse_while_recording() -> BindingResult<()> {
    if CALLS.get() == Calls::Run {
        return Ok(());
    }
    CALLS.set(Calls::Refused);
    Err(BindingError::Internal("this function cannot run in the background".into()))
}

/// Runs the body of an export, which cannot be kept for later as `background::work::run` can. A failure is thrown as
/// the JavaScript error of its kind.
pub(crate) fn export<R>(env: Env, body: impl FnOnce() -> BindingResult<R>) -> Result<R> {
    let checked = || refuse_while_recording().and_then(|()| body());
    caught(checked).map_err(|failure| failure.throw(env.raw()))
}

/// [`export`] for arithmetic, which flushes denormal numbers if that is set.
pub(crate) fn compute<R>(env: Env, body: impl FnOnce() -> BindingResult<R>) -> Result<R> {
    export(env, || flushing(flushes(), body))
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
            Err(BindingError::Kind(format!("Class constructor {name} cannot be invoked without 'new'")))
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
pub(crate) fn export_raw(env: sys::napi_env, body: impl FnOnce() -> BindingResult<()>) {
    let thrown = caught(|| {
        if let Err(failure) = caught(body) {
            let error = failure.throw(env);
            if error.status != Status::PendingException {
                // SAFETY: Node calls us with a live environment.
                unsafe { JsError::from(error).throw_into(env) };
            }
        }
        Ok(())
    });
    drop(thrown); // if even throwing has panicked, nothing is left to do
}
