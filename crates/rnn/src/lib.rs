//! Recurrent networks on [`ndarray`] views: a cell, a stack of layers and directions over it, and
//! backpropagation through time.
//!
//! | module | holds |
//! |---|---|
//! | [`cell`] | what a cell must offer: its parameters, one pass forward in time, one backward |
//! | [`elman`] | the Elman cell, h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh) |
//! | [`jordan`] | the Jordan network, whose output goes into its next step; with a teacher, all steps at once |
//! | [`stack`] | layers, directions, dropout between layers, what is kept for the backward pass; one step at a time |
//! | [`layout`] | how the caller's arrays lie: time or batch first, lengths, packed |
//! | [`pass`] | a direction's way over the rows |
//!
//! Data flows `stack → cell → kernels`. The stack knows nothing of a cell's gates, and a cell nothing of
//! layers.
//!
//! # Symbols
//!
//! | symbol | meaning |
//! |---|---|
//! | T | time steps |
//! | B | sequences in the batch |
//! | I | input features |
//! | H | hidden features |
//! | L | layers |
//! | D | directions, 1 or 2 |
//! | N | rows: valid (step, sequence) pairs, T·B if all sequences are T long |
//!
//! The gradient of the loss by `x` is called `dx`. The derivation is in `docs/bptt.md`.

#![forbid(unsafe_code)]

mod batched;
pub mod cell;
pub mod elman;
mod error;
pub mod jordan;
pub mod layout;
pub mod pass;
pub mod stack;

pub use cell::List;
pub use elman::{Elman, Nonlinearity};
pub use error::Error;
pub use jordan::{Jordan, OutputNonlinearity};
pub use layout::Layout;
pub use stack::{Backward, Dropout, Forward, Gradients, Stack, Stream};

#[cfg(test)]
mod reference;
