//! The gradients of the reference are those of finite differences.

use super::{Expected, Net, Numbers, Rows, Values};

fn dot(a: &Rows, b: &Rows) -> f64 {
    a.concat().iter().zip(b.concat()).map(|(a, b)| a * b).sum()
}

/// The loss of which `dy` and `dstates_n` are the gradients.
fn loss(net: Net, values: &Values) -> f64 {
    let Expected { y, states_n, .. } = values.reference(net);
    let of_outputs = y.iter().zip(&values.dy).map(|(y, dy)| dot(y, dy)).sum::<f64>();
    let states = states_n.iter().flatten().zip(values.dstates_n.iter().flatten());
    of_outputs + states.map(|(state, d)| dot(state, d)).sum::<f64>()
}

/// Compares `gradients` with the derivatives of the loss by the rows that `place` finds.
fn same(net: Net, values: &Values, what: &str, gradients: &Rows, place: impl Fn(&mut Values) -> &mut Rows) {
    for (row, gradients) in gradients.iter().enumerate() {
        for (column, gradient) in gradients.iter().enumerate() {
            let at = |delta: f64| {
                let mut moved = values.clone();
                place(&mut moved)[row][column] += delta;
                loss(net, &moved)
            };
            let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
            let text = format!("{what} {row} {column}: {gradient} against {difference}, {net:?}");
            assert!((gradient - difference).abs() < 1e-8, "{text}");
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let shape = Net { cell: 0, choice: 0, i: 3, h: 5, o: 2, layers: 2, directions: 2 };
    let single = Net { layers: 1, directions: 1, ..shape };
    let taught = single.each_choice().filter(Net::teachable).map(|net| (net, true));
    for (net, taught) in shape.each_choice().chain(single.each_choice()).map(|net| (net, false)).chain(taught)
    {
        let values = Values::random(net, &[4, 1, 3], taught, &mut Numbers(3));
        let made = values.reference(net);
        same(net, &values, "parameter", &made.dp, |values| &mut values.p);
        for (s, of_state) in made.dstates.iter().enumerate() {
            for (group, gradients) in of_state.iter().enumerate() {
                same(net, &values, "state", gradients, |values| &mut values.states[s][group]);
            }
        }
        for b in 0..3 {
            same(net, &values, "x", &made.dx[b], |values| &mut values.x[b]);
            if taught {
                let teacher = &made.dteacher[b];
                same(net, &values, "teacher", teacher, |values| &mut values.teacher.as_mut().unwrap()[b]);
            }
        }
    }
}
