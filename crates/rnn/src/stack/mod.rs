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
//! cell's with `_l0`, `_l0_reverse`, `_l1`, … behind it, as in torch.
//!
//! # What is kept for the backward pass
//!
//! The outputs of all layers but the last (whose output the caller has), and what each cell wants; both go
//! into one array that the caller owns, of [`Stack::saved_len`] elements. Dropout keeps nothing: its mask is
//! computed again from the seed. For long sequences there is a second form that keeps some states and runs the
//! lower layers again ([`Stack::forward_checkpointed`]).

mod backward;
pub(crate) mod buffers;
mod forward;
mod segments;
mod stream;

use std::fmt::Display;

use elman_kernels::Scalar;
use ndarray::ArrayView2;

pub use self::backward::{Backward, Gradients};
use self::buffers::matrix;
pub use self::forward::Forward;
pub use self::stream::Stream;
use crate::cell::{Cell, List, Parameter};
use crate::{Error, Layout};

/// Dropout between layers: each element of the input of a layer above the first is zero with probability
/// `p`, else scaled by 1 / (1 - p). The mask is a function of seed, layer and element.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropout {
    /// The probability, in [0, 1]; 0 switches dropout off.
    pub p: f64,
    /// Seed of the masks of one call.
    pub seed: u64,
}

impl Dropout {
    /// The first element of layer `l`'s stream: streams of 2⁴⁸ elements do not meet.
    fn first(l: usize) -> u64 {
        (l as u64) << 48
    }

    fn check(self) -> Result<(), Error> {
        if (0.0..=1.0).contains(&self.p) { Ok(()) } else { Err(Error::Dropout(self.p.to_string())) }
    }
}

/// L layers of a cell in D directions.
#[derive(Clone, Debug)]
pub struct Stack<C> {
    cell: C,
    input_size: usize,
    layers: usize,
    directions: usize,
}

impl<C> Stack<C> {
    /// `layers` layers of `cell`, the first of which reads `input_size` features; each in both directions
    /// if `bidirectional`.
    ///
    /// # Errors
    ///
    /// If a size is 0 or a parameter would have too many elements.
    pub fn new<T: Scalar>(
        cell: C,
        input_size: usize,
        layers: usize,
        bidirectional: bool,
    ) -> Result<Self, Error>
    where
        C: Cell<T>,
    {
        let positive = |size: usize, name| if size > 0 { Ok(()) } else { Err(Error::Zero { name }) };
        positive(input_size, "input_size")?;
        positive(cell.output_size(), "hidden_size")?;
        positive(layers, "num_layers")?;
        let stack = Self { cell, input_size, layers, directions: if bidirectional { 2 } else { 1 } };
        let width = stack.cell.output_size().checked_mul(stack.directions);
        width.ok_or(Error::TooLarge { what: "the output" })?;
        for l in 0..layers.min(2) {
            for parameter in stack.cell.parameters(stack.features::<T>(l)) {
                let bytes = parameter.len().and_then(|len| len.checked_mul(size_of::<T>()));
                bytes.ok_or(Error::TooLarge { what: parameter.name })?;
            }
        }
        Ok(stack)
    }

    /// The cell of all layers.
    pub fn cell(&self) -> &C {
        &self.cell
    }

    /// Features of the input, I.
    pub fn input_size(&self) -> usize {
        self.input_size
    }

    /// Number of layers, L.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Number of directions, D.
    pub fn directions(&self) -> usize {
        self.directions
    }

    /// Features that layer `l` reads.
    fn features<T: Scalar>(&self, l: usize) -> usize
    where
        C: Cell<T>,
    {
        if l == 0 { self.input_size } else { self.width::<T>() }
    }

    /// Columns of a layer's output, D·S.
    fn width<T: Scalar>(&self) -> usize
    where
        C: Cell<T>,
    {
        self.directions * self.cell.output_size()
    }

    /// Names and shapes of all parameters, in torch's state-dict order.
    pub fn parameters<T: Scalar>(&self) -> Vec<(String, Parameter)>
    where
        C: Cell<T>,
    {
        let groups = (0..self.layers * self.directions).map(|group| (group, self.shapes(group)));
        groups
            .flat_map(|(group, shapes)| shapes.into_iter().map(move |shape| (group, shape)))
            .map(|(group, shape)| (self.name(shape, group), shape))
            .collect()
    }

    /// The parameters of layer and direction number l·D + d.
    fn shapes<T: Scalar>(&self, group: usize) -> List<Parameter>
    where
        C: Cell<T>,
    {
        self.cell.parameters(self.features::<T>(group / self.directions))
    }

    /// The name of a parameter of layer and direction number l·D + d.
    fn name(&self, parameter: Parameter, group: usize) -> String {
        let (l, d) = (group / self.directions, group % self.directions);
        format!("{}_l{l}{}", parameter.name, if d == 1 { "_reverse" } else { "" })
    }

    /// Elements of what forward keeps for backward beside the output.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if that is no number of elements.
    pub fn saved_len<T: Scalar>(&self, layout: &Layout) -> Result<usize, Error>
    where
        C: Cell<T>,
    {
        let of_layers = (self.layers - 1).checked_mul(self.width::<T>());
        let of_cells = (self.layers * self.directions).checked_mul(self.cell.saved_size());
        of_layers
            .zip(of_cells)
            .and_then(|(layers, cells)| layers.checked_add(cells))
            .and_then(|columns| columns.checked_mul(layout.steps().rows()))
            .ok_or(Error::TooLarge { what: "what is kept for the backward pass" })
    }

    /// The parameters as matrices, by layer and direction; their lengths have been checked.
    fn views<'a, T: Scalar>(&self, parameters: &[&'a [T]]) -> Vec<List<ArrayView2<'a, T>>>
    where
        C: Cell<T>,
    {
        let mut rest = parameters.iter();
        let groups = (0..self.layers * self.directions).map(|group| {
            let pairs = self.shapes::<T>(group).into_iter().zip(&mut rest);
            pairs.map(|(shape, data)| matrix(data, shape.columns)).collect()
        });
        groups.collect()
    }

    /// Checks that there is an array for each parameter, of as many elements.
    fn check_parameters<T: Scalar>(&self, mut lens: impl ExactSizeIterator<Item = usize>) -> Result<(), Error>
    where
        C: Cell<T>,
    {
        let groups = self.layers * self.directions;
        let expected = groups.saturating_mul(self.shapes::<T>(0).len());
        if lens.len() != expected {
            return Err(Error::ParameterCount { expected, actual: lens.len() });
        }
        for group in 0..groups {
            for (shape, actual) in self.shapes::<T>(group).into_iter().zip(&mut lens) {
                if shape.len() != Some(actual) {
                    let expected = shape.rows * shape.columns;
                    return Err(Error::Length { what: self.name(shape, group), expected, actual });
                }
            }
        }
        Ok(())
    }

    /// Checks that an array has `rows` · `columns` elements.
    pub(crate) fn check_len(
        what: impl Display,
        actual: usize,
        rows: usize,
        columns: usize,
    ) -> Result<(), Error> {
        match rows.checked_mul(columns) {
            Some(expected) if expected == actual => Ok(()),
            expected => Err(Error::Length {
                what: what.to_string(),
                expected: expected.unwrap_or(usize::MAX),
                actual,
            }),
        }
    }

    /// The parts of what is kept: outputs of the layers below the last, and the values of each cell.
    fn kept_sizes<T: Scalar>(&self, rows: usize) -> (usize, usize)
    where
        C: Cell<T>,
    {
        (rows * self.width::<T>(), rows * self.cell.saved_size())
    }
}
