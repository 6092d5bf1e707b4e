//! The geometry of a batch of sequences.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use elman_kernels::Context;
use elman_rnn::Layout;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::work::{self, Portable, done};
use crate::js::arrays::{Floats, FloatsMut, Ints, disjoint};
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::export;
use crate::js::memory::for_dtype;
use crate::js::numbers::size;

/// How the rows of a batch of sequences lie, as far as calls have it in common; made once for a shape.
///
/// It holds what a layout is made from and not the layout, which may be larger: the garbage collector does not see
/// such memory, and frees it only when the event loop turns. The layout that was used last is kept, since the
/// calls of a training step follow each other. Lengths are given with each call: to make such an object for each
/// order of lengths would take longer than to make the layout.
// Calls take a `ClassInstance` of it: a reference would be entered in a table of napi-rs's, behind a lock, for as long as
// the call runs.
#[napi]
pub struct Sequences {
    form: Form,
    /// Tells sequences apart in [`LAST`].
    id: u64,
}

/// What a layout is made from.
enum Form {
    /// Arrays of T steps of B sequences. The layout is that of a batch without lengths, which takes no memory to
    /// speak of.
    Padded {
        steps: usize,
        batch: usize,
        batch_first: bool,
        full: Arc<Layout>,
    },
    Packed {
        batch_sizes: Vec<i32>,
        sorted_indices: Option<Vec<i32>>,
    },
}

/// A layout that was made for sequences and their lengths.
struct Last {
    id: u64,
    lengths: Option<Vec<i32>>,
    layout: Arc<Layout>,
}

