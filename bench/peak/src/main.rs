//! `elman-peak THREADS MILLISECONDS [ISA]`: the most float32 operations per second that THREADS threads reach
//! side by side, with each instruction set of this machine or with ISA alone.
//!
//! Writes one line of JSON for each, narrowest vectors first:
//!
//! ```text
//! {"isa":"avx512","bits":512,"threads":1,"gflops":242.1}
//! ```
//!
//! Each thread runs short bursts of independent fused multiply-adds on registers, all threads at the same time,
//! and the fastest burst of each counts: one that was interrupted says nothing about the machine. A multiply-add is
//! two operations.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Chains of multiply-adds, each independent of the others: two units of 4 cycles' latency need 8, and 16
/// registers hold 12 in addition to the two factors.
const CHAINS: usize = 12;

/// `rounds` multiply-adds on each of [`CHAINS`] vectors.
macro_rules! burst {
    ($name:ident, $feature:literal, $splat:path, $multiply_add:path, $first:path) => {
        #[target_feature(enable = $feature)]
        fn $name(rounds: u64) -> f32 {
            let factor = $splat(black_box(0.5));
            let term = $splat(black_box(0.25));
            // Different numbers: equal chains might be computed once.
            let mut sums: [_; CHAINS] = std::array::from_fn(|i| $splat(black_box(i as f32)));
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = $multiply_add(*sum, factor, term);
                }
            }
            sums.into_iter().map(|sum| $first(sum)).sum()
        }
    };
}

/// x86-64: fused multiply-adds came with AVX2; before it, a multiplication and an addition.
#[cfg(target_arch = "x86_64")]
mod bursts {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use super::{CHAINS, Isa};

    burst!(sse2, "sse2", _mm_set1_ps, multiply_and_add, _mm_cvtss_f32);
    burst!(avx2, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32);
    burst!(avx512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32);

    #[inline]
    #[target_feature(enable = "sse2")]
    fn multiply_and_add(sum: __m128, factor: __m128, term: __m128) -> __m128 {
        _mm_add_ps(_mm_mul_ps(sum, factor), term)
    }

    /// The instruction sets of this machine, narrowest vectors first.
    pub fn available() -> Vec<Isa> {
        // SAFETY: SSE2 is in the baseline of x86-64.
        let burst = |rounds| unsafe { sse2(rounds) };
        let mut isas = vec![Isa { name: "sse2", bits: 128, burst }];
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA.
            let burst = |rounds| unsafe { avx2(rounds) };
            isas.push(Isa { name: "avx2", bits: 256, burst });
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512F.
            let burst = |rounds| unsafe { avx512(rounds) };
            isas.push(Isa { name: "avx512", bits: 512, burst });
        }
        isas
    }
}

/// aarch64: NEON has a fused multiply-add.
#[cfg(target_arch = "aarch64")]
mod bursts {
    use std::arch::aarch64::*;
    use std::hint::black_box;

    use super::{CHAINS, Isa};

    burst!(neon, "neon", vdupq_n_f32, multiply_add, vgetq_lane_f32::<0>);

    #[inline]
    #[target_feature(enable = "neon")]
    fn multiply_add(sum: float32x4_t, factor: float32x4_t, term: float32x4_t) -> float32x4_t {
        vfmaq_f32(term, sum, factor)
    }

    /// The instruction sets of this machine.
    pub fn available() -> Vec<Isa> {
        // SAFETY: NEON is in the baseline of aarch64.
        let burst = |rounds| unsafe { neon(rounds) };
        vec![Isa { name: "neon", bits: 128, burst }]
    }
}

/// An instruction set to measure.
pub struct Isa {
    name: &'static str,
    bits: usize,
    burst: fn(u64) -> f32,
}

impl Isa {
    /// Operations of a round: two for each lane of each chain.
    fn operations(&self) -> f64 {
        (2 * CHAINS * self.bits / 32) as f64
    }
}

/// Seconds of a burst.
fn time(isa: &Isa, rounds: u64) -> f64 {
    let start = Instant::now();
    black_box((isa.burst)(black_box(rounds)));
    start.elapsed().as_secs_f64()
}

/// Billions of operations per second of one thread: the fastest burst within `duration`.
fn fastest(isa: &Isa, duration: Duration) -> f64 {
    /// What a burst should take: long against the clock's steps, short against a time slice of the system.
    const BURST: f64 = 500e-6;
    let mut rounds = 1000;
    while time(isa, rounds) < BURST {
        rounds *= 2;
    }
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < duration {
        best = best.min(time(isa, rounds));
    }
    rounds as f64 * isa.operations() / best / 1e9
}

/// The same of `threads` threads side by side, added up.
fn together(isa: &Isa, threads: usize, duration: Duration) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let measure = || {
            barrier.wait();
            fastest(isa, duration)
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(measure)).collect();
        handles.into_iter().map(|handle| handle.join().expect("a burst does not panic")).sum()
    })
}

/// Threads, duration and the name of an instruction set from the command line.
fn arguments() -> Option<(usize, Duration, Option<String>)> {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next()?.parse().ok().filter(|threads| (1..=1024).contains(threads))?;
    let milliseconds = arguments.next()?.parse().ok().filter(|duration| *duration > 0)?;
    Some((threads, Duration::from_millis(milliseconds), arguments.next()))
}

fn main() -> ExitCode {
    let Some((threads, duration, wanted)) = arguments() else {
        eprintln!("elman-peak THREADS MILLISECONDS [ISA]");
        return ExitCode::from(2);
    };
    let mut isas = bursts::available();
    isas.retain(|isa| wanted.as_ref().is_none_or(|wanted| isa.name == wanted));
    if isas.is_empty() {
        eprintln!("this machine has no instruction set of this name");
        return ExitCode::FAILURE;
    }
    for isa in isas {
        let gflops = together(&isa, threads, duration);
        let Isa { name, bits, .. } = isa;
        println!(r#"{{"isa":"{name}","bits":{bits},"threads":{threads},"gflops":{gflops:.2}}}"#);
    }
    ExitCode::SUCCESS
}
