//! One step of the LSTM cell, with weights that are packed once.
//!
//! ```text
//! memory    of each gate [W_ihᵀ; W_hhᵀ] (F + P, H) in panels | b = b_ih + b_hh (4 H) | W_hrᵀ (H, P) in panels
//!           a = [x | s] (B, F + P) | c (B, H) | the sums of the gates (B, 4 H) | m (B, H)
//! step      x to a;  the gates of b + a W;  s = m, or m W_hrᵀ;  s to a
//! ```
//!
//! The same bits as [`super::forward`].

use elman_kernels::{Activation, GatedStep, Scalar, Stacked, Step, StepCell, StepGate, gated_step, step};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::gates::{add_biases, gate};
use super::super::projection::matrix;
use super::Lstm;
use crate::Error;
use crate::cell::{CellStep, List, StepLayer, parts, parts_len};

impl<T: Scalar> CellStep<T> for Lstm {
    fn step_len(&self, layer: &StepLayer<'_>) -> Option<usize> {
        parts_len::<T, 10>(self.lens::<T>(layer)?)
    }

    fn step_pack(
        &self,
        layer: &StepLayer<'_>,
        parameters: &[ArrayView2<'_, T>],
        memory: &mut [T],
    ) -> Result<(), Error> {
        let (given, units) = (self.weights(parameters), self.hidden_size);
        let [i, f, g, o, b, w_hr, ..] = self.divide(layer, memory);
        for (index, to) in [i, f, g, o].into_iter().enumerate() {
            let [w_ih, w_hh] = [given.w_ih, given.w_hh].map(|w| gate(w, units, index));
            Stacked::pack(layer.ctx, &[w_ih.t(), w_hh.t()], to)?;
        }
        add_biases(b, units, self.biases(parameters));
        if let Some(given) = given.w_hr {
            Stacked::pack(layer.ctx, &[given.t()], w_hr)?;
        }
        Ok(())
    }

    fn step_states<'m>(&self, layer: &StepLayer<'_>, memory: &'m mut [T]) -> List<ArrayViewMut2<'m, T>> {
        let [.., a, c, _, _] = self.divide(layer, memory);
        let a = matrix(a, layer.batch, layer.features + self.output_size());
        List::from_iter([a.split_at(Axis(1), layer.features).1, matrix(c, layer.batch, self.hidden_size)])
    }

    fn step(
        &self,
        layer: &StepLayer<'_>,
        x: ArrayView2<'_, T>,
        mut y: ArrayViewMut2<'_, T>,
        descending: bool,
        memory: &mut [T],
    ) -> Result<(), Error> {
        let (ctx, units, batch) = (layer.ctx, self.hidden_size, layer.batch);
        let k = layer.features + self.output_size();
        let [i, f, g, o, b, w_hr, a, c, sums, m] = self.divide(layer, memory);
        let mut a = matrix(a, batch, k);
        a.view_mut().split_at(Axis(1), layer.features).0.assign(&x);
        let gates = [&*i, f, g, o].map(|w| StepGate { weights: Stacked::new(ctx, k, units, w), column: 0 });
        let bias = self.bias.then_some(&*b);
        let cell = StepCell::Lstm(matrix(c, batch, units));
        let one = GatedStep { a: a.view(), gates, bias, cell, descending };
        let sums = matrix(sums, batch, 4 * units);
        match self.proj_size {
            None => gated_step(ctx, one, sums, y.view_mut()),
            Some(proj_size) => {
                let mut m = matrix(m, batch, units);
                gated_step(ctx, one, sums, m.view_mut());
                let weights = Stacked::new(ctx, units, proj_size, w_hr);
                let activation = Activation::Identity;
                step(ctx, &Step { a: m.view(), weights, bias: None, activation, descending }, y.view_mut());
            }
        }
        a.split_at(Axis(1), layer.features).1.assign(&y);
        Ok(())
    }
}

impl Lstm {
    /// Elements of the weights of i, f, g and o, of b, `W_hr`, a, c, the sums and m.
    fn lens<T: Scalar>(self, layer: &StepLayer<'_>) -> Option<[usize; 10]> {
        let (h, p) = (self.hidden_size, self.output_size());
        let k = layer.features.checked_add(p)?;
        let gate = Stacked::<T>::len(layer.ctx, k, h)?;
        let projects = self.proj_size.is_some();
        let w_hr = if projects { Stacked::<T>::len(layer.ctx, h, p)? } else { 0 };
        let [in_a, in_c] = [layer.batch.checked_mul(k)?, layer.batch.checked_mul(h)?];
        let in_m = if projects { in_c } else { 0 };
        Some([gate, gate, gate, gate, h.checked_mul(4)?, w_hr, in_a, in_c, in_c.checked_mul(4)?, in_m])
    }

    /// These parts of a layer's memory.
    fn divide<'a, T: Scalar>(self, layer: &StepLayer<'_>, memory: &'a mut [T]) -> [&'a mut [T]; 10] {
        parts(self.lens::<T>(layer).expect("`step_len` has counted them"), memory)
    }
}
