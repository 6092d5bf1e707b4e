//! The Node-API binding of `@elman/rnn`: JavaScript values to slices and back, no maths.
//!
//! One file per exported thing. Every export checks its sizes and array lengths, writes only into arrays
//! that JavaScript has allocated, and holds nothing when it returns, but for the arrays of a stream (`lasting`); a task of the background holds copies.
//! Errors are thrown as `RangeError` for a value or a shape and `TypeError` for a kind; a panic becomes an
//! `Error`.

#![cfg_attr(test, allow(dead_code))] // napi-rs registers no exports in a test build

mod block;
mod bytes;
mod dropout;
mod elementwise;
mod embedding;
mod error;
mod files;
mod fingerprint;
mod jordan;
mod lasting;
mod linear;
mod loss;
mod malloc;
mod onnx;
mod optim;
mod processors;
mod queue;
mod random;
mod returned;
mod rnn;
mod runtime;
mod sequences;
mod slice;
mod stream;
mod task;
mod work;
