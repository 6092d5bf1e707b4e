//! SIMD kernels and threads for recurrent networks.
//!
//! Everything that is `unsafe` in the project's arithmetic lives in this crate, behind functions that check
//! their lengths. It knows nothing of layers or cells; it offers what their loops are made of:
//!
//! | function | computes |
//! |---|---|
//! | [`Packed::new`] | a matrix W of shape (K, N) laid out in column panels |
//! | [`affine`] | Y = X W + b for many rows at once |
//! | [`chain`] | the recurrence y_t = f(y_t + y_{t-1} W), forward or backward in time |
//! | [`relay`] | the same with two products a step: u_t = f(u_t + w_{t-1} W), w_t = g(w_t + u_t V) |
//! | [`step()`] | one step of it, with weights that are laid out once for all steps |
//! | [`gram`] | Aᵀ B, the gradients of weights over all rows, and the sums of A's rows, that of a bias |
//! | [`map`], [`zip`] | activations and their derivatives |
//! | [`dropout()`] | inverted dropout with a mask computed from a seed |
//! | [`wide!`] | a plain loop of the caller's, with the machine's widest vectors |
//! | [`fingerprint()`] | a hash of some arrays, by which a change is noticed |
//!
//! # Symbols
//!
//! T time steps, B sequences in the batch, I input features, H hidden features, K the length of an inner
//! product, N output columns, R rows. Matrices are row-major; a *row* is one sequence at one time step.
//!
//! # Instruction sets
//!
//! One generic source over [`Simd`] (AVX-512, AVX2 + FMA, portable lanes), chosen at run time by [`Isa`].
//!
//! # Determinism
//!
//! Vectors run over output columns, never over K: each output element is one chain of fused multiply-adds in
//! ascending k. So its bits depend neither on the tile that computed it, nor on the number of threads, the
//! batch size or, between instruction sets with FMA, the width of the vectors.

mod activation;
mod affine;
mod block;
mod by_element;
mod chain;
mod context;
mod dropout;
mod fingerprint;
mod gram;
mod isa;
mod link;
mod matrix;
mod meeting;
mod mix;
mod operand;
mod pack;
mod places;
mod pool;
mod product;
mod recurrence;
mod reduce;
mod relay;
mod scalar;
mod scratch;
mod step;
mod steps;
mod terms;
mod tile;
mod wide;
mod workers;

pub use activation::{Binary, Unary, map, zip};
pub use affine::{Init, affine, affine_placed};
pub use chain::{Chain, chain};
pub use context::Context;
pub use dropout::{dropout, dropout_in_place};
pub use fingerprint::fingerprint;
pub use gram::{Along, Product, gram};
pub use isa::{CACHE_LINE, Isa, Simd, Task};
pub use operand::{Pick, Rows};
pub use pack::Packed;
pub use places::{Placed, Places, Target};
pub use pool::Team;
pub use relay::{Leg, Relay, relay};
pub use scalar::Scalar;
pub use scratch::{AllocError, Scratch};
pub use step::{Stacked, Step, step};
pub use steps::{Steps, StepsError};
pub use terms::{ChainBase, Epilogue, Order, Start};
pub use wide::Body;

#[cfg(test)]
mod testing;
