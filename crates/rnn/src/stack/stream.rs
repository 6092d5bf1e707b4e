//! One time step at a time: a stack whose weights are laid out once and whose states stay where they are.
//!
//! ```text
//! y_0 = x
//! for l in 0..L:  h_l = cell(y_{l-1}, h_l);  y_l = h_l
//! output = y_{L-1}
//! ```
//!
//! Everything that lasts from one step to the next lies in one array of numbers that the caller owns, so that a
//! step allocates nothing: for each layer what its cell wants ([`StepCell::step_len`]: packed weights, biases,
//! states), and two arrays (B, S) that the outputs go through on their way up. Each part begins at a cache
//! line, wherever the caller's array begins.
//!
//! There is no dropout: a stream answers, it does not train. A layer that reads its input from the end has no
//! step, so a stack in two directions has no stream.

use elman_kernels::{CACHE_LINE, Context, Scalar};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::Stack;
use super::buffers::matrix;
use crate::Error;
use crate::cell::{StepCell, StepLayer, aligned};

/// A stack that goes on by one step of B sequences at a time.
#[derive(Clone, Debug)]
pub struct Stream<C> {
    stack: Stack<C>,
    ctx: Context,
    batch: usize,
    /// Elements of the first layer, of each other layer, and of an output (B, S).
    sizes: [usize; 3],
    /// Elements of memory.
    len: usize,
    /// Which way the weights are read in the next step.
    descending: bool,
}

impl<C> Stream<C> {
    /// A stream of `batch` sequences through `stack`.
    ///
    /// # Errors
    ///
    /// If `batch` is 0, the stack has two directions, or its memory would have too many elements.
    pub fn new<T: Scalar>(ctx: Context, stack: Stack<C>, batch: usize) -> Result<Self, Error>
    where
        C: StepCell<T>,
    {
        if stack.directions() > 1 {
            return Err(Error::BidirectionalStream);
        }
        if batch == 0 {
            return Err(Error::Zero { name: "batch_size" });
        }
        let too_large = Error::TooLarge { what: "the memory of the stream" };
        let layer = |l: usize| {
            let layer = StepLayer { ctx: &ctx, features: stack.features::<T>(l), batch };
            stack.cell.step_len(&layer).and_then(aligned::<T>)
        };
        let output = stack.cell.output_size().checked_mul(batch);
        let count = || {
            let input = stack.features::<T>(0).checked_mul(batch)?;
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

    /// Lays the parameters out in `memory` and sets all states to 0.
    ///
    /// # Errors
    ///
    /// If there are too many or too few parameters, or an array's length is not what the stack says, before
    /// anything is written; or if there is not enough memory.
    pub fn pack<T: Scalar>(&self, parameters: &[&[T]], memory: &mut [T]) -> Result<(), Error>
    where
        C: StepCell<T>,
    {
        self.stack.check_parameters::<T>(parameters.iter().map(|data| data.len()))?;
        let parameters = self.stack.views(parameters);
        let [mut rest, _, _] = self.parts(memory)?;
        for (l, parameters) in parameters.iter().enumerate() {
            let (this, above) = rest.split_at_mut(self.sizes[l.min(1)]);
            self.stack.cell.step_pack(&self.layer::<T>(l), parameters, this)?;
            rest = above;
        }
        self.reset(&vec![None; self.stack.cell.state_sizes().len()], memory)
    }

    /// Sets the states, for each of the cell's an array (L, B, size), or `None` for zeros.
    ///
    /// # Errors
    ///
    /// If an array's length is not what the stack says, before anything is written.
    pub fn reset<T: Scalar>(&self, states: &[Option<&[T]>], memory: &mut [T]) -> Result<(), Error>
    where
        C: StepCell<T>,
    {
        let sizes = self.stack.cell.state_sizes();
        Stack::<C>::check_len("the list of initial states", states.len(), sizes.len(), 1)?;
        for (state, &size) in states.iter().zip(&sizes) {
            if let Some(state) = state {
                Stack::<C>::check_len("initial state", state.len(), self.stack.layers() * self.batch, size)?;
            }
        }
        let [mut rest, _, _] = self.parts(memory)?;
        for l in 0..self.stack.layers() {
            let (this, above) = rest.split_at_mut(self.sizes[l.min(1)]);
            for (index, (state, &size)) in states.iter().zip(&sizes).enumerate() {
                let one = self.batch * size;
                let state = state.map(|state| matrix(&state[l * one..][..one], size));
                self.stack.cell.step_reset(&self.layer::<T>(l), index, state, this);
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
    pub fn check_lens<T: Scalar>(&self, input: usize, output: usize) -> Result<(), Error>
    where
        C: StepCell<T>,
    {
        Stack::<C>::check_len("input", input, self.batch, self.stack.features::<T>(0))?;
        Stack::<C>::check_len("output", output, self.batch, self.stack.cell.output_size())
    }

    /// Goes on by one step: reads `input` (B, I), writes `output` (B, S).
    ///
    /// # Errors
    ///
    /// If an array's length is not what the stack says, before anything is written.
    pub fn step<T: Scalar>(&mut self, input: &[T], output: &mut [T], memory: &mut [T]) -> Result<(), Error>
    where
        C: StepCell<T>,
    {
        self.check_lens::<T>(input.len(), output.len())?;
        let width = self.stack.cell.output_size();
        let [mut rest, mut below, mut above] = self.parts(memory)?;
        let last = self.stack.layers() - 1;
        for l in 0..=last {
            let (this, others) = rest.split_at_mut(self.sizes[l.min(1)]);
            let layer = self.layer::<T>(l);
            let x = if l == 0 { input } else { &*below };
            let y = if l == last { &mut *output } else { &mut *above };
            let x = ArrayView2::from_shape((self.batch, layer.features), x).expect("a checked length");
            let y = ArrayViewMut2::from_shape((self.batch, width), y).expect("a checked length");
            self.stack.cell.step(&layer, x, y, self.descending, this);
            rest = others;
            std::mem::swap(&mut below, &mut above);
        }
        self.descending = !self.descending;
        Ok(())
    }

    fn layer<T: Scalar>(&self, l: usize) -> StepLayer<'_>
    where
        C: StepCell<T>,
    {
        StepLayer { ctx: &self.ctx, features: self.stack.features::<T>(l), batch: self.batch }
    }

    /// The memory of the layers, and the two arrays between them.
    fn parts<'a, T: Scalar>(&self, memory: &'a mut [T]) -> Result<[&'a mut [T]; 3], Error>
    where
        C: StepCell<T>,
    {
        Stack::<C>::check_len("memory", memory.len(), self.len, 1)?;
        let slack = CACHE_LINE / size_of::<T>() - 1;
        let start = memory.as_ptr().align_offset(CACHE_LINE).min(slack);
        let [first, each, output] = self.sizes;
        let used = self.stack.cell.output_size() * self.batch;
        let (layers, between) = memory[start..].split_at_mut(first + each * (self.stack.layers() - 1));
        let (one, other) = between.split_at_mut(output);
        Ok([layers, &mut one[..used], &mut other[..used]])
    }
}
