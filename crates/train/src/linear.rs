//! A linear layer.
//!
//! ```text
//! x: (R, I), W: (O, I), b: (O)
//! y = x Wᵀ + b;   dx = dy W,   dW = dyᵀ x,   db = Σ_r dy_r
//! ```

use crate::Error;
use crate::error::expect_length;
use elman_kernels::{
    Context, FusedGemm, InitialC, Operand, Packed, Scalar, Steps, TransposedProduct, gemm, gemm_tn,
};
use ndarray::{ArrayView2, ArrayViewMut2};

/// The shape of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    /// R, rows of the input.
    pub rows: usize,
    /// I, features of a row of the input.
    pub in_features: usize,
    /// O, features of a row of the output.
    pub out_features: usize,
}

/// Where the gradients go; each may be left out. What is there is overwritten.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// dx: (R, I)
    pub input: Option<&'a mut [T]>,
    /// dW: (O, I)
    pub weight: Option<&'a mut [T]>,
    /// db: (O)
    pub bias: Option<&'a mut [T]>,
}

impl Linear {
    /// y = x Wᵀ + b.
    ///
    /// * `x`: (R, I)
    /// * `weight`: W, (O, I)
    /// * `bias`: b, (O)
    /// * `y`: (R, O), overwritten
    ///
    /// # Errors
    ///
    /// [`Error::Length`], [`Error::TooLarge`], [`Error::OutOfMemory`].
    pub fn forward<T: Scalar>(
        &self,
        ctx: &Context,
        x: &[T],
        weight: &[T],
        bias: Option<&[T]>,
        y: &mut [T],
    ) -> Result<(), Error> {
        let Self { rows, in_features, out_features } = *self;
        if let Some(bias) = bias {
            expect_length("bias", &[out_features], bias.len())?;
        }
        let x = view("x", rows, in_features, x)?;
        let weight = view("weight", out_features, in_features, weight)?;
        let y = view_mut("out", rows, out_features, y)?;
        let packed = Packed::new(ctx, weight.reversed_axes())?;
        gemm(ctx, x, &packed, bias.map_or(InitialC::Zero, InitialC::Row), y);
        Ok(())
    }

    /// The gradients.
    ///
    /// * `x`, `weight`: as in [`Linear::forward`]
    /// * `dy`: (R, O)
    ///
    /// # Errors
    ///
    /// As [`Linear::forward`].
    pub fn backward<T: Scalar>(
        &self,
        ctx: &Context,
        x: &[T],
        weight: &[T],
        dy: &[T],
        gradients: Gradients<'_, T>,
    ) -> Result<(), Error> {
        let Self { rows, in_features, out_features } = *self;
        let x = view("x", rows, in_features, x)?;
        let weight = view("weight", out_features, in_features, weight)?;
        let dy = view("grad_out", rows, out_features, dy)?;
        let Gradients { input: dx, weight: dw, bias: db } = gradients;
        let dx = dx.map(|dx| view_mut("grad_x", rows, in_features, dx)).transpose()?;
        let dw = dw.map(|dw| view_mut("grad_weight", out_features, in_features, dw)).transpose()?;
        if let Some(db) = &db {
            expect_length("grad_bias", &[out_features], db.len())?;
        }

        let packed = dx.is_some().then(|| Packed::new(ctx, weight)).transpose()?;
        let steps = Steps::unordered(rows);
        let fused = dx.zip(packed.as_ref()).map(|(dx, weights)| FusedGemm {
            steps: &steps,
            weights,
            initial: InitialC::Zero,
            out: dx.into(),
        });
        let products = dw.map(|out| TransposedProduct { b: Operand::Matrix(x), out });
        gemm_tn(ctx, dy, products, db, fused)?;
        Ok(())
    }
}

/// `data` as a matrix.
fn view<'a, T>(
    array: &'static str,
    rows: usize,
    columns: usize,
    data: &'a [T],
) -> Result<ArrayView2<'a, T>, Error> {
    expect_length(array, &[rows, columns], data.len())?;
    ArrayView2::from_shape((rows, columns), data)
        .map_err(|_| Error::TooLarge { array, sizes: vec![rows, columns] })
}

