//! `compare --per-layer`: where noise comes in.

use crate::{RAW, RAW_DATA, folder, json, layer_names, succeeds, text, written};

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    the_layer_that_adds_most_noise_is_marked,
    layers_of_every_signature_are_seen_and_agree_with_its_outputs,
    bodies_of_loops_are_seen,
    the_branch_that_was_taken_is_seen,
    only_subgraphs_that_run_have_layers,
];

/// Layers of which the second's weights are those of `second`.
fn chain(second: f64) -> String {
    format!(
        "tfg 1 types
subgraph @main {{
  %x = input : f32[1,64]
  %w1 = const : f32[32,64] fill gaussian(seed = 1, std = 0.1)
  %w2 = const : f32[32,32] fill gaussian(seed = 2, std = {second})
  %w3 = const : f32[8,32] fill gaussian(seed = 3, std = 0.1)
  %first = FULLY_CONNECTED(%x, %w1, _) : f32[1,32]
  %second = FULLY_CONNECTED(%first, %w2, _) : f32[1,32]
  %third = FULLY_CONNECTED(%second, %w3, _) : f32[1,8]
  output %third
}}
"
    )
}

fn the_layer_that_adds_most_noise_is_marked() {
    let folder = folder();
    let a = written(&folder, "a.tfg", &chain(0.1));
    let b = written(&folder, "b.tfg", &chain(0.11));
    let json = json(&["compare", &a, &b, "--json", "--per-layer"]);
    let layers = &json["layers"][0];
    let section = &layers["sections"][0];
    assert_eq!(layer_names(section), ["first", "second", "third"], "in execution order");
    assert_eq!(section["matched"][0]["differing"], 0);
    assert_eq!(layers["drops"][0], serde_json::json!({ "section": 0, "layer": 1 }), "{layers:#}");
    // The second layer's weights are a tenth larger, and nothing else.
    let snr = section["matched"][1]["snr_db"].as_f64().unwrap();
    assert!((snr - 20.0).abs() < 0.1, "{snr}");
    let printed = succeeds(&["compare", &a, &b, "--per-layer"]);
    assert!(printed.contains("FULLY_CONNECTED second  <-- adds most noise\n"), "{printed}");
    assert!(printed.contains("note: that is local, and in shares of the signal"), "{printed}");
}

