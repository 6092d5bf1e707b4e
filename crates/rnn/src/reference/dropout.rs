//! Gradients through dropout, by finite differences: the mask is the same in both passes.

use elman_kernels::{Context, Isa};

use super::call::Arrays;
use super::{Net, Numbers};
use crate::{Dropout, Layout, Stack};

/// The loss, which is the sum of outputs and final states, and its gradients by x and by the parameters.
fn loss(stack: &Stack<f64>, arrays: &Arrays<f64>, threads: usize) -> (f64, Vec<f64>, Vec<Vec<f64>>) {
    let all = arrays.run(stack, &Context::new(Isa::detect(), threads), |_| true);
    let (made, gradients) = all.split_at(1 + stack.state_sizes().len());
    let mut arrays = gradients.iter().map(|(_, array)| array.clone());
    let dx = arrays.next().unwrap_or_default();
    let dp = arrays.skip(1 + stack.state_sizes().len()).collect();
    (made.iter().flat_map(|(_, array)| array).sum(), dx, dp)
}

#[test]
fn gradients_through_dropout_agree_with_finite_differences() {
    let shape = Net { cell: 0, choice: 0, i: 3, h: 5, o: 4, layers: 3, directions: 2 };
    for net in shape.each_cell() {
        let stack = net.stack::<f64>();
        let mut numbers = Numbers(11);
        let layout = Layout::padded(4, 2, false, None).unwrap();
        let shapes = stack.parameters();
        let lens = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>());
        let arrays = Arrays {
            layout,
            p: lens.map(|len| (0..len).map(|_| numbers.next() * 0.4).collect()).collect(),
            x: (0..24).map(|_| numbers.next()).collect(),
            teacher: None,
            states: stack.state_sizes().iter().map(|_| None).collect(),
            dropout: Dropout { p: 0.4, seed: 5 },
            every: None,
            dy: Some(vec![1.0; 8 * stack.output_size()]),
            dstates_n: stack.state_sizes().iter().map(|size| Some(vec![1.0; 6 * 2 * size])).collect(),
        };
        let (sum, dx, dp) = loss(&stack, &arrays, 1);
        assert_eq!((sum, dx.clone(), dp.clone()), loss(&stack, &arrays, 3));
        let other = Arrays { dropout: Dropout { p: 0.4, seed: 6 }, ..arrays.clone() };
        assert!((sum - loss(&stack, &other, 1).0).abs() > 1e-3, "another mask");
        let ctx = Context::new(Isa::detect(), 1);
        let difference = |place: &dyn Fn(&mut Arrays<f64>) -> &mut f64| {
            let at = |delta: f64| {
                let mut moved = arrays.clone();
                *place(&mut moved) += delta;
                let (output, states_n, _) = moved.forward(&stack, &ctx, false);
                output.iter().chain(states_n.iter().flatten()).sum::<f64>()
            };
            (at(1e-6) - at(-1e-6)) / 2e-6
        };
        for (i, gradient) in dx.iter().enumerate() {
            assert!((difference(&|arrays| &mut arrays.x[i]) - gradient).abs() < 1e-7, "{net:?} {i}");
        }
        for (j, dp) in dp.iter().enumerate() {
            for (k, gradient) in dp.iter().enumerate() {
                assert!(
                    (difference(&|arrays| &mut arrays.p[j][k]) - gradient).abs() < 1e-7,
                    "{net:?} {j} {k}"
                );
            }
        }
    }
}