thread_local! {
    /// The last layout of sequences of different lengths.
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

impl Sequences {
    fn new(form: Form) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self { form, id: COUNT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Arrays of shape (T, B, F), or (B, T, F) if `batch_first`.
    fn of_shape(steps: usize, batch: usize, batch_first: bool) -> BindingResult<Self> {
        let full = Arc::new(Layout::padded(steps, batch, batch_first, None)?);
        Ok(Self::new(Form::Padded { steps, batch, batch_first, full }))
    }

    /// Packed arrays; the form is checked by making its layout.
    fn of_batch_sizes(batch_sizes: Vec<i32>, sorted_indices: Option<Vec<i32>>) -> BindingResult<Self> {
        let sequences = Self::new(Form::Packed { batch_sizes, sorted_indices });
        sequences.layout(None)?;
        Ok(sequences)
    }

    /// The layout; sequence b is `lengths[b]` steps long, or T.
    pub(crate) fn layout(&self, lengths: Option<&[i32]>) -> BindingResult<Arc<Layout>> {
        LAST.with_borrow_mut(|last| {
            let same = |last: &&Last| last.id == self.id && last.lengths.as_deref() == lengths;
            if let Some(Last { layout, .. }) = last.as_ref().filter(same) {
                return Ok(Arc::clone(layout));
            }
            let layout = match (&self.form, lengths) {
                (Form::Padded { full, .. }, None) => return Ok(Arc::clone(full)),
                (&Form::Padded { steps, batch, batch_first, .. }, Some(lengths)) => {
                    Layout::padded(steps, batch, batch_first, Some(lengths))?
                }
                (Form::Packed { batch_sizes, sorted_indices }, None) => {
                    Layout::packed(batch_sizes, sorted_indices.as_deref())?
                }
                (Form::Packed { .. }, Some(_)) => {
                    return Err(BindingError::Range(
                        "packed sequences have their lengths already".to_owned(),
                    ));
                }
            };
            let layout = Arc::new(layout);
            let lengths = lengths.map(<[i32]>::to_vec);
            *last = Some(Last { id: self.id, lengths, layout: Arc::clone(&layout) });
            Ok(layout)
        })
    }

    /// The same sequences in a padded array, for `features` features.
    fn padding(&self, steps: f64, batch_first: bool, features: f64) -> BindingResult<(Layout, usize)> {
        let layout =
            Layout::clone(&*self.layout(None)?).within(size(steps, "the sequence length")?, batch_first)?;
        Ok((layout, size(features, "features")?))
    }

    /// Checks that an array has `rows` · `features` elements.
    fn check_len(what: &str, rows: usize, features: usize, actual: usize) -> BindingResult<()> {
        if rows.checked_mul(features) == Some(actual) {
            return Ok(());
        }
        Err(BindingError::Range(format!("{what} must have {rows} · {features} elements, got {actual}")))
    }
}

#[napi]
impl Sequences {
    /// Arrays of shape (T, B, F), or (B, T, F) if `batchFirst`.
    #[napi(factory, catch_unwind)]
    pub fn padded(env: Env, steps: f64, batch: f64, batch_first: bool) -> Result<Self> {
        export(env, || {
            Self::of_shape(size(steps, "the sequence length")?, size(batch, "the batch size")?, batch_first)
        })
    }

    /// Packed arrays: step t has `batchSizes[t]` rows; `sortedIndices[b]` is the caller's number of sequence b.
    #[napi(factory, catch_unwind)]
    pub fn packed(env: Env, batch_sizes: Ints<'_>, sorted_indices: Option<Ints<'_>>) -> Result<Self> {
        export(env, || {
            let sorted_indices = sorted_indices.as_ref().map(Ints::get).transpose()?;
            Self::of_batch_sizes(batch_sizes.get()?.to_vec(), sorted_indices.map(<[i32]>::to_vec))
        })
    }

    /// Writes the rows of these packed sequences, taken from `padded` of shape (T, B, F), or (B, T, F) if
    /// `batchFirst`, with T = `steps` and F = `features`.
    #[napi(catch_unwind)]
    pub fn pack(
        &self,
        env: Env,
        steps: f64,
        batch_first: bool,
        features: f64,
        padded: Floats<'_>,
        packed: FloatsMut<'_>,
    ) -> Result<f64> {
        work::run(env, || {
            disjoint(&[&packed], &[&padded])?;
            let (layout, features) = self.padding(steps, batch_first, features)?;
            let dtype = padded.dtype()?;
            let (padded, mut packed) = (padded.take()?, packed.take()?);
            Ok(move |ctx: &Context| {
                done(for_dtype!(dtype, T => {
                    let (from, to) = (padded.get::<T>()?, packed.get::<T>()?);
                    Self::check_len("the padded array", layout.outer_rows(), features, from.len())?;
                    Self::check_len("the packed array", layout.steps().rows(), features, to.len())?;
                    layout.gather_rows(ctx, features, from, to);
                    Ok(())
                }))
            })
        })
    }

    /// The other way: writes `padded`, with `paddingValue` beyond each sequence's end.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // the sizes and both arrays
    pub fn pad(
        &self,
        env: Env,
        steps: f64,
        batch_first: bool,
        features: f64,
        packed: Floats<'_>,
        padding_value: f64,
        padded: FloatsMut<'_>,
    ) -> Result<f64> {
        work::run(env, || {
            disjoint(&[&padded], &[&packed])?;
            let (layout, features) = self.padding(steps, batch_first, features)?;
            let dtype = packed.dtype()?;
            let (packed, mut padded) = (packed.take()?, padded.take()?);
            Ok(move |ctx: &Context| {
                done(for_dtype!(dtype, T => {
                    let (from, to) = (packed.get::<T>()?, padded.get::<T>()?);
                    Self::check_len("the packed array", layout.steps().rows(), features, from.len())?;
                    Self::check_len("the padded array", layout.outer_rows(), features, to.len())?;
                    layout.scatter_rows(ctx, features, from, padding_value as T, to);
                    Ok(())
                }))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_layout_is_kept_and_the_others_are_made_again() {
        let sequences = Sequences::of_shape(3, 2, false).unwrap();
        let layout = |lengths| sequences.layout(lengths).unwrap();
        let first = layout(Some(&[2, 3]));
        assert_eq!(first.steps().rows(), 5);
        assert!(Arc::ptr_eq(&first, &layout(Some(&[2, 3]))));
        assert_eq!(layout(Some(&[3, 2])).steps(), first.steps());
        assert!(!Arc::ptr_eq(&first, &layout(Some(&[3, 2]))));
        assert_eq!(layout(Some(&[1, 3])).steps().rows(), 4);
        assert_eq!(layout(None).steps().rows(), 6);
        let other = Sequences::of_shape(4, 2, false).unwrap();
        assert_eq!(other.layout(Some(&[1, 3])).unwrap().outer_rows(), 8);
    }

    #[test]
    fn what_is_no_layout_is_refused() {
        let sequences = Sequences::of_shape(3, 1, false).unwrap();
        for wrong in [&[4][..], &[0], &[1, 1], &[]] {
            assert!(matches!(sequences.layout(Some(wrong)), Err(BindingError::Range(_))), "{wrong:?}");
        }
        assert!(matches!(Sequences::of_batch_sizes(vec![1, 2], None), Err(BindingError::Range(_))));
        let packed = Sequences::of_batch_sizes(vec![1], None).unwrap();
        assert!(matches!(packed.layout(Some(&[1])), Err(BindingError::Range(_))));
    }

    #[test]
    fn packed_sequences_take_their_place_in_a_padded_array() {
        let packed = Sequences::of_batch_sizes(vec![2, 1], Some(vec![1, 0])).unwrap();
        assert_eq!(packed.padding(4.0, true, 2.0).unwrap().0.outer_rows(), 8);
        assert!(packed.padding(1.0, true, 2.0).is_err());
        assert!(packed.padding(4.0, true, -1.0).is_err());
    }
}
