//! The rows and states of the caller's arrays, moved to the inner order and back.

use std::convert::Infallible;
use std::ops::Range;

use elman_kernels::{Context, Scalar};

use super::{Layout, Padded};

impl Layout {
    /// inner row n = the caller's row of n, for arrays of `columns` columns.
    ///
    /// # Panics
    ///
    /// As all functions that move rows: if an array has another length than the layout says.
    pub fn gather_rows<T: Scalar>(&self, ctx: &Context, columns: usize, outer: &[T], inner: &mut [T]) {
        let Some(Padded { batch_first, row_map, .. }) = &self.outer else {
            return inner.copy_from_slice(outer);
        };
        if inner.is_empty() {
            return;
        }
        // Each thread has steps with about as many rows.
        let (rows, threads) = (self.steps.rows(), ctx.threads());
        let mut end = 0;
        let ends = (1..=threads).map(|i| {
            while self.steps.offset(end) < rows * i / threads {
                end += 1;
            }
            (end, self.steps.offset(end) * columns)
        });
        share_out(ctx, inner, ends, |t, to| {
            let start = self.steps.offset(t.start);
            for t in t {
                let size = self.steps.size(t);
                let to = &mut to[(self.steps.offset(t) - start) * columns..][..size * columns];
                if self.order.is_none() && !batch_first {
                    to.copy_from_slice(&outer[row_map.row(t, 0) * columns..][..size * columns]);
                    continue;
                }
                for (b, to) in to.chunks_exact_mut(columns).enumerate() {
                    to.copy_from_slice(&outer[row_map.row(t, b) * columns..][..columns]);
                }
            }
        });
    }

    /// The caller's row of n = inner row n; rows in the padding become `padding`.
    ///
    /// The caller's array is written from its start to its end, so that each part of it is in the cache once.
    pub fn scatter_rows<T: Scalar>(
        &self,
        ctx: &Context,
        columns: usize,
        inner: &[T],
        padding: T,
        outer: &mut [T],
    ) {
        let Some(&Padded { steps, batch, batch_first, .. }) = self.outer.as_ref() else {
            return outer.copy_from_slice(inner);
        };
        if outer.is_empty() {
            return; // however many rows of nothing there are
        }
        // The caller's first dimension is shared out.
        let (first, second) = if batch_first { (batch, steps) } else { (steps, batch) };
        let one = second * columns;
        let threads = ctx.threads();
        let ends = (1..=threads).map(|i| (first * i / threads, first * i / threads * one));
        let inner_row = |n: usize| &inner[n * columns..][..columns];
        if batch_first {
            let mut places: Vec<usize> = (0..batch).collect();
            places.sort_unstable_by_key(|&b| self.outer_sequence(b));
            share_out(ctx, outer, ends, |sequences, to| {
                for (&b, to) in places[sequences].iter().zip(to.chunks_exact_mut(one)) {
                    let (valid, rest) = to.split_at_mut(self.steps.length(b) * columns);
                    for (t, to) in valid.chunks_exact_mut(columns).enumerate() {
                        to.copy_from_slice(inner_row(self.steps.offset(t) + b));
                    }
                    rest.fill(padding);
                }
            });
            return;
        }
        share_out(ctx, outer, ends, |t, to| {
            for (t, to) in t.zip(to.chunks_exact_mut(one)) {
                let size = if t < self.steps.len() { self.steps.size(t) } else { 0 };
                let from = if size > 0 { self.steps.offset(t) } else { 0 };
                let Some(order) = &self.order else {
                    let (valid, rest) = to.split_at_mut(size * columns);
                    valid.copy_from_slice(&inner[from * columns..][..size * columns]);
                    rest.fill(padding);
                    continue;
                };
                for (b, &own) in order.iter().enumerate() {
                    let to = &mut to[own * columns..][..columns];
                    if b < size { to.copy_from_slice(inner_row(from + b)) } else { to.fill(padding) }
                }
            }
        });
    }

