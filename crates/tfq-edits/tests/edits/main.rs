//! Edits go into JSON and come back.

#[path = "../../../tfq-ir/tests/common/mod.rs"]
mod common;

mod closed;
mod examples;
mod refused;

use bytes::Bytes;
use common::random_edits::{KINDS, Step, edit, rich};
use common::{MAIN, bytes, custom, float, text};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use tfq_edits::{Blobs, EditWriter, Edits, SCHEMA, read_edit, write_edit};
use tfq_ir::catalog::{self, AttrType, ListType, ops};
use tfq_ir::{
    Applied, Attr, Attributes, CustomOptions, DEQUANT_CACHE_METADATA, DimensionMetadata, Edit,
    ElementType, ExternalBuffer, InsertionPoint, Module, Op, OpChange, OpKind, Patch, Quantization,
    QuantizationDetails, QuantizationRare, Rejected, SparseIndex, Sparsity, Tensor, TensorChange,
    TensorLink, TensorRare, VariantSubType,
};

/// All that a module is but for what is inside of its graphs: handles, and the model as text.
fn state(module: &Module) -> (String, Vec<u8>) {
    let (text, side) = tfq_text::print_with_side(module);
    let handles = module.subgraphs().map(|(_, graph)| {
        let ops: Vec<String> = graph.ops().map(|op| op.to_string()).collect();
        let tensors: Vec<String> = graph.tensors().map(|tensor| tensor.to_string()).collect();
        format!("{} {} {:?}\n", ops.join(" "), tensors.join(" "), graph.epoch() > 0)
    });
    let records: Vec<_> = module.records().collect();
    (handles.collect::<String>() + &format!("{records:?}\n") + &text, side)
}

/// Holds JSON against the schema.
fn is_valid(json: &str) -> Result<(), String> {
    static SCHEMA_OF_DOCUMENTS: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(SCHEMA).expect("it is JSON");
        jsonschema::validator_for(&schema).expect("it is a schema")
    });
    let document: Value = serde_json::from_str(json).expect("it is JSON");
    SCHEMA_OF_DOCUMENTS.validate(&document).map_err(|error| format!("{error}\n{json}"))
}

/// An edit in a document.
fn document(edit: &str) -> String {
    format!("{{\"tfq_edits\": 1, \"edits\": [{{\"edit\": {edit}}}]}}")
}

/// The edit that comes back.
fn back(edit: &Edit, module: &Module) -> Edit {
    let mut blobs = Blobs::new();
    let json = write_edit(edit, module, &mut blobs);
    is_valid(&document(&json)).unwrap();
    let sent = Blobs::from_side_file(&blobs.to_side_file().into()).expect("it is a side file");
    let read = read_edit(&json, module, &sent).unwrap_or_else(|error| panic!("{error}\n{json}"));
    assert_eq!(write_edit(&read, module, &mut Blobs::new()), json, "it is written in one way");
    read
}

/// A random edit, whose bytes may be those of a constant that is or was there.
fn edit_with_bytes_seen(step: Step, module: &Module, seen: &mut Vec<Bytes>) -> Edit {
    seen.extend(module.constants().iter().filter_map(|(_, bytes)| bytes.cloned()));
    let mut edit = edit(step, module);
    if let (Edit::Constant(bytes) | Edit::Metadata(_, Some(bytes)), [a, b, ..]) =
        (&mut edit, step.1)
        && a % 3 > 0
    {
        *bytes = seen[b % seen.len()].clone();
    }
    edit
}

