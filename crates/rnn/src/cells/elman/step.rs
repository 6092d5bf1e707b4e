//! One step of the Elman cell, with weights that are packed once.
//!
//! ```text
//! memory    W = [W_ihᵀ; W_hhᵀ] (F + H, H) in panels | b = b_ih + b_hh (H) | a = [x | h] (B, F + H)
//! step      x to a;  y = act(b + a W);  y to a as h
//! ```
//!
//! The same bits as [`super::forward`]: each element is one chain of multiply-adds, over x and then over h.

use elman_kernels::{Scalar, Stacked, Step, Unary, step};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::projection::add_biases;
use super::Elman;
use crate::Error;
use crate::cell::{CellStep, List, StepLayer, aligned};

impl<T: Scalar> CellStep<T> for Elman {
    fn step_len(&self, layer: &StepLayer<'_>) -> Option<usize> {
        let k = layer.features.checked_add(self.hidden_size)?;
        let weights = Stacked::<T>::len(layer.ctx, k, self.hidden_size).and_then(aligned::<T>)?;
        let bias = aligned::<T>(self.hidden_size)?;
        weights.checked_add(bias)?.checked_add(layer.batch.checked_mul(k)?)
    }

    fn step_pack(
        &self,
        layer: &StepLayer<'_>,
        parameters: &[ArrayView2<'_, T>],
        memory: &mut [T],
    ) -> Result<(), Error> {
        let given = self.weights(parameters);
        let memory = self.divide(layer, memory);
        Stacked::pack(layer.ctx, &[given.w_ih.t(), given.w_hh.t()], memory.weights)?;
        match given.biases {
            Some(biases) => add_biases(biases, memory.bias),
            None => memory.bias.fill(T::zero()),
        }
        Ok(())
    }

    fn step_states<'m>(&self, layer: &StepLayer<'_>, memory: &'m mut [T]) -> List<ArrayViewMut2<'m, T>> {
        List::from_iter([self.divide(layer, memory).a.split_at(Axis(1), layer.features).1])
    }

    fn step(
        &self,
        layer: &StepLayer<'_>,
        x: ArrayView2<'_, T>,
        mut y: ArrayViewMut2<'_, T>,
        descending: bool,
        memory: &mut [T],
    ) -> Result<(), Error> {
        let memory = self.divide(layer, memory);
        let mut a = memory.a;
        a.view_mut().split_at(Axis(1), layer.features).0.assign(&x);
        let one = Step {
            a: a.view(),
            weights: Stacked::new(layer.ctx, a.ncols(), self.hidden_size, memory.weights),
            bias: self.bias.then_some(&*memory.bias),
            activation: self.activation.unary().unwrap_or(Unary::Tanh), // of two, neither is the identity
            descending,
        };
        step(layer.ctx, &one, y.view_mut());
        a.split_at(Axis(1), layer.features).1.assign(&y);
        Ok(())
    }
}

/// The parts of a layer's memory.
struct Parts<'a, T> {
    weights: &'a mut [T],
    /// b (H).
    bias: &'a mut [T],
    /// a (B, F + H).
    a: ArrayViewMut2<'a, T>,
}

impl Elman {
    /// Divides memory of the elements that [`CellStep::step_len`] says, or more.
    fn divide<'a, T: Scalar>(self, layer: &StepLayer<'_>, memory: &'a mut [T]) -> Parts<'a, T> {
        let sized = "the memory is as long as `step_len` says";
        let k = layer.features + self.hidden_size;
        let used = Stacked::<T>::len(layer.ctx, k, self.hidden_size).expect(sized);
        let (weights, rest) = memory.split_at_mut(aligned::<T>(used).expect(sized));
        let (bias, rest) = rest.split_at_mut(aligned::<T>(self.hidden_size).expect(sized));
        let a = ArrayViewMut2::from_shape((layer.batch, k), &mut rest[..layer.batch * k]).expect(sized);
        Parts { weights: &mut weights[..used], bias: &mut bias[..self.hidden_size], a }
    }
}
