//! Arithmetic that kernels share.

pub(crate) mod activation;
pub(crate) mod exponential;
pub(crate) mod fixed;
pub(crate) mod functions;
pub(crate) mod inverse_root;
pub(crate) mod table;
