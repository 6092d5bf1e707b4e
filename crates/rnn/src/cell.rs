//! What a recurrent cell offers to the stack.
//!
//! A cell turns the rows x (N, F) of one layer and direction into outputs y (N, S), given the states before
//! the first steps. Each pass has a *batched* part, large matrix products over all rows at once, and a
//! *recurrent* part, the loop over time. The stack runs the recurrent parts of both directions beside each
//! other and gives the batched parts all threads.
//!
//! ```text
//! forward    project           everything about x that does not wait for the states
//!            recur             the loop over time: states, outputs
//! backward   recur_backward    the loop against time: dz, the gradients before the activations; dstates
//!            project_backward  dx and the gradients of the parameters, from dz
//! ```
//!
//! A cell that can also be run one step at a time, with parameters that are laid out once, is a [`StepCell`].
//!
//! Input, output and their gradients may be the caller's arrays, with [`Places`](elman_kernels::Places) for their rows;
//! a cell hands these on to the kernels.
//!
//! The stack never looks into parameters, saved values or dz: how many gates a cell has is its own affair.

use arrayvec::ArrayVec;
use elman_kernels::{CACHE_LINE, Context, Placed, Scalar, Target};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Error;
use crate::pass::Pass;

/// As many items as a cell has parameters or states, or a layer directions: at most six. They are in no memory of their
/// own, since to get some takes as long as a small step of a network.
pub type List<T> = ArrayVec<T, 6>;

/// A parameter's name (without the suffix of layer and direction) and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As in torch: `weight_ih`, `bias_hh`, ….
    pub name: &'static str,
    /// Rows; 1 for a bias.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

impl Parameter {
    /// Number of elements, or `None` if that is no number of elements.
    pub fn len(&self) -> Option<usize> {
        self.rows.checked_mul(self.columns)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }
}

/// What every pass over a layer and direction reads.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a, T: Scalar> {
    /// The rows and their order in time.
    pub pass: Pass<'a>,
    /// The parameters, in the order of [`Cell::parameters`]; a bias is a matrix of one row.
    pub parameters: &'a [ArrayView2<'a, T>],
    /// The input x (N, F).
    pub x: Placed<'a, T>,
    /// The initial states, one (B, size) for each of [`Cell::state_sizes`].
    pub states: &'a [ArrayView2<'a, T>],
}

/// What a forward pass writes.
#[derive(Debug)]
pub struct Made<'a, T: Scalar> {
    /// The output y (N, S).
    pub y: Target<'a, T>,
    /// What the cell keeps for its backward pass (N, [`Cell::saved_size`]).
    pub saved: ArrayViewMut2<'a, T>,
    /// The final states, shaped as the initial ones.
    pub states_n: List<ArrayViewMut2<'a, T>>,
}

/// What a forward pass has left, and the gradients that come from above.
#[derive(Debug)]
pub struct Above<'a, T: Scalar> {
    /// The output y (N, S) of the forward pass.
    pub y: Placed<'a, T>,
    /// What the cell kept (N, [`Cell::saved_size`]).
    pub saved: ArrayView2<'a, T>,
    /// dy (N, S), or `None` if it is 0.
    pub dy: Option<Placed<'a, T>>,
    /// The gradients of the final states, each `None` if it is 0.
    pub dstates_n: List<Option<ArrayView2<'a, T>>>,
}

/// What the batched part of a backward pass writes.
#[derive(Debug)]
pub struct Below<'a, T: Scalar> {
    /// dx (N, F), if wanted.
    pub dx: Option<Target<'a, T>>,
    /// Whether to add to what dx holds: the second direction does.
    pub add_dx: bool,
    /// The gradients of the parameters, in their order, if wanted.
    pub dparameters: Option<List<ArrayViewMut2<'a, T>>>,
}

/// A recurrent cell.
pub trait Cell<T: Scalar>: Sync {
    /// Its parameters for an input of `input_size` features, in torch's order.
    fn parameters(&self, input_size: usize) -> List<Parameter>;

    /// Columns S of its output.
    fn output_size(&self) -> usize;

    /// Columns of each of its states: one for Elman, two (h and c) for LSTM.
    fn state_sizes(&self) -> List<usize>;

    /// Elements per row that it keeps for its backward pass beside its input and output.
    fn saved_size(&self) -> usize;

    /// Columns of dz.
    fn gate_size(&self) -> usize;

    /// The batched part of the forward pass.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn project(&self, ctx: &Context, given: &Given<'_, T>, made: &mut Made<'_, T>) -> Result<(), Error>;

    /// The recurrent part of the forward pass; [`Cell::project`] has run.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn recur(&self, ctx: &Context, given: &Given<'_, T>, made: &mut Made<'_, T>) -> Result<(), Error>;

    /// The recurrent part of the backward pass: writes dz (N, [`Cell::gate_size`]) and, if wanted, the
    /// gradients of the initial states.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn recur_backward(
        &self,
        ctx: &Context,
        given: &Given<'_, T>,
        above: &Above<'_, T>,
        dz: ArrayViewMut2<'_, T>,
        dstates: Option<List<ArrayViewMut2<'_, T>>>,
    ) -> Result<(), Error>;

    /// The batched part of the backward pass; `dz` is what [`Cell::recur_backward`] wrote.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn project_backward(
        &self,
        ctx: &Context,
        given: &Given<'_, T>,
        above: &Above<'_, T>,
        dz: ArrayView2<'_, T>,
        below: Below<'_, T>,
    ) -> Result<(), Error>;
}

/// A cell that can go on by one step at a time, for [`crate::Stream`].
///
/// Its memory is one array for each layer, which it divides as it likes; [`aligned`] helps.
pub trait StepCell<T: Scalar>: Cell<T> {
    /// Elements of memory for a layer, or `None` if that is no number of elements.
    fn step_len(&self, layer: &StepLayer<'_>) -> Option<usize>;

    /// Lays the parameters out in `memory`.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn step_pack(
        &self,
        layer: &StepLayer<'_>,
        parameters: &[ArrayView2<'_, T>],
        memory: &mut [T],
    ) -> Result<(), Error>;

    /// Sets state number `index` of [`Cell::state_sizes`] to `state` (B, size), or to 0.
    fn step_reset(
        &self,
        layer: &StepLayer<'_>,
        index: usize,
        state: Option<ArrayView2<'_, T>>,
        memory: &mut [T],
    );

    /// Reads x (B, F) and the states in `memory`, writes y (B, S) and the new states.
    fn step(
        &self,
        layer: &StepLayer<'_>,
        x: ArrayView2<'_, T>,
        y: ArrayViewMut2<'_, T>,
        descending: bool,
        memory: &mut [T],
    );
}

/// What a cell has to know of the layer that it takes a step in.
#[derive(Clone, Copy, Debug)]
pub struct StepLayer<'a> {
    /// Instruction set and threads.
    pub ctx: &'a Context,
    /// F, the features that it reads.
    pub features: usize,
    /// B.
    pub batch: usize,
}

/// `len` elements in whole cache lines.
pub fn aligned<T>(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(CACHE_LINE / size_of::<T>())
}