    /// Makes the rows in the padding 0, before any other row is written: where there is padding, the whole array
    /// becomes 0. To clear it from end to end is the fastest way to have its lines in the cache, since none of them
    /// has to be read from memory first, as those of single rows would.
    pub fn clear_padding<T: Scalar>(&self, ctx: &Context, outer: &mut [T]) {
        if self.outer_rows == self.steps.rows() {
            return;
        }
        let (len, threads) = (outer.len(), ctx.threads());
        let ends = (1..=threads).map(|i| (i, len * i / threads));
        share_out(ctx, outer, ends, |_, part| part.fill(T::zero()));
    }

    /// inner state b = the caller's state of b.
    pub fn gather_states<T: Scalar>(&self, columns: usize, outer: &[T], inner: &mut [T]) {
        for (b, to) in inner.chunks_exact_mut(columns).enumerate() {
            to.copy_from_slice(&outer[self.outer_sequence(b) * columns..][..columns]);
        }
    }

    /// The caller's state of b = inner state b.
    pub fn scatter_states<T: Scalar>(&self, columns: usize, inner: &[T], outer: &mut [T]) {
        for (b, from) in inner.chunks_exact(columns).enumerate() {
            outer[self.outer_sequence(b) * columns..][..columns].copy_from_slice(from);
        }
    }
}

/// To copy an element takes about as long as so many multiply-adds.
const WORK_OF_A_COPY: usize = 8;

/// Calls `body` with parts of `data`, on all threads if it is large; a part ends at each of `ends`, which say
/// the index of what follows and its place in `data`.
fn share_out<T: Scalar>(
    ctx: &Context,
    data: &mut [T],
    ends: impl Iterator<Item = (usize, usize)>,
    body: impl Fn(Range<usize>, &mut [T]) + Sync,
) {
    let work = data.len().saturating_mul(WORK_OF_A_COPY);
    let (mut rest, mut start) = (data, (0, 0));
    let mut parts = Vec::with_capacity(ctx.threads());
    for end in ends {
        let (part, after) = std::mem::take(&mut rest).split_at_mut(end.1 - start.1);
        parts.push((start.0..end.0, part));
        (rest, start) = (after, end);
    }
    let Ok(()) = ctx.each(work, parts, |_, (range, part)| {
        body(range, part);
        Ok::<_, Infallible>(())
    });
}

#[cfg(test)]
mod tests {
    use elman_kernels::{Isa, Steps};

    use super::*;

    fn ctx(threads: usize) -> Context {
        Context::new(Isa::detect(), threads)
    }

    #[test]
    fn no_sequences_of_any_length_take_no_time() {
        for (batch_first, lengths) in [(false, None), (true, Some(&[][..]))] {
            let layout = Layout::padded(1 << 52, 0, batch_first, lengths).unwrap();
            assert_eq!(layout.steps().rows(), 0);
            layout.gather_rows::<f64>(&ctx(1), 1, &[], &mut []);
            layout.scatter_rows::<f64>(&ctx(1), 1, &[], 0.0, &mut []);
        }
    }

    #[test]
    fn batch_first_rows_are_transposed_and_back() {
        let layout = Layout::padded(3, 2, true, None).unwrap();
        let outer = [0., 1., 2., 10., 11., 12.];
        let mut inner = [0.0; 6];
        layout.gather_rows(&ctx(1), 1, &outer, &mut inner);
        assert_eq!(inner, [0., 10., 1., 11., 2., 12.]);
        let mut back = [0.0; 6];
        layout.scatter_rows(&ctx(1), 1, &inner, 0.0, &mut back);
        assert_eq!(back, outer);
    }

    #[test]
    fn padding_is_cleared_where_there_is_any() {
        for threads in 1..=3 {
            let ragged = Layout::padded(7000, 3, true, Some(&[5, 7000, 1])).unwrap();
            let mut outer = vec![7.0_f32; 7000 * 3 * 11];
            ragged.clear_padding(&ctx(threads), &mut outer);
            assert!(outer.iter().all(|&v| v == 0.0), "{threads} threads");
            let equal = Layout::padded(2, 3, true, Some(&[2, 2, 2])).unwrap();
            let mut outer = vec![7.0; 6];
            equal.clear_padding(&ctx(threads), &mut outer);
            assert_eq!(outer, [7.0; 6], "no padding, no need");
        }
    }

