//! AVX-512: 16 lanes of `f32`, 8 of `f64`, 32 registers. Intrinsics only.

use std::arch::x86_64::*;

use crate::simd::avx2::Avx2;
use crate::simd::vector::{Kernel, Simd};
use crate::simd::x86::{hash_accumulate, interleaved, op, simd, transpose};

/// Proof that the processor has AVX-512 F, VL, DQ and BW, and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The token, if processor and operating system have what it stands for.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("fma"))
        .then_some(Self(()))
    }
}

impl From<Avx512> for Avx2 {
    /// AVX-512 F implies AVX2, and the token stands for FMA too.
    #[inline(always)]
    fn from(_: Avx512) -> Self {
        Self(())
    }
}

/// `out[l]`, in which lane l of a, b, c, d stand in a row, for the 128-bit lanes of four vectors: the last step of a
/// transposition, the same for both element types.
macro_rules! gather_lanes {
    ($shuffle:ident, $a:expr, $b:expr, $c:expr, $d:expr) => {{
        let (even, odd) = ($shuffle::<0x88>($a, $b), $shuffle::<0xdd>($a, $b));
        let (even_below, odd_below) = ($shuffle::<0x88>($c, $d), $shuffle::<0xdd>($c, $d));
        [
            $shuffle::<0x88>(even, even_below),
            $shuffle::<0x88>(odd, odd_below),
            $shuffle::<0xdd>(even, even_below),
            $shuffle::<0xdd>(odd, odd_below),
        ]
    }};
}

impl Avx512 {
    /// Pairs of rows are interleaved, then pairs of pairs, then 128-bit lanes are put in a row.
    #[inline(always)]
    #[allow(clippy::multiple_unsafe_ops_per_block)] // on registers alone
    fn turn_f32(self, rows: [__m512; 16]) -> [__m512; 16] {
        let mut out = rows;
        // SAFETY: the token proves the target features; these intrinsics touch registers only.
        unsafe {
            let quads = interleaved!(
                rows,
                _mm512_unpacklo_ps,
                _mm512_unpackhi_ps,
                _mm512_unpacklo_pd,
                _mm512_unpackhi_pd,
                _mm512_castps_pd,
                _mm512_castpd_ps
            );
            for c in 0..4 {
                let lanes =
                    gather_lanes!(_mm512_shuffle_f32x4, quads[c], quads[4 + c], quads[8 + c], quads[12 + c]);
                for (lane, row) in lanes.into_iter().enumerate() {
                    out[4 * lane + c] = row;
                }
            }
        }
        out
    }

    /// As for `f32`, with one interleaving less.
    #[inline(always)]
    #[allow(clippy::multiple_unsafe_ops_per_block)] // on registers alone
    fn turn_f64(self, rows: [__m512d; 8]) -> [__m512d; 8] {
        let (mut pairs, mut out) = (rows, rows);
        // SAFETY: the token proves the target features; these intrinsics touch registers only.
        unsafe {
            for (pair, rows) in pairs.chunks_exact_mut(2).zip(rows.chunks_exact(2)) {
                pair[0] = _mm512_unpacklo_pd(rows[0], rows[1]);
                pair[1] = _mm512_unpackhi_pd(rows[0], rows[1]);
            }
            for c in 0..2 {
                let lanes =
                    gather_lanes!(_mm512_shuffle_f64x2, pairs[c], pairs[2 + c], pairs[4 + c], pairs[6 + c]);
                for (lane, row) in lanes.into_iter().enumerate() {
                    out[2 * lane + c] = row;
                }
            }
        }
        out
    }
}

/// Masked loads and stores, masks and scaling, which both element types write alike.
macro_rules! masked {
    ($type:ty, $v:ty, $mask:ty, $loadu:ident, $storeu:ident, $cmp:ident, $blend:ident, $set1:ident, $scalef:ident) => {
        #[inline(always)]
        unsafe fn load_first(self, from: *const $type, count: usize) -> $v {
            let mask = ((1u32 << count) - 1) as $mask;
            // SAFETY: the mask keeps to the `count` elements that the caller vouches for.
            unsafe { $loadu(mask, from) }
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut $type, v: $v, count: usize) {
            let mask = ((1u32 << count) - 1) as $mask;
            // SAFETY: the mask keeps to the `count` elements that the caller vouches for.
            unsafe { $storeu(to, mask, v) }
        }
        op!(exp2i(n: $v) -> $v = $scalef($set1(1.0), n));
        op!(le(a: $v, b: $v) -> $mask = $cmp::<_CMP_LE_OQ>(a, b));
        op!(select(mask: $mask, yes: $v, no: $v) -> $v = $blend(mask, no, yes));
    };
}

simd! {
    Avx512 for f32, features "avx512f,avx512vl,avx512dq,avx512bw,fma",
    V __m512, Mask __mmask16, lanes 16, half Avx2, mr 12,
    set1 _mm512_set1_ps, loadu _mm512_loadu_ps, storeu _mm512_storeu_ps,
    add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps,
    fmadd _mm512_fmadd_ps, fnmadd _mm512_fnmadd_ps, min _mm512_min_ps, max _mm512_max_ps,
    and _mm512_and_ps, andnot _mm512_andnot_ps, or _mm512_or_ps,
    rest {
        masked!(f32, __m512, __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps,
            _mm512_cmp_ps_mask, _mm512_mask_blend_ps, _mm512_set1_ps, _mm512_scalef_ps);
        transpose!(f32, 16, turn_f32);
        hash_accumulate!(__m512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_xor_si512, _mm512_srli_epi64,
            _mm512_mul_epu32, _mm512_add_epi64);
    }
}

simd! {
    Avx512 for f64, features "avx512f,avx512vl,avx512dq,avx512bw,fma",
    V __m512d, Mask __mmask8, lanes 8, half Avx2, mr 12,
    set1 _mm512_set1_pd, loadu _mm512_loadu_pd, storeu _mm512_storeu_pd,
    add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd, div _mm512_div_pd,
    fmadd _mm512_fmadd_pd, fnmadd _mm512_fnmadd_pd, min _mm512_min_pd, max _mm512_max_pd,
    and _mm512_and_pd, andnot _mm512_andnot_pd, or _mm512_or_pd,
    rest {
        masked!(f64, __m512d, __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd,
            _mm512_cmp_pd_mask, _mm512_mask_blend_pd, _mm512_set1_pd, _mm512_scalef_pd);
        transpose!(f64, 8, turn_f64);
        hash_accumulate!(__m512d, _mm512_castpd_si512, _mm512_castsi512_pd, _mm512_xor_si512, _mm512_srli_epi64,
            _mm512_mul_epu32, _mm512_add_epi64);
    }
}
