//! Layers and directions over a cell.
//!
//! ```text
//! y_0 = x
//! for l in 0..L
//!   for each direction d:  y_l[.., d] = cell(x_l) with x_l = x for l = 0, else dropout(y_{l-1})
//! output = y_{L-1};  h_n[l·D + d] = the final state of layer l, direction d
//! ```
//!
//! Layer 0 reads F = I features, the others the D·S outputs of the layer below. Parameters are numbered layer
//! by layer, in each layer first all of the forward direction and then all of the reverse one; a name is the
//! cell's with `_l0`, `_l0_reverse`, `_l1`, … appended, as in torch, or the cell's alone if the stack is *bare*.
//!
//! # What is kept for the backward pass
//!
//! The outputs of all layers but the last (the caller has that one), and what each cell wants; both go
//! into one array that the caller owns, of [`Stack::saved_len`] elements. Dropout keeps nothing: its mask is
//! computed again from the seed. For long sequences `recomputation` keeps some states and runs the lower layers again.

mod backward;
mod buffers;
mod call;
mod forward;
mod recomputation;
mod stream;
mod teacher_forcing;

use std::num::NonZeroUsize;
use std::sync::Arc;

use elman_kernels::{Scalar, Steps};
use ndarray::ArrayView2;

use self::buffers::matrix;
pub use self::call::{Backward, Dropout, Forward, Gradients, Inputs};
pub use self::stream::Stream;
use crate::cell::{Cell, CellSpec, List, OnnxOperator, Parameter, Shape};
use crate::{Error, Layout};

/// L layers of a cell in D directions. Clones share the cell.
#[derive(Clone, Debug)]
pub struct Stack<T: Scalar> {
    cell: Arc<dyn Cell<T>>,
    /// Of the first layer and of each other layer.
    specs: Arc<[CellSpec; 2]>,
    input_size: usize,
    layers: usize,
    directions: usize,
    /// Whether names of parameters are without layer and direction.
    bare: bool,
}

impl<T: Scalar> Stack<T> {
    /// `layers` layers of `cell`, the first of which reads `input_size` features; each in both directions
    /// if `bidirectional`. The names of parameters are without layer and direction if `bare`.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a parameter would have too many elements, or there are bare names in more than one layer and
    /// direction.
    pub fn new(
        cell: Arc<dyn Cell<T>>,
        input_size: usize,
        layers: usize,
        bidirectional: bool,
        bare: bool,
    ) -> Result<Self, Error> {
        for (name, size) in [("inputSize", input_size), ("numLayers", layers)] {
            if size == 0 {
                return Err(Error::Zero { name });
            }
        }
        let directions = if bidirectional { 2 } else { 1 };
        let first = cell.spec(input_size);
        let width = first.output_size.checked_mul(directions);
        let upper = cell.spec(width.ok_or(Error::TooLarge { what: "the output" })?);
        for parameter in first.parameters.iter().chain(upper.parameters.iter().filter(|_| layers > 1)) {
            let bytes = parameter.elements().and_then(|len| len.checked_mul(size_of::<T>()));
            bytes.ok_or_else(|| Error::ShapeTooLarge { shape: parameter.shape.clone() })?;
        }
        let stack = Self { cell, specs: Arc::new([first, upper]), input_size, layers, directions, bare };
        if bare {
            stack.check_single("bare names of parameters")?
        }
        Ok(stack)
    }

    /// Features of the input, I.
    pub fn input_size(&self) -> usize {
        self.input_size
    }

    /// Columns of the output, D·S, and of each layer's output.
    pub fn output_size(&self) -> usize {
        self.directions * self.spec(0).output_size
    }

    /// Columns of each state of the cell.
    pub fn state_sizes(&self) -> &[usize] {
        &self.spec(0).states
    }

    /// Number of layers, L.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Number of directions, D.
    pub fn directions(&self) -> usize {
        self.directions
    }

    /// Names and shapes of all parameters, in torch's state-dict order.
    pub fn parameters(&self) -> Vec<(String, Shape)> {
        let of_group = |group| self.parameters_of(group).iter().map(move |one| (group, one));
        let all = (0..self.groups()).flat_map(of_group);
        all.map(|(group, one)| (self.name(one, group), one.shape.clone())).collect()
    }

