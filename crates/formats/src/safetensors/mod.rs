//! safetensors, the format of Python's `safetensors.torch`.
//!
//! ```text
//! file   = n (u64, little endian) ‖ header (n bytes of JSON, padded with blanks) ‖ data
//! header = { "__metadata__": { key: text, … }, name: { dtype, shape, data_offsets: [begin, end] }, … }
//! data   = the tensors' elements, little endian, row-major, end to end without gaps
//! ```
//!
//! The rules of the format are checked by its reference implementation, the crate `safetensors`. What that crate
//! lets pass and a careful reader must not (a name given twice, of which it silently keeps the last) or leaves to its
//! caller (the layout of the elements, a stable order when writing) is in the modules here.

mod element;
mod error;
mod read;
mod write;

pub use error::Error;
pub use read::{Archive, Entry, deserialize};
pub use write::{Tensor, serialize};

/// The name that the format reserves for its table of texts; no tensor can have it.
const METADATA_KEY: &str = "__metadata__";

/// The longest header that the reference implementation reads: 100 MB of JSON.
const MAX_HEADER_LENGTH: usize = 100_000_000;

/// The width in bytes of the number that every file begins with: the length of the header.
const LENGTH_PREFIX: usize = 8;

/// The elements of a tensor to be written, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elements<'a> {
    /// Written as `F32`.
    Float32(&'a [f32]),
    /// Written as `F64`.
    Float64(&'a [f64]),
    /// Written as `I32`.
    Int32(&'a [i32]),
}

/// The elements of a tensor that was read, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Read from `F32`, or widened without loss from `F16` or `BF16`.
    Float32(Vec<f32>),
    /// Read from `F64`.
    Float64(Vec<f64>),
    /// Read from `I32`, or from `I64` whose values all fit.
    Int32(Vec<i32>),
}
