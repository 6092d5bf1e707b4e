//! Model files: bytes in, checked tensors out, and the other way round.
//!
//! This crate turns buffers into tensors and takes no paths: the caller opens, syncs and renames
//! files. Each format is one module: [`safetensors`] both ways, [`onnx`] out only.

#![forbid(unsafe_code)]

pub mod onnx;
pub mod safetensors;
