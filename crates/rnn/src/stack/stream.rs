//! One time step at a time: a stack whose weights are packed once and whose states stay where they are.
//!
//! ```text
//! y_0 = x
//! for l in 0..L:  h_l = cell(y_{l-1}, h_l);  y_l = h_l
//! output = y_{L-1}
//! ```
//!
//! Everything that lasts from one step to the next lies in one array of numbers that the caller owns, so that a
//! step allocates nothing: for each layer what its cell wants ([`Cell::step_len`](crate::cell::Cell::step_len): packed
//! weights, biases, states), and two arrays (B, S) for the outputs between layers. Each part begins at a cache
//! line, wherever the caller's array begins.
//!
//! There is no dropout, since a stream is for inference. A layer that reads its input from the end has no
//! step, so a stack in two directions has no stream.

use elman_kernels::{CACHE_LINE, Context, Scalar};

use super::buffers::{matrix, matrix_mut};
use super::call::check_len;
use super::layers::Stack;
use crate::Error;
use crate::cell::{StepLayer, aligned};

/// A stack that goes on by one step of B sequences at a time.
#[derive(Clone, Debug)]
pub struct Stream<T: Scalar> {
    stack: Stack<T>,
    ctx: Context,
    batch: usize,
    /// Elements of the first layer, of each other layer, and of an output (B, S).
    sizes: [usize; 3],
    /// Elements of memory.
    len: usize,
    /// Whether the next step reads the weights from the last to the first.
    descending: bool,
}

impl<T: Scalar> Stream<T> {
    /// A stream of `batch` sequences through `stack`.
    ///
    /// # Errors
    ///
    /// If `batch` is 0, the stack has two directions, or its memory would have too many elements.
    pub fn new(ctx: Context, stack: Stack<T>, batch: usize) -> Result<Self, Error> {
        stack.check_one_direction("a stream")?;
        if batch == 0 {
            return Err(Error::Zero { name: "batchSize" });
        }
        let too_large = Error::TooLarge { what: "the memory of the stream" };
        let layer = |l: usize| {
            let layer = StepLayer { ctx: &ctx, features: stack.features(l), batch };
            stack.cell.step_len(&layer).and_then(aligned::<T>)
        };
        let output = stack.output_size().checked_mul(batch);
        let count = || {
            let input = stack.features(0).checked_mul(batch)?;
            let sizes = [layer(0)?, layer(1)?, aligned::<T>(output?)?];
            let above = sizes[1].checked_mul(stack.layers() - 1)?;
            let between = sizes[2].checked_mul(2)?;
            let slack = CACHE_LINE / size_of::<T>() - 1;
            let len = sizes[0].checked_add(above)?.checked_add(between)?.checked_add(slack)?;
            len.checked_mul(size_of::<T>())?;
            input.checked_mul(size_of::<T>())?;
            Some((sizes, len))
        };
        let (sizes, len) = count().ok_or(too_large)?;
        Ok(Self { stack, ctx, batch, sizes, len, descending: false })
    }

    /// Elements of memory that it works in.
    pub fn memory_len(&self) -> usize {
        self.len
    }

    /// Packs the parameters into `memory` and sets all states to 0.
    ///
    /// # Errors
    ///
    /// If there are too many or too few parameters, or an array's length is not what the stack says, before
    /// anything is written; or if there is not enough memory.
    pub fn pack(&self, parameters: &[&[T]], memory: &mut [T]) -> Result<(), Error> {
        self.stack.check_parameters(parameters.iter().map(|data| data.len()))?;
        let parameters = self.stack.views(parameters);
        let [mut rest, _, _] = self.parts(memory)?;
        for (l, parameters) in parameters.iter().enumerate() {
            let (this, above) = rest.split_at_mut(self.sizes[l.min(1)]);
            self.stack.cell.step_pack(&self.layer(l), parameters, this)?;
            rest = above;
        }
        self.reset(&vec![None; self.stack.state_sizes().len()], memory)
    }

