//! Bound functions: functions that keep their arrays from call to call.
//!
//! To read a typed array that comes as an argument takes longer than a small step of a network. So a function that runs
//! often gets its arrays once, in [`bound_function`], and is called without arguments.
//!
//! The function holds the arrays, as a property that cannot be removed, so their memory is not freed. JavaScript can still
//! detach it, by transferring a buffer to another thread or resizing it: each call first compares address and length of
//! every buffer ([`Kept::get`]). They do not change during a call, because JavaScript does not run meanwhile.

use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::*;

use super::arrays::{Array, FloatsMut};
use super::error::{BindingError, BindingResult};
use super::exports::export_raw;
use super::memory::{Element, Memory};
use crate::env::denormals::{flushes, flushing};

/// An array to keep, as an argument of an export: `Float32Array` or `Float64Array`.
pub struct ToKeep<'a> {
    floats: FloatsMut<'a>,
    value: sys::napi_value,
}

impl<'a> ToKeep<'a> {
    /// How many elements of type `T` it has.
    pub(crate) fn len<T: Element>(&self) -> BindingResult<usize> {
        self.floats.place::<T>().map(|(_, len)| len)
    }

    /// Its elements for the running call, of type `T`.
    pub(crate) fn get<T: Element>(self) -> BindingResult<&'a mut [T]> {
        self.floats.get()
    }
}

impl TypeName for ToKeep<'_> {
    fn type_name() -> &'static str {
        FloatsMut::type_name()
    }
    fn value_type() -> ValueType {
        FloatsMut::value_type()
    }
}

impl ValidateNapiValue for ToKeep<'_> {}

impl FromNapiValue for ToKeep<'_> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: the caller vouches for env and value.
        let floats = unsafe { FloatsMut::from_napi_value(env, value) }?;
        Ok(Self { floats, value })
    }
}

impl Array for ToKeep<'_> {
    fn memory(&self) -> BindingResult<Memory> {
        self.floats.memory()
    }
}

/// An array that is kept: what its buffer was when it was bound, and where its elements are.
pub(crate) struct Kept<T> {
    /// A weak reference to the `ArrayBuffer`.
    buffer: sys::napi_ref,
    /// Where the buffer begins, and its bytes.
    memory: (*mut c_void, usize),
    data: *mut T,
    len: usize,
}

impl<T: Element> Kept<T> {
    /// Binds an array. Nothing that is bound together may overlap; `disjoint` checks that.
    pub(crate) fn new(env: Env, array: &ToKeep<'_>) -> BindingResult<Self> {
        let (data, len) = array.floats.place::<T>()?;
        let (raw, mut buffer) = (env.raw(), ptr::null_mut());
        // SAFETY: env and value come from the running call; what is not wanted may be null.
        done(unsafe {
            sys::napi_get_typedarray_info(
                raw,
                array.value,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut buffer,
                ptr::null_mut(),
            )
        })?;
        let memory = memory_of(raw, buffer)?;
        let mut reference = ptr::null_mut();
        // SAFETY: as above; the reference is deleted in `drop_state`.
        done(unsafe { sys::napi_create_reference(raw, buffer, 0, &raw mut reference) })?;
        Ok(Self { buffer: reference, memory, data, len })
    }

    /// Its elements, if its buffer is as it was.
    ///
    /// # Safety
    ///
    /// - `env` is the environment that it was bound in, in a call that runs now;
    /// - the function that it was bound to is still there;
    /// - the result is gone when the call ends, and there is no other one of this array.
    unsafe fn get<'a>(&self, env: sys::napi_env) -> BindingResult<&'a mut [T]> {
        let mut buffer = ptr::null_mut();
        // SAFETY: the caller vouches for env; the reference lives as long as the function.
        done(unsafe { sys::napi_get_reference_value(env, self.buffer, &raw mut buffer) })?;
        if buffer.is_null() || memory_of(env, buffer)? != self.memory {
            return Err(BindingError::Range(
                "expected an array with the memory that it was made with, got one whose buffer is detached or resized"
                    .into(),
            ));
        }
        // SAFETY: the elements lay within the buffer when it was bound, and it is the same memory still; the
        // caller vouches for the rest.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.data, self.len) })
    }
}

/// Where an `ArrayBuffer`'s memory is, and its bytes.
fn memory_of(env: sys::napi_env, buffer: sys::napi_value) -> BindingResult<(*mut c_void, usize)> {
    let (mut data, mut bytes) = (ptr::null_mut(), 0);
    // SAFETY: the value is of the running call, and the pointers are to locals.
    done(unsafe { sys::napi_get_arraybuffer_info(env, buffer, &raw mut data, &raw mut bytes) })?;
    Ok((data, bytes))
}

/// What a bound function works with: `N` arrays of `T`, and something of its own.
pub(crate) trait Bound<T, const N: usize>: 'static {
    /// The body of the function.
    fn call(&mut self, arrays: [&mut [T]; N]) -> BindingResult<()>;
}

