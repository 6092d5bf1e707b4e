//! Losses, optimizers and elementwise loops at the sizes of the character model (`examples/char-model`), each on the
//! build target's own vectors (`scalar`) and on the machine's widest:
//! `cargo bench --manifest-path bench/rust/Cargo.toml --bench train`.
//!
//! Throughput is in elements a second. One thread: none of this uses more.

use std::hint::black_box;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use elman_kernels::{Activation, Context, Isa};
use elman_train::adam::{Adam, Moments};
use elman_train::cross_entropy::CrossEntropy;
use elman_train::pointwise::{self, LogisticCrossEntropy, Squared};
use elman_train::rmsprop::{Averages, RmsProp};
use elman_train::sgd::Sgd;
use elman_train::{Reduction, clip, elementwise};

/// T · B rows of scores for the characters of *Moby Dick*.
const ROWS: usize = 64 * 32;
const CLASSES: usize = 87;

/// The largest parameter, W_hh: (256, 256).
const PARAMETER: usize = 256 * 256;

/// Numbers between -0.5 and 0.5 without a pattern.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    })
    .take(count)
    .collect()
}

/// Runs `bench` on the narrowest and on the widest vectors.
fn each(
    c: &mut Criterion,
    name: &str,
    elements: usize,
    mut bench: impl FnMut(&mut BenchmarkGroup<'_, WallTime>, &str, &Context),
) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(elements as u64));
    let available = Isa::available();
    for isa in available.first().into_iter().chain(available.last()) {
        bench(&mut group, isa.name(), &Context::new(*isa, 1));
    }
    group.finish();
}

fn bench_losses(c: &mut Criterion) {
    let shape = CrossEntropy { rows: ROWS, classes: CLASSES, ignore_index: -100, reduction: Reduction::Mean };
    let count = ROWS * CLASSES;
    let logits: Vec<f32> = numbers(count).iter().map(|x| x * 10.0).collect();
    let targets: Vec<i32> = (0..ROWS as i32).map(|r| r % CLASSES as i32).collect();
    let (mut out, mut gradient) = ([0.0], vec![0.0; count]);
    each(c, "cross entropy", count, |group, isa, ctx| {
        group.bench_function(isa, |b| {
            b.iter(|| shape.forward(ctx, black_box(&logits), &targets, &mut out).expect("sizes fit"));
        });
    });
    each(c, "cross entropy backward", count, |group, isa, ctx| {
        group.bench_function(isa, |b| {
            b.iter(|| {
                shape.backward(ctx, black_box(&logits), &targets, &[1.0], &mut gradient).expect("sizes fit");
            });
        });
    });
    let targets = numbers(count);
    each(c, "squared error", count, |group, isa, ctx| {
        group.bench_function(isa, |b| {
            b.iter(|| {
                pointwise::forward(ctx, Squared, black_box(&logits), &targets, Reduction::Mean, &mut out)
                    .expect("sizes fit");
            });
        });
    });
    each(c, "binary cross entropy", count, |group, isa, ctx| {
        group.bench_function(isa, |b| {
            b.iter(|| {
                let (x, mean) = (black_box(&logits), Reduction::Mean);
                pointwise::forward(ctx, LogisticCrossEntropy, x, &targets, mean, &mut out)
                    .expect("sizes fit");
            });
        });
    });
}

fn bench_optimizers(c: &mut Criterion) {
    let grad = numbers(PARAMETER);
    let mut state = [numbers(PARAMETER), vec![0.0; PARAMETER], vec![0.0; PARAMETER]];
    let [param, first, second] = &mut state;
    let sgd =
        Sgd { lr: 1e-3, momentum: 0.9, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };
    each(c, "SGD", PARAMETER, |group, isa, ctx| {
        group.bench_function(isa, |b| {
            b.iter(|| sgd.step(ctx, param, black_box(&grad), Some(first), false).expect("sizes fit"));
        });
    });
    let adam = Adam {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
        decoupled: false,
        maximize: false,
    };
    first.fill(0.0);
    each(c, "Adam", PARAMETER, |group, isa, ctx| {
        group.bench_function(isa, |b| {
            b.iter(|| {
                let moments = Moments { exp_avg: first, exp_avg_sq: second, max_exp_avg_sq: None };
                adam.step(ctx, param, black_box(&grad), moments, 10.0).expect("sizes fit");
            });
        });
    });
    let rmsprop =
        RmsProp { lr: 1e-3, alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, maximize: false };
    each(c, "RMSprop", PARAMETER, |group, isa, ctx| {
        group.bench_function(isa, |b| {
            b.iter(|| {
                let averages = Averages { square_avg: second, grad_avg: None, momentum_buffer: None };
                rmsprop.step(ctx, param, black_box(&grad), averages).expect("sizes fit");
            });
        });
    });
}

fn bench_elementwise(c: &mut Criterion) {
    let (a, b) = (numbers(PARAMETER), numbers(PARAMETER));
    let mut out = vec![0.0; PARAMETER];
    each(c, "add", PARAMETER, |group, isa, ctx| {
        group.bench_function(isa, |bench| {
            bench.iter(|| elementwise::add(ctx, black_box(&a), &b, &mut out).expect("sizes fit"));
        });
    });
    each(c, "sigmoid", PARAMETER, |group, isa, ctx| {
        group.bench_function(isa, |bench| {
            bench.iter(|| {
                elementwise::activate(ctx, Activation::Sigmoid, black_box(&a), &mut out).expect("sizes fit")
            });
        });
    });
    each(c, "norm", PARAMETER, |group, isa, ctx| {
        group.bench_function(isa, |bench| bench.iter(|| clip::total_norm(ctx, &[black_box(&a)], 2.0)));
    });
}

criterion_group!(benches, bench_losses, bench_optimizers, bench_elementwise);
criterion_main!(benches);
