//! Why a file was refused, or a set of tensors cannot be written.

use safetensors::SafeTensorError;
use std::collections::TryReserveError;

/// What is wrong with a safetensors file, or with what should become one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes break a rule of the format: too short, header too long or not JSON, tensors that overlap or leave
    /// gaps, bytes left over, a size that does not follow from the shape, a product of dimensions that overflows.
    #[error("not a valid safetensors file: {0}")]
    Malformed(#[from] SafeTensorError),

    /// The header is JSON of another form than the format's.
    #[error("not a valid safetensors file: header: {0}")]
    Header(#[source] serde_json::Error),

    /// The header names a tensor twice.
    #[error("not a valid safetensors file: the tensor `{tensor}` is given more than once")]
    DuplicateTensor {
        /// The repeated name.
        tensor: String,
    },

    /// The table of texts has a key twice.
    #[error("not a valid safetensors file: the metadata key `{key}` is given more than once")]
    DuplicateMetadata {
        /// The repeated key.
        key: String,
    },

    /// A tensor is said to lie beyond the end of the file.
    #[error(
        "not a valid safetensors file: the data of tensor `{tensor}` should end at byte {end}, but the file has {available} bytes of data"
    )]
    OutsideFile {
        /// The tensor's name.
        tensor: String,
        /// Where its data would end, counted from the end of the header.
        end: u64,
        /// How many bytes follow the header.
        available: u64,
    },

    /// A tensor has elements of a kind that has no counterpart here.
    #[error("tensor `{tensor}` has dtype {dtype}; expected one of F64, F32, F16, BF16, I64, I32")]
    UnsupportedDtype {
        /// The tensor's name.
        tensor: String,
        /// The kind as the file spells it.
        dtype: String,
    },

    /// A tensor of 64-bit integers has an element that 32 bits cannot hold.
    #[error(
        "tensor `{tensor}` has dtype I64 and its element {index} is {value}, which does not fit into int32"
    )]
    IntegerOutOfRange {
        /// The tensor's name.
        tensor: String,
        /// The element's row-major position.
        index: usize,
        /// The element.
        value: i64,
    },

    /// A tensor to be written has another number of elements than its shape says.
    #[error("tensor `{tensor}` of shape {shape:?} has {actual} elements, expected {expected}")]
    LengthMismatch {
        /// The tensor's name.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The product of the shape's dimensions, as far as it can be written down.
        expected: String,
        /// The number of elements given.
        actual: usize,
    },

    /// A tensor to be written bears the name that the format reserves for metadata.
    #[error("a tensor cannot be named `__metadata__`: the format reserves that name")]
    ReservedName,

    /// Names, shapes and metadata together are more than a reader would accept.
    #[error("the header would have {actual} bytes, the format allows {limit}")]
    HeaderTooLong {
        /// The format's limit.
        limit: usize,
        /// The header's length.
        actual: usize,
    },

    /// There is not enough memory for the elements.
    #[error("not enough memory: {0}")]
    OutOfMemory(#[from] TryReserveError),
}
