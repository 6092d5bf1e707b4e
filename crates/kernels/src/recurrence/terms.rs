//! The terms in which a recurrence is asked for: the order of the steps, where sequences begin, and its products.

use ndarray::{ArrayView2, ArrayViewMut2};

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
    /// Nothing: this matrix (B, N) holds the sums of the first product, which has gates.
    Sums(ArrayView2<'a, T>),
}

/// One of the products of a step.
#[derive(Debug)]
pub enum Product<'a, 'p, 'c, T: Element> {
    /// What it carries is the product itself.
    Plain(StepProduct<'a, 'p, 'c, T>),
    /// What it carries is made of its sums by gates.
    Gated(GatedProduct<'a, 'p, 'c, T>),
}

impl<'a, 'p, 'c, T: Element> From<StepProduct<'a, 'p, 'c, T>> for Product<'a, 'p, 'c, T> {
    fn from(product: StepProduct<'a, 'p, 'c, T>) -> Self {
        Self::Plain(product)
    }
}

impl<'a, 'p, 'c, T: Element> From<GatedProduct<'a, 'p, 'c, T>> for Product<'a, 'p, 'c, T> {
    fn from(product: GatedProduct<'a, 'p, 'c, T>) -> Self {
        Self::Gated(product)
    }
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

/// A product of a step that has gates: the sums of each gate of H units, initial C + x W' + A W, go through the functions of
/// the [`Gates`]. The sums live for one step.
#[derive(Debug)]
pub struct GatedProduct<'a, 'p, 'c, T: Element> {
    /// W of each gate (K, H), or (0, H) where A has no part in its sums. A backward pass has one, (K, H).
    pub weights: &'p [Packed<'p, T>],
    /// What the sums start from, gate after gate; in place: what is kept for the backward pass holds them.
    pub initial: InitialC<'a, T>,
    /// x (rows, K') and W' of each gate (K', H), or (0, H).
    pub projection: Option<(MappedRows<'a, T>, &'p [Packed<'p, T>])>,
    /// The functions.
    pub gates: Gates<'a, 'c, T>,
}

/// What is done to the sums of a step, as `pointwise/gates.rs` has it, and the arrays of it. Rows of several gates are one
/// after the other, H columns each.
#[derive(Debug)]
pub enum Gates<'a, 'c, T: Element> {
    /// The forward pass of an LSTM, with the sums of i, f, g and o. Carries h.
    LstmForward {
        /// c (B, H) before the first step of each sequence; becomes that after the last one.
        c: ArrayViewMut2<'c, T>,
        /// Where i, f, g, o and the c before each step are kept, (rows, 5 H).
        kept: Option<ArrayViewMut2<'c, T>>,
        /// h (rows, H).
        h: MappedRowsMut<'c, T>,
    },
    /// The backward pass of an LSTM; the sums are dh. Carries dz.
    LstmBackward {
        /// What was kept.
        kept: ArrayView2<'a, T>,
        /// dc (B, H) after the last step of each sequence; becomes that before the first one.
        dc: ArrayViewMut2<'c, T>,
        /// The gradients before the functions of i, f, g and o, (rows, 4 H).
        dz: ArrayViewMut2<'c, T>,
    },
    /// The forward pass of a GRU, with the sums of r, z, the input's part of n and the state's part of n. Carries h.
    GruForward {
        /// Where r, z, n and the state's part of n are kept, (rows, 4 H).
        kept: Option<ArrayViewMut2<'c, T>>,
        /// h (rows, H).
        h: MappedRowsMut<'c, T>,
    },
    /// The backward pass of a GRU; the sums are dh without `carry`. Carries all of dz but its first H columns.
    GruBackward {
        /// What was kept.
        kept: ArrayView2<'a, T>,
        /// h (rows, H).
        h: MappedRows<'a, T>,
        /// The part of dh (B, H) that no product carries: zeros; becomes that before the first step.
        carry: ArrayViewMut2<'c, T>,
        /// The gradients before the functions of n, r and z, and of the state's part of n, (rows, 4 H).
        dz: ArrayViewMut2<'c, T>,
    },
}

/// The projection x W' of an input.
#[derive(Clone, Copy, Debug)]
pub struct Projection<'a, 'p, T: Element> {
    /// x (rows, K').
    pub x: MappedRows<'a, T>,
    /// W' (K', N).
    pub weights: &'p Packed<'p, T>,
}
