//! Recurrences whose products have gates, as those of LSTM and GRU layers.

use ndarray::{Array2, Axis, s};
use proptest::prelude::*;

use crate::testing::{assert_close, contexts, random};
use crate::{
    Context, GatedProduct, Gates, InitialC, MappedRowsMut, Order, Packed, Recurrence, RowMap, Scalar, Start,
    Steps, recurrence,
};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Lstm,
    Gru,
}

/// A layer's numbers: x (rows, I), W' and W with a row for each gate and unit, biases, states and upstream gradients.
struct Layer<T> {
    cell: Cell,
    steps: Steps,
    order: Order,
    units: usize,
    x: Array2<T>,
    w_x: Array2<T>,
    w_h: Array2<T>,
    bias: Array2<T>,
    h_0: Array2<T>,
    c_0: Array2<T>,
    dy: Array2<T>,
    dh_n: Array2<T>,
    dc_n: Array2<T>,
}

impl<T: Scalar> Layer<T> {
    fn new(cell: Cell, order: Order, lengths: &[usize], inputs: usize, units: usize, seed: u64) -> Self {
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let steps = Steps::new((0..longest).map(|t| lengths.iter().filter(|&&l| l > t).count())).unwrap();
        let (rows, batch) = (steps.rows(), steps.batch());
        let gates = if cell == Cell::Lstm { 4 } else { 3 };
        let small = T::from_f64(1.0 / (units as f64).sqrt());
        Self {
            cell,
            order,
            units,
            x: random((rows, inputs), seed),
            w_x: random((gates * units, inputs), seed + 1).mapv(|v: T| v * small),
            w_h: random((gates * units, units), seed + 2).mapv(|v: T| v * small),
            bias: random((1, 4 * units), seed + 3),
            h_0: random((batch, units), seed + 4),
            c_0: random((batch, units), seed + 5),
            dy: random((rows, units), seed + 6),
            dh_n: random((batch, units), seed + 7),
            dc_n: random((batch, units), seed + 8),
            steps,
        }
    }

