//! docs/edits.md is right.

use crate::is_valid;
use tfq_edits::{Blobs, Edits, read_edit};
use tfq_ir::Module;
use tfq_text::{ParseOptions, parse};

pub(crate) fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/edits.md");
    std::fs::read_to_string(path).unwrap()
}

/// The fenced blocks with the words behind their fences.
pub(crate) fn blocks(doc: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = doc.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block = lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect();
        found.push((kind.to_owned(), block));
    }
    found
}

/// The model of the examples, and bytes that one of them names by hash.
fn model(doc: &str) -> (Module, Blobs) {
    let all = blocks(doc);
    let text = all.iter().find(|(kind, _)| kind == "tfg").expect("there is a model");
    let module = parse(&text.1, &ParseOptions::default()).unwrap();
    let mut blobs = Blobs::new();
    let hash = blobs.add(vec![0; 1024].into());
    assert!(doc.contains(&hash), "{hash}");
    (module, blobs)
}

#[test]
fn the_examples_of_the_documentation_are_right() {
    let doc = document();
    let (module, blobs) = model(&doc);
    let (mut applied, mut refused) = (0, 0);
    let all = blocks(&doc);
    for (n, (kind, json)) in all.iter().enumerate() {
        let whole = match kind.as_str() {
            "json edit" => crate::document(json),
            "json document" | "json refused" => json.clone(),
            _ => continue,
        };
        let mut changed = module.clone();
        let outcome = Edits::parse(&whole).and_then(|edits| edits.apply(&mut changed, &blobs));
        match (outcome, kind.as_str()) {
            (Err(error), "json refused") => {
                let help =
                    error.help.as_ref().map_or(String::new(), |help| format!("help: {help}\n"));
                assert_eq!(format!("error: {error}\n{help}"), all[n + 1].1, "{json}");
                refused += 1;
            }
            (Ok(()), "json edit" | "json document") => {
                is_valid(&whole).unwrap();
                if kind == "json edit" {
                    read_edit(json, &module, &blobs).unwrap();
                }
                assert_eq!(changed.verify(), Ok(()), "{json}");
                applied += 1;
            }
            (outcome, _) => panic!("{outcome:?}\n{json}"),
        }
    }
    assert!(applied >= 15 && refused >= 3, "{applied} {refused}");
}

/// Each case of an edit, each change of a tensor and an op.
#[test]
fn the_documentation_has_an_example_of_every_edit() {
    let schema: serde_json::Value = serde_json::from_str(tfq_edits::SCHEMA).unwrap();
    let examples: String =
        blocks(&document()).into_iter().filter(|b| b.0.starts_with("json")).map(|b| b.1).collect();
    let fields = |of: &serde_json::Value| -> Vec<String> {
        let properties = of["properties"].as_object().into_iter().flatten();
        properties.map(|(name, _)| name.clone()).collect()
    };
    let defs = &schema["$defs"];
    let mut names = fields(&defs["Patch"]);
    for kind in ["Edit", "TensorChange", "OpChange", "Details"] {
        let cases = defs[kind]["oneOf"].as_array().unwrap();
        names.extend(cases.iter().flat_map(fields));
    }
    assert!(names.len() > 40, "{names:?}");
    let missing: Vec<_> =
        names.iter().filter(|name| !examples.contains(&format!("\"{name}\":"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
