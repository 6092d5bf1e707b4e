//! Arrays that are the caller's own where these already lie as the stack needs them, else scratch memory.

use std::ops::{Deref, DerefMut};

use elman_kernels::{Context, MappedRows, Scalar, Scratch};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Error, Layout};

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
pub(super) fn inner_state<'a, T: Scalar>(
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
