//! How the rows of a batch of sequences follow each other in time.

/// Rows sorted by time: first all sequences' rows of step 0, then those of step 1, and so on.
///
/// Sequences are in order of falling length, so the ones still running at step t are the first
/// `size(t)` ones, and row b of step t is row `offset(t) + b` of the whole. This is the layout of torch's
/// `PackedSequence`; with equal lengths it is a plain (T, B) batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps(Form);

/// A plain batch takes no memory, however long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// All steps have `batch` rows.
    Uniform { steps: usize, batch: usize },
    /// Entry t is the first row of step t; one more entry holds the number of rows.
    Offsets(Vec<usize>),
}

/// Why sizes do not make [`Steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// A sequence cannot start in the middle.
    #[error("batch sizes must not increase: step {step} has {size} rows after {previous}")]
    Increasing {
        /// The step.
        step: usize,
        /// Its rows.
        size: usize,
        /// The rows of the step before.
        previous: usize,
    },
    /// More rows than memory can address.
    #[error("the batch has too many rows")]
    TooManyRows,
}

impl Steps {
    /// `batch` sequences of `steps` steps each.
    ///
    /// # Errors
    ///
    /// [`StepsError::TooManyRows`] if steps · batch is no number of elements.
    pub fn uniform(steps: usize, batch: usize) -> Result<Self, StepsError> {
        steps.checked_mul(batch).ok_or(StepsError::TooManyRows)?;
        Ok(Self(Form::Uniform { steps, batch }))
    }

    /// Rows without an order in time: all of one step.
    pub fn unordered(rows: usize) -> Self {
        Self(Form::Uniform { steps: 1, batch: rows })
    }

    /// Step t has `sizes[t]` rows.
    ///
    /// # Errors
    ///
    /// [`StepsError`] if a size is larger than the one before, or their sum is no number of elements.
    pub fn new(sizes: impl IntoIterator<Item = usize>) -> Result<Self, StepsError> {
        let mut offsets = vec![0];
        let mut rows = 0usize;
        let mut previous = usize::MAX;
        for (step, size) in sizes.into_iter().enumerate() {
            if size > previous {
                return Err(StepsError::Increasing { step, size, previous });
            }
            rows = rows.checked_add(size).ok_or(StepsError::TooManyRows)?;
            offsets.try_reserve(1).map_err(|_| StepsError::TooManyRows)?;
            offsets.push(rows);
            previous = size;
        }
        let steps = offsets.len() - 1;
        match offsets.get(1) {
            None => Self::uniform(0, 0),
            Some(&batch) if batch * steps == rows => Self::uniform(steps, batch),
            Some(_) => Ok(Self(Form::Offsets(offsets))),
        }
    }

    /// Number of time steps, T.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Uniform { steps, .. } => *steps,
            Form::Offsets(offsets) => offsets.len() - 1,
        }
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows over all steps.
    pub fn rows(&self) -> usize {
        self.offset(self.len())
    }

    /// Number of sequences, B.
    pub fn batch(&self) -> usize {
        if self.is_empty() { 0 } else { self.size(0) }
    }

    /// First row of step `t`; for t = T, the number of rows.
    pub fn offset(&self, t: usize) -> usize {
        match &self.0 {
            Form::Uniform { batch, .. } => t * batch,
            Form::Offsets(offsets) => offsets[t],
        }
    }

    /// Rows of step `t`: the number of sequences longer than t.
    pub fn size(&self, t: usize) -> usize {
        match &self.0 {
            Form::Uniform { batch, .. } => *batch,
            Form::Offsets(offsets) => offsets[t + 1] - offsets[t],
        }
    }

    /// Time and sequence of each row, in order.
    pub fn each(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        // Without rows there may be more steps than one would like to count.
        let steps = if self.rows() == 0 { 0 } else { self.len() };
        (0..steps).flat_map(|t| (0..self.size(t)).map(move |b| (t, b)))
    }

    /// The step that `row` belongs to.
    pub fn step_of(&self, row: usize) -> usize {
        match &self.0 {
            Form::Uniform { batch, .. } => row / batch.max(&1),
            Form::Offsets(offsets) => offsets.partition_point(|&offset| offset <= row) - 1,
        }
    }

    /// Length of sequence `b`.
    pub fn length(&self, b: usize) -> usize {
        if let Form::Uniform { steps, .. } = self.0 {
            return steps;
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.size(middle) > b { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The row where sequence `b` ends.
    ///
    /// # Panics
    ///
    /// If there is no sequence `b`.
    pub fn last_row(&self, b: usize) -> usize {
        self.offset(self.length(b) - 1) + b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_is_a_plain_batch() {
        let steps = Steps::uniform(3, 2).unwrap();
        assert_eq!(steps, Steps::new([2, 2, 2]).unwrap());
        assert_eq!((steps.len(), steps.batch(), steps.rows()), (3, 2, 6));
        assert_eq!(steps.last_row(1), 5);
    }

    #[test]
    fn lengths_come_from_the_sizes() {
        let steps = Steps::new([3, 2, 1]).unwrap();
        assert_eq!([0, 1, 2].map(|b| steps.length(b)), [3, 2, 1]);
        assert_eq!([0, 1, 2].map(|b| steps.last_row(b)), [5, 4, 2]);
        assert!(steps.each().eq([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]));
        assert_eq!([0, 2, 3, 4, 5].map(|row| steps.step_of(row)), [0, 0, 1, 1, 2]);
    }

    #[test]
    fn a_plain_batch_takes_no_memory() {
        let steps = Steps::uniform(1 << 60, 0).unwrap();
        assert_eq!((steps.len(), steps.rows(), steps.size(1 << 59)), (1 << 60, 0, 0));
        assert_eq!(steps.each().next(), None);
        assert_eq!(Steps::new([]).unwrap(), Steps::uniform(0, 0).unwrap());
    }

    #[test]
    fn growing_sizes_are_refused() {
        let error = Steps::new([1, 2]).unwrap_err();
        assert_eq!(error, StepsError::Increasing { step: 1, size: 2, previous: 1 });
        assert_eq!(Steps::uniform(usize::MAX, 2).unwrap_err(), StepsError::TooManyRows);
    }
}
