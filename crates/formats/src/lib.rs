//! Model files: bytes in, checked tensors out, and the other way round.
//!
//! This crate turns buffers into tensors and knows nothing of paths: opening, syncing and renaming files is the
//! caller's. Each format is one module; today that is [`safetensors`].

#![forbid(unsafe_code)]

pub mod safetensors;