fn layers_of_every_signature_are_seen_and_agree_with_its_outputs() {
    let folder = folder();
    let two = "tests/runtime/two_signatures.tflite";
    let b = folder.path().join("b.tflite");
    succeeds(&[two, "-o", text(&b), "-q"]);
    let found = json(&["compare", two, text(&b), "--per-layer", "--json"]);
    let keys: Vec<&str> = found["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["signature"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["add", "multiply"]);
    let only = ["compare", two, text(&b), "--per-layer", "--json", "--signature=multiply"];
    let found = json(&only);
    assert_eq!(found["layers"].as_array().unwrap().len(), 1);
    assert_eq!(found["layers"][0]["sections"][0]["matched"][0]["kind"], "MUL");

    // With samples, the last layer is what the table says of the output.
    succeeds(&[RAW, "-o", text(&b), "-q"]);
    let data = format!("--data={RAW_DATA}");
    let found = json(&["compare", RAW, text(&b), "--per-layer", "--json", &data]);
    let output = &found["cases"][0]["outputs"][0];
    let layers = found["layers"][0]["sections"][0]["matched"].as_array().unwrap();
    let last = layers.last().unwrap();
    for figure in ["snr_db", "cosine", "max_abs", "differing", "elements"] {
        assert_eq!(last[figure], output[figure], "{figure}");
    }
}

fn bodies_of_loops_are_seen() {
    let gru = "tests/models/digits/digits_gru.tflite";
    let folder = folder();
    let b = folder.path().join("b.tflite");
    let passes = "--passes=quantize-weights{min-elements=1024},insert-dequant";
    succeeds(&[gru, passes, "-o", text(&b), "-q"]);
    let compare = ["compare", gru, text(&b), "--per-layer", "--ablate", "--json"];
    let found = json(&compare);
    let layers = &found["layers"][0];
    let sections = layers["sections"].as_array().unwrap();
    let roles: Vec<&str> =
        sections.iter().skip(1).map(|s| s["call"]["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["cond", "body"]);
    let body = &sections[2];
    assert!(body["matched"].as_array().unwrap().len() > 15, "{body:#}");
    // Noise comes in in the body, and not where the loop stands.
    assert_eq!(layers["drops"][0]["section"], 2, "{layers:#}");
    let main = sections[0]["matched"].as_array().unwrap();
    assert_eq!(main.last().unwrap()["snr_db"], found["cases"][0]["outputs"][0]["snr_db"]);
    // The one weight that is quantised lies there, and without it nothing differs.
    let ablation = &found["ablation"];
    assert_eq!(ablation["runs"], 2, "{ablation:#}");
    assert_eq!(ablation["ops"][0]["subgraph"], body["subgraph"]);
    assert_eq!(ablation["ops"][0]["culprit"], true);
    assert_eq!(ablation["ops"][0]["snr_db"], serde_json::Value::Null, "equal outputs");
}

/// Takes the second branch where the sum of the input is not positive.
const BRANCHES: &str = "tfg 1 types
subgraph @main {
  %x = input : f32[4]
  %flag = input : bool[1]
  %y = IF(%flag, %x) {then_subgraph_index = 1, else_subgraph_index = 2} : f32[4]
  output %y
}
subgraph @then {
  %x = input : f32[4]
  %two = const : f32[1] = [2.0]
  %y = MUL(%x, %two) : f32[4]
  output %y
}
subgraph @else {
  %x = input : f32[4]
  %y = NEG(%x) : f32[4]
  output %y
}
";

fn the_branch_that_was_taken_is_seen() {
    let folder = folder();
    let a = written(&folder, "a.tfg", BRANCHES);
    let b = written(&folder, "b.tfg", &BRANCHES.replace("[2.0]", "[2.2]"));
    let of = |flag: &str| {
        let input = format!("--input=flag={flag}");
        let found = json(&["compare", &a, &b, "--per-layer", "--json", "--samples=1", &input]);
        found["layers"][0]["sections"].clone()
    };
    let taken = of("ones");
    assert_eq!((&taken[1]["runs"], &taken[2]["runs"]), (&1.into(), &0.into()));
    let snr = taken[1]["matched"][0]["snr_db"].as_f64().unwrap();
    assert!((snr - 20.0).abs() < 0.01, "{snr}");
    let other = of("zeros");
    assert_eq!((&other[1]["runs"], &other[2]["runs"]), (&0.into(), &1.into()));
    assert_eq!(other[2]["matched"][0]["differing"], 0);
    assert_eq!(layer_names(&other[1]), [""; 0], "it did not run");
}

/// A decomposition runs; the body of a window only says how to reduce it.
const CALLED: &str = r#"tfg 1 types
subgraph @main {
  %x = input : f32[1,4,4,1]
  %none = const : f32[] = 0.0
  %composite = STABLEHLO_COMPOSITE(%x) {name = "twice", decomposition_subgraph_index = @twice, composite_attributes = b"\x00\x00\x01\x00\x00\x24\x01"} : f32[1,4,4,1]
  %sums = STABLEHLO_REDUCE_WINDOW(%composite, %none) {window_dimensions = [1, 2, 2, 1], window_strides = [1, 1, 1, 1], base_dilations = [1, 1, 1, 1], window_dilations = [1, 1, 1, 1], padding = [0, 0, 0, 0, 0, 0, 0, 0], body_subgraph_index = @sum} : f32[1,3,3,1]
  output %sums
}
subgraph @twice {
  %a = input : f32[1,4,4,1]
  %two = const : f32[1] = [2.0]
  %b = MUL(%a, %two) : f32[1,4,4,1]
  output %b
}
subgraph @sum {
  %a = input : f32[]
  %b = input : f32[]
  %c = ADD(%a, %b) : f32[]
  output %c
}
"#;

fn only_subgraphs_that_run_have_layers() {
    let folder = folder();
    let a = written(&folder, "a.tfg", CALLED);
    let b = written(&folder, "b.tfg", &CALLED.replace("[2.0]", "[2.2]"));
    let found = json(&["compare", &a, &b, "--per-layer", "--json"]);
    let sections = found["layers"][0]["sections"].as_array().unwrap();
    let names: Vec<_> = sections.iter().map(layer_names).collect();
    assert_eq!(names, [vec!["composite", "sums"], vec!["b"]]);
    let snr = sections[1]["matched"][0]["snr_db"].as_f64().unwrap();
    assert!((snr - 20.0).abs() < 0.01, "{snr}");
}
