//! Internal crate of tfq-opt.
