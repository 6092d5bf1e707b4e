//! Products and recurrences on rows in other places: the same bits.

use ndarray::{Array2, s};

use super::run;
use crate::testing::{contexts, random};
use crate::{
    Activation, Context, Epilogue, InitialC, MappedRows, MappedRowsMut, Order, Packed, Projection,
    Recurrence, RowMap, Scalar, Start, StepProduct, Steps, gemm, gemm_mapped, recurrence,
};

/// Lengths 5 3 3 1 0, the last of which never runs, in arrays of 6 times; and a plain batch, transposed.
fn cases() -> Vec<(Steps, RowMap)> {
    let ragged = Steps::new([4, 3, 3, 1, 1]).unwrap();
    let many = Steps::new([40, 40, 31, 5]).unwrap(); // enough for threads to share out the batch
    [false, true]
        .into_iter()
        .flat_map(|batch_first| {
            [
                (ragged.clone(), RowMap::new(6, batch_first, [2, 0, 4, 1, 3])),
                (many.clone(), RowMap::new(4, batch_first, (0..40).map(|b| (b * 7 + 3) % 40))),
                (Steps::uniform(3, 2).unwrap(), RowMap::new(3, batch_first, [1, 0])),
            ]
        })
        .collect()
}

/// The rows of the steps, from where the map says.
fn gathered<T: Scalar>(steps: &Steps, placed: MappedRows<'_, T>) -> Array2<T> {
    let mut rows = Array2::zeros((steps.rows(), placed.array.ncols()));
    for (mut row, (t, b)) in rows.rows_mut().into_iter().zip(steps.each()) {
        row.assign(&placed.row(steps, t, b));
    }
    rows
}

/// All columns but the first and the last.
fn inside<'a, T: Scalar>(array: &'a Array2<T>, map: &'a RowMap) -> MappedRows<'a, T> {
    MappedRows { array: array.slice(s![.., 1..array.ncols() - 1]), map: Some(map) }
}