    #[test]
    fn lengths_are_sorted_and_padding_becomes_zero() {
        // Sequence b at time t holds 10 b + t.
        let outer = [0., 10., 20., 1., 11., 21., 2., 12., 22.];
        let layout = Layout::padded(3, 3, false, Some(&[1, 3, 1])).unwrap();
        assert_eq!(layout.steps(), &Steps::new([3, 1, 1]).unwrap());
        let mut inner = [0.0; 5];
        layout.gather_rows(&ctx(1), 1, &outer, &mut inner);
        assert_eq!(inner, [10., 0., 20., 11., 12.]); // ties keep their order
        let mut back = [f64::NAN; 9];
        layout.scatter_rows(&ctx(1), 1, &inner, 0.0, &mut back);
        assert_eq!(back, [0., 10., 20., 0., 11., 0., 0., 12., 0.]);
        let mut states = [0.0; 6];
        layout.gather_states(2, &[7., 7.5, 8., 8.5, 9., 9.5], &mut states);
        assert_eq!(states, [8., 8.5, 7., 7.5, 9., 9.5]);
        let mut back = [0.0; 6];
        layout.scatter_states(2, &states, &mut back);
        assert_eq!(back, [7., 7.5, 8., 8.5, 9., 9.5]);
    }

    #[test]
    fn packed_sequences_lie_in_a_padded_array_too() {
        // Lengths 1, 2, 2; the sequences of equal length are not in the caller's order.
        let layout = Layout::packed(&[3, 2], Some(&[2, 1, 0])).unwrap();
        for batch_first in [false, true] {
            let padded = layout.clone().within(3, batch_first).unwrap();
            assert_eq!((padded.steps(), padded.outer_rows()), (layout.steps(), 9));
            let mut outer = [f64::NAN; 9];
            padded.scatter_rows(&ctx(1), 1, &[20., 10., 0., 21., 11.], 7.0, &mut outer);
            let expected = match batch_first {
                false => [0., 10., 20., 7., 11., 21., 7., 7., 7.],
                true => [0., 7., 7., 10., 11., 7., 20., 21., 7.],
            };
            assert_eq!(outer, expected);
            let mut inner = [0.0; 5];
            padded.gather_rows(&ctx(1), 1, &outer, &mut inner);
            assert_eq!(inner, [20., 10., 0., 21., 11.]);
        }
        assert!(layout.clone().within(1, false).is_err());
        assert!(layout.within(usize::MAX, false).is_err());
        assert!(Layout::packed(&[2, 2], None).unwrap().within(2, false).unwrap().rows_in_place());
        assert!(!Layout::packed(&[2, 2], Some(&[1, 0])).unwrap().within(2, false).unwrap().rows_in_place());
    }

    #[test]
    fn threads_share_out_large_arrays() {
        let (steps, columns) = (40, 500);
        let lengths = [17, 40, 1, 40, 3, 40, 22];
        for (batch_first, lengths) in
            [(false, &lengths[..]), (true, &lengths), (false, &[40, 9, 9]), (true, &[7])]
        {
            let layout = Layout::padded(steps, lengths.len(), batch_first, Some(lengths)).unwrap();
            let outer: Vec<f32> = (0..layout.outer_rows() * columns).map(|i| i as f32).collect();
            let mut expected = None;
            for threads in [1, 2, 3, 8, 50] {
                let mut inner = vec![f32::NAN; layout.steps().rows() * columns];
                layout.gather_rows(&ctx(threads), columns, &outer, &mut inner);
                let mut back = vec![f32::NAN; outer.len()];
                layout.scatter_rows(&ctx(threads), columns, &inner, -1.0, &mut back);
                for (place, (&value, &was)) in back.iter().zip(&outer).enumerate() {
                    let row = place / columns;
                    let batch = lengths.len();
                    let (t, b) =
                        if batch_first { (row % steps, row / steps) } else { (row / batch, row % batch) };
                    let valid = t < lengths[b] as usize;
                    assert_eq!(value, if valid { was } else { -1.0 }, "{threads} threads, row {row}");
                }
                assert_eq!(*expected.get_or_insert_with(|| inner.clone()), inner);
            }
        }
    }
}
