//! Numbers below the smallest normal one, taken as zero.
//!
//! Arithmetic with denormal numbers takes a processor up to a hundred times as long. [`FlushDenormals`] sets the bits of
//! the control register that replace them by zero, in what an instruction reads and in what it writes, as
//! `torch.set_flush_denormal` does. The register is the thread's own: a guard sets it for its thread, and the threads of
//! a team take over what their caller has ([`Mode`]), so that results do not depend on the number of threads.

use std::marker::PhantomData;

use control::{FLUSH, Register, SUPPORTED, read, write};

/// Flushes denormal numbers on this thread, and in the teams that it leads, until it is dropped.
#[derive(Debug)]
pub struct FlushDenormals(#[expect(dead_code, reason = "what it does when it is dropped")] Guard);

impl FlushDenormals {
    /// Whether this processor can.
    pub const SUPPORTED: bool = SUPPORTED;

    /// Begins; without effect on a processor that cannot.
    #[must_use]
    pub fn begin() -> Self {
        Self(Mode(FLUSH).enter())
    }
}

/// What a thread does with denormal numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode(Register);

impl Mode {
    /// What this thread does.
    pub(crate) fn of_thread() -> Self {
        Self(read() & FLUSH)
    }

    /// Does the same on this thread until the guard is dropped.
    pub(crate) fn enter(self) -> Guard {
        let before = read();
        let wanted = before & !FLUSH | self.0;
        if wanted != before {
            write(wanted);
        }
        Guard { before, changed: wanted != before, own_thread: PhantomData }
    }
}

/// Restores the register of its thread.
#[derive(Debug)]
pub(crate) struct Guard {
    before: Register,
    changed: bool,
    own_thread: PhantomData<*const ()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.changed {
            write(self.before);
        }
    }
}

/// MXCSR. Its sticky flags, which tell what has happened, are saved and restored too; nothing reads them.
#[cfg(target_arch = "x86_64")]
mod control {
    use std::arch::asm;

    pub(super) type Register = u32;
    pub(super) const SUPPORTED: bool = true;

    /// FTZ and DAZ: results that are flushed, operands that are.
    pub(super) const FLUSH: Register = 1 << 15 | 1 << 6;

    pub(super) fn read() -> Register {
        let mut register = 0;
        // SAFETY: SSE is part of x86-64; the instruction writes the four bytes that it is given.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut register, options(nostack, preserves_flags)) };
        register
    }

    pub(super) fn write(register: Register) {
        // SAFETY: as above, it reads four bytes. They come from the register itself but for FTZ and DAZ, so no reserved
        // bit is set and no exception unmasked. Code whose results these two change runs in functions that are called
        // with the guard alive, on numbers in memory, which the compiler takes as read and written here.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const register, options(nostack, preserves_flags)) };
    }
}

/// FPCR.
#[cfg(target_arch = "aarch64")]
mod control {
    use std::arch::asm;

    pub(super) type Register = u64;
    pub(super) const SUPPORTED: bool = true;

    /// FZ: operands and results.
    pub(super) const FLUSH: Register = 1 << 24;

    pub(super) fn read() -> Register {
        let register;
        // SAFETY: every program may read this register.
        unsafe { asm!("mrs {}, fpcr", out(reg) register, options(nostack, preserves_flags)) };
        register
    }

    pub(super) fn write(register: Register) {
        // SAFETY: every program may write this register. The value comes from it but for FZ. Code whose results that
        // changes runs in functions that are called with the guard alive, on numbers in memory, which the compiler takes
        // as read and written here.
        unsafe { asm!("msr fpcr, {}", in(reg) register, options(nostack, preserves_flags)) };
    }
}

/// Other processors: without effect.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod control {
    pub(super) type Register = u32;
    pub(super) const SUPPORTED: bool = false;
    pub(super) const FLUSH: Register = 0;

    pub(super) fn read() -> Register {
        0
    }

    pub(super) fn write(_: Register) {}
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ndarray::Array2;

    use super::*;
    use crate::testing::contexts;
    use crate::{InitialC, Packed, Scalar, gemm};

    /// Whether denormal operands and denormal results are zero on this thread.
    fn flushed() -> [bool; 2] {
        let denormal = black_box(f32::MIN_POSITIVE / 4.0);
        let (normal, half) = (black_box(f32::MIN_POSITIVE), black_box(0.5f32));
        [black_box(denormal * 4.0) == 0.0, black_box(normal * half).to_bits() == 0]
    }

    #[test]
    fn a_guard_restores_what_was() {
        let s = FlushDenormals::SUPPORTED;
        assert_eq!(flushed(), [false; 2]);
        {
            let _outer = FlushDenormals::begin();
            assert_eq!(flushed(), [s; 2]);
            drop(FlushDenormals::begin());
            assert_eq!(flushed(), [s; 2], "an inner guard restores the outer one");
            {
                let _off = Mode(0).enter();
                assert_eq!(flushed(), [false; 2]);
            }
            assert_eq!(flushed(), [s; 2]);
        }
        assert_eq!(flushed(), [false; 2]);
        let panic = std::panic::catch_unwind(|| {
            let _guard = FlushDenormals::begin();
            panic!("within a guard");
        });
        assert!(panic.is_err());
        assert_eq!(flushed(), [false; 2], "after a panic too");
    }

    #[test]
    fn every_member_of_a_team_does_what_its_caller_does() {
        for ctx in contexts() {
            for flush in [false, true, false] {
                let guard = flush.then(FlushDenormals::begin);
                let expected = [flush && FlushDenormals::SUPPORTED; 2];
                let wrong = AtomicUsize::new(0);
                for _ in 0..50 {
                    ctx.team(usize::MAX, 3).run(usize::MAX, |_| {
                        wrong.fetch_add(usize::from(flushed() != expected), Ordering::SeqCst);
                    });
                    let parts = ctx.each(usize::MAX, 0..8, |_, _| {
                        if flushed() == expected { Ok(()) } else { Err("a part") }
                    });
                    assert_eq!(parts, Ok(()));
                }
                assert_eq!(wrong.into_inner(), 0);
                drop(guard);
            }
        }
    }

    /// A product of denormal numbers with ones: 0 if they are flushed.
    fn product<T: Scalar>() {
        let (rows, k, n) = (200, 64, 64); // enough for a team
        let a = Array2::from_elem((rows, k), T::min_positive_value() / T::from_f64(1024.0));
        let b = Array2::from_elem((k, n), T::one());
        for ctx in contexts() {
            let packed = Packed::new(&ctx, b.view()).expect("memory for the weights");
            let run = || {
                let mut c = Array2::from_elem((rows, n), T::nan());
                gemm(&ctx, a.view(), &packed, InitialC::Zero, c.view_mut());
                c
            };
            let expected = a[[0, 0]] * T::from_f64(k as f64);
            assert!(run().iter().all(|&c| c == expected));
            let guard = FlushDenormals::begin();
            let flushed = run();
            drop(guard);
            assert!(!FlushDenormals::SUPPORTED || flushed.iter().all(|&c| c == T::zero()));
            assert!(run().iter().all(|&c| c == expected), "as before");
        }
    }

    #[test]
    fn kernels_flush() {
        product::<f32>();
        product::<f64>();
    }
}
