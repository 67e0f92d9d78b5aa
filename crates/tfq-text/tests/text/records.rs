//! Records of any key.

use crate::{error, with_side};
use tfq_ir::{Recorded, SubgraphId};
use tfq_text as text;
use tfq_text::{Level, ParseOptions};

const MODEL: &str = "tfg 1 types

subgraph @main {
  %x = input : f32[2]

  %y = RELU(%x) : f32[2]
  custom \"Sink\"(%y)

  output %y
}

record \"acme.ranges\" about (RELU, ADD) {
  @main op %y = b\"\\x01\\x02\"
  @main op 1 = b\"\"
  @main tensor %x = b\"max\"
}
";

#[test]
fn a_record_names_ops_and_tensors() {
    let module = text::parse(MODEL, &ParseOptions::default()).unwrap();
    let record = module.record("acme.ranges").expect("it is there");
    let graph = module.subgraph(SubgraphId(0));
    let ops: Vec<_> = graph.ops().collect();
    let of: Vec<Recorded> = record.entries.iter().map(|entry| entry.of).collect();
    let x = graph.inputs()[0];
    assert_eq!(of, [Recorded::Op(ops[0]), Recorded::Op(ops[1]), Recorded::Tensor(x)]);
    assert_eq!(text::print(&module, Level::Types), MODEL);
    assert!(!text::print(&module, Level::Topology).contains("record"));
    let (full, side) = text::print_with_side(&module);
    let back = text::parse(&full, &with_side(side)).unwrap();
    assert_eq!(text::print(&back, Level::Types), MODEL);
}

#[test]
fn a_record_that_cannot_be_is_refused() {
    let cases = [
        ("record \"ranges\" {}", "a record cannot have this key"),
        ("record \"tfq.dequant_cache\" {}", "a record cannot have this key"),
        ("record \"a.b\" {} record \"a.b\" {}", "there is a record of this key already"),
        ("record \"a.b\" about (custom \"x\") {}", "a record is about operators of the format"),
        ("record \"a.b\" { @main op 2 = b\"\" }", "there is no op 2: there are 2 ops"),
        ("record \"a.b\" { @main op %x = b\"\" }", "`%x` is the first result of no op"),
        ("record \"a.b\" { @main tensor %z = b\"\" }", "there is no tensor `%z` in `@main`"),
        ("record \"a.b\" { @main ops %y = b\"\" }", "expected `op` or `tensor`, found `ops`"),
    ];
    let model = MODEL.split("record").next().unwrap();
    for (section, message) in cases {
        let found = error(&format!("{model}{section}")).to_string();
        assert!(found.contains(message), "{section}: {found}");
    }
}

/// A record is written in the place of metadata of its key, whatever that holds.
#[test]
fn metadata_of_a_record_says_so_or_is_refused() {
    let with =
        |metadata: &str| MODEL.replace("tfg 1 types\n", &format!("tfg 1 types\n\n{metadata}\n"));
    let error_of_old = error(&with("metadata \"acme.ranges\" = b\"old\""));
    let help = error_of_old.help.as_deref().unwrap();
    assert!(help.starts_with("write `of record` behind the name"), "{help}");
    let found = error_of_old.to_string();
    assert!(
        found.contains("there is a record of this name, which is written in its place"),
        "{found}"
    );
    for metadata in [
        "metadata \"acme.other\" of record = b\"\"",
        "metadata \"acme.ranges\" of record = b\"\"\nmetadata \"acme.ranges\" of record = b\"\"",
    ] {
        let found = error(&with(metadata)).to_string();
        assert!(
            found.contains("there is no record of this name, or an entry for it above"),
            "{found}"
        );
    }
    // Its place in the file is for layouts: where there are none, it is said once.
    let module = text::parse(
        &with("metadata \"acme.ranges\" of record = b\"old\""),
        &ParseOptions::default(),
    );
    let module = module.unwrap();
    assert_eq!((module.metadata().len(), module.records().count()), (1, 1));
    assert_eq!(text::print(&module, Level::Types), MODEL);
    let (full, side) = text::print_with_side(&module);
    // A layout has places only.
    assert!(full.contains("metadata \"acme.ranges\" = b\"old\""), "{full}");
    let said = full.replace("\"acme.ranges\" =", "\"acme.ranges\" of record =");
    for full_or_said in [&full, &said] {
        let back = text::parse(full_or_said, &with_side(side.clone())).unwrap();
        assert_eq!(text::print_with_side(&back), (full.clone(), side.clone()));
    }
    // Of several of a name the first is meant; the others are metadata like any.
    let two =
        "metadata \"acme.ranges\" of record = b\"old\"\nmetadata \"acme.ranges\" = b\"other\"";
    let module = text::parse(&with(two), &ParseOptions::default()).unwrap();
    let printed = text::print(&module, Level::Types);
    assert!(printed.contains(two), "{printed}");
    text::parse(&printed, &ParseOptions::default()).unwrap();
}
