//! The element types of vectors, `f32` and `f64`.

use std::fmt::{Debug, Display};

use ndarray::LinalgScalar;
use num_traits::{Float, NumAssign};

/// This trait cannot be named outside the crate, so [`Element`] cannot be implemented there.
pub trait Sealed {}

/// An element type of the kernels: `f32` or `f64`.
///
/// All bit patterns are valid values, which lets scratch memory change its element type between calls.
pub trait Element:
    Sealed + LinalgScalar + Float + NumAssign + Default + Debug + Display + Send + Sync
{
    /// The name that users know: `float32` or `float64`.
    const NAME: &'static str;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;

    /// The same value in double precision.
    fn widen(self) -> f64;

    /// 2ⁿ for an integral n whose power is a normal number (the portable lanes' [`exp2i`](crate::Simd::exp2i)).
    #[doc(hidden)]
    fn exp2i(n: Self) -> Self;
}

macro_rules! element {
    ($type:ty, $name:literal, $magic:literal) => {
        impl Sealed for $type {}
        impl Element for $type {
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

element!(f32, "float32", 12_582_912.0);
element!(f64, "float64", 6_755_399_441_055_744.0);