    /// Whether the cell is one for teacher forcing; [`Stack::saved_len`] has the other conditions.
    pub fn teachable(&self) -> bool {
        self.spec(0).teachable
    }

    /// The ONNX operator of a layer, or `None` if ONNX has none.
    pub fn onnx(&self) -> Option<OnnxOperator> {
        self.cell.onnx()
    }

    /// Elements that forward keeps for backward in addition to the output: with checkpoints of the states if
    /// `checkpoint_every`, with a teacher if `taught`.
    ///
    /// # Errors
    ///
    /// If the stack cannot run so, or there would be too many elements.
    pub fn saved_len(
        &self,
        layout: &Layout,
        checkpoint_every: Option<NonZeroUsize>,
        taught: bool,
    ) -> Result<usize, Error> {
        let single_steps;
        let steps = if taught {
            self.check_teachable()?;
            single_steps = Steps::unordered(layout.steps().rows());
            &single_steps
        } else {
            layout.steps()
        };
        let len = match checkpoint_every {
            Some(every) => self.checkpoints_len(steps, every)?,
            None => self.kept_len(steps),
        };
        len.ok_or(Error::TooLarge { what: "what is kept for the backward pass" })
    }

    /// Elements that a pass without checkpoints keeps, or `None` if they are too many.
    fn kept_len(&self, steps: &Steps) -> Option<usize> {
        let of_layers = (self.layers - 1).checked_mul(self.output_size())?;
        let of_cells = self.groups().checked_mul(self.spec(0).saved_size)?;
        of_layers.checked_add(of_cells)?.checked_mul(steps.rows())
    }

    /// The parts of what is kept: the outputs of a layer below the last, and the values of a cell.
    fn kept_sizes(&self, rows: usize) -> (usize, usize) {
        (rows * self.output_size(), rows * self.spec(0).saved_size)
    }

    /// The cell's description in layer `l`; only the parameters differ among layers.
    fn spec(&self, l: usize) -> &CellSpec {
        &self.specs[l.min(1)]
    }

    /// Features that layer `l` reads.
    fn features(&self, l: usize) -> usize {
        if l == 0 { self.input_size } else { self.output_size() }
    }

    /// Layers times directions, L·D.
    fn groups(&self) -> usize {
        self.layers * self.directions
    }

    /// The parameters of layer and direction number l·D + d.
    fn parameters_of(&self, group: usize) -> &[Parameter] {
        &self.spec(group / self.directions).parameters
    }

    /// The name of a parameter of layer and direction number l·D + d.
    fn name(&self, parameter: &Parameter, group: usize) -> String {
        if self.bare {
            return parameter.name.to_owned();
        }
        let (l, d) = (group / self.directions, group % self.directions);
        format!("{}_l{l}{}", parameter.name, if d == 1 { "_reverse" } else { "" })
    }

    /// The parameters as matrices, by layer and direction; their lengths have been checked.
    fn views<'a>(&self, parameters: &[&'a [T]]) -> Vec<List<ArrayView2<'a, T>>> {
        let mut rest = parameters.iter();
        let groups = (0..self.groups()).map(|group| {
            let pairs = self.parameters_of(group).iter().zip(&mut rest);
            pairs.map(|(parameter, data)| matrix(data, parameter.columns())).collect()
        });
        groups.collect()
    }

    /// Checks that there is one layer in one direction, as `what` needs it.
    fn check_single(&self, what: &'static str) -> Result<(), Error> {
        let Self { layers, directions, .. } = *self;
        let expected = "1 layer in 1 direction";
        if self.groups() == 1 { Ok(()) } else { Err(Error::Form { what, expected, layers, directions }) }
    }

    /// Checks that there is one direction, as `what` needs it.
    fn check_one_direction(&self, what: &'static str) -> Result<(), Error> {
        let Self { layers, directions, .. } = *self;
        let expected = "1 direction";
        if directions == 1 { Ok(()) } else { Err(Error::Form { what, expected, layers, directions }) }
    }
}
