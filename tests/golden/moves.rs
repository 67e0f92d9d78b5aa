//! What is told of each way in which a result can move.

use crate::common::{lifted, lowered, model, root, tensor, with_value};
use crate::{HYBRID, Sandbox, texts, with_other_weight};
use serde_json::Value;
use std::fs;

#[test]
fn another_pipeline_moves_the_structure() {
    let sandbox = Sandbox::with_golden(&[HYBRID]);
    sandbox.edit("goldens/index.toml", "{exact-activations=off}", "{hybrid=off}");
    let report = sandbox.check(1);
    let golden = &report["goldens"][0];
    assert_eq!(golden["status"], "differs");
    assert_eq!(golden["kinds"][0], "structure");
    assert_eq!(golden["causes"].as_array().unwrap().len(), 1);
    assert_eq!(golden["causes"][0]["what"], "pipeline");
    assert_eq!(golden["pending"], "goldens/model.golden.new");
    assert_eq!(golden["diff"]["histogram"][0]["kind"], "DEQUANTIZE");
}

#[test]
fn a_file_of_passes_is_read_anew() {
    let sandbox = Sandbox::new();
    sandbox.put("small.passes", b"quantize-weights # to int8\n,insert-dequant\n");
    sandbox.succeeds(&["add", "model.tflite", "--pipeline", "small.passes"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);
    sandbox.put("small.passes", b"quantize-weights{type=float16},insert-dequant\n");
    assert_eq!(sandbox.kinds(1)[0], "structure");
}

#[test]
fn a_target_may_be_a_file() {
    let sandbox = Sandbox::new();
    fs::copy(root().join("tests/cli/files/targets/players.toml"), sandbox.path("players.toml"))
        .expect("the target is there");
    sandbox.succeeds(&["add", "model.tflite", "--target=players.toml"]);
    assert!(sandbox.text("goldens/index.toml").contains("target = \"../players.toml\""));
    assert_eq!(sandbox.kinds(0), [""; 0]);
}

#[test]
fn another_weight_moves_hashes() {
    let sandbox = Sandbox::with_golden(&["--level=hash", "--passes="]);
    sandbox.put("model.tflite", &with_other_weight());
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"], serde_json::json!(["weights"]));
    assert_eq!(report["goldens"][0]["causes"][0]["what"], "input");
}

#[test]
fn at_level_full_the_error_is_measured() {
    let sandbox = Sandbox::with_golden(&["--level=full", "--passes="]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "model.golden.bin"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);
    sandbox.put("model.tflite", &with_other_weight());
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"], serde_json::json!(["weights"]));
    let error = &report["goldens"][0]["errors"][0];
    assert_eq!(error["tensor"], "%weights");
    let db = error["after"].as_str().unwrap().strip_prefix("SNR ").unwrap();
    let db: f64 = db.split(' ').next().unwrap().parse().unwrap();
    assert!((20.0..90.0).contains(&db), "one of 1280 weights moved, {db} dB");
    sandbox.succeeds(&["review", "--accept-all"]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "model.golden.bin"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);
}

#[test]
fn another_weight_moves_statistics() {
    let sandbox = Sandbox::with_golden(&["--level=stats", "--passes="]);
    sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
    assert_eq!(sandbox.kinds(1), ["numerics"]);
}

#[test]
fn another_scale_is_another_weight() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
    assert_eq!(sandbox.kinds(1), ["weights"]);
}

#[test]
fn another_model_with_the_same_result_is_met() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.put("model.tflite", &with_other_weight());
    assert_eq!(sandbox.kinds(0), [""; 0]);
    let said = sandbox.succeeds(&["check"]);
    assert!(said.contains("the model's file is another, and the result the same"), "{said}");
}

#[test]
fn another_tool_is_told_only_where_something_moved() {
    let sandbox = Sandbox::with_golden(&[HYBRID]);
    sandbox.edit("goldens/model.golden", "tfq-opt 0", "tfq-opt 99");
    assert_eq!(sandbox.kinds(0), [""; 0]);
    sandbox.edit("goldens/model.golden", "FULLY_CONNECTED.v", "FULLY_CONNECTED.v9");
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"][0], "structure");
    assert_eq!(report["goldens"][0]["causes"][0]["what"], "tool");
}

#[test]
fn another_layout_is_no_difference() {
    let sandbox = Sandbox::with_golden(&["--level=hash", HYBRID]);
    sandbox.edit(
        "goldens/model.golden",
        "(%input, %weights, %bias)",
        "(\n  %input ,%weights, // the weights\n %bias )",
    );
    assert_eq!(sandbox.kinds(0), ["formatting"]);
    assert!(sandbox.succeeds(&["check"]).contains("formatting only"));
    // And with the line ends of another system.
    let text = sandbox.text("goldens/model.golden").replace('\n', "\r\n");
    sandbox.put("goldens/model.golden", text.as_bytes());
    assert_eq!(sandbox.kinds(0), ["formatting"]);
}

