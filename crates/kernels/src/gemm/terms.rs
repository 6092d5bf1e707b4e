//! The terms of a product apart from its factors: what C starts from, and the function after it.
//!
//! Both are generic over how a matrix is given: by a caller as [`MappedRows`], to a kernel as pointers to rows.

use crate::pointwise::activation::Activation;
use crate::rows::row_map::MappedRows;

/// What C starts from, before products are added to it.
#[derive(Clone, Copy, Debug)]
pub enum InitialC<'a, T, M = MappedRows<'a, T>> {
    /// 0.
    Zero,
    /// One row of N elements for all rows: a bias.
    Row(&'a [T]),
    /// What C holds.
    InPlace,
    /// A matrix of the shape of C.
    Matrix(M),
}

impl<'a, T, M> InitialC<'a, T, M> {
    /// The same with the matrix in another form.
    #[inline(always)]
    pub(crate) fn map<N>(self, f: impl FnOnce(M) -> N) -> InitialC<'a, T, N> {
        match self {
            Self::Zero => InitialC::Zero,
            Self::Row(row) => InitialC::Row(row),
            Self::InPlace => InitialC::InPlace,
            Self::Matrix(matrix) => InitialC::Matrix(f(matrix)),
        }
    }

    /// The matrix, if there is one.
    pub(crate) fn matrix(&self) -> Option<&M> {
        match self {
            Self::Matrix(matrix) => Some(matrix),
            Self::Zero | Self::Row(_) | Self::InPlace => None,
        }
    }
}

/// What is done to C after the last product.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<M> {
    /// Nothing.
    None,
    /// C = f(C).
    Activation(Activation),
    /// C = C ⊙ f'(X), for the matrix Y = f(X) of the shape of C.
    Derivative(Activation, M),
}

impl<M> Epilogue<M> {
    /// The same with the matrix in another form.
    #[inline(always)]
    pub(crate) fn map<N>(self, f: impl FnOnce(M) -> N) -> Epilogue<N> {
        match self {
            Self::None => Epilogue::None,
            Self::Activation(activation) => Epilogue::Activation(activation),
            Self::Derivative(activation, matrix) => Epilogue::Derivative(activation, f(matrix)),
        }
    }

    /// The same with a reference to the matrix.
    #[inline(always)]
    pub(crate) fn as_ref(&self) -> Epilogue<&M> {
        match self {
            Self::None => Epilogue::None,
            Self::Activation(activation) => Epilogue::Activation(*activation),
            Self::Derivative(activation, matrix) => Epilogue::Derivative(*activation, matrix),
        }
    }

    /// The matrix, if there is one.
    pub(crate) fn matrix(&self) -> Option<&M> {
        match self {
            Self::Derivative(_, matrix) => Some(matrix),
            Self::None | Self::Activation(_) => None,
        }
    }
}
