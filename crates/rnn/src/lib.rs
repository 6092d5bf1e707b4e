//! Recurrent networks on [`ndarray`] views: cells, a stack of layers and directions over a cell, and
//! backpropagation through time.
//!
//! | module | holds |
//! |---|---|
//! | [`cell`] | what a cell is: its parameters, states and sizes, its passes forward and backward in time, its single step |
//! | [`cells`] | the cells, a folder each, and the one place where they are built by name |
//! | [`stack`] | layers, directions, dropout between layers, what is kept for the backward pass; recomputation, teacher forcing, streams |
//! | [`layout`] | how the caller's arrays lie: time or batch first, lengths, packed |
//! | [`pass`] | the order in which a direction goes over the rows |
//!
//! Data flows `stack → cell → kernels`. The stack does not depend on a cell's gates, nor a cell on
//! layers.
//!
//! # Symbols
//!
//! | symbol | meaning |
//! |---|---|
//! | T | time steps |
//! | B | sequences in the batch |
//! | I | input features |
//! | F | input features of a layer: I, or the outputs of the layer below |
//! | H | hidden features |
//! | S | output features of a layer and direction |
//! | L | layers |
//! | D | directions, 1 or 2 |
//! | N | rows: valid (step, sequence) pairs, T·B if all sequences are T long |
//!
//! The gradient of the loss by `x` is called `dx`. The derivation is in `docs/bptt.md`.

#![forbid(unsafe_code)]

pub mod cell;
pub mod cells;
mod error;
pub mod layout;
pub mod pass;
pub mod stack;

pub use cell::{List, OnnxOperator, Shape};
pub use error::Error;
pub use layout::Layout;
pub use stack::{Backward, Dropout, Forward, Gradients, Inputs, Stack, Stream};

#[cfg(test)]
mod reference;