/// The first constant that lies where each one does.
fn shared(module: &Module) -> Vec<Option<usize>> {
    let all: Vec<_> = module.constants().iter().map(|(_, bytes)| bytes.cloned()).collect();
    let place = |bytes: &Bytes| (!bytes.is_empty()).then(|| (bytes.as_ptr(), bytes.len()));
    let first =
        |bytes: &Bytes| all.iter().position(|other| other.as_ref().and_then(place) == place(bytes));
    all.iter().map(|bytes| bytes.as_ref().filter(|b| !b.is_empty()).and_then(first)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Edits that are refused come back as well, those aside that name what is not there.
    #[test]
    fn random_edits_come_back_and_do_the_same(
        steps in prop::collection::vec(any::<Step>(), 1..40),
    ) {
        let start = rich();
        let mut module = start.clone();
        let mut sent = Blobs::new();
        let mut writer = EditWriter::new(&module, &mut sent);
        let mut seen = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            module.set_pass(text(["one", "two"][n % 2]));
            let edit = edit_with_bytes_seen(*step, &module, &mut seen);
            let mut blobs = Blobs::new();
            let json = write_edit(&edit, &module, &mut blobs);
            prop_assert_eq!(writer.write(&edit), json.clone(), "it follows the module");
            if let Err(error) = is_valid(&document(&json)) {
                return Err(TestCaseError::fail(error));
            }
            match (read_edit(&json, &module, &blobs), module.apply(edit.clone())) {
                (Ok(read), applied) => {
                    prop_assert_eq!(read, edit);
                    if let Ok(applied) = applied {
                        writer.follow(&module, &applied);
                    }
                }
                (Err(error), Ok(_)) => prop_assert!(false, "{error}\n{json}"),
                (Err(error), Err(_)) => prop_assert!(!error.path.is_empty(), "{error}"),
            }
        }
        let mut blobs = Blobs::new();
        let json = Edits::of_log(&start, module.edits(), &mut blobs).to_json();
        let read = Edits::parse(&json).unwrap();
        prop_assert_eq!(read.to_json(), json);
        let mut again = start.clone();
        read.apply(&mut again, &blobs).unwrap();
        prop_assert_eq!(state(&again), state(&module));
        prop_assert_eq!(shared(&again), shared(&module));
        let passes = |module: &Module| -> Vec<_> {
            module.edits().iter().map(|logged| logged.pass.clone()).collect()
        };
        prop_assert_eq!(passes(&again), passes(&module));
    }
}

#[test]
fn random_edits_that_are_taken_are_of_all_kinds() {
    let mut state = 3_usize;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    };
    let mut taken = [0; KINDS as usize];
    for _ in 0..20 {
        let start = rich();
        let mut module = start.clone();
        let mut seen = Vec::new();
        for _ in 0..40 {
            let step = (next() as u8, [next(), next(), next(), next()]);
            let edit = edit_with_bytes_seen(step, &module, &mut seen);
            if module.apply(edit.clone()).is_ok() {
                taken[usize::from(step.0 % KINDS)] += 1;
            }
        }
        let mut blobs = Blobs::new();
        let json = Edits::of_log(&start, module.edits(), &mut blobs).to_json();
        is_valid(&json).unwrap();
    }
    assert!(taken.iter().all(|count| *count >= 2), "{taken:?}");
}

/// A tensor with something in every field.
fn full_tensor() -> Tensor {
    let index = [
        SparseIndex::None,
        SparseIndex::Int32(vec![-1, i32::MAX]),
        SparseIndex::Uint16(vec![u16::MAX]),
        SparseIndex::Uint8(vec![0, 255]),
    ];
    let dimension = |n: usize| DimensionMetadata {
        format: n as i8,
        dense_size: -3,
        array_segments: index[n].clone(),
        array_indices: index[3 - n].clone(),
    };
    let rare = TensorRare {
        shape_signature: [-1, 2].into(),
        external_buffer: u32::MAX,
        sparsity: Some(Arc::new(Sparsity {
            traversal_order: vec![1, 0],
            block_map: vec![0],
            dim_metadata: (0..4).map(dimension).collect(),
        })),
        variant_tensors: vec![VariantSubType {
            shape: vec![-1, 4],
            ty: ElementType::Float8E5M2,
            has_rank: true,
        }],
    };
    Tensor {
        name: text("bad \u{10ffff} and \"quoted\"\n"),
        has_rank: true,
        is_variable: true,
        buffer: tfq_ir::BufferId(2),
        quantization: Some(Arc::new(Quantization {
            scale: vec![0.1, 1e-45, f32::NAN, 16_777_217.0],
            zero_point: [i64::MIN, (1 << 53) + 1, -1].into(),
            rare: QuantizationRare {
                min: vec![f32::NEG_INFINITY, -0.0],
                max: vec![f32::INFINITY, f32::from_bits(0x7fa0_0000)],
                details: QuantizationDetails::MultiAxis {
                    scales: TensorLink::Raw(-1),
                    zero_points: TensorLink::Raw(i32::MIN),
                    block_size: 32,
                    quantized_dimensions: vec![0, 1],
                },
            }
            .into(),
            quantized_dimension: -2,
        })),
        rare: rare.into(),
        expressed: Some(ElementType::Float32),
        ..Tensor::new("", ElementType::Variant, [i32::MIN, 2])
    }
}

