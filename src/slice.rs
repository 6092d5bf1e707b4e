//! Typed arrays and numbers of JavaScript as checked slices and sizes.
//!
//! [`Floats`], [`FloatsMut`] and [`Ints`] are arguments of exports. Making one checks the kind of the array
//! and that its memory is there: an `ArrayBuffer` (a `SharedArrayBuffer` could change under our feet) that is
//! not detached. They live as long as the call: JavaScript does not run meanwhile, so the memory stays where
//! it is. (One way around that is known, `test/hazards-views.test.ts`: a getter in a list or an object of the
//! addon's own arguments may resize a buffer while the arguments are converted. The TypeScript side passes
//! plain lists and objects only.) What an export writes must not overlap anything else that it uses: [`disjoint`] checks that.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;

use elman_kernels::Scalar;
use napi::bindgen_prelude::*;

use crate::error::{Checked, Failure};

/// The largest integer that every smaller one of is a double too.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

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
    pub(crate) fn by_name(name: &str) -> Checked<Self> {
        match name {
            f32::NAME => Ok(Self::F32),
            f64::NAME => Ok(Self::F64),
            _ => Err(Failure::Kind(format!("dtype should be 'float32' or 'float64', got: {name}"))),
        }
    }

    fn array(self) -> &'static str {
        match self {
            Self::F32 => "Float32Array",
            Self::F64 => "Float64Array",
            Self::I32 => "Int32Array",
        }
    }

    fn size(self) -> usize {
        if self == Self::F64 { 8 } else { 4 }
    }
}

/// The memory of a typed array.
#[derive(Clone, Copy, Debug)]
struct Memory {
    dtype: Dtype,
    data: *mut u8,
    len: usize,
}

impl Memory {
    /// The memory of `value`, which must be a typed array over an attached `ArrayBuffer`.
    fn of(env: sys::napi_env, value: sys::napi_value) -> Checked<Self> {
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
            return Err(Failure::Kind("expected a typed array, got another kind of value".into()));
        }
        let dtype = match array_type {
            sys::TypedarrayType::float32_array => Dtype::F32,
            sys::TypedarrayType::float64_array => Dtype::F64,
            sys::TypedarrayType::int32_array => Dtype::I32,
            _ => {
                return Err(Failure::Kind(
                    "expected a Float32Array, Float64Array or Int32Array, got another typed array".into(),
                ));
            }
        };
        let mut is = false;
        // SAFETY: buffer was written by the call above.
        let status = unsafe { sys::napi_is_arraybuffer(env, buffer, &raw mut is) };
        if status != sys::Status::napi_ok || !is {
            return Err(Failure::Kind(
                "expected an array over an ArrayBuffer, got a SharedArrayBuffer".into(),
            ));
        }
        if len > 0 && !data.is_null() {
            return Ok(Self { dtype, data: data.cast(), len });
        }
        // SAFETY: as above. An array whose buffer is detached has length 0.
        let status = unsafe { sys::napi_is_detached_arraybuffer(env, buffer, &raw mut is) };
        if status != sys::Status::napi_ok || is {
            return Err(Failure::Kind(
                "expected an array with memory, got one whose buffer is detached".into(),
            ));
        }
        Ok(Self { dtype, data: ptr::dangling_mut::<u64>().cast(), len: 0 })
    }

    fn overlaps(&self, other: &Self) -> bool {
        let range = |m: &Self| (m.data as usize, m.data as usize + m.len * m.dtype.size());
        let ((a, a_end), (b, b_end)) = (range(self), range(other));
        a < b_end && b < a_end && self.len > 0 && other.len > 0
    }

    /// Checks that the array holds elements of `dtype`.
    fn expect(&self, dtype: Dtype) -> Checked<()> {
        if self.dtype == dtype {
            return Ok(());
        }
        Err(Failure::Kind(format!("expected a {}, got a {}", dtype.array(), self.dtype.array())))
    }
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

