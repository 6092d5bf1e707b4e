//! The kernels alone, each on shapes that the recurrent layers ask for:
//! `cargo bench --manifest-path bench/rust/Cargo.toml --bench kernels`.
//!
//! Throughput is in elements per second: multiply-adds for the products, values for the activations. Twice the
//! former is the number of floating-point operations, to be held against the machine's peak.
//!
//! `ELMAN_ISA` and `ELMAN_NUM_THREADS` choose as they do for the package; the default is one thread.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elman_kernels::{
    Activation, Context, Epilogue, InitialC, Isa, MappedRows, Operand, Order, Packed, Recurrence, Stacked,
    Start, Step, StepProduct, Steps, TransposedProduct, activate, activate_backward, fingerprint, gemm,
    gemm_tn, recurrence, step,
};
use ndarray::Array2;

/// The context that the environment asks for.
fn context() -> Context {
    let variable = |name| std::env::var(name).ok();
    let isa = match variable("ELMAN_ISA") {
        Some(name) => Isa::by_name(&name).expect("ELMAN_ISA must name an instruction set of this machine"),
        None => Isa::detect(),
    };
    let threads =
        variable("ELMAN_NUM_THREADS").map_or(1, |n| n.parse().expect("ELMAN_NUM_THREADS must be a number"));
    Context::new(isa, threads)
}

/// Numbers between -0.5 and 0.5 without a pattern.
fn numbers(rows: usize, columns: usize) -> Array2<f32> {
    let mut state = 1u32;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    })
}

/// The input projection and the gradient of the input: R rows, K by N.
fn bench_gemm(c: &mut Criterion) {
    let ctx = context();
    let mut group = c.benchmark_group("gemm");
    for (rows, k, n) in
        [(800, 32, 64), (700, 200, 200), (3200, 128, 256), (8192, 512, 512), (8192, 1024, 1024)]
    {
        let (x, w) = (numbers(rows, k), numbers(k, n));
        let packed = Packed::new(&ctx, w.view()).expect("memory for W");
        let bias = vec![0.1; n];
        let mut y = Array2::zeros((rows, n));
        group.throughput(Throughput::Elements((rows * k * n) as u64));
        group.bench_function(format!("{rows}x{k}x{n}"), |b| {
            b.iter(|| gemm(&ctx, black_box(x.view()), &packed, InitialC::Row(&bias), y.view_mut()));
        });
    }
    group.finish();
}

/// Packing W in panels, as each call does.
fn bench_pack(c: &mut Criterion) {
    let ctx = context();
    let mut group = c.benchmark_group("pack");
    for size in [64, 256, 1024] {
        let w = numbers(size, size);
        group.throughput(Throughput::Elements((size * size) as u64));
        group.bench_function(format!("{size}x{size}"), |b| {
            b.iter(|| Packed::new(&ctx, black_box(w.view())).expect("memory for W"));
        });
        group.bench_function(format!("{size}x{size} transposed"), |b| {
            b.iter(|| Packed::new(&ctx, black_box(w.t())).expect("memory for W"));
        });
    }
    group.finish();
}

/// y_t = f(z_t + y_{t-1} W).
fn product<'a, 'p, 'y>(
    weights: &'p Packed<'p, f32>,
    z: &'a Array2<f32>,
    epilogue: Epilogue<MappedRows<'a, f32>>,
    y: &'y mut Array2<f32>,
) -> StepProduct<'a, 'p, 'y, f32> {
    let initial = InitialC::Matrix(z.view().into());
    StepProduct { weights, initial, projection: None, epilogue, target: y.view_mut().into() }
}

/// The recurrence over T steps of B sequences, forward and back.
fn bench_recurrence(c: &mut Criterion) {
    let ctx = context();
    let mut group = c.benchmark_group("recurrence");
    for (t, batch, h) in
        [(50, 1, 64), (1000, 1, 128), (50, 16, 64), (35, 20, 200), (100, 32, 256), (128, 64, 512)]
    {
        let steps = Steps::uniform(t, batch).expect("a small shape");
        let z = numbers(t * batch, h);
        let state = numbers(batch, h);
        // So small that the states neither die out nor saturate.
        let w = numbers(h, h) * (2.0 / (h as f32).sqrt());
        let weights = Packed::new(&ctx, w.view()).expect("memory for W");
        let mut y = Array2::zeros((t * batch, h));
        group.throughput(Throughput::Elements((t * batch * h * h) as u64));
        let terms = |order| Recurrence { steps: &steps, order, start: Start::State(state.view()) };
        group.bench_function(format!("forward {t}x{batch}x{h}"), |b| {
            b.iter(|| {
                let tanh = Epilogue::Activation(Activation::Tanh);
                recurrence(&ctx, black_box(&terms(Order::Ascending)), [product(&weights, &z, tanh, &mut y)])
                    .unwrap();
            });
        });
        let outputs = y.clone();
        group.bench_function(format!("backward {t}x{batch}x{h}"), |b| {
            b.iter(|| {
                let derivative = Epilogue::Derivative(Activation::Tanh, outputs.view().into());
                let product = product(&weights, &z, derivative, &mut y);
                recurrence(&ctx, black_box(&terms(Order::Descending)), [product]).unwrap();
            });
        });
    }
    group.finish();
}

