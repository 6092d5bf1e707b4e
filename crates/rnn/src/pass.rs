//! One direction's way over the rows of a batch: where each sequence begins and ends, and what comes before
//! each row.

use elman_kernels::{MappedRows, Order, RowIndex, Scalar, Steps};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::Error;

/// The rows of a direction's pass, and its order in time.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The rows.
    pub steps: &'a Steps,
    /// From the last step to the first, as the reverse direction goes.
    pub reverse: bool,
}

impl Pass<'_> {
    /// The order in time.
    pub fn order(&self) -> Order {
        if self.reverse { Order::Descending } else { Order::Ascending }
    }

    /// The order of the backward pass: against that of the pass.
    pub fn backward_order(&self) -> Order {
        if self.reverse { Order::Ascending } else { Order::Descending }
    }

    /// The row of sequence `b` that this pass computes first.
    fn first_row(&self, b: usize) -> usize {
        if self.reverse { self.steps.last_row(b) } else { b }
    }

    /// The step of sequence `b` that this pass computes last: where its final state is.
    pub fn final_step(&self, b: usize) -> usize {
        if self.reverse { 0 } else { self.steps.length(b) - 1 }
    }

    /// The row of that step.
    pub fn final_row(&self, b: usize) -> usize {
        self.steps.offset(self.final_step(b)) + b
    }

    /// Where the first rows of all sequences start, if they follow each other.
    fn first_rows(&self) -> Option<usize> {
        let steps = self.steps;
        let uniform = steps.is_empty() || steps.size(steps.len() - 1) == steps.batch();
        match self.reverse {
            false => Some(0),
            true => uniform.then(|| steps.rows() - steps.batch()),
        }
    }

    /// Calls `body` with the rows (B, F) of `matrix` (N, F) where each sequence begins.
    pub fn with_first_rows<T: Scalar, R>(
        &self,
        matrix: ArrayView2<'_, T>,
        body: impl FnOnce(ArrayView2<'_, T>) -> R,
    ) -> R {
        match self.first_rows() {
            Some(start) => body(matrix.slice_axis(Axis(0), (start..start + self.steps.batch()).into())),
            None => {
                let picked = Array2::from_shape_fn((self.steps.batch(), matrix.ncols()), |(b, j)| {
                    matrix[[self.first_row(b), j]]
                });
                body(picked.view())
            }
        }
    }

    /// states (B, F) = the rows of `y`, of F columns, where each sequence ends.
    pub fn final_rows<T: Scalar>(&self, y: &MappedRows<'_, T>, mut states: ArrayViewMut2<'_, T>) {
        for b in 0..self.steps.batch() {
            states.row_mut(b).assign(&y.row(self.steps, self.final_step(b), b));
        }
    }

    /// For each row, where the state before it is: in the outputs ([`RowIndex::First`]), of which `row(t, b)` is that of
    /// sequence b at time t, or, where the sequence begins, among the initial states ([`RowIndex::Second`]).
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn previous(&self, row: impl Fn(usize, usize) -> usize) -> Result<Vec<RowIndex>, Error> {
        let steps = self.steps;
        self.row_indices(|t, b| {
            let before = if self.reverse { t + 1 } else { t.wrapping_sub(1) };
            let runs = before < steps.len() && b < steps.size(before);
            if runs { RowIndex::First(row(before, b)) } else { RowIndex::Second(b) }
        })
    }

    /// For each row, that of sequence b at time t, its index.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn row_indices(&self, index: impl Fn(usize, usize) -> RowIndex) -> Result<Vec<RowIndex>, Error> {
        list(self.steps.rows(), self.steps.each().map(|(t, b)| index(t, b)))
    }
}

/// The items in a vector with room for `len`.
fn list<T>(len: usize, items: impl IntoIterator<Item = T>) -> Result<Vec<T>, Error> {
    let mut list = Vec::new();
    list.try_reserve_exact(len)
        .map_err(|_| elman_kernels::AllocError { bytes: len.saturating_mul(size_of::<T>()) })?;
    list.extend(items);
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[f64]) -> Array2<f64> {
        Array2::from_shape_vec((values.len(), 1), values.to_vec()).unwrap()
    }

    #[test]
    fn no_sequences_of_any_length_take_no_time() {
        let steps = Steps::uniform(1 << 52, 0).unwrap();
        assert_eq!(Pass { steps: &steps, reverse: false }.previous(|t, _| t).unwrap(), []);
    }

    #[test]
    fn previous_rows_of_both_directions() {
        use RowIndex::{First, Second};
        let steps = Steps::new([2, 1]).unwrap();
        let forward = Pass { steps: &steps, reverse: false };
        let row = |t: usize, b: usize| steps.offset(t) + b;
        assert_eq!(forward.previous(row).unwrap(), [Second(0), Second(1), First(0)]);
        let reverse = Pass { steps: &steps, reverse: true };
        assert_eq!(reverse.previous(row).unwrap(), [First(2), Second(1), Second(0)]);
        let matrix = column(&[1., 2., 3.]);
        reverse.with_first_rows(matrix.view(), |rows| assert_eq!(rows, column(&[3., 2.])));
        forward.with_first_rows(matrix.view(), |rows| assert_eq!(rows, column(&[1., 2.])));
        let mut ends = Array2::zeros((2, 1));
        forward.final_rows(&matrix.view().into(), ends.view_mut());
        assert_eq!(ends, column(&[3., 2.]));
    }
}
