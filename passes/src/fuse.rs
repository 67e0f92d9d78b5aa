//! Several ops that an operator can do at once.

pub(crate) mod fuse_dilated_conv;
