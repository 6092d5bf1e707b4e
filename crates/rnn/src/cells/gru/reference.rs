//! The equations of the GRU cell.

use crate::cells::Value;
use crate::reference::{ReferenceCell, Subject, back, times};

#[derive(Debug)]
struct Reference {
    bias: bool,
}

/// The cell with one of its two choices of options.
pub(crate) fn subject(h: usize, _: usize, choice: usize) -> Subject {
    let bias = choice & 1 == 0;
    let options = vec![("hiddenSize", Value::Size(h)), ("bias", Value::Flag(bias))];
    Subject { name: "gru", options, choices: 2, reference: Box::new(Reference { bias }) }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Reference {
    /// r, z, n, m and h.
    fn all(&self, p: &[Vec<f64>], x: &[f64], before: &[f64]) -> [Vec<f64>; 5] {
        let h = before.len();
        let part = |which: usize, from: &[f64]| -> Vec<f64> {
            let sums = times(&p[which], from).into_iter().enumerate();
            sums.map(|(j, sum)| sum + if self.bias { p[2 + which][j] } else { 0.0 }).collect()
        };
        let (from_x, from_h) = (part(0, x), part(1, before));
        let of_gate =
            |gate: usize| (0..h).map(|j| sigmoid(from_x[gate * h + j] + from_h[gate * h + j])).collect();
        let [r, z]: [Vec<f64>; 2] = [of_gate(0), of_gate(1)];
        let m = from_h[2 * h..].to_vec();
        let n: Vec<f64> = (0..h).map(|j| (from_x[2 * h + j] + r[j] * m[j]).tanh()).collect();
        let next = (0..h).map(|j| (1.0 - z[j]) * n[j] + z[j] * before[j]).collect();
        [r, z, n, m, next]
    }
}

impl ReferenceCell for Reference {
    fn step(&self, p: &[Vec<f64>], x: &[f64], states: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let [.., h] = self.all(p, x, &states[0]);
        (h.clone(), vec![h])
    }

    fn step_backward(
        &self,
        p: &[Vec<f64>],
        x: &[f64],
        states: &[Vec<f64>],
        dy: &[f64],
        dstates_n: &[Vec<f64>],
        dp: &mut [Vec<f64>],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let before = &states[0];
        let [r, z, n, m, _] = self.all(p, x, before);
        let h = before.len();
        let dh: Vec<f64> = dy.iter().zip(&dstates_n[0]).map(|(a, b)| a + b).collect();
        let dn: Vec<f64> = (0..h).map(|j| dh[j] * (1.0 - z[j]) * (1.0 - n[j] * n[j])).collect();
        let gates = (0..2 * h).map(|at| {
            let j = at % h;
            if at < h {
                dn[j] * m[j] * r[j] * (1.0 - r[j])
            } else {
                dh[j] * (before[j] - n[j]) * z[j] * (1.0 - z[j])
            }
        });
        let gates: Vec<f64> = gates.collect();
        let of_x: Vec<f64> = gates.iter().chain(&dn).copied().collect();
        let of_h: Vec<f64> = gates.iter().copied().chain((0..h).map(|j| dn[j] * r[j])).collect();
        if self.bias {
            dp[2].iter_mut().zip(&of_x).for_each(|(sum, d)| *sum += d);
            dp[3].iter_mut().zip(&of_h).for_each(|(sum, d)| *sum += d);
        }
        let dx = back(&p[0], x, &of_x, &mut dp[0]);
        let mut dstate = back(&p[1], before, &of_h, &mut dp[1]);
        (0..h).for_each(|j| dstate[j] += dh[j] * z[j]);
        (dx, vec![dstate])
    }
}
