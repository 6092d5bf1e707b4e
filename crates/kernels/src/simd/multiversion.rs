//! Plain loops at the full width of the machine's vectors.
//!
//! The addon is built for the oldest processor that it runs on, so a loop in plain Rust gets that one's vectors:
//! SSE2 on x86-64. [`multiversion!`](crate::multiversion!) compiles a function once for each instruction set, with its target
//! features switched on, and calls the one that an [`Isa`] names. LLVM turns its loops into vectors of that width.
//!
//! The results are the same bits on every instruction set: Rust neither reorders additions nor fuses a product with
//! a sum on its own. A sum is therefore turned into vectors only if it is written in lanes, a fixed number of them.
//!
//! Everything that a loop calls must be inlined into it, else it runs without the target features, and many times
//! slower. Functions are `#[inline(always)]`; a closure cannot be, so what varies is a trait with such a method.

use crate::simd::dispatch::dispatch;
use crate::simd::element::Element;
use crate::simd::isa::Isa;
use crate::simd::vector::{Kernel, Simd};

/// What [`multiversion!`](crate::multiversion!) makes of a function's arguments.
pub trait Multiversion {
    /// What the function returns.
    type Output;

    /// The function's body. It must be `#[inline(always)]`, so that it is compiled with the caller's target features.
    fn run(self) -> Self::Output;
}

/// A body as a kernel: one that leaves the vectors to the compiler.
struct Plain<B>(B);

impl<T: Element, B: Multiversion> Kernel<T> for Plain<B> {
    type Output = B::Output;
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> B::Output {
        self.0.run()
    }
}

impl Isa {
    /// Runs `body` compiled for this instruction set. The element type of the vectors does not matter here: both
    /// have the same target features.
    pub fn run<B: Multiversion>(self, body: B) -> B::Output {
        dispatch!(self, Plain(body), f32)
    }
}

/// Defines a function whose body is compiled for every instruction set; its first argument says on which it runs.
///
/// All that the body calls must be `#[inline(always)]`. Arguments are plain names with types whose lifetimes are left
/// out; bounds of type parameters are paths.
///
/// ```
/// use elman_kernels::{Isa, Scalar, multiversion};
///
/// multiversion! {
///     /// y ← y + a x.
///     fn axpy<T: Scalar>(a: T, x: &[T], y: &mut [T]) {
///         for (y, &x) in y.iter_mut().zip(x) {
///             *y += a * x;
///         }
///     }
/// }
///
/// let mut y = [1.0, 2.0];
/// axpy(Isa::detect(), 2.0, &[10.0, 20.0], &mut y);
/// assert_eq!(y, [21.0, 42.0]);
/// ```
#[macro_export]
macro_rules! multiversion {
    ($(
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident<$($generic:ident: $bound:path),+>(
            $($argument:ident: $type:ty),* $(,)?
        ) $(-> $output:ty)? $body:block
    )+) => {$(
        $(#[$meta])*
        $visibility fn $name<$($generic: $bound),+>(
            isa: $crate::Isa,
            $($argument: $type),*
        ) $(-> $output)? {
            struct Arguments<A, G>(A, ::std::marker::PhantomData<G>);

            impl<$($generic: $bound),+> $crate::Multiversion for Arguments<($($type,)*), ($($generic,)+)> {
                type Output = $crate::multiversion!(@output $($output)?);
                #[inline(always)]
                fn run(self) -> Self::Output {
                    let ($($argument,)*) = self.0;
                    $body
                }
            }

            isa.run(Arguments::<_, ($($generic,)+)>(($($argument,)*), ::std::marker::PhantomData))
        }
    )+};
    (@output $output:ty) => { $output };
    (@output) => { () };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar;

    multiversion! {
        /// Σ |x_i|^½ in four lanes, and out = x / (1 + x²), which would differ if it were fused.
        fn mixed<T: Scalar>(x: &[T], out: &mut [T]) -> T {
            let mut lanes = [T::zero(); 4];
            for (x, out) in x.chunks(4).zip(out.chunks_mut(4)) {
                for ((lane, &x), out) in lanes.iter_mut().zip(x).zip(out) {
                    *lane += x.abs().sqrt();
                    *out = x / (T::one() + x * x);
                }
            }
            (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
        }
    }

    fn check<T: Scalar>() {
        for count in [0, 1, 5, 64, 1001] {
            let x: Vec<T> = (0..count).map(|i| T::from_f64(f64::from(i) * 0.37 - 100.0)).collect();
            let results: Vec<_> = Isa::testable()
                .into_iter()
                .map(|isa| {
                    let mut out = vec![T::nan(); x.len()];
                    let sum = mixed(isa, &x, &mut out);
                    out.push(sum);
                    out.iter().map(|y| y.widen().to_bits()).collect::<Vec<_>>()
                })
                .collect();
            for (y, &x) in results[0].iter().zip(&x) {
                assert_eq!(f64::from_bits(*y), (x / (T::one() + x * x)).widen());
            }
            assert!(results.iter().all(|bits| *bits == results[0]));
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        check::<f32>();
        check::<f64>();
    }
}
