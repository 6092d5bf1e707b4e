//! Tests of the recurrence through the crate's public functions.

mod gated;
mod one_product;
mod row_maps;
mod two_products;

use crate::{
    Context, Epilogue, InitialC, MappedRows, MappedRowsMut, Packed, Projection, Recurrence, Scalar,
    StepProduct, recurrence,
};

/// Runs a recurrence with one product: y_t = f(initial_t + x_t W' + y_{t-1} W).
fn run<'m, 'c, T: Scalar + 'c>(
    ctx: &Context,
    terms: &Recurrence<'_, T>,
    weights: &Packed<'_, T>,
    (initial, projection): (InitialC<'m, T>, Option<Projection<'m, '_, T>>),
    epilogue: Epilogue<MappedRows<'m, T>>,
    y: impl Into<MappedRowsMut<'c, T>>,
) {
    recurrence(ctx, terms, [StepProduct { weights, initial, projection, epilogue, target: y.into() }])
        .unwrap();
}
