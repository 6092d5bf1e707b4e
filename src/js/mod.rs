//! Values of JavaScript in Rust.
//!
//! | module | holds |
//! |---|---|
//! | [`error`] | Rust errors to JavaScript errors |
//! | [`exports`] | the body of an export |
//! | [`memory`] | what a typed array is in Rust |
//! | [`arrays`] | typed arrays that come as arguments |
//! | [`numbers`] | numbers that come as arguments |
//! | [`bytes`] | bytes that come as arguments |
//! | [`returned`] | typed arrays that a call returns |
//! | [`bound`] | functions that keep their arrays from call to call |
//! | [`variadic`] | functions of any number of arguments |

pub(crate) mod arrays;
pub(crate) mod bound;
pub(crate) mod bytes;
pub(crate) mod error;
pub(crate) mod exports;
pub(crate) mod memory;
pub(crate) mod numbers;
pub(crate) mod returned;
pub(crate) mod variadic;
