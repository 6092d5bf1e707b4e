//! Layers of a recurrent cell. Nothing here knows a cell: `elman_rnn::cells::build` makes one by its name.
//!
//! | module | holds |
//! |---|---|
//! | [`core`] | the class of JavaScript |
//! | [`slots`] | the order of the arguments of a pass |
//! | [`passes`] | forward and backward over whole sequences |
//! | [`stream`] | one time step at a time |
//! | [`onnx`] | the layers as an ONNX file |
//! | [`stack`] | the layers, of one of the element types |

mod core;
mod onnx;
mod passes;
mod slots;
mod stack;
mod stream;