/// An array to read: `Float32Array` or `Float64Array`.
#[derive(Clone, Copy)]
pub struct Floats<'a>(Memory, PhantomData<&'a ()>);

/// An array to write: `Float32Array` or `Float64Array`.
pub struct FloatsMut<'a>(Memory, PhantomData<&'a mut ()>);

/// An `Int32Array` to read.
#[derive(Clone, Copy)]
pub struct Ints<'a>(Memory, PhantomData<&'a ()>);

impl<'a> Floats<'a> {
    /// The kind of its elements.
    pub(crate) fn dtype(&self) -> Dtype {
        self.0.dtype
    }

    /// Its elements, of type `T`.
    pub(crate) fn get<T: Element>(&self) -> Checked<&'a [T]> {
        self.0.expect(T::DTYPE)?;
        // SAFETY: the memory is a typed array's of this element type (so it is aligned), in use by nobody
        // else during the call; what may be written is disjoint from it, see `disjoint`.
        Ok(unsafe { std::slice::from_raw_parts(self.0.data.cast(), self.0.len) })
    }
}

impl<'a> FloatsMut<'a> {
    /// The kind of its elements.
    pub(crate) fn dtype(&self) -> Dtype {
        self.0.dtype
    }

    /// Where its elements of type `T` are, and how many.
    pub(crate) fn place<T: Element>(&self) -> Checked<(*mut T, usize)> {
        self.0.expect(T::DTYPE)?;
        Ok((self.0.data.cast(), self.0.len))
    }

    /// Its elements, of type `T`; consumes the handle, so there is one such slice only.
    pub(crate) fn get<T: Element>(self) -> Checked<&'a mut [T]> {
        self.0.expect(T::DTYPE)?;
        // SAFETY: as for `Floats::get`, and `disjoint` has shown that no other slice of the call overlaps.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0.data.cast(), self.0.len) })
    }
}

impl<'a> Ints<'a> {
    /// Its elements.
    pub(crate) fn get(&self) -> &'a [i32] {
        // SAFETY: as for `Floats::get`; the kind was checked when the handle was made.
        unsafe { std::slice::from_raw_parts(self.0.data.cast(), self.0.len) }
    }
}

/// Anything with memory.
pub(crate) trait Region {
    /// Appends the memory to a list.
    fn list(&self, into: &mut Regions);
}

/// Memory that a call uses.
#[derive(Default)]
pub(crate) struct Regions(Vec<Memory>);

macro_rules! region {
    ($($name:ident)*) => {$(
        impl Region for $name<'_> {
            fn list(&self, into: &mut Regions) {
                into.0.push(self.0);
            }
        }
    )*};
}
region!(Floats FloatsMut Ints);

impl<R: Region> Region for Option<R> {
    fn list(&self, into: &mut Regions) {
        self.iter().for_each(|region| region.list(into));
    }
}

impl<R: Region> Region for Vec<R> {
    fn list(&self, into: &mut Regions) {
        self.iter().for_each(|region| region.list(into));
    }
}

/// Checks that no array that is written overlaps another array of the call.
pub(crate) fn disjoint(written: &[&dyn Region], read: &[&dyn Region]) -> Checked<()> {
    let mut all = Regions::default();
    written.iter().for_each(|region| region.list(&mut all));
    let count = all.0.len();
    read.iter().for_each(|region| region.list(&mut all));
    for (i, a) in all.0[..count].iter().enumerate() {
        if all.0[i + 1..].iter().any(|b| a.overlaps(b)) {
            return Err(Failure::Range("an array that is written overlaps another one of the call".into()));
        }
    }
    Ok(())
}

