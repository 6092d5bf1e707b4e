//! One step of the Elman cell, with weights that are packed once.
//!
//! ```text
//! memory    W = [W_ihᵀ; W_hhᵀ] (F + H, H) in panels | b = b_ih + b_hh (H) | a = [x | h] (B, F + H)
//! step      x to a;  y = act(b + a W);  y to a as h
//! ```
//!
//! The same bits as [`super::forward`]: each element is one chain of multiply-adds, over x and then over h.

use elman_kernels::{Scalar, Stacked, Step, step};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::projection::{add_biases, matrix};
use super::Elman;
use crate::Error;
use crate::cell::{CellStep, List, StepLayer, parts, parts_len};

impl<T: Scalar> CellStep<T> for Elman {
    fn step_len(&self, layer: &StepLayer<'_>) -> Option<usize> {
        parts_len::<T, 3>(self.lens::<T>(layer)?)
    }

    fn step_pack(
        &self,
        layer: &StepLayer<'_>,
        parameters: &[ArrayView2<'_, T>],
        memory: &mut [T],
    ) -> Result<(), Error> {
        let given = self.weights(parameters);
        let [weights, bias, _] = self.divide(layer, memory);
        Stacked::pack(layer.ctx, &[given.w_ih.t(), given.w_hh.t()], weights)?;
        match given.biases {
            Some(biases) => add_biases(biases, bias),
            None => bias.fill(T::zero()),
        }
        Ok(())
    }

    fn step_states<'m>(&self, layer: &StepLayer<'_>, memory: &'m mut [T]) -> List<ArrayViewMut2<'m, T>> {
        let [.., a] = self.divide(layer, memory);
        let a = matrix(a, layer.batch, layer.features + self.hidden_size);
        List::from_iter([a.split_at(Axis(1), layer.features).1])
    }

    fn step(
        &self,
        layer: &StepLayer<'_>,
        x: ArrayView2<'_, T>,
        mut y: ArrayViewMut2<'_, T>,
        descending: bool,
        memory: &mut [T],
    ) -> Result<(), Error> {
        let [weights, bias, a] = self.divide(layer, memory);
        let mut a = matrix(a, layer.batch, layer.features + self.hidden_size);
        a.view_mut().split_at(Axis(1), layer.features).0.assign(&x);
        let one = Step {
            a: a.view(),
            weights: Stacked::new(layer.ctx, a.ncols(), self.hidden_size, weights),
            bias: self.bias.then_some(&*bias),
            activation: self.activation,
            descending,
        };
        step(layer.ctx, &one, y.view_mut());
        a.split_at(Axis(1), layer.features).1.assign(&y);
        Ok(())
    }
}

impl Elman {
    /// Elements of W, b and a.
    fn lens<T: Scalar>(self, layer: &StepLayer<'_>) -> Option<[usize; 3]> {
        let k = layer.features.checked_add(self.hidden_size)?;
        let weights = Stacked::<T>::len(layer.ctx, k, self.hidden_size)?;
        Some([weights, self.hidden_size, layer.batch.checked_mul(k)?])
    }

    /// W, b and a in a layer's memory.
    fn divide<'a, T: Scalar>(self, layer: &StepLayer<'_>, memory: &'a mut [T]) -> [&'a mut [T]; 3] {
        parts(self.lens::<T>(layer).expect("`step_len` has counted them"), memory)
    }
}
