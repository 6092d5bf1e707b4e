//! The terms in which a recurrence is asked for: the order of the steps, where sequences begin, and its products.

use ndarray::ArrayView2;

use crate::gemm::pack::Packed;
use crate::gemm::terms::{Epilogue, InitialC};
use crate::rows::row_map::{MappedRows, MappedRowsMut};
use crate::rows::steps::Steps;
use crate::simd::element::Element;

/// A recurrence over the rows of `steps`.
#[derive(Clone, Copy, Debug)]
pub struct Recurrence<'a, T> {
    /// The rows of each step.
    pub steps: &'a Steps,
    /// The order of the steps.
    pub order: Order,
    /// Where sequences begin.
    pub start: Start<'a, T>,
}

/// The order in which the steps are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first step to the last.
    Ascending,
    /// From the last step to the first; a sequence begins at its own last step.
    Descending,
}

/// What the first product multiplies where a sequence begins.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, T> {
    /// A state (B, K) in the place of the step before.
    State(ArrayView2<'a, T>),
    /// Nothing: the target holds that row already, and only the epilogue is applied.
    Prepared,
}

/// One product of a step: C = f(initial C + x W' + A W). A is what the product before it in the step carries; for the first
/// product, what the last one carries from the step before.
#[derive(Debug)]
pub struct StepProduct<'a, 'p, 'c, T: Element> {
    /// W (K, N).
    pub weights: &'p Packed<'p, T>,
    /// What C starts from.
    pub initial: InitialC<'a, T>,
    /// x W', computed in each step: the same bits as [`gemm`](crate::gemm()) into the target and [`InitialC::InPlace`], without
    /// a matrix that goes to memory and back in between.
    pub projection: Option<Projection<'a, 'p, T>>,
    /// f.
    pub epilogue: Epilogue<MappedRows<'a, T>>,
    /// C (rows, N), any row stride.
    pub target: MappedRowsMut<'c, T>,
}

/// The projection x W' of an input.
#[derive(Clone, Copy, Debug)]
pub struct Projection<'a, 'p, T: Element> {
    /// x (rows, K').
    pub x: MappedRows<'a, T>,
    /// W' (K', N).
    pub weights: &'p Packed<'p, T>,
}
