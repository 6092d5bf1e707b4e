//! Instruction sets: the elements, one trait with the operations that the kernels call, one file of intrinsics each, and
//! the way from an instruction set to the code that is compiled for it. Nothing here names a kernel.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod cache;
pub(crate) mod dispatch;
pub(crate) mod element;
pub(crate) mod isa;
pub(crate) mod multiversion;
mod portable;
pub(crate) mod vector;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;
