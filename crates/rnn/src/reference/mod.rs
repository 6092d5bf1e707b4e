//! The reference: a stack as its definition says, one sequence, one step and one element at a time, in float64. It knows
//! no cell: each has its equations in its own folder, as a [`ReferenceCell`]. The modules below compare the stack of
//! every cell with it.

mod agreement;
mod call;
mod checkpoints;
mod differences;
mod dropout;
mod errors;
mod stream;

use elman_kernels::Scalar;

use crate::Stack;
use crate::cells::{Config, TESTED, Value, build};

/// A cell's equations for one step of one sequence. `p` are the parameters of its layer and direction.
pub(crate) trait ReferenceCell: std::fmt::Debug {
    /// The output and the next states.
    fn step(&self, p: &[Vec<f64>], x: &[f64], states: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>);

    /// dx and the gradients of the states, from those of the output and of the next states; adds the gradients of the
    /// parameters to `dp`.
    fn step_backward(
        &self,
        p: &[Vec<f64>],
        x: &[f64],
        states: &[Vec<f64>],
        dy: &[f64],
        dstates_n: &[Vec<f64>],
        dp: &mut [Vec<f64>],
    ) -> (Vec<f64>, Vec<Vec<f64>>);
}

/// A cell with one choice of its options.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) options: Vec<(&'static str, Value)>,
    /// How many choices there are.
    pub(crate) choices: usize,
    pub(crate) reference: Box<dyn ReferenceCell>,
}

/// (rows, columns) W · v.
pub(crate) fn times(w: &[f64], v: &[f64]) -> Vec<f64> {
    w.chunks(v.len()).map(|row| row.iter().zip(v).map(|(w, v)| w * v).sum()).collect()
}

/// dW += d vᵀ; Wᵀ d, the gradient of v.
pub(crate) fn back(w: &[f64], v: &[f64], d: &[f64], dw: &mut [f64]) -> Vec<f64> {
    let mut dv = vec![0.0; v.len()];
    for (j, d) in d.iter().enumerate() {
        for k in 0..v.len() {
            dw[j * v.len() + k] += d * v[k];
            dv[k] += d * w[j * v.len() + k];
        }
    }
    dv
}

/// A network's shape.
#[derive(Clone, Copy, Debug)]
struct Net {
    /// Which of [`TESTED`].
    cell: usize,
    /// Which choice of its options.
    choice: usize,
    i: usize,
    h: usize,
    /// Output features, if the cell lets them differ from H.
    o: usize,
    layers: usize,
    directions: usize,
}

impl Net {
    fn subject(&self) -> Subject {
        TESTED[self.cell](self.h, self.o, self.choice)
    }

    /// All cells in this shape, with all choices of their options.
    fn each_choice(self) -> impl Iterator<Item = Self> {
        let choices =
            move |cell| (0..Self { cell, ..self }.subject().choices).map(move |choice| (cell, choice));
        (0..TESTED.len()).flat_map(choices).map(move |(cell, choice)| Self { cell, choice, ..self })
    }

    /// All cells in this shape, with this choice.
    fn each_cell(self) -> impl Iterator<Item = Self> {
        (0..TESTED.len()).map(move |cell| Self { cell, ..self })
    }

    fn stack<T: Scalar>(&self) -> Stack<T> {
        let Subject { name, options, .. } = self.subject();
        let shape = [
            ("inputSize", Value::Size(self.i)),
            ("numLayers", Value::Size(self.layers)),
            ("bidirectional", Value::Flag(self.directions == 2)),
            ("bare", Value::Flag(false)),
        ];
        build(name, &shape.into_iter().chain(options).collect::<Config>()).unwrap()
    }

    /// Whether it can have a teacher.
    fn teachable(&self) -> bool {
        self.stack::<f64>().teachable() && self.layers * self.directions == 1
    }

    /// Columns of the output.
    fn width(&self) -> usize {
        self.stack::<f64>().output_size()
    }

    /// Layers times directions.
    fn groups(&self) -> usize {
        self.layers * self.directions
    }
}

type Rows = Vec<Vec<f64>>;

/// What a call reads, in float64, with rows by [b][t] and states by [state][l·D + d][b].
#[derive(Clone, Debug)]
struct Values {
    p: Rows,
    x: Vec<Rows>,
    teacher: Option<Vec<Rows>>,
    states: Vec<Vec<Rows>>,
    dy: Vec<Rows>,
    dstates_n: Vec<Vec<Rows>>,
}

/// What a call computes, shaped as what it reads.
#[derive(Clone, Debug, PartialEq)]
struct Expected {
    y: Vec<Rows>,
    states_n: Vec<Vec<Rows>>,
    dx: Vec<Rows>,
    dteacher: Vec<Rows>,
    dstates: Vec<Vec<Rows>>,
    dp: Rows,
}

