//! The two element types, `f32` and `f64`.

use std::fmt::{Debug, Display};

use ndarray::LinalgScalar;
use num_traits::{Float, NumAssign};

use crate::pointwise::activation::TanhTable;

/// The kernels of one element type, compiled here once for every instruction set rather than in each crate
/// that calls them.
pub(crate) mod compiled {
    use super::{Scalar, TanhTable};
    use crate::gemm::gemm_nn::Affine;
    use crate::gemm::gemm_tn::Gram;
    use crate::gemm::pack::{Lanes, Pack};
    use crate::pointwise::activation::{Map, Zip};
    use crate::pointwise::fingerprint::Pieces;
    use crate::recurrence::step::Part;
    use crate::recurrence::time_loop::Run;
    use crate::simd::{Isa, dispatch_to};

    /// Outside this crate nobody can name this trait, so nobody can implement [`Scalar`].
    pub trait Kernels: Sized {
        fn tanh_table() -> &'static TanhTable<Self>;
        fn lanes(isa: Isa) -> usize;
        fn pack(isa: Isa, task: Pack<'_, Self>);
        fn map(isa: Isa, task: Map<'_, Self>);
        fn zip(isa: Isa, task: Zip<'_, Self>);
        fn affine(isa: Isa, task: Affine<'_, Self>)
        where
            Self: Scalar;
        fn chain(isa: Isa, task: Run<'_, Self>)
        where
            Self: Scalar;
        fn gram(isa: Isa, task: Gram<'_, '_, Self>)
        where
            Self: Scalar;
        fn step(isa: Isa, task: Part<'_, '_, Self>)
        where
            Self: Scalar;
    }

    macro_rules! kernels {
        ($type:ty, $table:path) => {
            impl Kernels for $type {
                #[inline(always)]
                fn tanh_table() -> &'static TanhTable<Self> {
                    &$table
                }
                fn lanes(isa: Isa) -> usize {
                    dispatch_to!(isa, Lanes)
                }
                fn pack(isa: Isa, task: Pack<'_, Self>) {
                    dispatch_to!(isa, task);
                }
                fn map(isa: Isa, task: Map<'_, Self>) {
                    dispatch_to!(isa, task);
                }
                fn zip(isa: Isa, task: Zip<'_, Self>) {
                    dispatch_to!(isa, task);
                }
                fn affine(isa: Isa, task: Affine<'_, Self>) {
                    dispatch_to!(isa, task);
                }
                fn chain(isa: Isa, task: Run<'_, Self>) {
                    dispatch_to!(isa, task);
                }
                fn gram(isa: Isa, task: Gram<'_, '_, Self>) {
                    dispatch_to!(isa, task);
                }
                fn step(isa: Isa, task: Part<'_, '_, Self>) {
                    dispatch_to!(isa, task);
                }
            }
        };
    }
    /// `fingerprint` looks at bits only, which are f32s to it.
    pub trait Bits {
        fn fingerprint(isa: Isa, task: Pieces<'_>) -> u64;
    }
    impl Bits for f32 {
        fn fingerprint(isa: Isa, task: Pieces<'_>) -> u64 {
            dispatch_to!(isa, task)
        }
    }

    kernels!(f32, crate::pointwise::activation::TANH_F32);
    kernels!(f64, crate::pointwise::activation::TANH_F64);
}

/// An element type of the kernels: `f32` or `f64`.
///
/// All bit patterns are valid values, which lets scratch memory change its element type between calls.
pub trait Scalar:
    compiled::Kernels + LinalgScalar + Float + NumAssign + Default + Debug + Display + Send + Sync
{
    /// The name that users know: `float32` or `float64`.
    const NAME: &'static str;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;

    /// The same value in double precision.
    fn widen(self) -> f64;

    /// 2ⁿ for an integral n whose power is a normal number (the portable lanes' [`crate::Simd::exp2i`]).
    #[doc(hidden)]
    fn exp2i(n: Self) -> Self;
}

macro_rules! scalar {
    ($type:ty, $name:literal, $magic:literal) => {
        impl Scalar for $type {
            const NAME: &'static str = $name;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn widen(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn exp2i(n: Self) -> Self {
                // Adding 1.5 · 2^(mantissa bits) leaves n in the low bits of the sum.
                let low = (n + $magic).to_bits() << (Self::MANTISSA_DIGITS - 1);
                Self::from_bits(low.wrapping_add((1.0 as Self).to_bits()))
            }
        }
    };
}

scalar!(f32, "float32", 12_582_912.0);
scalar!(f64, "float64", 6_755_399_441_055_744.0);
