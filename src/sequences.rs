//! The geometry of a batch of sequences.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use elman_kernels::Context;
use elman_rnn::Layout;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{Checked, Failure, export};
use crate::slice::{Floats, FloatsMut, Ints, disjoint, for_dtype, size};
use crate::work::{self, Portable, done};

/// How the rows of a batch of sequences lie; made once for a shape and set of lengths.
///
/// It holds what a layout is made from and not the layout, which is larger: the garbage collector does not see
/// such memory, and frees it only when the event loop turns. The layout that was used last is kept, since the
/// calls of a training step follow each other.
#[napi]
pub struct Sequences {
    form: Form,
    /// Tells sequences apart in [`LAST`].
    id: u64,
}

/// What a layout is made from.
enum Form {
    /// All of the same length: the layout takes no memory to speak of.
    Uniform(Arc<Layout>),
    Lengths {
        steps: usize,
        batch_first: bool,
        lengths: Vec<i32>,
    },
    Packed {
        batch_sizes: Vec<i32>,
        sorted_indices: Option<Vec<i32>>,
    },
}

thread_local! {
    /// The last layout of sequences of different lengths, and whose it is.
    static LAST: RefCell<Option<(u64, Arc<Layout>)>> = const { RefCell::new(None) };
}

impl Sequences {
    /// Checks the form by making its layout.
    fn new(form: Form) -> Checked<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let sequences = Self { form, id: COUNT.fetch_add(1, Ordering::Relaxed) };
        sequences.layout()?;
        Ok(sequences)
    }

    /// The layout.
    pub(crate) fn layout(&self) -> Checked<Arc<Layout>> {
        LAST.with_borrow_mut(|last| {
            if let Some((_, layout)) = last.as_ref().filter(|(id, _)| *id == self.id) {
                return Ok(Arc::clone(layout));
            }
            let layout = match &self.form {
                Form::Uniform(layout) => return Ok(Arc::clone(layout)),
                Form::Lengths { steps, batch_first, lengths } => {
                    Layout::padded(*steps, lengths.len(), *batch_first, Some(lengths))?
                }
                Form::Packed { batch_sizes, sorted_indices } => {
                    Layout::packed(batch_sizes, sorted_indices.as_deref())?
                }
            };
            let layout = Arc::new(layout);
            *last = Some((self.id, Arc::clone(&layout)));
            Ok(layout)
        })
    }

    /// The same sequences in a padded array, for `features` features.
    fn padding(&self, steps: f64, batch_first: bool, features: f64) -> Checked<(Layout, usize)> {
        let layout =
            Layout::clone(&*self.layout()?).within(size(steps, "the sequence length")?, batch_first)?;
        Ok((layout, size(features, "features")?))
    }

    /// Checks that an array has `rows` · `features` elements.
    fn check_len(what: &str, rows: usize, features: usize, actual: usize) -> Checked<()> {
        if rows.checked_mul(features) == Some(actual) {
            return Ok(());
        }
        Err(Failure::Range(format!("{what} must have {rows} · {features} elements, got {actual}")))
    }
}

#[napi]
impl Sequences {
    /// Arrays of shape (T, B, F), or (B, T, F) if `batchFirst`; sequence b is `lengths[b]` steps long, or T.
    #[napi(factory, catch_unwind)]
    pub fn padded(
        env: Env,
        steps: f64,
        batch: f64,
        batch_first: bool,
        #[napi(ts_arg_type = "Int32Array | null")] lengths: Option<Ints<'_>>,
    ) -> Result<Self> {
        export(env, || {
            let (steps, batch) = (size(steps, "the sequence length")?, size(batch, "the batch size")?);
            Self::new(match lengths.as_ref().map(Ints::get).transpose()? {
                None => Form::Uniform(Arc::new(Layout::padded(steps, batch, batch_first, None)?)),
                Some(lengths) if lengths.len() == batch => {
                    Form::Lengths { steps, batch_first, lengths: lengths.to_vec() }
                }
                Some(lengths) => {
                    return Err(elman_rnn::Error::LengthCount { batch, actual: lengths.len() }.into());
                }
            })
        })
    }

    /// Packed arrays: step t has `batchSizes[t]` rows; `sortedIndices[b]` is the caller's number of sequence b.
    #[napi(factory, catch_unwind)]
    pub fn packed(
        env: Env,
        #[napi(ts_arg_type = "Int32Array")] batch_sizes: Ints<'_>,
        #[napi(ts_arg_type = "Int32Array | null")] sorted_indices: Option<Ints<'_>>,
    ) -> Result<Self> {
        export(env, || {
            Self::new(Form::Packed {
                batch_sizes: batch_sizes.get()?.to_vec(),
                sorted_indices: sorted_indices
                    .map(|indices| indices.get().map(<[i32]>::to_vec))
                    .transpose()?,
            })
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
        #[napi(ts_arg_type = "Float32Array | Float64Array")] padded: Floats<'_>,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] packed: FloatsMut<'_>,
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
        #[napi(ts_arg_type = "Float32Array | Float64Array")] packed: Floats<'_>,
        padding_value: f64,
        #[napi(ts_arg_type = "Float32Array | Float64Array")] padded: FloatsMut<'_>,
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

    fn lengths(lengths: &[i32]) -> Checked<Sequences> {
        Sequences::new(Form::Lengths { steps: 3, batch_first: false, lengths: lengths.to_vec() })
    }

    #[test]
    fn the_last_layout_is_kept_and_the_others_are_made_again() {
        let (a, b) = (lengths(&[1, 3]).unwrap(), lengths(&[2, 3]).unwrap());
        let layout = b.layout().unwrap();
        assert!(Arc::ptr_eq(&layout, &b.layout().unwrap()));
        assert_eq!(a.layout().unwrap().steps().rows(), 4);
        assert_eq!(b.layout().unwrap().steps(), layout.steps());
    }

    #[test]
    fn what_is_no_layout_is_refused_when_it_is_made() {
        assert!(matches!(lengths(&[4]), Err(Failure::Range(_))));
        let packed = Form::Packed { batch_sizes: vec![1, 2], sorted_indices: None };
        assert!(matches!(Sequences::new(packed), Err(Failure::Range(_))));
    }

    #[test]
    fn packed_sequences_take_their_place_in_a_padded_array() {
        let packed = Form::Packed { batch_sizes: vec![2, 1], sorted_indices: Some(vec![1, 0]) };
        let packed = Sequences::new(packed).unwrap();
        assert_eq!(packed.padding(4.0, true, 2.0).unwrap().0.outer_rows(), 8);
        assert!(packed.padding(1.0, true, 2.0).is_err());
        assert!(packed.padding(4.0, true, -1.0).is_err());
    }
}