/// A value of each kind for an attribute.
fn values(ty: AttrType) -> Vec<Attr> {
    let floats = [0.1, -0.0, f32::NAN, f32::INFINITY, f32::from_bits(0xffc0_0123)];
    match ty {
        AttrType::Bool => vec![Attr::Bool(true), Attr::Bool(false)],
        AttrType::F32 | AttrType::F64 => floats.map(Attr::Float).to_vec(),
        AttrType::String => vec![Attr::String("nan".into()), Attr::String("\u{10ff80}".into())],
        AttrType::Bytes => vec![Attr::Bytes(bytes(3)), Attr::Bytes(bytes(3000))],
        AttrType::List(ListType::Bool) => vec![Attr::Bools([true, false].into())],
        AttrType::List(ListType::F32) => vec![Attr::Floats(floats.into())],
        AttrType::List(_) => vec![Attr::Ints([0, 1, 77, -1, i64::MAX].into())],
        _ => [0, 1, 77, -1, 40_000, i64::MIN, i64::MAX, (1 << 53) + 1].map(Attr::Int).to_vec(),
    }
}

#[test]
fn every_attribute_of_every_table_comes_back_bit_for_bit() {
    let module = rich();
    for options in catalog::all_options() {
        for round in 0..8 {
            let mut attrs = Attributes::new(options);
            for info in options.attrs {
                // Some do not fit.
                let values = values(info.ty);
                _ = attrs.set(info.name, values[round % values.len()].clone());
            }
            let mut op = Op::new(OpKind::Custom("mine".into()));
            op.attrs = Some(attrs.clone());
            op.extra_attrs = Some(Box::new(attrs.clone()));
            for info in catalog::all_ops().iter().filter(|op| op.options == Some(options)) {
                op.kind = OpKind::Builtin(info.code);
            }
            let mut patch = Patch::new(MAIN, "add");
            patch.add_op(op, InsertionPoint::End, &[], &[]);
            let edit = Edit::from(patch);
            assert_eq!(back(&edit, &module), edit, "{}", options.name);
        }
    }
}

