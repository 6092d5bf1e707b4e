//! What the x86-64 instruction sets share: the shape of an implementation whose operations are one intrinsic
//! each. The files of the instruction sets give the intrinsics.

use std::arch::x86_64::__cpuid;

/// Whether Intel made this processor. The query takes microseconds on a virtual machine.
pub(crate) fn made_by_intel() -> bool {
    #[allow(unused_unsafe)] // newer versions of Rust have it safe
    // SAFETY: every x86-64 processor has this instruction.
    let leaf = unsafe { __cpuid(0) };
    [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
}

/// An operation on registers alone.
macro_rules! op {
    ($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $body:expr) => {
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait, on registers alone
        fn $name(self, $($arg: $type),*) -> $out {
            // SAFETY: the token proves the target features; these intrinsics touch registers only.
            unsafe { $body }
        }
    };
}
pub(super) use op;

/// Rows in groups of four, interleaved by pairs and then by pairs of pairs: 128-bit lane l of row c of a group then
/// holds column 4l + c of the group's four rows. For 32-bit elements.
macro_rules! interleaved {
    ($rows:expr, $low:ident, $high:ident, $low_pairs:ident, $high_pairs:ident, $to_pairs:ident, $from_pairs:ident) => {{
        let mut groups = $rows;
        for group in groups.chunks_exact_mut(4) {
            let [a, b] = [$to_pairs($low(group[0], group[1])), $to_pairs($high(group[0], group[1]))];
            let [c, d] = [$to_pairs($low(group[2], group[3])), $to_pairs($high(group[2], group[3]))];
            group[0] = $from_pairs($low_pairs(a, c));
            group[1] = $from_pairs($high_pairs(a, c));
            group[2] = $from_pairs($low_pairs(b, d));
            group[3] = $from_pairs($high_pairs(b, d));
        }
        groups
    }};
}
pub(super) use interleaved;

/// Transposes a square of vectors by `$turn`, which takes and gives an array of its rows.
macro_rules! transpose {
    ($type:ty, $lanes:literal, $turn:ident) => {
        #[inline(always)]
        unsafe fn transpose(self, from: *const $type, from_stride: usize, to: *mut $type, to_stride: usize) {
            // SAFETY: the caller vouches for LANES rows of LANES elements.
            let row = |i: usize| unsafe { Simd::<$type>::load(self, from.wrapping_add(i * from_stride)) };
            let turned = self.$turn(std::array::from_fn::<_, $lanes, _>(row));
            for (i, row) in turned.into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { Simd::<$type>::store(self, to.wrapping_add(i * to_stride), row) };
            }
        }
    };
}
pub(super) use transpose;

/// Implements `Simd<$type>` for `$token`; `$rest` are the operations whose form differs between
/// instruction sets: partial loads and stores, powers of two, masks.
macro_rules! simd {
    (
        $token:ident for $type:ty, features $features:literal,
        V $v:ty, Mask $mask:ty, lanes $lanes:literal, half $half:ident, mr $mr:literal,
        set1 $set1:ident, loadu $loadu:ident, storeu $storeu:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident,
        fmadd $fmadd:ident, fnmadd $fnmadd:ident, min $min:ident, max $max:ident,
        and $and:ident, andnot $andnot:ident, or $or:ident,
        rest { $($rest:tt)* }
    ) => {
        // SAFETY: the token is made only after detection of all the features.
        unsafe impl Simd<$type> for $token {
            type V = $v;
            type Mask = $mask;
            const LANES: usize = $lanes;
            type Half = $half;
            const MR: usize = $mr;

            #[inline(always)]
            fn half(self) -> $half {
                self.into()
            }
            #[inline(always)]
            fn vectorize<K: Kernel<$type>>(self, kernel: K) -> K::Output {
                #[target_feature(enable = $features)]
                fn inner<K: Kernel<$type>>(token: $token, kernel: K) -> K::Output {
                    kernel.run(token)
                }
                // SAFETY: the token proves the target features.
                unsafe { inner(self, kernel) }
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $type) -> $v {
                // SAFETY: the caller vouches for LANES readable elements.
                unsafe { $loadu(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type, v: $v) {
                // SAFETY: the caller vouches for LANES writable elements.
                unsafe { $storeu(to, v) }
            }
            op!(splat(value: $type) -> $v = $set1(value));
            op!(add(a: $v, b: $v) -> $v = $add(a, b));
            op!(sub(a: $v, b: $v) -> $v = $sub(a, b));
            op!(mul(a: $v, b: $v) -> $v = $mul(a, b));
            op!(div(a: $v, b: $v) -> $v = $div(a, b));
            op!(mul_add(a: $v, b: $v, c: $v) -> $v = $fmadd(a, b, c));
            op!(neg_mul_add(a: $v, b: $v, c: $v) -> $v = $fnmadd(a, b, c));
            op!(min(a: $v, b: $v) -> $v = $min(a, b));
            op!(max(a: $v, b: $v) -> $v = $max(a, b));
            op!(abs(a: $v) -> $v = $andnot($set1(-0.0), a));
            op!(copysign(magnitude: $v, sign: $v) -> $v =
                $or($andnot($set1(-0.0), magnitude), $and($set1(-0.0), sign)));
            $($rest)*
        }
    };
}
pub(super) use simd;

/// `hash_accumulate` in the integer intrinsics of one width.
macro_rules! hash_accumulate {
    ($v:ty, $to_bits:ident, $from_bits:ident, $xor:ident, $srli:ident, $mul:ident, $add:ident) => {
        #[inline(always)]
        #[allow(clippy::multiple_unsafe_ops_per_block)] // one operation of the trait, on registers alone
        fn hash_accumulate(self, sum: $v, v: $v, key: $v) -> $v {
            // SAFETY: the token proves the target features; these intrinsics touch registers only.
            unsafe {
                let (sum, v) = ($to_bits(sum), $to_bits(v));
                let x = $xor(v, $to_bits(key));
                $from_bits($add($add(sum, v), $mul(x, $srli::<32>(x))))
            }
        }
    };
}
pub(super) use hash_accumulate;
