//! What a recurrent cell offers to the stack.
//!
//! A cell turns the rows x (N, F) of one layer and direction into outputs y (N, S), given the states before
//! the first steps. Each pass has a *batched* part, large matrix products over all rows at once, and a
//! *recurrent* part, the loop over time. The stack runs the recurrent parts of both directions at the same time
//! and gives the batched parts all threads.
//!
//! ```text
//! forward    project           everything about x that does not wait for the states
//!            recur             the loop over time: states, outputs
//! backward   recur_backward    the loop against time: dz, the gradients before the activations; dstates
//!            project_backward  dx and the gradients of the parameters, from dz
//! stream     step              one step, with parameters that are packed once
//! ```
//!
//! Input, output and their gradients may be the caller's arrays, with [`RowMap`](elman_kernels::RowMap) for their rows;
//! a cell hands these on to the kernels.
//!
//! [`CellSpec`] describes a cell to the stack, which never looks into parameters, saved values, dz or the memory of a step.

use std::fmt;

use arrayvec::ArrayVec;
use elman_kernels::{CACHE_LINE, Context, MappedRows, MappedRowsMut, Scalar, Steps};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Error;
use crate::pass::Pass;

/// As many items as a cell has parameters or states, or a layer directions: at most six. The items are stored inline,
/// since a heap allocation takes as long as a small step of a network.
pub type List<T> = ArrayVec<T, 6>;

/// The sizes of a parameter's dimensions: two of a matrix, one of a bias.
pub type Shape = ArrayVec<usize, 2>;

/// A parameter's name (without the suffix of layer and direction) and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As in torch: `weight_ih`, `bias_hh`, ….
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
}

impl Parameter {
    /// A matrix.
    pub fn matrix(name: &'static str, rows: usize, columns: usize) -> Self {
        Self { name, shape: [rows, columns].into() }
    }

    /// A bias.
    pub fn bias(name: &'static str, len: usize) -> Self {
        Self { name, shape: [len].into_iter().collect() }
    }

    /// Number of elements, or `None` if it is too large.
    pub fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
    }

    /// Columns as a matrix; a bias is a matrix of one row.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// What the stack knows of a cell. Only the parameters depend on the input size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellSpec {
    /// The parameters, in torch's order.
    pub parameters: List<Parameter>,
    /// Columns of each state: one state for Elman, two (h and c) for LSTM.
    pub states: List<usize>,
    /// Columns S of the output.
    pub output_size: usize,
    /// Elements a row that are kept for the backward pass, in addition to input and output.
    pub saved_size: usize,
    /// Columns of dz.
    pub gate_size: usize,
    /// Multiply-adds of a row in the loop over time.
    pub macs: usize,
    /// Whether the output is the only state, so that a teacher's outputs can replace it.
    pub teachable: bool,
}

/// What every pass over a layer and direction reads.
#[derive(Clone, Copy, Debug)]
pub struct CellInputs<'a, T: Scalar> {
    /// The rows and their order in time.
    pub pass: Pass<'a>,
    /// The parameters, in the order of [`CellSpec::parameters`]; a bias is a matrix of one row.
    pub parameters: &'a [ArrayView2<'a, T>],
    /// The input x (N, F).
    pub x: MappedRows<'a, T>,
    /// The initial states, one (B, size) for each of [`CellSpec::states`].
    pub states: &'a [ArrayView2<'a, T>],
}

/// What a forward pass writes.
#[derive(Debug)]
pub struct CellOutputs<'a, T: Scalar> {
    /// The output y (N, S).
    pub y: MappedRowsMut<'a, T>,
    /// What is kept for the backward pass (N, [`CellSpec::saved_size`]); (N, 0) where no backward pass will follow and
    /// [`CellForward::needs_saved`] says no.
    pub saved: ArrayViewMut2<'a, T>,
    /// The final states, shaped as the initial ones.
    pub states_n: List<ArrayViewMut2<'a, T>>,
}

/// What a backward pass reads of the results of the forward pass.
#[derive(Debug)]
pub struct CellResults<'a, T: Scalar> {
    /// The output y (N, S).
    pub y: MappedRows<'a, T>,
    /// What was kept (N, [`CellSpec::saved_size`]).
    pub saved: ArrayView2<'a, T>,
}

/// The gradients of what a forward pass writes.
#[derive(Debug)]
pub struct UpstreamGradients<'a, T: Scalar> {
    /// dy (N, S), or `None` if it is 0.
    pub dy: Option<MappedRows<'a, T>>,
    /// The gradients of the final states, each `None` if it is 0.
    pub dstates_n: List<Option<ArrayView2<'a, T>>>,
}

