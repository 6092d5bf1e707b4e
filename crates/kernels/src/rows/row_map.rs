//! Rows that lie elsewhere than [`Steps`] has them: where they are, and their way there and back.
//!
//! The kernels compute on rows sorted by time and falling length. A caller's array of sequences of different lengths
//! has other rows: padding, sequences in any order, the batch ahead of time. Nothing is copied for that: a tile takes a
//! list of where its rows begin, so they can be anywhere.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis};

use crate::rows::matrix::{Matrix, Rows, crowded, matrix, row_stride};
use crate::{Scalar, Steps};

/// Where the rows of [`Steps`] are in an array of T · B rows: (T, B, F) or (B, T, F), with a row for each sequence at
/// each time, be it valid or padding.
#[derive(Clone, Debug)]
pub struct Places {
    steps: usize,
    /// From a step to the next.
    step: usize,
    /// The first row of each sequence.
    sequences: Vec<usize>,
}

impl Places {
    /// In an array of `steps` times; inner sequence b is the array's number `order[b]`.
    ///
    /// # Panics
    ///
    /// If `order` is no permutation, or the array has more rows than memory can address.
    pub fn new(steps: usize, batch_first: bool, order: impl IntoIterator<Item = usize>) -> Self {
        let mut sequences: Vec<usize> = order.into_iter().collect();
        let batch = sequences.len();
        assert!(steps.checked_mul(batch).is_some(), "places: too many rows");
        let mut seen = vec![false; batch];
        for sequence in &mut sequences {
            assert!(!std::mem::replace(&mut seen[*sequence], true), "places: the order is no permutation");
            *sequence *= if batch_first { steps } else { 1 };
        }
        Self { steps, step: if batch_first { 1 } else { batch }, sequences }
    }

    /// The row of inner sequence `b` at time `t`.
    #[inline(always)]
    pub fn row(&self, t: usize, b: usize) -> usize {
        t * self.step + self.sequences[b]
    }

    /// Rows of the array.
    pub fn rows(&self) -> usize {
        self.steps * self.sequences.len()
    }

    /// Checks that all rows of `steps` have a place in an array of `rows` rows; they are different places then.
    fn check(&self, steps: &Steps, rows: usize) {
        assert!(
            rows == self.rows() && steps.len() <= self.steps && steps.batch() <= self.sequences.len(),
            "places: an array of {rows} rows and {steps:?} do not belong to {self:?}"
        );
    }
}

/// The places, if any, of the rows of `steps` in an array of `rows` rows, which must have them all.
fn checked<'a>(places: Option<&'a Places>, steps: &Steps, rows: usize) -> Option<&'a Places> {
    match places {
        Some(places) => places.check(steps, rows),
        None => assert_eq!(rows, steps.rows(), "there must be a row for each row of the steps"),
    }
    places
}

/// The rows of [`Steps`], as they are or in their places.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a, T> {
    /// The array.
    pub array: ArrayView2<'a, T>,
    /// Where its rows are; `None` if they are the rows of the steps as they lie.
    pub places: Option<&'a Places>,
}

impl<'a, T> From<ArrayView2<'a, T>> for Placed<'a, T> {
    fn from(array: ArrayView2<'a, T>) -> Self {
        Self { array, places: None }
    }
}

impl<'a, T: Scalar> Placed<'a, T> {
    /// The same rows for a shorter time, which a view does not take by itself.
    pub fn reborrow(&self) -> Placed<'_, T> {
        Placed { array: self.array.reborrow(), places: self.places }
    }

    /// The array's row of sequence `b` at time `t`.
    pub fn index(&self, steps: &Steps, t: usize, b: usize) -> usize {
        self.places.map_or_else(|| steps.offset(t) + b, |places| places.row(t, b))
    }

    /// Sequence `b` at time `t`.
    pub fn row(&self, steps: &Steps, t: usize, b: usize) -> ArrayView1<'a, T> {
        self.array.index_axis_move(Axis(0), self.index(steps, t, b))
    }

    /// The rows in memory; checked.
    pub(crate) fn rows(&self, steps: &Steps) -> StepRows<'a, T> {
        StepRows { array: matrix(self.array), places: checked(self.places, steps, self.array.nrows()) }
    }
}

