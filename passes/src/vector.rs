//! Constants that steer an op: begins, sizes, orders.

use bytes::Bytes;
use tfq_ir::{ElementType, Patch, Tensor, TensorRef};

/// A constant vector of int32.
pub(crate) fn vector(patch: &mut Patch, name: String, values: &[i32]) -> TensorRef {
    let tensor = Tensor::new(name, ElementType::Int32, [values.len() as i32]);
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    patch.new_constant(tensor, Bytes::from(bytes))
}
