//! JSON as it is printed.

use serde_json::Value;
use tfq_text::visible_json;

/// Indented, with a line end. What a terminal would obey is escaped, and means the same.
pub(crate) fn json_text(value: &Value) -> String {
    format!("{}\n", visible_json(&format!("{value:#}")))
}
