//! From an [`Isa`](crate::simd::isa::Isa) to the code that is compiled for it.
//!
//! Each kernel's file declares, by [`compile_kernels!`], a trait with one function a kernel. Its implementations for the
//! element types are the only places that name a kernel together with a type: the code is compiled once for each pair of
//! element type and instruction set, in this crate and not in each crate that calls it.

use crate::simd::element::Element;
use crate::simd::isa::Isa;
use crate::simd::vector::{Kernel, Simd};

/// Runs a kernel on vectors of `$type`, compiled for the instruction set `$isa`.
macro_rules! dispatch {
    ($isa:expr, $kernel:expr, $type:ty) => {{
        use $crate::simd::isa::Kind;
        use $crate::simd::vector::Simd;
        match $isa.0 {
            Kind::Portable(token) => Simd::<$type>::vectorize(token, $kernel),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(token) => Simd::<$type>::vectorize(token, $kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(token) => Simd::<$type>::vectorize(token, $kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(token) => Simd::<$type>::vectorize(token, $kernel),
            #[cfg(all(test, portable_lanes = "8"))]
            Kind::Portable8(token) => Simd::<$type>::vectorize(token, $kernel),
            #[cfg(all(test, portable_lanes = "16"))]
            Kind::Portable16(token) => Simd::<$type>::vectorize(token, $kernel),
        }
    }};
}
pub(crate) use dispatch;

/// Declares a trait whose functions run kernels on an instruction set, and implements it for every element type:
///
/// ```text
/// compile_kernels! { PackKernels: Lanes { fn pack(PackPanel<'_, Self>); } }
/// T::pack(isa, PackPanel { .. })
/// ```
macro_rules! compile_kernels {
    ($(#[$meta:meta])* $trait:ident: $($bound:path),+ { $($functions:tt)+ }) => {
        compile_kernels!(@declare [$(#[$meta])*] $trait: $($bound),+ { $($functions)+ });
        compile_kernels!(@implement $trait f32 { $($functions)+ });
        compile_kernels!(@implement $trait f64 { $($functions)+ });
    };
    (@declare [$(#[$meta:meta])*] $trait:ident: $($bound:path),+ {
        $(fn $name:ident($kernel:ty) $(-> $output:ty)?;)+
    }) => {
        $(#[$meta])*
        pub trait $trait: $($bound +)+ {
            $(fn $name(isa: $crate::simd::isa::Isa, kernel: $kernel) $(-> $output)?;)+
        }
    };
    (@implement $trait:ident $type:ty { $(fn $name:ident($kernel:ty) $(-> $output:ty)?;)+ }) => {
        impl $trait for $type {
            $(fn $name(isa: $crate::simd::isa::Isa, kernel: $kernel) $(-> $output)? {
                $crate::simd::dispatch::dispatch!(isa, kernel, Self)
            })+
        }
    };
}
pub(crate) use compile_kernels;

/// The kernel that returns the number of lanes of an instruction set.
pub struct LaneCount;

impl<T: Element> Kernel<T> for LaneCount {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> usize {
        S::LANES
    }
}

compile_kernels! {
    /// What a caller asks of vectors of an element type.
    Lanes: Element {
        fn lanes(LaneCount) -> usize;
    }
}

impl Isa {
    /// Elements of a vector.
    pub(crate) fn lanes<T: Lanes>(self) -> usize {
        T::lanes(self, LaneCount)
    }
}
