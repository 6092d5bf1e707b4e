//! The activations of the cells.

use elman_kernels::{Epilogue, Placed, Scalar, Unary};

/// An element-wise function whose derivative can be written in its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// None.
    Identity,
    /// The hyperbolic tangent.
    Tanh,
    /// max(·, 0).
    Relu,
    /// 1 / (1 + e^-·).
    Sigmoid,
}

impl Activation {
    /// The function, after a product.
    pub(super) fn epilogue<'a, T>(self) -> Epilogue<'a, T> {
        match self {
            Self::Identity => Epilogue::Identity,
            Self::Tanh => Epilogue::Tanh,
            Self::Relu => Epilogue::Relu,
            Self::Sigmoid => Epilogue::Sigmoid,
        }
    }

    /// Times the derivative, where the function's output was `y`.
    pub(super) fn derivative<'a, T: Scalar>(self, y: Placed<'a, T>) -> Epilogue<'a, T> {
        match self {
            Self::Identity => Epilogue::Identity,
            Self::Tanh => Epilogue::TanhGrad(y),
            Self::Relu => Epilogue::ReluGrad(y),
            Self::Sigmoid => Epilogue::SigmoidGrad(y),
        }
    }

    /// The name of the ONNX function.
    pub(super) fn onnx(self) -> &'static str {
        match self {
            Self::Identity => "Affine",
            Self::Tanh => "Tanh",
            Self::Relu => "Relu",
            Self::Sigmoid => "Sigmoid",
        }
    }

    /// The function of a single step, which has no name for the identity.
    pub(super) fn unary(self) -> Option<Unary> {
        match self {
            Self::Identity => None,
            Self::Tanh => Some(Unary::Tanh),
            Self::Relu => Some(Unary::Relu),
            Self::Sigmoid => Some(Unary::Sigmoid),
        }
    }
}
