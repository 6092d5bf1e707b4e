//! The instruction sets that a host has.

#[cfg(target_arch = "x86_64")]
use crate::simd::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx512::Avx512;
#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
use crate::simd::portable::Portable;

/// An instruction set that this host has.
///
/// It can be made only by [`Isa::detect`], [`Isa::by_name`] and [`Isa::available`], which query the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(pub(crate) Kind);

/// The tokens, one for each instruction set. Private, so that none is made without detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Portable lanes that LLVM turns into whatever the build target has.
    Portable(Portable<4, 4>),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(all(test, portable_lanes = "8"))]
    Portable8(Portable<8, 4>),
    #[cfg(all(test, portable_lanes = "16"))]
    Portable16(Portable<16, 16>),
}

impl Isa {
    /// The names that [`Isa::by_name`] knows on any host, narrowest vectors first.
    pub const NAMES: [&'static str; 4] = ["scalar", "neon", "avx2", "avx512"];

    /// The best instruction set of this processor.
    pub fn detect() -> Self {
        *Self::available().last().unwrap_or(&Self::portable())
    }

    /// The instruction set called `name`, one of [`Isa::NAMES`]; `None` if this host lacks it.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// Every instruction set of this processor, narrowest vectors first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)] // some targets have no other
        let mut found = vec![Self::portable()];
        #[cfg(target_arch = "aarch64")]
        found.extend(Neon::detect().map(|token| Self(Kind::Neon(token))));
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(Avx2::detect().map(|token| Self(Kind::Avx2(token))));
            found.extend(Avx512::detect().map(|token| Self(Kind::Avx512(token))));
        }
        found
    }

    /// What the tests of this crate run: [`Isa::available`], and portable vectors of 8 and 16 lanes, which have the tiles
    /// of AVX2 and AVX-512, on a host without these. Those of 8 have halves, which take less time to compile than those
    /// of 16 would.
    #[cfg(test)]
    pub(crate) fn testable() -> Vec<Self> {
        #[allow(unused_mut)] // some hosts have all tiles
        let mut all = Self::available();
        #[cfg(portable_lanes = "8")]
        all.push(Self(Kind::Portable8(Portable)));
        #[cfg(portable_lanes = "16")]
        all.push(Self(Kind::Portable16(Portable)));
        all
    }

    /// Its name: `scalar` (the portable vectors), `neon`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable(_) => "scalar",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(all(test, portable_lanes = "8"))]
            Kind::Portable8(_) => "portable8",
            #[cfg(all(test, portable_lanes = "16"))]
            Kind::Portable16(_) => "portable16",
        }
    }

    fn portable() -> Self {
        Self(Kind::Portable(Portable))
    }
}