/// Runs `body` into a target with a row map that holds `start`, and checks that the rows `expected` came there and
/// nothing else.
fn check_target<T: Scalar>(
    steps: &Steps,
    map: &RowMap,
    start: &Array2<T>,
    expected: &Array2<T>,
    what: &str,
    body: impl FnOnce(MappedRowsMut<'_, T>),
) {
    let columns = start.ncols();
    let untouched = T::from_f64(7.0);
    let mut far = Array2::from_elem((map.rows(), columns + 3), untouched);
    for (row, (t, b)) in start.rows().into_iter().zip(steps.each()) {
        far.slice_mut(s![map.row(t, b), 1..=columns]).assign(&row);
    }
    body(MappedRowsMut { array: far.slice_mut(s![.., 1..=columns]), map: Some(map) });
    let placed = MappedRows { array: far.slice(s![.., 1..=columns]), map: Some(map) };
    assert_eq!(&gathered(steps, placed), expected, "{what}: where the map says");
    let untouched = far.iter().filter(|&&v| v == untouched).count();
    assert_eq!(untouched, far.len() - expected.len(), "{what}: nothing else is written");
}

/// u = relu'(h) ⊙ (base + w V), w = tanh(u W).
fn two_products<'m, 'c, T: Scalar>(
    ctx: &Context,
    terms: &Recurrence<'_, T>,
    [to_u, to_w]: [&Packed<'_, T>; 2],
    [base, h]: [MappedRows<'m, T>; 2],
    [u, w]: [MappedRowsMut<'c, T>; 2],
) {
    let first = StepProduct {
        weights: to_u,
        initial: InitialC::Matrix(base),
        projection: None,
        epilogue: Epilogue::Derivative(Activation::Relu, h),
        target: u,
    };
    let second = StepProduct {
        weights: to_w,
        initial: InitialC::Zero,
        projection: None,
        epilogue: Epilogue::Activation(Activation::Tanh),
        target: w,
    };
    recurrence(ctx, terms, [first, second]).unwrap();
}

fn check<T: Scalar>(k: usize, width: usize) {
    for (steps, map) in cases() {
        let [x, base, h] = [k, width, width].map(|columns| random::<T>((map.rows(), columns + 2), 3));
        let rows = [&x, &base, &h].map(|array| gathered(&steps, inside(array, &map)));
        let small = T::from_f64(0.5 / width as f64);
        let [w_x, w, v] =
            [(k, width), (width, width), (width, k)].map(|d| random::<T>(d, 5).mapv(|v| v * small));
        let state = random::<T>((steps.batch(), width), 6);
        for ctx in contexts() {
            let what = format!("{ctx:?} {map:?}");
            let [p_x, p, p_v] = [&w_x, &w, &v].map(|w| Packed::new(&ctx, w.view()).unwrap());
            let start = random::<T>((steps.rows(), width), 7);
            for initial in [InitialC::Zero, InitialC::InPlace] {
                let mut expected = start.clone();
                gemm(&ctx, rows[0].view(), &p_x, initial, expected.view_mut());
                check_target(&steps, &map, &start, &expected, &what, |to| {
                    gemm_mapped(&ctx, &steps, inside(&x, &map), &p_x, initial, to);
                });
                check_target(&steps, &map, &start, &expected, &what, |to| {
                    gemm_mapped(&ctx, &steps, rows[0].view().into(), &p_x, initial, to);
                });
            }
            let mut expected = start.clone();
            let near = InitialC::Matrix(rows[1].view().into());
            gemm(&ctx, rows[0].view(), &p_x, near, expected.view_mut());
            check_target(&steps, &map, &start, &expected, &what, |to| {
                let initial = InitialC::Matrix(inside(&base, &map));
                gemm_mapped(&ctx, &steps, inside(&x, &map), &p_x, initial, to);
            });
            for order in [Order::Ascending, Order::Descending] {
                for begin in [Start::State(state.view()), Start::Prepared] {
                    let terms = Recurrence { steps: &steps, order, start: begin };
                    let mut expected = start.clone();
                    let (near_base, near_h) = (rows[1].view().into(), rows[2].view().into());
                    let derivative = |h| Epilogue::Derivative(Activation::Tanh, h);
                    run(
                        &ctx,
                        &terms,
                        &p,
                        (InitialC::Matrix(near_base), None),
                        derivative(near_h),
                        expected.view_mut(),
                    );
                    check_target(&steps, &map, &start, &expected, &what, |to| {
                        run(
                            &ctx,
                            &terms,
                            &p,
                            (InitialC::Matrix(inside(&base, &map)), None),
                            derivative(inside(&h, &map)),
                            to,
                        );
                    });
                    // From what is there, and with a projection.
                    let tanh = Epilogue::Activation(Activation::Tanh);
                    let mut expected = start.clone();
                    run(&ctx, &terms, &p, (InitialC::InPlace, None), tanh, expected.view_mut());
                    check_target(&steps, &map, &start, &expected, &what, |to| {
                        run(&ctx, &terms, &p, (InitialC::InPlace, None), tanh, to);
                    });
                    let relu = Epilogue::Activation(Activation::Relu);
                    let mut expected = start.clone();
                    let projection = |x| Some(Projection { x, weights: &p_x });
                    let near_x = rows[0].view().into();
                    run(&ctx, &terms, &p, (InitialC::Zero, projection(near_x)), relu, expected.view_mut());
                    check_target(&steps, &map, &start, &expected, &what, |to| {
                        run(&ctx, &terms, &p, (InitialC::Zero, projection(inside(&x, &map))), relu, to);
                    });
                    // Two products a step: to K columns and back.
                    if k != width && matches!(begin, Start::State(_)) {
                        continue; // the state has as many columns as the second product
                    }
                    let mut expected = [start.clone(), Array2::zeros((steps.rows(), k))];
                    let [u, w] = &mut expected;
                    two_products(
                        &ctx,
                        &terms,
                        [&p_x, &p_v],
                        [near_base, near_h],
                        [u.view_mut().into(), w.view_mut().into()],
                    );
                    let mut u = start.clone();
                    let zeros = Array2::zeros((steps.rows(), k));
                    check_target(&steps, &map, &zeros, &expected[1], &what, |mut to| {
                        let rows = [inside(&base, &map), inside(&h, &map)];
                        two_products(&ctx, &terms, [&p_x, &p_v], rows, [u.view_mut().into(), to.reborrow()]);
                    });
                    assert_eq!(u, expected[0], "{what}");
                }
            }
        }
    }
}

#[test]
fn mapped_rows_give_the_same_bits() {
    check::<f32>(5, 7);
    check::<f32>(33, 33);
    check::<f64>(16, 70);
    check::<f32>(260, 300); // more than a part of columns
}