#[test]
fn everything_that_a_patch_can_say_comes_back() {
    let module = rich();
    let graph = module.subgraph(MAIN);
    let op_id = graph.ops().nth(1).unwrap();
    let old = graph.inputs()[0];
    let mut patch = Patch::new(MAIN, "everything");
    let constant = patch.add_constant(bytes(70_000));
    patch.add_constant(Bytes::new());
    let tensor = patch.add_tensor(full_tensor());
    let mut link = full_tensor();
    link.quantization = Some(Arc::new(Quantization {
        rare: QuantizationDetails::Blockwise {
            scales: TensorLink::Tensor(tensor.id()),
            zero_points: TensorLink::Tensor(old),
            block_size: 2,
            block_shape: vec![7],
        }
        .into(),
        ..Quantization::default()
    }));
    let link = patch.add_tensor(link);
    for (n, kind) in
        [OpKind::Builtin(ops::ADD), OpKind::Builtin(250), OpKind::Custom("CONV_2D".into())]
            .into_iter()
            .enumerate()
    {
        let is_old = n == 0;
        let mut op = Op::new(kind);
        op.version = 7;
        op.code = Some(0);
        op.custom_options = CustomOptions { bytes: Some(bytes(300 * n)), format: -1, large: n > 0 };
        op.mutating_variable_inputs = vec![true, false];
        op.debug_metadata_index = n as i32;
        let all = [AttrType::Bool, AttrType::F32, AttrType::String, AttrType::Bytes, AttrType::I64]
            .into_iter()
            .chain([ListType::Bool, ListType::F32, ListType::I64].map(AttrType::List));
        for (n, value) in all.flat_map(values).enumerate() {
            op.notes.insert(format!("note {n}").into(), value.clone());
            patch.set_note(op_id, format!("note {n}"), value.clone());
            if is_old {
                // Whether the type is right is for the check of the patch to tell.
                patch.set_attr(op_id, "fused_activation_function", value);
            }
        }
        patch.set_op(op_id, op.clone());
        let place =
            [InsertionPoint::Before(op_id), InsertionPoint::After(op_id), InsertionPoint::End][n];
        let new = patch.add_op(op, place, &[Some(tensor), None, Some(old.into())], &[link]);
        patch.set_operand(new, 9, tensor);
        patch.set_result(new, 4, old);
        patch.set_intermediate(new, 0, None::<tfq_ir::TensorRef>);
        patch.set_intermediate(new, 3, Some(tensor));
    }
    patch.clear_operand(op_id, 0);
    patch.set_operand(op_id, 1, link);
    patch.set_result(op_id, 0, tensor);
    patch.set_intermediate(op_id, 2, Some(old));
    patch.replace_output(old, tensor);
    patch.set_inputs([tensor, old.into()]);
    patch.set_outputs([]);
    let full = full_tensor();
    for change in [
        TensorChange::Name(None),
        TensorChange::Name(full.name.clone()),
        TensorChange::Shape(full.shape.clone()),
        TensorChange::ShapeSignature(full.shape_signature.clone()),
        TensorChange::HasRank(true),
        TensorChange::Variable(false),
        TensorChange::Buffer(constant),
        TensorChange::Buffer(full.buffer.into()),
        TensorChange::ExternalBuffer(3),
        TensorChange::Quantization(None),
        TensorChange::Quantization(full.quantization.clone()),
        TensorChange::Quantization(Some(Arc::new(Quantization {
            rare: QuantizationDetails::Custom(bytes(257)).into(),
            ..Quantization::default()
        }))),
        TensorChange::Sparsity(full.sparsity.clone()),
        TensorChange::Sparsity(None),
        TensorChange::VariantTensors(full.variant_tensors.clone()),
        TensorChange::Expressed(full.expressed),
        TensorChange::Expressed(None),
    ] {
        patch.change_tensor(old, change.clone());
        patch.change_tensor(link, change);
    }
    for code in 0..23 {
        patch.set_type(old, ElementType::from_code(code).unwrap());
    }
    patch.set_version(op_id, -5);
    patch.erase_op(op_id);
    patch.erase_tensor(old);
    assert_eq!(patch.op_changes().iter().filter(|c| matches!(c.1, OpChange::Op(_))).count(), 3);
    let edit = Edit::from(patch);
    assert_eq!(back(&edit, &module), edit);
}

#[test]
fn every_other_edit_comes_back() {
    let module = rich();
    let packed = |packing| ExternalBuffer {
        id: 1,
        group: 2,
        offset: u64::MAX,
        length: (1 << 53) + 1,
        packing,
    };
    for edit in [
        Edit::Constant(bytes(256)),
        Edit::Constant(bytes(257)),
        Edit::Metadata("\u{10ff80}".into(), Some(Bytes::new())),
        Edit::Metadata("x".into(), None),
        Edit::MetadataBuffers(vec![-1, 5]),
        Edit::Description(text("")),
        Edit::Description(None),
        Edit::Trailer(bytes(1)),
        Edit::External(vec![None, text("file")], vec![packed(None), packed(text("p"))]),
        Edit::Record("a.b".into(), None),
        Edit::PruneBuffers,
        Edit::PruneOpCodes,
        Edit::PruneSubgraphs,
        Edit::Release(vec![tfq_ir::BufferId(0), tfq_ir::BufferId(3)]),
    ] {
        assert_eq!(back(&edit, &module), edit);
    }
}

