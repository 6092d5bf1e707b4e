//! The geometry of a batch of sequences.

use std::sync::Arc;

use elman_rnn::Layout;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{Checked, export};
use crate::slice::{Ints, size};

/// How the rows of a batch of sequences lie; made once for a shape and set of lengths.
///
/// It holds no table of rows: the garbage collector does not see such memory, and frees it only when the event
/// loop turns. A layout that needs a table is made again in each call.
#[napi]
pub struct Sequences {
    form: Form,
    /// The layout, if it takes no memory to speak of.
    plain: Option<Arc<Layout>>,
}

/// What a layout is made from.
enum Form {
    Padded { steps: usize, batch: usize, batch_first: bool, lengths: Option<Vec<i32>> },
    Packed { batch_sizes: Vec<i32>, sorted_indices: Option<Vec<i32>> },
}

impl Form {
    fn layout(&self) -> Checked<Layout> {
        Ok(match self {
            Self::Padded { steps, batch, batch_first, lengths } => {
                Layout::padded(*steps, *batch, *batch_first, lengths.as_deref())?
            }
            Self::Packed { batch_sizes, sorted_indices } => {
                Layout::packed(batch_sizes, sorted_indices.as_deref())?
            }
        })
    }
}

impl Sequences {
    /// Checks the form by making its layout once.
    fn new(form: Form) -> Checked<Self> {
        let layout = form.layout()?;
        let plain = layout.rows_in_place() && layout.states_in_place();
        Ok(Self { form, plain: plain.then(|| Arc::new(layout)) })
    }

    /// The layout for one call.
    pub(crate) fn layout(&self) -> Checked<Arc<Layout>> {
        match &self.plain {
            Some(layout) => Ok(Arc::clone(layout)),
            None => self.form.layout().map(Arc::new),
        }
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
            let lengths = lengths.map(|lengths| lengths.get()).transpose()?.map(<[i32]>::to_vec);
            Self::new(Form::Padded { steps, batch, batch_first, lengths })
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
            let sorted_indices =
                sorted_indices.map(|indices| indices.get()).transpose()?.map(<[i32]>::to_vec);
            Self::new(Form::Packed { batch_sizes: batch_sizes.get()?.to_vec(), sorted_indices })
        })
    }
}
