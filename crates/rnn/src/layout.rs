//! How the rows of the caller's arrays lie, and how they become the rows of [`Steps`].
//!
//! Inside, there is one layout only: rows sorted by time, sequences by falling length (see [`Steps`]). The
//! caller's array of F features may be (T, B, F), (B, T, F), either with a length for each sequence in any
//! order, or packed already. If the caller's rows are in the inner order as they are, nothing is copied.

use elman_kernels::{Pick, Scalar, Steps};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::Error;

/// The geometry of a batch of sequences, made once for a shape and set of lengths.
#[derive(Clone, Debug)]
pub struct Layout {
    steps: Steps,
    /// `order[b]` is the caller's number of inner sequence b; `None` if it is b.
    order: Option<Vec<usize>>,
    /// `rows[n]` is the caller's row of inner row n; `None` if it is n.
    rows: Option<Vec<usize>>,
    /// Rows of the caller's arrays, padding included.
    outer_rows: usize,
}

impl Layout {
    /// Arrays of shape (T, B, F), or (B, T, F) if `batch_first`; sequence b is valid for `lengths[b]`
    /// steps, or for all T without lengths.
    ///
    /// # Errors
    ///
    /// If T · B is too large, or the lengths are not B numbers in 1..=T.
    pub fn padded(
        steps: usize,
        batch: usize,
        batch_first: bool,
        lengths: Option<&[i32]>,
    ) -> Result<Self, Error> {
        let outer_rows = steps.checked_mul(batch).ok_or(Error::TooLarge { what: "the input" })?;
        let Some(lengths) = lengths else {
            let inner = Steps::uniform(steps, batch)?;
            // With one step or one sequence both orders are the same.
            let rows = (batch_first && steps > 1 && batch > 1)
                .then(|| list(outer_rows, (0..outer_rows).map(|n| n % batch * steps + n / batch)))
                .transpose()?;
            return Ok(Self { steps: inner, order: None, rows, outer_rows });
        };
        if lengths.len() != batch {
            return Err(Error::LengthCount { batch, actual: lengths.len() });
        }
        let mut valid = Vec::with_capacity(batch);
        for (sequence, &length) in lengths.iter().enumerate() {
            match usize::try_from(length) {
                Ok(length) if (1..=steps).contains(&length) => valid.push(length),
                _ => return Err(Error::LengthRange { sequence, length: length.into(), steps }),
            }
        }
        let mut order: Vec<usize> = (0..batch).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(valid[b])); // stable: ties keep the caller's order
        let mut running = batch;
        let mut sizes = Vec::new();
        for t in 0.. {
            while running > 0 && valid[order[running - 1]] <= t {
                running -= 1;
            }
            if running == 0 {
                break;
            }
            sizes.push(running);
        }
        let inner = Steps::new(sizes)?;
        let row = |t: usize, b: usize| if batch_first { b * steps + t } else { t * batch + b };
        let rows = list(
            inner.rows(),
            (0..inner.len()).flat_map(|t| order[..inner.size(t)].iter().map(move |&b| row(t, b))),
        )?;
        let moved = rows.len() != outer_rows || rows.iter().enumerate().any(|(n, &row)| n != row);
        let sorted = order.iter().enumerate().all(|(b, &outer)| b == outer);
        Ok(Self { steps: inner, order: (!sorted).then_some(order), rows: moved.then_some(rows), outer_rows })
    }

    /// Packed arrays: step t has `batch_sizes[t]` rows, and sequence b is the caller's number
    /// `sorted_indices[b]` (b without them), which is the order of the caller's states.
    ///
    /// # Errors
    ///
    /// If the batch sizes increase, hold a number below 1, or the indices are no permutation.
    pub fn packed(batch_sizes: &[i32], sorted_indices: Option<&[i32]>) -> Result<Self, Error> {
        let sizes = batch_sizes
            .iter()
            .map(|&size| usize::try_from(size).ok().filter(|&size| size > 0))
            .collect::<Option<Vec<_>>>()
            .ok_or(Error::Zero { name: "every batch size" })?;
        let steps = Steps::new(sizes)?;
        let batch = steps.batch();
        let order = sorted_indices
            .map(|indices| {
                let order: Vec<usize> = indices.iter().filter_map(|&i| usize::try_from(i).ok()).collect();
                let mut seen = vec![false; batch];
                order.iter().filter(|&&i| i < batch).for_each(|&i| seen[i] = true);
                let whole = indices.len() == batch && order.len() == batch && seen.iter().all(|&s| s);
                whole.then_some(order).ok_or(Error::NotAPermutation { batch })
            })
            .transpose()?;
        Ok(Self { outer_rows: steps.rows(), steps, order, rows: None })
    }

    /// The inner rows.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Rows of the caller's arrays: T · B, or the packed rows.
    pub fn outer_rows(&self) -> usize {
        self.outer_rows
    }

    /// Whether the caller's rows are the inner rows as they lie.
    pub fn rows_in_place(&self) -> bool {
        self.rows.is_none()
    }

    /// Whether the caller's sequences are the inner sequences as they lie.
    pub fn states_in_place(&self) -> bool {
        self.order.is_none()
    }

    /// inner row n = the caller's row of n.
    pub fn gather_rows<T: Scalar>(&self, outer: ArrayView2<'_, T>, inner: ArrayViewMut2<'_, T>) {
        gather(self.rows.as_deref(), outer, inner);
    }

    /// The caller's row of n = inner row n; rows in the padding become 0.
    pub fn scatter_rows<T: Scalar>(&self, inner: ArrayView2<'_, T>, mut outer: ArrayViewMut2<'_, T>) {
        if inner.nrows() < outer.nrows() {
            outer.fill(T::zero());
        }
        scatter(self.rows.as_deref(), inner, outer);
    }

    /// inner state b = the caller's state of b.
    pub fn gather_states<T: Scalar>(&self, outer: ArrayView2<'_, T>, inner: ArrayViewMut2<'_, T>) {
        gather(self.order.as_deref(), outer, inner);
    }

    /// The caller's state of b = inner state b.
    pub fn scatter_states<T: Scalar>(&self, inner: ArrayView2<'_, T>, outer: ArrayViewMut2<'_, T>) {
        scatter(self.order.as_deref(), inner, outer);
    }
}