macro_rules! argument {
    ($($name:ident: $accepts:pat, $what:literal;)*) => {$(
        impl TypeName for $name<'_> {
            fn type_name() -> &'static str {
                $what
            }
            fn value_type() -> ValueType {
                ValueType::Object
            }
        }

        impl ValidateNapiValue for $name<'_> {}

        impl FromNapiValue for $name<'_> {
            unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
                let memory = Memory::of(env, value).map_err(|failure| failure.throw(env))?;
                match memory.dtype {
                    $accepts => Ok(Self(memory, PhantomData)),
                    other => {
                        let message = format!("expected a {}, got a {}", $what, other.array());
                        Err(Failure::Kind(message).throw(env))
                    }
                }
            }
        }
    )*};
}
argument! {
    Floats: Dtype::F32 | Dtype::F64, "Float32Array or Float64Array";
    FloatsMut: Dtype::F32 | Dtype::F64, "Float32Array or Float64Array";
    Ints: Dtype::I32, "Int32Array";
}

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
    let (mut room, mut to) = (0, ptr::null_mut());
    // SAFETY: as above; what is not wanted may be null.
    napi::check_status!(unsafe {
        sys::napi_get_typedarray_info(
            raw,
            array,
            ptr::null_mut(),
            &raw mut room,
            &raw mut to,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    })?;
    if room != data.len() {
        return Err(Error::new(
            Status::GenericFailure,
            "a typed array of another length was made".to_owned(),
        ));
    }
    if room > 0 {
        // SAFETY: the array is new and holds as many elements as `data`.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to.cast(), room) };
    }
    // SAFETY: `array` is a value of this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, array) })
}

/// Runs `$body` with `$T` the element type of `$dtype`.
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::slice::Dtype::F32 => {
                type $T = f32;
                $body
            }
            $crate::slice::Dtype::F64 => {
                type $T = f64;
                $body
            }
            $crate::slice::Dtype::I32 => {
                Err($crate::error::Failure::Kind("expected a dtype of floating point, got int32".into()))
            }
        }
    };
}
pub(crate) use for_dtype;

/// A size that came as a double: an integer from 0 to 2⁵³ - 1.
pub(crate) fn size(value: f64, name: &str) -> Checked<usize> {
    integer(value, name).and_then(|i| {
        usize::try_from(i).map_err(|_| Failure::Range(format!("{name} must not be negative, got {i}")))
    })
}

/// An integer that came as a double, safe in both directions.
pub(crate) fn integer(value: f64, name: &str) -> Checked<i64> {
    if value.fract() != 0.0 || value.abs() > MAX_SAFE_INTEGER || value.is_nan() {
        return Err(Failure::Range(format!("{name} must be a safe integer, got {value}")));
    }
    Ok(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_integers_are_sizes() {
        assert_eq!(size(0.0, "n").ok(), Some(0));
        assert_eq!(size(MAX_SAFE_INTEGER, "n").ok(), Some(9_007_199_254_740_991));
        for bad in [-1.0, 1.9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, MAX_SAFE_INTEGER + 1.0] {
            assert!(matches!(size(bad, "n"), Err(Failure::Range(_))), "{bad}");
        }
        assert_eq!(integer(-7.0, "n").ok(), Some(-7));
    }

    #[test]
    fn overlapping_memory_is_seen() {
        let data = [0f32; 8];
        let part = |start: usize, len| Memory {
            dtype: Dtype::F32,
            data: data[start..].as_ptr().cast_mut().cast(),
            len,
        };
        let floats = |start, len| Floats(part(start, len), PhantomData);
        let written = |start, len| FloatsMut(part(start, len), PhantomData);
        assert!(disjoint(&[&written(0, 4)], &[&floats(4, 4)]).is_ok());
        assert!(disjoint(&[&written(0, 5)], &[&floats(4, 4)]).is_err());
        assert!(disjoint(&[&written(0, 4), &Some(written(3, 1))], &[]).is_err());
        assert!(disjoint(&[], &[&floats(0, 8), &floats(0, 8)]).is_ok(), "reading twice is fine");
        assert!(disjoint(&[&written(2, 0)], &[&floats(0, 8)]).is_ok(), "nothing is written");
    }
}
