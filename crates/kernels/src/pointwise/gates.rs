//! The gates of LSTM and GRU, and their derivatives: what a step does to the sums of its products, unit by unit.
//!
//! # LSTM
//!
//! The sums are those of the gates i, f, g and o, before their functions.
//!
//! ```text
//! forward   i, f, o = sigmoid;  g = tanh;  c' = f c + i g;  h = o tanh c'
//!           kept: i, f, g, o and c
//! backward  c' = f c + i g, the same bits;  s = tanh c'
//!           dc' = dc + dh o (1 - s²)
//!           d(i, f, g, o) = (dc' g, dc' c, dc' i, dh s), each times the derivative of its function
//!           dc = dc' f
//! ```
//!
//! # GRU
//!
//! The sums are those of r, z, the input's part x of n and the state's part m.
//!
//! ```text
//! forward   r, z = sigmoid;  n = tanh(x + r m);  h' = n + z (h - n)
//!           kept: r, z, n and m
//! backward  dn = dh' (1 - z) (1 - n²);  dz = dh' (h' - n) (1 - z), since h' - n = z (h - n)
//!           dm = dn r;  dr = dn m r (1 - r);  dh = dh' z besides the products
//! ```
//!
//! Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); Gers et al., "Learning to forget"
//! (2000); Cho et al., arXiv 1406.1078, in the form of torch's `nn.GRU`, in which r multiplies m with its bias.

use crate::pointwise::activation::{Function, Sigmoid, Tanh};
use crate::pointwise::exp::Transcendental;
use crate::simd::element::Element;
use crate::simd::vector::{Simd, load, store};

/// What a step does to its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateFunction {
    LstmForward,
    LstmBackward,
    GruForward,
    GruBackward,
}

impl GateFunction {
    /// Gates with sums of their own.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::LstmForward | Self::GruForward => 4,
            Self::LstmBackward | Self::GruBackward => 1,
        }
    }

    /// Columns that are kept for the backward pass, of `units` units.
    pub(crate) fn kept(self, units: usize) -> usize {
        match self {
            Self::LstmForward | Self::LstmBackward => 5 * units,
            Self::GruForward | Self::GruBackward => 4 * units,
        }
    }
}

/// Where one row of a step is. Rows of several gates are one after the other, `units` elements each.
pub(crate) struct GateRow<T> {
    /// The sums.
    pub(crate) sums: *const T,
    /// The state that the step changes: c of LSTM, and in a backward pass dc, or of GRU the part of dh that is no product's.
    pub(crate) state: *mut T,
    /// What is kept, or null where nothing is: written by a forward pass, read by a backward pass.
    pub(crate) kept: *mut T,
    /// Of GRU: h before the step forward, h after it backward.
    pub(crate) h: *const T,
    /// The result: h forward; backward the gradients of the gates, of GRU in the order n, r, z, m.
    pub(crate) result: *mut T,
    /// H.
    pub(crate) units: usize,
}

/// The vectors of some planes of a row.
#[inline(always)]
unsafe fn planes<T: Element, S: Simd<T>, const N: usize>(
    s: S,
    from: *const T,
    units: usize,
    count: usize,
) -> [S::V; N] {
    let mut all = [s.splat(T::zero()); N];
    for (plane, v) in all.iter_mut().enumerate() {
        // SAFETY: the caller vouches for `count` elements of each plane.
        *v = unsafe { load(s, from.wrapping_add(plane * units), count) };
    }
    all
}

/// Writes vectors to the planes of a row.
#[inline(always)]
unsafe fn store_planes<T: Element, S: Simd<T>, const N: usize>(
    s: S,
    to: *mut T,
    units: usize,
    all: [S::V; N],
    count: usize,
) {
    for (plane, v) in all.into_iter().enumerate() {
        // SAFETY: the caller vouches for `count` elements of each plane.
        unsafe { store(s, to.wrapping_add(plane * units), v, count) };
    }
}

impl<T: Transcendental> GateRow<T> {
    /// The same row from unit `j` on.
    #[inline(always)]
    fn from(&self, j: usize) -> Self {
        Self {
            sums: self.sums.wrapping_add(j),
            state: self.state.wrapping_add(j),
            kept: if self.kept.is_null() { self.kept } else { self.kept.wrapping_add(j) },
            h: self.h.wrapping_add(j),
            result: self.result.wrapping_add(j),
            units: self.units,
        }
    }

