//! NEON: 4 lanes of `f32`, 2 of `f64`, 32 registers. Intrinsics only.

use std::arch::aarch64::*;

use crate::simd::vector::{Kernel, Simd};

/// Proof that the processor has NEON, which is in the baseline of aarch64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neon(());

impl Neon {
    /// The token.
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

/// An operation on registers alone.
macro_rules! op {
    ($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $body:expr) => {
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait, on registers alone
        fn $name(self, $($arg: $type),*) -> $out {
            // SAFETY: the token proves NEON; these intrinsics touch registers only.
            unsafe { $body }
        }
    };
}

/// `mul_add_lane` for vectors of these lanes.
macro_rules! mul_add_lane {
    ($v:ty, $fma:ident, $($lane:literal)+) => {
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait, on registers alone
        fn mul_add_lane<const LANE: usize>(self, a: $v, b: $v, c: $v) -> $v {
            // SAFETY: the token proves NEON; these intrinsics touch registers only.
            unsafe {
                match LANE {
                    $($lane => $fma::<$lane>(c, a, b),)+
                    _ => unreachable!("the vector has fewer lanes"),
                }
            }
        }
    };
}

/// What both element types write alike. `$shift` is the number of explicit bits of the mantissa.
macro_rules! simd {
    (
        $type:ty, V $v:ty, Mask $mask:ty, lanes $lanes:literal,
        dup $dup:ident, ld1 $ld1:ident, st1 $st1:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, fma $fma:ident, fms $fms:ident, abs $abs:ident,
        cle $cle:ident, clt $clt:ident, cgt $cgt:ident, bsl $bsl:ident,
        sign $sign:ident($sign_bit:expr), to_integer $to_integer:ident, shl $shl:ident $shift:literal,
        add_integer $add_integer:ident, to_bits $to_bits:ident, from_bits $from_bits:ident,
        to_words $to_words:ident, from_words $from_words:ident,
        rest { $($rest:tt)* }
    ) => {
        // SAFETY: the token is made only after detection.
        unsafe impl Simd<$type> for Neon {
            type V = $v;
            type Mask = $mask;
            const LANES: usize = $lanes;
            type Half = Self;
            const MR: usize = 12;
            const MIN_SUMS: usize = 16;
            const BY_ELEMENT: bool = true;

            #[inline(always)]
            fn half(self) -> Self {
                self
            }
            /// Never inlined: among the loops around it a kernel would have too few registers.
            #[inline(never)]
            fn vectorize<K: Kernel<$type>>(self, kernel: K) -> K::Output {
                kernel.run(self)
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $type) -> $v {
                // SAFETY: the caller vouches for LANES readable elements.
                unsafe { $ld1(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type, v: $v) {
                // SAFETY: the caller vouches for LANES writable elements.
                unsafe { $st1(to, v) }
            }
            op!(splat(value: $type) -> $v = $dup(value));
            op!(add(a: $v, b: $v) -> $v = $add(a, b));
            op!(sub(a: $v, b: $v) -> $v = $sub(a, b));
            op!(mul(a: $v, b: $v) -> $v = $mul(a, b));
            op!(div(a: $v, b: $v) -> $v = $div(a, b));
            op!(mul_add(a: $v, b: $v, c: $v) -> $v = $fma(c, a, b));
            op!(neg_mul_add(a: $v, b: $v, c: $v) -> $v = $fms(c, a, b));
            // NEON's own minimum and maximum give NaN where either is NaN.
            op!(min(a: $v, b: $v) -> $v = $bsl($clt(a, b), a, b));
            op!(max(a: $v, b: $v) -> $v = $bsl($cgt(a, b), a, b));
            op!(abs(a: $v) -> $v = $abs(a));
            op!(copysign(magnitude: $v, sign: $v) -> $v = $bsl($sign($sign_bit), sign, magnitude));
            op!(exp2i(n: $v) -> $v =
                $from_bits($add_integer($shl::<$shift>($to_integer(n)), $to_bits($dup(1.0)))));
            op!(le(a: $v, b: $v) -> $mask = $cle(a, b));
            op!(select(mask: $mask, yes: $v, no: $v) -> $v = $bsl(mask, yes, no));
            op!(hash_accumulate(sum: $v, v: $v, key: $v) -> $v = {
                let (sum, v) = ($to_words(sum), $to_words(v));
                let x = veorq_u64(v, $to_words(key));
                $from_words(vmlal_u32(vaddq_u64(sum, v), vmovn_u64(x), vshrn_n_u64::<32>(x)))
            });
            $($rest)*
        }
    };
}

simd! {
    f32, V float32x4_t, Mask uint32x4_t, lanes 4,
    dup vdupq_n_f32, ld1 vld1q_f32, st1 vst1q_f32,
    add vaddq_f32, sub vsubq_f32, mul vmulq_f32, div vdivq_f32, fma vfmaq_f32, fms vfmsq_f32, abs vabsq_f32,
    cle vcleq_f32, clt vcltq_f32, cgt vcgtq_f32, bsl vbslq_f32,
    sign vdupq_n_u32(1 << 31), to_integer vcvtq_s32_f32, shl vshlq_n_s32 23,
    add_integer vaddq_s32, to_bits vreinterpretq_s32_f32, from_bits vreinterpretq_f32_s32,
    to_words vreinterpretq_u64_f32, from_words vreinterpretq_f32_u64,
    rest {
        mul_add_lane!(float32x4_t, vfmaq_laneq_f32, 0 1 2 3);
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait
        unsafe fn load_first(self, from: *const f32, count: usize) -> float32x4_t {
            // SAFETY: the caller vouches for `count` elements: one of a register, two as the half of one.
            unsafe {
                match count {
                    0 => vdupq_n_f32(0.0),
                    1 => vsetq_lane_f32::<0>(from.read_unaligned(), vdupq_n_f32(0.0)),
                    2 => vcombine_f32(vld1_f32(from), vdup_n_f32(0.0)),
                    3 => {
                        let third = vset_lane_f32::<0>(from.add(2).read_unaligned(), vdup_n_f32(0.0));
                        vcombine_f32(vld1_f32(from), third)
                    }
                    _ => vld1q_f32(from),
                }
            }
        }
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait
        unsafe fn store_first(self, to: *mut f32, v: float32x4_t, count: usize) {
            // SAFETY: the caller vouches for `count` elements.
            unsafe {
                match count {
                    0 => {}
                    1 => to.write_unaligned(vgetq_lane_f32::<0>(v)),
                    2 => vst1_f32(to, vget_low_f32(v)),
                    3 => {
                        vst1_f32(to, vget_low_f32(v));
                        to.add(2).write_unaligned(vgetq_lane_f32::<2>(v));
                    }
                    _ => vst1q_f32(to, v),
                }
            }
        }
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait
        unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            let pairs = |a, b| {
                // SAFETY: the token proves NEON; these intrinsics touch registers only.
                unsafe { (vreinterpretq_f64_f32(vtrn1q_f32(a, b)), vreinterpretq_f64_f32(vtrn2q_f32(a, b))) }
            };
            // SAFETY: the caller vouches for LANES rows of LANES elements.
            let row = |i: usize| unsafe { vld1q_f32(from.wrapping_add(i * from_stride)) };
            let ((a, b), (c, d)) = (pairs(row(0), row(1)), pairs(row(2), row(3)));
            // SAFETY: as for `pairs`.
            let turned = unsafe { [vtrn1q_f64(a, c), vtrn1q_f64(b, d), vtrn2q_f64(a, c), vtrn2q_f64(b, d)] };
            for (i, row) in turned.into_iter().enumerate() {
                // SAFETY: as for `row`.
                unsafe { vst1q_f32(to.wrapping_add(i * to_stride), vreinterpretq_f32_f64(row)) };
            }
        }
    }
}

simd! {
    f64, V float64x2_t, Mask uint64x2_t, lanes 2,
    dup vdupq_n_f64, ld1 vld1q_f64, st1 vst1q_f64,
    add vaddq_f64, sub vsubq_f64, mul vmulq_f64, div vdivq_f64, fma vfmaq_f64, fms vfmsq_f64, abs vabsq_f64,
    cle vcleq_f64, clt vcltq_f64, cgt vcgtq_f64, bsl vbslq_f64,
    sign vdupq_n_u64(1 << 63), to_integer vcvtq_s64_f64, shl vshlq_n_s64 52,
    add_integer vaddq_s64, to_bits vreinterpretq_s64_f64, from_bits vreinterpretq_f64_s64,
    to_words vreinterpretq_u64_f64, from_words vreinterpretq_f64_u64,
    rest {
        mul_add_lane!(float64x2_t, vfmaq_laneq_f64, 0 1);
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait
        unsafe fn load_first(self, from: *const f64, count: usize) -> float64x2_t {
            // SAFETY: the caller vouches for `count` elements.
            unsafe {
                match count {
                    0 => vdupq_n_f64(0.0),
                    1 => vsetq_lane_f64::<0>(from.read_unaligned(), vdupq_n_f64(0.0)),
                    _ => vld1q_f64(from),
                }
            }
        }
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait
        unsafe fn store_first(self, to: *mut f64, v: float64x2_t, count: usize) {
            // SAFETY: the caller vouches for `count` elements.
            unsafe {
                match count {
                    0 => {}
                    1 => to.write_unaligned(vgetq_lane_f64::<0>(v)),
                    _ => vst1q_f64(to, v),
                }
            }
        }
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait
        unsafe fn transpose(self, from: *const f64, from_stride: usize, to: *mut f64, to_stride: usize) {
            // SAFETY: the caller vouches for LANES rows of LANES elements.
            unsafe {
                let (a, b) = (vld1q_f64(from), vld1q_f64(from.wrapping_add(from_stride)));
                vst1q_f64(to, vtrn1q_f64(a, b));
                vst1q_f64(to.wrapping_add(to_stride), vtrn2q_f64(a, b));
            }
        }
    }
}
