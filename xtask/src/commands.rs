//! One module per command.

pub(crate) mod assets;
pub(crate) mod demo;
pub(crate) mod fuzz;
pub(crate) mod hold;
mod steps;
pub(crate) mod test;
