//! The backward pass of the GRU cell.
//!
//! ```text
//! recur     dh_t = dy_t + dh_{t+1} ⊙ z_{t+1} + [dr dz dm]_{t+1} W_hh     step by step, against the order of the pass;
//!           at the last step of each sequence dh_n takes the place of what comes from t+1
//!           dn = dh_t ⊙ (1 - z) ⊙ (1 - n²),  dm = dn ⊙ r                 m = W_hn h_{t-1} + b_hn
//!           dr = dn ⊙ m ⊙ r (1 - r),         dz = dh_t ⊙ (h_{t-1} - n) ⊙ z (1 - z)
//!           dh_0 = dh ⊙ z + [dr dz dm] W_hh at the first step of each sequence
//! project   dX    = [dr dz] W_i[rz] + dn W_in                            all rows at once
//!           dW_i* = d*ᵀ X,  dW_h[rz] = [dr dz]ᵀ H_{-1},  dW_hn = dmᵀ H_{-1}
//!           db_i* = Σ over rows of d*,  db_hn = Σ over rows of dm
//! ```
//!
//! The four stand side by side in the array that the stack calls dz, in the order n, r, z, m: so the factors of W_hh are
//! next to each other.

use elman_kernels::{
    Context, GatedProduct, Gates, InitialC, Packed, Recurrence, Scalar, Start, gemm, gemm_tn, recurrence,
};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::projection::{Factor, begin_at, input_gradient_from, matrix};
use super::Gru;
use crate::Error;
use crate::cell::{CellBackward, CellGradients, CellInputs, CellResults, List, UpstreamGradients};

impl<T: Scalar> CellBackward<T> for Gru {
    fn recur_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        upstream: &UpstreamGradients<'_, T>,
        mut dz: ArrayViewMut2<'_, T>,
        mut dstates: List<Option<ArrayViewMut2<'_, T>>>,
    ) -> Result<(), Error> {
        let (pass, units) = (inputs.pass, self.hidden_size);
        let w_hh = [Packed::new(ctx, self.weights(inputs.parameters).w_hh)?];
        let batch = pass.steps.batch();
        let [mut first, mut carry] = [ctx.scratch(batch * units)?, ctx.scratch(batch * units)?];
        let mut first = matrix(&mut first, batch, units);
        begin_at(inputs, upstream, 0, |b| b, first.view_mut());
        carry.fill(T::zero());
        let mut carry = matrix(&mut carry, batch, units);
        let terms =
            Recurrence { steps: pass.steps, order: pass.backward_order(), start: Start::Sums(first.view()) };
        let product = GatedProduct {
            weights: &w_hh,
            initial: upstream.dy.as_ref().map_or(InitialC::Zero, |dy| InitialC::Matrix(dy.reborrow())),
            projection: None,
            gates: Gates::GruBackward {
                kept: results.saved.reborrow(),
                h: results.y.reborrow(),
                carry: carry.view_mut(),
                dz: dz.view_mut(),
            },
        };
        recurrence(ctx, &terms, [product])?;

        if let Some(mut dh_0) = dstates.pop().flatten() {
            let of_h = dz.view().split_at(Axis(1), units).1;
            dh_0.assign(&carry);
            pass.with_first_rows(of_h, |dz| gemm(ctx, dz, &w_hh[0], InitialC::InPlace, dh_0));
        }
        Ok(())
    }

    fn project_backward(
        &self,
        ctx: &Context,
        inputs: &CellInputs<'_, T>,
        results: &CellResults<'_, T>,
        dz: ArrayView2<'_, T>,
        mut gradients: CellGradients<'_, T>,
    ) -> Result<(), Error> {
        let units = self.hidden_size;
        let (dn, rest) = dz.split_at(Axis(1), units);
        let (drz, dm) = rest.split_at(Axis(1), 2 * units);
        let w_ih = self.weights(inputs.parameters).w_ih;
        let packed = match gradients.dx {
            Some(_) => {
                let (of_rz, of_n) = w_ih.split_at(Axis(0), 2 * units);
                Some([Packed::new(ctx, of_rz)?, Packed::new(ctx, of_n)?])
            }
            None => None,
        };
        let mut dparameters = gradients.dparameters.take().unwrap_or_default();
        let factors = match dparameters.is_empty() {
            true => None,
            false => Some([Factor::input(inputs)?, Factor::state(inputs, 0, results.y.reborrow())?]),
        };
        // Of each gradient the rows of r and z, and those of n: of W_ih, W_hh, b_ih and b_hh.
        let mut parts = dparameters.iter_mut().enumerate().map(|(index, gradient)| {
            let axis = Axis(usize::from(index > 1));
            gradient.view_mut().split_at(axis, 2 * units)
        });
        let [w_ih, w_hh, b_ih, b_hh] = std::array::from_fn(|_| parts.next());
        let (mut rz, mut n): (List<_>, List<_>) = w_ih.into_iter().chain(w_hh).unzip();
        let (mut b_rz, mut b_n): (List<_>, List<_>) = b_ih.into_iter().chain(b_hh).unzip();

        let products = factors.iter().flatten().zip(&mut rz).map(|(factor, dw)| factor.product(dw));
        let sums = b_rz.first_mut().and_then(|db| db.as_slice_mut());
        let initial = if gradients.add_dx { InitialC::InPlace } else { InitialC::Zero };
        let fused =
            input_gradient_from(inputs, packed.as_ref().map(|both| &both[0]), initial, &mut gradients);
        gemm_tn(ctx, drz, products, sums, fused)?;
        if let [of_x, of_h] = &mut b_rz[..] {
            of_h.assign(of_x);
        }
        let [of_x, of_h] = [0, 1].map(|index| factors.as_ref().map(|factors| &factors[index]));
        let (n_x, n_h) = n.split_at_mut_checked(1).unwrap_or_default();
        let (b_x, b_h) = b_n.split_at_mut_checked(1).unwrap_or_default();
        let fused = input_gradient_from(
            inputs,
            packed.as_ref().map(|both| &both[1]),
            InitialC::InPlace,
            &mut gradients,
        );
        let products = of_x.into_iter().zip(n_x).map(|(factor, dw)| factor.product(dw));
        gemm_tn(ctx, dn, products, b_x.first_mut().and_then(|db| db.as_slice_mut()), fused)?;
        let products = of_h.into_iter().zip(n_h).map(|(factor, dw)| factor.product(dw));
        gemm_tn(ctx, dm, products, b_h.first_mut().and_then(|db| db.as_slice_mut()), None)?;
        Ok(())
    }
}
