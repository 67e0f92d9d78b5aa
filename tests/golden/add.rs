//! `golden add`: names, skeletons, and what cannot be added.

use crate::Sandbox;
use crate::common::{model, tool};
use std::fs;

#[test]
fn a_name_is_made_from_that_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.put("-my model (2).tflite", &model("ops/fc_bias"));
    let said = sandbox.succeeds(&["add", "./-my model (2).tflite"]);
    assert!(said.starts_with("goldens/my_model__2_.golden: "), "{said}");
    assert_eq!(sandbox.kinds(0), [""; 0]);
}

#[test]
fn a_skeleton_stands_for_the_model() {
    let sandbox = Sandbox::with_golden(&["--skeleton", "--level=stats"]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "model.tfg"]);
    fs::remove_file(sandbox.path("model.tflite")).unwrap();
    assert_eq!(sandbox.kinds(0), [""; 0]);
    let index = sandbox.text("goldens/index.toml");
    assert!(index.contains("skeleton_of = \"model.tflite\""), "{index}");
}

#[test]
fn what_cannot_be_added_leaves_nothing() {
    let sandbox = Sandbox::new();
    for (arguments, code) in [
        (&["add", "model.tflite", "--passes=shrink"][..], 2),
        (&["add", "missing.tflite"], 1),
        (&["add", "model.tflite", "--target=toaster"], 2),
        (&["add", "model.tflite", "--target=missing.toml"], 1),
        (&["add", "model.tflite", "--skeleton", "--passes=shrink"], 2),
        (&["add", "model.tflite", "--name=a/b"], 2),
    ] {
        assert_eq!(sandbox.run(arguments).status.code(), Some(code), "{arguments:?}");
        assert_eq!(sandbox.inside("."), ["model.tflite"], "{arguments:?}");
    }
}

#[test]
fn a_golden_that_cannot_be_replaced_stays() {
    let sandbox = Sandbox::with_golden(&["--skeleton"]);
    let all = || {
        sandbox
            .inside("goldens")
            .iter()
            .map(|f| sandbox.text(&format!("goldens/{f}")))
            .collect::<Vec<_>>()
    };
    let before = all();
    let add = ["add", "model.tflite", "--skeleton", "--replace", "--passes=shrink"];
    assert_eq!(sandbox.run(&add).status.code(), Some(2));
    assert_eq!(all(), before);
    sandbox.succeeds(&["add", "model.tflite", "--replace", "--passes="]);
    assert_eq!(sandbox.check(0)["ok"], 1);
    assert!(sandbox.text("goldens/index.toml").contains("passes = \"\""));
}

#[test]
fn a_golden_is_added_with_the_ways_of_the_default_pipeline() {
    let sandbox = Sandbox::new();
    sandbox.succeeds(&["add", "model.tflite", "--weight-only", "--keep=a*", "--keep=b"]);
    let index = sandbox.text("goldens/index.toml");
    assert!(index.contains("weight_only = true\nkeep = [\"a*\", \"b\"]\n"), "{index}");
    let golden = sandbox.text("goldens/model.golden");
    assert!(golden.contains("quantize-weights{hybrid=off keep=a*,b}"), "{golden}");
    sandbox.succeeds(&["check"]);

    sandbox.succeeds(&["add", "model.tflite", "--float16", "--replace"]);
    let index = sandbox.text("goldens/index.toml");
    assert!(index.contains("float16 = true") && !index.contains("weight_only"), "{index}");
    assert!(sandbox.text("goldens/model.golden").contains("quantize-weights{type=float16}"));
    sandbox.succeeds(&["check"]);
    assert_eq!(
        sandbox.run(&["add", "model.tflite", "--float16", "--passes="]).status.code(),
        Some(2)
    );
}

#[test]
fn a_golden_follows_a_plan() {
    let sandbox = Sandbox::new();
    let plan = |more: &[&str]| {
        let mut command = tool();
        command.args(["model.tflite", "--dry-run", "-q", "--plan=toml"]).args(more);
        let output = command.current_dir(sandbox.0.path()).output().expect("the binary starts");
        sandbox.put("plan.toml", &output.stdout);
    };
    plan(&["--keep=*"]);
    sandbox.succeeds(&["add", "model.tflite", "--plan=plan.toml"]);
    assert!(sandbox.text("goldens/index.toml").contains("plan = \"../plan.toml\""));
    assert!(!sandbox.text("goldens/model.golden").contains("expressed f32"));
    assert_eq!(sandbox.check(0)["ok"], 1);
    plan(&[]);
    let report = sandbox.check(1);
    assert!(report["goldens"][0]["causes"].to_string().contains("\"what\":\"plan\""), "{report}");
    let both = sandbox.run(&["add", "model.tflite", "--plan=plan.toml", "--float16", "--replace"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_golden_is_added_with_what_the_optimiser_takes() {
    let sandbox = Sandbox::new();
    sandbox.succeeds(&["add", "model.tflite", "--prefer=latency"]);
    assert!(sandbox.text("goldens/index.toml").contains("prefer = \"latency\""));
    assert!(sandbox.text("goldens/model.golden").contains("quantize-weights{prefer=latency}"));
    sandbox.succeeds(&["check"]);
    sandbox.edit("goldens/index.toml", "latency", "speed");
    let output = sandbox.run(&["check"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("`speed` is nothing to prefer"), "{told}");

    let optimise = |arguments: &[&str]| {
        let output = tool().args(arguments).current_dir(sandbox.0.path()).output();
        assert!(output.expect("the binary starts").status.success(), "{arguments:?}");
    };
    optimise(&["model.tflite", "--passes=", "-o", "model.tfg"]);
    fs::rename(sandbox.path("model.tfg.bin"), sandbox.path("weights")).unwrap();
    sandbox.succeeds(&["add", "model.tfg", "--side-file=weights", "--name=text"]);
    sandbox.succeeds(&["check", "text"]);
}
