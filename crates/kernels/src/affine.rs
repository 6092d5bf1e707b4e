//! Y = X W + b for many rows at once.

use std::ops::Range;
use std::sync::OnceLock;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::isa::{Simd, Task};
use crate::matrix::{Matrix, copy_rows, crowded, roomy};
use crate::pack::Packed;
use crate::places::{Far, Placed, Target};
use crate::tile::{Base, Block, Finish};
use crate::{AllocError, Context, Scalar, Steps};

/// Rows that are multiplied by all panels before the next ones: X of 96 rows by K = 1024 floats takes
/// 400 KB, within the second cache.
pub(crate) const ROWS_TOGETHER: usize = 96;

/// The fewest rows of a thread's part: a tile of fewer rows is slower.
const ROWS_OF_A_PART: usize = 4;

/// Panels from which on a copy of the rows in a better place is worth it.
const WORTH_A_COPY: usize = 4;

/// What Y starts from.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a, T> {
    /// Y = X W.
    Zero,
    /// Y = X W + b, with b of N elements.
    Bias(&'a [T]),
    /// Y = Y + X W.
    Accumulate,
}

/// Y = X W + b: x (R, K), w (K, N), y (R, N). Rows of x and y must be contiguous; any row stride.
///
/// # Panics
///
/// If shapes do not fit together, or rows are not contiguous.
pub fn affine<T: Scalar>(
    ctx: &Context,
    x: ArrayView2<'_, T>,
    w: &Packed<'_, T>,
    init: Init<'_, T>,
    y: ArrayViewMut2<'_, T>,
) {
    // Rows without an order in time are all of one step.
    let steps = Steps::uniform(1, y.nrows()).expect("as many rows as there are");
    let done = affine_placed(ctx, &steps, x.into(), w, init, y);
    debug_assert!(done.is_ok(), "only rows with places must have room elsewhere");
}

/// [`affine`] for the rows of `steps`, of which x and y may have places: the same bits.
///
/// # Errors
///
/// [`AllocError`] if there is not enough memory for the rows that are fetched; y is then unspecified.
///
/// # Panics
///
/// As [`affine`]; or if the places do not belong to `steps`.
pub fn affine_placed<'y, T: Scalar>(
    ctx: &Context,
    steps: &Steps,
    x: Placed<'_, T>,
    w: &Packed<'_, T>,
    init: Init<'_, T>,
    y: impl Into<Target<'y, T>>,
) -> Result<(), AllocError> {
    let mut y = y.into();
    let (rows, n) = (steps.rows(), w.n());
    assert_eq!(x.array.ncols(), w.k(), "affine: x must be (R, K)");
    assert_eq!(y.array.ncols(), n, "affine: y must be (R, N)");
    let ((a, fetch), (c, deliver)) = (x.matrix(steps), y.matrix(steps));
    if rows == 0 || n == 0 {
        return Ok(());
    }
    let moves = Moves {
        steps,
        fetch: fetch.map(|places| Far { array: a, places }),
        deliver: deliver.map(|places| Far { array: c, places }),
        accumulate: matches!(init, Init::Accumulate),
    };
    let base = match init {
        Init::Zero => Base::Zero,
        Init::Bias(b) => {
            assert_eq!(b.len(), n, "affine: the bias must have N elements");
            Base::Matrix(Matrix { data: b.as_ptr(), stride: 0 })
        }
        Init::Accumulate => Base::Matrix(c),
    };
    let work = rows.saturating_mul(n).saturating_mul(w.k());
    let mut team = ctx.team(work, usize::MAX);
    let whole = Block::<T, false> {
        rows,
        a,
        w: w.data.as_ptr(),
        panels: w.panels,
        range: 0..w.panels.count(),
        base,
        c: c.data.cast_mut(),
        c_stride: c.stride,
        finish: Finish::Nothing,
        ahead: None,
        before: None,
    };
    // Threads share out the rows, or the panels where there are few rows.
    let (rows_of_part, panels_of_part) = if rows >= ROWS_OF_A_PART * team.size() {
        (rows.div_ceil(team.size()).clamp(ROWS_OF_A_PART, ROWS_TOGETHER), whole.range.end)
    } else {
        (rows, whole.range.end.div_ceil(team.size()))
    };
    let panel_parts = whole.range.end.div_ceil(panels_of_part);
    let shared = Shared(whole);
    // The rows of a part are read once for each panel.
    let again = moves.fetch.is_none() && crowded::<T>(a.stride) && shared.0.panels.count() >= WORTH_A_COPY;
    let failed = OnceLock::new();
    team.share(rows.div_ceil(rows_of_part) * panel_parts, |part| {
        if ctx.cancelled() {
            return;
        }
        let row = part / panel_parts * rows_of_part;
        let panel = part % panel_parts * panels_of_part;
        let rows = row..rows.min(row + rows_of_part);
        let panels = panel..shared.0.range.end.min(panel + panels_of_part);
        let room = |columns| ctx.scratch::<T>(rows.len() * roomy::<T>(columns));
        let run = || {
            let mut near_a = match moves.fetch {
                Some(_) => Some(room(w.k())?),
                None if again => room(w.k()).ok(), // slower without, but as good
                None => None,
            };
            let mut near_c = moves.deliver.map(|_| room(n)).transpose()?;
            let near_a = near_a.as_mut().map(|room| Matrix::over(room, roomy::<T>(w.k())));
            let near_c = near_c.as_mut().map(|room| Matrix::over(room, roomy::<T>(n)));
            let rows = rows.clone();
            T::affine(ctx.isa(), Affine { shared: &shared, rows, panels, moves: &moves, near_a, near_c });
            Ok(())
        };
        if let Err(error) = run() {
            _ = failed.set(error);
        }
    });
    failed.into_inner().map_or(Ok(()), Err)
}

