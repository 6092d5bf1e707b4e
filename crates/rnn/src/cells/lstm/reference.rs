//! The equations of the LSTM cell.

use crate::cells::Value;
use crate::reference::{ReferenceCell, Subject, back, times};

#[derive(Debug)]
struct Reference {
    bias: bool,
    projects: bool,
}

/// The cell with one of its four choices of options; it projects to `p` features where that is allowed.
pub(crate) fn subject(h: usize, p: usize, choice: usize) -> Subject {
    let (projects, bias) = (choice & 1 == 1 && h > 1, choice & 2 == 0);
    let proj_size = if projects { p.min(h - 1) } else { 0 };
    let options = vec![
        ("hiddenSize", Value::Size(h)),
        ("projSize", Value::Size(proj_size)),
        ("bias", Value::Flag(bias)),
    ];
    Subject { name: "lstm", options, choices: 4, reference: Box::new(Reference { bias, projects }) }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Reference {
    /// i, f, g, o, c, m and s.
    fn all(&self, p: &[Vec<f64>], x: &[f64], states: &[Vec<f64>]) -> [Vec<f64>; 7] {
        let h = states[1].len();
        let (from_x, from_s) = (times(&p[0], x), times(&p[1], &states[0]));
        let z = |gate: usize, j: usize| {
            let at = gate * h + j;
            from_x[at] + from_s[at] + if self.bias { p[2][at] + p[3][at] } else { 0.0 }
        };
        let [i, f, o] = [0, 1, 3].map(|gate| (0..h).map(|j| sigmoid(z(gate, j))).collect::<Vec<_>>());
        let g: Vec<f64> = (0..h).map(|j| z(2, j).tanh()).collect();
        let c: Vec<f64> = (0..h).map(|j| f[j] * states[1][j] + i[j] * g[j]).collect();
        let m: Vec<f64> = (0..h).map(|j| o[j] * c[j].tanh()).collect();
        let s = if self.projects { times(&p[p.len() - 1], &m) } else { m.clone() };
        [i, f, g, o, c, m, s]
    }
}

impl ReferenceCell for Reference {
    fn step(&self, p: &[Vec<f64>], x: &[f64], states: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let [.., c, _, s] = self.all(p, x, states);
        (s.clone(), vec![s, c])
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
        let [i, f, g, o, c, m, _] = self.all(p, x, states);
        let ds: Vec<f64> = dy.iter().zip(&dstates_n[0]).map(|(a, b)| a + b).collect();
        let last = p.len() - 1;
        let dm = if self.projects { back(&p[last], &m, &ds, &mut dp[last]) } else { ds };
        let h = c.len();
        let dc: Vec<f64> =
            (0..h).map(|j| dstates_n[1][j] + dm[j] * o[j] * (1.0 - c[j].tanh().powi(2))).collect();
        let dz: Vec<f64> = (0..4 * h)
            .map(|at| {
                let j = at % h;
                match at / h {
                    0 => dc[j] * g[j] * i[j] * (1.0 - i[j]),
                    1 => dc[j] * states[1][j] * f[j] * (1.0 - f[j]),
                    2 => dc[j] * i[j] * (1.0 - g[j] * g[j]),
                    _ => dm[j] * c[j].tanh() * o[j] * (1.0 - o[j]),
                }
            })
            .collect();
        if self.bias {
            for db in &mut dp[2..4] {
                db.iter_mut().zip(&dz).for_each(|(sum, d)| *sum += d);
            }
        }
        let dx = back(&p[0], x, &dz, &mut dp[0]);
        let ds_0 = back(&p[1], &states[0], &dz, &mut dp[1]);
        (dx, vec![ds_0, dc.iter().zip(&f).map(|(dc, f)| dc * f).collect()])
    }
}
