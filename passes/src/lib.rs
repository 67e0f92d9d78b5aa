//! The built-in passes.
