//! Typed arrays that a call returns.

use std::ffi::CStr;
use std::ptr;

use napi::bindgen_prelude::*;

/// An element of an array that a call returns.
pub(crate) trait Returned: Copy {
    /// The name of its class.
    const CLASS: &'static CStr;
}

macro_rules! returned {
    ($($type:ty: $class:literal;)*) => {$(
        impl Returned for $type {
            const CLASS: &'static CStr = $class;
        }
    )*};
}
returned! {
    f32: c"Float32Array";
    f64: c"Float64Array";
    i32: c"Int32Array";
    u8: c"Uint8Array";
}

/// A new typed array that holds `data`. JavaScript's own constructor makes it, which throws a `RangeError`
/// where there is not enough memory; Node-API's `napi_create_arraybuffer` would end the process.
pub(crate) fn new_array<'env, T: Returned>(env: &'env Env, data: &[T]) -> Result<Unknown<'env>> {
    let raw = env.raw();
    let (mut global, mut class, mut len, mut array) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: a live environment, and a pointer to a local.
    napi::check_status!(unsafe { sys::napi_get_global(raw, &raw mut global) })?;
    // SAFETY: as above; the name ends with a zero.
    napi::check_status!(unsafe {
        sys::napi_get_named_property(raw, global, T::CLASS.as_ptr(), &raw mut class)
    })?;
    // SAFETY: as above.
    napi::check_status!(unsafe { sys::napi_create_double(raw, data.len() as f64, &raw mut len) })?;
    // SAFETY: as above; one argument is there.
    let status = unsafe { sys::napi_new_instance(raw, class, 1, &raw const len, &raw mut array) };
    if status == sys::Status::napi_pending_exception {
        return Err(Error::new(Status::PendingException, String::new()));
    }
    napi::check_status!(status)?;
    let (mut capacity, mut to) = (0, ptr::null_mut());
    // SAFETY: as above; what is not wanted may be null.
    napi::check_status!(unsafe {
        sys::napi_get_typedarray_info(
            raw,
            array,
            ptr::null_mut(),
            &raw mut capacity,
            &raw mut to,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    })?;
    if capacity != data.len() {
        return Err(Error::new(
            Status::GenericFailure,
            "a typed array of another length was made".to_owned(),
        ));
    }
    if capacity > 0 {
        // SAFETY: the array is new and holds as many elements as `data`.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to.cast(), capacity) };
    }
    // SAFETY: `array` is a value of this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, array) })
}
