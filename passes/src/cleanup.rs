//! What leaves the graph tidy.

pub(crate) mod convert_to_reshape;
pub(crate) mod convert_to_slice;
pub(crate) mod convert_to_split;
pub(crate) mod infer_shapes;
pub(crate) mod merge_equal_ops;
