//! What a training step needs in addition to the recurrence.
//!
//! | module | holds |
//! |---|---|
//! | [`random`] | PyTorch's stream of random numbers |
//! | [`linear`], [`embedding`] | the layers around a recurrent one |
//! | [`cross_entropy`], [`pointwise`] | losses |
//! | [`elementwise`], [`strided`] | the arithmetic and the views of the tensor type |
//! | [`sgd`], [`adam`], [`rmsprop`] | optimizers, one parameter at a time |
//! | [`clip`] | norms of gradients |
//!
//! Everything is generic over [`elman_kernels::Scalar`] (`f32`, `f64`) and works on row-major slices that the caller
//! owns. Sizes are checked against the slices before anything is written. Gradients are named `d` + the name of what
//! they belong to. Inner loops run over slices of equal length or arrays of fixed size, and [`elman_kernels::multiversion!`]
//! compiles them for every instruction set; reductions add into a fixed number of lanes, so that results depend neither
//! on the instruction set nor on the number of threads.

#![forbid(unsafe_code)]

pub mod adam;
pub mod clip;
pub mod cross_entropy;
pub mod elementwise;
pub mod embedding;
pub mod linear;
pub mod pointwise;
pub mod random;
pub mod rmsprop;
pub mod sgd;
pub mod strided;

mod error;
mod exp;
mod lanes;
mod reduction;
mod stages;
#[cfg(test)]
mod testing;

pub use error::Error;
pub use reduction::Reduction;
