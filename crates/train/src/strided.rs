//! Views of an array: what `transpose`, `select` and `narrow` do.
//!
//! ```text
//! copy   out[i] = source[offset + Σ_d i_d s_d]        for all indices i of the shape, out row-major
//! add    target[offset + Σ_d i_d s_d] += source[i]    its adjoint
//! ```

use crate::Error;
use crate::error::expect_length;
use elman_kernels::Scalar;

/// A strided view of an array.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The position of the first element.
    pub offset: usize,
    /// Dimensions; empty for a scalar.
    pub shape: &'a [usize],
    /// Distance of neighbours along each dimension, in elements; as many as dimensions.
    pub strides: &'a [usize],
}

impl View<'_> {
    /// Copies the view into a row-major array.
    ///
    /// * `source`: the array that is viewed
    /// * `out`: as many elements as the shape has, overwritten
    ///
    /// # Errors
    ///
    /// [`Error::View`] if the view reaches outside `source`, [`Error::Length`], [`Error::TooLarge`].
    pub fn copy<T: Scalar>(&self, source: &[T], out: &mut [T]) -> Result<(), Error> {
        self.check("out", source.len(), out.len())?;
        let mut rest = out;
        self.each_row(|start, length, stride| {
            let (row, tail) = std::mem::take(&mut rest).split_at_mut(length);
            rest = tail;
            if stride == 1 {
                row.copy_from_slice(&source[start..][..length]);
            } else {
                for (i, slot) in row.iter_mut().enumerate() {
                    *slot = source[start + i * stride];
                }
            }
        });
        Ok(())
    }

    /// Adds a row-major array into the view.
    ///
    /// * `target`: the array that is viewed
    /// * `source`: as many elements as the shape has
    ///
    /// # Errors
    ///
    /// As [`View::copy`], with `target` viewed.
    pub fn add<T: Scalar>(&self, target: &mut [T], source: &[T]) -> Result<(), Error> {
        self.check("source", target.len(), source.len())?;
        let mut rest = source;
        self.each_row(|start, length, stride| {
            let (row, tail) = rest.split_at(length);
            rest = tail;
            if stride == 1 {
                for (slot, &value) in target[start..][..length].iter_mut().zip(row) {
                    *slot += value;
                }
            } else {
                for (i, &value) in row.iter().enumerate() {
                    target[start + i * stride] += value;
                }
            }
        });
        Ok(())
    }

    /// That every index of the view lies in an array of `length`, and that `array` has as many elements as the view.
    fn check(&self, array: &'static str, length: usize, elements: usize) -> Result<(), Error> {
        let outside = || Error::View {
            shape: self.shape.to_vec(),
            strides: self.strides.to_vec(),
            offset: self.offset,
            length,
        };
        if self.shape.len() != self.strides.len() {
            return Err(outside());
        }
        if expect_length(array, self.shape, elements)? == 0 {
            return Ok(());
        }
        let last = self.shape.iter().zip(self.strides).try_fold(self.offset, |last, (&size, &stride)| {
            last.checked_add((size - 1).checked_mul(stride)?)
        });
        if last.is_some_and(|last| last < length) { Ok(()) } else { Err(outside()) }
    }

    /// Calls `row(start, length, stride)` for each line along the last dimension, in row-major order.
    fn each_row(&self, mut row: impl FnMut(usize, usize, usize)) {
        if self.shape.contains(&0) {
            return;
        }
        let Some((&length, outer)) = self.shape.split_last() else {
            return row(self.offset, 1, 1);
        };
        let stride = self.strides[outer.len()];
        let mut index = vec![0; outer.len()];
        let mut start = self.offset;
        loop {
            row(start, length, stride);
            // The next index, as an odometer counts.
            let mut d = outer.len();
            loop {
                if d == 0 {
                    return;
                }
                d -= 1;
                index[d] += 1;
                start += self.strides[d];
                if index[d] < outer[d] {
                    break;
                }
                start -= index[d] * self.strides[d];
                index[d] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Positions of the view's elements, by the definition.
    fn positions(view: View<'_>) -> Vec<usize> {
        view.shape.iter().zip(view.strides).fold(vec![view.offset], |positions, (&size, &stride)| {
            positions.iter().flat_map(|&start| (0..size).map(move |i| start + i * stride)).collect()
        })
    }

    fn distinct(count: usize) -> Vec<f64> {
        (0..count).map(|i| i as f64 + 0.5).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            dimensions in prop::collection::vec((0usize..4, 0usize..8), 0..5),
            offset in 0usize..5,
            spare in 0usize..3,
        ) {
            let (shape, strides): (Vec<usize>, Vec<usize>) = dimensions.into_iter().unzip();
            let view = View { offset, shape: &shape, strides: &strides };
            let positions = positions(view);
            let length = positions.iter().max().map_or(0, |last| last + 1) + spare;
            let array = distinct(length);
            let mut out = vec![f64::NAN; positions.len()];
            view.copy(&array, &mut out).unwrap();
            prop_assert_eq!(&out, &positions.iter().map(|&p| array[p]).collect::<Vec<_>>());

            let mut target = array.clone();
            let source = distinct(positions.len());
            view.add(&mut target, &source).unwrap();
            let mut expected = array.clone();
            for (&position, &value) in positions.iter().zip(&source) {
                expected[position] += value;
            }
            prop_assert_eq!(target, expected);

            if spare == 0 && !positions.is_empty() {
                prop_assert!(view.copy(&array[..length - 1], &mut out).is_err());
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let array = distinct(6);
        let copy = |offset, shape: &[usize], strides: &[usize], count| {
            let mut out = vec![9.0; count];
            let result = View { offset, shape, strides }.copy(&array, &mut out);
            assert!(out.iter().all(|&x| x == 9.0));
            result.unwrap_err().to_string()
        };
        assert_eq!(
            copy(1, &[2, 3], &[3, 1], 6),
            "a view of shape [2, 3] with strides [3, 1] from 1 reaches outside an array of 6 elements"
        );
        assert!(copy(6, &[], &[], 1).contains("outside"));
        assert!(copy(0, &[2], &[usize::MAX], 2).contains("outside"));
        assert!(copy(usize::MAX, &[2], &[1], 2).contains("outside"));
        assert!(copy(0, &[2], &[1, 1], 2).contains("outside"));
        assert_eq!(copy(0, &[2, 3], &[3, 1], 5), "out: expected 6 elements, got 5");
        assert_eq!(
            copy(0, &[usize::MAX, 2], &[0, 0], 5),
            format!("out: the sizes [{}, 2] are too large", usize::MAX)
        );
    }
}