#[test]
fn what_is_large_goes_beside_and_once() {
    let start = rich();
    let mut module = start.clone();
    for n in [256, 257, 257, 5000] {
        module.add_constant(bytes(n));
    }
    let mut blobs = Blobs::new();
    let json = Edits::of_log(&start, module.edits(), &mut blobs).to_json();
    let sizes: Vec<usize> = blobs.added().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(sizes, [257, 5000]);
    for (hash, _) in blobs.added() {
        assert!(json.contains(&format!("{{\"blake3\":\"{hash}\"}}")), "{json}");
    }
    assert_eq!(json.matches("base64").count(), 1);
}

#[test]
fn handles_are_those_of_the_model_however_it_was_read() {
    // What pruning left has other numbers, and the handles of before.
    let start = rich();
    let mut module = start.clone();
    module.prune_subgraphs();
    let (sg, graph) = module.subgraphs().last().unwrap();
    let mut patch = Patch::new(sg, "add an op");
    let new = patch.add_tensor(float("new"));
    patch.add_op(custom(), InsertionPoint::End, &[Some(graph.inputs()[0].into())], &[new]);
    module.apply(patch).unwrap();
    let mut blobs = Blobs::new();
    let json = Edits::of_log(&start, module.edits(), &mut blobs).to_json();
    let mut again = rich();
    Edits::parse(&json).unwrap().apply(&mut again, &blobs).unwrap();
    assert_eq!(state(&again), state(&module));
}

/// Constants that lie in one place lie there in the file too, and equal ones in two stay two.
#[test]
fn what_shares_a_place_shares_it_again() {
    let start = rich();
    let mut module = start.clone();
    let there = module.constants().get(tfq_ir::BufferId(1)).unwrap().clone();
    let (large, small) = (bytes(1000), bytes(4));
    for constant in [&there, &bytes(8), &large, &bytes(1000), &small, &large, &small] {
        module.add_constant(constant.clone());
    }
    let mut patch = Patch::new(MAIN, "add constants");
    for constant in [&large, &bytes(1000), &there, &small] {
        patch.add_constant(constant.clone());
    }
    let twice = bytes(2000);
    patch.add_constant(twice.clone());
    patch.add_constant(twice);
    module.apply(patch).unwrap();
    let mut blobs = Blobs::new();
    let json = Edits::of_log(&start, module.edits(), &mut blobs).to_json();
    is_valid(&json).unwrap();
    let sent = Blobs::from_side_file(&blobs.to_side_file().into()).unwrap();
    let mut again = start.clone();
    Edits::parse(&json).unwrap().apply(&mut again, &sent).unwrap();
    assert_eq!(shared(&again), shared(&module));
}

