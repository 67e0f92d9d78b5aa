//! `compare --ablate`: which ops do the harm.

use crate::{folder, json, layer_names, succeeds, text, written};

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    ablation_names_the_op_that_matters_at_the_outputs,
    a_lookup_of_codes_gets_its_table_back,
];

/// The ratio of `loud` is worst, and it hardly matters: `main` is a thousand times as strong.
fn masked(loud: f64, main: f64) -> String {
    format!(
        "tfg 1 types
subgraph @main {{
  %x = input : f32[1,64]
  %w1 = const : f32[32,64] fill gaussian(seed = 1, std = {loud})
  %w2 = const : f32[32,64] fill gaussian(seed = 2, std = {main})
  %w3 = const : f32[32,32] fill gaussian(seed = 3, std = 0.1)
  %thousandth = const : f32[1] = [0.001]
  %loud = FULLY_CONNECTED(%x, %w1, _) : f32[1,32]
  %quiet = MUL(%loud, %thousandth) : f32[1,32]
  %main = FULLY_CONNECTED(%x, %w2, _) : f32[1,32]
  %sum = ADD(%quiet, %main) : f32[1,32]
  %y = FULLY_CONNECTED(%sum, %w3, _) : f32[1,32]
  output %y
}}
"
    )
}

fn ablation_names_the_op_that_matters_at_the_outputs() {
    let folder = folder();
    let a = written(&folder, "a.tfg", &masked(0.1, 0.1));
    let b = written(&folder, "b.tfg", &masked(0.2, 0.11));
    let found = json(&["compare", &a, &b, "--per-layer", "--ablate", "--json"]);
    let layers = &found["layers"][0];
    let worst = layers["drops"][0]["layer"].as_u64().unwrap() as usize;
    assert_eq!(layer_names(&layers["sections"][0])[worst], "loud", "the drop misleads");
    let ablation = &found["ablation"];
    assert_eq!((&ablation["runs"], &ablation["not_tried"]), (&3.into(), &0.into()));
    let base = ablation["base"][0]["snr_db"].as_f64().unwrap();
    assert!((base - 20.0).abs() < 0.5, "{base}");
    let ops = ablation["ops"].as_array().unwrap();
    let names: Vec<&str> = ops.iter().map(|op| op["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["main", "loud"]);
    assert!(ops[0]["gain_db"].as_f64().unwrap() > 20.0, "{ablation:#}");
    assert!(ops[1]["gain_db"].as_f64().unwrap() < 0.5, "{ablation:#}");
    assert_eq!((&ops[0]["culprit"], &ops[1]["culprit"]), (&true.into(), &false.into()));
    let printed = succeeds(&["compare", &a, &b, "--per-layer", "--ablate"]);
    assert!(
        printed.contains("FULLY_CONNECTED main  <-- adds noise (2)  <-- culprit: +"),
        "{printed}"
    );
    assert!(printed.contains("into 2 ops of B, one at a time; 3 runs on xnnpack"), "{printed}");

    // Bounded, it begins with the largest drop.
    let one = json(&["compare", &a, &b, "--ablate=1", "--json"]);
    assert_eq!(one["ablation"]["ops"][0]["name"], "loud");
    assert_eq!(one["ablation"]["not_tried"], 1);

    // Two culprits are named, and what they do together is measured.
    let b = written(
        &folder,
        "c.tfg",
        &masked(0.1, 0.11).replace("seed = 3, std = 0.1", "seed = 3, std = 0.11"),
    );
    let found = json(&["compare", &a, &b, "--ablate", "--json"]);
    let ablation = &found["ablation"];
    let culprits = ablation["ops"].as_array().unwrap().iter().filter(|op| op["culprit"] == true);
    assert_eq!(culprits.count(), 2, "{ablation:#}");
    assert_eq!(ablation["runs"], 4);
    assert_eq!(ablation["together"][0]["snr_db"], serde_json::Value::Null, "equal outputs");
}

fn a_lookup_of_codes_gets_its_table_back() {
    let folder = folder();
    let model = "tfg 1 types
subgraph @main {
  %ids = input : i32[4]
  %table = const : f32[100,32] fill gaussian(seed = 1, std = 1)
  %w = const : f32[64,32] fill gaussian(seed = 2, std = 0.1)
  %rows = GATHER(%table, %ids) {axis = 0} : f32[4,32]
  %y = FULLY_CONNECTED(%rows, %w, _) : f32[4,64]
  output %y
}
";
    let a = written(&folder, "a.tfg", model);
    let b = folder.path().join("b.tflite");
    succeeds(&[&a, "-o", text(&b), "-q"]);
    let found = json(&["compare", &a, text(&b), "--ablate", "--json"]);
    let ablation = &found["ablation"];
    assert_eq!(ablation["cannot_be_tried"], serde_json::json!([]));
    let ops = ablation["ops"].as_array().unwrap();
    let mut kinds: Vec<&str> = ops.iter().map(|op| op["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["FULLY_CONNECTED", "GATHER"], "{ablation:#}");
    for op in ops {
        assert!(op["gain_db"].as_f64().unwrap() > 0.0, "{op}");
    }
    // With both back nothing differs, where both are culprits.
    if let Some(both) = ablation["together"].get(0) {
        assert_eq!(both["snr_db"], serde_json::Value::Null, "{ablation:#}");
    }
}