/// Where a kernel puts the rows that it makes: the rows of [`Steps`], as they are or in their places. The other rows of
/// the array stay as they are.
#[derive(Debug)]
pub struct Target<'a, T> {
    /// The array.
    pub array: ArrayViewMut2<'a, T>,
    /// Where its rows are; `None` if they are the rows of the steps as they lie.
    pub places: Option<&'a Places>,
}

impl<'a, T> From<ArrayViewMut2<'a, T>> for Target<'a, T> {
    fn from(array: ArrayViewMut2<'a, T>) -> Self {
        Self { array, places: None }
    }
}

impl<'a, T: Scalar> Target<'a, T> {
    /// The same target for a shorter time.
    pub fn reborrow(&mut self) -> Target<'_, T> {
        Target { array: self.array.view_mut(), places: self.places }
    }

    /// What it holds.
    pub fn view(&self) -> Placed<'_, T> {
        Placed { array: self.array.view(), places: self.places }
    }

    /// The first `columns` columns and the others.
    pub fn split_at(self, columns: usize) -> (Self, Self) {
        let (left, right) = self.array.split_at(Axis(1), columns);
        let places = self.places;
        (Self { array: left, places }, Self { array: right, places })
    }

    /// The rows in memory; checked.
    pub(crate) fn rows(&mut self, steps: &Steps) -> StepRows<'a, T> {
        let (rows, columns) = self.array.dim();
        let stride = row_stride(rows, columns, self.array.strides());
        let array = Matrix { data: self.array.as_mut_ptr().cast_const(), stride };
        StepRows { array, places: checked(self.places, steps, rows) }
    }
}

/// The rows of [`Steps`] in memory, as they are or in their places.
#[derive(Clone, Copy)]
pub(crate) struct StepRows<'a, T> {
    pub(crate) array: Matrix<T>,
    places: Option<&'a Places>,
}

// SAFETY: threads read the array, or write disjoint parts of it.
unsafe impl<T: Scalar> Sync for StepRows<'_, T> {}

