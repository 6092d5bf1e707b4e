//! Optimizers give the same bits on every instruction set; losses and the rest are tested for it beside their code.

use elman_kernels::{Context, Isa, Scalar};
use elman_train::adam::{Adam, Moments};
use elman_train::rmsprop::{Averages, RmsProp};
use elman_train::sgd::Sgd;

/// Whole blocks, and a rest that is no multiple of any vector.
const COUNT: usize = 2 * 256 + 77;

/// Numbers in (-1, 1) without a pattern, of many sizes.
fn numbers<T: Scalar>(seed: u32) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    (0..COUNT).map(|_| T::from_f64(next() * next().powi(3))).collect()
}

/// Three steps of `step(context, number of the step, [param, three buffers], gradient)` on every instruction set.
fn same_bits<T: Scalar>(name: &str, step: impl Fn(&Context, u32, &mut [Vec<T>; 4], &[T])) {
    let run = |isa| {
        let ctx = Context::new(isa, 1);
        let zeros = || vec![T::zero(); COUNT];
        let mut arrays = [numbers(1), zeros(), zeros(), zeros()];
        for number in 1..=3 {
            step(&ctx, number, &mut arrays, &numbers(number + 1));
        }
        arrays.map(|array| array.iter().map(|x| x.widen().to_bits()).collect::<Vec<_>>())
    };
    let expected = run(Isa::available()[0]);
    assert!(expected[0].iter().all(|&bits| f64::from_bits(bits).is_finite()));
    for isa in Isa::available() {
        assert!(run(isa) == expected, "{name} differs on {}", isa.name());
    }
}

fn sgd<T: Scalar>() {
    for (momentum, nesterov, maximize) in [(0.0, false, false), (0.9, false, true), (0.9, true, false)] {
        let sgd = Sgd { lr: 0.1, momentum, dampening: 0.0, weight_decay: 0.03, nesterov, maximize };
        same_bits::<T>("SGD", |ctx, number, [param, buffer, ..], grad| {
            sgd.step(ctx, param, grad, Some(buffer), number == 1).unwrap();
        });
    }
}

fn adam<T: Scalar>() {
    for (beta1, decoupled, amsgrad) in [(0.9, false, true), (0.3, true, false), (0.9, true, true)] {
        let adam =
            Adam { lr: 0.1, beta1, beta2: 0.99, eps: 1e-8, weight_decay: 0.03, decoupled, maximize: amsgrad };
        same_bits::<T>("Adam", |ctx, number, [param, exp_avg, exp_avg_sq, maximum], grad| {
            let max_exp_avg_sq = amsgrad.then_some(&mut maximum[..]);
            let moments = Moments { exp_avg, exp_avg_sq, max_exp_avg_sq };
            adam.step(ctx, param, grad, moments, f64::from(number)).unwrap();
        });
    }
}

fn rmsprop<T: Scalar>() {
    for (momentum, centered) in [(0.0, false), (0.9, false), (0.0, true), (0.9, true)] {
        let rmsprop =
            RmsProp { lr: 0.1, alpha: 0.7, eps: 1e-3, weight_decay: 0.03, momentum, maximize: centered };
        same_bits::<T>("RMSprop", |ctx, _, [param, square_avg, grad_avg, buffer], grad| {
            let averages = Averages {
                square_avg,
                grad_avg: centered.then_some(&mut grad_avg[..]),
                momentum_buffer: Some(buffer),
            };
            rmsprop.step(ctx, param, grad, averages).unwrap();
        });
    }
}

#[test]
fn optimizers_in_float32() {
    sgd::<f32>();
    adam::<f32>();
    rmsprop::<f32>();
}

#[test]
fn optimizers_in_float64() {
    sgd::<f64>();
    adam::<f64>();
    rmsprop::<f64>();
}
