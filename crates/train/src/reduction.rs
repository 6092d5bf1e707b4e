//! How the losses of a batch become one number.

/// What becomes of the losses ℓ_1 … ℓ_N of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Each is kept.
    None,
    /// Their mean, NaN if there is none.
    Mean,
    /// Their sum.
    Sum,
}

impl Reduction {
    /// How many numbers are left of `count` losses.
    pub fn outputs(self, count: usize) -> usize {
        match self {
            Self::None => count,
            Self::Mean | Self::Sum => 1,
        }
    }
}
