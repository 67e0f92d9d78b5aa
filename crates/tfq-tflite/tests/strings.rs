//! Accessors that give strings take them for UTF-8, which the strings of a model that is read need
//! not be. Clippy refuses them in this crate, by the list in `clippy.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn no_accessor_of_a_string_may_be_called() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = folder.join("../tfq-schema/src/generated/tflite_generated.rs");
    let generated = fs::read_to_string(generated).unwrap();
    let mut table = "";
    let mut accessors = BTreeSet::new();
    for line in generated.lines() {
        if let Some(name) = line.strip_prefix("impl<'a> ") {
            table = name.split('<').next().unwrap();
        }
        // `pub fn name(&self) -> Option<&'a str> {`, and what a list of strings would be.
        if let Some((name, _)) =
            line.split_once("(&self) -> ").filter(|(_, ty)| ty.contains("&'a str"))
        {
            let name = name.trim_start().strip_prefix("pub fn ").unwrap();
            accessors.insert(format!("tfq_schema::tflite::{table}::{name}"));
        }
    }
    assert!(accessors.contains("tfq_schema::tflite::Tensor::name"), "{accessors:?}");
    let lints = fs::read_to_string(folder.join("clippy.toml")).unwrap();
    let listed = lints
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.strip_suffix("\",")?.to_owned()));
    assert_eq!(listed.collect::<BTreeSet<_>>(), accessors);
}
