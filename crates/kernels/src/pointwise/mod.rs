//! Functions of single elements, and hashes.

pub(crate) mod activation;
pub(crate) mod dropout;
pub(crate) mod exp;
pub(crate) mod fingerprint;
pub(crate) mod gates;
pub(crate) mod mix;
