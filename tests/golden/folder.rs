//! The folder of goldens and its index, which people and other processes write to.

use crate::common::{model, with_value};
use crate::{Sandbox, blake3_of, with_other_weight};
use std::fs;
use std::process::Stdio;

#[test]
fn an_index_keeps_what_people_wrote_into_it() {
    let sandbox = Sandbox::with_golden(&["--name=zebra"]);
    sandbox.edit(
        "goldens/index.toml",
        "name = \"zebra\"",
        "# The oldest.\nname = 'zebra' # striped",
    );
    sandbox.edit("goldens/index.toml", "passes = \"default\"", "passes = \"default\" # all");
    let owned = sandbox.text("goldens/index.toml") + "\n# The end.\n";
    sandbox.put("goldens/index.toml", owned.as_bytes());
    sandbox.succeeds(&["add", "model.tflite"]);
    let index = sandbox.text("goldens/index.toml");
    for words in ["# The oldest.\nname = 'zebra' # striped\n", "# all\n", "# The end.\n"] {
        assert!(index.contains(words), "{index}");
    }
    assert!(index.find("zebra") < index.find("\nname = \"model\""), "new ones come last: {index}");
    assert!(index.contains("\"\n\n[[golden]]\nname = \"model\"\n"), "{index}");
    // What is replaced keeps its place and its comments.
    sandbox.succeeds(&["add", "model.tflite", "--name=zebra", "--replace", "--passes="]);
    let replaced = sandbox.text("goldens/index.toml");
    assert_eq!(replaced, index.replacen("passes = \"default\" #", "passes = \"\" #", 1));
    // An accepted result changes the hash of its model alone.
    sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
    sandbox.check(1);
    sandbox.succeeds(&["review", "--accept-all"]);
    let (old, new) =
        (blake3_of("ops/fc_bias"), tfq_golden::file_hash(&sandbox.bytes("model.tflite")));
    let accepted = sandbox.text("goldens/index.toml");
    assert!(accepted.contains(&new), "{accepted}");
    assert_eq!(accepted.replace(&new, &old), replaced);
    // And one that goes takes its own comments along.
    fs::remove_file(sandbox.path("goldens/zebra.golden")).unwrap();
    sandbox.put("other.tflite", &model("ops/fc_bias"));
    sandbox.edit("goldens/index.toml", "# The oldest.\n", "");
    sandbox.edit(
        "goldens/index.toml",
        "model = \"../model.tflite\"\npasses = \"\"",
        "model = \"../gone.tflite\"\npasses = \"\"",
    );
    sandbox.succeeds(&["prune", "--yes"]);
    let pruned = sandbox.text("goldens/index.toml");
    assert!(!pruned.contains("striped") && pruned.contains("# The end.\n"), "{pruned}");
}

#[test]
fn goldens_of_many_processes_are_all_kept() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..8).map(|n| format!("golden{n}")).collect();
    let add = |name: &str| {
        let mut command = sandbox.command(&["add", "model.tflite", "--name", name]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    };
    let children: Vec<_> = names.iter().map(|name| add(name)).collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let index: toml::Table = sandbox.text("goldens/index.toml").parse().expect("it is TOML");
    let entries = index["golden"].as_array().expect("there are entries");
    let mut found: Vec<&str> =
        entries.iter().map(|entry| entry["name"].as_str().expect("it has a name")).collect();
    found.sort_unstable();
    assert_eq!(found, names);
    sandbox.succeeds(&["check"]);

    // Of several with one name, one is first.
    let children: Vec<_> = (0..4).map(|_| add("same")).collect();
    let codes = children.into_iter().map(|mut child| child.wait().expect("it ends").code());
    let (done, refused): (Vec<_>, Vec<_>) = codes.partition(|code| *code == Some(0));
    assert_eq!((done.len(), refused), (1, vec![Some(2); 3]));
    sandbox.succeeds(&["check"]);
}

#[test]
#[cfg(unix)]
fn links_in_a_folder_of_goldens_lead_nowhere() {
    let sandbox = Sandbox::with_golden(&["--level=full"]);
    sandbox.put("mine", b"mine");
    sandbox.put("model.tflite", &with_other_weight());
    let names = ["model.golden.new", "model.golden.new.bin"];
    for name in names {
        std::os::unix::fs::symlink("../mine", sandbox.path("goldens").join(name)).unwrap();
    }
    assert_eq!(sandbox.run(&["check"]).status.code(), Some(1));
    for name in names {
        assert!(!sandbox.path("goldens").join(name).is_symlink(), "{name} is replaced");
    }
    for name in ["model.golden", "model.golden.bin", "index.toml"] {
        let path = sandbox.path("goldens").join(name);
        fs::rename(&path, sandbox.path(name)).unwrap();
        std::os::unix::fs::symlink(format!("../{name}"), &path).unwrap();
    }
    let before = ["model.golden", "model.golden.bin", "index.toml"].map(|name| sandbox.bytes(name));
    sandbox.succeeds(&["review", "--accept-all"]);
    let after = ["model.golden", "model.golden.bin", "index.toml"].map(|name| sandbox.bytes(name));
    assert!(before == after, "a file outside of the folder was changed");
    assert_eq!(sandbox.bytes("mine"), b"mine");
    sandbox.succeeds(&["check"]);
}