impl Values {
    /// Random values for sequences of these lengths.
    fn random(net: Net, lengths: &[usize], taught: bool, numbers: &mut Numbers) -> Self {
        let stack = net.stack::<f64>();
        let scale = 1.0 / (net.h.max(net.o) as f64).sqrt();
        let shapes = stack.parameters();
        let lens = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>());
        let p = lens.map(|len| (0..len).map(|_| f64::from((numbers.next() * scale) as f32)).collect());
        let p = p.collect();
        let mut each =
            |columns| -> Vec<Rows> { lengths.iter().map(|&len| numbers.rows(len, columns)).collect() };
        let (x, teacher, dy) = (each(net.i), each(net.width()), each(net.width()));
        let mut states = || -> Vec<Vec<Rows>> {
            let of_state = |&size| (0..net.groups()).map(|_| numbers.rows(lengths.len(), size)).collect();
            stack.state_sizes().iter().map(of_state).collect()
        };
        let (states, dstates_n) = (states(), states());
        Self { p, x, teacher: taught.then_some(teacher), states, dy, dstates_n }
    }

    /// The naive passes.
    fn reference(&self, net: Net) -> Expected {
        let cell = net.subject().reference;
        let dirs = net.directions;
        let each = self.p.len() / net.groups();
        let mut made = Expected {
            y: Vec::new(),
            states_n: self.states.clone(),
            dx: Vec::new(),
            dteacher: self.dy.iter().map(zeros).collect(),
            dstates: self.states.clone(),
            dp: zeros(&self.p),
        };
        for (b, x) in self.x.iter().enumerate() {
            let len = x.len();
            let order = |d: usize| -> Vec<usize> {
                if d == 0 { (0..len).collect() } else { (0..len).rev().collect() }
            };
            // inputs[l][t]; the outputs of layer l are inputs[l + 1]. before[group][t]: the states.
            let mut inputs = vec![x.clone()];
            let mut before: Vec<Vec<Rows>> = vec![vec![Vec::new(); len]; net.groups()];
            for l in 0..net.layers {
                let mut y = vec![Vec::new(); len];
                for d in 0..dirs {
                    let group = l * dirs + d;
                    let mut states: Rows = self.states.iter().map(|s| s[group][b].clone()).collect();
                    for (turn, t) in order(d).into_iter().enumerate() {
                        if let Some(teacher) = self.teacher.as_ref().filter(|_| turn > 0) {
                            states = vec![teacher[b][t - 1].clone()];
                        }
                        let (of_step, next) =
                            cell.step(&self.p[group * each..][..each], &inputs[l][t], &states);
                        y[t].extend(of_step);
                        before[group][t] = std::mem::replace(&mut states, next);
                    }
                    made.states_n.iter_mut().zip(states).for_each(|(all, state)| all[group][b] = state);
                }
                inputs.push(y);
            }
            made.y.push(inputs[net.layers].clone());

            let mut dy = self.dy[b].clone();
            for l in (0..net.layers).rev() {
                let mut dx = zeros(&inputs[l]);
                for d in 0..dirs {
                    let group = l * dirs + d;
                    let mut dstates: Rows = self.dstates_n.iter().map(|s| s[group][b].clone()).collect();
                    for (turn, t) in order(d).into_iter().enumerate().rev() {
                        let size = dy[t].len() / dirs;
                        let (p, dp) = (&self.p[group * each..], &mut made.dp[group * each..][..each]);
                        let (states, dy) = (&before[group][t], &dy[t][d * size..][..size]);
                        let (of_step, next) =
                            cell.step_backward(&p[..each], &inputs[l][t], states, dy, &dstates, dp);
                        dx[t].iter_mut().zip(of_step).for_each(|(sum, d)| *sum += d);
                        dstates = next;
                        if self.teacher.is_some() && turn > 0 {
                            made.dteacher[b][t - 1] = std::mem::replace(&mut dstates[0], vec![0.0; size]);
                        }
                    }
                    made.dstates.iter_mut().zip(dstates).for_each(|(all, state)| all[group][b] = state);
                }
                dy = dx;
            }
            made.dx.push(dy);
        }
        made
    }
}

fn zeros(rows: &Rows) -> Rows {
    rows.iter().map(|row| vec![0.0; row.len()]).collect()
}

/// Numbers in (-1, 1) from a 64-bit mix of a counter.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64;
        // What float32 can hold, so that both dtypes start from the same numbers.
        f64::from((2.0 * unit - 1.0) as f32)
    }

    fn rows(&mut self, rows: usize, columns: usize) -> Rows {
        (0..rows).map(|_| (0..columns).map(|_| self.next()).collect()).collect()
    }
}
