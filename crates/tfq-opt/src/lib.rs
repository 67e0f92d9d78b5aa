//! tfq-opt
