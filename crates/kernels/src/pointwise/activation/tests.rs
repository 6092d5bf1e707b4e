use super::*;
use crate::{Isa, Scalar};

fn on_every_isa<T: Scalar>(f: Activation, x: &[T], mut check: impl FnMut(&str, &[T])) {
    for isa in Isa::testable() {
        let mut out = vec![T::nan(); x.len()];
        activate(&Context::new(isa, 1), f, x, &mut out);
        check(isa.name(), &out);
    }
}

/// Distance from `exact` in units in the last place of an f32.
fn ulp_f32(y: f32, exact: f64) -> f64 {
    let unit = f64::from(f32::from_bits((exact.abs() as f32).to_bits() + 1)) - f64::from(exact.abs() as f32);
    (f64::from(y) - exact).abs() / unit
}

fn check_tanh_f32(bits: impl Iterator<Item = u32>) {
    let x: Vec<f32> = bits.map(f32::from_bits).collect();
    on_every_isa(Activation::Tanh, &x, |isa, y| {
        for (&x, &y) in x.iter().zip(y) {
            if x.is_nan() {
                assert!(y.is_nan(), "{isa}: tanh({x}) = {y}");
                continue;
            }
            let error = ulp_f32(y, f64::from(x).tanh());
            assert!(error <= 2.0, "{isa}: tanh({x:e}) = {y:e}, {error} ulp");
            assert!(y.abs() <= 1.0 && y.is_sign_negative() == x.is_sign_negative(), "{isa}: {x} {y}");
        }
    });
}

#[test]
fn tanh_f32_on_a_sample_of_all_floats() {
    check_tanh_f32((0..=u32::MAX / 4099).map(|i| i * 4099));
}

/// The whole proof; a minute or two: `cargo test --release -p elman-kernels -- --ignored every_float`.
#[test]
#[ignore = "all 2³² floats take minutes"]
fn tanh_f32_of_every_float() {
    const CHUNK: u32 = 1 << 20;
    let contexts: Vec<_> = Isa::testable().into_iter().map(|isa| Context::new(isa, 1)).collect();
    let mut largest = 0.0f64;
    let mut before = vec![0.0f32; contexts.len()];
    let (mut y, mut mirrored) = (vec![f32::NAN; CHUNK as usize], vec![f32::NAN; CHUNK as usize]);
    for start in (0..1 << 31).step_by(CHUNK as usize) {
        let x: Vec<f32> = (start..start + CHUNK).map(f32::from_bits).collect();
        let exact: Vec<f64> = x.iter().map(|&x| f64::from(x).tanh()).collect();
        let negative: Vec<f32> = x.iter().map(|x| -x).collect();
        for (ctx, before) in contexts.iter().zip(&mut before) {
            let isa = ctx.isa().name();
            activate(ctx, Activation::Tanh, &x, &mut y);
            activate(ctx, Activation::Tanh, &negative, &mut mirrored);
            for (((&x, &exact), &y), &mirrored) in x.iter().zip(&exact).zip(&y).zip(&mirrored) {
                if x.is_nan() {
                    assert!(y.is_nan() && mirrored.is_nan(), "{isa}: tanh({x}) = {y}, {mirrored}");
                    continue;
                }
                largest = largest.max(ulp_f32(y, exact));
                assert_eq!(mirrored.to_bits(), (-y).to_bits(), "{isa}: odd at {x:e}");
                assert!((*before..=1.0).contains(&y), "{isa}: tanh({x:e}) = {y:e} after {before:e}");
                *before = y;
            }
        }
    }
    println!("largest error: {largest} units in the last place");
    assert!(largest <= 2.0, "{largest} units in the last place");
    assert!(before.iter().all(|&y| y == 1.0), "saturates at 1");
}