/// A block that the threads of a team share: they compute disjoint parts of C.
pub(crate) struct Shared<T: 'static>(pub(crate) Block<'static, T, false>);
// SAFETY: threads write disjoint rows or columns of C and only read the rest.
unsafe impl<T: Scalar> Sync for Shared<T> {}

/// One part of a block.
pub struct Affine<'a, T: 'static> {
    shared: &'a Shared<T>,
    rows: Range<usize>,
    panels: Range<usize>,
    moves: &'a Moves<'a, T>,
    /// Where the rows of A are read, if not where they are.
    near_a: Option<Matrix<T>>,
    /// Where the rows of C are made, if not where they go.
    near_c: Option<Matrix<T>>,
}

/// The way of rows that have places among those of `steps`.
struct Moves<'a, T> {
    steps: &'a Steps,
    /// Where the rows of A come from.
    fetch: Option<Far<'a, T>>,
    /// Where the rows of C go.
    deliver: Option<Far<'a, T>>,
    /// Whether they are added to what is there.
    accumulate: bool,
}

impl<T: Scalar> Task<T> for Affine<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { rows, near_a, near_c, moves: &Moves { steps, fetch, deliver, accumulate }, .. } = self;
        let mut block = self.shared.0.part(rows.start, rows.end, self.panels);
        let columns = block.columns();
        if let Some(near) = near_a {
            let columns = 0..block.panels.k;
            match fetch {
                // SAFETY: `affine_placed` has checked the places, and there is room for these rows.
                Some(far) => unsafe { far.move_rows::<S, false>(s, steps, rows.clone(), &columns, near) },
                // SAFETY: A is readable for these rows, and there is room for them.
                None => unsafe { copy_rows(s, block.a, near, rows.len(), &columns) },
            }
            block.a = near;
        }
        if let Some(near) = near_c {
            (block.c, block.c_stride) = (near.data.cast_mut(), near.stride);
        }
        if let Some(far) = deliver.filter(|_| accumulate) {
            block.base = Base::Matrix(block.made());
            // SAFETY: as above; these rows and columns are this thread's.
            unsafe { far.move_rows::<S, false>(s, steps, rows.clone(), &columns, block.made()) };
        }
        let made = block.made();
        // SAFETY: a part of the whole, whose conditions `affine_placed` has checked.
        unsafe { block.compute(s) };
        if let Some(far) = deliver {
            // SAFETY: as above; these rows and columns have just been made, and only by this thread.
            unsafe { far.move_rows::<S, true>(s, steps, rows, &columns, made) };
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, contexts, naive_product, random};

    fn check<T: Scalar>(rows: usize, k: usize, n: usize, seed: u64) {
        let x = random::<T>((rows, k + 3), seed);
        let x = x.slice(s![.., 1..=k]);
        let w = random::<T>((n, k), seed + 1);
        let bias = random::<T>((1, n), seed + 2);
        let before = random::<T>((rows, n + 5), seed + 3);
        for ctx in contexts() {
            let packed = Packed::new(&ctx, w.t()).unwrap();
            for init in 0..3 {
                let mut y = before.clone();
                if init < 2 {
                    y.slice_mut(s![.., 2..n + 2]).fill(T::nan());
                }
                let mut expected = naive_product(x, w.t());
                let start = match init {
                    0 => Init::Zero,
                    1 => {
                        expected += &bias.mapv(T::widen);
                        Init::Bias(bias.as_slice().unwrap())
                    }
                    _ => {
                        expected += &before.slice(s![.., 2..n + 2]).mapv(T::widen);
                        Init::Accumulate
                    }
                };
                affine(&ctx, x, &packed, start, y.slice_mut(s![.., 2..n + 2]));
                assert_close(y.slice(s![.., 2..n + 2]), expected.view(), k + 1, &format!("{ctx:?}"));
                assert_eq!(y.slice(s![.., ..2]), before.slice(s![.., ..2]), "columns outside");
                assert_eq!(y.slice(s![.., n + 2..]), before.slice(s![.., n + 2..]), "columns outside");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn agrees_with_the_naive_product(rows in 0usize..40, k in 0usize..40, n in 0usize..80, seed: u32) {
            check::<f32>(rows, k, n, u64::from(seed));
            check::<f64>(rows, k, n, u64::from(seed));
        }
    }

    #[test]
    fn sizes_that_use_a_team_and_every_row_count() {
        check::<f32>(200, 64, 100, 1);
        check::<f64>(3, 300, 700, 2);
        for rows in 1..=13 {
            check::<f32>(rows, 5, 200, 3);
        }
    }

    /// Rows that are a multiple of 4 KB apart are read from a copy.
    #[test]
    fn crowded_rows_give_the_same_bits() {
        let x = random::<f32>((70, 1024), 1);
        assert!(crowded::<f32>(x.ncols()) && !crowded::<f32>(roomy::<f32>(x.ncols())));
        let x = x.slice(s![.., 3..80]);
        let w = random::<f32>((77, 200), 2);
        for ctx in contexts() {
            let packed = Packed::new(&ctx, w.view()).unwrap();
            let [mut y, mut expected] = [0, 1].map(|_| Array2::from_elem((70, 200), f32::NAN));
            affine(&ctx, x, &packed, Init::Zero, y.view_mut());
            affine(&ctx, x.to_owned().view(), &packed, Init::Zero, expected.view_mut());
            assert_eq!(y, expected, "{ctx:?}");
        }
    }
}