/// A patch too can let go of a constant: with a record that it leaves untrue.
#[test]
fn bytes_of_a_constant_that_is_no_more_are_written() {
    let (there, mut start) = (bytes(40), rich());
    start.apply(Edit::Metadata(DEQUANT_CACHE_METADATA.into(), Some(there.clone()))).unwrap();
    let patched = |module: &mut Module| {
        let graph = module.subgraph(MAIN);
        let input = graph.inputs()[0];
        let mut patch = Patch::new(MAIN, "add an op");
        let new = patch.add_tensor(float("new"));
        patch.add_op(custom(), InsertionPoint::End, &[Some(input.into())], &[new]);
        module.apply(patch)
    };
    let released = |module: &mut Module| {
        let mut patch = Patch::new(MAIN, "add a constant");
        patch.add_constant(bytes(3));
        module.apply(patch).unwrap();
        module.apply(Edit::Release(vec![tfq_ir::BufferId(4)]))
    };
    let replaced = |module: &mut Module| {
        module.apply(Edit::Metadata(DEQUANT_CACHE_METADATA.into(), Some(bytes(7))))
    };
    let dropped =
        |module: &mut Module| module.apply(Edit::Metadata(DEQUANT_CACHE_METADATA.into(), None));
    let record =
        |module: &mut Module| module.apply(Edit::Record(DEQUANT_CACHE_METADATA.into(), None));
    let pruned = |module: &mut Module| {
        module.apply(Edit::Metadata(DEQUANT_CACHE_METADATA.into(), None)).unwrap();
        module.apply(Edit::PruneBuffers)
    };
    type Change<'a> = &'a dyn Fn(&mut Module) -> Result<Arc<Applied>, Rejected>;
    let all: [(&str, Change<'_>, bool); 6] = [
        ("a patch", &patched, false),
        ("a release of what is in use", &released, true),
        ("other bytes", &replaced, false),
        ("no entry", &dropped, false),
        ("no record", &record, false),
        ("other numbers", &pruned, false),
    ];
    for (what, change, stays) in all {
        let mut module = start.clone();
        change(&mut module).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(module.constants().iter().any(|(_, b)| b == Some(&there)), stays, "{what}");
        // Twice, and the second shares the place of the first.
        module.add_constant(there.clone());
        module.add_constant(there.clone());
        let mut blobs = Blobs::new();
        let edits = &module.edits()[start.edits().len()..];
        let json = Edits::of_log(&start, edits, &mut blobs).to_json();
        let lines: Vec<&str> = json.lines().filter(|l| l.contains("\"constant\"")).collect();
        assert_eq!(lines[0].contains("base64"), !stays, "{what}: {json}");
        assert!(lines[1].contains("buffer"), "{what}: {json}");
        let mut again = start.clone();
        let applied = Edits::parse(&json).unwrap().apply(&mut again, &blobs);
        applied.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(state(&again), state(&module), "{what}");
        assert_eq!(shared(&again), shared(&module), "{what}");
    }
}

/// Of two constants of one place the other one is named when one is let go.
#[test]
fn where_one_of_a_place_is_let_go_the_other_is_named() {
    let start = rich();
    let mut module = start.clone();
    let there = bytes(40);
    let first = module.add_constant(there.clone());
    let second = module.add_constant(there.clone());
    module.apply(Edit::Release(vec![first])).unwrap();
    module.add_constant(there);
    let mut blobs = Blobs::new();
    let json = Edits::of_log(&start, module.edits(), &mut blobs).to_json();
    assert!(json.contains(&format!("{{\"constant\":{{\"buffer\":{}}}}}", second.0)), "{json}");
    let mut again = start.clone();
    Edits::parse(&json).unwrap().apply(&mut again, &blobs).unwrap();
    assert_eq!(shared(&again), shared(&module));
}

#[test]
fn what_came_with_a_side_file_is_not_added_again() {
    let mut written = Blobs::new();
    let hash = written.add(bytes(1000));
    let sent = Blobs::from_side_file(&written.to_side_file().into()).unwrap();
    assert_eq!((written.added().len(), sent.added().len()), (1, 0));
    // It is there all the same.
    let json = format!("{{\"constant\": {{\"blake3\": \"{hash}\"}}}}");
    assert_eq!(read_edit(&json, &rich(), &sent).unwrap(), Edit::Constant(bytes(1000)));
}

/// As docs/edits.md says: whoever sends edits in one go has to know them.
#[test]
fn a_new_constant_gets_the_number_behind_the_last() {
    let mut module = Module::default();
    let edit = |edits: &str| format!("{{\"tfq_edits\": 1, \"edits\": [{edits}]}}");
    let one = r#"{"edit": {"constant": {"base64": "AQ=="}}}"#;
    let json = edit(&format!("{one}, {one}, {{\"edit\": {{\"release\": [1]}}}}, {one}"));
    Edits::parse(&json).unwrap().apply(&mut module, &Blobs::new()).unwrap();
    let there: Vec<bool> = module.constants().iter().map(|(_, bytes)| bytes.is_some()).collect();
    assert_eq!(there, [false, false, true, true]);

    let mut module = rich();
    let next = module.constants().len() as u32;
    let patch = r#"{"edit": {"patch": {"subgraph": 0, "label": "add", "add_constants": [{"base64": "AQ=="}, {"base64": "Ag=="}]}}}"#;
    let named = format!("{{\"edit\": {{\"constant\": {{\"buffer\": {}}}}}}}", next + 1);
    let json = edit(&format!("{patch}, {named}"));
    Edits::parse(&json).unwrap().apply(&mut module, &Blobs::new()).unwrap();
    let bytes = module.constants().get(tfq_ir::BufferId(next + 2)).unwrap();
    assert_eq!(bytes.as_ref(), [2]);
}
