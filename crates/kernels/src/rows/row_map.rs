//! Row maps: where the rows of [`Steps`] are in an array that has them in another order.
//!
//! The kernels compute on rows sorted by time and falling length. A caller's array of sequences of different lengths
//! has padding, sequences in any order, or the batch ahead of time. Nothing is copied for that: a tile takes pointers to
//! its rows ([`crate::rows::indirection`]).

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis};

use crate::rows::indirection::RowPointers;
use crate::rows::matrix::{Matrix, aliases_4k, matrix, row_stride};
use crate::rows::steps::Steps;
use crate::simd::element::Element;

/// Where the rows of [`Steps`] are in an array of T · B rows: (T, B, F) or (B, T, F), with a row for each sequence at
/// each time, valid or padding.
#[derive(Clone, Debug)]
pub struct RowMap {
    steps: usize,
    /// From a step to the next.
    step: usize,
    /// The first row of each sequence.
    sequences: Vec<usize>,
}

impl RowMap {
    /// In an array of `steps` times; inner sequence b is the array's number `order[b]`.
    ///
    /// # Panics
    ///
    /// If `order` is no permutation, or the array has more rows than memory can address.
    pub fn new(steps: usize, batch_first: bool, order: impl IntoIterator<Item = usize>) -> Self {
        let mut sequences: Vec<usize> = order.into_iter().collect();
        let batch = sequences.len();
        assert!(steps.checked_mul(batch).is_some(), "row map: too many rows");
        let mut seen = vec![false; batch];
        for sequence in &mut sequences {
            assert!(!std::mem::replace(&mut seen[*sequence], true), "row map: the order is no permutation");
            *sequence *= if batch_first { steps } else { 1 };
        }
        Self { steps, step: if batch_first { 1 } else { batch }, sequences }
    }

    /// The row of inner sequence `b` at time `t`.
    #[inline(always)]
    pub fn row(&self, t: usize, b: usize) -> usize {
        t * self.step + self.sequences[b]
    }

    /// Rows of the array.
    pub fn rows(&self) -> usize {
        self.steps * self.sequences.len()
    }

    /// Checks that it maps all rows of `steps` to an array of `rows` rows; they are different rows then.
    fn check(&self, steps: &Steps, rows: usize) {
        assert!(
            rows == self.rows() && steps.len() <= self.steps && steps.batch() <= self.sequences.len(),
            "row map: an array of {rows} rows and {steps:?} do not belong to {self:?}"
        );
    }
}

/// The row map, if any, for the rows of `steps` in an array of `rows` rows, which must have them all.
fn checked<'a>(map: Option<&'a RowMap>, steps: &Steps, rows: usize) -> Option<&'a RowMap> {
    match map {
        Some(map) => map.check(steps, rows),
        None => assert_eq!(rows, steps.rows(), "there must be a row for each row of the steps"),
    }
    map
}

/// The rows of [`Steps`] in an array, in their order or by a row map.
#[derive(Clone, Copy, Debug)]
pub struct MappedRows<'a, T> {
    /// The array.
    pub array: ArrayView2<'a, T>,
    /// Where they are; `None` if the array has the rows of the steps in their order.
    pub map: Option<&'a RowMap>,
}

impl<'a, T> From<ArrayView2<'a, T>> for MappedRows<'a, T> {
    fn from(array: ArrayView2<'a, T>) -> Self {
        Self { array, map: None }
    }
}

impl<'a, T: Element> MappedRows<'a, T> {
    /// The same rows for a shorter time, which a view does not take by itself.
    pub fn reborrow(&self) -> MappedRows<'_, T> {
        MappedRows { array: self.array.reborrow(), map: self.map }
    }

    /// The array's row of sequence `b` at time `t`.
    pub fn index(&self, steps: &Steps, t: usize, b: usize) -> usize {
        self.map.map_or_else(|| steps.offset(t) + b, |map| map.row(t, b))
    }

    /// Sequence `b` at time `t`.
    pub fn row(&self, steps: &Steps, t: usize, b: usize) -> ArrayView1<'a, T> {
        self.array.index_axis_move(Axis(0), self.index(steps, t, b))
    }

    /// The rows in memory; checked.
    pub(crate) fn rows(&self, steps: &Steps) -> StepRows<'a, T> {
        StepRows { array: matrix(self.array), map: checked(self.map, steps, self.array.nrows()) }
    }
}