    /// Sets the states, for each of the cell's an array (L, B, size), or `None` for zeros.
    ///
    /// # Errors
    ///
    /// If an array's length is not what the stack says, before anything is written.
    pub fn reset(&self, states: &[Option<&[T]>], memory: &mut [T]) -> Result<(), Error> {
        let sizes = self.stack.state_sizes();
        check_len("the list of initial states", states.len(), sizes.len(), 1)?;
        for (state, &size) in states.iter().zip(sizes) {
            if let Some(state) = state {
                check_len("initial state", state.len(), self.stack.layers() * self.batch, size)?;
            }
        }
        let [mut rest, _, _] = self.parts(memory)?;
        for l in 0..self.stack.layers() {
            let (this, above) = rest.split_at_mut(self.sizes[l.min(1)]);
            let memories = self.stack.cell.step_states(&self.layer(l), this);
            for ((mut memory, state), &size) in memories.into_iter().zip(states).zip(sizes) {
                let one = self.batch * size;
                match state {
                    Some(state) => memory.assign(&matrix(&state[l * one..][..one], size)),
                    None => memory.fill(T::zero()),
                }
            }
            rest = above;
        }
        Ok(())
    }

    /// Writes the states as they are now into `states`, for each of the cell's an array (L, B, size).
    ///
    /// # Errors
    ///
    /// If an array's length is not what the stack says, before anything is written.
    pub fn read_states(&self, states: &mut [&mut [T]], memory: &mut [T]) -> Result<(), Error> {
        let sizes = self.stack.state_sizes();
        check_len("the list of states", states.len(), sizes.len(), 1)?;
        for (state, &size) in states.iter().zip(sizes) {
            check_len("state", state.len(), self.stack.layers() * self.batch, size)?;
        }
        let [mut rest, _, _] = self.parts(memory)?;
        for l in 0..self.stack.layers() {
            let (this, above) = rest.split_at_mut(self.sizes[l.min(1)]);
            let memories = self.stack.cell.step_states(&self.layer(l), this);
            for ((memory, state), &size) in memories.into_iter().zip(&mut *states).zip(sizes) {
                let one = self.batch * size;
                matrix_mut(&mut state[l * one..][..one], size).assign(&memory);
            }
            rest = above;
        }
        Ok(())
    }

    /// Checks the lengths of the arrays that [`Stream::step`] will take.
    ///
    /// # Errors
    ///
    /// If one is not what the stack says.
    pub fn check_lens(&self, input: usize, output: usize) -> Result<(), Error> {
        check_len("input", input, self.batch, self.stack.features(0))?;
        check_len("output", output, self.batch, self.stack.output_size())
    }

    /// Goes on by one step: reads `input` (B, I), writes `output` (B, S).
    ///
    /// # Errors
    ///
    /// If an array's length is not what the stack says, before anything is written; or if there is not enough memory.
    pub fn step(&mut self, input: &[T], output: &mut [T], memory: &mut [T]) -> Result<(), Error> {
        self.check_lens(input.len(), output.len())?;
        let width = self.stack.output_size();
        let [mut rest, mut below, mut above] = self.parts(memory)?;
        let last = self.stack.layers() - 1;
        for l in 0..=last {
            let (this, others) = rest.split_at_mut(self.sizes[l.min(1)]);
            let layer = self.layer(l);
            let x = if l == 0 { input } else { &*below };
            let y = if l == last { &mut *output } else { &mut *above };
            let (x, y) = (matrix(x, layer.features), matrix_mut(y, width));
            self.stack.cell.step(&layer, x, y, self.descending, this)?;
            rest = others;
            std::mem::swap(&mut below, &mut above);
        }
        self.descending = !self.descending;
        Ok(())
    }

    fn layer(&self, l: usize) -> StepLayer<'_> {
        StepLayer { ctx: &self.ctx, features: self.stack.features(l), batch: self.batch }
    }

    /// The memory of the layers, and the two arrays between them.
    fn parts<'a>(&self, memory: &'a mut [T]) -> Result<[&'a mut [T]; 3], Error> {
        check_len("memory", memory.len(), self.len, 1)?;
        let slack = CACHE_LINE / size_of::<T>() - 1;
        let start = memory.as_ptr().align_offset(CACHE_LINE).min(slack);
        let [first, each, output] = self.sizes;
        let used = self.stack.output_size() * self.batch;
        let (layers, between) = memory[start..].split_at_mut(first + each * (self.stack.layers() - 1));
        let (one, other) = between.split_at_mut(output);
        Ok([layers, &mut one[..used], &mut other[..used]])
    }
}
