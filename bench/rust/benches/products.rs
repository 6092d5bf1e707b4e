//! The products of a recurrent layer by three libraries: elman-kernels, [`gemm`] and [`matrixmultiply`] (which ndarray
//! calls), on one thread: `cargo bench --manifest-path bench/rust/Cargo.toml --bench products`.
//!
//! ```text
//! project   Z = X W^T     X (R, F), W (H, F): R = T·B rows at once; W is laid out in each call, as in a training step
//! gradient  dW = dZ^T X   dZ (R, H), X (R, F)
//! ```
//!
//! Throughput is in multiply-adds per second; twice that is to be held against the machine's peak.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elman_kernels::{Context, InitialC, Isa, Packed, TransposedProduct, gemm_tn};
use gemm::Parallelism;
use ndarray::Array2;

/// R, F, H of the layers of the benchmark's grid.
const SHAPES: [(usize, usize, usize); 7] = [
    (800, 32, 64),
    (700, 200, 200),
    (50176, 1, 128),
    (1000, 64, 128),
    (3200, 128, 256),
    (8192, 512, 512),
    (8192, 1024, 1024),
];

/// Numbers between -0.5 and 0.5 without a pattern.
fn numbers(rows: usize, columns: usize) -> Array2<f32> {
    let mut state = 1u32;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    })
}

/// An operand: its first element, and how far its rows and its columns are apart.
type Operand = (*const f32, isize, isize);

/// C (M, N) = A (M, K) B (K, N), row by row.
type Multiply = fn([usize; 3], Operand, Operand, &mut Array2<f32>);

fn by_gemm([m, k, n]: [usize; 3], a: Operand, b: Operand, c: &mut Array2<f32>) {
    let stride = n as isize;
    // SAFETY: the operands have these shapes and strides, and C is row by row.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            stride,
            false,
            a.0,
            a.2,
            a.1,
            b.0,
            b.2,
            b.1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn by_matrixmultiply([m, k, n]: [usize; 3], a: Operand, b: Operand, c: &mut Array2<f32>) {
    let stride = n as isize;
    // SAFETY: as for gemm.
    unsafe {
        matrixmultiply::sgemm(m, k, n, 1.0, a.0, a.1, a.2, b.0, b.1, b.2, 0.0, c.as_mut_ptr(), stride, 1);
    }
}

const LIBRARIES: [(&str, Multiply); 2] = [("gemm", by_gemm), ("matrixmultiply", by_matrixmultiply)];

/// The largest difference of two results, which must be one of rounding.
fn check(what: &str, ours: &Array2<f32>, theirs: &Array2<f32>, k: usize) {
    let error = ours.iter().zip(theirs).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(error <= 1e-6 * k as f32, "{what}: results differ by {error}");
}

/// C by all libraries: `ours` and, from A and B, the others.
fn compare(
    c: &mut Criterion,
    name: &str,
    [m, k, n]: [usize; 3],
    [a, b]: [Operand; 2],
    ours: impl Fn(&mut Array2<f32>),
) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements((m * k * n) as u64));
    let mut made = Array2::zeros((m, n));
    ours(&mut made); // what the others are checked against, also if the command line leaves this one out
    group.bench_function("elman-kernels", |bench| bench.iter(|| ours(&mut made)));
    for (name, product) in LIBRARIES {
        let mut other = Array2::zeros((m, n));
        let mut run = || product([m, k, n], black_box(a), black_box(b), &mut other);
        group.bench_function(name, |bench| bench.iter(&mut run));
        run();
        check(name, &made, &other, k);
    }
    group.finish();
}

fn bench_products(c: &mut Criterion) {
    let ctx = Context::new(Isa::detect(), 1);
    for (rows, features, hidden) in SHAPES {
        let (x, dz, w) = (numbers(rows, features), numbers(rows, hidden), numbers(hidden, features));
        let (f, h) = (features as isize, hidden as isize);
        let name = format!("project {rows}x{features}x{hidden}");
        let operands = [(x.as_ptr(), f, 1), (w.as_ptr(), 1, f)];
        compare(c, &name, [rows, features, hidden], operands, |z| {
            let packed = Packed::new(&ctx, black_box(&w).t()).expect("memory for W");
            elman_kernels::gemm(&ctx, black_box(&x).view(), &packed, InitialC::Zero, z.view_mut());
        });
        let name = format!("gradient {rows}x{hidden}x{features}");
        let operands = [(dz.as_ptr(), 1, h), (x.as_ptr(), f, 1)];
        compare(c, &name, [hidden, rows, features], operands, |dw| {
            let b = elman_kernels::Operand::Matrix(black_box(&x).view());
            let product = TransposedProduct { b, out: dw.view_mut() };
            gemm_tn(&ctx, black_box(&dz).view(), [product], None, None).expect("memory for panels");
        });
    }
}

criterion_group!(benches, bench_products);
criterion_main!(benches);
