//! Typed arrays and numbers of JavaScript as checked slices and sizes.
//!
//! [`Floats`], [`FloatsMut`] and [`Ints`] are arguments of exports. Making one only notes the value: converting
//! the arguments after it may run JavaScript (a getter in a list or an object), which may take its memory away.
//! The body of the export, during which no JavaScript runs, looks at it: the kind of the array, and that its
//! memory is there, an `ArrayBuffer` (a `SharedArrayBuffer` could change under our feet) that is not detached.
//! Until the body ends it stays where it is. What an export writes must not overlap anything else that it uses:
//! [`disjoint`] checks that.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::ops::Range;
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
            // What `checkIntact` of ts/check.ts says. It cannot always: the optimizing compiler of Node 20 and 22 reads
            // the old length once it has seen resizable buffers.
            return Err(Failure::Range(
                "the data of this tensor was detached or resized: expected an array with memory, \
                 got one whose buffer is detached"
                    .into(),
            ));
        }
        Ok(Self { dtype, data: ptr::dangling_mut::<u64>().cast(), len: 0 })
    }

    /// Checks that the elements `from..from + count` are there.
    pub(crate) fn check_range(&self, from: usize, count: usize) -> Checked<()> {
        if from <= self.len && count <= self.len - from {
            return Ok(());
        }
        Err(Failure::Range(format!("{count} elements from {from} on are not within {}", self.len)))
    }

    /// Bytes of all elements.
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.dtype.size()
    }

    /// Checks that the array holds elements of `dtype`.
    pub(crate) fn expect(&self, dtype: Dtype) -> Checked<()> {
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

impl Element for i32 {
    const DTYPE: Dtype = Dtype::I32;
}

/// A value that should be a typed array of one of `kinds`, looked at once.
#[derive(Clone)]
struct Argument {
    env: sys::napi_env,
    value: sys::napi_value,
    memory: OnceCell<Memory>,
}

impl Argument {
    /// The memory; to be called in the body of the export only.
    fn memory(&self, kinds: &[Dtype], what: &str) -> Checked<Memory> {
        if let Some(&memory) = self.memory.get() {
            return Ok(memory);
        }
        let memory = Memory::of(self.env, self.value)?;
        if !kinds.contains(&memory.dtype) {
            return Err(Failure::Kind(format!("expected a {what}, got a {}", memory.dtype.array())));
        }
        Ok(*self.memory.get_or_init(|| memory))
    }
}

/// An array to read: `Float32Array` or `Float64Array`.
#[derive(Clone)]
pub struct Floats<'a>(Argument, PhantomData<&'a ()>);

/// An array to write: `Float32Array` or `Float64Array`.
pub struct FloatsMut<'a>(Argument, PhantomData<&'a mut ()>);

/// An `Int32Array` to read.
#[derive(Clone)]
pub struct Ints<'a>(Argument, PhantomData<&'a ()>);

impl<'a> Floats<'a> {
    /// The kind of its elements.
    pub(crate) fn dtype(&self) -> Checked<Dtype> {
        Ok(self.memory()?.dtype)
    }

    /// Its elements, of type `T`.
    pub(crate) fn get<T: Element>(&self) -> Checked<&'a [T]> {
        let memory = self.memory()?;
        memory.expect(T::DTYPE)?;
        // SAFETY: the memory is a typed array's of this element type (so it is aligned), in use by nobody
        // else during the call; what may be written is disjoint from it, see `disjoint`.
        Ok(unsafe { std::slice::from_raw_parts(memory.data.cast(), memory.len) })
    }
}

impl<'a> FloatsMut<'a> {
    /// The kind of its elements.
    pub(crate) fn dtype(&self) -> Checked<Dtype> {
        Ok(self.memory()?.dtype)
    }

    /// Where its elements of type `T` are, and how many.
    pub(crate) fn place<T: Element>(&self) -> Checked<(*mut T, usize)> {
        let memory = self.memory()?;
        memory.expect(T::DTYPE)?;
        Ok((memory.data.cast(), memory.len))
    }

    /// Its elements, of type `T`; consumes the handle, so there is one such slice only.
    pub(crate) fn get<T: Element>(self) -> Checked<&'a mut [T]> {
        let memory = self.memory()?;
        memory.expect(T::DTYPE)?;
        // SAFETY: as for `Floats::get`, and `disjoint` has shown that no other slice of the call overlaps.
        Ok(unsafe { std::slice::from_raw_parts_mut(memory.data.cast(), memory.len) })
    }
}

