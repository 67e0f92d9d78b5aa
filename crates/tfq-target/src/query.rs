//! What targets are asked.

pub(crate) mod activations;
mod cost;
pub(crate) mod delegation;
pub(crate) mod describe;
pub(crate) mod equivalent;
pub(crate) mod legacy;
pub(crate) mod load;
pub(crate) mod partitions;
pub(crate) mod question;
pub(crate) mod releases;
pub(crate) mod speed;
pub(crate) mod spreading;
pub(crate) mod unwritten;
pub(crate) mod weights;