#[test]
fn a_hash_is_no_layout() {
    let sandbox = Sandbox::with_golden(&["--level=hash", "--passes="]);
    let golden = sandbox.text("goldens/model.golden");
    let at = golden.find(" #").expect("a hash") + 2;
    let other = if &golden[at..=at] == "0" { "1" } else { "0" };
    let changed = [&golden[..at], other, &golden[at + 1..]].concat();
    sandbox.put("goldens/model.golden", changed.as_bytes());
    assert_eq!(sandbox.kinds(1), ["weights"]);
}

#[test]
fn another_way_to_the_same_result_is_told() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.edit("goldens/model.golden", "leave a constant to its readers", "serve its readers");
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"], serde_json::json!(["steps"]));
    assert_eq!(report["goldens"][0]["first_pass"], "7. insert-dequant");
}

/// The model with its hidden tensor and its weights under other names.
fn with_other_names() -> Vec<u8> {
    let mut module = lifted(&model("ops/fc_bias"));
    for name in ["weights", "bias"] {
        let (sg, id) = tensor(&module, name).expect("it is there");
        let mut patch = tfq_opt::ir::Patch::new(sg, "rename");
        patch.set_name(id, Some(format!("other_{name}").into()));
        module.apply(patch).expect("any name will do");
    }
    lowered(&module)
}

#[test]
fn other_names_are_names_at_every_level() {
    for level in ["topology", "types", "quant", "stats", "hash", "full"] {
        let sandbox = Sandbox::with_golden(&["--level", level, HYBRID]);
        sandbox.put("model.tflite", &with_other_names());
        let report = sandbox.check(1);
        let golden = &report["goldens"][0];
        assert_eq!(golden["kinds"], serde_json::json!(["names"]), "{level}");
        assert_eq!(golden["headline"], "2 tensors renamed", "{level}");
        assert_eq!(golden["diff"]["subgraphs"][0]["tensors"], serde_json::json!([]), "{level}");
    }
}

#[test]
fn a_level_says_what_it_knows_of_contents() {
    let details = |level: &str| {
        let sandbox = Sandbox::with_golden(&["--passes=", "--level", level]);
        sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
        let (out, _) = texts(&sandbox.run(&["check"]));
        out
    };
    let stats = details("stats");
    assert!(stats.contains(" max = 7, ") && !stats.contains('#'), "{stats}");
    let hash = details("hash");
    let bytes = lifted(&model("ops/fc_bias"));
    let (sg, id) = tensor(&bytes, "weights").unwrap();
    let digits = blake3::hash(bytes.constant(sg, id).unwrap()).to_hex();
    assert!(hash.contains(&format!("    #{} -> #", &digits[..8])), "{hash}");
    assert_eq!(details("quant").lines().last(), Some("1 golden: 1 ok"));
}

#[test]
fn two_levels_are_compared_at_the_lower() {
    for (accepted, now, lower) in [
        ("quant", "topology", "topology"),
        ("quant", "hash", "quant"),
        ("hash", "stats", "stats"),
        ("full", "hash", "hash"),
        ("stats", "full", "stats"),
    ] {
        let sandbox = Sandbox::with_golden(&["--level", accepted]);
        let (from, to) = (format!("level = \"{accepted}\""), format!("level = \"{now}\""));
        sandbox.edit("goldens/index.toml", &from, &to);
        let report = sandbox.check(0);
        let golden = &report["goldens"][0];
        assert_eq!(golden["level"], lower, "{accepted} {now}");
        assert_eq!(golden["kinds"], serde_json::json!([]), "{accepted} {now}");
        assert_eq!(golden["causes"][0]["what"], "level");
        let said = sandbox.succeeds(&["check"]);
        assert!(said.contains(&format!("another level: {accepted} -> {now}\n")), "{said}");
        assert_eq!(sandbox.run(&["bisect", "model"]).status.code(), Some(1));
        // What differs at the lower level does all the same.
        sandbox.edit("goldens/index.toml", "\"default\"", "\"insert-dequant\"");
        if lower != "topology" {
            assert_eq!(sandbox.kinds(1)[0], "structure", "{accepted} {now}");
        }
        sandbox.edit("goldens/index.toml", "\"insert-dequant\"", "\"default\"");
        // The result of the new level waits, to be accepted.
        sandbox.check(0);
        let said = sandbox.answers(&["review"], "y\n");
        assert!(said.contains("the same result") && said.contains("accepted model"), "{said}");
        let report = sandbox.check(0);
        assert_eq!(report["goldens"][0]["level"], Value::Null);
    }
}

#[test]
fn another_layout_of_a_step_is_no_difference() {
    let sandbox = Sandbox::with_golden(&["--level=hash"]);
    sandbox.edit("goldens/model.golden", "patches: ", "patches:   ");
    assert_eq!(sandbox.kinds(0), ["formatting"]);
}
