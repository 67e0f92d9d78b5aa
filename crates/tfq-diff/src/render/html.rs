//! One page with both graphs side by side.

use crate::Diff;
use tfq_ir::Module;

/// stub
pub fn html(_before: &Module, _after: &Module, _diff: &Diff, _names: [&str; 2]) -> String {
    String::new()
}
