//! What a stack is made of: its layers, their parameters, and how much it keeps.

use std::sync::Arc;

use elman_kernels::{Scalar, Steps};
use ndarray::ArrayView2;

use super::buffers::matrix;
use crate::Error;
use crate::cell::{Cell, CellSpec, List, OnnxOperator, Parameter, Shape};

/// L layers of a cell in D directions. Clones share the cell.
#[derive(Clone, Debug)]
pub struct Stack<T: Scalar> {
    pub(super) cell: Arc<dyn Cell<T>>,
    /// Of the first layer and of each other layer.
    specs: Arc<[CellSpec; 2]>,
    pub(super) input_size: usize,
    pub(super) layers: usize,
    pub(super) directions: usize,
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
            bytes.ok_or_else(|| Error::ShapeTooLarge { shape: parameter.shape.to_vec() })?;
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

    /// Elements that a pass without checkpoints keeps, or `None` if they are too many.
    pub(super) fn kept_len(&self, steps: &Steps) -> Option<usize> {
        let of_layers = (self.layers - 1).checked_mul(self.output_size())?;
        let of_cells = self.groups().checked_mul(self.spec(0).saved_size)?;
        of_layers.checked_add(of_cells)?.checked_mul(steps.rows())
    }

    /// The parts of what is kept: the outputs of a layer below the last, and the values of a cell.
    pub(super) fn kept_sizes(&self, rows: usize) -> (usize, usize) {
        (rows * self.output_size(), rows * self.spec(0).saved_size)
    }

    /// The cell's description in layer `l`; only the parameters differ among layers.
    pub(super) fn spec(&self, l: usize) -> &CellSpec {
        &self.specs[l.min(1)]
    }

    /// Features that layer `l` reads.
    pub(super) fn features(&self, l: usize) -> usize {
        if l == 0 { self.input_size } else { self.output_size() }
    }

    /// Layers times directions, L·D.
    pub(super) fn groups(&self) -> usize {
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
    pub(super) fn views<'a>(&self, parameters: &[&'a [T]]) -> Vec<List<ArrayView2<'a, T>>> {
        let mut rest = parameters.iter();
        let groups = (0..self.groups()).map(|group| {
            let pairs = self.parameters_of(group).iter().zip(&mut rest);
            pairs.map(|(parameter, data)| matrix(data, parameter.columns())).collect()
        });
        groups.collect()
    }

    /// Checks that there is one layer in one direction, as `what` needs it.
    pub(super) fn check_single(&self, what: &'static str) -> Result<(), Error> {
        let Self { layers, directions, .. } = *self;
        let expected = "1 layer in 1 direction";
        if self.groups() == 1 { Ok(()) } else { Err(Error::Form { what, expected, layers, directions }) }
    }

    /// Checks that there is one direction, as `what` needs it.
    pub(super) fn check_one_direction(&self, what: &'static str) -> Result<(), Error> {
        let Self { layers, directions, .. } = *self;
        let expected = "1 direction";
        if directions == 1 { Ok(()) } else { Err(Error::Form { what, expected, layers, directions }) }
    }

    /// Checks that there is an array for each parameter, of as many elements.
    pub(super) fn check_parameters(
        &self,
        mut lens: impl ExactSizeIterator<Item = usize>,
    ) -> Result<(), Error> {
        let expected = self.groups().saturating_mul(self.spec(0).parameters.len());
        if lens.len() != expected {
            return Err(Error::ParameterCount { expected, actual: lens.len() });
        }
        for group in 0..self.groups() {
            for (parameter, actual) in self.parameters_of(group).iter().zip(&mut lens) {
                if parameter.elements() != Some(actual) {
                    let expected = parameter.elements().unwrap_or(usize::MAX);
                    return Err(Error::Length { what: self.name(parameter, group), expected, actual });
                }
            }
        }
        Ok(())
    }
}