#[test]
fn tanh_f64_is_within_three_ulp() {
    let x: Vec<f64> = (0..200_000).map(|i| (f64::from(i) - 1e5) * 2.1e-4).collect();
    on_every_isa(Activation::Tanh, &x, |isa, y| {
        for (&x, &y) in x.iter().zip(y) {
            let exact = x.tanh();
            let unit = f64::from_bits(exact.abs().to_bits() + 1) - exact.abs();
            assert!((y - exact).abs() <= 3.0 * unit, "{isa}: tanh({x}) = {y}, libm {exact}");
        }
    });
}

#[test]
fn sigmoid_is_within_three_ulp() {
    let exact = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
    let x: Vec<f32> = (0..200_001).map(|i| (i as f32 - 1e5) * 8.6e-4).collect();
    on_every_isa(Activation::Sigmoid, &x, |isa, y| {
        for (&x, &y) in x.iter().zip(y) {
            let error = ulp_f32(y, exact(f64::from(x)));
            assert!(error <= 3.0, "{isa}: sigmoid({x:e}) = {y:e}, {error} ulp");
        }
    });
    let x: Vec<f64> = (0..200_001).map(|i| (f64::from(i) - 1e5) * 7e-3).collect();
    on_every_isa(Activation::Sigmoid, &x, |isa, y| {
        for (&x, &y) in x.iter().zip(y) {
            let exact = exact(x);
            let unit = f64::from_bits(exact.to_bits() + 1) - exact;
            assert!((y - exact).abs() <= 3.0 * unit, "{isa}: sigmoid({x}) = {y}, libm {exact}");
        }
    });
}

#[test]
fn special_values_at_every_lane() {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-45, -1e-40, f32::MAX];
    for position in 0..33 {
        for value in special {
            let mut x = vec![0.5f32; 33];
            x[position] = value;
            on_every_isa(Activation::Tanh, &x, |isa, y| {
                let expected = value.tanh();
                let same =
                    y[position].to_bits() == expected.to_bits() || expected.is_nan() && y[position].is_nan();
                assert!(same, "{isa} lane {position}: tanh({value}) = {}", y[position]);
            });
            on_every_isa(Activation::Sigmoid, &x, |isa, y| {
                let expected = 1.0 / (1.0 + (-value).exp());
                let same = y[position] == expected || expected.is_nan() && y[position].is_nan();
                assert!(same, "{isa} lane {position}: sigmoid({value}) = {}", y[position]);
            });
            on_every_isa(Activation::Relu, &x, |isa, y| {
                let expected = if value.is_nan() || value > 0.0 { value } else { 0.0 };
                let same = y[position] == expected || expected.is_nan() && y[position].is_nan();
                assert!(same, "{isa} lane {position}: relu({value}) = {}", y[position]);
            });
        }
    }
}

#[test]
fn gradients_follow_the_output() {
    let h: Vec<f64> = vec![-0.5, 0.0, 0.25, 1.0, f64::NAN, -1.0, 2.0, 3.0, 4.0];
    let g: Vec<f64> = (1..=9).map(f64::from).collect();
    for isa in Isa::testable() {
        let ctx = Context::new(isa, 1);
        let mut out = vec![f64::NAN; 9];
        activate_backward(&ctx, Activation::Relu, &g, &h, &mut out);
        assert_eq!(out, [0.0, 0.0, 3.0, 4.0, 5.0, 0.0, 7.0, 8.0, 9.0], "{}", isa.name());
        activate_backward(&ctx, Activation::Tanh, &g, &h, &mut out);
        for i in [0, 1, 2, 3, 5, 6] {
            assert!((out[i] - g[i] * (1.0 - h[i] * h[i])).abs() < 1e-15);
        }
        assert!(out[4].is_nan());
        activate_backward(&ctx, Activation::Sigmoid, &g, &h, &mut out);
        for i in [0, 1, 2, 3, 5, 6, 7, 8] {
            assert!((out[i] - g[i] * h[i] * (1.0 - h[i])).abs() < 1e-13);
        }
        assert!(out[4].is_nan());
    }
}
