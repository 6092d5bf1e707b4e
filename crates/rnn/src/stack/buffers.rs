//! Arrays that are the caller's own where these already lie as the stack needs them, else scratch.

use std::ops::{Deref, DerefMut};

use elman_kernels::{Context, Placed, Scalar, Scratch};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Error, Layout};

/// An array to read.
pub(crate) enum Lent<'a, T: Scalar> {
    /// The caller's.
    Theirs(&'a [T]),
    /// A rearranged copy.
    Ours(Scratch<'a, T>),
}

impl<T: Scalar> Deref for Lent<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Theirs(slice) => slice,
            Self::Ours(scratch) => scratch,
        }
    }
}

/// An array to write.
pub(crate) enum Place<'a, T: Scalar> {
    /// The caller's.
    Theirs(&'a mut [T]),
    /// Scratch.
    Ours(Scratch<'a, T>),
}

impl<T: Scalar> Deref for Place<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Theirs(slice) => slice,
            Self::Ours(scratch) => scratch,
        }
    }
}

impl<T: Scalar> DerefMut for Place<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Theirs(slice) => slice,
            Self::Ours(scratch) => scratch,
        }
    }
}

/// A matrix of `columns` columns over `data`.
pub(crate) fn matrix<T>(data: &[T], columns: usize) -> ArrayView2<'_, T> {
    // Cannot fail: the lengths of all arrays were checked when the call began.
    ArrayView2::from_shape((data.len() / columns.max(1), columns), data).expect("a whole number of rows")
}

/// A matrix of `columns` columns over `data`, to write.
pub(crate) fn matrix_mut<T>(data: &mut [T], columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((data.len() / columns.max(1), columns), data).expect("a whole number of rows")
}

/// The caller's rows of `columns` columns, where they are.
pub(crate) fn placed<'a, T: Scalar>(layout: &'a Layout, outer: &'a [T], columns: usize) -> Placed<'a, T> {
    Placed { array: matrix(outer, columns), places: layout.places() }
}

/// The caller's rows of `columns` columns in inner order.
pub(crate) fn inner_rows<'a, T: Scalar>(
    ctx: &'a Context,
    layout: &Layout,
    outer: &'a [T],
    columns: usize,
) -> Result<Lent<'a, T>, Error> {
    if layout.rows_in_place() {
        return Ok(Lent::Theirs(outer));
    }
    let mut inner = ctx.scratch(layout.steps().rows() * columns)?;
    layout.gather_rows(ctx, columns, outer, &mut inner);
    Ok(Lent::Ours(inner))
}

/// States of `size` columns for all layers and directions, in inner order; zeros if the caller gives none.
pub(crate) fn inner_states<'a, T: Scalar>(
    ctx: &'a Context,
    layout: &Layout,
    outer: Option<&'a [T]>,
    count: usize,
    size: usize,
) -> Result<Lent<'a, T>, Error> {
    let len = layout.steps().batch() * size;
    match outer {
        Some(outer) if layout.states_in_place() => Ok(Lent::Theirs(outer)),
        Some(outer) => {
            let mut inner = ctx.scratch(count * len)?;
            for (from, to) in outer.chunks(len.max(1)).zip(inner.chunks_mut(len.max(1))) {
                layout.gather_states(size, from, to);
            }
            Ok(Lent::Ours(inner))
        }
        None => {
            let mut inner = ctx.scratch(count * len)?;
            inner.fill(T::zero());
            Ok(Lent::Ours(inner))
        }
    }
}

/// Moves states from inner order, in place, to the caller's.
pub(crate) fn deliver_states<T: Scalar>(layout: &Layout, states: &mut [T], size: usize) {
    let len = layout.steps().batch() * size;
    if layout.states_in_place() || len == 0 {
        return;
    }
    for part in states.chunks_mut(len) {
        let inner = part.to_vec();
        layout.scatter_states(size, &inner, part);
    }
}