/// One step of B sequences, again and again: I + H features to H.
fn bench_step(c: &mut Criterion) {
    let ctx = context();
    let mut group = c.benchmark_group("step");
    for (batch, i, h) in [(1, 16, 32), (1, 64, 64), (1, 128, 128), (1, 256, 256), (1, 512, 512), (8, 64, 64)]
    {
        let k = i + h;
        let a = numbers(batch, k);
        let w = numbers(k, h) * (2.0 / (k as f32).sqrt());
        let bias = vec![0.1; h];
        let mut memory = vec![0.0; Stacked::<f32>::len(&ctx, k, h).expect("a small shape")];
        Stacked::pack(&ctx, &[w.view()], &mut memory).expect("memory for W");
        let mut y = Array2::zeros((batch, h));
        let mut descending = false;
        group.throughput(Throughput::Elements((batch * k * h) as u64));
        group.bench_function(format!("{batch}x({i}+{h})"), |b| {
            b.iter(|| {
                descending = !descending;
                let weights = Stacked::new(&ctx, k, h, &memory);
                let activation = Activation::Tanh;
                let one = Step { a: a.view(), weights, bias: Some(&bias), activation, descending };
                step(&ctx, black_box(&one), y.view_mut());
            });
        });
    }
    group.finish();
}

/// The gradient of a weight: Aᵀ B over K rows, M by N.
fn bench_gemm_tn(c: &mut Criterion) {
    let ctx = context();
    let mut group = c.benchmark_group("gemm_tn");
    for (k, m, n) in [(800, 64, 64), (1000, 128, 128), (50176, 128, 1), (3200, 256, 256), (8192, 512, 512)] {
        let (left, right) = (numbers(k, m), numbers(k, n));
        let mut out = Array2::zeros((m, n));
        group.throughput(Throughput::Elements((k * m * n) as u64));
        group.bench_function(format!("{k}x{m}x{n}"), |b| {
            b.iter(|| {
                let product = TransposedProduct { b: Operand::Matrix(right.view()), out: out.view_mut() };
                gemm_tn(&ctx, black_box(left.view()), [product], None, None).expect("memory for panels");
            });
        });
    }
    group.finish();
}

/// tanh and its derivative over arrays within the first cache and beyond the last.
fn bench_tanh(c: &mut Criterion) {
    let ctx = context();
    let mut group = c.benchmark_group("tanh");
    for len in [1024, 4 << 20] {
        // Reaches into both forms of the function.
        let x = (numbers(1, len) * 6.0).into_raw_vec_and_offset().0;
        let mut y = vec![0.0; len];
        group.throughput(Throughput::Elements(len as u64));
        group.bench_function(format!("value {len}"), |b| {
            b.iter(|| activate(&ctx, Activation::Tanh, black_box(&x), &mut y))
        });
        let h = y.clone();
        group.bench_function(format!("derivative {len}"), |b| {
            b.iter(|| activate_backward(&ctx, Activation::Tanh, black_box(&x), &h, &mut y));
        });
    }
    group.finish();
}

/// The hash by which a change is noticed: the weights of a small layer, and arrays beyond the caches.
fn bench_fingerprint(c: &mut Criterion) {
    let ctx = context();
    let mut group = c.benchmark_group("fingerprint");
    for len in [64 * 64, 1 << 22] {
        let (a, b) = (numbers(1, len), numbers(1, len));
        let arrays = [a.as_slice().unwrap_or_default(), b.as_slice().unwrap_or_default()];
        group.throughput(Throughput::Elements(2 * len as u64));
        group.bench_function(format!("2x{len}"), |b| b.iter(|| fingerprint(&ctx, black_box(arrays))));
    }
    group.finish();
}

criterion_group!(
    benches,
    bench_gemm,
    bench_pack,
    bench_recurrence,
    bench_step,
    bench_gemm_tn,
    bench_tanh,
    bench_fingerprint
);
criterion_main!(benches);