/// `data` as a matrix to be written.
fn view_mut<'a, T>(
    array: &'static str,
    rows: usize,
    columns: usize,
    data: &'a mut [T],
) -> Result<ArrayViewMut2<'a, T>, Error> {
    expect_length(array, &[rows, columns], data.len())?;
    ArrayViewMut2::from_shape((rows, columns), data)
        .map_err(|_| Error::TooLarge { array, sizes: vec![rows, columns] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, bits, contexts, random};
    use proptest::prelude::*;

    /// Σ over the inner index, in float64: (M, K) · (K, N), each element by a function of its indices.
    fn product(
        [m, k, n]: [usize; 3],
        a: impl Fn(usize, usize) -> f64,
        b: impl Fn(usize, usize) -> f64,
    ) -> Vec<f64> {
        let element = |i, j| (0..k).map(|l| a(i, l) * b(l, j)).sum();
        (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
    }

    fn check<T: Scalar>(rows: usize, inputs: usize, outputs: usize, seed: u64, tolerance: f64) {
        let shape = Linear { rows, in_features: inputs, out_features: outputs };
        let x: Vec<T> = random(rows * inputs, seed);
        let weight: Vec<T> = random(outputs * inputs, seed ^ 1);
        let bias: Vec<T> = random(outputs, seed ^ 2);
        let dy: Vec<T> = random(rows * outputs, seed ^ 3);
        let at = |a: &[T], columns: usize, i: usize, j: usize| a[i * columns + j].widen();

        let product_only =
            product([rows, inputs, outputs], |r, i| at(&x, inputs, r, i), |i, o| at(&weight, inputs, o, i));
        let y: Vec<f64> =
            product_only.iter().enumerate().map(|(n, y)| y + bias[n % outputs].widen()).collect();
        let dx =
            product([rows, outputs, inputs], |r, o| at(&dy, outputs, r, o), |o, i| at(&weight, inputs, o, i));
        let dw = product([outputs, rows, inputs], |o, r| at(&dy, outputs, r, o), |r, i| at(&x, inputs, r, i));
        let db = product([1, rows, outputs], |_, _| 1.0, |r, o| at(&dy, outputs, r, o));

        for ctx in contexts() {
            let mut out = vec![T::nan(); rows * outputs];
            shape.forward(&ctx, &x, &weight, Some(&bias), &mut out).unwrap();
            assert_close(&out, &y, tolerance);
            shape.forward(&ctx, &x, &weight, None, &mut out).unwrap();
            assert_close(&out, &product_only, tolerance);

            let mut gradients = [rows * inputs, outputs * inputs, outputs].map(|n| vec![T::nan(); n]);
            let [input, weight_gradient, bias_gradient] = &mut gradients;
            let all = Gradients {
                input: Some(&mut *input),
                weight: Some(&mut *weight_gradient),
                bias: Some(&mut *bias_gradient),
            };
            shape.backward(&ctx, &x, &weight, &dy, all).unwrap();
            assert_close(input, &dx, tolerance);
            assert_close(weight_gradient, &dw, tolerance);
            assert_close(bias_gradient, &db, tolerance);

            // A gradient does not depend on which others are wanted.
            let mut alone = vec![T::nan(); outputs * inputs];
            let only = Gradients { input: None, weight: Some(&mut alone), bias: None };
            shape.backward(&ctx, &x, &weight, &dy, only).unwrap();
            assert_eq!(bits(&alone), bits(&gradients[1]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn agrees_with_the_definition(rows in 0usize..20, inputs in 0usize..40, outputs in 1usize..40, seed: u64) {
            check::<f32>(rows, inputs, outputs, seed, 3e-5);
            check::<f64>(rows, inputs, outputs, seed, 1e-13);
        }
    }

    #[test]
    fn lengths_that_differ() {
        let shape = Linear { rows: 2, in_features: 3, out_features: 1 };
        let ctx = &contexts()[0];
        let forward = |x: usize, weight: usize, bias: usize, y: usize| {
            let (bias, mut y) = (vec![0f32; bias], vec![9f32; y]);
            let result = shape.forward(ctx, &vec![0.0; x], &vec![0.0; weight], Some(&bias), &mut y);
            assert!(y.iter().all(|&y| y == 9.0));
            result.unwrap_err().to_string()
        };
        assert_eq!(forward(5, 3, 1, 2), "x: expected 6 elements, got 5");
        assert_eq!(forward(6, 4, 1, 2), "weight: expected 3 elements, got 4");
        assert_eq!(forward(6, 3, 0, 2), "bias: expected 1 elements, got 0");
        assert_eq!(forward(6, 3, 1, 3), "out: expected 2 elements, got 3");
        let backward = |gradients: Gradients<'_, f32>| {
            shape.backward(ctx, &[0.0; 6], &[0.0; 3], &[0.0; 2], gradients).unwrap_err().to_string()
        };
        let (mut input, mut weight, mut bias) = ([9f32; 6], [9f32; 2], [9f32; 1]);
        assert_eq!(
            backward(Gradients { input: Some(&mut input), weight: Some(&mut weight), bias: Some(&mut bias) }),
            "grad_weight: expected 3 elements, got 2"
        );
        assert_eq!((input, weight, bias), ([9.0; 6], [9.0; 2], [9.0; 1]));
    }
}
