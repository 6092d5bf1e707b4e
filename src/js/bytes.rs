//! Bytes of JavaScript.

use napi::JsValue;
use napi::bindgen_prelude::*;

use super::error::BindingError;

/// A `Uint8Array` to read, as an argument of an export. It must lie in an `ArrayBuffer`: a `SharedArrayBuffer`
/// could change during the call. A detached one has no bytes.
pub struct Bytes<'a>(Uint8ArraySlice<'a>);

impl Bytes<'_> {
    pub(crate) fn get(&self) -> &[u8] {
        &self.0
    }
}

impl TypeName for Bytes<'_> {
    fn type_name() -> &'static str {
        "Uint8Array"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for Bytes<'_> {}

impl FromNapiValue for Bytes<'_> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let kind = |got: &str| BindingError::Kind(format!("expected a Uint8Array, got {got}")).throw(env);
        // SAFETY: the caller vouches for env and value.
        let slice = unsafe { Uint8ArraySlice::from_napi_value(env, value) };
        let slice = slice.map_err(|_| kind("another kind of value"))?;
        let buffer: Unknown<'_> = slice.get_named_property("buffer")?;
        if buffer.is_arraybuffer()? { Ok(Self(slice)) } else { Err(kind("one over a SharedArrayBuffer")) }
    }
}
