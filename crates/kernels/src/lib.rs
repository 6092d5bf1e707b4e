//! SIMD kernels and threads for recurrent networks.
//!
//! All `unsafe` code of the project's arithmetic is in this crate, behind functions that check their lengths. It knows
//! nothing of layers or cells; it offers the loops that they are made of:
//!
//! | function | computes |
//! |---|---|
//! | [`Packed::new`] | a matrix W of shape (K, N) packed in column panels |
//! | [`gemm()`] | C = A B + b for many rows at once |
//! | [`gemm_tn`] | Aᵀ B, the gradients of weights over all rows, and the sums of A's rows, that of a bias |
//! | [`recurrence()`] | y_t = f(b_t + y_{t-1} W), forward or backward in time, with one or more products a step |
//! | [`gated_step`] | the same for LSTM and GRU |
//! | [`step()`] | one step of it, with weights that are packed once for all steps |
//! | [`activate`], [`activate_backward`] | activations and their derivatives |
//! | [`dropout()`] | inverted dropout with a mask computed from a seed |
//! | [`multiversion!`] | a plain loop of the caller's, with the machine's widest vectors |
//! | [`fingerprint()`] | a hash of some arrays, by which a change is noticed |
//! | [`FlushDenormals`] | denormal numbers as zero, on a thread and in its teams |
//!
//! Folders, each of which uses those before it: `simd` (elements, vectors, instruction sets), `runtime` (threads, scratch
//! memory), `rows` (rows in time and in memory), `pointwise`, `gemm`, `recurrence`.
//!
//! # Symbols
//!
//! T time steps, B sequences in the batch, I input features, H hidden features, K the length of an inner
//! product, N output columns, R rows. Matrices are row-major; a *row* is one sequence at one time step.
//!
//! # Instruction sets
//!
//! One generic source over [`Simd`] (AVX-512, AVX2 + FMA, NEON, portable lanes), chosen at run time by [`Isa`].
//!
//! # Determinism
//!
//! Vectors run over output columns, never over K: each output element is one chain of fused multiply-adds in
//! ascending k. So its bits depend neither on the tile that computed it, nor on the number of threads, the
//! batch size or, between instruction sets with FMA, the width of the vectors. The threads of a team treat denormal numbers
//! as their caller does.

mod gemm;
mod pointwise;
mod recurrence;
mod rows;
mod runtime;
mod simd;

pub use gemm::gemm_nn::{gemm, gemm_mapped};
pub use gemm::gemm_tn::{FusedGemm, TransposedProduct, gemm_tn};
pub use gemm::operand::{Operand, RowIndex};
pub use gemm::pack::Packed;
pub use gemm::terms::{Epilogue, InitialC};
pub use pointwise::activation::{Activation, activate, activate_backward};
pub use pointwise::dropout::{dropout, dropout_in_place};
pub use pointwise::fingerprint::fingerprint;
pub use recurrence::gated_step::{GatedStep, StepCell, StepGate, gated_step};
pub use recurrence::step::{Stacked, Step, step};
pub use recurrence::terms::{
    GatedProduct, Gates, Order, Product, Projection, Recurrence, Start, StepProduct,
};
pub use recurrence::time_loop::recurrence;
pub use rows::row_map::{MappedRows, MappedRowsMut, RowMap};
pub use rows::steps::{Steps, StepsError};
pub use runtime::context::Context;
pub use runtime::denormals::FlushDenormals;
pub use runtime::pool::Team;
pub use runtime::scratch::{AllocError, Scratch};
pub use simd::cache::CACHE_LINE;
pub use simd::element::Element;
pub use simd::isa::Isa;
pub use simd::multiversion::Multiversion;
pub use simd::vector::{Kernel, Simd};

use gemm::gemm_tn::GemmTnKernels;
use pointwise::activation::ActivationKernels;
use recurrence::gated_step::GatedStepKernels;
use recurrence::time_loop::RecurrenceKernels;

/// An [`Element`] for which every kernel is compiled: `f32` or `f64`.
pub trait Scalar: Element + ActivationKernels + GemmTnKernels + RecurrenceKernels + GatedStepKernels {}

impl<T: Element + ActivationKernels + GemmTnKernels + RecurrenceKernels + GatedStepKernels> Scalar for T {}

#[cfg(test)]
mod testing;
