//! The reference: the equations as they stand, one sequence, one step and one element at a time, in float64.
//! The modules below hold the stack against it.

mod agreement;
mod checkpoints;
mod dropout;
mod errors;
mod jordan;
mod stream;

use elman_kernels::Scalar;

use crate::{Elman, Layout, Nonlinearity, Stack};

/// A network's shape.
#[derive(Clone, Copy, Debug)]
struct Net {
    i: usize,
    h: usize,
    layers: usize,
    directions: usize,
    bias: bool,
    relu: bool,
}

impl Net {
    fn stack<T: Scalar>(&self) -> Stack<Elman> {
        let nonlinearity = if self.relu { Nonlinearity::Relu } else { Nonlinearity::Tanh };
        let cell = Elman { hidden_size: self.h, nonlinearity, bias: self.bias };
        Stack::new::<T>(cell, self.i, self.layers, self.directions == 2).unwrap()
    }

    fn each(&self) -> usize {
        if self.bias { 4 } else { 2 }
    }
}

type Rows = Vec<Vec<f64>>;

/// An array to write, in the caller's layout: NaN everywhere, in the padding too.
fn unwritten<T: Scalar>(layout: &Layout, columns: usize) -> Vec<T> {
    vec![T::nan(); layout.outer_rows() * columns]
}

/// Outputs, final states [l·D + d][b] and all of a sequence batch's gradients.
struct Expected {
    output: Vec<Rows>,
    h_n: Vec<Rows>,
    dinput: Vec<Rows>,
    dhx: Vec<Rows>,
    dparameters: Vec<Vec<f64>>,
}

/// x[b][t] of each sequence at its own length; hx, dh_n: [l·D + d][b]; dy[b][t].
fn reference(net: Net, p: &[Vec<f64>], x: &[Rows], hx: &[Rows], dy: &[Rows], dh_n: &[Rows]) -> Expected {
    let (h, dirs) = (net.h, net.directions);
    let zeros = |rows: &[Rows]| rows.iter().map(|s| s.iter().map(|r| vec![0.0; r.len()]).collect()).collect();
    let mut expected = Expected {
        output: Vec::new(),
        h_n: zeros(hx),
        dinput: zeros(x),
        dhx: zeros(hx),
        dparameters: p.iter().map(|p| vec![0.0; p.len()]).collect(),
    };
    for (b, x_0) in x.iter().enumerate() {
        let len = x_0.len();
        // inputs[l][t], outputs of layer l are inputs[l + 1].
        let mut inputs = vec![x_0.clone()];
        let order =
            |d: usize| -> Vec<usize> { if d == 0 { (0..len).collect() } else { (0..len).rev().collect() } };
        for l in 0..net.layers {
            let mut y = vec![vec![0.0; dirs * h]; len];
            for d in 0..dirs {
                let g = l * dirs + d;
                let w = &p[g * net.each()..];
                let mut state = hx[g][b].clone();
                for t in order(d) {
                    let x = &inputs[l][t];
                    let next: Vec<f64> = (0..h)
                        .map(|j| {
                            let mut z: f64 = (0..x.len()).map(|k| w[0][j * x.len() + k] * x[k]).sum();
                            z += (0..h).map(|k| w[1][j * h + k] * state[k]).sum::<f64>();
                            if net.bias {
                                z += w[2][j] + w[3][j];
                            }
                            if net.relu { z.max(0.0) } else { z.tanh() }
                        })
                        .collect();
                    y[t][d * h..][..h].copy_from_slice(&next);
                    state = next;
                }
                expected.h_n[g][b] = state;
            }
            inputs.push(y);
        }
        expected.output.push(inputs[net.layers].clone());

        let mut dy = dy[b].clone();
        for l in (0..net.layers).rev() {
            let mut dx = vec![vec![0.0; inputs[l][0].len()]; len];
            for d in 0..dirs {
                let g = l * dirs + d;
                let w = &p[g * net.each()..];
                let dw = &mut expected.dparameters[g * net.each()..];
                let mut dh = dh_n[g][b].clone();
                let order = order(d);
                for (i, &t) in order.iter().enumerate().rev() {
                    let y = &inputs[l + 1][t][d * h..][..h];
                    let before: &[f64] =
                        if i == 0 { &hx[g][b] } else { &inputs[l + 1][order[i - 1]][d * h..][..h] };
                    let dz: Vec<f64> = (0..h)
                        .map(|j| {
                            let slope = match net.relu {
                                true => f64::from(y[j] > 0.0),
                                false => 1.0 - y[j] * y[j],
                            };
                            (dh[j] + dy[t][d * h + j]) * slope
                        })
                        .collect();
                    let x = &inputs[l][t];
                    dh = vec![0.0; h];
                    for j in 0..h {
                        for k in 0..x.len() {
                            dw[0][j * x.len() + k] += dz[j] * x[k];
                            dx[t][k] += dz[j] * w[0][j * x.len() + k];
                        }
                        for k in 0..h {
                            dw[1][j * h + k] += dz[j] * before[k];
                            dh[k] += dz[j] * w[1][j * h + k];
                        }
                        if net.bias {
                            dw[2][j] += dz[j];
                            dw[3][j] += dz[j];
                        }
                    }
                }
                expected.dhx[g][b] = dh;
            }
            dy = dx;
        }
        expected.dinput[b] = dy;
    }
    expected
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