/// The rows of [`Steps`] in an array that a kernel writes to. The other rows of the array stay as they are.
#[derive(Debug)]
pub struct MappedRowsMut<'a, T> {
    /// The array.
    pub array: ArrayViewMut2<'a, T>,
    /// Where they are; `None` if the array has the rows of the steps in their order.
    pub map: Option<&'a RowMap>,
}

impl<'a, T> From<ArrayViewMut2<'a, T>> for MappedRowsMut<'a, T> {
    fn from(array: ArrayViewMut2<'a, T>) -> Self {
        Self { array, map: None }
    }
}

impl<'a, T: Element> MappedRowsMut<'a, T> {
    /// The same rows for a shorter time.
    pub fn reborrow(&mut self) -> MappedRowsMut<'_, T> {
        MappedRowsMut { array: self.array.view_mut(), map: self.map }
    }

    /// The same rows for reading.
    pub fn view(&self) -> MappedRows<'_, T> {
        MappedRows { array: self.array.view(), map: self.map }
    }

    /// The first `columns` columns and the others.
    pub fn split_at(self, columns: usize) -> (Self, Self) {
        let (left, right) = self.array.split_at(Axis(1), columns);
        let map = self.map;
        (Self { array: left, map }, Self { array: right, map })
    }

    /// The rows in memory; checked.
    pub(crate) fn rows(&mut self, steps: &Steps) -> StepRows<'a, T> {
        let (rows, columns) = self.array.dim();
        let stride = row_stride(rows, columns, self.array.strides());
        let array = Matrix { data: self.array.as_mut_ptr().cast_const(), stride };
        StepRows { array, map: checked(self.map, steps, rows) }
    }
}

/// The rows of [`Steps`] in memory, in their order or by a row map.
#[derive(Clone, Copy)]
pub(crate) struct StepRows<'a, T> {
    pub(crate) array: Matrix<T>,
    map: Option<&'a RowMap>,
}

// SAFETY: threads read the array, or write disjoint parts of it.
unsafe impl<T: Element> Sync for StepRows<'_, T> {}

impl<T: Element> StepRows<'_, T> {
    /// Points to the rows of step `t`, from that of sequence `b` on.
    #[inline(always)]
    pub(crate) fn pointers<'l>(
        &self,
        steps: &Steps,
        t: usize,
        b: usize,
        slot: &'l mut [*const T],
    ) -> RowPointers<'l, T> {
        let Some(map) = self.map else { return self.array.below(steps.offset(t) + b).pointers(slot) };
        let first = self.array.below(t * map.step);
        for (to, &sequence) in slot.iter_mut().zip(&map.sequences[b..]) {
            *to = first.at(sequence, 0);
        }
        slot
    }

    /// Points to the rows from `row` on, of any steps.
    pub(crate) fn pointers_from<'l>(
        &self,
        steps: &Steps,
        row: usize,
        slot: &'l mut [*const T],
    ) -> RowPointers<'l, T> {
        if self.map.is_none() {
            return self.array.below(row).pointers(slot);
        }
        let mut t = steps.step_of(row);
        let mut done = 0;
        while done < slot.len() {
            let b = row + done - steps.offset(t);
            let end = slot.len().min(done + steps.size(t) - b);
            self.pointers(steps, t, b, &mut slot[done..end]);
            (done, t) = (end, t + 1);
        }
        slot
    }

    /// The same rows from `column` on.
    #[inline(always)]
    pub(crate) fn right_of(&self, column: usize) -> Self {
        Self { array: Matrix { data: self.array.at(0, column), ..self.array }, ..*self }
    }

    /// Whether each row of a step lies in pages of its own, among the other rows of its sequence.
    pub(crate) fn paged(&self) -> bool {
        self.map.is_some_and(|map| map.step < map.sequences.len())
    }

    /// Whether rows of one step are read more slowly than rows next to each other, if they are read again and again:
    /// they are far from each other, or evict each other from the first cache.
    pub(crate) fn scattered(&self) -> bool {
        self.paged() || aliases_4k::<T>(self.array.stride)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    #[should_panic(expected = "do not belong to")]
    fn a_map_of_another_batch_is_refused() {
        let (steps, map) = (Steps::uniform(3, 2).unwrap(), RowMap::new(2, false, [0, 1]));
        let array = Array2::<f32>::zeros((4, 1));
        MappedRows { array: array.view(), map: Some(&map) }.rows(&steps);
    }

    #[test]
    #[should_panic(expected = "no permutation")]
    fn an_order_that_names_a_sequence_twice_is_refused() {
        RowMap::new(2, false, [0, 0]);
    }
}
