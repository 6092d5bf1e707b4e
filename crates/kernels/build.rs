//! Chooses the portable vectors that the tests have: `portable_lanes = "8"` and `"16"`, with the tiles of AVX2 and of
//! AVX-512, unless this machine has these. They take longer to compile than all instruction sets of a machine.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(portable_lanes, values(\"8\", \"16\"))");
    // Of another processor than that of this machine nothing is known.
    let here = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|target| target == std::env::consts::ARCH);
    for (lanes, native) in [("8", has_avx2()), ("16", has_avx512())] {
        if !(here && native) {
            println!("cargo::rustc-cfg=portable_lanes=\"{lanes}\"");
        }
    }
}

// As `Avx2::detect` and `Avx512::detect`.

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}
