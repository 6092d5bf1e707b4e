//! The Node-API binding of `@elman/rnn`: JavaScript values to slices and back, no maths.
//!
//! | module | holds |
//! |---|---|
//! | `js` | values of JavaScript: arrays, numbers, errors, what an export returns |
//! | `env` | the context of the process, and the memory of results |
//! | `background` | calls that run later, on another thread |
//! | `recurrent` | layers of a recurrent cell |
//! | the others | one group of exports each |
//!
//! Every export checks its sizes and array lengths, writes only into arrays that JavaScript has allocated, and holds
//! nothing when it returns, except for the arrays of a stream (`js::bound`); a task of the background holds copies.
//! Errors are thrown as `RangeError` for a value or a shape and `TypeError` for a kind; a panic becomes an `Error`.

#![cfg_attr(test, allow(dead_code))] // napi-rs registers no exports in a test build

mod background;
mod dropout;
mod elementwise;
mod embedding;
mod env;
mod files;
mod fingerprint;
mod js;
mod lifetime;
mod linear;
mod loss;
mod optim;
mod random;
mod recurrent;
mod runtime;
mod sequences;
