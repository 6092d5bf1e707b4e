//! AVX-512: 16 lanes of `f32`, 8 of `f64`, 32 registers. Intrinsics only.

use std::arch::x86_64::*;

use super::x86::{mingle, op, simd};
use super::{Simd, Task};

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
    V __m512, Mask __mmask16, lanes 16, max_rows 12,
    set1 _mm512_set1_ps, loadu _mm512_loadu_ps, storeu _mm512_storeu_ps,
    add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps,
    fmadd _mm512_fmadd_ps, fnmadd _mm512_fnmadd_ps, min _mm512_min_ps, max _mm512_max_ps,
    and _mm512_and_ps, andnot _mm512_andnot_ps, or _mm512_or_ps,
    rest {
        masked!(f32, __m512, __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps,
            _mm512_cmp_ps_mask, _mm512_mask_blend_ps, _mm512_set1_ps, _mm512_scalef_ps);
        mingle!(__m512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_xor_si512, _mm512_srli_epi64,
            _mm512_mul_epu32, _mm512_add_epi64);
    }
}

simd! {
    Avx512 for f64, features "avx512f,avx512vl,avx512dq,avx512bw,fma",
    V __m512d, Mask __mmask8, lanes 8, max_rows 12,
    set1 _mm512_set1_pd, loadu _mm512_loadu_pd, storeu _mm512_storeu_pd,
    add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd, div _mm512_div_pd,
    fmadd _mm512_fmadd_pd, fnmadd _mm512_fnmadd_pd, min _mm512_min_pd, max _mm512_max_pd,
    and _mm512_and_pd, andnot _mm512_andnot_pd, or _mm512_or_pd,
    rest {
        masked!(f64, __m512d, __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd,
            _mm512_cmp_pd_mask, _mm512_mask_blend_pd, _mm512_set1_pd, _mm512_scalef_pd);
        mingle!(__m512d, _mm512_castpd_si512, _mm512_castsi512_pd, _mm512_xor_si512, _mm512_srli_epi64,
            _mm512_mul_epu32, _mm512_add_epi64);
    }
}
