//! One step of the GRU cell, with weights that are packed once.
//!
//! ```text
//! memory    of r and z [W_ihᵀ; W_hhᵀ] (F + H, H), of n W_inᵀ (F, H) and W_hnᵀ (H, H), in panels | b (4 H)
//!           a = [x | h] (B, F + H) | the sums of the gates (B, 4 H)
//! step      x to a;  the gates of b + a W;  h to a
//! ```
//!
//! The same bits as [`super::forward`].

use elman_kernels::{GatedStep, Scalar, Stacked, StepCell, StepGate, gated_step};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::gates::{add_biases, gate};
use super::super::projection::matrix;
use super::{Gru, OF_H, OF_X};
use crate::Error;
use crate::cell::{CellStep, List, StepLayer, parts, parts_len};

impl<T: Scalar> CellStep<T> for Gru {
    fn step_len(&self, layer: &StepLayer<'_>) -> Option<usize> {
        parts_len::<T, 7>(self.lens::<T>(layer)?)
    }

    fn step_pack(
        &self,
        layer: &StepLayer<'_>,
        parameters: &[ArrayView2<'_, T>],
        memory: &mut [T],
    ) -> Result<(), Error> {
        let (given, units) = (self.weights(parameters), self.hidden_size);
        let [r, z, x, m, b, ..] = self.divide(layer, memory);
        for (sum, to) in [r, z, x, m].into_iter().enumerate() {
            let of_x = OF_X[sum].map(|index| gate(given.w_ih, units, index));
            let of_h = OF_H[sum].map(|index| gate(given.w_hh, units, index));
            let parts: List<_> = of_x.into_iter().chain(of_h).map(|w| w.reversed_axes()).collect();
            Stacked::pack(layer.ctx, &parts, to)?;
        }
        add_biases(b, units, self.biases(parameters));
        Ok(())
    }

    fn step_states<'m>(&self, layer: &StepLayer<'_>, memory: &'m mut [T]) -> List<ArrayViewMut2<'m, T>> {
        let [.., a, _] = self.divide(layer, memory);
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
        let (ctx, units, batch, features) = (layer.ctx, self.hidden_size, layer.batch, layer.features);
        let [r, z, of_x, of_h, b, a, sums] = self.divide(layer, memory);
        let mut a = matrix(a, batch, features + units);
        a.view_mut().split_at(Axis(1), features).0.assign(&x);
        let gate = |w, k, column| StepGate { weights: Stacked::new(ctx, k, units, w), column };
        let one = GatedStep {
            a: a.view(),
            gates: [
                gate(&*r, features + units, 0),
                gate(&*z, features + units, 0),
                gate(&*of_x, features, 0),
                gate(&*of_h, units, features),
            ],
            bias: self.bias.then_some(&*b),
            cell: StepCell::Gru(features),
            descending,
        };
        gated_step(ctx, one, matrix(sums, batch, 4 * units), y.view_mut());
        a.split_at(Axis(1), features).1.assign(&y);
        Ok(())
    }
}

impl Gru {
    /// Elements of the weights of r, z and both parts of n, of b, a and the sums.
    fn lens<T: Scalar>(self, layer: &StepLayer<'_>) -> Option<[usize; 7]> {
        let h = self.hidden_size;
        let k = layer.features.checked_add(h)?;
        let len = |k| Stacked::<T>::len(layer.ctx, k, h);
        let sums = layer.batch.checked_mul(h)?.checked_mul(4)?;
        let in_a = layer.batch.checked_mul(k)?;
        Some([len(k)?, len(k)?, len(layer.features)?, len(h)?, h.checked_mul(4)?, in_a, sums])
    }

    /// These parts of a layer's memory.
    fn divide<'a, T: Scalar>(self, layer: &StepLayer<'_>, memory: &'a mut [T]) -> [&'a mut [T]; 7] {
        parts(self.lens::<T>(layer).expect("`step_len` has counted them"), memory)
    }
}
