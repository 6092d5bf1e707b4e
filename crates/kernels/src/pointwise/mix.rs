//! Numbers that look random and are a function of their place: `SplitMix64` (Steele et al., OOPSLA 2014).

/// 2⁶⁴ divided by the golden ratio: an odd number without a pattern.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The `i`-th number of `SplitMix64`.
pub(crate) const fn split_mix(i: u64) -> u64 {
    mix(GOLDEN.wrapping_mul(i.wrapping_add(1)))
}

/// A bijection in which every bit depends on every other one: the finish of `SplitMix64`.
pub(crate) const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
