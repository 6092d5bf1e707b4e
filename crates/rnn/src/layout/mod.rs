//! How the rows of the caller's arrays lie, and how they become the rows of [`Steps`].
//!
//! Inside, there is one layout only: rows sorted by time, sequences by falling length (see [`Steps`]). The
//! caller's array of F features may be (T, B, F), (B, T, F), either with a length for each sequence in any
//! order, or packed already. If the caller's rows are in the inner order as they are, nothing is copied.

mod moves;

use elman_kernels::{RowMap, Steps};

use crate::Error;

/// The geometry of a batch of sequences, made once for a shape and set of lengths. It takes memory for the
/// steps and sequences at most, not for the rows.
#[derive(Clone, Debug)]
pub struct Layout {
    steps: Steps,
    /// `order[b]` is the caller's number of inner sequence b; `None` if it is b.
    order: Option<Vec<usize>>,
    /// Where the caller's rows are; `None` if they are the inner rows as they lie.
    outer: Option<Padded>,
    /// Rows of the caller's arrays, padding included.
    outer_rows: usize,
}

/// An array (T, B, F), or (B, T, F) if `batch_first`.
#[derive(Clone, Debug)]
struct Padded {
    steps: usize,
    batch: usize,
    batch_first: bool,
    row_map: RowMap,
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
        let Some(lengths) = lengths else {
            return Self::new(Steps::uniform(steps, batch)?, None).within(steps, batch_first);
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
        Self::new(Steps::new(sizes)?, Some(order)).within(steps, batch_first)
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
        Ok(Self::new(steps, order))
    }

    /// Rows in the inner order, of sequences in the order `order`.
    fn new(steps: Steps, order: Option<Vec<usize>>) -> Self {
        let order = order.filter(|order| order.iter().enumerate().any(|(b, &outer)| b != outer));
        Self { outer_rows: steps.rows(), steps, order, outer: None }
    }

    /// The same sequences in an array of shape (T, B, F), or (B, T, F) if `batch_first`, with T = `steps`;
    /// sequence b is the caller's number that it is in this layout.
    ///
    /// # Errors
    ///
    /// If a sequence is longer than T, or T · B is too large.
    pub fn within(self, steps: usize, batch_first: bool) -> Result<Self, Error> {
        let batch = self.steps.batch();
        if self.steps.len() > steps {
            return Err(Error::LengthRange { sequence: 0, length: self.steps.len() as i64, steps });
        }
        let outer_rows = steps.checked_mul(batch).ok_or(Error::TooLarge { what: "the input" })?;
        // With one step or one sequence both orders are the same.
        let transposed = batch_first && steps > 1 && batch > 1;
        let moved = transposed || self.order.is_some() || outer_rows != self.steps.rows();
        let outer = moved.then(|| {
            let order = self.order.clone().unwrap_or_else(|| (0..batch).collect());
            Padded { steps, batch, batch_first, row_map: RowMap::new(steps, batch_first, order) }
        });
        Ok(Self { outer_rows, outer, ..self })
    }

    /// Where the inner rows are in the caller's arrays; `None` if they are as they lie there.
    pub fn row_map(&self) -> Option<&RowMap> {
        self.outer.as_ref().map(|padded| &padded.row_map)
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
        self.outer.is_none()
    }

    /// Whether the caller's sequences are the inner sequences as they lie.
    pub fn states_in_place(&self) -> bool {
        self.order.is_none()
    }

    /// The caller's number of inner sequence `b`.
    fn outer_sequence(&self, b: usize) -> usize {
        self.order.as_ref().map_or(b, |order| order[b])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_major_rows_stay_where_they_are() {
        let layout = Layout::padded(3, 2, false, None).unwrap();
        assert!(layout.rows_in_place() && layout.states_in_place());
        let layout = Layout::padded(3, 2, false, Some(&[3, 3])).unwrap();
        assert!(layout.rows_in_place() && layout.states_in_place());
        assert!(Layout::padded(1, 2, true, None).unwrap().rows_in_place());
    }

    #[test]
    fn bad_lengths_are_refused() {
        let error = |lengths: &[i32]| Layout::padded(3, 2, false, Some(lengths)).unwrap_err().to_string();
        assert_eq!(error(&[3, 4]), "length 4 of sequence 1 must be between 1 and 3");
        assert_eq!(error(&[0, 3]), "length 0 of sequence 0 must be between 1 and 3");
        assert_eq!(error(&[1]), "expected 2 lengths, one for each sequence, got 1");
        assert!(Layout::packed(&[2, 0], None).is_err());
        assert!(Layout::packed(&[1, 2], None).is_err());
        assert!(Layout::packed(&[2, 1], Some(&[0, 0])).is_err());
        assert!(Layout::packed(&[2, 1], Some(&[1, 0])).is_ok());
    }
}
