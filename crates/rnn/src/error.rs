//! What can be wrong with a call.

use elman_kernels::{AllocError, StepsError};

/// An error of this crate. Nothing has been written when one is returned, except after [`Error::Alloc`],
/// which leaves the outputs unspecified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is not enough memory.
    #[error(transparent)]
    Alloc(#[from] AllocError),
    /// The batch sizes are not those of packed sequences.
    #[error(transparent)]
    Steps(#[from] StepsError),
    /// A size that must be positive is 0.
    #[error("{name} must be greater than zero")]
    Zero {
        /// Which size.
        name: &'static str,
    },
    /// A product of sizes is no number of elements.
    #[error("{what} would have too many elements")]
    TooLarge {
        /// Which array.
        what: &'static str,
    },
    /// An array has another number of elements than its shape says.
    #[error("{what} must have {expected} elements, got {actual}")]
    Length {
        /// Which array.
        what: String,
        /// What the shape says.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// There are too many or too few parameters.
    #[error("expected {expected} parameters, got {actual}")]
    ParameterCount {
        /// What the network has.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// There is not one length for each sequence.
    #[error("Expected `len(lengths)` to be equal to batch_size, but got {actual} (batch_size={batch})")]
    LengthCount {
        /// Sequences in the batch.
        batch: usize,
        /// Lengths that came.
        actual: usize,
    },
    /// A length is 0 or longer than the array.
    #[error("length {length} of sequence {sequence} must be between 1 and {steps}")]
    LengthRange {
        /// The sequence.
        sequence: usize,
        /// Its length.
        length: i64,
        /// Time steps in the array.
        steps: usize,
    },
    /// The indices of the sequences are no permutation.
    #[error("sorted indices must hold each of 0..{batch} once")]
    NotAPermutation {
        /// Sequences in the batch.
        batch: usize,
    },
    /// A dropout probability outside [0, 1].
    #[error("dropout must be in the range [0, 1], got {0}")]
    Dropout(String),
    /// A layer that reads its input from the end cannot go on by one step.
    #[error("a stream goes forward in time, so a bidirectional RNN has none")]
    BidirectionalStream,
    /// A layer that reads its input from the end cannot be run by segments.
    #[error("checkpoints go forward in time, so a bidirectional RNN has none")]
    BidirectionalCheckpoints,
}