/// The data of a bound function.
struct State<T, B, const N: usize> {
    arrays: [Kept<T>; N],
    own: B,
}

/// A JavaScript function without arguments that calls `own` with the arrays.
pub(crate) fn bound_function<'env, T, B, const N: usize>(
    env: &'env Env,
    arrays: [&ToKeep<'_>; N],
    own: B,
) -> BindingResult<Unknown<'env>>
where
    T: Element + 'static,
    B: Bound<T, N>,
{
    let raw = env.raw();
    let mut list = ptr::null_mut();
    // SAFETY: a live environment, and a pointer to a local.
    done(unsafe { sys::napi_create_array_with_length(raw, N, &raw mut list) })?;
    for (index, array) in (0..).zip(arrays) {
        // SAFETY: as above; the values are of the running call.
        done(unsafe { sys::napi_set_element(raw, list, index, array.value) })?;
    }
    let mut bound = Vec::with_capacity(N);
    for array in arrays {
        bound.push(Kept::new(*env, array)?);
    }
    let bound: [Kept<T>; N] =
        bound.try_into().map_err(|_| BindingError::Internal("as many arrays as were given".into()))?;
    let state = State { arrays: bound, own };
    let function = create_function(raw, state, call_bound::<T, B, N>, drop_state::<T, B, N>)?;
    let property = sys::napi_property_descriptor {
        utf8name: c"arrays".as_ptr(),
        name: ptr::null_mut(),
        method: None,
        getter: None,
        setter: None,
        value: list,
        attributes: sys::PropertyAttributes::default, // neither writable nor configurable
        data: ptr::null_mut(),
    };
    // SAFETY: as above.
    done(unsafe { sys::napi_define_properties(raw, function, 1, &raw const property) })?;
    // SAFETY: `function` is a value of this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, function) })
}

/// A function without a name that has `state` as its data: `callback` is called with it, and `finalizer` drops it when the
/// function is gone.
pub(super) fn create_function<S>(
    env: sys::napi_env,
    state: S,
    callback: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    finalizer: unsafe extern "C" fn(sys::napi_env, *mut c_void, *mut c_void),
) -> BindingResult<sys::napi_value> {
    let state = Box::into_raw(Box::new(state)).cast();
    let (mut function, no_name) = (ptr::null_mut(), ptr::null());
    // SAFETY: a live environment, and a pointer to a local; the callback takes the data for what it is.
    done(unsafe { sys::napi_create_function(env, no_name, 0, Some(callback), state, &raw mut function) })?;
    // SAFETY: as above; the finalizer takes the data for what it is, once.
    done(unsafe {
        let (no_hint, no_reference) = (ptr::null_mut(), ptr::null_mut());
        sys::napi_add_finalizer(env, function, state, Some(finalizer), no_hint, no_reference)
    })?;
    Ok(function)
}

/// What Node calls for a bound function.
///
/// # Safety
///
/// - Node calls it, for a function that [`bound_function`] has made with these types.
unsafe extern "C" fn call_bound<T: Element + 'static, B: Bound<T, N>, const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    export_raw(env, || {
        let mut data = ptr::null_mut();
        // SAFETY: env and info are those of the running call; what is not wanted may be null.
        done(unsafe {
            sys::napi_get_cb_info(env, info, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &raw mut data)
        })?;
        // SAFETY: the data of the function, which is there while it is called. A call runs no JavaScript, so
        // there is no second one inside it.
        let state = unsafe { &mut *data.cast::<State<T, B, N>>() };
        let mut arrays: [&mut [T]; N] = std::array::from_fn(|_| Default::default());
        for (slice, array) in arrays.iter_mut().zip(&state.arrays) {
            // SAFETY: the function is there, and the slices end with this call; `disjoint` was checked.
            *slice = unsafe { array.get(env) }?;
        }
        flushing(flushes(), || state.own.call(arrays))
    });
    ptr::null_mut()
}

/// Frees the data of a bound function.
///
/// # Safety
///
/// - Node calls it, once, when the function is gone that [`bound_function`] has made with these types.
unsafe extern "C" fn drop_state<T, B, const N: usize>(env: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the box that `create_function` has made.
    let state = unsafe { Box::from_raw(data.cast::<State<T, B, N>>()) };
    for array in &state.arrays {
        // SAFETY: made by `Kept::new` in this environment. A failure would be one too late to report.
        let _ = unsafe { sys::napi_delete_reference(env, array.buffer) };
    }
    // What `own` drops may end threads, which does not panic.
    drop(state);
}

/// A status of Node-API as a result.
pub(super) fn done(status: sys::napi_status) -> BindingResult<()> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    Err(BindingError::Internal(format!("Node-API failed: {}", Status::from(status))))
}
