//! The equations of the Jordan cell.

use crate::cells::Value;
use crate::reference::{ReferenceCell, Subject, back, times};

#[derive(Debug)]
struct Reference {
    relu: bool,
    bias: bool,
    output: &'static str,
}

/// The cell with one of its twelve choices of options.
pub(crate) fn subject(h: usize, o: usize, choice: usize) -> Subject {
    let (relu, bias) = (choice & 1 == 1, choice & 2 == 0);
    let output = ["identity", "tanh", "sigmoid"][choice / 4 % 3];
    let options = vec![
        ("hiddenSize", Value::Size(h)),
        ("outputSize", Value::Size(o)),
        ("bias", Value::Flag(bias)),
        ("nonlinearity", Value::Name(if relu { "relu" } else { "tanh" }.to_owned())),
        ("outputNonlinearity", Value::Name(output.to_owned())),
    ];
    Subject { name: "jordan", options, choices: 12, reference: Box::new(Reference { relu, bias, output }) }
}

impl Reference {
    /// h and y.
    fn layers(&self, p: &[Vec<f64>], x: &[f64], fed: &[f64]) -> [Vec<f64>; 2] {
        let bias = |n: usize, j: usize| if self.bias { p[3 + n][j] } else { 0.0 };
        let (from_x, from_y) = (times(&p[0], x), times(&p[1], fed));
        let h: Vec<f64> = (0..from_x.len())
            .map(|j| {
                let z = from_x[j] + bias(0, j) + from_y[j] + bias(1, j);
                if self.relu { z.max(0.0) } else { z.tanh() }
            })
            .collect();
        let y = times(&p[2], &h).into_iter().enumerate().map(|(j, v)| match self.output {
            "identity" => v + bias(2, j),
            "tanh" => (v + bias(2, j)).tanh(),
            _ => 1.0 / (1.0 + (-v - bias(2, j)).exp()),
        });
        let y = y.collect();
        [h, y]
    }
}

impl ReferenceCell for Reference {
    fn step(&self, p: &[Vec<f64>], x: &[f64], states: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let [_, y] = self.layers(p, x, &states[0]);
        (y.clone(), vec![y])
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
        let [h, y] = self.layers(p, x, &states[0]);
        let slope = |y: f64| match self.output {
            "identity" => 1.0,
            "tanh" => 1.0 - y * y,
            _ => y * (1.0 - y),
        };
        let dv: Vec<f64> = (0..y.len()).map(|j| (dy[j] + dstates_n[0][j]) * slope(y[j])).collect();
        let dh = back(&p[2], &h, &dv, &mut dp[2]);
        let slope = |h: f64| if self.relu { f64::from(h > 0.0) } else { 1.0 - h * h };
        let dz: Vec<f64> = dh.iter().zip(&h).map(|(dh, &h)| dh * slope(h)).collect();
        for (db, d) in dp[3..].iter_mut().zip([&dz, &dz, &dv]) {
            db.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
        }
        let dx = back(&p[0], x, &dz, &mut dp[0]);
        (dx, vec![back(&p[1], &states[0], &dz, &mut dp[1])])
    }
}
