//! AVX2 with FMA: 8 lanes of `f32`, 4 of `f64`, 16 registers. Intrinsics only.

use std::arch::x86_64::*;

use crate::simd::vector::{Kernel, Simd};
use crate::simd::x86::{hash_accumulate, interleaved, op, simd, transpose};

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(pub(super) ());

impl Avx2 {
    /// The token, if processor and operating system have what it stands for.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

impl Avx2 {
    /// Pairs of rows are interleaved, then pairs of pairs, then 128-bit lanes are put in a row.
    #[inline(always)]
    #[allow(clippy::multiple_unsafe_ops_per_block)] // on registers alone
    fn turn_f32(self, rows: [__m256; 8]) -> [__m256; 8] {
        let mut out = rows;
        // SAFETY: the token proves the target features; these intrinsics touch registers only.
        unsafe {
            let quads = interleaved!(
                rows,
                _mm256_unpacklo_ps,
                _mm256_unpackhi_ps,
                _mm256_unpacklo_pd,
                _mm256_unpackhi_pd,
                _mm256_castps_pd,
                _mm256_castpd_ps
            );
            for c in 0..4 {
                out[c] = _mm256_permute2f128_ps::<0x20>(quads[c], quads[4 + c]);
                out[4 + c] = _mm256_permute2f128_ps::<0x31>(quads[c], quads[4 + c]);
            }
        }
        out
    }

    /// As for `f32`, with one interleaving less.
    #[inline(always)]
    #[allow(clippy::multiple_unsafe_ops_per_block)] // on registers alone
    fn turn_f64(self, rows: [__m256d; 4]) -> [__m256d; 4] {
        // SAFETY: the token proves the target features; these intrinsics touch registers only.
        unsafe {
            let (low, high) = (_mm256_unpacklo_pd(rows[0], rows[1]), _mm256_unpackhi_pd(rows[0], rows[1]));
            let low_below = _mm256_unpacklo_pd(rows[2], rows[3]);
            let high_below = _mm256_unpackhi_pd(rows[2], rows[3]);
            [
                _mm256_permute2f128_pd::<0x20>(low, low_below),
                _mm256_permute2f128_pd::<0x20>(high, high_below),
                _mm256_permute2f128_pd::<0x31>(low, low_below),
                _mm256_permute2f128_pd::<0x31>(high, high_below),
            ]
        }
    }
}

/// Lane masks: `LANES` set elements followed by `LANES` clear ones; reading at `LANES - count` gives the
/// mask of the first `count` lanes.
static FIRST_F32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static FIRST_F64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

#[inline(always)]
fn first_f32(count: usize) -> __m256i {
    let from: *const i32 = FIRST_F32[8 - count..][..8].as_ptr();
    // SAFETY: the slice above has 8 elements; AVX is present, as only the token's methods call this.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

#[inline(always)]
fn first_f64(count: usize) -> __m256i {
    let from: *const i64 = FIRST_F64[4 - count..][..4].as_ptr();
    // SAFETY: the slice above has 4 elements; AVX is present, as only the token's methods call this.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

/// Masked loads and stores, masks and powers of two, which both element types write alike. A power of two
/// is made in the exponent's bits: adding `$magic` leaves n in the low bits of the sum.
macro_rules! masked {
    ($type:ty, $v:ty, $first:ident, $maskload:ident, $maskstore:ident, $cmp:ident, $blendv:ident, $set1:ident,
     $add:ident, $to_bits:ident, $from_bits:ident, $slli:ident, $mantissa:literal, $addi:ident, $magic:literal) => {
        #[inline(always)]
        unsafe fn load_first(self, from: *const $type, count: usize) -> $v {
            // SAFETY: the mask keeps to the `count` elements that the caller vouches for.
            unsafe { $maskload(from, $first(count)) }
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut $type, v: $v, count: usize) {
            // SAFETY: the mask keeps to the `count` elements that the caller vouches for.
            unsafe { $maskstore(to, $first(count), v) }
        }
        op!(exp2i(n: $v) -> $v = $from_bits($addi(
            $slli::<$mantissa>($to_bits($add(n, $set1($magic)))),
            $to_bits($set1(1.0)),
        )));
        op!(le(a: $v, b: $v) -> $v = $cmp::<_CMP_LE_OQ>(a, b));
        op!(select(mask: $v, yes: $v, no: $v) -> $v = $blendv(no, yes, mask));
    };
}

simd! {
    Avx2 for f32, features "avx2,fma",
    V __m256, Mask __m256, lanes 8, half Avx2, mr 6,
    set1 _mm256_set1_ps, loadu _mm256_loadu_ps, storeu _mm256_storeu_ps,
    add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps,
    fmadd _mm256_fmadd_ps, fnmadd _mm256_fnmadd_ps, min _mm256_min_ps, max _mm256_max_ps,
    and _mm256_and_ps, andnot _mm256_andnot_ps, or _mm256_or_ps,
    rest {
        // 1.5 · 2²³: integers of either sign keep their two's complement in the low bits.
        masked!(f32, __m256, first_f32, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_cmp_ps,
            _mm256_blendv_ps, _mm256_set1_ps, _mm256_add_ps, _mm256_castps_si256, _mm256_castsi256_ps,
            _mm256_slli_epi32, 23, _mm256_add_epi32, 12_582_912.0);
        transpose!(f32, 8, turn_f32);
        hash_accumulate!(__m256, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_xor_si256, _mm256_srli_epi64,
            _mm256_mul_epu32, _mm256_add_epi64);
    }
}

simd! {
    Avx2 for f64, features "avx2,fma",
    V __m256d, Mask __m256d, lanes 4, half Avx2, mr 6,
    set1 _mm256_set1_pd, loadu _mm256_loadu_pd, storeu _mm256_storeu_pd,
    add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd, div _mm256_div_pd,
    fmadd _mm256_fmadd_pd, fnmadd _mm256_fnmadd_pd, min _mm256_min_pd, max _mm256_max_pd,
    and _mm256_and_pd, andnot _mm256_andnot_pd, or _mm256_or_pd,
    rest {
        // 1.5 · 2⁵²: integers of either sign keep their two's complement in the low bits.
        masked!(f64, __m256d, first_f64, _mm256_maskload_pd, _mm256_maskstore_pd, _mm256_cmp_pd,
            _mm256_blendv_pd, _mm256_set1_pd, _mm256_add_pd, _mm256_castpd_si256, _mm256_castsi256_pd,
            _mm256_slli_epi64, 52, _mm256_add_epi64, 6_755_399_441_055_744.0);
        transpose!(f64, 4, turn_f64);
        hash_accumulate!(__m256d, _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_xor_si256, _mm256_srli_epi64,
            _mm256_mul_epu32, _mm256_add_epi64);
    }
}