/// The rows of a direction's pass, and its order in time.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The rows.
    pub steps: &'a Steps,
    /// From the last step to the first, as the reverse direction goes.
    pub reverse: bool,
}

impl Pass<'_> {
    /// The row of sequence `b` that this pass computes first.
    fn first_row(&self, b: usize) -> usize {
        if self.reverse { self.steps.last_row(b) } else { b }
    }

    /// The row of sequence `b` that this pass computes last: where its final state is.
    pub fn final_row(&self, b: usize) -> usize {
        if self.reverse { b } else { self.steps.last_row(b) }
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

    /// states (B, F) = the rows of `matrix` (N, F) where each sequence ends.
    pub fn final_rows<T: Scalar>(&self, matrix: ArrayView2<'_, T>, mut states: ArrayViewMut2<'_, T>) {
        for b in 0..self.steps.batch() {
            states.row_mut(b).assign(&matrix.row(self.final_row(b)));
        }
    }

    /// For each row, where the state before it is: in the outputs ([`Pick::First`]) or, where the sequence
    /// begins, among the initial states ([`Pick::Second`]).
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn previous(&self) -> Result<Vec<Pick>, Error> {
        let steps = self.steps;
        let mut picks = list(steps.rows(), [])?;
        // Without rows there may be more steps than one would like to count.
        for t in 0..if steps.rows() == 0 { 0 } else { steps.len() } {
            picks.extend((0..steps.size(t)).map(|b| {
                let before = if self.reverse { t + 1 } else { t.wrapping_sub(1) };
                if before < steps.len() && b < steps.size(before) {
                    Pick::First(steps.offset(before) + b)
                } else {
                    Pick::Second(b)
                }
            }));
        }
        Ok(picks)
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

fn gather<T: Scalar>(index: Option<&[usize]>, outer: ArrayView2<'_, T>, mut inner: ArrayViewMut2<'_, T>) {
    match index {
        None => inner.assign(&outer),
        Some(index) => {
            for (mut to, &from) in inner.rows_mut().into_iter().zip(index) {
                to.assign(&outer.row(from));
            }
        }
    }
}

fn scatter<T: Scalar>(index: Option<&[usize]>, inner: ArrayView2<'_, T>, mut outer: ArrayViewMut2<'_, T>) {
    match index {
        None => outer.assign(&inner),
        Some(index) => {
            for (from, &to) in inner.rows().into_iter().zip(index) {
                outer.row_mut(to).assign(&from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn column(values: &[f64]) -> Array2<f64> {
        Array2::from_shape_vec((values.len(), 1), values.to_vec()).unwrap()
    }

    #[test]
    fn time_major_rows_stay_where_they_are() {
        let layout = Layout::padded(3, 2, false, None).unwrap();
        assert!(layout.rows_in_place() && layout.states_in_place());
        let layout = Layout::padded(3, 2, false, Some(&[3, 3])).unwrap();
        assert!(layout.rows_in_place() && layout.states_in_place());
        assert!(Layout::padded(1, 2, true, None).unwrap().rows_in_place());
    }

    #[test]
    fn no_sequences_of_any_length_take_no_time() {
        for (batch_first, lengths) in [(false, None), (true, Some(&[][..]))] {
            let layout = Layout::padded(1 << 52, 0, batch_first, lengths).unwrap();
            assert_eq!(layout.steps().rows(), 0);
            let pass = Pass { steps: layout.steps(), reverse: false };
            assert_eq!(pass.previous().unwrap(), []);
        }
    }

    #[test]
    fn batch_first_rows_are_transposed_and_back() {
        let layout = Layout::padded(3, 2, true, None).unwrap();
        let outer = column(&[0., 1., 2., 10., 11., 12.]);
        let mut inner = Array2::zeros((6, 1));
        layout.gather_rows(outer.view(), inner.view_mut());
        assert_eq!(inner, column(&[0., 10., 1., 11., 2., 12.]));
        let mut back = Array2::zeros((6, 1));
        layout.scatter_rows(inner.view(), back.view_mut());
        assert_eq!(back, outer);
    }

    #[test]
    fn lengths_are_sorted_and_padding_becomes_zero() {
        // Sequence b at time t holds 10 b + t.
        let outer = column(&[0., 10., 20., 1., 11., 21., 2., 12., 22.]);
        let layout = Layout::padded(3, 3, false, Some(&[1, 3, 1])).unwrap();
        assert_eq!(layout.steps(), &Steps::new([3, 1, 1]).unwrap());
        let mut inner = Array2::zeros((5, 1));
        layout.gather_rows(outer.view(), inner.view_mut());
        assert_eq!(inner, column(&[10., 0., 20., 11., 12.])); // ties keep their order
        let mut back = Array2::from_elem((9, 1), f64::NAN);
        layout.scatter_rows(inner.view(), back.view_mut());
        assert_eq!(back, column(&[0., 10., 20., 0., 11., 0., 0., 12., 0.]));
        let mut states = Array2::zeros((3, 1));
        layout.gather_states(column(&[7., 8., 9.]).view(), states.view_mut());
        assert_eq!(states, column(&[8., 7., 9.]));
    }

    #[test]
    fn bad_lengths_are_refused() {
        let error = |lengths: &[i32]| Layout::padded(3, 2, false, Some(lengths)).unwrap_err().to_string();
        assert_eq!(error(&[3, 4]), "length 4 of sequence 1 must be between 1 and 3");
        assert_eq!(error(&[0, 3]), "length 0 of sequence 0 must be between 1 and 3");
        assert!(error(&[1]).starts_with("Expected `len(lengths)` to be equal to batch_size, but got 1"));
        assert!(Layout::packed(&[2, 0], None).is_err());
        assert!(Layout::packed(&[1, 2], None).is_err());
        assert!(Layout::packed(&[2, 1], Some(&[0, 0])).is_err());
        assert!(Layout::packed(&[2, 1], Some(&[1, 0])).is_ok());
    }

    #[test]
    fn previous_rows_of_both_directions() {
        use Pick::{First, Second};
        let steps = Steps::new([2, 1]).unwrap();
        let forward = Pass { steps: &steps, reverse: false };
        assert_eq!(forward.previous().unwrap(), [Second(0), Second(1), First(0)]);
        let reverse = Pass { steps: &steps, reverse: true };
        assert_eq!(reverse.previous().unwrap(), [First(2), Second(1), Second(0)]);
        let matrix = column(&[1., 2., 3.]);
        reverse.with_first_rows(matrix.view(), |rows| assert_eq!(rows, column(&[3., 2.])));
        forward.with_first_rows(matrix.view(), |rows| assert_eq!(rows, column(&[1., 2.])));
        let mut ends = Array2::zeros((2, 1));
        forward.final_rows(matrix.view(), ends.view_mut());
        assert_eq!(ends, column(&[3., 2.]));
    }
}