/// What the batched part of a backward pass writes.
#[derive(Debug)]
pub struct CellGradients<'a, T: Scalar> {
    /// dx (N, F), if wanted.
    pub dx: Option<MappedRowsMut<'a, T>>,
    /// Whether to add to what dx holds, as the second direction does.
    pub add_dx: bool,
    /// The gradients of the parameters, in their order, if wanted.
    pub dparameters: Option<List<ArrayViewMut2<'a, T>>>,
}

/// A recurrent cell.
pub trait Cell<T: Scalar>: CellForward<T> + CellBackward<T> + CellStep<T> + fmt::Debug + Send + Sync {
    /// The description of the cell for an input of `input_size` features.
    fn spec(&self, input_size: usize) -> CellSpec;

    /// The ONNX operator of a layer of this cell, or `None` if ONNX has none.
    fn onnx(&self) -> Option<OnnxOperator>;
}

/// The forward pass of a cell.
pub trait CellForward<T: Scalar> {
    /// Whether the pass needs room for what is kept also where no backward pass will follow.
    fn needs_saved(&self, _steps: &Steps) -> bool {
        true
    }

    /// The batched part.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn project(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error>;

    /// The recurrent part, after [`CellForward::project`].
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn recur(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        outputs: &mut CellOutputs<'_, T>,
    ) -> Result<(), Error>;
}

/// The backward pass of a cell.
pub trait CellBackward<T: Scalar> {
    /// The recurrent part: writes dz (N, [`CellSpec::gate_size`]) and the gradients of those initial states for which
    /// they are wanted.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn recur_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        upstream: &UpstreamGradients<'_, T>,
        dz: ArrayViewMut2<'_, T>,
        dstates: List<Option<ArrayViewMut2<'_, T>>>,
    ) -> Result<(), Error>;

    /// The batched part; `dz` is what [`CellBackward::recur_backward`] wrote.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn project_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        dz: ArrayView2<'_, T>,
        gradients: CellGradients<'_, T>,
    ) -> Result<(), Error>;
}

/// One step of a cell, for [`crate::Stream`]. A layer's parameters and states lie in one array, which the cell divides as
/// it likes; [`parts`] helps.
pub trait CellStep<T: Scalar> {
    /// Elements of memory for a layer, or `None` if they are too many.
    fn step_len(&self, layer: &StepLayer<'_>) -> Option<usize>;

    /// Packs the parameters into `memory`.
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

    /// The states in `memory`, one (B, size) for each of [`CellSpec::states`], to read and to write.
    fn step_states<'m>(&self, layer: &StepLayer<'_>, memory: &'m mut [T]) -> List<ArrayViewMut2<'m, T>>;

    /// Reads x (B, F) and the states in `memory`, writes y (B, S) and the new states. With `descending`, weights are read
    /// from the last to the first; that changes no bit.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    fn step(
        &self,
        layer: &StepLayer<'_>,
        x: ArrayView2<'_, T>,
        y: ArrayViewMut2<'_, T>,
        descending: bool,
        memory: &mut [T],
    ) -> Result<(), Error>;
}

/// What a cell reads about the layer of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepLayer<'a> {
    /// Instruction set and threads.
    pub ctx: &'a Context,
    /// F, the features of x.
    pub features: usize,
    /// B.
    pub batch: usize,
}

/// An ONNX operator for a layer, whose inputs are made from the parameters: W from the first, R from the second, B from
/// the other two, if there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxOperator {
    /// Its name, `RNN`.
    pub name: &'static str,
    /// Its attribute `hidden_size`.
    pub hidden_size: usize,
    /// Its attribute `activations`, of one direction.
    pub activations: List<&'static str>,
    /// The number of each of ONNX's gates among the cell's, in ONNX's order.
    pub gates: List<usize>,
    /// Further attributes.
    pub attributes: List<(&'static str, i64)>,
    /// Whether there are biases.
    pub bias: bool,
}

/// `len` elements in whole cache lines, or `None` if they are too many.
pub(crate) fn aligned<T>(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(CACHE_LINE / size_of::<T>())
}

/// Elements of memory for parts of these lengths, each in whole cache lines, or `None` if they are too many.
pub fn parts_len<T, const N: usize>(lens: [usize; N]) -> Option<usize> {
    lens.into_iter().try_fold(0usize, |sum, len| sum.checked_add(aligned::<T>(len)?))
}

/// Divides memory of [`parts_len`] elements, or more, into these parts.
///
/// # Panics
///
/// If it is shorter.
pub fn parts<T, const N: usize>(lens: [usize; N], mut memory: &mut [T]) -> [&mut [T]; N] {
    lens.map(|len| {
        let stored = aligned::<T>(len).unwrap_or(usize::MAX);
        let (part, rest) = std::mem::take(&mut memory).split_at_mut(stored);
        memory = rest;
        &mut part[..len]
    })
}
