//! The recurrence: one or more products a step, step by step; and one step at a time.
//!
//! ```text
//! one    for t in order    C[t] = f(initial[t] + x[t] W' + C[t - 1] W)
//!
//! two    for t in order    U[t] = f(initial[t] + x[t] W' + Y[t - 1] W)
//!                          Y[t] = g(initial'[t] + U[t] V)
//! ```
//!
//! In descending order t + 1 is the step before. Where a sequence begins, a state takes the place of the step before; or the
//! row is prepared, and f is applied to what it holds.
//!
//! With one product, f = tanh or relu and ascending order this is the forward pass of an Elman layer; with f = "times the
//! derivative" and descending order it is backpropagation through time. Both directions of a bidirectional layer are the
//! same code. With two products, U is the hidden layer of a Jordan network and Y its output; in backpropagation through time
//! U is the gradient before the output's function and Y the one before the hidden layer's.

mod gated_product;
pub(crate) mod gated_step;
pub(crate) mod step;
mod step_product;
pub(crate) mod terms;
pub(crate) mod time_loop;

#[cfg(test)]
mod tests;
