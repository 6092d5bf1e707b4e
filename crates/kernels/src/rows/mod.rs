//! Rows of matrices: their order in time, where they are, and pointers to them.

pub(crate) mod indirection;
pub(crate) mod matrix;
pub(crate) mod row_map;
pub(crate) mod steps;
