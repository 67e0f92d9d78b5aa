//! Bytes that things take in a file, by estimate: passes weigh what a change saves before anybody
//! knows how the file is laid out.

/// A scale and its zero point.
pub(crate) const PER_SCALE: u64 = 12;
/// The tables around a tensor's scales.
pub(crate) const PER_TENSOR: u64 = 48;
/// One more tensor on a buffer, without its name.
pub(crate) const PER_OWN_TENSOR: u64 = 120;
/// A Dequantize and its tensor, without their names.
pub(crate) const PER_DEQUANTIZE: u64 = 200;
/// A small op of one result and its tensor, without its name.
pub(crate) const PER_SMALL_OP: u64 = 54;
/// A constant of one number, without its name.
pub(crate) const PER_NUMBER: u64 = 70;
/// What a record of a Dequantize takes where the runtime keeps its result.
pub(crate) const PER_RECORDED: u64 = 90;
/// A kind of op that the model may not have yet, in its table of these.
pub(crate) const PER_OP_KIND: u64 = 40;
/// A constant of so few elements is no burden beside the op that goes with it.
pub(crate) const FEW: u64 = 64;

// Float16 numbers that become float32 take two bytes more each.
const _: () = assert!(2 * FEW <= PER_DEQUANTIZE);
