//! What a typed array is in Rust: where its elements are, how many, and of which kind.

use std::ptr;

use elman_kernels::Element as _;
use napi::bindgen_prelude::*;

use super::error::{BindingError, BindingResult};

/// The kinds of typed array that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    /// `Float32Array`.
    F32,
    /// `Float64Array`.
    F64,
    /// `Int32Array`.
    I32,
}

impl Dtype {
    /// The dtype called `name`.
    pub(crate) fn by_name(name: &str) -> BindingResult<Self> {
        match name {
            f32::NAME => Ok(Self::F32),
            f64::NAME => Ok(Self::F64),
            _ => Err(BindingError::Kind(format!("dtype should be 'float32' or 'float64', got: {name}"))),
        }
    }

    pub(crate) fn array(self) -> &'static str {
        match self {
            Self::F32 => "Float32Array",
            Self::F64 => "Float64Array",
            Self::I32 => "Int32Array",
        }
    }

    /// Bytes of an element.
    pub(crate) fn size(self) -> usize {
        if self == Self::F64 { 8 } else { 4 }
    }
}

/// The memory of a typed array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) dtype: Dtype,
    pub(crate) data: *mut u8,
    /// In elements.
    pub(crate) len: usize,
}

impl Memory {
    /// The memory of `value`, which must be a typed array over an attached `ArrayBuffer`.
    pub(crate) fn of(env: sys::napi_env, value: sys::napi_value) -> BindingResult<Self> {
        Self::of_nullable(env, value)?
            .ok_or_else(|| BindingError::Kind("expected a typed array, got null or undefined".into()))
    }

    /// The same, or `None` if `value` is null or undefined.
    pub(crate) fn of_nullable(env: sys::napi_env, value: sys::napi_value) -> BindingResult<Option<Self>> {
        let (mut array_type, mut len, mut data, mut buffer, mut offset) =
            (0, 0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: env and value come from the running call, and the pointers are to locals. A value of
        // another kind gives a status that is not ok.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env,
                value,
                &raw mut array_type,
                &raw mut len,
                &raw mut data,
                &raw mut buffer,
                &raw mut offset,
            )
        };
        if status != sys::Status::napi_ok {
            if is_nullish(env, value) {
                return Ok(None);
            }
            return Err(BindingError::Kind("expected a typed array, got another kind of value".into()));
        }
        let dtype = match array_type {
            sys::TypedarrayType::float32_array => Dtype::F32,
            sys::TypedarrayType::float64_array => Dtype::F64,
            sys::TypedarrayType::int32_array => Dtype::I32,
            _ => {
                return Err(BindingError::Kind(
                    "expected a Float32Array, Float64Array or Int32Array, got another typed array".into(),
                ));
            }
        };
        let mut is = false;
        // SAFETY: buffer was written by the call above.
        let status = unsafe { sys::napi_is_arraybuffer(env, buffer, &raw mut is) };
        if status != sys::Status::napi_ok || !is {
            return Err(BindingError::Kind(
                "expected an array over an ArrayBuffer, got a SharedArrayBuffer".into(),
            ));
        }
        if len > 0 && !data.is_null() {
            return Ok(Some(Self { dtype, data: data.cast(), len }));
        }
        // SAFETY: as above. An array whose buffer is detached has length 0.
        let status = unsafe { sys::napi_is_detached_arraybuffer(env, buffer, &raw mut is) };
        if status != sys::Status::napi_ok || is {
            // What `checkIntact` of ts/check.ts says. It cannot always: the optimizing compiler of Node 20 and 22 reads
            // the old length once it has seen resizable buffers.
            return Err(BindingError::Range(
                "the data of this tensor was detached or resized: expected an array with memory, \
                 got one whose buffer is detached"
                    .into(),
            ));
        }
        Ok(Some(Self { dtype, data: ptr::dangling_mut::<u64>().cast(), len: 0 }))
    }

    /// Checks that the elements `from..from + count` are there.
    pub(crate) fn check_range(&self, from: usize, count: usize) -> BindingResult<()> {
        if from <= self.len && count <= self.len - from {
            return Ok(());
        }
        Err(BindingError::Range(format!("{count} elements from {from} on are not within {}", self.len)))
    }

    /// Bytes of all elements.
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.dtype.size()
    }

    /// Checks that the array holds elements of `dtype`.
    pub(crate) fn expect(&self, dtype: Dtype) -> BindingResult<()> {
        if self.dtype == dtype {
            return Ok(());
        }
        Err(BindingError::Kind(format!("expected a {}, got a {}", dtype.array(), self.dtype.array())))
    }
}

/// Whether a value is null or undefined.
fn is_nullish(env: sys::napi_env, value: sys::napi_value) -> bool {
    let mut kind = 0;
    // SAFETY: env and value come from the running call, and the pointer is to a local.
    let status = unsafe { sys::napi_typeof(env, value, &raw mut kind) };
    status == sys::Status::napi_ok
        && [sys::ValueType::napi_null, sys::ValueType::napi_undefined].contains(&kind)
}

/// An element of a typed array.
pub(crate) trait Element: Copy {
    /// Its kind of array.
    const DTYPE: Dtype;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Element for f64 {
    const DTYPE: Dtype = Dtype::F64;
}

impl Element for i32 {
    const DTYPE: Dtype = Dtype::I32;
}

/// A dtype that is known, or why it is not.
pub(crate) trait Known {
    fn known(self) -> BindingResult<Dtype>;
}

impl Known for Dtype {
    fn known(self) -> BindingResult<Dtype> {
        Ok(self)
    }
}

impl Known for BindingResult<Dtype> {
    fn known(self) -> BindingResult<Dtype> {
        self
    }
}

/// Runs `$body` with `$T` the element type of `$dtype`.
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $crate::js::memory::Known::known($dtype)? {
            $crate::js::memory::Dtype::F32 => {
                type $T = f32;
                $body
            }
            $crate::js::memory::Dtype::F64 => {
                type $T = f64;
                $body
            }
            $crate::js::memory::Dtype::I32 => Err($crate::js::error::BindingError::Kind(
                "expected a dtype of floating point, got int32".into(),
            )),
        }
    };
}
pub(crate) use for_dtype;
