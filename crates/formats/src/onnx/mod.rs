//! ONNX: a stack of recurrent layers as a model that ONNX Runtime and others run.
//!
//! ```text
//! input (T, B, I), or (B, T, I) if the batch comes first       h0 (L·D, B, H) or (L·D, 1, H); c0 of an LSTM
//!   Transpose                    if the batch comes first        Expand to (L·D, B, H), Split
//!   for each layer l
//!     RNN(x, W, R, B, h0[l·D..])           → Y (T, D, B, H), Y_h (D, B, H)        or GRU
//!     LSTM(x, W, R, B, h0[l·D..], c0[l·D..]) → Y, Y_h, Y_c (D, B, H)
//!     Transpose, Reshape                   → (T, B, D·H): x of the next layer
//! output (T, B, D·H), or (B, T, D·H)                           hN (L·D, B, H); cN of an LSTM
//! ```
//!
//! The equation of RNN is h_t = f(W x_t + R h_{t-1} + Wb + Rb), so parameters go over as they are: W (D, H, F) is
//! `W_ih` of both directions, R (D, H, H) `W_hh`, B (D, 2·H) `b_ih` and `b_hh` side by side. With G gates these have G·H
//! rows, and the gates are put into ONNX's order: iofc in an LSTM, zrh in a GRU. That of ONNX has torch's equation with
//! `linear_before_reset` 1.
//!
//! T and B are names, not numbers: each call of the model chooses them.
//!
//! `h0` and `c0` have to be given. The format knows defaults of inputs (a constant of the same name), but ONNX Runtime's
//! interfaces for JavaScript do not: onnxruntime-node ignores the value of a state that has a default, and computes
//! from zeros. So zeros are given like any other state, as (L·D, 1, H) if that is simpler.

mod graph;
mod model;
mod proto;

pub use model::{Error, Rnn, serialize};