    /// The rows of a sequence, in the order of the pass.
    fn sequence(&self, b: usize) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.steps.length(b)).map(|t| self.steps.offset(t) + b).collect();
        if self.order == Order::Descending {
            rows.reverse();
        }
        rows
    }

    /// h (rows, H), c_n, dz (rows, 4 H) in the order of the kernels, dc or the carry at the begin.
    fn naive(&self) -> [Array2<f64>; 4] {
        let n = self.units;
        let wide = |m: &Array2<T>| m.mapv(T::widen);
        let (x, w_x, w_h, bias) = (wide(&self.x), wide(&self.w_x), wide(&self.w_h), wide(&self.bias));
        let (dy, mut h, mut dz) =
            (wide(&self.dy), wide(&self.dy), Array2::from_elem((self.steps.rows(), 4 * n), f64::NAN));
        let (mut c, mut dc) = (wide(&self.c_0), wide(&self.dc_n));
        for b in 0..self.steps.batch() {
            let rows = self.sequence(b);
            let mut before = wide(&self.h_0).row(b).to_owned();
            let mut kept = Vec::new();
            for &row in &rows {
                let of_x =
                    |gate: usize, j: usize| x.row(row).dot(&w_x.row(gate * n + j)) + bias[[0, gate * n + j]];
                let of_h = |gate: usize, j: usize| before.dot(&w_h.row(gate * n + j));
                let next: Vec<[f64; 6]> = (0..n)
                    .map(|j| match self.cell {
                        Cell::Lstm => {
                            let sum = |gate| of_x(gate, j) + of_h(gate, j);
                            let [i, f, o] = [sigmoid(sum(0)), sigmoid(sum(1)), sigmoid(sum(3))];
                            let g = sum(2).tanh();
                            let c_next = f * c[[b, j]] + i * g;
                            [i, f, g, o, c[[b, j]], o * c_next.tanh()]
                        }
                        Cell::Gru => {
                            let [r, z] = [sigmoid(of_x(0, j) + of_h(0, j)), sigmoid(of_x(1, j) + of_h(1, j))];
                            let m = of_h(2, j) + bias[[0, 3 * n + j]];
                            let new = (of_x(2, j) + r * m).tanh();
                            [r, z, new, m, before[j], (1.0 - z) * new + z * before[j]]
                        }
                    })
                    .collect();
                for (j, kept) in next.iter().enumerate() {
                    h[[row, j]] = kept[5];
                    before[j] = kept[5];
                    if self.cell == Cell::Lstm {
                        c[[b, j]] = kept[1] * c[[b, j]] + kept[0] * kept[2];
                    }
                }
                kept.push(next);
            }
            let mut dh = wide(&self.dh_n).row(b).to_owned();
            let mut carry = if self.cell == Cell::Lstm { dc.row(b).to_owned() } else { dh.clone() * 0.0 };
            for (&row, kept) in rows.iter().zip(&kept).rev() {
                for j in 0..n {
                    let total = dh[j] + dy[[row, j]];
                    let [a, b, c, d, e, _] = kept[j];
                    let gradients = match self.cell {
                        Cell::Lstm => {
                            let squashed = (b * e + a * c).tanh();
                            let dc = carry[j] + total * d * (1.0 - squashed * squashed);
                            carry[j] = dc * b;
                            [
                                dc * c * a * (1.0 - a),
                                dc * e * b * (1.0 - b),
                                dc * a * (1.0 - c * c),
                                total * squashed * d * (1.0 - d),
                            ]
                        }
                        Cell::Gru => {
                            let total = total + carry[j];
                            carry[j] = total * b;
                            let dn = total * (1.0 - b) * (1.0 - c * c);
                            [dn, dn * d * a * (1.0 - a), total * (e - c) * b * (1.0 - b), dn * a]
                        }
                    };
                    for (gate, gradient) in gradients.into_iter().enumerate() {
                        dz[[row, gate * n + j]] = gradient;
                    }
                }
                let of_h = match self.cell {
                    Cell::Lstm => dz.slice(s![row, ..]),
                    Cell::Gru => dz.slice(s![row, n..]),
                };
                dh = of_h.dot(&w_h);
            }
            dc.row_mut(b).assign(&carry);
        }
        [h, c, dz, dc]
    }

    /// W of each gate of a matrix with rows for some gates: of the others there are no rows.
    fn packed<'a>(
        ctx: &'a Context,
        w: &Array2<T>,
        units: usize,
        gates: [Option<usize>; 4],
    ) -> Vec<Packed<'a, T>> {
        let none = Array2::zeros((0, units));
        let each = gates.into_iter().map(|gate| match gate {
            Some(gate) => Packed::new(ctx, w.slice(s![gate * units..(gate + 1) * units, ..]).t()),
            None => Packed::new(ctx, none.view()),
        });
        each.collect::<Result<_, _>>().unwrap()
    }

    /// The same by the kernels; `map` says where the rows of h are, `projected` that x W' was computed before.
    fn run(&self, ctx: &Context, map: Option<&RowMap>, projected: bool) -> [Array2<T>; 4] {
        let (n, rows) = (self.units, self.steps.rows());
        let of = |gates: [usize; 4]| gates.map(|gate| (gate < 3 || self.cell == Cell::Lstm).then_some(gate));
        let (of_x, of_h) = match self.cell {
            Cell::Lstm => (of([0, 1, 2, 3]), of([0, 1, 2, 3])),
            Cell::Gru => ([Some(0), Some(1), Some(2), None], [Some(0), Some(1), None, Some(2)]),
        };
        let (w_x, w_h) = (Self::packed(ctx, &self.w_x, n, of_x), Self::packed(ctx, &self.w_h, n, of_h));
        let columns = if self.cell == Cell::Lstm { 5 * n } else { 4 * n };
        let mut kept = Array2::from_elem((rows, columns), T::nan());
        let mut h = Array2::from_elem((map.map_or(rows, RowMap::rows), n), T::nan());
        let mut c = self.c_0.clone();
        if projected {
            for (gate, w) in w_x.iter().enumerate() {
                let bias = self.bias.slice(s![0, gate * n..(gate + 1) * n]).to_vec();
                let to = kept.slice_mut(s![.., gate * n..(gate + 1) * n]);
                let x = if w.k() == 0 { self.x.slice(s![.., ..0]) } else { self.x.view() };
                crate::gemm(ctx, x, w, InitialC::Row(&bias), to);
            }
        }
        let initial =
            if projected { InitialC::InPlace } else { InitialC::Row(self.bias.as_slice().unwrap()) };
        let to = MappedRowsMut { array: h.view_mut(), map };
        let gates = match self.cell {
            Cell::Lstm => Gates::LstmForward { c: c.view_mut(), kept: Some(kept.view_mut()), h: to },
            Cell::Gru => Gates::GruForward { kept: Some(kept.view_mut()), h: to },
        };
        let projection = (!projected).then(|| (self.x.view().into(), &w_x[..]));
        let forward =
            Recurrence { steps: &self.steps, order: self.order, start: Start::State(self.h_0.view()) };
        recurrence(ctx, &forward, [GatedProduct { weights: &w_h, initial, projection, gates }]).unwrap();

        let weights = [Packed::new(ctx, self.w_h.view()).unwrap()];
        let mut begin = self.dh_n.clone();
        for b in 0..self.steps.batch() {
            let last = *self.sequence(b).last().unwrap();
            begin.row_mut(b).zip_mut_with(&self.dy.row(last), |to, &dy| *to += dy);
        }
        let mut dz = Array2::from_elem((rows, 4 * n), T::nan());
        let mut state =
            if self.cell == Cell::Lstm { self.dc_n.clone() } else { Array2::zeros(self.dc_n.dim()) };
        let y = crate::MappedRows { array: h.view(), map };
        let gates = match self.cell {
            Cell::Lstm => Gates::LstmBackward { kept: kept.view(), dc: state.view_mut(), dz: dz.view_mut() },
            Cell::Gru => {
                Gates::GruBackward { kept: kept.view(), h: y, carry: state.view_mut(), dz: dz.view_mut() }
            }
        };
        let initial = InitialC::Matrix(self.dy.view().into());
        let order = if self.order == Order::Ascending { Order::Descending } else { Order::Ascending };
        let backward = Recurrence { steps: &self.steps, order, start: Start::Sums(begin.view()) };
        let product = GatedProduct { weights: &weights, initial, projection: None, gates };
        recurrence(ctx, &backward, [product]).unwrap();

        let mut inner = Array2::zeros((rows, n));
        for (mut row, (t, b)) in inner.axis_iter_mut(Axis(0)).zip(self.steps.each()) {
            row.assign(&y.row(&self.steps, t, b));
        }
        [inner, c, dz, state]
    }

    fn check(&self) {
        let expected = self.naive();
        let mut bits: Option<(bool, [Array2<T>; 4])> = None;
        let batch = self.steps.batch();
        let maps = [false, true].map(|first| RowMap::new(self.steps.len(), first, (0..batch).rev()));
        for ctx in contexts() {
            let what = format!("{ctx:?} {:?} {:?}", self.cell, self.order);
            let made = self.run(&ctx, None, false);
            for (made, expected) in made.iter().zip(&expected) {
                let terms = (self.units + self.x.ncols() + 8) * 4 * self.steps.len().max(1);
                assert_close(made.view(), expected.view(), terms, &what);
            }
            assert_eq!(self.run(&ctx, None, true), made, "{what}: projected before");
            for map in &maps {
                assert_eq!(self.run(&ctx, Some(map), false), made, "{what}: {map:?}");
            }
            let fused = ctx.isa().name().starts_with("avx") || cfg!(target_arch = "aarch64");
            match &bits {
                Some((f, first)) if *f == fused => assert_eq!(first, &made, "{what}"),
                _ => bits = Some((fused, made)),
            }
        }
    }
}

fn check<T: Scalar>(lengths: &[usize], inputs: usize, units: usize, seed: u64) {
    for cell in [Cell::Lstm, Cell::Gru] {
        for order in [Order::Ascending, Order::Descending] {
            Layer::<T>::new(cell, order, lengths, inputs, units, seed).check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn agree_with_the_definition(
        mut lengths in prop::collection::vec(1usize..5, 1..14), inputs in 1usize..20, units in 1usize..40, seed: u32,
    ) {
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        check::<f32>(&lengths, inputs, units, u64::from(seed));
        check::<f64>(&lengths, inputs, units, u64::from(seed));
    }
}

#[test]
fn sizes_that_use_a_team() {
    check::<f32>(&[3; 40], 20, 70, 1); // shares out the batch
    check::<f32>(&[4, 3], 8, 300, 2); // shares out the columns
    check::<f64>(&[3], 5, 256, 3);
}