    /// Computes the units `from..to`: whole vectors in a loop of their own, then the rest.
    ///
    /// # Safety
    ///
    /// - the sums, the state, h and the result have these units in each of their planes, and so has what is kept, unless it
    ///   is null, which it is in a forward pass alone;
    /// - nobody else uses what is written: the state, the result, and forward what is kept.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd<T>>(&self, s: S, function: GateFunction, from: usize, to: usize) {
        let mut j = from;
        while j + S::LANES <= to {
            // SAFETY: the caller vouches for LANES units from j on.
            unsafe { self.from(j).vector(s, function, S::LANES) };
            j += S::LANES;
        }
        if j < to {
            // SAFETY: and for so many.
            unsafe { self.from(j).vector(s, function, to - j) };
        }
    }

    /// Computes the first `count` units, at most LANES.
    #[inline(always)]
    unsafe fn vector<S: Simd<T>>(&self, s: S, function: GateFunction, count: usize) {
        match function {
            // SAFETY: the caller of `run` vouches for `count` units.
            GateFunction::LstmForward => unsafe { self.lstm_forward(s, count) },
            // SAFETY: as above.
            GateFunction::LstmBackward => unsafe { self.lstm_backward(s, count) },
            // SAFETY: as above.
            GateFunction::GruForward => unsafe { self.gru_forward(s, count) },
            // SAFETY: as above.
            GateFunction::GruBackward => unsafe { self.gru_backward(s, count) },
        }
    }

    #[inline(always)]
    unsafe fn lstm_forward<S: Simd<T>>(&self, s: S, count: usize) {
        // SAFETY: the caller of `run` vouches for the rows.
        let [i, f, g, o] = unsafe { planes(s, self.sums, self.units, count) };
        // SAFETY: as above.
        let c = unsafe { load(s, self.state.cast_const(), count) };
        let [i, f, o] = [Sigmoid.value(s, i), Sigmoid.value(s, f), Sigmoid.value(s, o)];
        let g = Tanh.value(s, g);
        let c_next = s.mul_add(f, c, s.mul(i, g));
        let h = s.mul(o, Tanh.value(s, c_next));
        if !self.kept.is_null() {
            // SAFETY: as above.
            unsafe { store_planes(s, self.kept, self.units, [i, f, g, o, c], count) };
        }
        // SAFETY: as above.
        unsafe { store(s, self.state, c_next, count) };
        // SAFETY: as above.
        unsafe { store(s, self.result, h, count) };
    }

    #[inline(always)]
    unsafe fn lstm_backward<S: Simd<T>>(&self, s: S, count: usize) {
        // SAFETY: the caller of `run` vouches for the rows.
        let [i, f, g, o, c] = unsafe { planes(s, self.kept.cast_const(), self.units, count) };
        // SAFETY: as above.
        let dh = unsafe { load(s, self.sums, count) };
        // SAFETY: as above.
        let dc = unsafe { load(s, self.state.cast_const(), count) };
        let squashed = Tanh.value(s, s.mul_add(f, c, s.mul(i, g)));
        let dc = s.add(dc, Tanh.derivative(s, s.mul(dh, o), squashed));
        let gradients = [
            Sigmoid.derivative(s, s.mul(dc, g), i),
            Sigmoid.derivative(s, s.mul(dc, c), f),
            Tanh.derivative(s, s.mul(dc, i), g),
            Sigmoid.derivative(s, s.mul(dh, squashed), o),
        ];
        // SAFETY: as above.
        unsafe { store_planes(s, self.result, self.units, gradients, count) };
        // SAFETY: as above.
        unsafe { store(s, self.state, s.mul(dc, f), count) };
    }

    #[inline(always)]
    unsafe fn gru_forward<S: Simd<T>>(&self, s: S, count: usize) {
        // SAFETY: the caller of `run` vouches for the rows.
        let [r, z, x, m] = unsafe { planes(s, self.sums, self.units, count) };
        // SAFETY: as above.
        let h = unsafe { load(s, self.h, count) };
        let [r, z] = [Sigmoid.value(s, r), Sigmoid.value(s, z)];
        let n = Tanh.value(s, s.mul_add(r, m, x));
        if !self.kept.is_null() {
            // SAFETY: as above.
            unsafe { store_planes(s, self.kept, self.units, [r, z, n, m], count) };
        }
        // SAFETY: as above.
        unsafe { store(s, self.result, s.mul_add(z, s.sub(h, n), n), count) };
    }

    #[inline(always)]
    unsafe fn gru_backward<S: Simd<T>>(&self, s: S, count: usize) {
        // SAFETY: the caller of `run` vouches for the rows.
        let [r, z, n, m] = unsafe { planes(s, self.kept.cast_const(), self.units, count) };
        // SAFETY: as above.
        let [sum, h] = [unsafe { load(s, self.sums, count) }, unsafe { load(s, self.h, count) }];
        // SAFETY: as above.
        let carried = unsafe { load(s, self.state.cast_const(), count) };
        let dh = s.add(sum, carried);
        let open = s.mul(dh, s.sub(s.splat(T::one()), z));
        let dn = Tanh.derivative(s, open, n);
        let gradients = [dn, Sigmoid.derivative(s, s.mul(dn, m), r), s.mul(open, s.sub(h, n)), s.mul(dn, r)];
        // SAFETY: as above.
        unsafe { store_planes(s, self.result, self.units, gradients, count) };
        // SAFETY: as above.
        unsafe { store(s, self.state, s.mul(dh, z), count) };
    }
}
