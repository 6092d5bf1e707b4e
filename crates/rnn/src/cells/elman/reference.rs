//! The equations of the Elman cell.

use crate::cells::Value;
use crate::reference::{ReferenceCell, Subject, back, times};

#[derive(Debug)]
struct Reference {
    relu: bool,
    bias: bool,
}

/// The cell with one of its four choices of options.
pub(crate) fn subject(h: usize, _: usize, choice: usize) -> Subject {
    let (relu, bias) = (choice & 1 == 1, choice & 2 == 0);
    let options = vec![
        ("hiddenSize", Value::Size(h)),
        ("bias", Value::Flag(bias)),
        ("nonlinearity", Value::Name(if relu { "relu" } else { "tanh" }.to_owned())),
    ];
    Subject { name: "elman", options, choices: 4, reference: Box::new(Reference { relu, bias }) }
}

impl ReferenceCell for Reference {
    fn step(&self, p: &[Vec<f64>], x: &[f64], states: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let (from_x, from_h) = (times(&p[0], x), times(&p[1], &states[0]));
        let h: Vec<f64> = (0..from_h.len())
            .map(|j| {
                let z = from_x[j] + from_h[j] + if self.bias { p[2][j] + p[3][j] } else { 0.0 };
                if self.relu { z.max(0.0) } else { z.tanh() }
            })
            .collect();
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
        let h = self.step(p, x, states).0;
        let dz: Vec<f64> = (0..h.len())
            .map(|j| {
                let slope = if self.relu { f64::from(h[j] > 0.0) } else { 1.0 - h[j] * h[j] };
                (dy[j] + dstates_n[0][j]) * slope
            })
            .collect();
        for db in &mut dp[2..] {
            db.iter_mut().zip(&dz).for_each(|(sum, d)| *sum += d);
        }
        let dx = back(&p[0], x, &dz, &mut dp[0]);
        (dx, vec![back(&p[1], &states[0], &dz, &mut dp[1])])
    }
}
