//! Arrays that are the caller's own where these already lie as the stack needs them, else scratch memory.

use std::ops::{Deref, DerefMut};

use elman_kernels::{Context, MappedRows, Scalar, Scratch, dropout};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::call::{Dropout, Inputs};
use super::{Layout, List, Stack};
use crate::Error;

/// An array that is the caller's or scratch memory.
pub(super) enum Buffer<'a, T: Scalar, S> {
    /// The caller's, a slice of some kind.
    Borrowed(S),
    /// Scratch memory.
    Owned(Scratch<'a, T>),
}

/// An array to read: the caller's or a rearranged copy.
pub(super) type ReadBuffer<'a, T> = Buffer<'a, T, &'a [T]>;

/// An array to write.
pub(super) type WriteBuffer<'a, T> = Buffer<'a, T, &'a mut [T]>;

impl<T: Scalar, S: Deref<Target = [T]>> Deref for Buffer<'_, T, S> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Borrowed(slice) => slice,
            Self::Owned(scratch) => scratch,
        }
    }
}

impl<T: Scalar, S: DerefMut<Target = [T]>> DerefMut for Buffer<'_, T, S> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Borrowed(slice) => slice,
            Self::Owned(scratch) => scratch,
        }
    }
}

/// A matrix of `columns` columns over `data`.
pub(super) fn matrix<T>(data: &[T], columns: usize) -> ArrayView2<'_, T> {
    // Cannot fail: the lengths of all arrays were checked when the call began.
    ArrayView2::from_shape((data.len() / columns.max(1), columns), data).expect("a whole number of rows")
}

/// A matrix of `columns` columns over `data`, to write.
pub(super) fn matrix_mut<T>(data: &mut [T], columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((data.len() / columns.max(1), columns), data).expect("a whole number of rows")
}

/// A matrix of `rows` rows, also where they have no columns.
pub(super) fn rows_of<T>(data: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), data).expect("rows of so many columns")
}

/// The same to write.
pub(super) fn rows_of_mut<T>(data: &mut [T], rows: usize, columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((rows, columns), data).expect("rows of so many columns")
}

/// The caller's rows of `columns` columns, where they are.
pub(super) fn outer_rows<'a, T: Scalar>(
    layout: &'a Layout,
    outer: &'a [T],
    columns: usize,
) -> MappedRows<'a, T> {
    MappedRows { array: matrix(outer, columns), map: layout.row_map() }
}

/// The caller's rows of `columns` columns in inner order.
pub(super) fn inner_rows<'a, T: Scalar>(
    ctx: &'a Context,
    layout: &Layout,
    outer: &'a [T],
    columns: usize,
) -> Result<ReadBuffer<'a, T>, Error> {
    if layout.rows_in_place() {
        return Ok(Buffer::Borrowed(outer));
    }
    let mut inner = ctx.scratch(layout.steps().rows() * columns)?;
    layout.gather_rows(ctx, columns, outer, &mut inner);
    Ok(Buffer::Owned(inner))
}

/// The caller's states of `size` columns for all layers and directions, in inner order.
fn inner_state<'a, T: Scalar>(
    ctx: &'a Context,
    layout: &Layout,
    outer: &'a [T],
    size: usize,
) -> Result<ReadBuffer<'a, T>, Error> {
    if layout.states_in_place() {
        return Ok(Buffer::Borrowed(outer));
    }
    let len = (layout.steps().batch() * size).max(1);
    let mut inner = ctx.scratch(outer.len())?;
    for (from, to) in outer.chunks(len).zip(inner.chunks_mut(len)) {
        layout.gather_states(size, from, to);
    }
    Ok(Buffer::Owned(inner))
}

/// Moves states from inner order, in place, to the caller's.
pub(super) fn outer_states<T: Scalar>(layout: &Layout, states: &mut [T], size: usize) {
    let len = layout.steps().batch() * size;
    if layout.states_in_place() || len == 0 {
        return;
    }
    for part in states.chunks_mut(len) {
        let inner = part.to_vec();
        layout.scatter_states(size, &inner, part);
    }
}

impl<T: Scalar> Stack<T> {
    /// The initial states in inner order; zeros where the caller gives none.
    pub(super) fn initial_states<'a>(
        &self,
        ctx: &'a Context,
        inputs: &Inputs<'a, T>,
    ) -> Result<List<ReadBuffer<'a, T>>, Error> {
        let layout = inputs.layout;
        let initial = |(&outer, &size): (&Option<&'a [T]>, &usize)| match outer {
            Some(outer) => inner_state(ctx, layout, outer, size),
            None => {
                let mut zeros = ctx.scratch(self.groups() * layout.steps().batch() * size)?;
                zeros.fill(T::zero());
                Ok(Buffer::Owned(zeros))
            }
        };
        inputs.states.iter().zip(self.state_sizes()).map(initial).collect()
    }

    /// The gradients of the final states in inner order.
    pub(super) fn final_gradients<'a>(
        &self,
        ctx: &'a Context,
        layout: &Layout,
        dstates_n: &[Option<&'a [T]>],
    ) -> Result<List<Option<ReadBuffer<'a, T>>>, Error> {
        let pairs = dstates_n.iter().zip(self.state_sizes());
        pairs
            .map(|(outer, &size)| outer.map(|outer| inner_state(ctx, layout, outer, size)).transpose())
            .collect()
    }

    /// What layer `l` > 0 reads of some rows `y` of the layer below, the first of which is row number `row`: `y` itself,
    /// or what dropout leaves of it in `dropped`.
    pub(super) fn drop_out<'a>(
        &self,
        ctx: &Context,
        Dropout { p, seed }: Dropout,
        (l, row): (usize, usize),
        y: &'a [T],
        dropped: &'a mut Option<Scratch<'_, T>>,
    ) -> ArrayView2<'a, T> {
        let width = self.output_size();
        let Some(dropped) = dropped else { return matrix(y, width) };
        let dropped = &mut dropped[..y.len()];
        dropout(ctx.isa(), y, p, seed, Dropout::first(l) + (row * width) as u64, dropped);
        matrix(dropped, width)
    }

    /// Room for what dropout, if there is any, leaves of `rows` rows of a layer's output.
    pub(super) fn room_for_dropped<'a>(
        &self,
        ctx: &'a Context,
        dropout: Dropout,
        rows: usize,
    ) -> Result<Option<Scratch<'a, T>>, Error> {
        let drops = dropout.p > 0.0 && self.layers > 1;
        Ok(drops.then(|| ctx.scratch(rows * self.output_size())).transpose()?)
    }
}