impl<'a> Ints<'a> {
    /// Its elements.
    pub(crate) fn get(&self) -> Checked<&'a [i32]> {
        let memory = self.memory()?;
        // SAFETY: as for `Floats::get`; the kind was checked with the memory.
        Ok(unsafe { std::slice::from_raw_parts(memory.data.cast(), memory.len) })
    }
}

/// Anything with memory.
pub(crate) trait Region {
    /// Appends the memory to a list.
    fn list(&self, into: &mut Regions) -> Checked<()>;
}

/// An array among the arguments of an export.
pub(crate) trait Array {
    /// Its memory, looked at when this is first called: in the body of the export.
    fn memory(&self) -> Checked<Memory>;
}

/// Memory that a call uses: the addresses of each array that has any.
pub(crate) struct Regions(Vec<Range<usize>>);

/// More arrays than a call of a network of one layer has: to make room for them one by one would take longer than to
/// compare them.
const USUAL_REGIONS: usize = 32;

impl Regions {
    fn push(&mut self, memory: Memory) {
        let start = memory.data as usize;
        if memory.len > 0 {
            self.0.push(start..start + memory.bytes());
        }
    }
}

impl<A: Array> Region for A {
    fn list(&self, into: &mut Regions) -> Checked<()> {
        into.push(self.memory()?);
        Ok(())
    }
}

impl<R: Region> Region for Option<R> {
    fn list(&self, into: &mut Regions) -> Checked<()> {
        self.iter().try_for_each(|region| region.list(into))
    }
}

impl<R: Region> Region for Vec<R> {
    fn list(&self, into: &mut Regions) -> Checked<()> {
        self.iter().try_for_each(|region| region.list(into))
    }
}

/// Checks that no array that is written overlaps another array of the call.
pub(crate) fn disjoint(written: &[&dyn Region], read: &[&dyn Region]) -> Checked<()> {
    let mut all = Regions(Vec::with_capacity(USUAL_REGIONS));
    written.iter().try_for_each(|region| region.list(&mut all))?;
    let count = all.0.len();
    read.iter().try_for_each(|region| region.list(&mut all))?;
    apart(&all.0, count)
}

/// Checks that none of the first `written` overlaps another one.
fn apart(all: &[Range<usize>], written: usize) -> Checked<()> {
    for (i, a) in all[..written].iter().enumerate() {
        if all[i + 1..].iter().any(|b| a.start < b.end && b.start < a.end) {
            return Err(Failure::Range("an array that is written overlaps another one of the call".into()));
        }
    }
    Ok(())
}

macro_rules! argument {
    ($($name:ident: $kinds:expr, $what:literal;)*) => {$(
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
                Ok(Self(Argument { env, value, memory: OnceCell::new() }, PhantomData))
            }
        }

        impl Array for $name<'_> {
            fn memory(&self) -> Checked<Memory> {
                self.0.memory(&$kinds, $what)
            }
        }
    )*};
}
argument! {
    Floats: [Dtype::F32, Dtype::F64], "Float32Array or Float64Array";
    FloatsMut: [Dtype::F32, Dtype::F64], "Float32Array or Float64Array";
    Ints: [Dtype::I32], "Int32Array";
}

/// A dtype that is known, or why it is not.
pub(crate) trait Known {
    fn known(self) -> Checked<Dtype>;
}

impl Known for Dtype {
    fn known(self) -> Checked<Dtype> {
        Ok(self)
    }
}

impl Known for Checked<Dtype> {
    fn known(self) -> Checked<Dtype> {
        self
    }
}

/// Runs `$body` with `$T` the element type of `$dtype`.
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $crate::slice::Known::known($dtype)? {
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
        let check = |written: &[(usize, usize)], read: &[(usize, usize)]| {
            let mut all = Regions(Vec::new());
            written.iter().for_each(|&(start, len)| all.push(part(start, len)));
            let count = all.0.len();
            read.iter().for_each(|&(start, len)| all.push(part(start, len)));
            apart(&all.0, count).is_ok()
        };
        assert!(check(&[(0, 4)], &[(4, 4)]));
        assert!(!check(&[(0, 5)], &[(4, 4)]));
        assert!(!check(&[(0, 4), (3, 1)], &[]));
        assert!(check(&[], &[(0, 8), (0, 8)]), "reading twice is fine");
        assert!(check(&[(2, 0)], &[(0, 8)]), "nothing is written");
    }
}
