//! Rules: a pattern, guards and a replacement, applied until nothing matches.
//!
//! ```
//! use tfq_ir::catalog::ops::{DEQUANTIZE, QUANTIZE};
//! use tfq_pass::rewrite::{Rule, any, op};
//!
//! let rule = Rule::new(
//!     "quantise what was dequantised",
//!     op(QUANTIZE).operand(0, op(DEQUANTIZE).operand(0, any("x"))),
//! )
//! .guard("same type", |m| m.same_type("x", "result"))
//! .forward("x");
//! assert_eq!(rule.name(), "quantise what was dequantised");
//! ```
//!
//! A rule matches at an op ([`op`], [`op_of`]), at an op that reads a tensor in any slot
//! ([`read_of`], [`unserved`]), or at a tensor ([`tensor`], [`expressed`]). Beside [`apply_rules`] there are
//! [`apply_together`], and [`canonicalize`] and its parts, for a pass that wants to leave the graph
//! tidy.

mod answers;
mod cleanup;
mod driver;
mod matching;
mod pattern;
mod rule;
mod rule_index;

pub use cleanup::{canonicalize, erase_dead_ops, merge_equal_constants, merge_equal_ops};
pub use driver::{apply_rules, apply_together};
pub use matching::Match;
pub use pattern::{
    OpPattern, Pattern, Root, any, constant, custom_op, expressed, op, op_of, op_that, read_of,
    stored, tensor, unserved,
};
pub use rule::{FORBIDDEN, Rule};
