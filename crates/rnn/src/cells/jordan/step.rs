//! One step of the Jordan cell, with weights that are packed once.
//!
//! ```text
//! memory    W = [W_ihᵀ; W_yhᵀ] (F + O, H) in panels | b = b_ih + b_yh (H) | V = W_hyᵀ (H, O) in panels | b_hy (O)
//!           h (B, H) | a = [x | y] (B, F + O)
//! step      x to a;  h = act(b + a W);  y = g(b_hy + h V);  y to a
//! ```
//!
//! The same bits as [`super::forward`]: each element is one chain of multiply-adds.

use elman_kernels::{Scalar, Stacked, Step, step};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::projection::{add_biases, matrix};
use super::Jordan;
use crate::Error;
use crate::cell::{CellStep, List, StepLayer, parts, parts_len};

impl<T: Scalar> CellStep<T> for Jordan {
    fn step_len(&self, layer: &StepLayer<'_>) -> Option<usize> {
        parts_len::<T, 6>(self.lens::<T>(layer)?)
    }

    fn step_pack(
        &self,
        layer: &StepLayer<'_>,
        parameters: &[ArrayView2<'_, T>],
        memory: &mut [T],
    ) -> Result<(), Error> {
        let given = self.weights(parameters);
        let [w, b, v, b_hy, ..] = self.divide(layer, memory);
        Stacked::pack(layer.ctx, &[given.w_ih.t(), given.w_yh.t()], w)?;
        Stacked::pack(layer.ctx, &[given.w_hy.t()], v)?;
        match given.biases {
            Some([b_ih, b_yh, given]) => {
                add_biases([b_ih, b_yh], b);
                b_hy.iter_mut().zip(given.row(0)).for_each(|(b, &given)| *b = given);
            }
            None => {
                b.fill(T::zero());
                b_hy.fill(T::zero());
            }
        }
        Ok(())
    }

    fn step_states<'m>(&self, layer: &StepLayer<'_>, memory: &'m mut [T]) -> List<ArrayViewMut2<'m, T>> {
        let [.., a] = self.divide(layer, memory);
        let a = matrix(a, layer.batch, layer.features + self.output_size);
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
        let (ctx, hidden_size, output_size) = (layer.ctx, self.hidden_size, self.output_size);
        let [w, b, v, b_hy, h, a] = self.divide(layer, memory);
        let mut a = matrix(a, layer.batch, layer.features + output_size);
        let mut h = matrix(h, layer.batch, hidden_size);
        a.view_mut().split_at(Axis(1), layer.features).0.assign(&x);
        let first = Step {
            a: a.view(),
            weights: Stacked::new(ctx, a.ncols(), hidden_size, w),
            bias: self.bias.then_some(&*b),
            activation: self.activation,
            descending,
        };
        step(ctx, &first, h.view_mut());
        let second = Step {
            a: h.view(),
            weights: Stacked::new(ctx, hidden_size, output_size, v),
            bias: self.bias.then_some(&*b_hy),
            activation: self.output_activation,
            descending,
        };
        step(ctx, &second, y.view_mut());
        a.split_at(Axis(1), layer.features).1.assign(&y);
        Ok(())
    }
}

impl Jordan {
    /// Elements of W, b, V, `b_hy`, h and a.
    fn lens<T: Scalar>(self, layer: &StepLayer<'_>) -> Option<[usize; 6]> {
        let Self { hidden_size: h, output_size: o, .. } = self;
        let k = layer.features.checked_add(o)?;
        let v = Stacked::<T>::len(layer.ctx, h, o)?;
        let (in_h, in_a) = (layer.batch.checked_mul(h)?, layer.batch.checked_mul(k)?);
        Some([Stacked::<T>::len(layer.ctx, k, h)?, h, v, o, in_h, in_a])
    }

    /// W, b, V, `b_hy`, h and a in a layer's memory.
    fn divide<'a, T: Scalar>(self, layer: &StepLayer<'_>, memory: &'a mut [T]) -> [&'a mut [T]; 6] {
        parts(self.lens::<T>(layer).expect("`step_len` has counted them"), memory)
    }
}
