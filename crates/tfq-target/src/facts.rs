//! What the data files say: rows, their conditions, and how they are read.

pub(crate) mod activation_test;
pub(crate) mod attr_test;
pub(crate) mod condition;
pub(crate) mod file;
pub(crate) mod load_test;
pub(crate) mod op;
pub(crate) mod read;
pub(crate) mod relation_test;
pub(crate) mod rows;
pub(crate) mod table;
pub(crate) mod tensor_test;
pub(crate) mod versions;
