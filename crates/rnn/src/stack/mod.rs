//! Layers and directions over a cell.
//!
//! ```text
//! y_0 = x
//! for l in 0..L
//!   for each direction d:  y_l[.., d] = cell(x_l) with x_l = x for l = 0, else dropout(y_{l-1})
//! output = y_{L-1};  h_n[l·D + d] = the final state of layer l, direction d
//! ```
//!
//! Layer 0 reads F = I features, the others the D·S outputs of the layer below. Parameters are numbered layer
//! by layer, in each layer first all of the forward direction and then all of the reverse one; a name is the
//! cell's with `_l0`, `_l0_reverse`, `_l1`, … appended, as in torch, or the cell's alone if the stack is *bare*.
//!
//! # What is kept for the backward pass
//!
//! The outputs of all layers but the last (the caller has that one), and what each cell wants; both go
//! into one array that the caller owns, of [`Stack::saved_len`] elements. Dropout keeps nothing: its mask is
//! computed again from the seed. For long sequences `recomputation` keeps some states and runs the lower layers again.

mod backward;
mod buffers;
mod call;
mod forward;
mod layers;
mod passes;
mod recomputation;
mod stream;
mod teacher_forcing;

pub use self::call::{Backward, Dropout, Forward, Gradients, Inputs};
pub use self::layers::Stack;
pub use self::stream::Stream;