impl<T: Scalar> StepRows<'_, T> {
    /// Lists the rows of step `t`, from that of sequence `b` on.
    #[inline(always)]
    pub(crate) fn list<'l>(
        &self,
        steps: &Steps,
        t: usize,
        b: usize,
        list: &'l mut [*const T],
    ) -> Rows<'l, T> {
        let Some(places) = self.places else { return self.array.below(steps.offset(t) + b).list(list) };
        let first = self.array.below(t * places.step);
        for (to, &sequence) in list.iter_mut().zip(&places.sequences[b..]) {
            *to = first.at(sequence, 0);
        }
        list
    }

    /// Lists the inner rows from `row` on, of any steps.
    pub(crate) fn list_rows<'l>(&self, steps: &Steps, row: usize, list: &'l mut [*const T]) -> Rows<'l, T> {
        if self.places.is_none() {
            return self.array.below(row).list(list);
        }
        let mut t = steps.step_of(row);
        let mut done = 0;
        while done < list.len() {
            let b = row + done - steps.offset(t);
            let end = list.len().min(done + steps.size(t) - b);
            self.list(steps, t, b, &mut list[done..end]);
            (done, t) = (end, t + 1);
        }
        list
    }

    /// Whether each row of a step lies in pages of its own, among the other rows of its sequence.
    pub(crate) fn paged(&self) -> bool {
        self.places.is_some_and(|places| places.step < places.sequences.len())
    }

    /// Whether rows of one step are read more slowly than rows beside each other, if they are read again and again:
    /// they are far from each other, or crowd each other out of the first cache.
    pub(crate) fn scattered(&self) -> bool {
        self.paged() || crowded::<T>(self.array.stride)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;
    use crate::testing::{contexts, random};
    use crate::{
        Chain, ChainBase, Epilogue, Init, Leg, Order, Packed, Relay, Start, affine, affine_placed, chain,
        relay,
    };

    /// Lengths 5 3 3 1 0, the last of which never runs, in arrays of 6 times; and a plain batch, transposed.
    fn cases() -> Vec<(Steps, Places)> {
        let ragged = Steps::new([4, 3, 3, 1, 1]).unwrap();
        let many = Steps::new([40, 40, 31, 5]).unwrap(); // enough for threads to share out the batch
        [false, true]
            .into_iter()
            .flat_map(|batch_first| {
                [
                    (ragged.clone(), Places::new(6, batch_first, [2, 0, 4, 1, 3])),
                    (many.clone(), Places::new(4, batch_first, (0..40).map(|b| (b * 7 + 3) % 40))),
                    (Steps::uniform(3, 2).unwrap(), Places::new(3, batch_first, [1, 0])),
                ]
            })
            .collect()
    }

    /// The rows of the steps, from their places.
    fn gathered<T: Scalar>(steps: &Steps, placed: Placed<'_, T>) -> Array2<T> {
        let mut rows = Array2::zeros((steps.rows(), placed.array.ncols()));
        for (mut row, (t, b)) in rows.rows_mut().into_iter().zip(steps.each()) {
            row.assign(&placed.row(steps, t, b));
        }
        rows
    }

    /// All columns but the first and the last.
    fn inside<'a, T: Scalar>(array: &'a Array2<T>, places: &'a Places) -> Placed<'a, T> {
        Placed { array: array.slice(s![.., 1..array.ncols() - 1]), places: Some(places) }
    }

    /// Runs `body` into a target with places that holds `start`, and checks that the rows `expected` came there and
    /// nothing else.
    fn check_target<T: Scalar>(
        steps: &Steps,
        places: &Places,
        start: &Array2<T>,
        expected: &Array2<T>,
        what: &str,
        body: impl FnOnce(Target<'_, T>),
    ) {
        let columns = start.ncols();
        let untouched = T::from_f64(7.0);
        let mut far = Array2::from_elem((places.rows(), columns + 3), untouched);
        for (row, (t, b)) in start.rows().into_iter().zip(steps.each()) {
            far.slice_mut(s![places.row(t, b), 1..=columns]).assign(&row);
        }
        body(Target { array: far.slice_mut(s![.., 1..=columns]), places: Some(places) });
        let placed = Placed { array: far.slice(s![.., 1..=columns]), places: Some(places) };
        assert_eq!(&gathered(steps, placed), expected, "{what}: in their places");
        let untouched = far.iter().filter(|&&v| v == untouched).count();
        assert_eq!(untouched, far.len() - expected.len(), "{what}: nothing else is written");
    }

    fn check<T: Scalar>(k: usize, width: usize) {
        for (steps, places) in cases() {
            let [x, base, h] = [k, width, width].map(|columns| random::<T>((places.rows(), columns + 2), 3));
            let rows = [&x, &base, &h].map(|array| gathered(&steps, inside(array, &places)));
            let small = T::from_f64(0.5 / width as f64);
            let [w_x, w, v] =
                [(k, width), (width, width), (width, k)].map(|d| random::<T>(d, 5).mapv(|v| v * small));
            let state = random::<T>((steps.batch(), width), 6);
            for ctx in contexts() {
                let what = format!("{ctx:?} {places:?}");
                let [p_x, p, p_v] = [&w_x, &w, &v].map(|w| Packed::new(&ctx, w.view()).unwrap());
                let start = random::<T>((steps.rows(), width), 7);
                for init in [Init::Zero, Init::Accumulate] {
                    let mut expected = start.clone();
                    affine(&ctx, rows[0].view(), &p_x, init, expected.view_mut());
                    check_target(&steps, &places, &start, &expected, &what, |to| {
                        affine_placed(&ctx, &steps, inside(&x, &places), &p_x, init, to);
                    });
                    check_target(&steps, &places, &start, &expected, &what, |to| {
                        affine_placed(&ctx, &steps, rows[0].view().into(), &p_x, init, to);
                    });
                }
                for order in [Order::Ascending, Order::Descending] {
                    for begin in [Start::State(state.view()), Start::Prepared] {
                        let run = |base, epilogue, to: Target<'_, T>| {
                            let run =
                                Chain { steps: &steps, order, weights: &p, start: begin, base, epilogue };
                            chain(&ctx, &run, to);
                        };
                        let mut expected = start.clone();
                        let (near_base, near_h) = (rows[1].view().into(), rows[2].view().into());
                        run(
                            ChainBase::Matrix(near_base),
                            Epilogue::TanhGrad(near_h),
                            expected.view_mut().into(),
                        );
                        check_target(&steps, &places, &start, &expected, &what, |to| {
                            run(
                                ChainBase::Matrix(inside(&base, &places)),
                                Epilogue::TanhGrad(inside(&h, &places)),
                                to,
                            );
                        });
                        // From what is there, and from a product on the way.
                        let mut expected = start.clone();
                        run(ChainBase::InPlace, Epilogue::Tanh, expected.view_mut().into());
                        check_target(&steps, &places, &start, &expected, &what, |to| {
                            run(ChainBase::InPlace, Epilogue::Tanh, to);
                        });
                        let mut expected = start.clone();
                        let product = |x| ChainBase::Product { x, weights: &p_x, bias: None };
                        run(product(rows[0].view().into()), Epilogue::Relu, expected.view_mut().into());
                        check_target(&steps, &places, &start, &expected, &what, |to| {
                            run(product(inside(&x, &places)), Epilogue::Relu, to);
                        });
                        // Two products a step: to K columns and back.
                        let both = |base, beside, u: Target<'_, T>, w: Target<'_, T>| {
                            let run = Relay {
                                steps: &steps,
                                order,
                                start: begin,
                                first: Leg { weights: &p_x, base, epilogue: Epilogue::ReluGrad(beside) },
                                second: Leg {
                                    weights: &p_v,
                                    base: ChainBase::Zero,
                                    epilogue: Epilogue::Tanh,
                                },
                            };
                            relay(&ctx, &run, u, w);
                        };
                        if k != width && matches!(begin, Start::State(_)) {
                            continue; // the state has as many columns as the second product
                        }
                        let mut expected = [start.clone(), Array2::zeros((steps.rows(), k))];
                        let [u, w] = &mut expected;
                        both(ChainBase::Matrix(near_base), near_h, u.view_mut().into(), w.view_mut().into());
                        let mut u = start.clone();
                        let zeros = Array2::zeros((steps.rows(), k));
                        check_target(&steps, &places, &zeros, &expected[1], &what, |to| {
                            both(
                                ChainBase::Matrix(inside(&base, &places)),
                                inside(&h, &places),
                                u.view_mut().into(),
                                to,
                            );
                        });
                        assert_eq!(u, expected[0], "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_in_places_give_the_same_bits() {
        check::<f32>(5, 7);
        check::<f32>(33, 33);
        check::<f64>(16, 70);
        check::<f32>(260, 300); // more than a part of columns
    }

    #[test]
    #[should_panic(expected = "do not belong to")]
    fn places_of_another_batch_are_refused() {
        let (steps, places) = (Steps::uniform(3, 2).unwrap(), Places::new(2, false, [0, 1]));
        let array = Array2::<f32>::zeros((4, 1));
        Placed { array: array.view(), places: Some(&places) }.rows(&steps);
    }

    #[test]
    #[should_panic(expected = "no permutation")]
    fn an_order_that_names_a_sequence_twice_is_refused() {
        Places::new(2, false, [0, 0]);
    }
}
