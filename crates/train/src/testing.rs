//! What the tests share.

use crate::random::Generator;
use elman_kernels::{Context, Isa, Scalar};

/// A context for every instruction set of this host, alone and with threads.
pub(crate) fn contexts() -> Vec<Context> {
    let isas = Isa::available();
    isas.into_iter().flat_map(|isa| [Context::new(isa, 1), Context::new(isa, 3)]).collect()
}

/// `count` numbers in [-2, 2).
pub(crate) fn random<T: Scalar>(count: usize, seed: u64) -> Vec<T> {
    let mut values = vec![T::nan(); count];
    Generator::new(seed).uniform(Isa::detect(), &mut values, -2.0, 2.0).expect("bounds are in order");
    values
}

/// That two arrays agree within `tolerance · (1 + |expected|)`, NaN with NaN.
pub(crate) fn assert_close<T: Scalar>(actual: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (i, (actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let actual = actual.widen();
        let close = (actual - expected).abs() <= tolerance * (1.0 + expected.abs());
        let same = actual == expected || (actual.is_nan() && expected.is_nan());
        assert!(close || same, "element {i}: got {actual}, expected {expected}");
    }
}

/// The bits of an array, for comparisons in which NaN equals itself and 0 differs from -0.
pub(crate) fn bits<T: Scalar>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.widen().to_bits()).collect()
}

/// ∂f/∂x by central differences, in float64.
pub(crate) fn numeric_gradient(x: &[f64], mut f: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-6;
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let middle = x[i];
            x[i] = middle + STEP;
            let above = f(&x);
            x[i] = middle - STEP;
            let below = f(&x);
            x[i] = middle;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}
