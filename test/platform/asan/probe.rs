//! A Node-API addon with two bad reads, each of one byte beyond an array: AddressSanitizer must find them, or its silence
//! about the real addon means nothing. `scripts/asan.mjs` compiles it by itself; it is no part of the package.
//!
//! `ELMAN_PROBE=rust`: beyond memory that Rust allocated. `ELMAN_PROBE=node`: beyond the memory of an `ArrayBuffer`, in
//! which all tensors lie. Anything else: within both.

use std::ffi::c_void;
use std::hint::black_box;
use std::ptr::null_mut;

unsafe extern "C" {
    fn napi_create_arraybuffer(
        env: *mut c_void,
        length: usize,
        data: *mut *mut u8,
        value: *mut *mut c_void,
    ) -> i32;
}

const LENGTH: usize = 64;

/// Node calls this when the addon is loaded.
///
/// # Safety
///
/// `env` is Node's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(env: *mut c_void, exports: *mut c_void) -> *mut c_void {
    let probe = std::env::var("ELMAN_PROBE").unwrap_or_default();
    let own = vec![1_u8; LENGTH];
    let (mut data, mut value) = (null_mut(), null_mut());
    // SAFETY: env is Node's, and the pointers are to locals.
    let status = unsafe { napi_create_arraybuffer(env, LENGTH, &raw mut data, &raw mut value) };
    assert_eq!(status, 0);
    let place = |name| black_box(if probe == name { LENGTH } else { LENGTH - 1 });
    // SAFETY: none, if the probe is this one: that is its purpose.
    let bytes =
        unsafe { (own.as_ptr().add(place("rust")).read_volatile(), data.add(place("node")).read_volatile()) };
    black_box(bytes);
    exports
}
