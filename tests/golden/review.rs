//! `golden review`, `prune` and `bisect`: what becomes of results that differ.

use crate::common::{model, root};
use crate::{HYBRID, Sandbox, two_that_differ, with_other_weight};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

#[test]
fn review_accepts_rejects_and_skips() {
    let sandbox = two_that_differ();
    let said = sandbox.answers(&["review"], "what\nn\ns\n");
    assert!(said.contains("rejected model") && said.contains("1 result left for review"), "{said}");
    assert!(said.contains("~ %weights"), "the diff is shown: {said}");
    assert_eq!(
        sandbox.inside("goldens"),
        ["index.toml", "model.golden", "other.golden", "other.golden.new"]
    );
    let new = sandbox.text("goldens/other.golden.new");
    let said = sandbox.answers(&["review"], "y\n");
    assert!(said.contains("accepted other"), "{said}");
    assert_eq!(sandbox.text("goldens/other.golden"), new);
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["status"], "differs");
    assert_eq!(report["goldens"][1]["status"], "ok");
}

#[test]
fn review_without_answers_changes_nothing() {
    let sandbox = two_that_differ();
    let before = sandbox.text("goldens/model.golden");
    for answers in ["", "q\n"] {
        let said = sandbox.answers(&["review"], answers);
        assert!(said.ends_with("2 results left for review\n"), "{said}");
    }
    assert_eq!(sandbox.text("goldens/model.golden"), before);
    assert_eq!(sandbox.inside("goldens").len(), 5);
}

#[test]
fn review_by_pattern() {
    let sandbox = two_that_differ();
    sandbox.succeeds(&["review", "--accept=mod*", "--reject=o*"]);
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["status"], "ok");
    assert_eq!(report["goldens"][1]["status"], "differs");
    sandbox.succeeds(&["review", "--reject-all"]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "other.golden"]);
}

#[test]
fn what_is_met_again_no_longer_waits() {
    let sandbox = two_that_differ();
    sandbox.edit("goldens/index.toml", "{type=float16}", "");
    assert_eq!(sandbox.check(0)["ok"], 2);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "other.golden"]);
}

#[test]
fn prune_removes_what_nobody_names() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.put("gone.tflite", &model("ops/fc_bias"));
    sandbox.succeeds(&["add", "gone.tflite"]);
    fs::remove_file(sandbox.path("gone.tflite")).unwrap();
    sandbox.put("goldens/stray.golden", b"");
    sandbox.put("goldens/stray.golden.new", b"");
    sandbox.put("goldens/notes.txt", b"");
    let all = sandbox.inside("goldens");

    let said = sandbox.succeeds(&["prune", "--dry-run"]);
    for line in [
        "entry gone, whose model is gone: gone.tflite",
        "goldens/gone.golden",
        "goldens/stray.golden",
        "goldens/stray.golden.new",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is missing:\n{said}");
    }
    assert!(sandbox.answers(&["prune"], "n\n").ends_with("nothing was removed\n"));
    assert!(sandbox.answers(&["prune"], "").ends_with("nothing was removed\n"));
    assert_eq!(sandbox.inside("goldens"), all);
    assert!(sandbox.answers(&["prune"], "y\n").ends_with("removed 4 items\n"));
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "notes.txt"]);
    assert_eq!(sandbox.succeeds(&["prune", "--yes"]), "nothing to remove\n");
    assert_eq!(sandbox.check(0)["ok"], 1);
}

#[test]
fn what_changed_after_a_check_is_said_when_it_is_accepted() {
    let sandbox = two_that_differ();
    sandbox.put("model.tflite", &with_other_weight());
    let said = sandbox.succeeds(&["review", "--accept=model"]);
    assert_eq!(
        said,
        "accepted model, whose model changed since; `tfq-opt golden check` makes the result of now\n"
    );
    sandbox.edit("goldens/index.toml", "type=float16", "type=int8");
    sandbox.put("model.tflite", &model("ops/fc_bias"));
    let said = sandbox.answers(&["review"], "n\n");
    assert!(said.contains("\na result whose pipeline changed since; "), "{said}");
}

#[test]
fn bisect_names_pass_and_patch() {
    let sandbox = Sandbox::with_golden(&[HYBRID]);
    sandbox.edit("goldens/index.toml", "{exact-activations=off}", "{hybrid=off}");
    let said = sandbox.succeeds(&["bisect", "model"]);
    assert!(said.starts_with("first differing pass:  1. quantize-weights (of "), "{said}");
    assert!(said.contains("\nfirst differing patch: 2, quantise a constant\n"), "{said}");
    assert!(said.contains("  touches FULLY_CONNECTED %output\n"), "{said}");
    // The accepted run had a patch that this one has not.
    sandbox.edit("goldens/index.toml", "{hybrid=off}", "{min-elements=100000}");
    let said = sandbox.succeeds(&["bisect", "model"]);
    assert!(said.contains("first differing patch: none of this run; one is missing\n"), "{said}");
    assert!(said.contains("  %weights is not touched any more\n"), "{said}");
    // A golden that is met has nothing to find.
    sandbox.edit("goldens/index.toml", "{min-elements=100000}", "{exact-activations=off}");
    assert_eq!(sandbox.run(&["bisect", "model"]).status.code(), Some(1));
}

/// Runs the commands of `docs/goldens.md` in an empty folder, one after the other. Each must
/// print what stands below it. `UPDATE_DOCS=1` puts down what is printed now.
#[test]
#[cfg(unix)]
fn the_worked_example_works() {
    let doc = root().join("docs/goldens.md");
    let text = fs::read_to_string(&doc).expect("the page is there");
    let folder = tempfile::tempdir().expect("there is room");
    let models = root().join("tests/models/digits");
    for name in ["digits_cnn.tflite", "digits_lstm.tflite"] {
        fs::copy(models.join(name), folder.path().join(name)).expect("the model is there");
    }
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_tfq-opt"));
    let old = std::env::var_os("PATH").unwrap_or_default();
    let paths = [binary.parent().expect("it lies in a folder").to_owned()];
    let path = std::env::join_paths(paths.into_iter().chain(std::env::split_paths(&old)))
        .expect("paths are plain");

    let mut new = String::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) if inside => {
                let output = Command::new("sh")
                    .args(["-c", &format!("{command} 2>&1")])
                    .current_dir(folder.path())
                    .env("PATH", &path)
                    .env("NO_COLOR", "1")
                    .env_remove("CI")
                    .stdin(Stdio::null())
                    .output()
                    .expect("a shell starts");
                new += &format!("$ {command}\n{}", String::from_utf8_lossy(&output.stdout));
                continue;
            }
            _ => (),
        }
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            continue;
        }
        new += line;
        new.push('\n');
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&doc, new).expect("the page can be written");
    } else {
        let diff = similar::TextDiff::from_lines(&text, &new);
        let diff = diff.unified_diff().to_string();
        assert!(diff.is_empty(), "run this with UPDATE_DOCS=1 and read what changed:\n{diff}");
    }
}
