use ndarray::{Array2, s};
use proptest::prelude::*;

use super::*;
use crate::testing::{assert_close, contexts, naive_product, random};
use crate::{Isa, RowIndex, Scalar, gemm};

fn one<T: Scalar>(ctx: &Context, a: ArrayView2<'_, T>, b: Operand<'_, T>, out: ArrayViewMut2<'_, T>) {
    gemm_tn(ctx, a, [TransposedProduct { b, out }], None, None).unwrap();
}

fn check<T: Scalar>(k: usize, m: usize, n: usize, seed: u64) {
    let a = random::<T>((k, m + 2), seed);
    let b = random::<T>((k, n + 3), seed + 1);
    let (a, b) = (a.slice(s![.., 1..=m]), b.slice(s![.., 2..n + 2]));
    let expected = naive_product(a.t(), b);
    let mut bits: Option<(bool, Array2<T>)> = None;
    for ctx in contexts() {
        let mut out = Array2::from_elem((m, n), T::nan());
        one(&ctx, a, Operand::Matrix(b), out.view_mut());
        assert_close(out.view(), expected.view(), k, &format!("{ctx:?}"));
        // The same rows, gathered from two halves in which they lie backwards.
        let half = k / 2;
        let reversed = b.slice(s![..;-1, ..]).to_owned();
        let (second, first) = reversed.view().split_at(ndarray::Axis(0), k - half);
        let index: Vec<RowIndex> = (0..k)
            .map(|i| if i < half { RowIndex::First(half - 1 - i) } else { RowIndex::Second(k - 1 - i) })
            .collect();
        let mut gathered = Array2::from_elem((m, n), T::nan());
        one(&ctx, a, Operand::Gathered { first, second, index: &index }, gathered.view_mut());
        assert_eq!(gathered, out, "{ctx:?}");
        let fused = ctx.isa().name().starts_with("avx") || cfg!(target_arch = "aarch64");
        match &bits {
            Some((f, first)) if *f == fused => assert_eq!(first, &out, "{ctx:?}"),
            _ => bits = Some((fused, out)),
        }
    }
}

/// Products of the same A, and each of them alone; its sums; a fused product.
fn check_several<T: Scalar>(k: usize, m: usize, columns: &[usize], seed: u64) {
    let a = random::<T>((k, m + 1), seed);
    let a = a.slice(s![.., 1..]);
    let rights: Vec<_> = columns.iter().map(|&n| random::<T>((k, n), seed + n as u64)).collect();
    let expected = naive_product(Array2::<T>::ones((1, k)).view(), a);
    let (w, before) = (random::<T>((m, 150), seed + 7), random::<T>((k, 152), seed + 8));
    let mut first: Option<Vec<T>> = None;
    let steps = Steps::unordered(k);
    for ctx in contexts() {
        let mut outs: Vec<_> = columns.iter().map(|&n| Array2::from_elem((m, n + 2), T::nan())).collect();
        let mut sums = vec![T::nan(); m];
        let weights = Packed::new(&ctx, w.view()).unwrap();
        for initial in [InitialC::Zero, InitialC::InPlace] {
            let products = rights.iter().zip(&mut outs).map(|(b, out)| {
                let out = out.slice_mut(s![.., 2..]);
                TransposedProduct { b: Operand::Matrix(b.view()), out }
            });
            let [mut fused, mut alone] = [before.clone(), before.clone()];
            let out = fused.slice_mut(s![.., 1..151]).into();
            let with = FusedGemm { steps: &steps, weights: &weights, initial, out };
            gemm_tn(&ctx, a, products, Some(&mut sums), Some(with)).unwrap();
            gemm(&ctx, a, &weights, initial, alone.slice_mut(s![.., 1..151]));
            assert_eq!(fused, alone, "{ctx:?} {initial:?}");
        }
        for (b, out) in rights.iter().zip(&outs) {
            let mut alone = Array2::from_elem((m, b.ncols()), T::nan());
            one(&ctx, a, Operand::Matrix(b.view()), alone.view_mut());
            assert_eq!(out.slice(s![.., 2..]), alone, "{ctx:?}");
            assert!(out.slice(s![.., ..2]).iter().all(|v| v.is_nan()), "columns outside");
        }
        assert_close(ArrayView2::from_shape((1, m), &sums).unwrap(), expected.view(), k, &format!("{ctx:?}"));
        assert_eq!(first.get_or_insert_with(|| sums.clone()), &sums, "{ctx:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn several_products_have_the_bits_of_each(
        k in 0usize..40, m in 0usize..40, columns in prop::collection::vec(0usize..50, 0..4), seed: u32,
    ) {
        check_several::<f32>(k, m, &columns, u64::from(seed));
        check_several::<f64>(k, m, &columns, u64::from(seed));
    }
}

#[test]
fn several_products_of_more_than_kc_rows_and_mc_columns() {
    check_several::<f32>(2 * KC + 70, 30, &[1, 130], 1); // splits A's columns
    check_several::<f64>(KC + 1, 300, &[41, 500], 2); // splits B's
    check_several::<f32>(KC + 64, MC + 5, &[9], 3);
    check_several::<f32>(3000, 700, &[], 4); // sums alone
    check_several::<f32>(150, 1023, &[20], 5); // rows that the fused product copies
    const { assert!(150 * 1023 * 4 < READ_ONCE && (KC + 1) * 300 * 8 > READ_ONCE) };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn agrees_with_the_naive_product(k in 0usize..40, m in 0usize..40, n in 0usize..80, seed: u32) {
        check::<f32>(k, m, n, u64::from(seed));
        check::<f64>(k, m, n, u64::from(seed));
    }
}

#[test]
fn a_cancelled_product_ends() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let rows = random::<f32>((12 * KC, 70), 1);
    for threads in [1, 2, 3] {
        let flag = Arc::new(AtomicBool::new(false));
        let ctx = Context::new(Isa::detect(), threads).cancellable(Arc::clone(&flag));
        let run = || {
            let mut out = Array2::from_elem((70, 70), f32::NAN);
            one(&ctx, rows.view(), Operand::Matrix(rows.view()), out.view_mut());
            !out[[69, 69]].is_nan()
        };
        assert!(run(), "it runs to its end");
        std::thread::scope(|scope| {
            scope.spawn(|| flag.store(true, Ordering::Relaxed));
            run(); // to whatever chunk
        });
        assert!(!run(), "nothing is computed");
    }
}

#[test]
fn more_rows_than_a_chunk() {
    check::<f32>(2 * KC + 7, 30, 41, 1);
    check::<f64>(KC + 1, 9, 70, 2);
    check::<f32>(KC, 100, 40, 3);
}
