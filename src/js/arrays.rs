//! Typed arrays as checked slices.
//!
//! [`Floats`], [`FloatsMut`] and [`Ints`] are arguments of exports. To make one only stores the value: the conversion of
//! the arguments after it may run JavaScript (a getter in a list or an object), which may detach its memory. The body of
//! the export, during which no JavaScript runs, looks at the memory: the kind of the array, and that it lies in an
//! `ArrayBuffer` (a `SharedArrayBuffer` could change during the call) that is not detached. Until the body ends, the
//! memory does not move. What an export writes must not overlap anything else that it uses: [`disjoint`] checks that.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::ops::Range;

use napi::bindgen_prelude::*;

use super::error::{BindingError, BindingResult};
use super::memory::{Dtype, Element, Memory};

/// A value that should be a typed array of one of `kinds`, looked at once.
#[derive(Clone)]
struct Argument {
    env: sys::napi_env,
    value: sys::napi_value,
    memory: OnceCell<Memory>,
}

impl Argument {
    /// The memory; to be called in the body of the export only.
    fn memory(&self, kinds: &[Dtype], what: &str) -> BindingResult<Memory> {
        if let Some(&memory) = self.memory.get() {
            return Ok(memory);
        }
        let memory = Memory::of(self.env, self.value)?;
        if !kinds.contains(&memory.dtype) {
            return Err(BindingError::Kind(format!("expected a {what}, got a {}", memory.dtype.array())));
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
    pub(crate) fn dtype(&self) -> BindingResult<Dtype> {
        Ok(self.memory()?.dtype)
    }

    /// Its elements, of type `T`.
    pub(crate) fn get<T: Element>(&self) -> BindingResult<&'a [T]> {
        let memory = self.memory()?;
        memory.expect(T::DTYPE)?;
        // SAFETY: the memory is a typed array's of this element type (so it is aligned), not in use elsewhere during
        // the call; what may be written is disjoint from it, see `disjoint`.
        Ok(unsafe { std::slice::from_raw_parts(memory.data.cast(), memory.len) })
    }
}

impl<'a> FloatsMut<'a> {
    /// The kind of its elements.
    pub(crate) fn dtype(&self) -> BindingResult<Dtype> {
        Ok(self.memory()?.dtype)
    }

    /// Where its elements of type `T` are, and how many.
    pub(crate) fn place<T: Element>(&self) -> BindingResult<(*mut T, usize)> {
        let memory = self.memory()?;
        memory.expect(T::DTYPE)?;
        Ok((memory.data.cast(), memory.len))
    }

    /// Its elements, of type `T`; consumes the handle, so there is one such slice only.
    pub(crate) fn get<T: Element>(self) -> BindingResult<&'a mut [T]> {
        let memory = self.memory()?;
        memory.expect(T::DTYPE)?;
        // SAFETY: as for `Floats::get`, and `disjoint` has shown that no other slice of the call overlaps.
        Ok(unsafe { std::slice::from_raw_parts_mut(memory.data.cast(), memory.len) })
    }
}

impl<'a> Ints<'a> {
    /// Its elements.
    pub(crate) fn get(&self) -> BindingResult<&'a [i32]> {
        let memory = self.memory()?;
        // SAFETY: as for `Floats::get`; the kind was checked with the memory.
        Ok(unsafe { std::slice::from_raw_parts(memory.data.cast(), memory.len) })
    }
}

/// One array or several, whose memory can be listed.
pub(crate) trait Region {
    /// Appends the memory to a list.
    fn list(&self, into: &mut Regions) -> BindingResult<()>;
}

/// An array among the arguments of an export.
pub(crate) trait Array {
    /// Its memory, looked at when this is first called: in the body of the export.
    fn memory(&self) -> BindingResult<Memory>;
}

/// Memory that a call uses: the addresses of each array that has any.
pub(crate) struct Regions(Vec<Range<usize>>);

/// More arrays than a call of a network of one layer has, so that the list is allocated once.
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
    fn list(&self, into: &mut Regions) -> BindingResult<()> {
        into.push(self.memory()?);
        Ok(())
    }
}

impl Array for Memory {
    fn memory(&self) -> BindingResult<Memory> {
        Ok(*self)
    }
}

impl<R: Region> Region for Option<R> {
    fn list(&self, into: &mut Regions) -> BindingResult<()> {
        self.iter().try_for_each(|region| region.list(into))
    }
}

impl<R: Region> Region for &[R] {
    fn list(&self, into: &mut Regions) -> BindingResult<()> {
        self.iter().try_for_each(|region| region.list(into))
    }
}

impl<R: Region> Region for Vec<R> {
    fn list(&self, into: &mut Regions) -> BindingResult<()> {
        self.as_slice().list(into)
    }
}

/// Checks that no array that is written overlaps another array of the call.
pub(crate) fn disjoint(written: &[&dyn Region], read: &[&dyn Region]) -> BindingResult<()> {
    let mut all = Regions(Vec::with_capacity(USUAL_REGIONS));
    written.iter().try_for_each(|region| region.list(&mut all))?;
    let count = all.0.len();
    read.iter().try_for_each(|region| region.list(&mut all))?;
    apart(&all.0, count)
}

/// Checks that none of the first `written` overlaps another one.
fn apart(all: &[Range<usize>], written: usize) -> BindingResult<()> {
    let overlap =
        if all.len() > USUAL_REGIONS { overlap_in_order(all, written) } else { overlap(all, written) };
    if overlap {
        return Err(BindingError::Range("an array that is written overlaps another one of the call".into()));
    }
    Ok(())
}

/// Whether one of the first `written` overlaps another one.
fn overlap(all: &[Range<usize>], written: usize) -> bool {
    let overlaps =
        |(i, a): (usize, &Range<usize>)| all[i + 1..].iter().any(|b| a.start < b.end && b.start < a.end);
    all[..written].iter().enumerate().any(overlaps)
}

/// The same for many arrays, in the order of their addresses: the time does not grow with the square of their number.
fn overlap_in_order(all: &[Range<usize>], written: usize) -> bool {
    let mut sorted: Vec<_> = all.iter().enumerate().map(|(i, range)| (range, i < written)).collect();
    sorted.sort_unstable_by_key(|(range, _)| range.start);
    let (mut end, mut written_end) = (0, 0);
    sorted.into_iter().any(|(range, is_written)| {
        let overlaps = range.start < if is_written { end } else { written_end };
        end = end.max(range.end);
        if is_written {
            written_end = written_end.max(range.end);
        }
        overlaps
    })
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
            fn memory(&self) -> BindingResult<Memory> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let overlap = overlap(&all.0, count);
            assert_eq!(overlap, overlap_in_order(&all.0, count));
            !overlap
        };
        assert!(check(&[(0, 4)], &[(4, 4)]));
        assert!(!check(&[(0, 5)], &[(4, 4)]));
        assert!(!check(&[(0, 4), (3, 1)], &[]));
        assert!(!check(&[(3, 1)], &[(0, 2), (0, 8)]));
        assert!(check(&[(7, 1)], &[(0, 7), (1, 2), (2, 5)]));
        assert!(check(&[], &[(0, 8), (0, 8)]), "reading twice is fine");
        assert!(check(&[(2, 0)], &[(0, 8)]), "nothing is written");
    }
}
