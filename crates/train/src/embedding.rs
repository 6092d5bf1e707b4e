//! An embedding: rows of a table.
//!
//! ```text
//! W: (V, E), i: N indices
//! y_n = W_{i_n};   dW_v = Σ_{n: i_n = v} dy_n, in ascending n; zero for v = padding_idx
//! ```

use crate::Error;
use crate::error::expect_length;
use elman_kernels::Scalar;

/// The shape of the table W: (V, E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// V, rows of the table.
    pub rows: usize,
    /// E, features of a row.
    pub features: usize,
}

impl Embedding {
    /// Looks the indices up.
    ///
    /// * `weight`: W, (V, E)
    /// * `indices`: N of them, each in `0..V`
    /// * `out`: (N, E), overwritten
    ///
    /// # Errors
    ///
    /// [`Error::Index`], [`Error::Length`], [`Error::TooLarge`].
    pub fn forward<T: Scalar>(&self, weight: &[T], indices: &[i32], out: &mut [T]) -> Result<(), Error> {
        expect_length("weight", &[self.rows, self.features], weight.len())?;
        expect_length("out", &[indices.len(), self.features], out.len())?;
        self.check(indices)?;
        if self.features == 0 {
            return Ok(());
        }
        for (row, &index) in out.chunks_exact_mut(self.features).zip(indices) {
            row.copy_from_slice(&weight[self.place(index)]);
        }
        Ok(())
    }

    /// The gradient of the table.
    ///
    /// * `dy`: (N, E)
    /// * `indices`: as in [`Embedding::forward`]
    /// * `padding_idx`: a row that gets no gradient
    /// * `d_weight`: (V, E), overwritten
    ///
    /// # Errors
    ///
    /// As [`Embedding::forward`].
    pub fn backward<T: Scalar>(
        &self,
        dy: &[T],
        indices: &[i32],
        padding_idx: Option<i32>,
        d_weight: &mut [T],
    ) -> Result<(), Error> {
        expect_length("grad_out", &[indices.len(), self.features], dy.len())?;
        expect_length("grad_weight", &[self.rows, self.features], d_weight.len())?;
        self.check(indices)?;
        d_weight.fill(T::zero());
        if self.features == 0 {
            return Ok(());
        }
        for (d_row, &index) in dy.chunks_exact(self.features).zip(indices) {
            if Some(index) != padding_idx {
                for (sum, &d) in d_weight[self.place(index)].iter_mut().zip(d_row) {
                    *sum += d;
                }
            }
        }
        Ok(())
    }

    fn check(&self, indices: &[i32]) -> Result<(), Error> {
        let outside = |index: i32| usize::try_from(index).map_or(true, |index| index >= self.rows);
        match indices.iter().find(|&&index| outside(index)) {
            Some(&index) => Err(Error::Index { index, rows: self.rows }),
            None => Ok(()),
        }
    }

    /// The elements of a checked index's row.
    fn place(&self, index: i32) -> std::ops::Range<usize> {
        let start = index.unsigned_abs() as usize * self.features;
        start..start + self.features
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_a_product_with_one_hot_rows(
            rows in 1usize..6,
            features in 0usize..5,
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            padding in prop::option::of(0i32..6),
            seed: u64,
        ) {
            let table = Embedding { rows, features };
            let indices: Vec<i32> = picks.iter().map(|pick| pick.index(rows) as i32).collect();
            let weight: Vec<f64> = random(rows * features, seed);
            let dy: Vec<f64> = random(indices.len() * features, !seed);
            let mut out = vec![f64::NAN; dy.len()];
            let mut d_weight = vec![f64::NAN; weight.len()];
            table.forward(&weight, &indices, &mut out).unwrap();
            table.backward(&dy, &indices, padding, &mut d_weight).unwrap();

            let mut expected = vec![0.0; weight.len()];
            for (n, &index) in indices.iter().enumerate() {
                for e in 0..features {
                    prop_assert_eq!(out[n * features + e], weight[index as usize * features + e]);
                    if Some(index) != padding {
                        expected[index as usize * features + e] += dy[n * features + e];
                    }
                }
            }
            prop_assert_eq!(d_weight, expected);
        }
    }

    #[test]
    fn indices_outside_the_table() {
        let table = Embedding { rows: 3, features: 2 };
        let mut out = [9f32; 4];
        for index in [3, -1, i32::MIN, i32::MAX] {
            let error = table.forward(&[0.0; 6], &[0, index], &mut out).unwrap_err();
            assert_eq!(error.to_string(), format!("expected 0 ≤ index < 3, got {index}"));
            assert_eq!(out, [9.0; 4]);
            assert!(table.backward(&[0f32; 4], &[0, index], None, &mut [0.0; 6]).is_err());
        }
        assert!(Embedding { rows: 0, features: 2 }.forward::<f32>(&[], &[0], &mut [0.0; 2]).is_err());
    }

    #[test]
    fn lengths_that_differ() {
        let table = Embedding { rows: 3, features: 2 };
        let error = table.forward(&[0f32; 5], &[0], &mut [0.0; 2]).unwrap_err();
        assert_eq!(error.to_string(), "weight: expected 6 elements, got 5");
        let error = table.forward(&[0f32; 6], &[0], &mut [0.0; 3]).unwrap_err();
        assert_eq!(error.to_string(), "out: expected 2 elements, got 3");
        let error = table.backward(&[0f32; 2], &[0], None, &mut [0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "grad_weight: expected 6 elements, got 5");
    }
}
