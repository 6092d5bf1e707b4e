//! General matrix multiplication (GEMM): packing, the microkernel, and the loops around it.

pub(crate) mod arguments;
pub(crate) mod gemm_nn;
pub(crate) mod gemm_tn;
pub(crate) mod macrokernel;
mod microkernel;
pub(crate) mod operand;
pub(crate) mod pack;
mod row_sums;
pub(crate) mod terms;
