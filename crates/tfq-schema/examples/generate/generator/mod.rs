//! From the binary schema to Rust source. Apart from `main.rs` because a test runs it too.

mod catalog;
mod reflection;
mod schema;
mod semantics;

use std::path::Path;

/// The binary schema, as a path from the root of the project.
pub(crate) const BFBS: &str = "crates/tfq-schema/src/generated/tflite.bfbs";

/// What operators mean, as a path from the root of the project.
pub(crate) const OPS: &str = "schema/ops.toml";

pub(crate) fn project_root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crate lies two levels below the root")
}

/// Path from the root of the project and content of each generated file.
pub(crate) fn outputs(bfbs: &[u8], ops: &str) -> Result<Vec<(&'static str, String)>, String> {
    let schema = schema::read(bfbs)?;
    Ok(vec![
        ("crates/tfq-schema/src/generated/reflection_data.rs", reflection::emit(&schema)),
        ("crates/tfq-ir/src/ops/catalog/generated.rs", catalog::emit(&schema)?),
        ("crates/tfq-ir/src/ops/semantics/generated.rs", semantics::emit(&schema, ops)?),
    ])
}
