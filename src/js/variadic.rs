//! Functions of any number of arguments.
//!
//! Where a call has many arrays, they are arguments and not elements of lists: to read an element takes as long as to read
//! a typed array. A method of a class has a fixed number of arguments, so the class returns such a function. JavaScript
//! passes at most 65534 arguments; a call that may have more takes lists in their place.

use std::ffi::c_void;
use std::{ptr, slice};

use napi::bindgen_prelude::*;

use super::bound::{create_function, done};
use super::error::{BindingError, BindingResult};
use super::exports::export_raw;
use super::memory::Memory;

/// As many arguments as a call usually has.
const USUAL_ARGUMENTS: usize = 24;

/// The most elements of lists in a call.
const MAX_ELEMENTS: usize = 1 << 22;

/// The arguments of a call, which are taken one after the other.
pub(crate) struct Arguments<'a> {
    env: sys::napi_env,
    values: slice::Iter<'a, sys::napi_value>,
}

impl<'a> Arguments<'a> {
    fn next(&mut self) -> BindingResult<sys::napi_value> {
        self.values.next().copied().ok_or_else(|| BindingError::Kind("expected more arguments".into()))
    }

    /// An object of a class.
    pub(crate) fn instance<T: MaybeTypeTag>(&mut self) -> BindingResult<ClassInstance<'a, T>> {
        let value = self.next()?;
        // SAFETY: env and value are of the running call; a value of another kind is an error.
        let instance = unsafe { ClassInstance::from_napi_value(self.env, value) };
        instance.map_err(|error| BindingError::Kind(error.reason.clone()))
    }

    /// A number.
    pub(crate) fn number(&mut self) -> BindingResult<f64> {
        let (value, mut number) = (self.next()?, 0.0);
        // SAFETY: as above, and the pointer is to a local.
        let status = unsafe { sys::napi_get_value_double(self.env, value, &raw mut number) };
        if status == sys::Status::napi_ok {
            return Ok(number);
        }
        Err(BindingError::Kind("expected a number, got another kind of value".into()))
    }

    /// The memory of all further arguments: `expected` arrays or nulls. If there are fewer arguments, some are lists, whose
    /// elements stand in their place; all are read, which may run JavaScript (a getter), before memory is looked at.
    pub(crate) fn memories(self, expected: usize) -> BindingResult<Vec<Option<Memory>>> {
        let mut values = self.values.as_slice();
        let elements;
        if values.len() < expected {
            elements = with_elements(self.env, values)?;
            values = &elements;
        }
        if values.len() != expected {
            let count = values.len();
            return Err(BindingError::Kind(format!("expected {expected} arrays or nulls, got {count}")));
        }
        let mut memories = Vec::with_capacity(expected);
        for &value in values {
            memories.push(Memory::of_nullable(self.env, value)?);
        }
        Ok(memories)
    }
}

/// The values, with the elements of a list in its place.
fn with_elements(env: sys::napi_env, values: &[sys::napi_value]) -> BindingResult<Vec<sys::napi_value>> {
    let mut all = Vec::new();
    for &value in values {
        let mut len = 0;
        // SAFETY: env and value are of the running call, and the pointer is to a local. What is no list gives a status
        // that is not ok.
        if unsafe { sys::napi_get_array_length(env, value, &raw mut len) } != sys::Status::napi_ok {
            all.push(value);
            continue;
        }
        if len as usize > MAX_ELEMENTS.saturating_sub(all.len()) {
            return Err(BindingError::Range(format!("expected at most {MAX_ELEMENTS} arrays")));
        }
        for index in 0..len {
            let mut element = ptr::null_mut();
            // SAFETY: as above. A getter may run, and throw.
            if unsafe { sys::napi_get_element(env, value, index, &raw mut element) } != sys::Status::napi_ok {
                return Err(BindingError::Thrown);
            }
            all.push(element);
        }
    }
    Ok(all)
}

/// A JavaScript function that calls `body` with its arguments and returns a number.
pub(crate) fn variadic_function<'env, F>(env: &'env Env, body: F) -> BindingResult<Unknown<'env>>
where
    F: Fn(Arguments<'_>) -> BindingResult<f64> + 'static,
{
    let raw = env.raw();
    let function = create_function(raw, body, call::<F>, drop_body::<F>)?;
    // SAFETY: `function` is a value of this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, function) })
}

/// What Node calls for a function.
///
/// # Safety
///
/// - Node calls it, for a function that [`variadic_function`] has made with this type.
unsafe extern "C" fn call<F>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value
where
    F: Fn(Arguments<'_>) -> BindingResult<f64>,
{
    let mut result = ptr::null_mut();
    export_raw(env, || {
        let (mut count, mut data) = (USUAL_ARGUMENTS, ptr::null_mut());
        let mut usual = [ptr::null_mut(); USUAL_ARGUMENTS];
        let mut all = Vec::new();
        // SAFETY: env and info are those of the running call, and there is room for `count` values; what is not wanted
        // may be null.
        let get = |count: &mut usize, values: *mut sys::napi_value, data: *mut *mut c_void| unsafe {
            sys::napi_get_cb_info(env, info, count, values, ptr::null_mut(), data)
        };
        done(get(&mut count, usual.as_mut_ptr(), &raw mut data))?;
        let mut values = usual.get(..count).unwrap_or_default();
        if count > USUAL_ARGUMENTS {
            all.resize(count, ptr::null_mut());
            done(get(&mut count, all.as_mut_ptr(), ptr::null_mut()))?;
            values = &all;
        }
        // SAFETY: the data of the function, which is there while it is called.
        let body = unsafe { &*data.cast::<F>() };
        let number = body(Arguments { env, values: values.iter() })?;
        // SAFETY: as above, and the pointer is to a local.
        done(unsafe { sys::napi_create_double(env, number, &raw mut result) })
    });
    result
}

/// Frees the data of a function.
///
/// # Safety
///
/// - Node calls it, once, when the function is gone that [`variadic_function`] has made with this type.
unsafe extern "C" fn drop_body<F>(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the box that `create_function` has made.
    drop(unsafe { Box::from_raw(data.cast::<F>()) });
}
