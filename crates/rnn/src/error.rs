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
    /// There is no cell of this name.
    #[error("expected the name of a cell, got '{0}'")]
    UnknownCell(String),
    /// A value that the cell needs is not in the configuration.
    #[error("expected a value for {0} in the configuration, got none")]
    ConfigMissing(&'static str),
    /// The configuration has a value that the cell does not know.
    #[error("expected no value for {0} in the configuration, got one")]
    ConfigUnknown(String),
    /// A value of the configuration is not what its key says.
    #[error("{key} must be {expected}, got {actual}")]
    ConfigValue {
        /// Which one.
        key: &'static str,
        /// What it can be.
        expected: String,
        /// What came.
        actual: String,
    },
    /// A size that must be positive is 0.
    #[error("{name} must be at least 1, got 0")]
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
    /// A parameter of this shape is beyond all memory.
    #[error("a tensor of shape {shape:?} has too many elements")]
    ShapeTooLarge {
        /// Its dimensions.
        shape: Vec<usize>,
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
    #[error("expected {batch} lengths, one for each sequence, got {actual}")]
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
    /// Something is defined for fewer layers or directions than the stack has.
    #[error("{what}: expected {expected}, got {layers} layers in {directions} directions")]
    Form {
        /// What is not defined.
        what: &'static str,
        /// For which stacks it is.
        expected: &'static str,
        /// What the stack has.
        layers: usize,
        /// What the stack has.
        directions: usize,
    },
    /// A teacher's outputs cannot replace the states of this cell.
    #[error("teacher forcing: expected a cell whose only state is its output, got one with other states")]
    NotTeachable,
    /// The gradient of a teacher is wanted where there is none.
    #[error("expected a teacher, since its gradient is wanted, got none")]
    NoTeacher,
}
