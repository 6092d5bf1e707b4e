//! The terms in which [`chain()`](crate::chain()) and [`relay()`](crate::relay()) are asked for: the order of the steps,
//! where sequences begin, what a product is added to, and the function after it.

use ndarray::ArrayView2;

use crate::Scalar;
use crate::gemm::pack::Packed;
use crate::rows::matrix::{Matrix, matrix};
use crate::rows::row_map::Placed;

/// The order in which the steps are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first step to the last.
    Ascending,
    /// From the last step to the first; a sequence begins at its own last step.
    Descending,
}

/// What a row that begins a sequence starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, T> {
    /// The product of W with a state (B, H), on top of the base.
    State(ArrayView2<'a, T>),
    /// What y holds in that row already, and no product.
    Prepared,
}

/// What the product is added to.
#[derive(Clone, Copy, Debug)]
pub enum ChainBase<'a, T: Scalar> {
    /// What y holds.
    InPlace,
    /// A matrix (rows, H).
    Matrix(Placed<'a, T>),
    /// One row of H elements for all.
    Row(&'a [T]),
    /// 0.
    Zero,
    /// x W' + b, computed in each step: the same bits as [`crate::affine`] into y and [`ChainBase::InPlace`], without
    /// the way of y to memory and back in between.
    Product {
        /// x (rows, K').
        x: Placed<'a, T>,
        /// W' (K', H).
        weights: &'a Packed<'a, T>,
        /// b, or 0.
        bias: Option<&'a [T]>,
    },
}

/// The function f.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a, T> {
    /// tanh.
    Tanh,
    /// max(·, 0).
    Relu,
    /// 1 / (1 + e^-·).
    Sigmoid,
    /// Nothing: f is the identity, and so is its derivative.
    Identity,
    /// · ⊙ (1 - h²), with h (rows, H) the output of a tanh.
    TanhGrad(Placed<'a, T>),
    /// · where h > 0, else 0, with h (rows, H) the output of a relu.
    ReluGrad(Placed<'a, T>),
    /// · ⊙ h (1 - h), with h (rows, H) the output of a sigmoid.
    SigmoidGrad(Placed<'a, T>),
}

impl<'a, T: Scalar> Epilogue<'a, T> {
    /// The matrix that it reads.
    pub(crate) fn matrix(self) -> Option<Placed<'a, T>> {
        match self {
            Self::TanhGrad(h) | Self::ReluGrad(h) | Self::SigmoidGrad(h) => Some(h),
            Self::Tanh | Self::Relu | Self::Sigmoid | Self::Identity => None,
        }
    }
}

impl<T: Scalar> Start<'_, T> {
    /// The states, which must be of this shape.
    pub(crate) fn matrix(&self, shape: (usize, usize)) -> Option<Matrix<T>> {
        match *self {
            Self::State(state) => {
                assert_eq!(state.dim(), shape, "chain: the state must have a row for each sequence");
                Some(matrix(state))
            }
            Self::Prepared => None,
        }
    }
}
