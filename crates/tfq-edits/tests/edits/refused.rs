//! What does not fit is refused, with the place in the JSON and what to do.

use crate::common::random_edits::rich;
use crate::common::{bytes, chain};
use crate::{document, state};
use bytes::Bytes;
use tfq_edits::{Blobs, Edits, Limits, file_hash};
use tfq_ir::Module;

/// The path, the message and the help of the error, of which nothing is left in the module.
fn refused_by(module: &Module, blobs: &Blobs, json: &str) -> String {
    let mut changed = module.clone();
    let error = Edits::parse(json)
        .and_then(|edits| edits.apply(&mut changed, blobs))
        .expect_err("it is refused");
    assert_eq!(state(&changed), state(module));
    let help = error.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
    format!("{error}{help}")
}

#[track_caller]
fn refused(edit: &str, wanted: &str) {
    let (module, _) = chain();
    let found = refused_by(&module, &Blobs::new(), &document(edit));
    assert!(found.contains(wanted), "{edit}\n{found}\n{wanted}");
}

/// A patch with these fields.
fn patch(fields: &str) -> String {
    format!("{{\"patch\": {{\"subgraph\": 0, \"label\": \"test\", {fields}}}}}")
}

#[test]
fn what_is_no_edit_is_refused_with_its_place() {
    refused(
        r#"{"pach": {}}"#,
        "edits[0].edit.pach: unknown name `pach`, expected one of `patch`, ",
    );
    refused(r#"{"pach": {}}"#, "; did you mean `patch`?");
    refused(
        &patch(r#""add_op": []"#),
        "edits[0].edit.patch.add_op: unknown field `add_op`, expected one of",
    );
    refused(&patch(r#""add_op": []"#), "; did you mean `add_ops`?");
    refused(r#"{"patch": {"label": "x"}}"#, "edits[0].edit.patch: missing field `subgraph`");
    refused(r#"{"metadata": {"name": "x"}}"#, "edits[0].edit.metadata: missing field `content`");
    refused(
        r#"{"metadata": {"name": 3, "content": null}}"#,
        "edits[0].edit.metadata.name: a string is wanted, not the number `3` at line 1",
    );
    refused(
        r#"{"release": [-1]}"#,
        "release[0]: a whole number from 0 to 4294967295 is wanted, not the number `-1`",
    );
    refused(
        &patch(r#""erase_ops": ["@0%1"]"#),
        "edits[0].edit.patch.erase_ops[0]: `@0%1`: it is no handle of an op, such as `@0#12`",
    );
    refused(&patch(r#""erase_ops": ["@00#1"]"#), "it is no handle of an op");
    refused(
        &patch(r#""set_operands": [{"op": "@0#4", "slot": 0}]"#),
        "edits[0].edit.patch.set_operands[0]: missing field `tensor`",
    );
    refused(
        &patch(r#""set_results": [{"op": "@0#4", "slot": 0, "tensor": 3}]"#),
        r#".set_results[0].tensor: a tensor is wanted, such as "@0%12" or {"new": 0}"#,
    );
    let tensor = |fields: &str| patch(&format!("\"add_tensors\": [{{{fields}}}]"));
    refused(
        &tensor(r#""type": "FLOAT23", "shape": []"#),
        "patch.add_tensors[0].type: unknown type `FLOAT23`",
    );
    refused(&tensor(r#""type": "FLOAT23", "shape": []"#), "; did you mean `FLOAT32`?");
    refused(
        &tensor(r#""type": "INT8", "shape": [3000000000]"#),
        "shape[0]: a whole number from -2147483648 to 2147483647 is wanted, not the number `3",
    );
    refused(
        &tensor(r#""type": "INT8", "shape": [], "quantization": {"scale": ["NaN"]}"#),
        "quantization.scale[0]: a 32-bit float (a number, \"nan\", \"inf\", \"-inf\", \"-0.0\" or bits as \"0x7fc00001\") is wanted, not the string \"NaN\"",
    );
    let op = |fields: &str| {
        patch(&format!("\"add_ops\": [{{\"op\": {{{fields}}}, \"place\": \"end\"}}]"))
    };
    refused(
        &op(r#""operator": "CONV2D""#),
        "patch.add_ops[0].op.operator: there is no operator `CONV2D`; did you mean `CONV_2D`?",
    );
    refused(
        &op(r#""operator": "CONV_2D", "attributes": {"strid_w": 1}"#),
        "op.attributes.strid_w: Conv2DOptions has no such attribute; did you mean `stride_w`?",
    );
    refused(
        &op(r#""operator": "CONV_2D", "attributes": {"padding": "SAMES"}"#),
        "op.attributes.padding: Padding has no value `SAMES`; did you mean `SAME`?",
    );
    refused(
        &op(r#""operator": "CONV_2D", "attributes": {"stride_w": 3000000000}"#),
        "op.attributes.stride_w: Conv2DOptions.stride_w cannot hold this value",
    );
    refused(
        &op(r#""operator": "CONV_2D", "attributes": {"stride_w": 1, "stride_w": 2}"#),
        "duplicate field `stride_w`",
    );
    refused(
        &op(r#""operator": {"custom": "x"}, "attributes": {"stride_w": 1}"#),
        "CUSTOM \"x\" has no table of attributes of its own",
    );
    refused(&op(r#""operator": "ADD", "table": "AddOption""#), "did you mean `AddOptions`?");
    refused(&op(r#""operator": "ADD", "code": 5"#), "op.code: there is no operator code 5");
    refused(
        r#"{"constant": {"base64": "AB=="}}"#,
        "edits[0].edit.constant.base64: it is no base64",
    );
    refused(r#"{"constant": {"base16": "AB"}}"#, "; did you mean `base64`?");
}

#[test]
fn what_the_model_does_not_have_is_refused() {
    refused(
        r#"{"versions": {"subgraph": 1, "versions": []}}"#,
        "edits[0].edit.versions.subgraph: there is no subgraph 1: the model has 1 subgraph",
    );
    refused(
        &patch(r#""erase_ops": ["@0#99"]"#),
        "edits[0].edit.patch.erase_ops[0]: op `@0#99` does not exist: it was erased, or never",
    );
    refused(
        &patch(r#""erase_tensors": ["@7%0"]"#),
        "erase_tensors[0]: tensor `@7%0` is of a subgraph that does not exist",
    );
    refused(&patch(r#""erase_tensors": ["@4294967295%0"]"#), "it is no handle of a tensor");
    refused(
        r#"{"constant": {"buffer": 7}}"#,
        "edits[0].edit.constant.buffer: there is no constant 7",
    );
    refused(r#"{"constant": {"buffer": 0}}"#, "constant.buffer: constant 0 has no bytes");
    refused(r#"{"constant": {"new": 0}}"#, "constant.new: only constants that the same patch adds");
    refused(
        &patch(r#""add_constants": [{"new": 0}]"#),
        "add_constants[0]: only constants before it can be named",
    );
    refused(
        &patch(r#""set_inputs": [{"new": 0}]"#),
        "patch.set_inputs[0]: there is no new 0: `add_tensors` has 0",
    );
    refused(r#"{"release": [7]}"#, "edits[0].edit.release[0]: there is no constant 7");
    refused(
        &patch(
            r#""change_ops": [{"op": "@0#4", "set": {"note": {"name": "a", "value": {"enum": "b"}}}}]"#,
        ),
        "set.note.value.enum: a note is of no enum",
    );
    let (module, c) = chain();
    let of_another = Edits::parse(&document(&patch(&format!("\"erase_ops\": [\"{}\"]", c.add))));
    let mut three = rich();
    three.prune_op_codes();
    let foreign = patch(r#""erase_ops": ["@1#5"]"#);
    let found = refused_by(&three, &Blobs::new(), &document(&foreign));
    assert!(found.contains("op `@1#5` is of subgraph @1, where one of @0 belongs"), "{found}");
    // An edit that is read and does not fit is refused by the model, in its words.
    let error = of_another.unwrap().apply(&mut module.clone(), &Blobs::new()).unwrap_err();
    assert_eq!(error.path, "edits[0].edit");
    assert!(error.message.starts_with("patch `test` refused: "), "{error}");
}

#[test]
fn a_record_of_what_is_not_made_yet_is_refused() {
    let record = |key: &str, about: &str, of: &str| {
        let entry = format!("{{\"of\": \"{of}\", \"content\": {{\"base64\": \"\"}}}}");
        let record = format!("{{\"about\": [{about}], \"entries\": [{entry}]}}");
        format!("{{\"record\": {{\"key\": \"{key}\", \"record\": {record}}}}}")
    };
    let never =
        "edits[0].edit: patch `set record `acme.x`` refused: record `acme.x` cannot say that: ";
    for (of, kind) in [("@0#99", "op"), ("@0%99", "tensor"), ("@0#0", "op"), ("@0%4", "tensor")] {
        let what = format!("{never}{kind} `{of}` is not there, and never was");
        refused(&record("acme.x", "\"RELU\"", of), &what);
    }
    let always = "record `tfq.dequant_cache` cannot say that: it must be about DEQUANTIZE alone";
    refused(&record("tfq.dequant_cache", "", "@0#4"), always);
}

/// It would have no effect.
#[test]
fn metadata_under_the_key_of_a_record_is_refused() {
    let record = r#"{"edit": {"record": {"key": "acme.x", "record": {"entries": []}}}}"#;
    let (module, _) = chain();
    for content in ["null", r#"{"base64": "AQ=="}"#] {
        let edit = format!("{{\"metadata\": {{\"name\": \"acme.x\", \"content\": {content}}}}}");
        let json = format!("{{\"tfq_edits\": 1, \"edits\": [{record}, {{\"edit\": {edit}}}]}}");
        let found = refused_by(&module, &Blobs::new(), &json);
        let wanted = "`acme.x` is a record, which is written in the place of metadata of this name; change the record, or drop it first";
        assert!(found.starts_with("edits[1].edit: ") && found.contains(wanted), "{found}");
    }
}

#[test]
fn an_edit_that_does_not_fit_takes_back_those_before_it() {
    let (module, c) = chain();
    let erase = patch(&format!("\"erase_ops\": [\"{}\"]", c.add));
    let json = format!(
        "{{\"tfq_edits\": 1, \"edits\": [{{\"edit\": {{\"description\": \"x\"}}}}, {{\"edit\": {erase}}}]}}"
    );
    assert!(refused_by(&module, &Blobs::new(), &json).starts_with("edits[1].edit: patch `test`"));
}

#[test]
fn a_stale_handle_is_refused() {
    let (mut module, c) = chain();
    let mut patch_of = tfq_ir::Patch::new(tfq_ir::SubgraphId(0), "erase");
    patch_of.replace_output(c.y, c.b);
    patch_of.erase_op(c.add);
    patch_of.erase_tensor(c.y);
    module.apply(patch_of).unwrap();
    let json = document(&patch(&format!("\"erase_tensors\": [\"{}\"]", c.y)));
    let found = refused_by(&module, &Blobs::new(), &json);
    assert!(found.contains(&format!("tensor `{}` does not exist: it was erased", c.y)), "{found}");
}

#[test]
fn bytes_that_are_not_there_or_damaged_are_refused() {
    let mut written = Blobs::new();
    let hash = written.add(bytes(1000));
    let json = document(&format!("{{\"constant\": {{\"blake3\": \"{hash}\"}}}}"));
    let (module, _) = chain();
    let found = refused_by(&module, &Blobs::new(), &json);
    assert!(found.starts_with("edits[0].edit.constant.blake3: no bytes of this hash"), "{found}");

    let side = written.to_side_file();
    let sent = Blobs::from_side_file(&side.clone().into()).unwrap();
    Edits::parse(&json).unwrap().apply(&mut module.clone(), &sent).unwrap();
    let mut damaged = side.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let sent = Blobs::from_side_file(&damaged.into()).unwrap();
    let found = refused_by(&module, &sent, &json);
    assert!(found.contains("the bytes of this hash have another one"), "{found}");
    let cut_off = Bytes::from(side[..100].to_vec());
    assert!(Blobs::from_side_file(&cut_off).is_err());

    let upper = hash.to_uppercase();
    let json = document(&format!("{{\"constant\": {{\"blake3\": \"{upper}\"}}}}"));
    assert!(refused_by(&module, &sent, &json).contains("it is no hash"));
}

/// A file with such an operator could not be read, or reads as another one.
#[test]
fn an_operator_that_the_format_does_not_have_is_refused() {
    let add = |operator: &str| {
        let op = format!("{{\"op\": {{\"operator\": {operator}}}, \"place\": \"end\"}}");
        patch(&format!("\"add_ops\": [{op}]"))
    };
    refused(&add("-1"), "edits[0].edit: patch `test` refused: the format has no operator -1");
    // That it has no name shows when the whole model is looked at.
    let (mut module, _) = chain();
    assert_eq!(module.verify(), Ok(()));
    let edits = Edits::parse(&document(&add("\"CUSTOM\""))).unwrap();
    edits.apply(&mut module, &Blobs::new()).unwrap();
    let errors = module.verify().unwrap_err();
    let wanted = "subgraph 0, op 3 (CUSTOM): it is a custom op, and has no name";
    assert!(errors[0].to_string().starts_with(wanted), "{}", errors[0]);
}

/// A few lines could ask for any number of copies.
#[test]
fn bytes_that_are_named_too_often_are_refused() {
    let mut blobs = Blobs::new();
    let hash = blobs.add(bytes(1000));
    let blobs = blobs.with_most_copied(2500);
    let edits = |count: usize| {
        let one = format!("{{\"edit\": {{\"constant\": {{\"blake3\": \"{hash}\"}}}}}}");
        format!("{{\"tfq_edits\": 1, \"edits\": [{}]}}", vec![one; count].join(", "))
    };
    let (module, _) = chain();
    // Each document anew, of which the first one finds the bytes where they are.
    for count in [3, 2, 2] {
        let mut changed = module.clone();
        Edits::parse(&edits(count)).unwrap().apply(&mut changed, &blobs).unwrap();
    }
    let found = refused_by(&module, &blobs, &edits(4));
    assert!(
        found.starts_with(
            "edits[2].edit: with these, the bytes that edits name more than once \
             take over 2500 bytes of copies; "
        ),
        "{found}"
    );
    // It is known before a copy is made: these would take more memory than there is.
    let mut blobs = Blobs::new();
    let large = blobs.add(vec![1; 16 << 20].into());
    let json = edits(100_000).replace(&hash, &large);
    assert!(refused_by(&module, &blobs, &json).starts_with("edits[257].edit: with these, "));
}

/// A short text may ask for much memory.
#[test]
fn documents_that_would_take_too_much_memory_are_refused() {
    let (module, _) = chain();
    let of = |tensors: usize| {
        let list = vec![r#"{"type":"INT8","shape":[]}"#; tensors].join(",");
        patch(&format!("\"add_tensors\": [{list}]"))
    };
    let found = refused_by(&module, &Blobs::new(), &document(&of(2_000_000)));
    let wanted = "the document has 2000004 objects, and may have 2000000; make several documents";
    assert!(found.starts_with(wanted), "{found}");
    // More fit a model of more ops.
    let many = document(&of(2_000_000));
    assert!(Limits::default().check(&many).is_err());
    Limits::of(&module).check(&many).unwrap();
    let zeros = vec!["0"; 40_000_010].join(",");
    let found =
        refused_by(&module, &Blobs::new(), &document(&format!("{{\"release\":[{zeros}]}}")));
    assert!(found.contains(" values, and may have 40000000; "), "{found}");
    let long = "x".repeat(256 << 20);
    let found =
        refused_by(&module, &Blobs::new(), &document(&format!("{{\"description\":\"{long}\"}}")));
    assert!(found.contains(" bytes, and may have 268435456; "), "{found}");
    // What a run of many ops writes is read.
    Edits::parse(&document(&of(200_000))).unwrap();
}

/// Nothing looks through all entries for each.
#[test]
fn many_metadata_entries_take_no_longer_each() {
    let edit = |n: usize| {
        let content = "{\"base64\": \"AA==\"}";
        format!("{{\"edit\": {{\"metadata\": {{\"name\": \"k{n}\", \"content\": {content}}}}}}}")
    };
    let each: Vec<String> = (0..100_000).chain(0..100_000).map(edit).collect();
    let json = format!("{{\"tfq_edits\": 1, \"edits\": [{}]}}", each.join(", "));
    let (mut module, _) = chain();
    let start = std::time::Instant::now();
    Edits::parse(&json).unwrap().apply(&mut module, &Blobs::new()).unwrap();
    assert_eq!(module.metadata().len(), 100_000);
    // With a look at each entry it takes minutes.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn another_version_and_another_model_are_refused() {
    let (module, _) = chain();
    let found = |json: &str| refused_by(&module, &Blobs::new(), json);
    let newer = r#"{"tfq_edits": 2, "edits": {"new": "form"}}"#;
    assert!(found(newer).starts_with("tfq_edits: version 2 of edits is not known, only 1"));
    assert!(found(r#"{"tfq_edits": 0, "edits": []}"#).starts_with("tfq_edits: version 0"));
    assert!(found(r#"{"edits": []}"#).contains("missing field `tfq_edits`"));
    assert!(found("").contains("EOF while parsing"));
    assert!(found("{\n\"tfq_edits\": 1, \"edits\": [}").contains("line 2 column"));
    assert!(found(r#"{"tfq_edits": 1, "edits": []} x"#).contains("trailing characters"));
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = patch(&format!(
        r#""add_ops": [{{"op": {{"operator": "CONV_2D", "attributes": {{"stride_w": {nested}}}}}, "place": "end"}}]"#
    ));
    assert!(found(&document(&deep)).contains("recursion limit"));

    let edits = Edits::parse(r#"{"tfq_edits": 1, "edits": []}"#).unwrap();
    let [one, other] = [b"one", b"two"].map(|file| file_hash(file));
    edits.check_model(&one).unwrap();
    let edits = edits.for_model(one.clone());
    edits.check_model(&one).unwrap();
    let error = Edits::parse(&edits.to_json()).unwrap().check_model(&other).unwrap_err();
    assert!(error.to_string().contains(&one) && error.to_string().contains(&other), "{error}");
}
