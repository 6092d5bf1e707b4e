//! What can be wrong with a call, with the expected and the actual value.

use elman_kernels::AllocError;

/// Why a call was refused. Nothing has been written when it is returned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// An array has another length than the sizes of the call ask for.
    #[error("{array}: expected {expected} elements, got {actual}")]
    Length {
        /// Which argument.
        array: &'static str,
        /// The product of the sizes.
        expected: usize,
        /// The array's length.
        actual: usize,
    },

    /// A product of sizes is no number of elements.
    #[error("{array}: the sizes {sizes:?} are too large")]
    TooLarge {
        /// Which argument.
        array: &'static str,
        /// The factors.
        sizes: Vec<usize>,
    },

    /// A strided view reaches outside the array.
    #[error(
        "a view of shape {shape:?} with strides {strides:?} from {offset} reaches outside an array of {length} elements"
    )]
    View {
        /// Its dimensions.
        shape: Vec<usize>,
        /// Its strides, in elements.
        strides: Vec<usize>,
        /// Where it starts.
        offset: usize,
        /// The array's length.
        length: usize,
    },

    /// An index of an embedding names no row.
    #[error("expected 0 ≤ index < {rows}, got {index}")]
    Index {
        /// The index.
        index: i32,
        /// Rows of the table.
        rows: usize,
    },

    /// A class index names no class.
    #[error("expected 0 ≤ target < {classes}, got {target}")]
    Target {
        /// The class index.
        target: i32,
        /// Number of classes.
        classes: usize,
    },

    /// Bounds of a uniform distribution in the wrong order, not finite, or too far apart.
    #[error("uniform_ expects to return a [from, to) range, but found from={low} > to={high}")]
    UniformBounds {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },

    /// A negative or undefined standard deviation.
    #[error("normal expects std >= 0.0, but found std {std}")]
    StandardDeviation {
        /// The standard deviation.
        std: f64,
    },

    /// Bytes that are no state of a generator.
    #[error("not a state of this random number generator: {reason}")]
    RandomState {
        /// What was expected and what came.
        reason: String,
    },

    /// An optimizer was not given the memory that its options call for.
    #[error("{optimizer}: {option} needs {array}")]
    MissingBuffer {
        /// Which optimizer.
        optimizer: &'static str,
        /// The option.
        option: &'static str,
        /// What is missing.
        array: &'static str,
    },

    /// There is not enough memory.
    #[error(transparent)]
    OutOfMemory(#[from] AllocError),
}

/// That `array` has as many elements as the product of `sizes`, which is returned.
pub(crate) fn expect_length(array: &'static str, sizes: &[usize], actual: usize) -> Result<usize, Error> {
    let product = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    match product {
        Some(expected) if expected == actual => Ok(expected),
        Some(expected) => Err(Error::Length { array, expected, actual }),
        None => Err(Error::TooLarge { array, sizes: sizes.to_vec() }),
    }
}
